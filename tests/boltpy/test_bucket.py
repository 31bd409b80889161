"""Pairs in a bucket: get, put, delete, and what each refuses."""

from __future__ import annotations

import mmap
import random
import tracemalloc
from pathlib import Path

import pytest

import boltpy
from tests.boltpy.sizes import sized
from tests.conftest import OpenDB
from tests.models import bucket_at


@pytest.fixture
def db(db: boltpy.DB) -> boltpy.DB:
    """A database with the bucket "widgets"."""
    with db.update() as tx:
        tx.create_bucket(b"widgets")
    return db


def widgets(tx: boltpy.Tx) -> boltpy.Bucket:
    return bucket_at(tx, b"widgets")


def test_a_missing_key_gives_none_or_the_given_default(db: boltpy.DB) -> None:
    with db.view() as tx:
        assert widgets(tx).get(b"foo") is None
        assert widgets(tx).get(b"foo", b"fallback") == b"fallback"
    with db.update() as tx:
        widgets(tx).put(b"fop", b"1")
        assert widgets(tx).get(b"foo") is None
        assert widgets(tx).get(b"foo", b"fallback") == b"fallback"


def test_an_uncommitted_put_is_read_back_in_the_same_transaction(db: boltpy.DB) -> None:
    with db.update() as tx:
        widgets(tx).put(b"foo", b"bar")
        assert widgets(tx).get(b"foo") == b"bar"


def test_a_put_is_invisible_to_others_until_commit(db: boltpy.DB) -> None:
    with db.update() as tx:
        widgets(tx).put(b"foo", b"bar")
        with db.view() as other:
            assert widgets(other).get(b"foo") is None
    with db.view() as tx:
        assert widgets(tx).get(b"foo") == b"bar"


def test_get_of_a_nested_bucket_gives_the_default(db: boltpy.DB) -> None:
    with db.update() as tx:
        widgets(tx).create_bucket(b"foo")
        assert widgets(tx).get(b"foo") is None
    with db.view() as tx:
        assert widgets(tx).get(b"foo") is None
        assert widgets(tx).get(b"foo", b"fallback") == b"fallback"


def test_values_are_bytes_of_their_own(db: boltpy.DB) -> None:
    with db.update() as tx:
        widgets(tx).put(b"bar", b"neighbour")
        widgets(tx).put(b"foo", b"value")
    with db.view() as tx:
        value = widgets(tx).get(b"foo")
    assert type(value) is bytes
    assert value == b"value"


def test_the_second_put_of_a_key_wins(db: boltpy.DB) -> None:
    with db.update() as tx:
        widgets(tx).put(b"foo", b"bar")
        widgets(tx).put(b"foo", b"bazzz")
        assert widgets(tx).get(b"foo") == b"bazzz"
    with db.update() as tx:
        widgets(tx).put(b"foo", b"z")
    with db.view() as tx:
        assert list(widgets(tx).items()) == [(b"foo", b"z")]


def test_empty_values_are_values(db: boltpy.DB) -> None:
    with db.update() as tx:
        widgets(tx).put(b"foo", b"")
        assert widgets(tx).get(b"foo") == b""
    with db.view() as tx:
        assert widgets(tx).get(b"foo") == b""
        assert list(widgets(tx).items()) == [(b"foo", b"")]


def test_large_keys_and_values_come_back_whole(db: boltpy.DB) -> None:
    count, factor = 99, 200
    pairs = {b"0" * (i * factor): b"X" * ((count + 1 - i) * factor) for i in range(1, count + 1)}
    with db.update() as tx:
        for key, value in pairs.items():
            widgets(tx).put(key, value)
    with db.view() as tx:
        for key, value in pairs.items():
            assert widgets(tx).get(key) == value
        assert dict(widgets(tx).items()) == pairs


@pytest.mark.parametrize("size", [1023, 1024, 4096, 4097, 9000, 100_000, 3_000_000])
def test_a_value_of_any_size_survives_beside_small_ones(db: boltpy.DB, size: int) -> None:
    value = random.Random(size).randbytes(size)
    with db.update() as tx:
        for i in range(100):
            widgets(tx).put(b"%03d" % i, b"small")
        widgets(tx).put(b"050x", value)
    with db.view() as tx:
        assert widgets(tx).get(b"050x") == value
        assert widgets(tx).get(b"050") == widgets(tx).get(b"051") == b"small"


