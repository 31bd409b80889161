"""Iteration over a part of a bucket: start, stop, prefix, both directions, and changes during a loop."""

from __future__ import annotations

import itertools
import random
import tracemalloc

import pytest

import boltpy
from tests.boltpy.sizes import sized
from tests.conftest import OpenDB
from tests.models import BucketModel, Item, bucket_at

BOUNDS = [None, b"\x00", b"a", b"b", b"b\x00", b"ba", b"bz", b"c", b"\xff", b"\xff\xff\xff"]
KEYS = [b"a", b"b", b"b\x00", b"ba", b"bab", b"bb", b"c", b"\xff", b"\xff\xff", b"\xff\xff\x01"]


@pytest.fixture
def small(db: boltpy.DB) -> tuple[boltpy.DB, BucketModel]:
    """The bucket "b" with awkward keys, one of them a nested bucket, and its model."""
    model = BucketModel({key: key.hex().encode() for key in KEYS})
    with db.update() as tx:
        bucket = tx.create_bucket(b"b")
        bucket.put_many(model.pairs())
        bucket.delete(b"bb")
        bucket.create_bucket(b"bb")
    model.entries[b"bb"] = BucketModel()
    return db, model


@pytest.mark.parametrize(("start", "stop"), list(itertools.product(BOUNDS, BOUNDS)))
def test_a_range_holds_start_but_not_stop_in_both_directions(
    small: tuple[boltpy.DB, BucketModel], start: bytes | None, stop: bytes | None
) -> None:
    db, model = small
    expected = model.items(start, stop)
    with db.view() as tx:
        bucket = bucket_at(tx, b"b")
        assert list(bucket.items(start=start, stop=stop)) == expected
        assert list(bucket.items(start, stop)) == expected
        assert list(bucket.items(start=start, stop=stop, reverse=True)) == expected[::-1]
        assert list(bucket.keys(start=start, stop=stop, reverse=True)) == [key for key, _ in reversed(expected)]
        assert list(bucket.values(start=start, stop=stop)) == [value for _, value in expected]


@pytest.mark.parametrize("prefix", [b"", b"a", b"b", b"ba", b"bb", b"bzz", b"\xff", b"\xff\xff", b"\xff\xff\xff"])
def test_a_prefix_selects_the_keys_that_begin_with_it(small: tuple[boltpy.DB, BucketModel], prefix: bytes) -> None:
    db, model = small
    expected = model.items(prefix=prefix)
    with db.view() as tx:
        bucket = bucket_at(tx, b"b")
        assert list(bucket.items(prefix=prefix)) == expected
        assert list(bucket.items(prefix=prefix, reverse=True)) == expected[::-1]
        assert list(bucket.keys(prefix=prefix)) == [key for key, _ in expected]
        assert list(bucket.values(prefix=prefix, reverse=True)) == [value for _, value in reversed(expected)]


@pytest.mark.parametrize(("start", "stop"), [(b"ba", None), (None, b"bb"), (b"a", b"c"), (b"c", b"z"), (b"bb", b"ba")])
def test_a_prefix_and_a_range_select_what_both_allow(
    small: tuple[boltpy.DB, BucketModel], start: bytes | None, stop: bytes | None
) -> None:
    db, model = small
    expected = model.items(start, stop, b"b")
    with db.view() as tx:
        bucket = bucket_at(tx, b"b")
        assert list(bucket.items(start=start, stop=stop, prefix=b"b")) == expected
        assert list(bucket.items(start=start, stop=stop, prefix=b"b", reverse=True)) == expected[::-1]


