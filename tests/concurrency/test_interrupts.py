"""Ctrl-C at any moment: the transaction that it hits is committed or not, and the DB goes on as if nothing had been."""

from __future__ import annotations

import dis
import gc
import linecache
import random
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

import boltpy
from tests.conftest import OpenDB
from tests.models import bucket_at

PACKAGE = str(Path(boltpy.__file__).parent)


class Interrupt:
    """Raises KeyboardInterrupt at the n-th step that is made inside boltpy: a line begun, or a function left.

    The lines of `with` statements are left out: on leaving the block the interpreter comes by there once more, and
    takes no interrupt between that and the lock's `__exit__`, while a trace function can raise.
    """

    def __init__(self, at: int) -> None:
        self._left = at
        self.raised = False
        # Both are kept here: CPython 3.11 goes on using a trace function that raised after it has let go of it.
        self._on_call, self._on_step = self._called, self._stepped

    def __enter__(self) -> Interrupt:
        sys.settrace(self._on_call)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _called(self, frame: FrameType, event: str, value: object) -> Any:
        return self._on_step if frame.f_code.co_filename.startswith(PACKAGE) else None

    def _stepped(self, frame: FrameType, event: str, value: object) -> Any:
        source = linecache.getline(frame.f_code.co_filename, frame.f_lineno).lstrip()
        if event in ("line", "return") and not source.startswith("with "):
            self._left -= 1
            if self._left == 0:
                self.raised = True
                raise KeyboardInterrupt  # which ends the tracing as well
        return self._on_step


class BytecodeInterrupt(Interrupt):
    """Raises KeyboardInterrupt at the n-th place in boltpy's bytecode where the interpreter looks for signals.

    That is at the begin of a function, at a jump back, and after a call: before the instruction that follows them.
    """

    LOOKS = ("RESUME", "JUMP_BACKWARD", "CALL")

    def __init__(self, at: int) -> None:
        super().__init__(at)
        self._before: dict[FrameType, int] = {}

    def _called(self, frame: FrameType, event: str, value: object) -> Any:
        on_step = super()._called(frame, event, value)
        frame.f_trace_opcodes = on_step is not None
        return on_step

    def _stepped(self, frame: FrameType, event: str, value: object) -> Any:
        if event == "return":
            self._before.pop(frame, None)
        if event == "opcode":
            before = self._before.get(frame, -1)
            self._before[frame] = frame.f_lasti
            if before >= 0 and _name_of(frame.f_code, before).startswith(self.LOOKS):
                self._left -= 1
                if self._left == 0:
                    self.raised = True
                    self._before.clear()
                    raise KeyboardInterrupt
        return self._on_step


@cache
def _names(code: CodeType) -> dict[int, str]:
    return {instruction.offset: instruction.opname for instruction in dis.get_instructions(code)}


def _name_of(code: CodeType, offset: int) -> str:
    return _names(code).get(offset, "")


@contextmanager
def ignoring_interrupted_finalizers() -> Iterator[None]:
    """What is raised while an object dies cannot reach anybody: the interpreter reports it and goes on."""
    old = sys.unraisablehook
    sys.unraisablehook = lambda event: None if event.exc_type is KeyboardInterrupt else old(event)
    try:
        yield
    finally:
        sys.unraisablehook = old


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
    assert interrupt_everywhere(open_db("a.db"), act, Interrupt) > 20


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_at_any_bytecode_of_a_commit_leaves_the_old_or_the_new_state(open_db: OpenDB) -> None:
    assert interrupt_everywhere(open_db("a.db", no_sync=True), write, BytecodeInterrupt) > 150


def interrupt_everywhere(db: boltpy.DB, act: Callable[[boltpy.DB, int], None], kind: type[Interrupt]) -> int:
    """Interrupt `act` at every place until it comes to its end; how many places there were."""
    with db.update() as tx:
        tx.create_bucket(b"b").put(b"number", b"0")
    committed = 0
    for step in range(1, 100_000):
        with ignoring_interrupted_finalizers(), kind(step) as interrupt, suppress(KeyboardInterrupt):
            act(db, step)
        with db.view() as tx:
            seen = number(tx)
        with db.update() as tx:  # no lock is held, nobody waits
            # A reader may still see the state before a commit that was interrupted at its very end.
            assert number(tx) in (seen, step)
            assert number(tx) in (committed, step)
            committed = number(tx)
            bucket_at(tx, b"b").put(b"after", b"%d" % step)
        assert db.stats().open_tx_n == 0
        if step % 50 == 0:
            with db.view() as tx:
                assert list(tx.check()) == []
        if not interrupt.raised:
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
