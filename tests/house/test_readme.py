"""README.md tells the truth: its Python runs and prints what it says, its commands are the ones the checks run."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("source", blocks("python"), ids=lambda source: source.splitlines()[0])
def test_the_python_runs_and_prints_what_it_says(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "tests" / "data" / "gofer_small.db", "gofer.db")
    promised = re.findall(r"^ *print\(.*\) +# (.*)$", source, flags=re.MULTILINE)
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(source, "README.md", "exec"), {})
    assert out.getvalue().splitlines() == promised


def test_the_commands_are_those_that_the_checks_run() -> None:
    commands = [line for block in blocks("sh") for line in block.splitlines()]
    assert len(commands) == 2
    checks = [line.strip() for line in (ROOT / ".ci" / "run").read_text("utf-8").splitlines()]
    assert [command for command in commands if command not in checks] == []


def test_the_links_lead_to_files() -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", README)
    assert [target for target in targets if "://" not in target and not (ROOT / target).exists()] == []
