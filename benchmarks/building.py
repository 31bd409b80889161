"""Where the Go programs are built, once for their sources and the Go that builds them."""

from __future__ import annotations

from pathlib import Path

from tests.interop.peer import build

ROOT = Path(__file__).resolve().parents[1]
SOURCES = Path(__file__).parent / "go"


def built(sources: Path = SOURCES) -> Path:
    """Return the program of these sources.

    Raises:
        PeerUnavailableError: There is no Go, or it does not build; the text says why.
    """
    cache = ROOT / "build" / "benchmarks"
    cache.mkdir(parents=True, exist_ok=True)
    return build(cache, sources)
