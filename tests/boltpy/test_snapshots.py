"""What readers see while writers commit, and when the pages that they need are used again."""

from __future__ import annotations

import random

import pytest

import boltpy
from tests.boltpy.sizes import sized
from tests.conftest import OpenDB
from tests.models import BucketModel, assert_holds, bucket_at


def test_a_reader_keeps_its_snapshot_through_any_number_of_commits(open_db: OpenDB) -> None:
    db = open_db(no_sync=True)
    with db.update() as tx:
        tx.create_bucket(b"b").put_many((b"%03d" % i, b"first") for i in range(500))
    reader = db.begin()
    cursor = bucket_at(reader, b"b").cursor()
    assert cursor.first() == (b"000", b"first")
    for round_number in range(30):
        with db.update() as tx:
            bucket_at(tx, b"b").put_many((b"%03d" % i, b"round %d" % round_number) for i in range(500))
        assert cursor.next() == (b"%03d" % (round_number + 1), b"first")
    with db.update() as tx:
        tx.delete_bucket(b"b")
    assert set(bucket_at(reader, b"b").values()) == {b"first"}
    assert bucket_at(reader, b"b").get(b"499") == b"first"
    reader.rollback()
    with db.view() as tx:
        assert tx.bucket(b"b") is None


def test_pages_are_used_again_once_no_reader_needs_them(open_db: OpenDB) -> None:
    db = open_db(no_sync=True, page_size=1024)

    def rewrite(rounds: int) -> int:
        for i in range(rounds):
            with db.update() as tx:
                tx.create_bucket_if_not_exists(b"b").put(b"k", b"%02d" % i * 10_000)
        with db.view() as tx:
            return tx.size

    settled = rewrite(10)
    assert rewrite(20) == settled
    reader = db.begin()
    assert db.stats().open_tx_n == 1
    pinned = rewrite(20)
    assert pinned > settled + 20 * 20_000 * 0.8 - 3 * 20_000
    assert bucket_at(reader, b"b").get(b"k") == b"19" * 10_000
    reader.rollback()
    assert rewrite(40) == pinned
    assert db.stats().free_page_n > 200


def test_pages_that_lived_and_died_beside_a_reader_are_used_again_before_it_ends(open_db: OpenDB) -> None:
    db = open_db(no_sync=True, page_size=1024)
    with db.update() as tx:
        bucket = tx.create_bucket(b"b")
        bucket.put(b"k", bytes(500))
        bucket.put(b"large", bytes(100 * 1024))
    with db.update() as tx:
        bucket_at(tx, b"b").delete(b"large")  # now there are a hundred free pages to work with

    def rewrite(rounds: int) -> tuple[int, int, int]:
        for i in range(rounds):
            with db.update() as tx:
                bucket_at(tx, b"b").put(b"k", b"%0500d" % i)
        with db.view() as tx:
            return tx.size, db.stats().free_page_n, db.stats().pending_page_n

    size = rewrite(10)[0]
    first = db.begin()
    assert [rewrite(5), rewrite(100), rewrite(100)] == [(size, 94, 9)] * 3  # the figures of Go's bbolt
    second = db.begin()
    assert [rewrite(100), rewrite(100)] == [(size, 88, 15)] * 2
    assert bucket_at(first, b"b").get(b"k") == b"%0500d" % 9
    assert bucket_at(second, b"b").get(b"k") == b"%0500d" % 99
    first.rollback()
    second.rollback()
    assert rewrite(40)[:2] == (size, 100)


def test_readers_of_different_age_all_stay_right_while_pages_are_recycled(open_db: OpenDB) -> None:
    db = open_db(no_sync=True, page_size=1024)
    rng = random.Random(11)
    model = BucketModel({b"b": BucketModel()})
    with db.update() as tx:
        tx.create_bucket(b"b")
    readers: list[tuple[boltpy.Tx, BucketModel]] = []
    for _ in range(sized(c=150, py=60, deep=3000)):
        with db.update() as tx:
            bucket = bucket_at(tx, b"b")
            for _ in range(rng.randrange(1, 15)):
                key = b"%02d" % rng.randrange(60)
                if rng.random() < 0.3:
                    bucket.delete(key)
                    model.nested(b"b").entries.pop(key, None)
                else:
                    value = rng.randbytes(rng.choice([5, 50, 500, 3000]))
                    bucket.put(key, value)
                    model.nested(b"b").entries[key] = value
        if rng.random() < 0.4:
            readers.append((db.begin(), model.copy()))
        if len(readers) > 6 or (readers and rng.random() < 0.2):
            tx, seen = readers.pop(rng.randrange(len(readers)))
            assert_holds(tx, seen)
            tx.rollback()
        if readers:
            assert_holds(*rng.choice(readers))
    for tx, seen in readers:
        assert_holds(tx, seen)
        tx.rollback()


def test_more_than_65535_free_pages_survive_a_reopen(open_db: OpenDB) -> None:
    db = open_db("a.db", page_size=1024, no_sync=True)
    pages = 70_000
    with db.update() as tx:
        tx.create_bucket(b"b").put(b"huge", bytes(pages * 1024))
    with db.update() as tx:
        bucket_at(tx, b"b").delete(b"huge")
    with db.update() as tx:
        bucket_at(tx, b"b").put(b"small", b"")
    stats = db.stats()
    free = stats.free_page_n + stats.pending_page_n
    assert free > 0xFFFF
    with db.view() as tx:
        size = tx.size
    db.close()
    db = open_db("a.db")
    assert (db.stats().free_page_n, db.stats().pending_page_n) == (free, 0)
    with db.update() as tx:
        bucket_at(tx, b"b").put(b"large again", bytes(50_000 * 1024))
    with db.view() as tx:
        assert tx.size == size
        assert list(tx.check()) == []


def test_a_reader_begun_during_a_write_sees_the_state_before_it(db: boltpy.DB) -> None:
    with db.update() as tx:
        tx.create_bucket(b"b").put(b"k", b"old")
    writer = db.begin(writable=True)
    bucket_at(writer, b"b").put(b"k", b"new")
    reader = db.begin()
    assert reader.id == writer.id - 1
    writer.commit()
    assert bucket_at(reader, b"b").get(b"k") == b"old"
    later = db.begin()
    assert bucket_at(later, b"b").get(b"k") == b"new"
    assert bucket_at(reader, b"b").get(b"k") == b"old"
    reader.rollback()
    later.rollback()


@pytest.mark.parametrize("rolled_back", [1, 5])
def test_pages_of_a_rolled_back_transaction_are_not_lost(open_db: OpenDB, rolled_back: int) -> None:
    db = open_db(page_size=1024, no_sync=True)
    with db.update() as tx:
        tx.create_bucket(b"b").put_many((b"%04d" % i, bytes(100)) for i in range(300))
    for _ in range(3):
        for _ in range(rolled_back):
            tx = db.begin(writable=True)
            bucket_at(tx, b"b").put_many((b"%04d" % i, b"never") for i in range(300))
            tx.delete_bucket(b"b")
            tx.rollback()
        with db.update() as tx:
            bucket_at(tx, b"b").put(b"0000", b"kept")
        with db.view() as tx:
            assert list(tx.check()) == []
    with db.view() as tx:
        assert bucket_at(tx, b"b").get(b"0299") == bytes(100)
        assert tx.size < 150 * 1024