@pytest.mark.parametrize("pending", [False, True], ids=["committed", "uncommitted"])
def test_ranges_over_many_pages_equal_slices_of_a_sorted_list(open_db: OpenDB, pending: bool) -> None:
    rng = random.Random(7)
    model = BucketModel({b"%06d" % rng.randrange(10**6): rng.randbytes(rng.randrange(60)) for _ in range(4000)})
    db = open_db(page_size=1024)
    tx = db.begin(writable=True)
    tx.create_bucket(b"b").put_many(model.pairs())
    if pending:  # half of it committed, then changed all over
        tx.commit()
        tx = db.begin(writable=True)
        for key in rng.sample(sorted(model.entries), 1500):
            del model.entries[key]
            bucket_at(tx, b"b").delete(key)
        more = {b"%06d" % rng.randrange(10**6): b"new" for _ in range(1500)}
        model.entries.update(more)
        bucket_at(tx, b"b").put_many(more)
    bucket = bucket_at(tx, b"b")
    for _ in range(sized(c=150, py=60, deep=5000)):
        start, stop = (rng.choice([None, b"%06d" % rng.randrange(10**6)]) for _ in range(2))
        prefix = rng.choice([None, None, b"%03d" % rng.randrange(1000), b"%02d" % rng.randrange(100)])
        expected = model.items(start, stop, prefix)
        assert list(bucket.items(start, stop, prefix)) == expected
        assert list(bucket.items(start, stop, prefix, reverse=True)) == expected[::-1]
    tx.commit()


def test_an_iterator_can_be_left_and_another_begun(small: tuple[boltpy.DB, BucketModel]) -> None:
    db, model = small
    with db.view() as tx:
        bucket = bucket_at(tx, b"b")
        first, second = iter(bucket.items()), iter(bucket.items(reverse=True))
        assert next(first) == model.items()[0]
        assert next(second) == model.items()[-1]
        assert list(itertools.islice(first, 3)) == model.items()[1:4]
        assert list(second) == model.items()[-2::-1]


@pytest.mark.parametrize("count", [10, 3000])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(
    "change",
    [
        lambda bucket: bucket.put(b"zzz", b"new"),
        lambda bucket: bucket.delete(b"00001"),
        lambda bucket: bucket.put_many({b"00000x": b""}),
        lambda bucket: bucket.delete_many([b"00002"]),
        lambda bucket: bucket.create_bucket(b"nested"),
        lambda bucket: bucket.cursor().seek(b"00003") and bucket.put(b"00003x", b""),
    ],
    ids=["put", "delete", "put_many", "delete_many", "create_bucket", "put after seek"],
)
def test_a_change_of_the_bucket_ends_a_running_iteration_with_a_runtime_error(
    db: boltpy.DB, count: int, reverse: bool, change: object
) -> None:
    assert callable(change)
    with db.update() as tx:
        tx.create_bucket(b"b").put_many((b"%05d" % i, b"v") for i in range(count))
    with db.update() as tx:
        bucket = bucket_at(tx, b"b")
        running = iter(bucket.items(reverse=reverse))
        next(running)
        change(bucket)
        with pytest.raises(RuntimeError, match="chang"):
            list(running)


def test_the_runtime_error_comes_before_another_item(db: boltpy.DB) -> None:
    with db.update() as tx:
        bucket = tx.create_bucket(b"b")
        bucket.put_many((b"%05d" % i, b"v") for i in range(2000))
        seen: list[Item] = []

        def delete_while_reading() -> None:
            for key, value in bucket.items():
                seen.append((key, value))
                bucket.delete(key)

        with pytest.raises(RuntimeError):
            delete_while_reading()
        assert seen == [(b"00000", b"v")]


def test_changes_of_another_bucket_do_not_disturb_an_iteration(db: boltpy.DB) -> None:
    with db.update() as tx:
        source, target = tx.create_bucket(b"source"), tx.create_bucket(b"target")
        source.put_many((b"%05d" % i, b"%d" % i) for i in range(2000))
    with db.update() as tx:
        source, target = bucket_at(tx, b"source"), bucket_at(tx, b"target")
        for key, value in source.items():
            assert value is not None
            target.put(value.rjust(6), key)
    with db.view() as tx:
        assert [value for _, value in bucket_at(tx, b"target").items()] == [b"%05d" % i for i in range(2000)]


