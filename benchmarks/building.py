"""Where the Go programs are built, once for their sources and the Go that builds them."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.interop.peer import PeerUnavailableError, build

ROOT = Path(__file__).resolve().parents[1]
SOURCES = Path(__file__).parent / "go"


class BuildError(Exception):
    """A Go program can not be built; the text says why."""


def built(sources: Path = SOURCES) -> Path:
    """Return the program of these sources.

    Raises:
        BuildError: There is no Go, or it does not build, or what it builds can not be kept.
    """
    cache = ROOT / "build" / "benchmarks"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        return build(cache, sources)
    except (PeerUnavailableError, OSError) as error:
        said = " ".join(str(error).split())
        raise BuildError(f"{said} it said nothing" if said.endswith(":") else said) from error


def modules(program: Path) -> dict[str, str]:
    """Return the versions of the Go modules that a program was built of, by their paths, as the program has them."""
    told = subprocess.run(["go", "version", "-m", str(program)], capture_output=True, text=True, check=True).stdout
    words = [line.split() for line in told.splitlines()]
    return {line[1]: line[2].removeprefix("v") for line in words if line[:1] == ["dep"]}
