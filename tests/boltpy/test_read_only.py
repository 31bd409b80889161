"""Databases opened read-only: they read, refuse every change, create nothing, and load the freelist when asked."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import boltpy
from tests.boltpy.background import run_all
from tests.models import bucket_at


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database with the bucket "b" of 500 pairs, and some free pages."""
    path = tmp_path / "a.db"
    with boltpy.open(path) as db:
        for round_number in range(3):
            with db.update() as tx:
                bucket = tx.create_bucket_if_not_exists(b"b")
                bucket.put_many((b"%03d" % i, b"round %d" % round_number) for i in range(500))
    return path


def test_a_read_only_database_reads(path: Path) -> None:
    with boltpy.open(path, read_only=True) as db:
        assert db.read_only
        with db.view() as tx:
            assert not tx.writable
            assert len(list(bucket_at(tx, b"b"))) == 500
            assert bucket_at(tx, b"b").get(b"499") == b"round 2"


REFUSED: dict[str, Callable[[boltpy.DB], object]] = {
    "begin": lambda db: db.begin(writable=True),
    "update": lambda db: db.update().__enter__(),
    "batch": lambda db: db.batch(lambda tx: None),
}


@pytest.mark.parametrize("call", REFUSED)
def test_a_read_only_database_begins_no_writing_transaction(path: Path, call: str) -> None:
    before = path.read_bytes()
    with boltpy.open(path, read_only=True) as db:
        with pytest.raises(boltpy.DatabaseReadOnlyError):
            REFUSED[call](db)
        with db.view() as tx:
            assert bucket_at(tx, b"b").get(b"000") == b"round 2"
    assert path.read_bytes() == before


def test_reading_leaves_every_byte_as_it_was(path: Path) -> None:
    before, stat_before = path.read_bytes(), path.stat()
    with boltpy.open(path, read_only=True) as db, db.view() as tx:
        assert list(tx.check()) == []
        assert len(list(bucket_at(tx, b"b").items())) == 500
    assert path.read_bytes() == before
    assert path.stat().st_mtime_ns == stat_before.st_mtime_ns


def test_a_missing_file_is_not_created(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        boltpy.open(tmp_path / "missing.db", read_only=True)
    assert not (tmp_path / "missing.db").exists()


def test_an_empty_file_is_not_made_a_database(tmp_path: Path) -> None:
    path = tmp_path / "empty.db"
    path.touch()
    with pytest.raises(boltpy.DatabaseError):
        boltpy.open(path, read_only=True)
    assert path.read_bytes() == b""


def test_pages_can_be_described_only_with_a_loaded_freelist(path: Path) -> None:
    with boltpy.open(path, read_only=True) as db, db.view() as tx, pytest.raises(boltpy.FreePagesNotLoadedError):
        tx.page(2)
    with boltpy.open(path, read_only=True, preload_freelist=True) as db, db.view() as tx:
        page = tx.page(0)
        assert page is not None
        assert page.type == "meta"
        assert db.stats().free_page_n > 0


def test_a_writing_database_always_has_its_freelist(path: Path) -> None:
    with boltpy.open(path) as db, db.view() as tx:
        page = tx.page(1)
        assert page is not None
        assert page.type == "meta"


def test_several_checks_may_run_at_the_same_time(path: Path) -> None:
    with boltpy.open(path, read_only=True) as db:

        def check() -> list[str]:
            with db.view() as tx:
                return [str(problem) for problem in tx.check()]

        assert run_all([check] * 4) == [[]] * 4


def test_a_read_only_database_of_unstored_freelist_reads_and_checks(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with boltpy.open(path, no_freelist_sync=True) as db:
        for i in range(5):
            with db.update() as tx:
                tx.create_bucket_if_not_exists(b"b").put(b"%d" % i, bytes(5000))
    before = path.read_bytes()
    for preload in (False, True):
        with boltpy.open(path, read_only=True, preload_freelist=preload) as db, db.view() as tx:
            assert bucket_at(tx, b"b").get(b"4") == bytes(5000)
            assert list(tx.check()) == []
    assert path.read_bytes() == before


def test_the_file_is_opened_for_reading_only(path: Path) -> None:
    seen: list[int] = []

    def opener(name: str, flags: int, mode: int) -> int:
        seen.append(flags)
        return os.open(name, flags, mode)

    with boltpy.open(path, read_only=True, opener=opener) as db, db.view() as tx:
        assert bucket_at(tx, b"b").get(b"000") == b"round 2"
    assert [flags & os.O_ACCMODE for flags in seen] == [os.O_RDONLY] * len(seen)
    assert not any(flags & os.O_CREAT for flags in seen)
