"""A consistent copy of a file that another program holds locked: copied page by page, and believed only if nothing was
committed meanwhile.

Why that is enough. Let T be the newest valid meta when a copy begins. A writer that follows bolt's rules (bbolt and
boltpy do) writes the pages of commit T+1 only to pages that state T does not use, syncs, and then writes meta T+1.
The first page of state T that anybody may write over is one that T+1 freed, and that is written for T+2, after meta
T+1. So if meta T is still the newest valid one when all pages of T have been read, each of them was read while nobody
was allowed to touch it. Pages that T does not use may come in any mixture; nothing leads to them. A meta that is read
while it is being written fails its checksum and so does not count: before, the copy is of the state before; behind,
that state is still the newest, and nothing of it can have been written over yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

from .errors import BoltError, BusyWriterError, CorruptError, DatabaseError
from .files import new_masked_file, permissions, same_file
from .format import Txid
from .meta import META_PAGE_BYTES, Meta, both_metas, detect_page_size, newest, twin_pages
from .storage import FileStorage, path_text
from .tree import Mapping, Snapshot

_COPY_BYTES = 1024 * 1024
PATIENCE_SECONDS = 10.0

AnyPath = str | bytes | PathLike[str] | PathLike[bytes]
Progress = Callable[[int, int], object]


class _CommittedError(Exception):
    """Somebody committed while the file was copied."""


def copy_live(
    source: AnyPath, target: AnyPath, *, patience: float = PATIENCE_SECONDS, progress: Progress | None = None
) -> Txid:
    """Copy a database file without its lock, whoever has it open for writing, and return the txid of the copy.

    The copy is one committed state: it holds all pages up to the high-water mark, both of its metas tell that state,
    and its trees were walked. It is made beside its place, takes it when it is on the disk, and has the permissions of
    the source, less the umask. The writer may be any program that writes as bbolt does, on this machine: over a network
    file system nothing is promised.

    Args:
        source: The file.
        target: A file that is there is replaced, a link is followed.
        patience: Seconds for which to begin anew when a commit came between, which is seen within a MiB.
        progress: Called as `progress(bytes done, bytes in all)`, from 0 in each attempt.

    Raises:
        BusyWriterError: A commit came between each time. The target is as it was.
        DatabaseError: The target is the source, or the source is damaged or no database.
        LockTimeoutError: The target is a database that somebody has open for writing.
        OSError: The system refuses.
    """
    if same_file(source, target):
        raise DatabaseError(f"cannot copy {path_text(source)} onto itself")
    file = FileStorage(path_text(source), mode=0, read_only=True)
    try:
        with new_masked_file(target, permissions(source)) as copy:
            return _copy(file, copy, patience, progress)
    finally:
        file.close()


@contextmanager
def live_copy(
    source: AnyPath, *, patience: float = PATIENCE_SECONDS, progress: Progress | None = None
) -> Iterator[str]:
    """Give the path of a copy as `copy_live` makes it, in a private folder; it goes at the end of the block."""
    with TemporaryDirectory(prefix="boltpy-live-") as folder:
        path = str(Path(folder) / "copy.db")
        copy_live(source, path, patience=patience, progress=progress)
        yield path


def _copy(file: FileStorage, copy: FileStorage, patience: float, progress: Progress | None) -> Txid:
    deadline, attempts = monotonic() + patience, 0
    while attempts == 0 or monotonic() < deadline:
        attempts += 1
        meta = _newest_meta(file)
        try:
            _copy_pages(file, copy, meta, progress)
        except _CommittedError:
            continue  # at once: the next commit will never be as far away
        for slot, page in enumerate(twin_pages(meta)):
            copy.write(slot * meta.page_size, page)
        # No more than a walk, but it is cheap, and what a writer that breaks bolt's rules leaves would hardly pass it.
        Snapshot(Mapping(copy.map(copy.size(), 0)), meta).tree_marks()
        return meta.txid
    raise BusyWriterError(file.path, attempts, patience)


def _newest_meta(file: FileStorage) -> Meta:
    """Return the newest valid meta of a file that may be written meanwhile.

    Raises:
        DatabaseError: There is none.
    """
    page_size = detect_page_size(file.read, file.size())
    if not page_size:
        raise DatabaseError(f"{file.path} has no valid meta page")
    return newest(_metas(file, page_size))


def _metas(file: FileStorage, page_size: int) -> list[Meta | BoltError]:
    return both_metas(file.read(0, page_size + META_PAGE_BYTES), page_size)


def _copy_pages(file: FileStorage, copy: FileStorage, meta: Meta, progress: Progress | None) -> None:
    """Copy all pages but the metas.

    Raises:
        _CommittedError: `meta` is not the newest any more; what was copied is worth nothing.
        CorruptError: The file ends before its last page.
    """
    at, end, size = 2 * meta.page_size, meta.hwm * meta.page_size, file.size()
    if end > size:
        raise CorruptError(None, f"{file.path} ends at byte {size}, its pages at {end}")
    copy.grow(end)
    while at < end:
        part = file.read(at, min(_COPY_BYTES, end - at))
        if not part:
            raise CorruptError(None, f"{file.path} was cut short while it was copied: it ends at byte {at}")
        copy.write(at, part)
        at += len(part)
        if newest(_metas(file, meta.page_size)) != meta:
            raise _CommittedError
        if progress:
            progress(at, end)
