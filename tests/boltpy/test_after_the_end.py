"""What is left of a transaction when it has ended, or its database was closed: errors, never a crash or old data."""

from __future__ import annotations

import gc
import itertools
from collections.abc import Callable, Iterator

import pytest

import boltpy
from tests.conftest import OpenDB
from tests.models import bucket_at


@pytest.fixture
def db(open_db: OpenDB) -> boltpy.DB:
    """A database of 50 buckets with 200 pairs each, over many pages."""
    db = open_db(page_size=1024, no_sync=True)
    with db.update() as tx:
        for i in range(50):
            tx.create_bucket(b"%02d" % i).put_many((b"%04d" % j, bytes(20)) for j in range(200))
    return db


def stepping(move: Callable[[], object]) -> Iterator[object]:
    """Items of a cursor as an iterator."""
    return itertools.takewhile(lambda item: item is not None, (move() for _ in itertools.count()))


RUNNING: dict[str, Callable[[boltpy.Tx], Iterator[object]]] = {
    "items": lambda tx: iter(bucket_at(tx, b"07").items()),
    "items backwards": lambda tx: iter(bucket_at(tx, b"07").items(reverse=True)),
    "keys": lambda tx: iter(bucket_at(tx, b"07")),
    "values of a range": lambda tx: iter(bucket_at(tx, b"07").values(b"0003", b"0190")),
    "buckets": lambda tx: iter(tx.buckets()),
    "check": lambda tx: iter(tx.check()),
    "cursor": lambda tx: stepping(started(bucket_at(tx, b"07").cursor()).next),
    "root cursor": lambda tx: stepping(started(tx.cursor()).next),
}

ENDS: dict[str, Callable[[boltpy.DB, boltpy.Tx], None]] = {
    "rollback": lambda db, tx: tx.rollback(),
    "close": lambda db, tx: db.close(),
    "close and collect": lambda db, tx: close_and_collect(db),
}


def close_and_collect(db: boltpy.DB) -> None:
    db.close()
    gc.collect()


def started(cursor: boltpy.Cursor) -> boltpy.Cursor:
    assert cursor.first() is not None
    return cursor


@pytest.mark.parametrize("writable", [False, True], ids=["read", "write"])
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("running", RUNNING)
def test_an_iteration_begun_before_the_end_raises_tx_closed(
    db: boltpy.DB, running: str, end: str, writable: bool
) -> None:
    tx = db.begin(writable=writable)
    if writable:
        bucket_at(tx, b"07").put(b"0000x", b"changed")
    iterator = RUNNING[running](tx)
    if running != "check":
        next(iterator)
    ENDS[end](db, tx)
    with pytest.raises(boltpy.TxClosedError):
        list(iterator)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("size", [60, 5000])
def test_an_iteration_gives_nothing_that_was_written_after_the_end(open_db: OpenDB, size: int, reverse: bool) -> None:
    db = open_db("few.db", page_size=1024, no_sync=True)

    def fill(value: bytes) -> None:
        with db.update() as tx:
            tx.create_bucket_if_not_exists(b"b").put_many((b"%d" % i, value * size) for i in range(3))

    fill(b"o")
    tx = db.begin()
    items = bucket_at(tx, b"b").items(reverse=reverse)
    next(items)
    tx.rollback()
    for _ in range(4):
        fill(b"n")
    seen = []

    def go_on() -> None:
        for _, value in items:
            seen.append(value)

    with pytest.raises(boltpy.TxClosedError):
        go_on()
    assert set(seen) <= {b"o" * size}


@pytest.mark.parametrize("end", ENDS)
def test_values_read_before_the_end_stay_what_they_were(db: boltpy.DB, end: str) -> None:
    tx = db.begin()
    bucket = bucket_at(tx, b"07")
    value, pairs = bucket.get(b"0100"), list(bucket.items())
    ENDS[end](db, tx)
    assert value == bytes(20)
    assert pairs == [(b"%04d" % j, bytes(20)) for j in range(200)]


@pytest.mark.parametrize("kind", ["deleted", "child of a deleted", "grandchild of a deleted"])
def test_a_handle_of_a_deleted_bucket_refuses_everything(db: boltpy.DB, kind: str) -> None:
    with db.update() as tx:
        gone = tx.create_bucket(b"gone")
        handle = {
            "deleted": gone,
            "child of a deleted": (child := gone.create_bucket(b"child")),
            "grandchild of a deleted": child.create_bucket(b"grandchild"),
        }[kind]
        handle.put(b"k", b"v")
        cursor = handle.cursor()
        assert cursor.seek(b"k") == (b"k", b"v")
        tx.delete_bucket(b"gone")
        uses: list[Callable[[], object]] = [
            lambda: handle.get(b"k"),
            lambda: handle.put(b"k", b"v"),
            lambda: handle.delete(b"k"),
            lambda: handle.put_many({b"k": b"v"}),
            lambda: list(handle.items()),
            lambda: handle.create_bucket(b"new"),
            handle.next_sequence,
            cursor.next,
            cursor.delete,
        ]
        for use in uses:
            with pytest.raises(boltpy.BoltError):
                use()
        tx.create_bucket(b"gone").put(b"fresh", b"v")
    with db.view() as tx:
        assert list(bucket_at(tx, b"gone").items()) == [(b"fresh", b"v")]


def test_a_transaction_closed_inside_its_block_says_so_at_the_end(db: boltpy.DB) -> None:
    def close_inside() -> None:
        with db.update() as tx:
            tx.create_bucket(b"never")
            db.close()

    with pytest.raises(boltpy.TxClosedError):
        close_inside()
    with boltpy.open(db.path, timeout=1) as again, again.view() as tx:
        assert tx.bucket(b"never") is None


def test_closing_inside_a_view_is_silent(db: boltpy.DB) -> None:
    with db.view() as tx:
        db.close()
        with pytest.raises(boltpy.TxClosedError):
            tx.bucket(b"00")
