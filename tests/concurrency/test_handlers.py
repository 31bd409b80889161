"""Signal handlers that use the database which their own thread is using: a result or an error, and no endless wait."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest

import boltpy
from tests.boltpy.background import Background
from tests.boltpy.sizes import sized
from tests.concurrency.stepping import BytecodeInterrupt
from tests.conftest import OpenDB
from tests.models import bucket_at

KEYS = [b"%03d" % i for i in range(20)]


def with_pairs(db: boltpy.DB) -> boltpy.DB:
    fill(db, 0)
    return db


def fill(db: boltpy.DB, value: int) -> None:
    """Give all keys one value."""
    with db.update() as tx:
        tx.create_bucket_if_not_exists(b"b").put_many((key, b"%d" % value * 40) for key in KEYS)


def filled_with(tx: boltpy.Tx) -> bytes:
    """The one value that all keys have."""
    values = set(bucket_at(tx, b"b").values())
    assert len(values) == 1
    return bytes(values.pop() or b"")


def begin(db: boltpy.DB, step: int) -> None:
    """Begin, and leave the rest to `go_on`."""
    db.handed_out = db.begin()  # type: ignore[attr-defined]


def go_on(db: boltpy.DB, step: int) -> None:
    """Write over all pages that nobody sees; whoever began to read before that must still see what was there."""
    tx = vars(db).pop("handed_out", None)
    if tx is not None:
        before = filled_with(tx)
        for _ in range(3):
            fill(db, step)
        assert filled_with(tx) == before
        tx.rollback()


def write_in_batch(db: boltpy.DB, step: int) -> None:
    db.batch(lambda tx: bucket_at(tx, b"b").put(KEYS[0], bucket_at(tx, b"b")[KEYS[1]]))


@pytest.mark.parametrize("act", [fill, begin, write_in_batch])
def test_a_handler_that_reads_and_writes_at_any_bytecode_gets_a_result_or_an_error(
    open_db: OpenDB, act: Callable[[boltpy.DB, int], None]
) -> None:
    db = with_pairs(open_db("a.db", no_sync=True, page_size=1024, max_batch_delay=0))
    outcomes = {"committed": 0, "refused": 0, "in vain": 0}

    def handle() -> None:
        with db.view() as tx:
            filled_with(tx)
        for write in (fill, fill, write_in_batch):
            try:
                write(db, step)
                outcomes["committed"] += 1
            except boltpy.TxError:
                outcomes["refused"] += 1

    for step in range(1, 100_000, sized(c=3, py=67, deep=3)):
        with BytecodeInterrupt(step, handle) as hit:
            try:
                act(db, step)
            except boltpy.TxError:
                outcomes["in vain"] += 1
        go_on(db, step)
        assert db.stats().open_tx_n == 0
        fill(db, step)
        if step % 20 == 0:
            with db.view() as tx:
                filled_with(tx)
                assert list(tx.check()) == []
        if not hit.raised:
            break
    assert outcomes["committed"] > 0
    assert outcomes["refused"] > 0 or act is begin
    assert outcomes["in vain"] == 0


def test_a_handler_that_closes_at_any_bytecode_closes_or_is_told_that_a_commit_is_under_way(open_db: OpenDB) -> None:
    outcomes = {"closed": 0, "refused": 0}
    open_it = partial(open_db, "a.db", no_sync=True, page_size=1024)
    db = with_pairs(open_it())

    def handle() -> None:
        try:
            db.close()
            outcomes["closed"] += 1
        except boltpy.TxError:
            outcomes["refused"] += 1

    for step in range(1, 100_000, sized(c=3, py=67, deep=3)):
        with BytecodeInterrupt(step, handle) as hit:
            try:
                fill(db, step)
            except (boltpy.BoltError, AttributeError):  # what it was about to use is gone
                assert db._closing
        db.close()
        db = open_it(timeout=1)
        with db.view() as tx:
            filled_with(tx)
            assert list(tx.check()) == []
        if not hit.raised:
            break
    assert outcomes["closed"] > 0
    assert outcomes["refused"] > 0


@contextmanager
def on_alarm(handler: Callable[[], None], seconds: float) -> Iterator[None]:
    """Call a handler, by a real signal, so many seconds from now."""
    old = signal.signal(signal.SIGALRM, lambda *_: handler())
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


def test_a_handler_that_writes_while_its_thread_waits_for_its_turn_takes_that_turn(open_db: OpenDB) -> None:
    db = with_pairs(open_db("a.db"))
    tx = Background(lambda: db.begin(writable=True)).result()
    order = []

    def handle() -> None:
        fill(db, 1)
        order.append("handler")

    threading.Timer(0.6, tx.rollback).start()
    with on_alarm(handle, 0.2):
        fill(db, 2)
        order.append("thread")
    assert order == ["handler", "thread"]
    with db.view() as tx:
        assert filled_with(tx) == b"2" * 40
