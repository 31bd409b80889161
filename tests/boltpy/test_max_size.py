"""The limit on the file's size: kept for the real file, and refused only when pages really do not fit."""

from __future__ import annotations

import os
from typing import Any

import pytest

import boltpy
from tests.boltpy.rawfile import RawFile
from tests.conftest import OpenDB
from tests.models import bucket_at

MIB = 1 << 20

LAYOUTS: dict[str, dict[str, Any]] = {
    "doubling": {},
    "by allocation size": {"alloc_size": MIB // 4},
    "no growth ahead": {"no_grow_sync": True},
    "large initial size": {"initial_mmap_size": 8 * MIB},
}


def fill_until_refused(db: boltpy.DB, value_size: int) -> boltpy.MaxSizeReachedError:
    """Put one value a commit until the limit refuses one."""
    for i in range(100_000):
        try:
            with db.update() as tx:
                tx.create_bucket_if_not_exists(b"b").put(b"%06d" % i, bytes(value_size))
        except boltpy.MaxSizeReachedError as error:
            return error
    raise AssertionError("the limit refused nothing")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("max_size", [MIB, 3 * MIB, 3 * MIB + 12_345])
def test_the_file_stays_within_the_limit_and_its_room_is_used(open_db: OpenDB, layout: str, max_size: int) -> None:
    db = open_db(page_size=4096, no_sync=True, max_size=max_size, **LAYOUTS[layout])
    error = fill_until_refused(db, 50_000)
    assert error.limit == max_size
    assert error.size > max_size
    assert os.path.getsize(db.path) <= max_size
    used = RawFile(db.path).newest().high_water_mark * 4096
    assert used > os.path.getsize(db.path) - 100_000
    with db.view() as tx:
        assert list(tx.check()) == []
        assert len(list(bucket_at(tx, b"b"))) * 50_000 > 0.6 * used


@pytest.mark.parametrize("layout", LAYOUTS)
def test_after_a_refusal_smaller_changes_and_free_pages_still_work(open_db: OpenDB, layout: str) -> None:
    db = open_db(page_size=4096, no_sync=True, max_size=2 * MIB, **LAYOUTS[layout])
    fill_until_refused(db, 50_000)
    with db.view() as tx:
        count = len(list(bucket_at(tx, b"b")))
    with db.update() as tx:
        bucket_at(tx, b"b").delete_many([b"000000", b"000001", b"000002"])
    for i in range(20):
        with db.update() as tx:
            bucket_at(tx, b"b").put(b"small", b"%d" % i)
    with db.update() as tx:
        bucket_at(tx, b"b").put(b"large again", bytes(50_000))
    with db.view() as tx:
        assert len(list(bucket_at(tx, b"b"))) == count - 3 + 2
        assert bucket_at(tx, b"b").get(b"small") == b"19"
    assert os.path.getsize(db.path) <= 2 * MIB


def test_one_write_larger_than_the_limit_is_refused_whole(open_db: OpenDB) -> None:
    db = open_db(max_size=4 * MIB)
    with db.update() as tx:
        tx.create_bucket(b"b").put(b"k", b"v")
    tx = db.begin(writable=True)
    bucket_at(tx, b"b").put(b"large", bytes(5 * MIB))
    with pytest.raises(boltpy.MaxSizeReachedError):
        tx.commit()
    with pytest.raises(boltpy.TxClosedError):
        tx.rollback()
    assert os.path.getsize(db.path) <= 4 * MIB
    with db.update() as tx:
        assert list(bucket_at(tx, b"b").items()) == [(b"k", b"v")]
        bucket_at(tx, b"b").put(b"small", b"fits")
    with db.view() as tx:
        assert bucket_at(tx, b"b").get(b"small") == b"fits"


def test_the_limit_error_is_a_limit_error_with_both_sizes_in_its_text(open_db: OpenDB) -> None:
    db = open_db(max_size=MIB)
    error = fill_until_refused(db, 100_000)
    assert isinstance(error, boltpy.LimitError)
    assert str(MIB) in str(error)
    assert str(error.size) in str(error)


@pytest.mark.parametrize("options", [{}, {"initial_mmap_size": 64 * MIB}])
def test_a_file_above_the_limit_opens_reads_and_reuses_its_pages(open_db: OpenDB, options: dict[str, int]) -> None:
    db = open_db("a.db")
    with db.update() as tx:
        tx.create_bucket(b"b").put_many((b"%d" % i, bytes(50_000)) for i in range(40))
    with db.update() as tx:
        bucket_at(tx, b"b").delete_many(b"%d" % i for i in range(30))
    db.close()
    size = os.path.getsize(db.path)
    db = open_db("a.db", max_size=MIB, **options)
    with db.view() as tx:
        assert len(list(bucket_at(tx, b"b"))) == 10
    with db.update() as tx:
        bucket_at(tx, b"b").put(b"new", bytes(50_000))
    with db.view() as tx:
        assert bucket_at(tx, b"b").get(b"new") == bytes(50_000)
    assert os.path.getsize(db.path) == size


def test_no_limit_means_no_limit(open_db: OpenDB) -> None:
    db = open_db(no_sync=True)
    with db.update() as tx:
        tx.create_bucket(b"b").put(b"k", bytes(40 * MIB))
    assert os.path.getsize(db.path) > 40 * MIB
