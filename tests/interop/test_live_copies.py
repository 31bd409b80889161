"""Copies of a file that bbolt holds locked and commits to: one whole state each, or a refusal, and never a mixture."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

import boltpy
from boltpy.live import copy_live, live_copy
from tests.boltpy.sizes import sized

from .peer import GoDB, GoPeer
from .workload import Workload

KEYS = 1500
BALLAST = Workload(count=4000, per_tx=4000, load=4000, value_size=(1000, 3000), bucket=(b"ballast",))
"""Some MB that do not change, so that a copy takes a while."""


def number_of_copy(path: Path) -> int:
    """The number of the commit that all values of a copy are from."""
    with boltpy.open(path, read_only=True) as db, db.view() as tx:
        bucket = tx.bucket(b"churn")
        if bucket is None:
            return 0
        values = list(bucket.values())
    numbers = {value[:8] for value in values if value is not None}
    assert len(values) == KEYS
    assert len(numbers) == 1, "a mixture of several commits"
    return int.from_bytes(numbers.pop(), "big")


@pytest.fixture
def busy(peer: GoPeer, tmp_path: Path) -> GoDB:
    """A file with ballast that bbolt has open."""
    go = peer.open(tmp_path / "busy.db", no_sync=True)
    go.run(BALLAST)
    return go


@pytest.mark.parametrize("pause", [5, 25, 100, 400], ids=lambda pause: f"{pause}ms")
def test_a_live_copy_beside_a_writer_is_one_state_or_refused(
    go_binary: Path, busy: GoDB, tmp_path: Path, pause: int
) -> None:
    target = tmp_path / "copy.db"
    copied, last = 0, 0
    with GoPeer(go_binary) as second:
        busy.churn(KEYS, pause)
        until = time.monotonic() + sized(c=2, py=2, deep=60)
        while time.monotonic() < until:
            try:
                txid = copy_live(busy.path, target, patience=0.5)
            except boltpy.BusyWriterError:
                continue
            copied += 1
            number = number_of_copy(target)
            assert number >= last
            last = number
            with second.open(target, read_only=True) as go:
                assert go.check() == []
            with boltpy.open(target, read_only=True) as db, db.view() as tx:
                assert tx.id == txid
        assert busy.calm() >= last
    assert copied or pause < 100


def test_a_writer_that_never_pauses_gets_a_refusal_and_no_copy(busy: GoDB, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    target.write_bytes(b"what was there before")
    busy.churn(200, 0)
    before = set(os.listdir(tmp_path))
    began = time.monotonic()
    with pytest.raises(boltpy.BusyWriterError) as caught:
        # As a slow disk would: each MiB takes longer than a commit.
        copy_live(busy.path, target, patience=1.0, progress=lambda *_: time.sleep(0.1))
    assert 1.0 <= time.monotonic() - began < 30
    assert caught.value.attempts > 1
    assert busy.calm() > 10
    assert target.read_bytes() == b"what was there before"
    assert set(os.listdir(tmp_path)) == before


def test_a_file_that_is_locked_and_idle_is_copied_at_once(busy: GoDB, tmp_path: Path) -> None:
    with pytest.raises(boltpy.LockTimeoutError):
        boltpy.open(busy.path, read_only=True, timeout=0.1)
    with live_copy(busy.path) as path:
        with boltpy.open(path, read_only=True) as db, db.view() as tx:
            assert list(tx.check()) == []
            bucket = tx.bucket(b"ballast")
            assert bucket is not None
            assert bucket.stats().key_n == BALLAST.count
        assert os.stat(os.path.dirname(path)).st_mode & 0o077 == 0
    assert not os.path.exists(path)
