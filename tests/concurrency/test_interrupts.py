"""Ctrl-C at any moment: the transaction that it hits is committed or not, and the DB goes on as if nothing had been."""

from __future__ import annotations

import gc
import os
import random
import signal
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

import boltpy
from tests.concurrency.stepping import BytecodeInterrupt, Interrupt, ignoring_interrupted_finalizers, interrupt
from tests.conftest import OpenDB
from tests.models import bucket_at


def number(tx: boltpy.Tx) -> int:
    return int(bucket_at(tx, b"b")[b"number"])


def write(db: boltpy.DB, value: int) -> None:
    with db.update() as tx:
        bucket = bucket_at(tx, b"b")
        bucket.put(b"number", b"%d" % value)
        bucket.put(b"pad", bytes(value % 7 * 3000))


def write_by_hand(db: boltpy.DB, value: int) -> None:
    tx = db.begin(writable=True)
    try:
        bucket_at(tx, b"b").put(b"number", b"%d" % value)
        tx.commit()
    finally:
        if tx._open:
            tx.rollback()


def read(db: boltpy.DB, value: int) -> None:
    with db.view() as tx:
        number(tx)


@pytest.mark.parametrize("act", [write, write_by_hand, read])
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_at_any_step_leaves_a_database_that_goes_on(
    open_db: OpenDB, act: Callable[[boltpy.DB, int], None]
) -> None:
    assert interrupt_everywhere(partial(open_db, "a.db"), act, Interrupt) > 20


def time_out() -> None:
    """What a handler of SIGALRM likes to do."""
    raise TimeoutError


@pytest.mark.parametrize("no_sync", [True, False])
@pytest.mark.parametrize("handler", [interrupt, time_out])
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_at_any_bytecode_of_a_commit_leaves_the_old_or_the_new_state(
    open_db: OpenDB, no_sync: bool, handler: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.fdatasync", os.fstat)  # as quick as no sync at all, and the same way through boltpy
    open_it = partial(open_db, "a.db", no_sync=no_sync, page_size=1024)
    assert interrupt_everywhere(open_it, write, BytecodeInterrupt, handler) > 150


def must_be_reopened(db: boltpy.DB) -> bool:
    try:
        db.begin().rollback()
    except boltpy.DatabaseNotOpenError as error:
        assert "reopened" in str(error)  # noqa: PT017
        return True
    return False


def interrupt_everywhere(
    open_it: Callable[[], boltpy.DB],
    act: Callable[[boltpy.DB, int], None],
    kind: type[Interrupt],
    handler: Callable[[], None] = interrupt,
) -> int:
    """Interrupt `act` at every place until it comes to its end; how many places there were."""
    db = open_it()
    with db.update() as tx:
        tx.create_bucket(b"b").put(b"number", b"0")
    committed = 0
    for step in range(1, 100_000):
        # Within a call to the system, what a handler raises looks as if the system had refused.
        ends = suppress(KeyboardInterrupt, TimeoutError, boltpy.StorageError)
        with ignoring_interrupted_finalizers(), kind(step, handler) as interrupted, ends:
            act(db, step)
        if must_be_reopened(db):
            assert handler is not interrupt
            db.close()
            db = open_it()
        with db.view() as tx:
            seen = number(tx)
        with db.update() as tx:  # no lock is held, nobody waits
            # A reader may still see the state before a commit that was interrupted at its very end.
            assert number(tx) in (seen, step)
            assert number(tx) in (committed, step)
            committed = number(tx)
            bucket_at(tx, b"b").put(b"after", b"%d" % step)
        assert db.stats().open_tx_n == 0
        with db.view() as tx:
            assert list(tx.check()) == []
        if not interrupted.raised:
            return step
    pytest.fail("it never came to its end")


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("close", [True, False])
def test_an_interrupt_at_any_step_of_opening_and_closing_keeps_no_lock(tmp_path: Path, close: bool) -> None:
    path = tmp_path / "a.db"
    with boltpy.open(path) as db, db.update() as tx:
        tx.create_bucket(b"b")
    for step in range(1, 10_000):
        if close:
            db = boltpy.open(path, timeout=1)
        with ignoring_interrupted_finalizers(), Interrupt(step) as interrupt, suppress(KeyboardInterrupt):
            if close:
                db.close()
            else:
                db = boltpy.open(path, timeout=1)
        db.close()
        with boltpy.open(path, timeout=1) as db, db.update() as tx:
            assert tx.bucket(b"b") is not None
        if not interrupt.raised:
            break
    assert step > 5


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_real_signals_at_random_moments_leave_a_database_that_goes_on(open_db: OpenDB) -> None:
    db = open_db("a.db", no_sync=True)
    with db.update() as tx:
        tx.create_bucket(b"b").put(b"number", b"0")
    randomly = random.Random(5)
    hits = 0
    old = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        for round_ in range(1, 150):
            with ignoring_interrupted_finalizers():
                try:
                    try:
                        signal.setitimer(signal.ITIMER_REAL, randomly.uniform(1e-6, 3e-4))
                        for _ in range(3):
                            write(db, round_)
                            read(db, 0)
                    finally:  # here too it may hit
                        signal.setitimer(signal.ITIMER_REAL, 0)
                except KeyboardInterrupt:
                    hits += 1
            gc.collect()
            with db.update() as tx:
                bucket_at(tx, b"b").put(b"after", b"%d" % round_)
    finally:
        signal.signal(signal.SIGALRM, old)
    assert hits > 10
