"""Every call to the system fails once, at every place of a whole workload: a clear error, old data, and it goes on."""

from __future__ import annotations

import errno
import fcntl
import gc
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

import boltpy
from boltpy.compact_file import compact_file
from tests.boltpy.sizes import sized
from tests.crash.faulty import CASES, FAILURES, Fault, failing
from tests.crash.workload import change
from tests.models import BucketModel, assert_holds, difference, read_all

SEEDS = sized(c=1, py=1, deep=30)


class Session:
    """Somebody who works on a database and does not give up at an error.

    Attributes:
        errors: What came out of the calls.
    """

    def __init__(self, folder: Path, seed: int, fault: Fault) -> None:
        self._fault = fault
        self.errors: list[Exception] = []
        self._folder = folder
        self._path = folder / "a.db"
        self._rng = random.Random(seed)
        self._model = BucketModel()
        self._db: boltpy.DB | None = None

    def run(self) -> None:
        """All steps of the workload; each may be refused once."""
        first: list[Callable[[], None]] = [self.open, self.commit, self.commit, self.read, self.copy, self.close]
        again: list[Callable[[], None]] = [self.open, self.commit, self.copy, self.close, self.compact]
        for step in [*first, *again]:
            try:
                step()
            except (boltpy.BoltError, OSError) as error:
                self.errors.append(error)
                if step == self.commit:
                    self.find_the_truth()
                else:
                    step()
        self.look_at_the_file(self._path, self._model)

    def open(self) -> None:
        self._db = boltpy.open(self._path, page_size=1024, timeout=5)

    @property
    def db(self) -> boltpy.DB:
        assert self._db is not None
        return self._db

    def commit(self) -> None:
        self._new = self._model.copy()
        with self.db.update() as tx:
            change(tx, self._new, self._rng)
        self._model = self._new

    def find_the_truth(self) -> None:
        """After a commit that failed: the old state or the new one; from this DB, if it goes on."""
        try:
            self.db.begin().rollback()
        except boltpy.DatabaseNotOpenError as error:
            assert "reopened" in str(error)  # noqa: PT017
            self.db.close()
            self.open()
        with self.db.view() as tx:
            assert list(tx.check()) == []
            state = read_all(tx)
        if difference(self._new, state) is None:
            self._model = self._new
        assert difference(self._model, state) is None

    def read(self) -> None:
        with self.db.view() as tx:
            assert_holds(tx, self._model)

    def copy(self) -> None:
        copy = self._folder / "copy.db"
        before = copy.read_bytes() if copy.exists() else None
        try:
            with self.db.view() as tx:
                tx.copy_file(copy)
        except (boltpy.BoltError, OSError):
            if copy.exists() and copy.read_bytes() != before:
                self.look_at_the_file(copy, self._model)  # a whole copy, only its folder was not synced
            raise
        self.look_at_the_file(copy, self._model)

    def compact(self) -> None:
        dense = self._folder / "dense.db"
        dense.unlink(missing_ok=True)
        try:
            compact_file(str(self._path), str(dense), timeout=5)
        except (boltpy.BoltError, OSError):
            if dense.exists():
                self.look_at_the_file(dense, self._model)
            raise
        self.look_at_the_file(dense, self._model)

    def close(self) -> None:
        self.db.close()

    def look_at_the_file(self, path: Path, model: BucketModel) -> None:
        with self._fault.off(), boltpy.open(path, read_only=True, timeout=5) as db, db.view() as tx:
            assert list(tx.check()) == []
            assert_holds(tx, model)


def assert_nothing_is_held(folder: Path, descriptors: int) -> None:
    """No lock, no descriptor, no temporary file is left of a session."""
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == descriptors
    assert {path.name for path in folder.iterdir()} == {"a.db", "copy.db", "dense.db"}
    for path in folder.iterdir():
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def run_with_a_fault(folder: Path, seed: int, kind: str, how: str, number: int) -> tuple[bool, int]:
    """Run the workload; whether the fault came, and how many errors came out."""
    with failing(kind, how, number) as fault:
        session = Session(folder, seed, fault)
        session.run()
    for error in session.errors:
        assert str(error)
        is_told = isinstance(error, OSError) and error.errno == FAILURES[how]
        is_lock = kind == "flock" and how == "EAGAIN" and isinstance(error, boltpy.LockTimeoutError)
        assert is_told or is_lock, error
    return fault.fired, len(session.errors)


@pytest.mark.parametrize(("kind", "how"), CASES)
def test_the_nth_call_fails_for_every_n(tmp_path: Path, kind: str, how: str) -> None:
    errors = 0
    for seed in range(SEEDS):
        number, fired = -1, True
        while fired:
            number += 1
            folder = tmp_path / f"{seed} {number}"
            folder.mkdir()
            gc.collect()
            descriptors = len(os.listdir("/proc/self/fd"))
            fired, came_out = run_with_a_fault(folder, seed, kind, how, number)
            assert_nothing_is_held(folder, descriptors)
            errors += came_out
        assert number > 0, f"there is no call of {kind}"
    if how == "short":
        assert not errors, "half of a write, or of a read, is no error: the rest is asked for again"
    elif kind not in ("flock", "close"):
        assert errors > 0


def test_errno_names_are_those_of_the_system() -> None:
    assert all(getattr(errno, name, 0) == number for name, number in FAILURES.items())
