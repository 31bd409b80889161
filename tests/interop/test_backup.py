"""Backups and compacted copies: the same bytes as bbolt makes where it is reproducible, else the same contents."""

from __future__ import annotations

from pathlib import Path

import pytest

import boltpy
from tests.models import assert_holds, difference

from .changes import update
from .contents import digest
from .history import History
from .peer import GoPeer
from .workload import Workload, file_hash, run

LOAD = Workload(count=3000, per_tx=300, load=2000, value_size=(0, 400), key_size=(8, 60), delete=60, bucket=(b"b",))


@pytest.mark.parametrize("page_size", [1024, 4096])
@pytest.mark.parametrize("commits", [3, 4])
def test_a_snapshot_has_the_bytes_that_bbolt_gives_it(
    peer: GoPeer, tmp_path: Path, commits: int, page_size: int
) -> None:
    path, ours, theirs = (tmp_path / name for name in ("source.db", "ours.db", "theirs.db"))
    history = History(seed=3, page_size=page_size)
    with boltpy.open(path, no_sync=True, page_size=page_size) as db:
        for _ in range(commits):
            update(db, history.transaction(80, careful=False)[0])
        with db.view() as tx:
            tx.copy_file(ours)
    with peer.open(path) as go:
        go.copy_file(theirs)
    assert ours.stat().st_size == theirs.stat().st_size
    assert file_hash(ours) == file_hash(theirs)
    with peer.open(ours) as go:
        assert go.check() == []
        assert difference(history.model, go.contents()) is None


@pytest.mark.parametrize("tx_max_size", [0, 5000, 65536])
def test_a_compacted_bucket_is_the_file_that_bbolt_makes_of_it(peer: GoPeer, tmp_path: Path, tx_max_size: int) -> None:
    path, ours, theirs = (tmp_path / name for name in ("source.db", "ours.db", "theirs.db"))
    with boltpy.open(path, no_sync=True) as db:
        run(db, LOAD)
        with boltpy.open(ours, no_sync=True) as target:
            boltpy.compact(db, target, tx_max_size=tx_max_size)
    with peer.open(path) as go:
        go.compact(theirs, tx_max_size, no_sync=True)
    assert file_hash(ours) == file_hash(theirs)
    assert ours.stat().st_size < path.stat().st_size


@pytest.mark.parametrize("page_size", [1024, 4096])
def test_a_compacted_tree_of_buckets_has_equal_contents(peer: GoPeer, tmp_path: Path, page_size: int) -> None:
    path, ours, theirs = (tmp_path / name for name in ("source.db", "ours.db", "theirs.db"))
    history = History(seed=4)
    with peer.open(path, no_sync=True) as go:
        for _ in range(5):
            go.update(history.transaction(80, careful=True)[0])
        go.compact(theirs, 10_000, page_size=page_size, no_sync=True)
    with boltpy.open(path, read_only=True) as db, boltpy.open(ours, page_size=page_size, no_sync=True) as target:
        boltpy.compact(db, target, tx_max_size=10_000)
    with peer.open(ours) as go, boltpy.open(theirs) as db, db.view() as tx:
        assert go.check() == []
        assert go.digest() == digest(tx)
        assert_holds(tx, history.model)
    assert ours.stat().st_size <= theirs.stat().st_size
