"""Bytes-like objects whose class says something else of them: what is stored is what is in their buffer."""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Callable, Iterator, Mapping
from typing import Any, SupportsIndex

import pytest

import boltpy
from tests.models import bucket_at


class _SaysItIsEmpty(ctypes.Structure):
    _fields_ = [("number", ctypes.c_uint32)]

    def __bytes__(self) -> bytes:
        return b""


class _Number(bytearray):
    def __index__(self) -> int:
        return 40_000


class _Lying(bytes):
    def __len__(self) -> int:
        return 0

    def __bytes__(self) -> bytes:
        return b"other"

    def __eq__(self, other: object) -> bool:
        return False

    def __hash__(self) -> int:
        return id(self)


ODD: list[tuple[Callable[[], Any], bytes]] = [
    (lambda: _SaysItIsEmpty(7), b"\7\0\0\0"),
    (lambda: _Number(b"num"), b"num"),
    (lambda: _Lying(b"lying"), b"lying"),
    (lambda: memoryview(b"12345678").cast("I")[1:], b"5678"),
    (lambda: memoryview(b"a-b-c-")[::2], b"abc"),
]
each_odd = pytest.mark.parametrize(("make", "stored"), ODD, ids=["structure", "index", "subclass", "cast", "strided"])
MANY = {b"%03d" % i: b"v" for i in range(200)}


@each_odd
@pytest.mark.parametrize("company", [{}, MANY], ids=["alone", "among many"])
def test_what_is_stored_is_what_the_buffer_holds(
    db: boltpy.DB, make: Callable[[], Any], stored: bytes, company: dict[bytes, bytes]
) -> None:
    with db.update() as tx:
        one, many = tx.create_bucket(b"one"), tx.create_bucket(b"many")
        for _ in range(2):
            one.put(make(), make())
        for key, value in company.items():
            one.put(key, value)
        many.put_many([(make(), b"first"), *company.items(), (make(), make())])
        for bucket in (one, many):
            found = bucket.get(make())
            assert (type(found), found) == (bytes, stored)
            assert bucket.get_many([make(), b"missing"]) == [stored, None]
            assert make() in bucket
    with db.view() as tx:
        assert not list(tx.check())
        for name in (b"one", b"many"):
            assert dict(bucket_at(tx, name).items()) == company | {stored: stored}
            assert bucket_at(tx, name).get_many([make(), b"missing"]) == [stored, None]
    with db.update() as tx:
        bucket_at(tx, b"one").delete(make())
        bucket_at(tx, b"many").delete_many([make()])
    with db.view() as tx:
        assert dict(bucket_at(tx, b"one").items()) == dict(bucket_at(tx, b"many").items()) == company


def test_the_last_pair_counts_also_for_keys_that_are_told_apart_by_identity(db: boltpy.DB) -> None:
    mapped = mmap.mmap(-1, 4)
    mapped[:] = b"kkkk"
    with db.update() as tx:
        for name, company in ((b"few", {}), (b"many", MANY)):
            bucket = tx.create_bucket(name)
            bucket.put_many([(mapped, b"1"), (b"kkkk", b"2"), *company.items(), (mapped, b"3")])  # type: ignore[list-item]
            assert bucket.get(b"kkkk") == b"3"
    mapped.close()


@pytest.mark.parametrize("count", [3, 100])
def test_pairs_that_can_be_read_only_once_are_read_once(db: boltpy.DB, count: int) -> None:
    pairs = [(b"%03d" % i, b"v") for i in range(count)]
    with db.update() as tx:
        bucket = tx.create_bucket(b"b")
        bucket.put_many([iter(pair) for pair in pairs])  # type: ignore[misc]
        assert list(bucket.items()) == pairs


@pytest.mark.parametrize("count", [1, 100])
def test_a_pair_that_another_overrides_is_checked_all_the_same(db: boltpy.DB, count: int) -> None:
    with db.update() as tx:
        bucket = tx.create_bucket(b"b")
        for bad in (7, "text", None):
            with pytest.raises(TypeError, match="value must be bytes-like"):
                bucket.put_many([(b"k", bad), *[(b"k", b"x")] * count])  # type: ignore[list-item]
        assert not list(bucket.items())


class _Working(Mapping[bytes, bytes]):
    """A mapping that does something while it is read."""

    def __init__(self, count: int, work: Callable[[], object]) -> None:
        self._count, self._work = count, work

    def __getitem__(self, key: bytes) -> bytes:
        self._work()
        return b"value"

    def __iter__(self) -> Iterator[bytes]:
        return iter([b"%03d" % i for i in range(self._count)])

    def __len__(self) -> int:
        return self._count


@pytest.mark.parametrize("count", [3, 100])
def test_what_a_mapping_changes_in_the_bucket_while_it_is_read_is_kept(db: boltpy.DB, count: int) -> None:
    with db.update() as tx:
        bucket = tx.create_bucket(b"b")
        bucket.put_many(_Working(count, lambda: bucket.put(b"other", b"1")))
        bucket.put_many(_Working(count, lambda: bucket.create_bucket_if_not_exists(b"nested")))
        assert bucket.get(b"other") == b"1"
        assert [name for name, _ in bucket.buckets()] == [b"nested"]
    with db.view() as tx:
        assert len(list(bucket_at(tx, b"b").items())) == count + 2


@pytest.mark.parametrize("count", [3, 100])
def test_a_transaction_that_ends_while_pairs_are_read_has_ended(db: boltpy.DB, count: int) -> None:
    for work in (lambda tx: tx.rollback(), lambda tx: tx.commit()):
        tx = db.begin(writable=True)
        bucket = tx.create_bucket_if_not_exists(b"b")

        def pairs(tx: boltpy.Tx, work: Callable[[boltpy.Tx], object]) -> Iterator[tuple[bytes, bytes]]:
            for i in range(count):
                yield b"%03d" % i, b"v"
            work(tx)

        with pytest.raises(boltpy.TxClosedError):
            bucket.put_many(pairs(tx, work))
        with pytest.raises(boltpy.TxClosedError):
            bucket.get(b"001")
    with db.view() as tx:
        assert not list(bucket_at(tx, b"b").items())


class _Rank:
    def __index__(self) -> SupportsIndex:  # type: ignore[override]
        return 3


@pytest.mark.parametrize("bad", ["text", 5, None, [b"x"], _Rank()], ids=["text", "int", "None", "list", "index"])
def test_what_is_not_bytes_like_is_a_type_error(db: boltpy.DB, bad: Any) -> None:
    with db.update() as tx:
        bucket = tx.create_bucket(b"b")
        for call in (
            lambda: bucket.put(bad, b"v"),
            lambda: bucket.put(b"k", bad),
            lambda: bucket.get(bad),
            lambda: bucket.delete(bad),
            lambda: bucket.put_many([(bad, b"v"), *MANY.items()]),
            lambda: bucket.get_many([b"k", bad]),
            lambda: tx.create_bucket(bad),
        ):
            with pytest.raises(TypeError, match="must be bytes-like"):
                call()  # type: ignore[no-untyped-call]
        assert not list(bucket.items())
