"""A disk that is really full: the system's limit on the length of a file, where writes come short and then fail."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import boltpy
from boltpy.compact_file import compact_file
from tests.conftest import OpenDB
from tests.models import BucketModel, assert_holds, bucket_at

FULL = 300 * 1024
"""Bytes; no whole number of pages and growth steps."""


@contextmanager
def limited(size: int) -> Iterator[None]:
    """Let no file become longer than `size` bytes within the block."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def fill(db: boltpy.DB, model: BucketModel, size: int) -> boltpy.StorageError:
    """Commit values of `size` bytes until the disk is full; the error."""
    pairs = model.entries.setdefault(b"b", BucketModel())
    assert isinstance(pairs, BucketModel)
    for number in range(10_000):
        try:
            with db.update() as tx:
                tx.create_bucket_if_not_exists(b"b").put(b"%06d" % number, bytes(size))
        except boltpy.StorageError as error:
            return error
        pairs.entries[b"%06d" % number] = bytes(size)
    pytest.fail("the disk never became full")


@pytest.mark.parametrize("options", [{}, {"no_grow_sync": True}, {"no_freelist_sync": True}], ids=str)
@pytest.mark.parametrize("size", [500, 5_000, 250_000])
def test_a_full_disk_is_an_error_and_the_old_data_stay(open_db: OpenDB, size: int, options: dict[str, Any]) -> None:
    db = open_db("a.db", page_size=1024, **options)
    model = BucketModel()
    with limited(FULL):
        error = fill(db, model, size)
        assert error.errno == errno.EFBIG
        assert error.filename == db.path
        with db.view() as tx:
            assert_holds(tx, model)
            assert list(tx.check()) == []
        if size < 250_000:
            with db.update() as tx:  # into pages that become free
                bucket_at(tx, b"b").delete(b"000000")
            del model.nested(b"b").entries[b"000000"]
        with db.view() as tx:
            assert_holds(tx, model)
    fill_more = db.begin(writable=True)  # and there is room again
    bucket_at(fill_more, b"b").put(b"large", bytes(FULL))
    fill_more.commit()
    model.nested(b"b").entries[b"large"] = bytes(FULL)
    with db.view() as tx:
        assert_holds(tx, model)


def test_a_new_file_for_which_there_is_no_room_is_an_error_and_is_made_later(tmp_path: Path) -> None:
    for size in (0, 100, 4096, 10_000):
        path = tmp_path / f"{size}.db"
        with limited(size), pytest.raises(boltpy.StorageError) as caught:
            boltpy.open(path, page_size=4096)
        assert caught.value.errno == errno.EFBIG
        with boltpy.open(path, page_size=4096, timeout=1) as db, db.update() as tx:
            tx.create_bucket(b"b")


@pytest.mark.parametrize("how", ["copy", "compact"])
def test_a_copy_for_which_there_is_no_room_leaves_nothing(open_db: OpenDB, tmp_path: Path, how: str) -> None:
    db = open_db("a.db")
    with db.update() as tx:
        tx.create_bucket(b"b").put(b"large", bytes(2 * FULL))
    folder = tmp_path / "folder"
    folder.mkdir()
    if how == "copy":
        with limited(FULL), db.view() as tx, pytest.raises(OSError, match="too large") as caught:
            tx.copy_file(folder / "new.db")
    else:
        db.close()
        with limited(FULL), pytest.raises(OSError, match="too large") as caught:
            compact_file(db.path, str(folder / "new.db"), timeout=1)
    assert caught.value.errno == errno.EFBIG
    assert os.listdir(folder) == []
