"""Files that other programs wrote: what bbolt says of them holds here, and a commit of ours leaves them sound."""

from __future__ import annotations

from pathlib import Path

import pytest

import boltpy
from tests.real.files import REAL_FILES, unpack

from .contents import check, digest
from .peer import GoPeer
from .workload import Workload, run


@pytest.mark.parametrize("name", REAL_FILES)
def test_a_real_file_is_the_same_for_both_sides(peer: GoPeer, tmp_path: Path, name: str) -> None:
    path = unpack(name, tmp_path)
    with peer.open(path, read_only=True, preload_freelist=True) as go:
        problems, expected, pages = go.check(), go.digest(), go.pages()
    with boltpy.open(path, read_only=True, preload_freelist=True) as db, db.view() as tx:
        assert digest(tx) == expected
        assert [str(problem) for problem in tx.check()] == problems == []
        for page in pages:
            info = tx.page(page["id"])
            assert info is not None
            assert info.type == page["type"]


@pytest.mark.parametrize("freelist_type", ["array", "hashmap"])
@pytest.mark.parametrize("no_freelist_sync", [False, True], ids=["stored", "not-stored"])
@pytest.mark.parametrize("name", REAL_FILES)
def test_a_real_file_takes_commits_of_both_sides(
    peer: GoPeer, tmp_path: Path, name: str, no_freelist_sync: bool, freelist_type: str
) -> None:
    path = unpack(name, tmp_path)
    options: dict[str, object] = {"no_sync": True, "no_freelist_sync": no_freelist_sync, "freelist_type": freelist_type}
    with boltpy.open(path, **options) as db:
        run(db, Workload(600, 200, value_size=(0, 900), delete=20, bucket=(b"from here", b"nested")))
        assert check(db) == []
    with peer.open(path, **options) as go:
        assert go.check() == []
        go.run(Workload(600, 200, value_size=(0, 900), delete=20, bucket=(b"from there",)))
        go.run(Workload(300, 100, load=0, delete=20, seed=5, bucket=(b"from here", b"nested")))
        assert go.check() == []
        expected = go.digest()
    with boltpy.open(path, read_only=True) as db, db.view() as tx:
        assert digest(tx) == expected
        assert list(tx.check()) == []


@pytest.mark.parametrize("name", REAL_FILES)
def test_the_same_commit_on_a_real_file_leaves_the_same_file(peer: GoPeer, tmp_path: Path, name: str) -> None:
    """The pages that a program left free are taken in bbolt's order."""
    ours, theirs = unpack(name, tmp_path / "ours"), unpack(name, tmp_path / "theirs")
    workload = Workload(900, 300, value_size=(0, 2000), overwrite=20)
    with boltpy.open(ours, no_sync=True) as db:
        mine = run(db, workload)
    with peer.open(theirs, no_sync=True) as go:
        expected = go.run(workload)
    assert mine.sizes == expected.sizes
    assert ours.read_bytes() == theirs.read_bytes()
