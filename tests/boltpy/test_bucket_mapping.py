"""A bucket used as a mapping: [], in, del, iteration, and what it accepts as keys and values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import boltpy
from tests.models import bucket_at


@pytest.fixture
def db(db: boltpy.DB) -> boltpy.DB:
    """A database with the bucket "b": two pairs and a nested bucket between them."""
    with db.update() as tx:
        bucket = tx.create_bucket(b"b")
        bucket.put(b"ada", b"countess")
        bucket.create_bucket(b"bob").put(b"deep", b"down")
        bucket.put(b"zoe", b"")
    return db


def test_square_brackets_read_write_and_delete_pairs(db: boltpy.DB) -> None:
    with db.update() as tx:
        bucket = bucket_at(tx, b"b")
        bucket[b"alan"] = b"turing"
        assert bucket[b"alan"] == b"turing"
        assert bucket[b"zoe"] == b""
        del bucket[b"ada"]
    with db.view() as tx:
        assert bucket_at(tx, b"b")[b"alan"] == b"turing"
        assert bucket_at(tx, b"b").get(b"ada") is None


@pytest.mark.parametrize("key", [b"missing", b"a", b"adaa", b"zz"])
def test_a_missing_key_in_square_brackets_is_a_key_error(db: boltpy.DB, key: bytes) -> None:
    with db.update() as tx:
        with pytest.raises(KeyError) as caught:
            bucket_at(tx, b"b")[key]
        assert caught.value.args == (key,)
        with pytest.raises(KeyError) as caught:
            del bucket_at(tx, b"b")[key]
        assert caught.value.args == (key,)


def test_a_key_deleted_in_this_transaction_is_a_key_error(db: boltpy.DB) -> None:
    with db.update() as tx:
        bucket = bucket_at(tx, b"b")
        del bucket[b"ada"]
        with pytest.raises(KeyError):
            bucket[b"ada"]
        with pytest.raises(KeyError):
            del bucket[b"ada"]
        assert b"ada" not in bucket


def test_the_name_of_a_nested_bucket_in_square_brackets_is_incompatible(db: boltpy.DB) -> None:
    with db.update() as tx:
        with pytest.raises(boltpy.IncompatibleValueError) as caught:
            bucket_at(tx, b"b")[b"bob"]
        assert caught.value.key == b"bob"


def test_in_is_true_for_plain_pairs_only(db: boltpy.DB) -> None:
    with db.update() as tx:
        bucket = bucket_at(tx, b"b")
        assert b"ada" in bucket
        assert b"zoe" in bucket
        assert b"bob" not in bucket
        assert b"missing" not in bucket
        bucket.put(b"new", b"")
        assert b"new" in bucket


def test_iterating_a_bucket_gives_its_keys_and_names_in_order(db: boltpy.DB) -> None:
    with db.view() as tx:
        bucket = bucket_at(tx, b"b")
        assert list(bucket) == [b"ada", b"bob", b"zoe"]
        assert list(bucket.keys()) == [b"ada", b"bob", b"zoe"]
        assert list(reversed(bucket)) == [b"zoe", b"bob", b"ada"]
        assert list(bucket.values()) == [b"countess", None, b""]
        assert list(bucket.items()) == [(b"ada", b"countess"), (b"bob", None), (b"zoe", b"")]


def test_iteration_sees_the_uncommitted_changes_of_its_transaction(db: boltpy.DB) -> None:
    with db.update() as tx:
        bucket = bucket_at(tx, b"b")
        bucket.put(b"abe", b"1")
        bucket.delete(b"zoe")
        bucket.create_bucket(b"cleo")
        assert list(bucket.items()) == [(b"abe", b"1"), (b"ada", b"countess"), (b"bob", None), (b"cleo", None)]
        assert list(bucket.values(reverse=True)) == [None, None, b"countess", b"1"]


def test_buckets_gives_only_nested_buckets_in_order(db: boltpy.DB) -> None:
    with db.update() as tx:
        bucket_at(tx, b"b").create_bucket(b"aaa").put(b"x", b"y")
        found = [(name, list(nested.items())) for name, nested in bucket_at(tx, b"b").buckets()]
        assert found == [(b"aaa", [(b"x", b"y")]), (b"bob", [(b"deep", b"down")])]
    with db.view() as tx:
        found = [(name, list(nested.items())) for name, nested in bucket_at(tx, b"b").buckets()]
        assert found == [(b"aaa", [(b"x", b"y")]), (b"bob", [(b"deep", b"down")])]
        assert list(bucket_at(tx, b"b", b"bob").buckets()) == []


def test_leaving_a_loop_early_leaves_the_transaction_usable(db: boltpy.DB) -> None:
    seen = []
    with db.update() as tx:
        for key, value in bucket_at(tx, b"b").items():
            seen.append((key, value))
            if len(seen) == 2:
                break
        bucket_at(tx, b"b").put(b"after", b"loop")
    assert seen == [(b"ada", b"countess"), (b"bob", None)]
    with db.view() as tx:
        assert bucket_at(tx, b"b").get(b"after") == b"loop"


def test_a_bucket_has_no_length_and_is_true_even_when_empty(db: boltpy.DB) -> None:
    with db.update() as tx:
        empty = tx.create_bucket(b"empty")
        with pytest.raises(TypeError):
            len(empty)  # type: ignore[arg-type]
        assert bool(empty)
        assert list(empty) == []


CALLS: dict[str, Callable[[boltpy.Tx, boltpy.Bucket], object]] = {
    "get": lambda tx, bucket: bucket.get("ada"),  # type: ignore[arg-type]
    "put key": lambda tx, bucket: bucket.put("ada", b"x"),  # type: ignore[arg-type]
    "put value": lambda tx, bucket: bucket.put(b"ada", "x"),  # type: ignore[arg-type]
    "delete": lambda tx, bucket: bucket.delete("ada"),  # type: ignore[arg-type]
    "brackets": lambda tx, bucket: bucket["ada"],  # type: ignore[index]
    "assignment": lambda tx, bucket: bucket.__setitem__("ada", b"x"),  # type: ignore[arg-type]
    "del": lambda tx, bucket: bucket.__delitem__("ada"),  # type: ignore[arg-type]
    "in": lambda tx, bucket: "ada" in bucket,
    "put_many keys": lambda tx, bucket: bucket.put_many({"ada": b"x"}),  # type: ignore[dict-item]
    "put_many values": lambda tx, bucket: bucket.put_many({b"ada": "x"}),  # type: ignore[dict-item]
    "get_many": lambda tx, bucket: list(bucket.get_many(["ada"])),  # type: ignore[list-item]
    "delete_many": lambda tx, bucket: bucket.delete_many(["ada"]),  # type: ignore[list-item]
    "get_view": lambda tx, bucket: bucket.get_view("ada"),  # type: ignore[arg-type]
    "items": lambda tx, bucket: list(bucket.items(start="a")),  # type: ignore[arg-type]
    "prefix": lambda tx, bucket: list(bucket.keys(prefix="a")),  # type: ignore[arg-type]
    "seek": lambda tx, bucket: bucket.cursor().seek("a"),  # type: ignore[arg-type]
    "bucket": lambda tx, bucket: bucket.bucket("bob"),  # type: ignore[arg-type]
    "tx.bucket": lambda tx, bucket: tx.bucket("b"),  # type: ignore[arg-type]
    "create_bucket": lambda tx, bucket: tx.create_bucket("new"),  # type: ignore[arg-type]
    "create_bucket_if_not_exists": lambda tx, bucket: tx.create_bucket_if_not_exists("b"),  # type: ignore[arg-type]
    "delete_bucket": lambda tx, bucket: tx.delete_bucket("b"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("call", CALLS)
def test_str_is_a_type_error_that_tells_to_encode(db: boltpy.DB, call: str) -> None:
    with db.update() as tx:
        with pytest.raises(TypeError, match=r"bytes.*encode|encode.*bytes"):
            CALLS[call](tx, bucket_at(tx, b"b"))
        assert list(bucket_at(tx, b"b").items()) == [(b"ada", b"countess"), (b"bob", None), (b"zoe", b"")]


@pytest.mark.parametrize("wrong", [1, None, 1.5, ["a"], (b"a",), object()])
def test_other_types_are_type_errors_too(db: boltpy.DB, wrong: object) -> None:
    with db.update() as tx:
        bucket = bucket_at(tx, b"b")
        with pytest.raises(TypeError):
            bucket.put(wrong, b"x")  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            bucket.put(b"x", wrong)  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            bucket.get(wrong)  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            bucket.put_many([(b"x", wrong)])  # type: ignore[list-item]
        assert b"x" not in bucket


@pytest.mark.parametrize("buffer", [bytearray, memoryview, lambda data: memoryview(bytearray(data))])
def test_any_bytes_like_object_serves_as_key_value_and_name(
    db: boltpy.DB, buffer: Callable[[bytes], bytes | bytearray | memoryview]
) -> None:
    with db.update() as tx:
        bucket = bucket_at(tx, b"b")
        bucket.put(buffer(b"key"), buffer(b"value"))
        bucket[buffer(b"key2")] = buffer(b"value2")
        bucket.put_many([(buffer(b"key3"), buffer(b"value3"))])
        bucket.create_bucket(buffer(b"nest")).put(b"x", b"y")
        assert bucket.get(buffer(b"key")) == b"value"
        assert buffer(b"key2") in bucket
    with db.view() as tx:
        bucket = bucket_at(tx, b"b")
        assert bucket[buffer(b"key2")] == b"value2"
        assert list(bucket.get_many([buffer(b"key3")])) == [b"value3"]
        assert bucket.cursor().seek(buffer(b"key3")) == (b"key3", b"value3")
        assert tx.bucket(buffer(b"b"), buffer(b"nest")) is not None
        assert list(bucket.keys(start=buffer(b"key2"), stop=buffer(b"nest"))) == [b"key2", b"key3"]
        assert all(type(part) is bytes for key in bucket.keys(prefix=b"key") for part in (key, bucket[key]))


def test_put_copies_what_the_caller_may_change_later(db: boltpy.DB) -> None:
    key, value, name = bytearray(b"key"), bytearray(b"value"), bytearray(b"name")
    with db.update() as tx:
        bucket = bucket_at(tx, b"b")
        bucket.put(key, value)
        bucket.create_bucket(name)
        bucket.put_many([(bytearray(b"many"), value)])
        key[:], value[:], name[:] = b"KEY", b"VALUE", b"NAME"
        assert bucket.get(b"key") == b"value"
    with db.view() as tx:
        assert list(bucket_at(tx, b"b").items(start=b"key", stop=b"zoe")) == [
            (b"key", b"value"),
            (b"many", b"value"),
            (b"name", None),
        ]


def test_a_bytearray_that_was_put_can_be_resized_at_once(db: boltpy.DB) -> None:
    value = bytearray(b"value")
    with db.update() as tx:
        bucket_at(tx, b"b").put(b"key", value)
        value.extend(b"more")  # a BufferError if put still held the buffer
        assert bucket_at(tx, b"b").get(b"key") == b"value"


def test_the_representation_of_a_bucket_names_it(db: boltpy.DB) -> None:
    with db.view() as tx:
        assert "Bucket" in repr(bucket_at(tx, b"b"))
        assert "b'b'" in repr(bucket_at(tx, b"b"))


@pytest.mark.parametrize("writable", [False, True])
@pytest.mark.parametrize("key", [[97], (97,), 97, None, ["a"]])
def test_what_is_not_bytes_like_is_no_key_even_if_c_could_read_it(db: boltpy.DB, writable: bool, key: Any) -> None:
    with db.update() as tx:
        bucket_at(tx, b"b").put(b"a", b"v")
    tx = db.begin(writable)
    bucket = bucket_at(tx, b"b")
    for call in (
        bucket.get,
        bucket.__getitem__,
        bucket.__contains__,
        bucket.get_view,
        lambda key: bucket.get_many([key]),
    ):
        with pytest.raises(TypeError, match="bytes-like"):
            call(key)
    tx.rollback()
