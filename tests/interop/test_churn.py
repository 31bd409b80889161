"""Heavy deletes and many changed buckets, where bbolt's own file depends on the order of a Go map.

What holds there: equal contents, a clean check on both sides, and a file of ours
that is at most as large as bbolt's and as well filled.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import boltpy
from tests.models import assert_holds

from .changes import Change, update
from .contents import check, digest
from .history import History
from .peer import GoPeer
from .workload import Workload, run

COUNT = 20_000 if boltpy.HOT == "c" else 3_000
LOADED = {"count": 2 * COUNT, "load": COUNT, "per_tx": COUNT // 10}

WORKLOADS = {
    "nearly all deleted": Workload(**LOADED, delete=97),
    "deleted in key order of the load": Workload(**LOADED, keys="ascending", delete=97),
    "deletes and puts mixed": Workload(**LOADED, delete=75, transient=5),
    "large values": Workload(
        count=600, load=300, per_tx=30, value_size=(0, 9000), key_size=(8, 900), overwrite=20, delete=60
    ),
    "a full fill percent": Workload(**LOADED, delete=80, fill=1.0),
    "a low fill percent": Workload(**LOADED, delete=80, fill=0.1),
    "a few keys a transaction": Workload(count=1200, load=600, per_tx=6, value_size=(0, 200), delete=97),
}


@pytest.mark.parametrize("page_size", [1024, 4096])
@pytest.mark.parametrize("many", [False, True], ids=["one-by-one", "many"])
@pytest.mark.parametrize("workload", WORKLOADS.values(), ids=WORKLOADS)
def test_heavy_deletes_leave_equal_contents_in_no_larger_a_file(
    peer: GoPeer, tmp_path: Path, workload: Workload, page_size: int, many: bool
) -> None:
    ours, theirs = tmp_path / "ours.db", tmp_path / "theirs.db"
    options: dict[str, object] = {"no_sync": True, "page_size": page_size}
    with boltpy.open(ours, **options) as db:
        run(db, workload, many=many)
        assert check(db) == []
        with db.view() as tx:
            bucket = tx.bucket(*workload.bucket)
            assert bucket is not None
            leaves = bucket.stats().leaf_page_n
    with peer.open(theirs, **options) as go:
        go.run(workload)
        expected = go.digest()
        leaves_there = go.stats(workload.bucket)["bucket"]["leaf_page_n"]
    with peer.open(ours) as go:
        assert go.check() == []
        assert go.digest() == expected
    for path in (ours, theirs):
        with boltpy.open(path, read_only=True) as db, db.view() as tx:
            assert digest(tx) == expected
    assert ours.stat().st_size <= theirs.stat().st_size
    assert leaves <= leaves_there * 1.05 + 1  # bbolt's own count varies by as much


def test_a_bucket_emptied_by_deletes_gives_all_its_pages_back(peer: GoPeer, tmp_path: Path) -> None:
    workload = Workload(COUNT, COUNT // 4)
    path = tmp_path / "ours.db"
    with boltpy.open(path, no_sync=True) as db:
        run(db, workload)
        keys = [key for transaction in workload.transactions() for key, _ in transaction]
        for start in range(0, len(keys), COUNT // 4):
            with db.update() as tx:
                bucket = tx.bucket(*workload.bucket)
                assert bucket is not None
                bucket.delete_many(keys[start : start + COUNT // 4])
    with peer.open(path) as go:
        assert go.check() == []
        stats = go.stats()
        assert (stats["bucket"]["key_n"], stats["bucket"]["inline_bucket_n"]) == (1, 1)
        kinds = [page["type"] for page in go.pages() if page["type"] != "free"]
        assert sorted(kinds) == ["freelist", "leaf", "meta", "meta"]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("page_size", [1024, 4096])
def test_several_changed_buckets_leave_equal_contents_in_no_larger_a_file(
    peer: GoPeer, tmp_path: Path, seed: int, page_size: int
) -> None:
    """The largest of three files of bbolt counts: their sizes differ from run to run."""
    history = History(seed, page_size)
    transactions = [history.transaction(60, careful=True)[0] for _ in range(15)]
    sizes = []
    for i in range(3):
        with peer.open(tmp_path / f"theirs{i}.db", no_sync=True, page_size=page_size) as go:
            for changes in transactions:
                go.update(changes)
        sizes.append((tmp_path / f"theirs{i}.db").stat().st_size)
    ours = tmp_path / "ours.db"
    with boltpy.open(ours, no_sync=True, page_size=page_size) as db:
        for changes in transactions:
            update(db, changes)
        assert check(db) == []
        with db.view() as tx:
            assert_holds(tx, history.model)
    assert ours.stat().st_size <= max(sizes)
    with peer.open(ours) as go:
        assert go.check() == []


def test_a_thousand_buckets_changed_at_once_are_equal_on_both_sides(peer: GoPeer, tmp_path: Path) -> None:
    names = [b"bucket-%03d" % i for i in range(1000 if boltpy.HOT == "c" else 200)]
    first = [Change("create_bucket", (), name) for name in names]
    first += [Change("put", (name,), b"key-%d" % i, name * i * 2) for name in names for i in range(12)]
    second = [Change("delete", (name,), b"key-%d" % i) for name in names[::2] for i in range(1, 11)]
    second += [Change("next_sequence", (name,)) for name in names[::3]]
    ours, theirs = tmp_path / "ours.db", tmp_path / "theirs.db"
    with boltpy.open(ours, no_sync=True) as db, peer.open(theirs, no_sync=True) as go:
        for changes in (first, second):
            assert update(db, changes) == go.update(changes)
            with db.view() as tx:
                assert digest(tx) == go.digest()
        assert check(db) == []
    with peer.open(ours) as go:
        assert go.check() == []
    assert ours.stat().st_size <= theirs.stat().st_size