def test_very_many_pairs_in_two_commits_are_all_there(open_db: OpenDB) -> None:
    db = open_db(no_sync=True)
    count = sized(c=60_000, py=10_000, deep=400_000)
    for half in range(2):
        with db.update() as tx:
            bucket = tx.create_bucket_if_not_exists(b"widgets")
            for i in range(half * count // 2, (half + 1) * count // 2):
                bucket.put(i.to_bytes(4, "big"), bytes(500))
    with db.view() as tx:
        expected = 0
        for key, value in widgets(tx).items():
            assert key == expected.to_bytes(4, "big")
            assert value == bytes(500)
            expected += 1
        assert expected == count


def test_more_small_pairs_than_one_page_can_count_are_all_there(open_db: OpenDB) -> None:
    db = open_db(page_size=1 << 22, no_sync=True)
    keys = [b"%06d" % i for i in range(70_000)]
    with db.update() as tx:
        tx.create_bucket(b"b").put_many((key, b"") for key in keys)
    with db.view() as tx:
        assert list(bucket_at(tx, b"b").keys()) == keys
        assert bucket_at(tx, b"b").stats().leaf_page_n == 2


def test_put_over_a_nested_bucket_is_refused(db: boltpy.DB) -> None:
    with db.update() as tx:
        widgets(tx).create_bucket(b"foo").put(b"k", b"v")
        with pytest.raises(boltpy.IncompatibleValueError):
            widgets(tx).put(b"foo", b"bar")
    with db.update() as tx:
        with pytest.raises(boltpy.IncompatibleValueError):
            widgets(tx).put(b"foo", b"bar")
        with pytest.raises(boltpy.IncompatibleValueError):
            widgets(tx)[b"foo"] = b"bar"
    with db.view() as tx:
        assert bucket_at(tx, b"widgets", b"foo").get(b"k") == b"v"


def test_delete_of_a_nested_bucket_is_refused(db: boltpy.DB) -> None:
    with db.update() as tx:
        widgets(tx).create_bucket(b"foo")
        with pytest.raises(boltpy.IncompatibleValueError):
            widgets(tx).delete(b"foo")
    with db.update() as tx:
        with pytest.raises(boltpy.IncompatibleValueError):
            widgets(tx).delete(b"foo")
        with pytest.raises(boltpy.IncompatibleValueError):
            del widgets(tx)[b"foo"]
        assert widgets(tx).bucket(b"foo") is not None


def test_a_read_only_transaction_refuses_every_change(db: boltpy.DB) -> None:
    with db.update() as tx:
        widgets(tx).put(b"foo", b"bar")
    with db.view() as tx:
        bucket = widgets(tx)
        assert not bucket.writable
        with pytest.raises(boltpy.TxNotWritableError):
            bucket.put(b"foo", b"baz")
        with pytest.raises(boltpy.TxNotWritableError):
            bucket.delete(b"foo")
        with pytest.raises(boltpy.TxNotWritableError):
            bucket[b"foo"] = b"baz"
        with pytest.raises(boltpy.TxNotWritableError):
            del bucket[b"foo"]
        with pytest.raises(boltpy.TxNotWritableError):
            bucket.put_many({b"foo": b"baz"})
        with pytest.raises(boltpy.TxNotWritableError):
            bucket.delete_many([b"foo"])
        assert bucket.get(b"foo") == b"bar"


@pytest.mark.parametrize("committed", [True, False])
def test_put_and_delete_after_the_transaction_ended_are_refused(db: boltpy.DB, committed: bool) -> None:
    tx = db.begin(writable=True)
    bucket = widgets(tx)
    bucket.put(b"foo", b"bar")
    if committed:
        tx.commit()
    else:
        tx.rollback()
    with pytest.raises(boltpy.TxClosedError):
        bucket.put(b"foo", b"baz")
    with pytest.raises(boltpy.TxClosedError):
        bucket.delete(b"foo")
    with db.view() as view:
        assert widgets(view).get(b"foo") == (b"bar" if committed else None)


def test_a_deleted_key_is_gone_at_once_and_after_commit(db: boltpy.DB) -> None:
    with db.update() as tx:
        widgets(tx).put(b"foo", b"bar")
        widgets(tx).delete(b"foo")
        assert widgets(tx).get(b"foo") is None
    with db.update() as tx:
        widgets(tx).put(b"foo", b"bar")
    with db.update() as tx:
        widgets(tx).delete(b"foo")
        assert widgets(tx).get(b"foo") is None
        assert list(widgets(tx).items()) == []
    with db.view() as tx:
        assert widgets(tx).get(b"foo") is None


def test_deleting_a_missing_key_is_silent_and_leaves_its_neighbours(db: boltpy.DB) -> None:
    with db.update() as tx:
        widgets(tx).create_bucket(b"nested")
        widgets(tx).put(b"fop", b"1")
        widgets(tx).delete(b"foo")
        widgets(tx).delete(b"")
    with db.update() as tx:
        widgets(tx).delete(b"foo")
        widgets(tx).delete(b"zzz")
    with db.view() as tx:
        assert list(widgets(tx).items()) == [(b"fop", b"1"), (b"nested", None)]


def test_many_large_values_deleted_over_several_transactions_are_all_gone(db: boltpy.DB) -> None:
    with db.update() as tx:
        for i in range(100):
            widgets(tx).put(b"%d" % i, b"*" * 1024)
    for third in range(3):
        with db.update() as tx:
            for i in range(third, 100, 3):
                widgets(tx).delete(b"%d" % i)
    with db.view() as tx:
        assert [widgets(tx).get(b"%d" % i) for i in range(100)] == [None] * 100
        assert list(widgets(tx).items()) == []


def test_a_key_deleted_and_put_again_in_one_transaction_has_the_new_value(db: boltpy.DB) -> None:
    with db.update() as tx:
        widgets(tx).put(b"foo", b"old")
    with db.update() as tx:
        widgets(tx).delete(b"foo")
        widgets(tx).put(b"foo", b"new")
        widgets(tx).put(b"bar", b"gone")
        widgets(tx).delete(b"bar")
    with db.view() as tx:
        assert list(widgets(tx).items()) == [(b"foo", b"new")]


def test_an_empty_key_is_refused(db: boltpy.DB) -> None:
    with db.update() as tx:
        with pytest.raises(boltpy.KeyRequiredError):
            widgets(tx).put(b"", b"bar")
        with pytest.raises(boltpy.KeyRequiredError):
            widgets(tx).put(bytearray(), b"bar")
        assert widgets(tx).get(b"") is None


def test_the_longest_key_is_32768_bytes(db: boltpy.DB) -> None:
    with db.update() as tx:
        widgets(tx).put(b"k" * 32768, b"bar")
        with pytest.raises(boltpy.KeyTooLargeError) as caught:
            widgets(tx).put(b"k" * 32769, b"bar")
        assert caught.value.key_size == 32769
        assert caught.value.limit == 32768
    with db.view() as tx:
        assert list(widgets(tx).items()) == [(b"k" * 32768, b"bar")]
        assert widgets(tx).get(b"k" * 32769) is None


@pytest.mark.parametrize("call", ["put", "put_many"])
def test_a_value_of_two_gibibytes_is_refused_before_it_is_copied(tmp_path: Path, call: str) -> None:
    with (
        mmap.mmap(-1, 2**31 - 1) as huge,  # its pages are never touched
        memoryview(huge) as value,
        boltpy.open(tmp_path / "a.db") as db,
        db.update() as tx,
    ):
        bucket = tx.create_bucket(b"widgets")
        tracemalloc.start()
        with pytest.raises(boltpy.ValueTooLargeError) as caught:
            bucket.put(b"foo", value) if call == "put" else bucket.put_many([(b"foo", value)])
        assert tracemalloc.get_traced_memory()[1] < 2**20
        tracemalloc.stop()
        assert caught.value.value_size == 2**31 - 1
        assert caught.value.limit == 2**31 - 2
        assert bucket.get(b"foo") is None


def test_limits_are_value_errors_and_the_transaction_goes_on(db: boltpy.DB) -> None:
    with db.update() as tx:
        for key in (b"", b"k" * 40_000):
            with pytest.raises(ValueError, match="key"):
                widgets(tx).put(key, b"bar")
        widgets(tx).put(b"foo", b"bar")
    with db.view() as tx:
        assert list(widgets(tx).items()) == [(b"foo", b"bar")]


def test_keys_are_ordered_as_unsigned_bytes_and_prefixes_come_first(db: boltpy.DB) -> None:
    keys = [b"\x00", b"\x00\x00", b"\x7f", b"\x80", b"a", b"a\x00", b"aa", b"b", b"\xff", b"\xff\xff", b"\xff\x00"]
    with db.update() as tx:
        for key in reversed(keys):
            widgets(tx).put(key, key[::-1])
    with db.view() as tx:
        assert list(widgets(tx).items()) == [(key, key[::-1]) for key in sorted(keys)]


def test_views_that_were_dropped_are_forgotten(db: boltpy.DB) -> None:
    with db.update() as tx:
        tx.create_bucket(b"b").put(b"k", b"value")
    with db.view() as tx:
        bucket = bucket_at(tx, b"b")
        kept = [bucket.get_view(b"k") for _ in range(100)]
        for _ in range(2000):
            bucket.get_view(b"k")
        assert len(tx._lent) < 500
    assert len(kept) == 100
    for view in kept:
        assert view is not None
        with pytest.raises(ValueError, match="released"):
            view.tobytes()


def test_whether_a_key_is_there_is_asked_without_its_value(db: boltpy.DB) -> None:
    with db.update() as tx:
        bucket = tx.create_bucket(b"b")
        bucket.put_many({b"large": bytes(1 << 25), b"gone": b"", b"k": b""})
        bucket.create_bucket(b"nested")
    with db.update() as tx:
        bucket = bucket_at(tx, b"b")
        tracemalloc.start()
        assert b"large" in bucket
        bucket.put(b"new", b"")
        bucket.delete(b"gone")
        assert b"large" in bucket
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
        tracemalloc.stop()
        assert [key in bucket for key in (b"k", b"new", b"gone", b"nested", b"", bytearray(b"k"))] == [
            True, True, False, False, False, True,
        ]  # fmt: skip
        with pytest.raises(TypeError):
            "text" in bucket  # type: ignore[operator]  # noqa: B015
