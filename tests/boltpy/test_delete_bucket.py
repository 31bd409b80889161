"""delete_bucket of what is damaged or very deep: all of it goes, or nothing is changed."""

from __future__ import annotations

from pathlib import Path

import pytest

import boltpy
from tests.models import bucket_at


def test_a_bucket_with_a_damaged_page_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with boltpy.open(path, page_size=1024) as db:
        with db.update() as tx:
            tx.create_bucket(b"b").put_many({b"%04d" % i: bytes(40) for i in range(1000)})
        with db.view() as tx:
            leaf = next(pgid for pgid in range(20, 60) if (page := tx.page(pgid)) and page.type == "leaf")
    content = bytearray(path.read_bytes())
    content[leaf * 1024 + 8] = 0x40
    path.write_bytes(content)
    with boltpy.open(path) as db:
        with db.view() as tx:
            problems = [str(problem) for problem in tx.check()]
        with db.update() as tx, pytest.raises(boltpy.CorruptError):
            tx.delete_bucket(b"b")
        with db.update() as tx:
            tx.create_bucket(b"other").put_many({b"%04d" % i: bytes(40) for i in range(1000)})
        with db.view() as tx:
            assert [str(problem) for problem in tx.check()] == problems


def test_a_bucket_nested_deeper_than_can_be_changed_can_be_deleted(
    db: boltpy.DB, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (b"one", b"two"):
        with db.update() as tx:
            bucket = tx.create_bucket(name)
            for _ in range(180):
                bucket = bucket.create_bucket(b"n")
            bucket.put(b"k", bytes(5000))
    with db.update() as tx, monkeypatch.context() as patch:
        patch.setattr("boltpy.nesting.MAX_NESTING", 1000)  # bbolt has no limit
        tx.move_bucket(b"two", None, bucket_at(tx, b"one", *[b"n"] * 180))
    with db.update() as tx:
        tx.delete_bucket(b"one")
    with db.update() as tx:
        tx.create_bucket(b"other").put(b"k", bytes(100_000))
    with db.view() as tx:
        assert [name for name, _ in tx.buckets()] == [b"other"]
        assert list(tx.check()) == []


def test_a_bucket_is_not_moved_deeper_than_can_be_changed(db: boltpy.DB) -> None:
    with db.update() as tx:
        tx.create_bucket(b"moved")
        bucket = tx.create_bucket(b"deep")
        for _ in range(299):
            bucket = bucket.create_bucket(b"n")
        with pytest.raises(boltpy.BucketError, match="deeper"):
            tx.move_bucket(b"moved", None, bucket)
    with db.view() as tx:
        assert [name for name, _ in tx.buckets()] == [b"deep", b"moved"]


def test_the_deleted_bucket_takes_buckets_along_that_were_made_and_moved_into_it(db: boltpy.DB) -> None:
    with db.update() as tx:
        tx.create_bucket(b"old").create_bucket(b"inside").put(b"k", bytes(20_000))
        tx.create_bucket(b"elsewhere").put(b"k", bytes(20_000))
        tx.create_bucket(b"kept").put(b"k", bytes(20_000))
    with db.update() as tx:
        old = bucket_at(tx, b"old")
        old.create_bucket(b"new").put(b"k", b"v")
        tx.move_bucket(b"elsewhere", None, old)
        old.move_bucket(b"inside", bucket_at(tx, b"kept"))
        tx.delete_bucket(b"old")
    with db.view() as tx:
        assert [name for name, _ in tx.buckets()] == [b"kept"]
        assert bucket_at(tx, b"kept", b"inside").get(b"k") == bytes(20_000)
        assert list(tx.check()) == []
