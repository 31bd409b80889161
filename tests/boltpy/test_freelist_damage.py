"""A freelist that says it has more pages than it was given: they are free as soon as the next one is written."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

import boltpy
from boltpy.format import FREELIST
from boltpy.freelist_page import most_overflow, stored_bytes
from tests.boltpy.rawfile import HEADER, RawFile
from tests.models import bucket_at

PAGE = 1024
OVERFLOW = 12
"""Where it stands in a page, in bytes."""


def database(path: Path, count: int) -> dict[bytes, bytes]:
    """A database with about so many free pages; what is in its bucket."""
    pairs = {b"%05d" % i: b"v" * 400 for i in range(3 * count)}
    with boltpy.open(path, page_size=PAGE) as db:
        with db.update() as tx:
            tx.create_bucket(b"b").put_many(pairs)
        with db.update() as tx:
            for key in list(pairs)[: 2 * count]:
                del bucket_at(tx, b"b")[key]
                del pairs[key]
        with db.update() as tx:
            tx.create_bucket(b"end")
    return pairs


@pytest.mark.parametrize("count", [1, 40, 300])
@pytest.mark.parametrize("bit", range(32))
def test_a_wrong_number_of_overflow_pages_costs_nothing(tmp_path: Path, count: int, bit: int) -> None:
    path = tmp_path / "test.db"
    pairs = database(path, count)
    file = RawFile(path)
    pgid = file.newest().freelist
    own, flags, ids, overflow = HEADER.unpack_from(file.data, file.offset(pgid))
    assert (own, flags) == (pgid, FREELIST)
    wrong = overflow ^ 1 << bit
    struct.pack_into("<I", file.data, file.offset(pgid) + OVERFLOW, wrong)
    file.save()
    with boltpy.open(path, read_only=True) as db, db.view() as tx:
        problems = [str(problem) for problem in tx.check()]
    if wrong > most_overflow(ids, wrong, PAGE) or stored_bytes(ids) > (wrong + 1) * PAGE:
        assert problems
        with pytest.raises(boltpy.CorruptError, match="overflow pages|more than fit") as caught, boltpy.open(path):
            pass
        assert caught.value.pgid == pgid
        with boltpy.open(path, read_only=True) as db, db.view() as tx:
            assert dict(bucket_at(tx, b"b").items()) == pairs
        return
    with boltpy.open(path) as db:
        for i in range(12):
            with db.update() as tx:
                bucket_at(tx, b"b").put_many((b"new %d %d" % (i, j), b"w" * 300) for j in range(60))
        with db.view() as tx:
            assert not list(tx.check())


def test_check_names_the_pages_of_a_freelist_that_it_has_as_free(tmp_path: Path) -> None:
    path = tmp_path / "test.db"
    database(path, 40)
    file = RawFile(path)
    pgid = file.newest().freelist
    struct.pack_into("<I", file.data, file.offset(pgid) + OVERFLOW, 3)
    _, _, count, _ = HEADER.unpack_from(file.data, file.offset(pgid))
    ids = struct.unpack_from(f"<{count}Q", file.data, file.offset(pgid) + HEADER.size)
    file.save()
    with boltpy.open(path, read_only=True) as db, db.view() as tx:
        first, *others = [str(problem) for problem in tx.check()]
    assert first == f"page {pgid}: freelist page says it has 3 overflow pages, but {count} ids take fewer"
    freed = [f"page {page}: reachable freed" for page in range(pgid, pgid + 4) if page in ids]
    assert freed
    assert others[: len(freed)] == freed
