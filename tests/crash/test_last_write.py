"""A commit whose last write fails or is interrupted: nobody builds on a state that may not be on the disk."""

from __future__ import annotations

import errno
import os
from typing import Any

import pytest

import boltpy
from boltpy.commit import Committer
from tests.conftest import OpenDB
from tests.models import bucket_at


def put(db: boltpy.DB, value: bytes) -> None:
    with db.update() as tx:
        tx.create_bucket_if_not_exists(b"b").put(b"k", value)


@pytest.mark.parametrize("call", ["pwrite", "fdatasync"])
def test_after_a_failed_last_write_the_database_must_be_reopened(
    open_db: OpenDB, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    db = open_db("a.db")
    put(db, b"old")
    real_write_meta = Committer.write_meta

    def write_meta(*arguments: Any) -> None:
        def refuse(*_: Any) -> None:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        with monkeypatch.context() as patched:
            patched.setattr(os, call, refuse)
            real_write_meta(*arguments)

    monkeypatch.setattr(Committer, "write_meta", write_meta)
    with pytest.raises(boltpy.StorageError):
        put(db, b"new")
    monkeypatch.undo()
    for writable in (False, True):
        with pytest.raises(boltpy.DatabaseNotOpenError, match="reopened"):
            db.begin(writable)
    db.close()
    db = open_db("a.db")
    with db.view() as tx:
        assert bucket_at(tx, b"b").get(b"k") == (b"old" if call == "pwrite" else b"new")
    put(db, b"newer")


@pytest.mark.parametrize("written", [True, False])
def test_after_an_interrupted_last_step_the_next_writer_builds_on_what_the_file_holds(
    open_db: OpenDB, monkeypatch: pytest.MonkeyPatch, written: bool
) -> None:
    db = open_db("a.db")
    put(db, b"old")
    reader = db.begin()
    real_write_meta = Committer.write_meta

    def write_meta(self: Committer, *arguments: Any) -> None:
        if written:
            real_write_meta(self, *arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(Committer, "write_meta", write_meta)
    with pytest.raises(KeyboardInterrupt):
        put(db, b"new")
    monkeypatch.undo()
    with db.update() as tx:
        assert bucket_at(tx, b"b").get(b"k") == (b"new" if written else b"old")
        tx.create_bucket(b"c").put(b"k", bytes(20_000))
    assert bucket_at(reader, b"b").get(b"k") == b"old"
    reader.rollback()
    put(db, b"newer")
