"""Runs one command line twice: with Go's real `bbolt`, and here."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import NamedTuple

from boltpy.cli import main

SOURCES = Path(__file__).parent / "go"
PACKAGE = "go.etcd.io/bbolt/cmd/bbolt"
SECONDS = 60


class Outcome(NamedTuple):
    """What a command left: 0 or 1 (bbolt knows no exit code for usage), all of stdout, the first line of stderr."""

    code: int
    out: bytes
    error: str


def ours(*arguments: str | Path) -> Outcome:
    """Run the command here."""
    code, out, errors = run_here(*arguments)
    return Outcome(min(code, 1), out, first_line(errors).replace("boltpy", "bbolt"))


def run_here(*arguments: str | Path) -> tuple[int, bytes, str]:
    """Run the command here: exit code, stdout, stderr."""
    sink = io.BytesIO()
    out = io.TextIOWrapper(sink, encoding="utf-8")
    with redirect_stderr(io.StringIO()) as errors:
        code = main([str(argument) for argument in arguments], out)
    out.flush()
    return code, sink.getvalue(), errors.getvalue()


def first_line(text: str) -> str:
    return text.partition("\n")[0]


class Bbolt:
    """The real command."""

    def __init__(self, binary: Path) -> None:
        self._binary = binary

    def __call__(self, *arguments: str | Path) -> Outcome:
        """Run it."""
        result = subprocess.run(
            [self._binary, *arguments], capture_output=True, timeout=SECONDS, check=False, stdin=subprocess.DEVNULL
        )
        return Outcome(min(result.returncode, 1), result.stdout, first_line(result.stderr.decode()))

    def agrees(self, *arguments: str | Path) -> None:
        """Fail unless both do the same."""
        assert ours(*arguments) == self(*arguments), arguments


@contextmanager
def unchanged(*paths: Path) -> Iterator[None]:
    """Fail if a file is another one afterwards, to the byte and to the nanosecond of its last change."""
    before = [(path.read_bytes(), path.stat().st_mtime_ns) for path in paths]
    yield
    assert [(path.read_bytes(), path.stat().st_mtime_ns) for path in paths] == before
