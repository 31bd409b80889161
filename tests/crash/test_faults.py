"""Commits while the system refuses a write, a sync or the growth of the file: all or nothing, and usable afterwards."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import boltpy
from tests.conftest import OpenDB
from tests.models import BucketModel, assert_holds, bucket_at, difference, read_all

CALLS = ["pwrite", "fdatasync", "ftruncate"]


class Faults:
    """Makes the n-th call of one system function fail; `fired` tells whether it came to that."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.fired = False

    def arm(self, name: str, number: int, *, before_failing: Callable[..., Any] | None = None) -> None:
        """Let call `number` (from 0) of os.`name` fail; `before_failing` gets its arguments first."""
        real = getattr(os, name)
        self.fired = False
        count = -1

        def faulty(*arguments: Any) -> Any:
            nonlocal count
            count += 1
            if count == number:
                self.fired = True
                if before_failing is not None:
                    before_failing(real, *arguments)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(*arguments)

        self._monkeypatch.setattr(os, name, faulty)

    def disarm(self) -> None:
        self._monkeypatch.undo()


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Iterator[Faults]:
    faults = Faults(monkeypatch)
    yield faults
    faults.disarm()


def filled(open_db: OpenDB, **options: Any) -> tuple[boltpy.DB, BucketModel]:
    """A database with some free pages, and its model."""
    db = open_db("a.db", page_size=1024, **options)
    pairs = {b"%04d" % i: b"old %d" % i for i in range(300)}
    for _ in range(3):
        with db.update() as tx:
            tx.create_bucket_if_not_exists(b"b").put_many(pairs)
    return db, BucketModel({b"b": BucketModel(dict(pairs))})


def change(tx: boltpy.Tx, model: BucketModel) -> None:
    """A change that frees, reuses and adds pages, made to both."""
    bucket, pairs = bucket_at(tx, b"b"), model.nested(b"b")
    new = {b"%04d" % i: bytes(300) for i in range(100, 400, 3)}
    bucket.put_many(new)
    pairs.entries.update(new)
    for i in range(50):
        bucket.delete(b"%04d" % i)
        del pairs.entries[b"%04d" % i]
    bucket.put(b"large", bytes(100_000))
    pairs.entries[b"large"] = bytes(100_000)
    tx.create_bucket(b"more").sequence = 7
    model.entries[b"more"] = BucketModel(sequence=7)


def write_half(real: Callable[..., int], descriptor: int, data: bytes, offset: int) -> None:
    real(descriptor, memoryview(data)[: len(data) // 2], offset)


@pytest.mark.parametrize("no_freelist_sync", [False, True])
@pytest.mark.parametrize("call", [*CALLS, "half a pwrite"])
def test_a_commit_that_fails_at_any_call_leaves_the_old_or_the_new_state(
    open_db: OpenDB, faults: Faults, call: str, no_freelist_sync: bool
) -> None:
    db, old = filled(open_db, no_freelist_sync=no_freelist_sync)
    name, before_failing = ("pwrite", write_half) if call == "half a pwrite" else (call, None)
    for number in range(100):
        new = old.copy()
        tx = db.begin(writable=True)
        change(tx, new)
        hooks: list[int] = []
        tx.on_commit(lambda hooks=hooks: hooks.append(1))  # type: ignore[misc]
        faults.arm(name, number, before_failing=before_failing)
        failed: boltpy.StorageError | None = None
        try:
            tx.commit()
        except boltpy.StorageError as error:
            failed = error
        faults.disarm()
        if not faults.fired:
            assert failed is None
            break
        assert isinstance(failed, OSError)
        assert failed.errno == errno.ENOSPC
        assert hooks == []
        with pytest.raises(boltpy.TxClosedError):
            tx.rollback()
        db.close()
        db = open_db("a.db", no_freelist_sync=no_freelist_sync)
        with db.view() as view:
            state = read_all(view)
            assert list(view.check()) == []
        if difference(new, state) is None:  # the meta was written before the call that failed
            with db.update() as undo:
                undo.delete_bucket(b"more")
                undo.delete_bucket(b"b")
                undo.create_bucket(b"b").put_many(old.nested(b"b").pairs())
        else:
            assert difference(old, state) is None
    assert number > 0, f"the commit makes no call of {name}"
    with db.view() as view:
        assert_holds(view, new)


@pytest.mark.parametrize("call", CALLS)
def test_after_a_failed_commit_the_database_goes_on_without_being_reopened(
    open_db: OpenDB, faults: Faults, call: str
) -> None:
    db, model = filled(open_db)
    tx = db.begin(writable=True)
    change(tx, model.copy())
    faults.arm(call, 0)
    with pytest.raises(boltpy.StorageError):
        tx.commit()
    faults.disarm()
    with db.view() as view:
        assert_holds(view, model)
        assert list(view.check()) == []
    for _ in range(3):
        with db.update() as update:
            bucket_at(update, b"b").put(b"next", b"works")
    model.nested(b"b").entries[b"next"] = b"works"
    with db.view() as view:
        assert_holds(view, model)


def test_readers_go_on_while_a_commit_fails(open_db: OpenDB, faults: Faults) -> None:
    db, model = filled(open_db)
    with db.view() as reader:
        for _ in range(3):
            tx = db.begin(writable=True)
            change(tx, model.copy())
            faults.arm("pwrite", 0)
            with pytest.raises(boltpy.StorageError):
                tx.commit()
            faults.disarm()
            assert_holds(reader, model)
        with db.update() as update:
            bucket_at(update, b"b").put_many((b"%04d" % i, b"new") for i in range(300))
        assert_holds(reader, model)


def test_writes_that_the_system_takes_in_pieces_arrive_whole(open_db: OpenDB, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: real(fd, memoryview(data)[:700], offset))
    db, model = filled(open_db)
    with db.update() as tx:
        change(tx, model)
    with db.view() as view:
        assert_holds(view, model)


@pytest.mark.parametrize("call", ["pwrite", "fdatasync"])
def test_a_file_whose_first_pages_cannot_be_written_is_told(tmp_path: Path, faults: Faults, call: str) -> None:
    path = tmp_path / "a.db"
    faults.arm(call, 0)
    with pytest.raises(boltpy.StorageError):
        boltpy.open(path)
    faults.disarm()
    with boltpy.open(path, timeout=1) as db, db.update() as tx:
        tx.create_bucket(b"b")
