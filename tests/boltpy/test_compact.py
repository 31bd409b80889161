"""compact(): the same contents in fewer pages, in a new file."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

import boltpy
from tests.boltpy.background import Background
from tests.conftest import OpenDB
from tests.models import BucketModel, assert_holds, bucket_at, read_all


def fragmented(db: boltpy.DB) -> BucketModel:
    """Fill a database over many transactions, delete most of it, and tell what is left."""
    rng = random.Random(5)
    for round_number in range(10):
        with db.update() as tx:
            for name in (b"one", b"two", b"three"):
                bucket = tx.create_bucket_if_not_exists(name)
                bucket.put_many((rng.randbytes(8), rng.randbytes(rng.randrange(300))) for _ in range(200))
                bucket.next_sequence()
                nested = bucket.create_bucket_if_not_exists(b"nested").create_bucket_if_not_exists(b"deeper")
                nested.put(b"%d" % round_number, rng.randbytes(3000))
                nested.sequence = 1000 + round_number
    with db.update() as tx:
        for name in (b"one", b"two"):
            bucket = bucket_at(tx, name)
            bucket.delete_many(key for key, value in list(bucket.items()) if value is not None and key[0] % 4)
        tx.create_bucket(b"empty").sequence = 2**63
        tx.delete_bucket(b"three")
    with db.view() as tx:
        return read_all(tx)


@pytest.mark.parametrize("tx_max_size", [0, 1, 1000, 65536, 10**9])
def test_the_compacted_file_holds_the_same_in_fewer_pages(open_db: OpenDB, tx_max_size: int) -> None:
    source, target = open_db("source.db", no_sync=True), open_db("target.db", no_sync=True)
    model = fragmented(source)
    boltpy.compact(source, target, tx_max_size)
    with source.view() as old, target.view() as new:
        assert_holds(new, model)
        assert_holds(old, model)
        assert new.size < old.size / 2


def test_the_target_is_committed_in_parts_of_the_size_asked_for(open_db: OpenDB) -> None:
    source = open_db("source.db")
    with source.update() as tx:
        tx.create_bucket(b"b").put_many((b"%04d" % i, bytes(996)) for i in range(100))
    counts = []
    for tx_max_size in (0, 10_000, 50_000):
        target = open_db(f"{tx_max_size}.db")
        boltpy.compact(source, target, tx_max_size=tx_max_size)
        with target.view() as tx:
            counts.append(tx.id)
    assert counts[0] == 2
    assert 9 <= counts[1] - counts[0] <= 12
    assert 1 <= counts[2] - counts[0] <= 3


def test_the_source_is_only_read(tmp_path: Path, open_db: OpenDB) -> None:
    db = open_db("source.db")
    model = fragmented(db)
    db.close()
    before = (tmp_path / "source.db").read_bytes()
    with boltpy.open(tmp_path / "source.db", read_only=True) as source:
        target = open_db("target.db")
        boltpy.compact(source, target)
    assert (tmp_path / "source.db").read_bytes() == before
    with target.view() as tx:
        assert_holds(tx, model)


def test_leaves_of_the_target_are_full(open_db: OpenDB) -> None:
    source, target = open_db("source.db", page_size=4096), open_db("target.db", page_size=4096)
    with source.update() as tx:
        tx.create_bucket(b"b").put_many((b"%06d" % i, bytes(42)) for i in range(5000))
    boltpy.compact(source, target)
    with target.view() as tx:
        stats = bucket_at(tx, b"b").stats()
    assert stats.leaf_inuse > 0.95 * stats.leaf_alloc


def test_the_target_may_have_another_page_size(open_db: OpenDB) -> None:
    source, target = open_db("source.db", page_size=1024), open_db("target.db", page_size=16384)
    model = fragmented(source)
    boltpy.compact(source, target)
    with target.view() as tx:
        assert_holds(tx, model)
    assert target.info().page_size == 16384


def test_an_empty_database_compacts_to_an_empty_one(open_db: OpenDB) -> None:
    source, target = open_db("source.db"), open_db("target.db")
    boltpy.compact(source, target)
    with target.view() as tx:
        assert_holds(tx, BucketModel())


def test_a_target_that_has_the_bucket_already_is_refused(open_db: OpenDB) -> None:
    source, target = open_db("source.db"), open_db("target.db")
    for db in (source, target):
        with db.update() as tx:
            tx.create_bucket(b"b").put(b"k", os.fsencode(db.path))
    with pytest.raises(boltpy.BucketExistsError):
        boltpy.compact(source, target)
    with target.view() as tx:
        assert bucket_at(tx, b"b").get(b"k") == os.fsencode(target.path)


def test_compacting_a_database_onto_itself_is_an_error_and_does_not_hang(open_db: OpenDB) -> None:
    db = open_db()
    model = fragmented(db)

    def compact() -> str:
        with pytest.raises((boltpy.BoltError, ValueError)) as caught:
            boltpy.compact(db, db)
        return str(caught.value)

    assert "itself" in Background(compact).result(20) or "same" in Background(compact).result(20)
    with db.view() as tx:
        assert_holds(tx, model)


def test_a_large_bucket_is_copied_over_many_transactions(open_db: OpenDB) -> None:
    source, target = open_db("source.db", no_sync=True), open_db("target.db", no_sync=True)
    rng = random.Random(1)
    pairs = {rng.randbytes(10): rng.randbytes(rng.choice([0, 20, 9000])) for _ in range(1500)}
    with source.update() as tx:
        tx.create_bucket(b"b").put_many(pairs)
    boltpy.compact(source, target, 20_000)
    with target.view() as tx:
        assert dict(bucket_at(tx, b"b").items()) == pairs
        assert tx.id > 50


def test_pairs_and_sequence_of_the_root_bucket_come_along(open_db: OpenDB) -> None:
    source, target = open_db("a.db"), open_db("b.db")
    with source.update() as tx:
        root = tx.cursor().bucket
        root.put(b"k", b"v")
        root.sequence = 7
        tx.create_bucket(b"b")
    boltpy.compact(source, target)
    with target.view() as tx:
        root = tx.cursor().bucket
        assert (root.get(b"k"), root.sequence) == (b"v", 7)
        assert list(root.keys()) == [b"b", b"k"]
