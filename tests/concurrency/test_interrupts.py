"""Ctrl-C at any moment: the transaction that it hits is committed or not, and the DB goes on as if nothing had been."""

from __future__ import annotations

import gc
import os
import random
import signal
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

import boltpy
from boltpy.compact_file import compact_file
from tests.boltpy.background import Background
from tests.concurrency.stepping import PACKAGE, BytecodeInterrupt, Interrupt, ignoring_interrupted_finalizers, interrupt
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
@pytest.mark.parametrize("act", [write, write_by_hand, read])
def test_an_interrupt_whose_traceback_is_kept_keeps_no_transaction(
    open_db: OpenDB, act: Callable[[boltpy.DB, int], None]
) -> None:
    """Unless it hits the first instruction that ends a `with` block: no code could catch it there."""
    db = open_db("a.db", no_sync=True)
    with db.update() as tx:
        tx.create_bucket(b"b").put(b"number", b"0")
    places = []
    for step in range(1, 100_000):
        kept = None
        with ignoring_interrupted_finalizers(), BytecodeInterrupt(step) as interrupted:
            try:
                act(db, step)
            except KeyboardInterrupt as error:
                kept = error
        if db.stats().open_tx_n:
            places.append(place_of(kept))
        try:
            write(db, step)
        except boltpy.TxError:
            places.append(place_of(kept))
        del kept
        if not interrupted.raised:
            break
    assert step > 20
    allowed = {"ManagedTx.__exit__", "ManagedTx._drop", "Tx._finish"} if act is read else {"ManagedTx.__exit__"}
    assert set(places) <= allowed
    assert len(places) <= len(allowed)


def place_of(error: BaseException | None) -> str:
    """The function that raised it."""
    assert error is not None
    trace = error.__traceback__
    assert trace is not None
    *_, (frame, _) = traceback.walk_tb(trace)
    while not frame.f_code.co_filename.startswith(PACKAGE):
        assert frame.f_back is not None
        frame = frame.f_back
    return frame.f_code.co_qualname


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_at_any_bytecode_of_a_batch_leaves_nobody_waiting(open_db: OpenDB) -> None:
    db = open_db("a.db", no_sync=True, max_batch_size=2, max_batch_delay=3600.0)
    with db.update() as tx:
        tx.create_bucket(b"b").put(b"number", b"0")
    told = {"committed": 0, "interrupted": 0}
    for step in range(1, 100_000):
        other = Background(partial(db.batch, partial(put, b"other", step)))
        while not db._batcher._waiting and other._thread.is_alive():
            time.sleep(0)
        with ignoring_interrupted_finalizers(), BytecodeInterrupt(step) as interrupted, suppress(KeyboardInterrupt):
            db.batch(partial(put, b"number", step))
        if db._batcher._waiting:  # none was taken: the next one to come makes the batch full
            db.batch(partial(put, b"after", step))
        try:
            other.result()
            told["committed"] += 1
            with db.view() as tx:
                assert bucket_at(tx, b"b")[b"other"] == b"%d" % step
        except boltpy.TxError as error:
            assert "interrupted" in str(error)  # noqa: PT017
            told["interrupted"] += 1
        with db.update() as tx:
            put(b"after", step, tx)
        if not interrupted.raised:
            break
    assert told["committed"] > 10
    assert told["interrupted"] > 100


def put(key: bytes, value: int, tx: boltpy.Tx) -> None:
    bucket_at(tx, b"b").put(key, b"%d" % value)


def test_an_interrupt_of_who_runs_a_batch_is_no_error_of_the_function_that_it_hits(open_db: OpenDB) -> None:
    db = open_db("a.db", max_batch_size=2, max_batch_delay=3600.0)

    def hit(tx: boltpy.Tx) -> None:
        if threading.current_thread() is threading.main_thread():
            raise KeyboardInterrupt  # as Ctrl-C, which comes in the main thread, whoever's function runs there

    other = Background(lambda: db.batch(hit))
    assert other.is_waiting()
    with pytest.raises(KeyboardInterrupt):
        db.batch(lambda tx: None)
    with pytest.raises(boltpy.TxError, match="interrupted"):
        other.result(10)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("act", ["open", "make", "copy", "compact"])
def test_an_interrupt_at_any_bytecode_leaves_no_descriptor_and_no_half_of_a_file(
    tmp_path: Path, act: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.fdatasync", os.fstat)
    monkeypatch.setattr("os.fsync", os.fstat)
    path, target = tmp_path / "a.db", tmp_path / "b.db"
    with boltpy.open(path) as db:
        write_first(db)

    def copy() -> None:
        with boltpy.open(path, read_only=True) as db, db.view() as tx:
            tx.copy_file(target)

    acts: dict[str, Callable[[], object]] = {
        "open": lambda: boltpy.open(path, timeout=1).close(),
        "make": lambda: boltpy.open(target, timeout=1).close(),
        "copy": copy,
        "compact": lambda: compact_file(str(path), str(target), 1),
    }
    gc.collect()
    before = descriptors()
    for step in range(1, 100_000):
        target.unlink(missing_ok=True)
        with ignoring_interrupted_finalizers(), BytecodeInterrupt(step) as interrupted, suppress(KeyboardInterrupt):
            acts[act]()
        if descriptors() != before:
            gc.collect()  # what dies in a circle, with its map
        assert descriptors() == before
        for name in [path, target] if target.exists() else [path]:
            with boltpy.open(name, timeout=1) as db, db.view() as tx:
                assert act == "make" or number(tx) == 1
        if not interrupted.raised:
            break
    assert step > 20


def write_first(db: boltpy.DB) -> None:
    with db.update() as tx:
        tx.create_bucket(b"b").put(b"number", b"1")


def descriptors() -> list[str]:
    return sorted(os.listdir("/proc/self/fd"))


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
