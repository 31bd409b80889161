"""The command starts soon: it loads no more than what the one command needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import ForwardRef

import pytest

from boltpy.cli.command import Command, Flag
from boltpy.meta import Meta
from boltpy.raw_file import PageHeader
from tests.cli.command import ROOT


def loaded_by(*arguments: str | Path) -> set[str]:
    """The modules that are there when a command has run."""
    code = "import sys; from boltpy.cli import main; main(); print(*sys.modules, file=sys.stderr)"
    result = subprocess.run(
        [sys.executable, "-I", "-c", f"sys = __import__('sys'); sys.path.insert(0, {str(ROOT)!r}); {code}", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(result.stderr.split())


def test_info_loads_little(samples: dict[str, Path]) -> None:
    loaded = loaded_by("info", samples["rich"])
    heavy = {"argparse", "json", "logging", "dataclasses", "inspect", "math", "signal"}
    heavy |= {"boltpy.public", "boltpy.hot", "boltpy.tx"}
    assert loaded & heavy == set()
    assert {"boltpy.cli.facts", "boltpy.raw_file"} <= loaded


@pytest.mark.parametrize("kind", [Command, Flag, Meta, PageHeader])
def test_what_each_start_makes_has_no_annotations_that_must_be_compiled(kind: type) -> None:
    assert [it for it in getattr(kind, "__annotations__", {}).values() if isinstance(it, ForwardRef | str)] == []


@pytest.mark.parametrize(
    ("line", "families"),
    [
        ("info {}", {"facts"}),
        ("buckets {}", {"listing"}),
        ("check {}", {"checking"}),
        ("pages {}", {"measuring", "picture"}),
        ("page {} 0", {"raw"}),
        ("surgery meta validate {}", {"surgery"}),
    ],
)
def test_no_other_family_of_commands_is_loaded(samples: dict[str, Path], line: str, families: set[str]) -> None:
    common = {"command", "formats", "opening", "parsing", "progress", "table"}
    found = {name.removeprefix("boltpy.cli.") for name in loaded_by(*line.format(samples["empty"]).split())
             if name.startswith("boltpy.cli.")}  # fmt: skip
    assert found - common == families
