"""A damaged newest meta page: both sides fall back to the commit before it, and to the same bytes after that."""

from __future__ import annotations

from pathlib import Path

import pytest

import boltpy

from .contents import check, digest
from .peer import GoError, GoPeer
from .workload import Workload, run

META = 16  # where the meta begins in its page, behind the page header

# Offsets in a meta page at which one flipped bit makes it invalid.
FIELDS = {"magic": META, "version": META + 4, "root": META + 16, "freelist": META + 32, "txid": META + 48, "sum": 79}


def damage(path: Path, page: int, page_size: int, offset: int) -> None:
    content = bytearray(path.read_bytes())
    content[page * page_size + offset] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("page_size", [1024, 4096, 65536])
@pytest.mark.parametrize("commits", [6, 7], ids=["meta-1", "meta-0"])
@pytest.mark.parametrize("field", FIELDS)
def test_both_sides_fall_back_to_the_same_commit(
    peer: GoPeer, tmp_path: Path, field: str, commits: int, page_size: int
) -> None:
    ours, theirs, states = tmp_path / "ours.db", tmp_path / "theirs.db", []
    with boltpy.open(ours, no_sync=True, page_size=page_size) as db:
        for seed in range(commits):
            run(db, Workload(200, 200, value_size=(0, 300), seed=seed))
            with db.view() as tx:
                states.append((tx.id, digest(tx)))
    last = states[-1][0]
    damage(ours, last % 2, page_size, FIELDS[field])
    theirs.write_bytes(ours.read_bytes())

    with boltpy.open(ours, no_sync=True) as db, peer.open(theirs, no_sync=True) as go:
        assert go.page_size == db.info().page_size == page_size
        with db.view() as tx:
            assert (tx.id, digest(tx)) == states[-2]
        assert (go.stats()["txid"], go.digest()) == states[-2]
        assert check(db) == go.check() == []
        after = Workload(100, 100, seed=99)
        run(db, after)
        go.run(after)
        with db.view() as tx:
            assert tx.id == last
        assert check(db) == go.check() == []
    assert ours.read_bytes() == theirs.read_bytes()


@pytest.mark.parametrize(
    ("field", "error", "text"),
    [
        ("magic", boltpy.InvalidDatabaseError, "invalid database"),
        ("version", boltpy.VersionMismatchError, "version mismatch"),
        ("txid", boltpy.ChecksumError, "checksum error"),
    ],
)
def test_both_sides_refuse_a_file_with_two_damaged_metas(
    peer: GoPeer, tmp_path: Path, field: str, error: type[Exception], text: str
) -> None:
    path = tmp_path / "damaged.db"
    with boltpy.open(path, page_size=4096) as db:
        run(db, Workload(10, 10))
    for page in (0, 1):
        damage(path, page, 4096, FIELDS[field])
    before = path.read_bytes()
    with pytest.raises(GoError, match=text):
        peer.open(path)
    with pytest.raises(error):
        boltpy.open(path)
    assert path.read_bytes() == before
