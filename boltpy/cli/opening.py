"""How commands open a database: to read, with bbolt's words where there is none, and no long wait for a lock."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any, BinaryIO

import boltpy

from ..storage import AT_ONCE
from .command import Arguments, CommandError


def lock_wait(seconds: float) -> float:
    """Return the flag `--timeout` as `boltpy.open` takes it."""
    return seconds or AT_ONCE


def require_file(path: str) -> None:
    """Make sure that the file is there.

    Raises:
        CommandError: It is not.
    """
    try:
        os.stat(path)
    except FileNotFoundError:
        raise CommandError(f"source database file {_quoted(path)} doesn't exist") from None


def _quoted(path: str) -> str:
    return f'"{path}"'


def standard_input() -> BinaryIO:
    """Return what comes in, as bytes.

    Raises:
        CommandError: It is closed.
    """
    if sys.stdin is None:
        raise CommandError("there is no input")
    return sys.stdin.buffer


@contextmanager
def readable(arguments: Arguments, file: str | None = None) -> Iterator[str]:
    """Give the path of a file to read: the command's own, or with `--live` that of a consistent copy.

    Args:
        arguments: Of a command with the flags `--timeout` and `--live`.
        file: Another file than the command's first.

    Raises:
        CommandError: There is no such file.
        BusyWriterError: Somebody commits to it again and again.
        BoltError, OSError: It cannot be copied.
    """
    file = arguments.file if file is None else file
    require_file(file)
    if not arguments.live:
        yield file
        return
    live_copies: Any = import_module("boltpy.cli.live_copies")  # few commands copy, and its imports take time
    with live_copies.copied(file) as path:
        yield path


@contextmanager
def reading(arguments: Arguments, **options: Any) -> Iterator[boltpy.Tx]:
    """Give a read transaction on the command's file, which nobody can change meanwhile.

    Args:
        arguments: Of a command with the flags `--timeout` and `--live`.
        options: Of `boltpy.open`.

    Raises:
        CommandError: There is no such file.
        BoltError, OSError: As `readable` and `boltpy.open`.
    """
    timeout = lock_wait(arguments.timeout)
    with (
        readable(arguments) as path,
        boltpy.open(path, read_only=True, timeout=timeout, **options) as db,
        db.view() as tx,
    ):
        yield tx


def item_count(tx: boltpy.Tx) -> int:
    """Return how many pairs and buckets there are, without the root bucket; 0 if a damaged file lets nobody count."""
    with suppress(boltpy.BoltError):
        root = tx.bucket()
        return 0 if root is None else root.stats().key_n
    return 0


def bucket_at(tx: boltpy.Tx, path: list[bytes]) -> boltpy.Bucket:
    """Return the bucket at a path of names.

    Raises:
        CommandError: There is none.
    """
    bucket = tx.bucket(*path)
    if bucket is None:
        raise CommandError("bucket not found")
    return bucket
