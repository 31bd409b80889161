"""Opening the files that storm makes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from typing import Any, Final

import boltpy

from .. import gojson
from ..errors import EngineError, RecordError
from .layout import DATABASE, VERSION_KEY, find_bucket, mark_codec

VERSION: Final = b'"2.0.0"'


def open_database(path: str | PathLike[str], *, read_only: bool = True, **options: Any) -> boltpy.DB:
    """Open a file of storm's.

    Args:
        path: The file.
        read_only: Read it, under bolt's shared lock: nothing is written, and a missing file is not made. False takes
            the lock that excludes everybody else, makes a missing file, and adds storm's own bucket where it is
            missing, as storm does.
        options: For `boltpy.open`. `timeout`, the seconds to wait for the lock, is 1 unless given, as in Gofer.

    Returns:
        The database; to be closed, or used as a context manager.

    Raises:
        EngineError: To be read, but storm did not make that file; or its note of the version can not be read.
        boltpy.BoltError: It is no bolt file, is damaged, or another process holds its lock.
        OSError: It can not be opened.
    """
    with opening(path, read_only=read_only, **options) as db:
        with db.view() as tx:
            noted = is_noted(tx)
            if noted or read_only:
                read_version(tx)
        if not noted and not read_only:
            with db.update() as tx:
                note(tx)
    return db


@contextmanager
def opening(path: str | PathLike[str], *, read_only: bool, **options: Any) -> Iterator[boltpy.DB]:
    """Open a file for a block that looks whether it is the right one: it stays open, unless an error leaves the block.

    Args:
        path: The file.
        read_only: Only read it.
        options: For `boltpy.open`. `timeout`, the seconds to wait for the lock, is 1 unless given, as in Gofer.
    """
    db = boltpy.open(path, **{"timeout": 1.0, **options, "read_only": read_only})
    try:
        yield db
    except BaseException:
        db.close()
        raise


def read_version(tx: boltpy.Tx) -> str:
    """The version that storm noted when it made the file ("2.0.0"), "" if it did not come that far.

    Raises:
        EngineError: The file was not made by storm, or the note can not be read.
    """
    bucket = find_bucket(tx, DATABASE.decode())
    if bucket is None:
        raise EngineError(f"a bolt file, but none of Gofer's: it has no bucket {DATABASE.decode()}")
    stored = bucket.get(VERSION_KEY)
    if stored is None:
        return ""
    place = f"{DATABASE.decode()} / version"
    try:
        node = gojson.parse(gojson.text_of(stored))
    except gojson.SyntaxProblem as problem:
        raise RecordError(str(problem), place=place) from None
    if node.kind not in ("string", "null"):
        raise RecordError(f"json: cannot unmarshal {node.kind} into Go value of type string", place=place)
    return node.value or ""


def is_noted(tx: boltpy.Tx) -> bool:
    """Whether the file says that storm made it. EngineError if what it says can not be read."""
    return tx.bucket(DATABASE) is not None and read_version(tx) != ""


def note(tx: boltpy.Tx) -> None:
    """Note that storm made the file, as storm does when it opens one that does not say so."""
    bucket = tx.create_bucket_if_not_exists(DATABASE)
    mark_codec(bucket)
    bucket.put(VERSION_KEY, VERSION)
