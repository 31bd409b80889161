"""The file lock: each side keeps the other out, and readers of both share."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import boltpy
from tests.models import assert_holds

from .contents import digest
from .peer import GoError, GoPeer
from .workload import Workload

WAIT = 0.3  # seconds


@pytest.fixture
def path(peer: GoPeer, tmp_path: Path) -> Path:
    """A file with some pairs, which nobody has open."""
    path = tmp_path / "locked.db"
    with peer.open(path) as go:
        go.run(Workload(50, 50))
    return path


def assert_locked_out(path: Path, **options: object) -> None:
    began = time.monotonic()
    with pytest.raises(boltpy.LockTimeoutError):
        boltpy.open(path, timeout=WAIT, **options)
    assert WAIT <= time.monotonic() - began < 20 * WAIT


@pytest.mark.parametrize("read_only", [False, True], ids=["writer", "reader"])
def test_a_writer_in_bbolt_keeps_us_out(peer: GoPeer, path: Path, read_only: bool) -> None:
    with peer.open(path):
        assert_locked_out(path, read_only=read_only)
    boltpy.open(path, timeout=WAIT, read_only=read_only).close()


def test_a_reader_in_bbolt_keeps_our_writer_out(peer: GoPeer, path: Path) -> None:
    with peer.open(path, read_only=True):
        assert_locked_out(path)


@pytest.mark.parametrize("read_only", [False, True], ids=["writer", "reader"])
def test_our_writer_keeps_bbolt_out(peer: GoPeer, path: Path, read_only: bool) -> None:
    with boltpy.open(path), pytest.raises(GoError, match=r"^timeout$"):
        peer.open(path, timeout=WAIT, read_only=read_only)
    peer.open(path, timeout=WAIT, read_only=read_only).close()


def test_our_reader_keeps_a_writer_in_bbolt_out(peer: GoPeer, path: Path) -> None:
    with boltpy.open(path, read_only=True), pytest.raises(GoError, match=r"^timeout$"):
        peer.open(path, timeout=WAIT)


def test_readers_of_both_sides_share_the_file(peer: GoPeer, path: Path) -> None:
    with (
        boltpy.open(path, read_only=True, timeout=WAIT) as ours,
        peer.open(path, read_only=True, timeout=WAIT) as go,
        boltpy.open(path, read_only=True, timeout=WAIT) as second,
        ours.view() as tx,
        second.view() as other,
    ):
        assert go.digest() == digest(tx) == digest(other)
        assert_holds(tx, go.contents())


def test_we_wait_until_bbolt_lets_go(peer: GoPeer, path: Path) -> None:
    began = time.monotonic()
    peer.hold(path, milliseconds=600)
    boltpy.open(path, timeout=20).close()
    assert 0.5 < time.monotonic() - began < 10


def test_the_lock_of_a_process_that_was_killed_is_gone(go_binary: Path, path: Path) -> None:
    with GoPeer(go_binary) as doomed:
        doomed.open(path)
        assert_locked_out(path)
    boltpy.open(path, timeout=5).close()
