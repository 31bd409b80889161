"""Cursors while their bucket changes: deleting under the cursor, and changes made beside it.

A cursor stands at a key. What happens to that key or its neighbours changes what comes next, never how often.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

import boltpy
from tests.boltpy.sizes import sized
from tests.models import BucketModel, bucket_at


@pytest.fixture(params=[False, True], ids=["untouched bucket", "bucket changed before"])
def tx(db: boltpy.DB, request: pytest.FixtureRequest) -> Iterator[boltpy.Tx]:
    """A write transaction on the bucket "b" of the keys 000 to 999; committed when the test ends."""
    with db.update() as filling:
        filling.create_bucket(b"b").put_many((b"%03d" % i, b"old") for i in range(1000))
    tx = db.begin(writable=True)
    if request.param:
        bucket_at(tx, b"b").put(b"000", b"old")
        bucket_at(tx, b"b").put(b"500", b"old")
    yield tx
    tx.commit()


def keys_of(tx: boltpy.Tx) -> list[int]:
    return [int(key) for key in bucket_at(tx, b"b")]


def test_deleting_everything_on_the_way_forward_skips_nothing(tx: boltpy.Tx) -> None:
    cursor = bucket_at(tx, b"b").cursor()
    seen = []
    item = cursor.first()
    while item is not None:
        seen.append(int(item[0]))
        cursor.delete()
        item = cursor.next()
    assert seen == list(range(1000))
    assert keys_of(tx) == []


def test_deleting_everything_on_the_way_back_skips_nothing(tx: boltpy.Tx) -> None:
    cursor = bucket_at(tx, b"b").cursor()
    seen = []
    item = cursor.last()
    while item is not None:
        seen.append(int(item[0]))
        cursor.delete()
        item = cursor.prev()
    assert seen == list(range(999, -1, -1))
    assert keys_of(tx) == []


def test_deleting_every_other_item_leaves_the_others(tx: boltpy.Tx) -> None:
    cursor = bucket_at(tx, b"b").cursor()
    item = cursor.first()
    while item is not None:
        if int(item[0]) % 2 == 0:
            cursor.delete()
        item = cursor.next()
    assert keys_of(tx) == list(range(1, 1000, 2))


def test_a_seek_a_delete_and_a_next_see_each_item_once(tx: boltpy.Tx) -> None:
    cursor = bucket_at(tx, b"b").cursor()
    assert cursor.seek(b"250") == (b"250", b"old")
    seen = []
    for _ in range(500):
        cursor.delete()
        item = cursor.next()
        assert item is not None
        seen.append(int(item[0]))
    assert seen == list(range(251, 751))
    assert keys_of(tx) == [*range(250), *range(750, 1000)]


def test_delete_does_not_move_the_cursor_for_prev_either(tx: boltpy.Tx) -> None:
    cursor = bucket_at(tx, b"b").cursor()
    cursor.seek(b"500")
    cursor.delete()
    assert cursor.prev() == (b"499", b"old")
    assert cursor.next() == (b"501", b"old")


def test_deleting_the_last_and_the_first_item_leaves_the_ends_right(tx: boltpy.Tx) -> None:
    cursor = bucket_at(tx, b"b").cursor()
    cursor.last()
    cursor.delete()
    assert cursor.next() is None
    assert cursor.prev() == (b"998", b"old")
    cursor.first()
    cursor.delete()
    assert cursor.prev() is None
    assert cursor.next() == (b"001", b"old")


def test_deleting_a_nested_bucket_under_the_cursor_is_refused(tx: boltpy.Tx) -> None:
    bucket = bucket_at(tx, b"b")
    bucket.create_bucket(b"500nested")
    cursor = bucket.cursor()
    assert cursor.seek(b"500n") == (b"500nested", None)
    with pytest.raises(boltpy.IncompatibleValueError):
        cursor.delete()
    assert cursor.next() == (b"501", b"old")
    root = tx.cursor()
    assert root.first() == (b"b", None)
    with pytest.raises(boltpy.IncompatibleValueError):
        root.delete()
    bucket.delete_bucket(b"500nested")


def test_deleting_without_a_position_needs_a_key(tx: boltpy.Tx) -> None:
    with pytest.raises(boltpy.KeyRequiredError):
        bucket_at(tx, b"b").cursor().delete()
    assert keys_of(tx) == list(range(1000))


def test_deleting_in_an_empty_bucket_is_silent(tx: boltpy.Tx) -> None:
    cursor = tx.create_bucket(b"empty").cursor()
    assert cursor.first() is None
    cursor.delete()
    assert cursor.last() is None
    cursor.delete()
    assert list(bucket_at(tx, b"empty")) == []


def test_a_cursor_goes_on_after_its_key_was_deleted_by_the_bucket(tx: boltpy.Tx) -> None:
    bucket = bucket_at(tx, b"b")
    cursor = bucket.cursor()
    cursor.seek(b"300")
    bucket.delete_many(b"%03d" % i for i in range(290, 310))
    assert cursor.next() == (b"310", b"old")
    cursor.seek(b"400")
    bucket.delete_many(b"%03d" % i for i in range(390, 410))
    assert cursor.prev() == (b"389", b"old")


def test_keys_put_beside_the_cursor_are_met_once_in_their_place(tx: boltpy.Tx) -> None:
    bucket = bucket_at(tx, b"b")
    cursor = bucket.cursor()
    assert cursor.seek(b"500") == (b"500", b"old")
    bucket.put(b"499x", b"new")
    bucket.put(b"500x", b"new")
    assert cursor.next() == (b"500x", b"new")
    assert cursor.next() == (b"501", b"old")
    assert [cursor.prev() for _ in range(3)] == [(b"500x", b"new"), (b"500", b"old"), (b"499x", b"new")]
    bucket.delete_many([b"499x", b"500x"])


def test_a_value_replaced_during_the_walk_is_seen_new(tx: boltpy.Tx) -> None:
    bucket = bucket_at(tx, b"b")
    cursor = bucket.cursor()
    cursor.first()
    bucket.put(b"001", b"new")
    assert cursor.next() == (b"001", b"new")


def test_updating_each_item_on_the_way_meets_each_once(tx: boltpy.Tx) -> None:
    bucket = bucket_at(tx, b"b")
    cursor = bucket.cursor()
    count = 0
    item = cursor.first()
    while item is not None:
        bucket.put(item[0], b"larger than before " * 3)
        count += 1
        item = cursor.next()
    assert count == 1000
    assert set(bucket.values()) == {b"larger than before " * 3}


def test_random_moves_and_changes_agree_with_a_sorted_model(tx: boltpy.Tx) -> None:
    rng = random.Random(99)
    bucket = bucket_at(tx, b"b")
    model = BucketModel({b"%03d" % i: b"old" for i in range(1000)})
    cursor = bucket.cursor()
    assert cursor.seek(b"500") == (b"500", b"old")
    at = b"500"
    for step in range(sized(c=4000, py=1500, deep=100_000)):
        action = rng.randrange(8)
        if action == 0:
            key = b"%03d" % rng.randrange(1000)
            bucket.delete(key)
            model.entries.pop(key, None)
        elif action == 1:
            key, value = b"%03d%d" % (rng.randrange(1000), rng.randrange(10)), b"%d" % step
            bucket.put(key, value)
            model.entries[key] = value
        elif action == 2:
            key = b"%03d" % rng.randrange(1000)
            item = cursor.seek(key)
            assert item == model.at_or_after(key)
            if item is None:
                item = cursor.last()
                assert item == model.items()[-1]
            at = item[0]
        elif action == 3 and at in model.entries:
            cursor.delete()
            del model.entries[at]
        else:
            item, expected = (cursor.next(), model.after(at)) if action % 2 else (cursor.prev(), model.before(at))
            assert item == expected
            at = at if item is None else item[0]
    assert list(bucket.items()) == model.items()
