"""Files cross the border: what one side wrote, the other reads equal, finds sound, and goes on writing."""

from __future__ import annotations

from pathlib import Path

import pytest

import boltpy
from tests.models import assert_holds, difference

from .changes import update
from .contents import check, digest, root_of
from .history import History
from .peer import GoPeer
from .workload import Workload, run

Options = dict[str, object]

OPTIONS: list[Options] = [
    *(
        {"page_size": page_size, "freelist_type": freelist_type}
        for page_size in (1024, 3000, 4096, 16384, 65536)
        for freelist_type in ("array", "hashmap")
    ),
    {"no_freelist_sync": True},
    {"no_grow_sync": True},
    {"no_freelist_sync": True, "no_grow_sync": True, "freelist_type": "hashmap", "page_size": 1024},
    {"initial_mmap_size": 1 << 22},
    {"alloc_size": 65536},
]


every_option = pytest.mark.parametrize(
    "options", OPTIONS, ids=["-".join(f"{name}={value}" for name, value in options.items()) for options in OPTIONS]
)


def page_size_of(options: Options) -> int:
    size = options.get("page_size", 4096)
    assert isinstance(size, int)
    return size


@every_option
def test_a_file_that_we_wrote_is_sound_and_equal_for_bbolt(peer: GoPeer, tmp_path: Path, options: Options) -> None:
    path = tmp_path / "ours.db"
    history = History(seed=1, page_size=page_size_of(options))
    with boltpy.open(path, no_sync=True, **options) as db:
        for _ in range(6):
            changes, outcomes = history.transaction(60, careful=False)
            assert update(db, changes) == outcomes
        changes, outcomes = history.landmarks()
        assert update(db, changes) == outcomes
        assert_varied(db)
    with peer.open(path, no_sync=True, **options) as go:
        assert go.check() == []
        assert difference(history.model, go.contents()) is None
        changes, outcomes = history.transaction(60, careful=True)
        assert go.update(changes) == outcomes
    with boltpy.open(path, no_sync=True) as db, db.view() as tx:
        assert_holds(tx, history.model)
        assert list(tx.check()) == []


@every_option
def test_a_file_that_bbolt_wrote_is_read_checked_and_written_here(
    peer: GoPeer, tmp_path: Path, options: Options
) -> None:
    path = tmp_path / "theirs.db"
    history = History(seed=2, page_size=page_size_of(options))
    with peer.open(path, no_sync=True, **options) as go:
        for _ in range(6):
            changes, outcomes = history.transaction(60, careful=True)
            assert go.update(changes) == outcomes
        changes, outcomes = history.landmarks()
        assert go.update(changes) == outcomes
    before = path.read_bytes()
    with boltpy.open(path, read_only=True) as db:
        assert_varied(db)
        with db.view() as tx:
            assert_holds(tx, history.model)
            assert list(tx.check()) == []
    assert path.read_bytes() == before
    with boltpy.open(path, no_sync=True, **options) as db:
        changes, outcomes = history.transaction(60, careful=False)
        assert update(db, changes) == outcomes
        assert check(db) == []
    with peer.open(path, no_sync=True) as go:
        assert go.check() == []
        assert difference(history.model, go.contents()) is None


def assert_varied(db: boltpy.DB) -> None:
    """The file must hold what the format can hold, or the test shows less than it says."""
    with db.view() as tx:
        stats = root_of(tx).stats()
    assert stats.inline_bucket_n >= 2
    assert stats.branch_page_n >= 1
    assert stats.leaf_overflow_n >= 5
    assert stats.bucket_n - stats.inline_bucket_n >= 5
    assert stats.depth >= 5


@pytest.mark.parametrize("page_size", [1024, 4096, 65536])
@pytest.mark.parametrize("freelist_type", ["array", "hashmap"])
def test_a_large_file_of_each_side_is_equal_on_the_other(
    peer: GoPeer, tmp_path: Path, page_size: int, freelist_type: str
) -> None:
    count = 30_000 if boltpy.HOT == "c" else 5_000
    load = Workload(count, count // 10, key_size=(8, 40), value_size=(0, 300), overwrite=20)
    more = Workload(count // 5, count // 10, key_size=(8, 40), value_size=(0, 300), seed=2)
    ours, theirs = tmp_path / "ours.db", tmp_path / "theirs.db"
    options: Options = {"no_sync": True, "page_size": page_size, "freelist_type": freelist_type}
    with boltpy.open(ours, **options) as db:
        run(db, load, many=True)
    with peer.open(theirs, **options) as go:
        go.run(load)
    with boltpy.open(theirs, **options) as db:
        run(db, more)
    with peer.open(ours, **options) as go:
        go.run(more)
    digests = set()
    for path in (ours, theirs):
        with peer.open(path, no_sync=True) as go:
            assert go.check() == []
            digests.add(go.digest())
        with boltpy.open(path, read_only=True) as db, db.view() as tx:
            assert list(tx.check()) == []
            digests.add(digest(tx))
    assert len(digests) == 1
