"""Cursors: moving both ways, seeking, the ends, and deleting under the cursor."""

from __future__ import annotations

import random

import pytest

import boltpy
from tests.boltpy.sizes import sized
from tests.conftest import OpenDB
from tests.models import BucketModel, Item, bucket_at


def forward(cursor: boltpy.Cursor) -> list[Item]:
    """All items from first to last."""
    items = []
    item = cursor.first()
    while item is not None:
        items.append(item)
        item = cursor.next()
    return items


def backward(cursor: boltpy.Cursor) -> list[Item]:
    """All items from last to first."""
    items = []
    item = cursor.last()
    while item is not None:
        items.append(item)
        item = cursor.prev()
    return items


@pytest.fixture
def thousand(db: boltpy.DB) -> boltpy.DB:
    """A database with the bucket "b" of the keys 000 to 999, over several leaves."""
    with db.update() as tx:
        tx.create_bucket(b"b").put_many((b"%03d" % i, b"value %d" % i) for i in range(1000))
    return db


@pytest.fixture(params=[False, True], ids=["read tx", "changed in a write tx"])
def tx_of_thousand(thousand: boltpy.DB, request: pytest.FixtureRequest) -> boltpy.Tx:
    """The same contents, committed, or partly as uncommitted changes."""
    tx = thousand.begin(writable=request.param)
    if request.param:
        for i in range(0, 1000, 3):
            bucket_at(tx, b"b").delete(b"%03d" % i)
        for i in range(0, 1000, 3):
            bucket_at(tx, b"b").put(b"%03d" % i, b"value %d" % i)
    return tx


def pair(i: int) -> tuple[bytes, bytes]:
    return b"%03d" % i, b"value %d" % i


def test_a_cursor_knows_its_bucket(db: boltpy.DB) -> None:
    with db.update() as tx:
        bucket = tx.create_bucket(b"b")
        assert bucket.cursor().bucket is bucket


def test_the_cursor_of_a_transaction_lists_the_top_level_buckets(db: boltpy.DB) -> None:
    with db.update() as tx:
        for name in (b"widgets", b"woojits"):
            tx.create_bucket(name).put(b"k", b"v")
        assert forward(tx.cursor()) == [(b"widgets", None), (b"woojits", None)]
    with db.view() as tx:
        assert backward(tx.cursor()) == [(b"woojits", None), (b"widgets", None)]
        assert tx.cursor().seek(b"wo") == (b"woojits", None)


def test_steps_back_and_forth_return_to_the_same_items(tx_of_thousand: boltpy.Tx) -> None:
    cursor = bucket_at(tx_of_thousand, b"b").cursor()
    assert cursor.first() == pair(0)
    for i in range(1, 999):
        assert (cursor.next(), cursor.prev(), cursor.next()) == (pair(i), pair(i - 1), pair(i))
    assert cursor.last() == pair(999)
    for i in range(998, 0, -1):
        assert (cursor.prev(), cursor.next(), cursor.prev()) == (pair(i), pair(i + 1), pair(i))


def test_steps_past_an_end_give_none_and_stay_at_the_end(tx_of_thousand: boltpy.Tx) -> None:
    cursor = bucket_at(tx_of_thousand, b"b").cursor()
    cursor.last()
    assert [cursor.next() for _ in range(10)] == [None] * 10
    assert cursor.prev() == pair(998)
    assert cursor.next() == pair(999)
    cursor.first()
    assert [cursor.prev() for _ in range(10)] == [None] * 10
    assert cursor.next() == pair(1)
    assert cursor.prev() == pair(0)


def test_after_a_seek_past_the_end_prev_gives_the_last_item(tx_of_thousand: boltpy.Tx) -> None:
    cursor = bucket_at(tx_of_thousand, b"b").cursor()
    assert cursor.seek(b"zzz") is None
    assert cursor.next() is None
    assert cursor.prev() == pair(999)
    assert cursor.prev() == pair(998)


