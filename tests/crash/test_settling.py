"""Nothing is built on a state that only the system has seen: what is written anew, and when."""

from __future__ import annotations

import os
from collections.abc import Callable
from errno import EIO
from pathlib import Path

import pytest

import boltpy
from boltpy import meta
from boltpy.storage import FileStorage
from tests.boltpy.background import Background


class Calls:
    """Notes writes and syncs of all databases; after `passing` more, syncs fail as often as `failing` says."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.noted: list[tuple[int, bytes] | str] = []
        self.passing = self.failing = 0
        write, sync = FileStorage.write, os.fdatasync

        def noted_write(storage: FileStorage, offset: int, data: bytes | memoryview) -> None:
            self.noted.append((offset, bytes(data)))
            write(storage, offset, data)

        def noted_sync(fd: int) -> None:
            self.noted.append("sync")
            if self.passing:
                self.passing -= 1
            elif self.failing:
                self.failing -= 1
                raise OSError(EIO, "the disk is gone")
            sync(fd)

        patch.setattr(FileStorage, "write", noted_write)
        patch.setattr("os.fdatasync", noted_sync)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    return Calls(monkeypatch)


def put(db: boltpy.DB, value: bytes) -> None:
    with db.update() as tx:
        tx.create_bucket_if_not_exists(b"b").put(b"k", value)


def newest(path: Path) -> meta.Meta:
    with boltpy.open(path, read_only=True) as db, db.view() as tx:
        return tx._meta


@pytest.mark.parametrize("commits", [1, 2])
@pytest.mark.parametrize("act", [lambda db: put(db, b"next"), lambda db: db.sync()], ids=["commit", "sync"])
def test_the_meta_that_is_built_on_is_written_from_memory_and_synced_first(
    tmp_path: Path, calls: Calls, commits: int, act: Callable[[boltpy.DB], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.db"
    with boltpy.open(path) as db:
        for number in range(commits):
            put(db, b"%d" % number)
    state = newest(path)
    with boltpy.open(path) as db:
        # A system that failed to sync may show other bytes from now on.
        monkeypatch.setattr(FileStorage, "read", lambda storage, offset, count: bytes(count))
        calls.noted.clear()
        act(db)
        slot = state.txid % 2
        assert calls.noted[:2] == [(slot * state.page_size, state.encode(slot)), "sync"]
        calls.noted.clear()
        db.sync()
        assert calls.noted == ["sync"]  # it is known now


def test_after_a_failed_sync_the_database_must_be_reopened(tmp_path: Path, calls: Calls) -> None:
    with boltpy.open(tmp_path / "a.db", no_sync=True) as db:
        put(db, b"v")
        calls.failing = 1
        with pytest.raises(boltpy.StorageError, match="the disk is gone"):
            db.sync()
        for act in (db.sync, db.begin, lambda: db.begin(writable=True)):
            with pytest.raises(boltpy.DatabaseNotOpenError, match="must be reopened"):
                act()
    with boltpy.open(tmp_path / "a.db") as db:
        put(db, b"w")


def test_a_sync_that_waited_for_a_commit_that_failed_is_refused(tmp_path: Path, calls: Calls) -> None:
    with boltpy.open(tmp_path / "a.db") as db, db.update() as tx:
        tx.create_bucket(b"b")
    with boltpy.open(tmp_path / "a.db") as db:
        tx = db.begin(writable=True)
        waiting = Background(db.sync)
        assert waiting.is_waiting()
        calls.passing, calls.failing = 2, 1  # the last of a first commit's three
        with pytest.raises(boltpy.StorageError):
            tx.commit()
        with pytest.raises(boltpy.DatabaseNotOpenError, match="must be reopened"):
            waiting.result(10)


def test_a_new_file_whose_first_sync_failed_is_made_anew(tmp_path: Path, calls: Calls) -> None:
    path = tmp_path / "a.db"
    calls.failing = 1
    with pytest.raises(boltpy.StorageError):
        boltpy.open(path)
    whole = path.read_bytes()
    calls.noted.clear()
    with boltpy.open(path) as db:
        assert calls.noted == [(0, whole), "sync"]
        put(db, b"v")


def test_the_folder_of_the_file_itself_is_synced_not_that_of_a_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = tmp_path / "real"
    real.mkdir()
    (tmp_path / "link.db").symlink_to(real / "a.db")
    synced = []
    monkeypatch.setattr("os.fsync", lambda fd: synced.append(os.readlink(f"/proc/self/fd/{fd}")))
    boltpy.open(tmp_path / "link.db").close()
    assert synced == [str(real)]
