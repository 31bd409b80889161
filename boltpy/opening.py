"""The front door: `boltpy.open`."""

from __future__ import annotations

from dataclasses import fields, replace
from importlib import import_module
from typing import Unpack

from .db import DB
from .options import OptionChanges, Options
from .storage import FileStorage, PathLike, path_text

_NAMES = [field.name for field in fields(Options)]


def open(path: PathLike, *, mode: int = 0o600, options: Options | None = None, **changes: Unpack[OptionChanges]) -> DB:  # noqa: A001
    """Open a database file, creating it if there is none (unless `read_only`).

    Args:
        path: The file.
        mode: Permission bits of a new file.
        options: How to open it; None takes the defaults.
        changes: Fields of Options that differ from `options`, by keyword.

    Raises:
        FileNotFoundError, PermissionError, OSError: The system refuses.
        LockTimeoutError: Another process, or another DB of this one, holds the file for longer than `timeout`.
        InvalidDatabaseError, VersionMismatchError, ChecksumError: It is no bolt file, or both metas are damaged.
        CorruptError: The file is cut short, or its freelist is damaged.
        TypeError, ValueError: An option is unknown or has a value that makes no sense.
    """
    unknown = sorted(set(changes) - set(_NAMES))
    if unknown:
        raise TypeError(f"unknown option {unknown[0]!r}; the options are {', '.join(_NAMES)}")
    if not isinstance(options, Options | None):
        raise TypeError(f"options is {options!r}; it must be boltpy.Options(...), or the options come by keyword")
    return open_database(path_text(path), mode, replace(options or Options(), **changes))


def open_database(path: str, mode: int, options: Options, *, exclusive: bool = False) -> DB:
    """Open, lock and check a file, and return its DB; on any error the file is closed again.

    Args:
        path, mode, options: As for `open`.
        exclusive: Whether to refuse a path that leads to something already.
    """
    while True:
        storage = FileStorage(path, mode=mode, read_only=options.read_only, opener=options.opener, exclusive=exclusive)
        try:
            storage.lock(shared=options.read_only, timeout=options.timeout)
            if options.opener is not None or storage.is_at_its_path():
                db = DB(path, storage, options)
                if options.seal:
                    # Not at the top of this file: only those who ask for it are to load crc32c.
                    db._sealer = import_module(".snapshot.sealing", __package__).Sealer(db)
                return db
        except BaseException:
            storage.close()
            raise
        storage.close()  # another file took its place while this one was waited for