def test_a_new_cursor_stands_nowhere(tx_of_thousand: boltpy.Tx) -> None:
    assert bucket_at(tx_of_thousand, b"b").cursor().next() is None
    assert bucket_at(tx_of_thousand, b"b").cursor().prev() is None


def test_seek_finds_the_key_or_the_next_greater_one(db: boltpy.DB) -> None:
    with db.update() as tx:
        bucket = tx.create_bucket(b"widgets")
        for key in (b"foo", b"bar", b"baz"):
            bucket.put(key, key.upper())
        bucket.create_bucket(b"bkt")
    for writable in (False, True):
        tx = db.begin(writable=writable)
        cursor = bucket_at(tx, b"widgets").cursor()
        assert cursor.seek(b"bar") == (b"bar", b"BAR")
        assert cursor.seek(b"bas") == (b"baz", b"BAZ")
        assert cursor.seek(b"") == (b"bar", b"BAR")
        assert cursor.seek(b"zzz") is None
        assert cursor.seek(b"bkt") == (b"bkt", None)
        assert cursor.next() == (b"foo", b"FOO")
        tx.rollback()


def test_seeks_between_all_keys_of_a_large_bucket_land_on_the_next(open_db: OpenDB) -> None:
    db = open_db(no_sync=True)
    count = sized(c=10_000, py=4000, deep=100_000)
    with db.update() as tx:
        bucket = tx.create_bucket(b"b")
        for i in range(1, count, 2):
            bucket.put(i.to_bytes(8, "big"), bytes(100))
    with db.view() as tx:
        cursor = bucket_at(tx, b"b").cursor()
        for i in range(count):
            landed = i if i % 2 else i + 1
            item = cursor.seek(i.to_bytes(8, "big"))
            assert item == ((landed.to_bytes(8, "big"), bytes(100)) if landed < count else None)


def test_moves_continue_from_where_a_seek_landed(tx_of_thousand: boltpy.Tx) -> None:
    cursor = bucket_at(tx_of_thousand, b"b").cursor()
    rng = random.Random(1)
    for _ in range(300):
        i = rng.randrange(1, 998)
        assert cursor.seek(b"%03d" % i) == pair(i)
        assert cursor.next() == pair(i + 1)
        assert cursor.seek(b"%03d!" % i) == pair(i + 1)
        assert (cursor.prev(), cursor.prev()) == (pair(i), pair(i - 1))


@pytest.mark.parametrize("committed", [False, True])
def test_an_empty_bucket_has_no_first_and_no_last_item(db: boltpy.DB, committed: bool) -> None:
    tx = db.begin(writable=True)
    tx.create_bucket(b"b")
    if committed:
        tx.commit()
        tx = db.begin()
    cursor = bucket_at(tx, b"b").cursor()
    for move in (cursor.first, cursor.last, cursor.next, cursor.prev):
        assert move() is None
    assert cursor.seek(b"x") is None
    tx.rollback()


def test_the_root_of_an_empty_database_has_no_items(db: boltpy.DB) -> None:
    with db.view() as tx:
        assert forward(tx.cursor()) == backward(tx.cursor()) == []


def test_items_come_in_order_with_empty_values_kept(db: boltpy.DB) -> None:
    with db.update() as tx:
        bucket = tx.create_bucket(b"b")
        for key, value in ((b"baz", b""), (b"foo", b"\x00"), (b"bar", b"\x01")):
            bucket.put(key, value)
    expected = [(b"bar", b"\x01"), (b"baz", b""), (b"foo", b"\x00")]
    with db.view() as tx:
        cursor = bucket_at(tx, b"b").cursor()
        assert forward(cursor) == expected
        assert [cursor.next(), cursor.next()] == [None, None]
        assert backward(cursor) == expected[::-1]
        assert [cursor.prev(), cursor.prev()] == [None, None]


def test_first_starts_again(thousand: boltpy.DB) -> None:
    with thousand.view() as tx:
        cursor = bucket_at(tx, b"b").cursor()
        assert (cursor.first(), cursor.next(), cursor.first(), cursor.next()) == (pair(0), pair(1), pair(0), pair(1))
        assert (cursor.last(), cursor.last()) == (pair(999), pair(999))


