"""Files that take each other's place while somebody waits or works: nobody ends up in a file without a name."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from pathlib import Path

import pytest

import boltpy
from boltpy.compact_file import compact_file
from boltpy.storage import taking_the_place_of


def database(path: Path, value: bytes) -> Path:
    with boltpy.open(path) as db, db.update() as tx:
        tx.create_bucket(b"b").put(b"k", value)
    return path


def test_who_waited_for_the_lock_of_a_file_gets_the_one_that_took_its_place(tmp_path: Path) -> None:
    path, other = database(tmp_path / "a.db", b"old"), database(tmp_path / "new.db", b"new")
    fd = os.open(path, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_SH)
    found = []

    def wait() -> None:
        with boltpy.open(path, timeout=20) as db, db.update() as tx:
            bucket = tx.bucket(b"b")
            assert bucket is not None
            found.append(bucket[b"k"])
            bucket[b"k"] = b"written"

    waiting = threading.Thread(target=wait)
    waiting.start()
    time.sleep(0.1)
    os.replace(other, path)
    os.close(fd)
    waiting.join(20)
    assert found == [b"new"]
    with boltpy.open(path) as db, db.view() as tx:
        bucket = tx.bucket(b"b")
        assert bucket is not None
        assert bucket[b"k"] == b"written"


def test_a_file_that_was_made_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    place = tmp_path / "a.db"

    def fill() -> None:
        with taking_the_place_of(place) as beside:
            Path(beside).write_bytes(b"mine")
            place.write_bytes(b"theirs")

    with pytest.raises(FileExistsError, match="made by somebody else"):
        fill()
    assert place.read_bytes() == b"theirs"
    assert [it.name for it in tmp_path.iterdir()] == ["a.db"]


def test_a_compaction_replaces_no_database_that_was_made_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = database(tmp_path / "a.db", b"v"), tmp_path / "b.db"
    real = boltpy.compact

    def slow(old: boltpy.DB, new: boltpy.DB, *_: object) -> None:
        real(old, new)
        database(target, b"theirs")

    monkeypatch.setattr("boltpy.compact_file.compact", slow)
    with pytest.raises(FileExistsError):
        compact_file(str(source), str(target), 1)
    with boltpy.open(target) as db, db.view() as tx:
        bucket = tx.bucket(b"b")
        assert bucket is not None
        assert bucket[b"k"] == b"theirs"


def test_a_file_system_without_hard_links_is_good_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: str, target: str) -> None:
        raise PermissionError("no hard links here")

    monkeypatch.setattr("os.link", refuse)
    with taking_the_place_of(tmp_path / "a") as beside:
        Path(beside).write_bytes(b"whole")
    assert [(it.name, it.read_bytes()) for it in tmp_path.iterdir()] == [("a", b"whole")]
