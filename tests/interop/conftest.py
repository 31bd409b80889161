"""The Go programs as fixtures: built once, one process a test, so that no lock outlives its test.

Without Go the tests are skipped, with the reason; with BOLTPY_REQUIRE_GO=1, as
in CI, the same reason is a failure.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from .peer import GOFER_SOURCES, SOURCES, GoPeer, PeerUnavailableError, build


@pytest.fixture(scope="session")
def go_binary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled Go program, kept between sessions beside pytest's temporary folders."""
    return built(tmp_path_factory, SOURCES)


@pytest.fixture(scope="session")
def gofer_binary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled stand-in for Gofer, kept in the same way."""
    return built(tmp_path_factory, GOFER_SOURCES)


def built(tmp_path_factory: pytest.TempPathFactory, sources: Path) -> Path:
    try:
        return build(tmp_path_factory.getbasetemp().parent, sources)
    except PeerUnavailableError as reason:
        if os.environ.get("BOLTPY_REQUIRE_GO") == "1":
            pytest.fail(f"BOLTPY_REQUIRE_GO=1, but {reason}")
        pytest.skip(str(reason))


@pytest.fixture
def peer(go_binary: Path) -> Iterator[GoPeer]:
    """A fresh process of the Go program."""
    with GoPeer(go_binary) as running:
        yield running


@pytest.fixture
def gofer(gofer_binary: Path) -> Iterator[GoPeer]:
    """A fresh process of the stand-in for Gofer; `gofer_peer.opened` speaks with it."""
    with GoPeer(gofer_binary) as running:
        yield running