def test_moving_forward_skips_leaves_that_were_emptied(thousand: boltpy.DB) -> None:
    with thousand.update() as tx:
        bucket = bucket_at(tx, b"b")
        for i in range(600):
            bucket.delete(b"%03d" % i)
        assert forward(bucket.cursor()) == [pair(i) for i in range(600, 1000)]
        assert bucket.cursor().seek(b"000") == pair(600)


def test_moving_backward_skips_leaves_that_were_emptied(thousand: boltpy.DB) -> None:
    with thousand.update() as tx:
        bucket = bucket_at(tx, b"b")
        for i in range(200, 1000):
            bucket.delete(b"%03d" % i)
        assert backward(bucket.cursor()) == [pair(i) for i in range(199, -1, -1)]
        assert bucket.cursor().seek(b"200") is None


def test_a_bucket_emptied_in_this_transaction_has_no_items(thousand: boltpy.DB) -> None:
    with thousand.update() as tx:
        bucket = bucket_at(tx, b"b")
        bucket.delete_many(list(bucket))
        assert forward(bucket.cursor()) == backward(bucket.cursor()) == []
        assert bucket.cursor().seek(b"500") is None


@pytest.mark.parametrize("seed", range(4))
def test_random_data_comes_out_sorted_both_ways(db: boltpy.DB, seed: int) -> None:
    rng = random.Random(seed)
    model = BucketModel(
        {rng.randbytes(rng.randint(1, 1023)): rng.randbytes(rng.randint(0, 1023)) for _ in range(rng.randint(1, 1000))}
    )
    with db.update() as tx:
        tx.create_bucket(b"b").put_many(model.pairs())
        assert forward(bucket_at(tx, b"b").cursor()) == model.items()
    with db.view() as tx:
        assert forward(bucket_at(tx, b"b").cursor()) == model.items()
        assert backward(bucket_at(tx, b"b").cursor()) == model.items()[::-1]


def test_a_bucket_of_buckets_comes_out_sorted_both_ways(db: boltpy.DB) -> None:
    names = [b"%d" % i for i in range(1, 300)]
    with db.update() as tx:
        parent = tx.create_bucket(b"b")
        for name in names:
            parent.create_bucket(name)
        assert forward(parent.cursor()) == [(name, None) for name in sorted(names)]
    with db.view() as tx:
        assert forward(bucket_at(tx, b"b").cursor()) == [(name, None) for name in sorted(names)]
        assert backward(bucket_at(tx, b"b").cursor()) == [(name, None) for name in sorted(names, reverse=True)]


@pytest.mark.parametrize("writable", [False, True])
def test_a_cursor_of_an_ended_transaction_raises_tx_closed(thousand: boltpy.DB, writable: bool) -> None:
    tx = thousand.begin(writable=writable)
    cursor = bucket_at(tx, b"b").cursor()
    cursor.first()
    tx.rollback()
    for move in (cursor.first, cursor.last, cursor.next, cursor.prev, cursor.delete, lambda: cursor.seek(b"001")):
        with pytest.raises(boltpy.TxClosedError):
            move()


def test_a_cursor_of_a_read_transaction_cannot_delete(thousand: boltpy.DB) -> None:
    with thousand.view() as tx:
        cursor = bucket_at(tx, b"b").cursor()
        cursor.first()
        with pytest.raises(boltpy.TxNotWritableError):
            cursor.delete()
        assert cursor.next() == pair(1)


def test_two_cursors_of_one_bucket_move_apart(thousand: boltpy.DB) -> None:
    with thousand.view() as tx:
        one, other = bucket_at(tx, b"b").cursor(), bucket_at(tx, b"b").cursor()
        one.first()
        other.last()
        for i in range(1, 500):
            assert one.next() == pair(i)
            assert other.prev() == pair(999 - i)
