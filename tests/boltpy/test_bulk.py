"""put_many, get_many and delete_many: the same result as one call for each, and all or nothing on bad input."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

import boltpy
from tests.boltpy.sizes import sized
from tests.conftest import OpenDB
from tests.models import bucket_at, fill


@pytest.fixture
def db(db: boltpy.DB) -> boltpy.DB:
    """A database with the bucket "b": a pair "old" and a nested bucket "nested"."""
    with db.update() as tx:
        bucket = tx.create_bucket(b"b")
        bucket.put(b"old", b"1")
        bucket.create_bucket(b"nested").put(b"x", b"y")
    return db


OLD = [(b"nested", None), (b"old", b"1")]


@pytest.mark.parametrize("form", ["dict", "list", "iterator", "zip", "bucket"])
def test_put_many_takes_a_mapping_or_pairs_in_any_form(db: boltpy.DB, form: str) -> None:
    pairs = {b"%03d" % i: b"value %d" % i for i in range(300)}
    with db.update() as tx:
        bucket = bucket_at(tx, b"b")
        if form == "dict":
            bucket.put_many(pairs)
        elif form == "list":
            bucket.put_many(list(pairs.items())[::-1])
        elif form == "iterator":
            bucket.put_many(pair for pair in pairs.items())
        elif form == "zip":
            bucket.put_many(zip(list(pairs), list(pairs.values()), strict=True))
        else:
            other = tx.create_bucket(b"other")
            fill(other, pairs.items())
            bucket.put_many((key, value) for key, value in other.items() if value is not None)
        assert list(bucket.items()) == [*pairs.items(), *OLD]
    with db.view() as tx:
        assert list(bucket_at(tx, b"b").items()) == [*pairs.items(), *OLD]


def test_put_many_of_nothing_changes_nothing(db: boltpy.DB) -> None:
    with db.update() as tx:
        bucket_at(tx, b"b").put_many({})
        bucket_at(tx, b"b").put_many([])
        bucket_at(tx, b"b").delete_many([])
        assert list(bucket_at(tx, b"b").get_many([])) == []
    with db.view() as tx:
        assert list(bucket_at(tx, b"b").items()) == OLD


def test_the_last_of_equal_keys_wins(db: boltpy.DB) -> None:
    with db.update() as tx:
        bucket_at(tx, b"b").put_many([(b"k", b"1"), (b"old", b"2"), (b"k", b"3")])
    with db.view() as tx:
        assert bucket_at(tx, b"b").get(b"k") == b"3"
        assert bucket_at(tx, b"b").get(b"old") == b"2"


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        ((b"", b"v"), boltpy.KeyRequiredError),
        ((b"k" * 32769, b"v"), boltpy.KeyTooLargeError),
        (("text", b"v"), TypeError),
        ((b"k", "text"), TypeError),
        ((b"k", None), TypeError),
        ((5, b"v"), TypeError),
        ((b"k",), (TypeError, ValueError)),
    ],
    ids=["empty key", "long key", "str key", "str value", "None value", "int key", "no pair"],
)
@pytest.mark.parametrize("position", [0, 500, 999])
def test_put_many_with_one_bad_pair_puts_none_of_them(
    db: boltpy.DB, bad: object, error: type[Exception], position: int
) -> None:
    pairs: list[object] = [(b"%03d" % i, b"v") for i in range(999)]
    pairs.insert(position, bad)
    with db.update() as tx:
        with pytest.raises(error):
            bucket_at(tx, b"b").put_many(pairs)  # type: ignore[arg-type]
        assert list(bucket_at(tx, b"b").items()) == OLD
    with db.view() as tx:
        assert list(bucket_at(tx, b"b").items()) == OLD


@pytest.mark.parametrize("count", [1, 2000])
def test_put_many_over_a_nested_bucket_is_refused_and_the_bucket_is_safe(db: boltpy.DB, count: int) -> None:
    pairs = {b"%05d" % i: b"v" for i in range(count)} | {b"nested": b"v"}
    with db.update() as tx:
        with pytest.raises(boltpy.IncompatibleValueError):
            bucket_at(tx, b"b").put_many(pairs)
        assert list(bucket_at(tx, b"b").items()) == OLD
    with db.view() as tx:
        assert bucket_at(tx, b"b", b"nested").get(b"x") == b"y"


@pytest.mark.parametrize("count", [1, 2000])
def test_delete_many_over_a_nested_bucket_is_refused_and_the_bucket_is_safe(db: boltpy.DB, count: int) -> None:
    keys = [b"%05d" % i for i in range(count)]
    with db.update() as tx:
        bucket_at(tx, b"b").put_many((key, b"v") for key in keys)
    with db.update() as tx:
        with pytest.raises(boltpy.IncompatibleValueError):
            bucket_at(tx, b"b").delete_many([*keys, b"nested"])
        assert list(bucket_at(tx, b"b").items()) == [*((key, b"v") for key in keys), *OLD]
    with db.view() as tx:
        assert bucket_at(tx, b"b", b"nested").get(b"x") == b"y"
        assert list(bucket_at(tx, b"b").keys()) == [*keys, b"nested", b"old"]


def test_an_iterable_that_fails_half_way_puts_nothing(db: boltpy.DB) -> None:
    def failing() -> Iterator[tuple[bytes, bytes]]:
        for i in range(100):
            yield b"%03d" % i, b"v"
        raise ZeroDivisionError

    with db.update() as tx:
        with pytest.raises(ZeroDivisionError):
            bucket_at(tx, b"b").put_many(failing())
        assert list(bucket_at(tx, b"b").items()) == OLD


def test_get_many_gives_values_in_the_order_asked_with_none_for_what_is_no_pair(db: boltpy.DB) -> None:
    with db.update() as tx:
        bucket_at(tx, b"b").put_many((b"%03d" % i, b"%d" % i) for i in range(500))
    with db.update() as tx:
        bucket = bucket_at(tx, b"b")
        bucket.put(b"fresh", b"new")
        bucket.delete(b"007")
        asked = [b"499", b"nope", b"000", b"nested", b"fresh", b"007", b"old", b"000", b""]
        assert list(bucket.get_many(asked)) == [b"499", None, b"0", None, b"new", None, b"1", b"0", None]
        assert list(bucket.get_many(iter(asked))) == [bucket.get(key) for key in asked]


def test_delete_many_ignores_missing_keys_and_takes_any_iterable(db: boltpy.DB) -> None:
    with db.update() as tx:
        bucket_at(tx, b"b").put_many((b"%03d" % i, b"v") for i in range(500))
    with db.update() as tx:
        bucket_at(tx, b"b").delete_many(b"%03d" % i for i in range(0, 1000, 2))
        bucket_at(tx, b"b").delete_many([b"old", b"old", b"never there", b""])
    with db.view() as tx:
        assert list(bucket_at(tx, b"b").keys()) == [*(b"%03d" % i for i in range(1, 500, 2)), b"nested"]


@pytest.mark.parametrize("page_size", [1024, 4096])
def test_bulk_calls_and_single_calls_leave_the_same_file(open_db: OpenDB, page_size: int) -> None:
    single = open_db("single.db", page_size=page_size, freelist_type="array")
    bulk = open_db("bulk.db", page_size=page_size, freelist_type="array")
    rng = random.Random(page_size)
    for _ in range(sized(c=20, py=8, deep=200)):
        pairs = {rng.randbytes(rng.choice([1, 2, 8])): rng.randbytes(rng.choice([0, 10, 300])) for _ in range(200)}
        gone = [rng.randbytes(1) for _ in range(3)]
        with single.update() as tx:
            bucket = tx.create_bucket_if_not_exists(b"b")
            fill(bucket, pairs.items())
            for key in gone:
                bucket.delete(key)
        with bulk.update() as tx:
            bucket = tx.create_bucket_if_not_exists(b"b")
            bucket.put_many(pairs)
            bucket.delete_many(gone)
    with single.view() as one, bulk.view() as other:
        assert list(bucket_at(one, b"b").items()) == list(bucket_at(other, b"b").items())
        assert one.size == other.size
    with open(single.path, "rb") as one_file, open(bulk.path, "rb") as other_file:
        assert one_file.read() == other_file.read()


def test_bulk_calls_after_the_transaction_ended_raise_tx_closed(db: boltpy.DB) -> None:
    tx = db.begin(writable=True)
    bucket = bucket_at(tx, b"b")
    tx.rollback()
    with pytest.raises(boltpy.TxClosedError):
        bucket.put_many({b"k": b"v"})
    with pytest.raises(boltpy.TxClosedError):
        bucket.delete_many([b"k"])
    with pytest.raises(boltpy.TxClosedError):
        list(bucket.get_many([b"k"]))


@pytest.mark.parametrize("pairs", ["abc", [1, 2], [(b"k",)], [(b"k", b"v", b"w")], {b"k": 5}, [b"kv"]])
def test_what_is_no_pair_of_bytes_is_a_type_error_that_says_so(db: boltpy.DB, pairs: Any) -> None:
    with db.update() as tx:
        bucket = tx.create_bucket(b"new")
        with pytest.raises(TypeError, match="pairs|bytes-like"):
            bucket.put_many(pairs)
        assert list(bucket) == []


@pytest.mark.parametrize("form", [bytes, bytearray, memoryview])
@pytest.mark.parametrize("changed", [False, True])
def test_get_many_takes_what_is_bytes_like(db: boltpy.DB, form: Any, changed: bool) -> None:
    pairs = {b"%03d" % i: b"v" * (i % 7) for i in range(200)}
    with db.update() as tx:
        tx.create_bucket(b"c").put_many(pairs)
    with db.update() as tx:
        bucket = bucket_at(tx, b"c")
        if changed:
            bucket.put(b"000", b"new")
            bucket.delete(b"001")
        expected = [bucket.get(key) for key in (*pairs, b"missing")]
        assert bucket.get_many([form(key) for key in (*pairs, b"missing")]) == expected


@pytest.mark.parametrize("key", ["text", 5, None, [b"k"]])
@pytest.mark.parametrize("name", [b"b", b"empty"])
def test_get_many_refuses_what_is_not(db: boltpy.DB, key: object, name: bytes) -> None:
    with db.update() as tx:
        tx.create_bucket(b"empty")
    with db.view() as tx, pytest.raises(TypeError, match="key must be bytes-like"):
        bucket_at(tx, name).get_many([b"old", key])  # type: ignore[list-item]


def test_get_many_of_what_a_kernel_cannot_tell(db: boltpy.DB) -> None:
    large = b"x" * (1 << 24)
    with db.update() as tx:
        tx.create_bucket(b"c").put_many([(b"large", large), (b"small", b"1")])
    with db.view() as tx:
        assert bucket_at(tx, b"c").get_many([b"small", b"large", b"missing"]) == [b"1", large, None]


def test_get_many_of_large_values(db: boltpy.DB) -> None:
    pairs = {b"%03d" % i: b"%03d" % i * (3000 if i % 3 else 1) for i in range(30)}
    with db.update() as tx:
        tx.create_bucket(b"c").put_many(pairs)
    with db.view() as tx:
        assert bucket_at(tx, b"c").get_many([*pairs, b"missing"]) == [*pairs.values(), None]