def test_an_iterator_that_outlives_its_transaction_does_not_open_the_bucket_again(db: boltpy.DB) -> None:
    with db.update() as tx:
        tx.create_bucket(b"other").put(b"k", b"v")
    tx = db.begin(writable=True)
    bucket = tx.create_bucket(b"b")
    bucket.put_many((b"%05d" % i, b"v") for i in range(5000))
    running = iter(bucket.items())
    next(running)
    tx.rollback()
    with pytest.raises(boltpy.TxClosedError):
        next(running)
    del running
    with pytest.raises(boltpy.TxClosedError):
        bucket.put(b"ghost", b"value")
    with pytest.raises(boltpy.TxClosedError):
        bucket.delete(b"k")
    with db.view() as tx:
        assert bucket_at(tx, b"other").get(b"ghost") is None
        assert list(bucket_at(tx, b"other").items()) == [(b"k", b"v")]


def test_an_iterator_of_an_ended_transaction_raises_tx_closed(db: boltpy.DB) -> None:
    with db.update() as tx:
        tx.create_bucket(b"b").put_many((b"%05d" % i, b"v") for i in range(5000))
    tx = db.begin()
    bucket = bucket_at(tx, b"b")
    running = iter(bucket.items())
    next(running)
    tx.rollback()
    with pytest.raises(boltpy.TxClosedError):
        list(running)
    with pytest.raises(boltpy.TxClosedError):
        list(bucket.items())
    with pytest.raises(boltpy.TxClosedError):
        list(bucket)


def test_an_iterator_that_outlives_its_read_transaction_gives_no_bytes_of_a_reused_page(db: boltpy.DB) -> None:
    with db.update() as tx:
        tx.create_bucket(b"b").put_many((b"%05d" % i, b"old" + bytes(i % 50)) for i in range(5000))
    tx = db.begin()
    running = iter(bucket_at(tx, b"b").items())
    next(running)
    tx.rollback()
    for _ in range(4):
        with db.update() as writing:
            bucket_at(writing, b"b").put_many((b"%05d" % i, b"new" + bytes(i % 50)) for i in range(5000))
    seen: list[bytes | None] = []
    with pytest.raises(boltpy.TxClosedError):
        seen.extend(value for _, value in running)
    assert len(seen) < 100
    assert {value[:3] for value in seen if value is not None} <= {b"old"}


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("size_step", [0, 1])
def test_keys_of_large_values_copy_none_of_them(db: boltpy.DB, size_step: int, reverse: bool) -> None:
    with db.update() as tx:
        tx.create_bucket(b"b").put_many((b"%02d" % i, bytes(500_000 + size_step * i)) for i in range(40))
    with db.view() as tx:
        bucket = bucket_at(tx, b"b")
        list(bucket.keys(prefix=b"0"))
        tracemalloc.start()
        try:
            assert len(list(bucket.keys(reverse=reverse))) == 40
            assert tracemalloc.get_traced_memory()[1] < 100_000
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("size_step", [0, 1])
def test_large_values_are_copied_when_they_are_asked_for(db: boltpy.DB, size_step: int, reverse: bool) -> None:
    with db.update() as tx:
        tx.create_bucket(b"b").put_many((b"%02d" % i, bytes(500_000 + size_step * i)) for i in range(40))
    with db.view() as tx:
        bucket = bucket_at(tx, b"b")
        tracemalloc.start()
        try:
            for key, value in bucket.items(reverse=reverse):
                assert len(value or b"") == 500_000 + size_step * int(key)
            cursor = bucket.cursor()
            item = cursor.last() if reverse else cursor.first()
            while item is not None:
                item = cursor.prev() if reverse else cursor.next()
            assert tracemalloc.get_traced_memory()[1] < 6_000_000
        finally:
            tracemalloc.stop()
