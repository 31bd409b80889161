"""Free pages across the border: long lists, both types, and what each side counts."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

import boltpy

from .changes import Change, update
from .contents import check, root_of
from .peer import GoDB, GoPeer
from .workload import Workload, run

MIB = 1 << 20
DELETE_ALL = [Change("delete_bucket", (), b"bucket")]

# 70 values of a mebibyte take 1025 pages of 1 KiB each: more ids than the 16-bit count of a page can tell.
LONG = Workload(count=70, per_tx=35, keys="ascending", value_size=(MIB, MIB))
LONG_LIST = 65_535


def free_pages_here(db: boltpy.DB) -> int:
    stats = db.stats()
    return stats.free_page_n + stats.pending_page_n


def free_pages_there(go: GoDB) -> int:
    stats = go.stats()
    found: int = stats["free_page_n"] + stats["pending_page_n"]
    return found


@pytest.mark.parametrize("freelist_type", ["array", "hashmap"])
def test_bbolt_reads_a_freelist_of_more_than_65534_pages(peer: GoPeer, tmp_path: Path, freelist_type: str) -> None:
    path = tmp_path / "ours.db"
    options: dict[str, object] = {"no_sync": True, "freelist_type": freelist_type}
    with boltpy.open(path, page_size=1024, **options) as db:
        run(db, LONG)
        update(db, DELETE_ALL)
        free = free_pages_here(db)
    assert free > LONG_LIST
    size = path.stat().st_size
    with peer.open(path, **options) as go:
        assert free_pages_there(go) == free
        assert go.check() == []
        go.run(LONG)
        assert go.check() == []
    assert path.stat().st_size == size


@pytest.mark.parametrize("freelist_type", ["array", "hashmap"])
def test_a_freelist_of_more_than_65534_pages_of_bbolt_is_read_here(
    peer: GoPeer, tmp_path: Path, freelist_type: str
) -> None:
    path = tmp_path / "theirs.db"
    options: dict[str, object] = {"no_sync": True, "freelist_type": freelist_type}
    with peer.open(path, page_size=1024, **options) as go:
        go.run(LONG)
        go.update(DELETE_ALL)
        free = free_pages_there(go)
    assert free > LONG_LIST
    size = path.stat().st_size
    with boltpy.open(path, **options) as db:
        assert free_pages_here(db) == free
        assert check(db) == []
        run(db, LONG)
    assert path.stat().st_size == size
    with peer.open(path) as go:
        assert go.check() == []


@pytest.mark.parametrize("count", range(505, 514))
def test_a_freelist_about_as_long_as_a_page_takes_the_pages_that_bbolt_gives_it(
    peer: GoPeer, tmp_path: Path, count: int
) -> None:
    """510 ids fill a page of 4096 bytes exactly, and bbolt then takes one page more than it needs."""
    ours, theirs = tmp_path / "ours.db", tmp_path / "theirs.db"
    value = b"v" * (4096 * (count - 8))
    changes = [[Change("create_bucket", (), b"b"), Change("put", (b"b",), b"k", value)], [], []]
    changes += [[Change("delete", (b"b",), b"k")], [], [], []]
    with boltpy.open(ours, no_sync=True) as db, peer.open(theirs, no_sync=True) as go:
        for transaction in changes:
            update(db, transaction)
            go.update(transaction)
            assert free_pages_here(db) == free_pages_there(go)
    assert ours.read_bytes() == theirs.read_bytes()


@pytest.mark.parametrize("freelist_type", ["array", "hashmap"])
@pytest.mark.parametrize("no_freelist_sync", [False, True], ids=["stored", "not-stored"])
def test_both_sides_see_the_same_pages_and_count_the_same(
    peer: GoPeer, tmp_path: Path, freelist_type: str, no_freelist_sync: bool
) -> None:
    path = tmp_path / "theirs.db"
    options: dict[str, object] = {"freelist_type": freelist_type, "no_freelist_sync": no_freelist_sync, "no_sync": True}
    load = Workload(3000, 300, load=1500, value_size=(0, 900), key_size=(8, 99), delete=60, bucket=(b"a", b"b"))
    small = Workload(5, 5, value_size=(3, 9), bucket=(b"a", b"small"))
    with peer.open(path, **options) as go:
        go.run(load)
        go.run(small)
        pages = go.pages()
        go_stats = go.stats()
        buckets = {bucket: go.stats(bucket)["bucket"] for bucket in [(), (b"a",), load.bucket, small.bucket]}
        size, txid = go_stats["size"], go_stats["txid"]
    with boltpy.open(path, read_only=True, preload_freelist=True) as db, db.view() as tx:
        assert (tx.id, tx.size) == (txid, size)
        for page in pages:
            info = tx.page(page["id"])
            assert info is not None
            assert (info.id, info.type) == (page["id"], page["type"])
            if info.type != "free":
                assert (info.count, info.overflow_count) == (page["count"], page["overflow"])
        assert tx.page(size // db.info().page_size) is None
        for path_of_bucket, expected in buckets.items():
            bucket = tx.bucket(*path_of_bucket) if path_of_bucket else root_of(tx)
            assert bucket is not None
            assert asdict(bucket.stats()) == expected
