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


def test_no_writer_follows_a_commit_that_was_interrupted_in_its_last_step(
    open_db: OpenDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    db = open_db("a.db")
    put(db, b"old")
    real_write_meta = Committer.write_meta

    def write_meta(self: Committer, *arguments: Any) -> None:
        real_write_meta(self, *arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(Committer, "write_meta", write_meta)
    with pytest.raises(KeyboardInterrupt):
        put(db, b"new")
    monkeypatch.undo()
    with pytest.raises(boltpy.DatabaseNotOpenError, match="reopened"):
        db.begin(writable=True)
    db.close()
    db = open_db("a.db")
    with db.view() as tx:
        assert bucket_at(tx, b"b").get(b"k") == b"new"
