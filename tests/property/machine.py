"""The ground of the state machine: one database and its model, transactions, readers of old states, and buckets.

One transaction writes at a time; several readers each keep the model of the state that they began with. After each
commit the file is checked. What is done inside the buckets is in test_state_machine.py.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import boltpy
from tests.models import BucketModel, assert_holds, bucket_at, difference, read_bucket

from .strategies import NAMES, PAGE_SIZE

Path = tuple[bytes, ...]
MOST_READERS = 4
DEEPEST = 4


@dataclass
class Walker:
    """A cursor and where the model thinks it is; `at` is None where no step is defined."""

    cursor: boltpy.Cursor
    path: Path
    at: bytes | None = None


class TransactionMachine(RuleBasedStateMachine):
    """Random transactions on one database; `freelist_type` is set by the subclasses."""

    freelist_type = "array"

    def __init__(self) -> None:
        super().__init__()
        self.folder = FilePath(tempfile.mkdtemp(prefix="boltpy-"))
        self.committed = BucketModel()
        self.model = BucketModel()
        self.tx: boltpy.Tx | None = None
        self.readers: list[tuple[boltpy.Tx, BucketModel]] = []
        self.walkers: list[Walker] = []

    @initialize(no_freelist_sync=st.booleans())
    def create(self, no_freelist_sync: bool) -> None:
        self.open(no_freelist_sync)

    def open(self, no_freelist_sync: bool) -> None:
        options: dict[str, Any] = {"freelist_type": self.freelist_type, "no_freelist_sync": no_freelist_sync}
        self.db = boltpy.open(self.folder / "machine.db", page_size=PAGE_SIZE, no_sync=True, timeout=10, **options)

    def teardown(self) -> None:
        try:
            if hasattr(self, "db"):
                for tx, seen in self.readers:
                    assert_holds(tx, seen)
                    tx.rollback()
                self.commit_if_open()
                self.db.close()
                self.open(no_freelist_sync=False)
                with self.db.view() as tx:
                    assert_holds(tx, self.committed)
                    assert [str(problem) for problem in tx.check()] == []
                self.db.close()
        finally:
            shutil.rmtree(self.folder)

    # -- transactions --------------------------------------------------------------------------------------------

    def writer(self) -> boltpy.Tx:
        """The open write transaction; begins one if there is none."""
        if self.tx is None:
            self.tx = self.db.begin(writable=True)
            self.model = self.committed.copy()
        return self.tx

    def commit_if_open(self) -> None:
        if self.tx is not None:
            self.walkers.clear()
            self.tx.commit()
            self.tx = None
            self.committed = self.model
            with self.db.view() as tx:
                assert [str(problem) for problem in tx.check()] == []

    @rule()
    def commit(self) -> None:
        self.writer()
        self.commit_if_open()

    @precondition(lambda self: self.tx is not None)
    @rule()
    def roll_back(self) -> None:
        self.walkers.clear()
        self.writer().rollback()
        self.tx = None

    @rule(no_freelist_sync=st.booleans())
    def reopen(self, no_freelist_sync: bool) -> None:
        self.commit_if_open()
        for tx, _ in self.readers:
            tx.rollback()
        self.readers.clear()
        self.db.close()
        self.open(no_freelist_sync)
        with self.db.view() as tx:
            assert_holds(tx, self.committed)

    @precondition(lambda self: len(self.readers) < MOST_READERS)
    @rule()
    def begin_reader(self) -> None:
        self.readers.append((self.db.begin(), self.committed.copy()))

    @precondition(lambda self: self.readers)
    @rule(data=st.data(), end=st.booleans())
    def read_old_state(self, data: st.DataObject, end: bool) -> None:
        number = data.draw(st.integers(0, len(self.readers) - 1), label="reader")
        tx, seen = self.readers[number]
        assert_holds(tx, seen)
        if end:
            tx.rollback()
            del self.readers[number]

    @invariant()
    def the_newest_commit_is_what_new_readers_see(self) -> None:
        if hasattr(self, "db"):
            with self.db.view() as tx:
                assert [name for name, _ in tx.buckets()] == self.committed.names()

    # -- buckets -------------------------------------------------------------------------------------------------

    def pick(self, data: st.DataObject, model: BucketModel, *, root: bool = False) -> Path | None:
        """Draw the path of a bucket; None if there is none."""
        paths = ([()] if root else []) + model.paths()
        return data.draw(st.sampled_from(paths), label="bucket") if paths else None

    @rule(data=st.data(), name=NAMES)
    def create_bucket(self, data: st.DataObject, name: bytes) -> None:
        tx = self.writer()
        path = self.pick(data, self.model, root=True) or ()
        if len(path) >= DEEPEST:
            return
        parent: Any = bucket_at(tx, *path) if path else tx
        entries = self.model.nested(*path).entries
        existing = entries.get(name)
        if existing is None:
            parent.create_bucket(name)
            entries[name] = BucketModel()
        elif isinstance(existing, bytes):
            self.refused(boltpy.IncompatibleValueError, parent.create_bucket, name)
            self.refused(boltpy.IncompatibleValueError, parent.create_bucket_if_not_exists, name)
        else:
            self.refused(boltpy.BucketExistsError, parent.create_bucket, name)
            assert difference(existing, read_bucket(parent.create_bucket_if_not_exists(name))) is None

    @rule(data=st.data(), name=NAMES)
    def delete_bucket(self, data: st.DataObject, name: bytes) -> None:
        tx = self.writer()
        path = self.pick(data, self.model, root=True) or ()
        parent: Any = bucket_at(tx, *path) if path else tx
        entries = self.model.nested(*path).entries
        existing = entries.get(name)
        if isinstance(existing, BucketModel):
            self.drop_walkers((*path, name))
            parent.delete_bucket(name)
            del entries[name]
        else:
            wanted = boltpy.BucketNotFoundError if existing is None else boltpy.IncompatibleValueError
            self.refused(wanted, parent.delete_bucket, name)

    @rule(data=st.data(), name=NAMES, other=st.one_of(st.none(), NAMES))
    def move_bucket(self, data: st.DataObject, name: bytes, other: bytes | None) -> None:
        tx = self.writer()
        source, target = (self.pick(data, self.model, root=True) or () for _ in range(2))
        if len(target) >= DEEPEST:
            return
        handles = [bucket_at(tx, *path) if path else None for path in (source, target)]
        old, new = self.model.nested(*source).entries, self.model.nested(*target).entries
        moving, new_name = old.get(name), name if other is None else other
        wanted: type[boltpy.BoltError] | None = None
        if moving is None:
            wanted = boltpy.BucketNotFoundError
        elif isinstance(moving, bytes):
            wanted = boltpy.IncompatibleValueError
        elif (source == target and new_name == name) or target[: len(source) + 1] == (*source, name):
            wanted = boltpy.SameBucketError
        elif new_name in new:
            there = isinstance(new[new_name], BucketModel)
            wanted = boltpy.BucketExistsError if there else boltpy.IncompatibleValueError
        if wanted is not None:
            if source != target:  # where several rules are broken at once, either may be told
                self.refused(wanted, tx.move_bucket, name, *handles, other)
            return
        self.drop_walkers((*source, name))
        tx.move_bucket(name, *handles, other)
        new[new_name] = old.pop(name)

    @rule(data=st.data(), set_to=st.one_of(st.none(), st.integers(0, 2**64 - 1)))
    def count(self, data: st.DataObject, set_to: int | None) -> None:
        tx = self.writer()
        path = self.pick(data, self.model)
        if path is None:
            return
        bucket, model = bucket_at(tx, *path), self.model.nested(*path)
        if set_to is None:
            model.sequence = (model.sequence + 1) % 2**64
            assert bucket.next_sequence() == model.sequence
        else:
            bucket.sequence = model.sequence = set_to

    # -- for the rules -------------------------------------------------------------------------------------------

    def refused(self, error: type[boltpy.BoltError], call: Any, *arguments: Any) -> None:
        """The call must raise `error`; that nothing changed is seen by the comparisons that follow."""
        try:
            call(*arguments)
        except error:
            return
        raise AssertionError(f"{call.__name__}{arguments!r} was not refused with {error.__name__}")

    def drop_walkers(self, path: Path) -> None:
        """Forget the cursors in a bucket that goes away, and in those below it."""
        self.walkers = [walker for walker in self.walkers if walker.path[: len(path)] != path]
