"""The command starts soon: it loads no more than what the one command needs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.command import ROOT

# What a script that pip installs runs.
COMMAND = "import sys; from boltpy.cli import run; sys.exit(run())"
ROUNDS = 12


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
    heavy = {"argparse", "json", "logging", "dataclasses", "inspect", "boltpy.public", "boltpy.hot", "boltpy.tx"}
    assert loaded & heavy == set()
    assert {"boltpy.cli.facts", "boltpy.raw_file"} <= loaded


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


def test_info_takes_less_than_twice_the_time_of_an_interpreter_that_loads_cffi(samples: dict[str, Path]) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

    def seconds(code: str, *arguments: Path | str) -> float:
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-c", code, *arguments],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            check=True,
        )
        return time.perf_counter() - start

    nothing, info = [], []
    for _ in range(ROUNDS):
        nothing.append(seconds("import cffi"))
        info.append(seconds(COMMAND, "info", samples["rich"]))
    assert min(info) < 2 * min(nothing)
