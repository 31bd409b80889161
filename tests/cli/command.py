"""Runs the command `boltpy` as its users do: in a process of its own, or here for what a process adds nothing to."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from boltpy.cli import main

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-W", "error", "-m", "boltpy"]


def environment(**changes: str) -> dict[str, str]:
    """The environment for a child whose streams are those of a plain shell."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONUNBUFFERED", "PYTHONIOENCODING")}
    return kept | {"PYTHONUTF8": "1"} | changes


def run(*arguments: str | bytes | Path, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run the command with these arguments, and changes of the environment."""
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=ROOT,
        env=environment(**changes),
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def printed(*arguments: object) -> str:
    """What a command prints that must succeed."""
    out = io.StringIO()
    assert main([str(argument) for argument in arguments], out) == 0
    return out.getvalue()


def printed_json(*arguments: object) -> Any:
    """The same, read as JSON."""
    return json.loads(printed(*arguments, "--json"))
