"""Files beside a database: made as a whole or not at all, added to, read. None of them need be a database."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from .errors import DatabaseError
from .storage import FileStorage, PathLike, real_path, taking_the_place_of

FileId = tuple[int, int]


@contextmanager
def new_masked_file(path: PathLike, mode: int) -> Iterator[FileStorage]:
    """Give a new file to make; when the block ends well it is synced and takes the place of `path`.

    Its mode is `mode` less the umask, from the first moment on.

    Raises:
        As `taking_the_place_of`.
    """
    with taking_the_place_of(path) as beside:
        file = FileStorage(beside, mode=mode, read_only=False, exclusive=True)
        try:
            yield file
            file.sync()
        finally:
            file.close()


@contextmanager
def new_file(path: PathLike, mode: int) -> Iterator[FileStorage]:
    """The same with the mode as it is, whatever the umask; until it is whole, only the owner can read the file."""
    with new_masked_file(path, 0o600) as file:
        yield file
        os.chmod(file.path, mode)


@contextmanager
def replacing(path: PathLike, mode: int) -> Iterator[BinaryIO]:
    """The same as new_masked_file, to be written as a stream."""
    with new_masked_file(path, mode) as made, os.fdopen(made.fileno(), "wb", closefd=False) as file:
        yield file


def open_to_read(path: PathLike) -> BinaryIO:
    """Return a file that need not be a database, open to read its bytes; the caller closes it."""
    return open(path, "rb", buffering=0)


def is_regular(path: PathLike) -> bool:
    """Return whether a path leads to a file that can be sought in and opened again: no pipe, device or folder."""
    return stat.S_ISREG(os.stat(path).st_mode)


def is_vacant(path: PathLike) -> bool:
    """Return whether there is nothing at a path, or a file without a byte.

    Raises:
        OSError: The system does not let us see it.
    """
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return True
    return stat.S_ISREG(found.st_mode) and not found.st_size


def permissions(file: PathLike | int) -> int:
    """Return the permission bits of a file: of a path or a descriptor."""
    return os.stat(file).st_mode & 0o777


def same_file(a: PathLike | int, b: PathLike) -> bool:
    """Return whether both exist and are one file: a path or a descriptor, and a path."""
    try:
        return os.path.samefile(a, b)
    except OSError:
        return False


def beside(path: PathLike, suffix: str) -> str:
    """Return the path of the file that goes with a file: the same name and a suffix. A link is followed.

    Raises:
        FileNotFoundError: The path begins at the current folder, and that was deleted.
    """
    return real_path(path) + suffix


def file_id(path: str) -> FileId:
    """Return what no other file has, as long as this one is there.

    Raises:
        OSError: There is no such file, or the system does not let us see it.
    """
    found = os.stat(path)
    return found.st_dev, found.st_ino


def append(path: str, known: FileId, size: int, data: bytes) -> None:
    """Write `data` behind the end of a file that is known, without waiting for the disk.

    Raises:
        DatabaseError: There is another file at this path, or it has another size.
        StorageError, OSError: There is none, or the system refuses; some of the bytes may be there.
    """
    if file_id(path) != known:
        raise DatabaseError(f"{path} was replaced by another file")
    file = FileStorage(path, mode=0, read_only=False, opener=_open_old)
    try:
        if file.size() != size:
            raise DatabaseError(f"{path} has {file.size()} bytes, not {size}: somebody else wrote to it")
        file.write(size, data)
    finally:
        file.close()


def _open_old(path: str, flags: int, mode: int) -> int:
    return os.open(path, flags & ~os.O_CREAT, mode)
