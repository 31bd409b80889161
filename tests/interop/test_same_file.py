"""The same changes in the same transactions, from a new file, leave bbolt's file: sha256 equal after each commit.

This holds for one changed bucket (or a chain of nested ones), the array freelist
and deletes that leave every page above the merge threshold. Where bbolt depends
on the order of a Go map, `test_churn.py` compares what can be compared.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

import boltpy

from .changes import Change, update
from .peer import GoPeer
from .workload import Trace, Workload, file_hash, run

MANY = 100_000 if boltpy.HOT == "c" else 30_000


def assert_same_file(peer: GoPeer, folder: Path, workload: Workload, *, many: bool = False, **options: object) -> None:
    """Run a workload on both sides and compare the files: after each commit if they are few, else at the end."""
    ours, theirs = folder / "ours.db", folder / "theirs.db"
    hashes = workload.count <= 30 * workload.per_tx
    with boltpy.open(ours, no_sync=True, **options) as db:
        mine = run(db, workload, hashes=hashes, many=many)
    with peer.open(theirs, no_sync=True, **options) as go:
        go_trace = go.run(workload, hashes=hashes)
        assert go.check() == []
    assert first_difference(mine, go_trace) is None
    assert file_hash(ours) == file_hash(theirs)


def first_difference(ours: Trace, theirs: Trace) -> str | None:
    """The first commit after which the files differ, in words."""
    assert len(ours.sizes) == len(theirs.sizes)
    for i, (mine, other) in enumerate(zip(ours.sizes, theirs.sizes, strict=True)):
        if mine != other:
            return f"after commit {i} our file has {mine} bytes, bbolt's has {other}"
    for i, (mine_hash, other_hash) in enumerate(zip(ours.hashes, theirs.hashes, strict=True)):
        if mine_hash != other_hash:
            return f"after commit {i} the files have other bytes"
    return None


@pytest.mark.parametrize("many", [False, True], ids=["put", "put_many"])
@pytest.mark.parametrize("keys", ["ascending", "descending", "random"])
def test_a_large_load_leaves_the_same_file(peer: GoPeer, tmp_path: Path, keys: str, many: bool) -> None:
    assert_same_file(peer, tmp_path, Workload(MANY, MANY // 10, keys=keys), many=many)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 9, 20, 60, 61, 100, 200, 400])
def test_every_small_size_leaves_the_same_file(peer: GoPeer, tmp_path: Path, count: int) -> None:
    assert_same_file(peer, tmp_path, Workload(count, count, value_size=(0, 200)))


@pytest.mark.parametrize("per_tx", [1, 2, 7, 300])
@pytest.mark.parametrize("keys", ["ascending", "random"])
def test_any_number_of_keys_in_a_transaction_leaves_the_same_file(
    peer: GoPeer, tmp_path: Path, keys: str, per_tx: int
) -> None:
    assert_same_file(peer, tmp_path, Workload(min(200 * per_tx, 4000), per_tx, keys=keys, value_size=(0, 60)))


LIGHT = Workload(MANY // 10, MANY // 100, load=MANY // 50, overwrite=10, delete=10, missing=5, transient=5)
VARIED = Workload(MANY // 10, MANY // 100, key_size=(8, 200), value_size=(0, 500), overwrite=20)
OVERFLOWING = Workload(400, 40, value_size=(0, 20_000), overwrite=20)


@pytest.mark.parametrize("page_size", [1024, 3000, 4096, 16384, 65536])
@pytest.mark.parametrize("workload", [LIGHT, VARIED, OVERFLOWING], ids=["light-deletes", "varied", "overflowing"])
def test_every_page_size_leaves_the_same_file(peer: GoPeer, tmp_path: Path, workload: Workload, page_size: int) -> None:
    assert_same_file(peer, tmp_path, workload, page_size=page_size)


@pytest.mark.parametrize("many", [False, True], ids=["put", "put_many"])
@pytest.mark.parametrize("workload", [LIGHT, VARIED, OVERFLOWING], ids=["light-deletes", "varied", "overflowing"])
@pytest.mark.parametrize("seed", [11, 12])
def test_other_seeds_leave_the_same_file(
    peer: GoPeer, tmp_path: Path, workload: Workload, many: bool, seed: int
) -> None:
    assert_same_file(peer, tmp_path, replace(workload, seed=seed), many=many)


@pytest.mark.parametrize("fill", [0.01, 0.1, 0.25, 0.6, 0.9, 1.0, 1.5])
@pytest.mark.parametrize("keys", ["ascending", "random"])
def test_every_fill_percent_leaves_the_same_file(peer: GoPeer, tmp_path: Path, keys: str, fill: float) -> None:
    workload = Workload(MANY // 20, MANY // 200, keys=keys, value_size=(0, 100), fill=fill, overwrite=10)
    assert_same_file(peer, tmp_path, workload)


@pytest.mark.parametrize(
    "options",
    [
        {"no_freelist_sync": True},
        {"no_grow_sync": True},
        {"no_freelist_sync": True, "no_grow_sync": True, "page_size": 1024},
        {"initial_mmap_size": 5_000_000},
        {"alloc_size": 100_000},
        {"strict": True},
    ],
    ids="-".join,
)
def test_options_of_the_file_leave_the_same_file(peer: GoPeer, tmp_path: Path, options: dict[str, object]) -> None:
    assert_same_file(peer, tmp_path, replace(VARIED, count=MANY // 20), **options)


@pytest.mark.parametrize("bucket", [(b"one", b"two"), (b"a", b"b" * 300, b"c", b"d")], ids=["2-deep", "4-deep"])
@pytest.mark.parametrize("per_tx", [3, 150])
def test_a_chain_of_nested_buckets_leaves_the_same_file(
    peer: GoPeer, tmp_path: Path, bucket: tuple[bytes, ...], per_tx: int
) -> None:
    workload = Workload(20 * per_tx, per_tx, value_size=(0, 100), overwrite=10, missing=5, bucket=bucket)
    assert_same_file(peer, tmp_path, workload)


B = (b"bucket",)
MADE = [Change("create_bucket", (), B[0])]
PAIRS = [Change("put", B, b"%04d" % i, b"v" * 50) for i in range(300)]
CHAIN = [Change("create_bucket", (), b"a"), Change("create_bucket", (b"a",), b"b"), Change("put", (b"a", b"b"), b"k")]

HISTORIES: dict[str, list[list[Change]]] = {
    "empty commits": [[], [], [], [], []],
    "an empty bucket": [MADE, [], []],
    "a sequence only": [MADE, [Change("set_sequence", B, sequence=1 << 63)], [Change("next_sequence", B)], []],
    "a sequence of a large bucket": [MADE + PAIRS, [Change("next_sequence", B)], [Change("next_sequence", B)]],
    "a bucket made and deleted": [MADE, [Change("delete_bucket", (), B[0])], []],
    "a bucket made and deleted at once": [[*MADE, Change("delete_bucket", (), B[0])], []],
    "a large bucket deleted and made again": [
        MADE + PAIRS,
        [Change("delete_bucket", (), B[0]), *MADE, Change("put", B, b"k", b"v")],
        [],
    ],
    "a bucket that leaves its parent's page and comes back": [
        MADE + PAIRS[:2],
        [Change("put", B, b"large", b"v" * 3000)],
        [Change("delete", B, b"large")],
        [Change("delete", B, PAIRS[0].key), Change("delete", B, PAIRS[1].key)],
        PAIRS[:1],
    ],
    "the inline limit, from both sides": [
        MADE,
        [Change("put", B, b"k", b"v" * 991)],
        [Change("put", B, b"k", b"v" * 992)],
        [Change("put", B, b"k", b"v" * 991)],
    ],
    "the largest key and an empty value": [[*MADE, Change("put", B, b"k" * 32768, b"")], PAIRS[:5], []],
    "a long bucket name": [[Change("create_bucket", (), b"n" * 50_000)], MADE],
    "overwriting with the same value": [MADE + PAIRS, PAIRS[7:8], PAIRS[250:260], []],
    "deletes of what is not there": [MADE + PAIRS, [Change("delete", B, b"none"), Change("delete", B, b"0007x")], []],
    "a new key put and deleted": [MADE + PAIRS, [Change("put", B, b"0100x"), Change("delete", B, b"0100x")], []],
    "an old key deleted and put back": [MADE + PAIRS, [Change("delete", B, b"0100"), PAIRS[100]], []],
    "a bucket opened and not changed": [
        MADE + PAIRS,
        [Change("get", B, b"0001"), Change("create_bucket_if_not_exists", (), B[0])],
        [],
    ],
    "refused changes": [
        MADE + PAIRS,
        [Change("put", B, b"", b"v"), Change("put", B, b"k" * 32769), Change("create_bucket", (), B[0])],
        [Change("create_bucket", B, b"0001"), Change("delete_bucket", B, b"0001"), Change("delete", (), B[0])],
    ],
    "a fill percent that is not kept": [
        [*MADE, Change("fill_percent", B, fill=0.9), *PAIRS],
        [Change("put", B, b"%04dx" % i, b"v" * 50) for i in range(0, 300, 3)],
    ],
    "a nested chain": [
        CHAIN,
        [Change("put", (b"a", b"b"), b"k", b"v" * 2000)],
        [Change("next_sequence", (b"a", b"b"))],
    ],
    "a bucket moved up": [CHAIN, [Change("move_bucket", (b"a",), b"b", target=())], []],
    "a bucket moved down": [MADE + CHAIN[:1], [Change("move_bucket", (), B[0], target=(b"a",))], []],
}


@pytest.mark.parametrize("page_size", [1024, 4096])
@pytest.mark.parametrize("history", HISTORIES.values(), ids=HISTORIES)
def test_the_same_calls_leave_the_same_file(
    peer: GoPeer, tmp_path: Path, history: Iterable[list[Change]], page_size: int
) -> None:
    ours, theirs = tmp_path / "ours.db", tmp_path / "theirs.db"
    options = {"no_sync": True, "page_size": page_size}
    with boltpy.open(ours, **options) as db, peer.open(theirs, **options) as go:
        for i, changes in enumerate([[], *history]):
            assert update(db, changes) == go.update(changes), f"outcomes of commit {i}"
            assert file_hash(ours) == file_hash(theirs), f"files after commit {i}"
        assert go.check() == []


@pytest.mark.parametrize("deleted", [17, 18, 35, 36])
@pytest.mark.parametrize("leaf", [0, 1, 3, 4])
def test_one_page_at_the_merge_threshold_leaves_the_same_file(
    peer: GoPeer, tmp_path: Path, leaf: int, deleted: int
) -> None:
    """Leaves of 36 items of 56 bytes and a last one of 56; with 18 items left a leaf is a quarter of a page."""
    ours, theirs = tmp_path / "ours.db", tmp_path / "theirs.db"
    load = MADE + [Change("put", B, b"%08d" % i, b"v" * 32) for i in range(200)]
    deletes = [Change("delete", B, b"%08d" % (36 * leaf + i)) for i in range(deleted)]
    with boltpy.open(ours, no_sync=True, page_size=4096) as db, peer.open(theirs, no_sync=True, page_size=4096) as go:
        for changes in (load, deletes):
            update(db, changes)
            go.update(changes)
        joins = deleted >= 18 and leaf < 4
        assert go.stats(B)["bucket"]["leaf_page_n"] == (4 if joins else 5)
    assert file_hash(ours) == file_hash(theirs)


@pytest.mark.parametrize("page_size", [1024, 3000, 4096, 65536, 1 << 20])
def test_a_new_file_is_the_same_before_any_commit(peer: GoPeer, tmp_path: Path, page_size: int) -> None:
    ours, theirs = tmp_path / "ours.db", tmp_path / "theirs.db"
    boltpy.open(ours, page_size=page_size).close()
    peer.open(theirs, page_size=page_size).close()
    assert file_hash(ours) == file_hash(theirs)


def test_a_rollback_leaves_no_trace_in_the_file(peer: GoPeer, tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours.db", tmp_path / "theirs.db"
    with boltpy.open(ours, no_sync=True) as db, peer.open(theirs, no_sync=True) as go:
        for changes in (MADE + PAIRS, PAIRS[:10]):
            update(db, changes)
            go.update(changes)
            tx = db.begin(writable=True)
            for change in PAIRS[50:90]:
                change.apply(tx)
            tx.rollback()
            go.update(PAIRS[50:90], discard=True)
        assert file_hash(ours) == file_hash(theirs)


def test_reopening_between_commits_leaves_the_same_file(peer: GoPeer, tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours.db", tmp_path / "theirs.db"
    for i in range(12):
        changes = [] if i else MADE
        changes = changes + [Change("put", B, b"%05d" % k, b"v" * 100 * i) for k in range(i, 900, 9 + i)]
        with boltpy.open(ours) as db:
            update(db, changes)
        with peer.open(theirs) as go:
            go.update(changes)
        assert file_hash(ours) == file_hash(theirs), f"files after session {i}"
