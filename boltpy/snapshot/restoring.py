"""Chains of backups: proving them, and making a database of them again."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from os import PathLike
from typing import BinaryIO

from ..errors import BackupError, DatabaseError
from ..files import new_file, open_to_read
from ..format import Pgid
from ..meta import twin_pages
from ..storage import FileStorage, path_text, same_file
from .backups import Backup, Progress, described
from .fingerprints import ABSENT
from .reading import PageFrame, Reader
from .stream import runs_upward

Source = str | bytes | PathLike[str] | PathLike[bytes] | BinaryIO
"""A backup: its path, or a stream that is read from where it is."""


@contextmanager
def _chain(sources: Sequence[Source]) -> Iterator[list[Reader]]:
    """Give the backups of one chain, the earliest first, wherever they stand in `sources`.

    Raises:
        BackupError: One is no backup, is of another chain, or is there twice; or one between them is missing.
    """
    if not sources:
        raise ValueError("no backup was named")
    with ExitStack() as files:
        readers = []
        for source in sources:
            if isinstance(source, str | bytes | PathLike):
                readers.append(Reader(files.enter_context(open_to_read(source)), path_text(source)))
            else:
                readers.append(Reader(source, str(getattr(source, "name", "the stream"))))
        readers.sort(key=lambda reader: reader.header.number)
        for before, reader in zip(readers, readers[1:], strict=False):
            _require_neighbours(before, reader)
        yield readers


def _require_neighbours(before: Reader, reader: Reader) -> None:
    if reader.header.chain != before.header.chain:
        raise BackupError(reader.name, 0, 0, f"is of another chain than {before.name}")
    if reader.header.number != before.header.number + 1:
        raise BackupError(
            reader.name, 0, 0, f"is number {reader.header.number} of its chain, {before.name} is {before.header.number}"
        )
    if reader.header.meta.page_size != before.header.meta.page_size:
        raise BackupError(reader.name, 0, 0, f"has pages of another size than {before.name}")


def _require_parent(reader: Reader, before: Reader) -> None:
    if reader.header.parent != before.digest:
        raise BackupError(reader.name, 0, 0, f"does not build on {before.name}, but on another backup of that number")


def verify(sources: Sequence[Source], *, progress: Progress | None = None) -> list[Backup]:
    """Prove every byte of some backups of one chain, and that they belong together; return what is in each.

    The chain need not begin with its full backup: an incremental one is proven for itself, too.

    Args:
        sources: Paths or binary streams, in any order.
        progress: Told how many of how many pages are done, for each backup anew.

    Raises:
        BackupError: What is wrong, with the backup, the frame and its place in bytes.
        OSError: The system refuses.
    """
    with _chain(sources) as readers:
        before: Reader | None = None
        for reader in readers:
            for _ in _told(reader, progress):
                pass
            if before is not None:
                _require_parent(reader, before)
                for pgid, wanted in enumerate(reader.inherited()):
                    if wanted != ABSENT and before.index[pgid : pgid + 1] != array("Q", [wanted]):
                        raise _missing(reader, pgid)
            before = reader
        return [described(reader) for reader in readers]


def _told(reader: Reader, progress: Progress | None) -> Iterator[PageFrame]:
    for frame in reader.pages():
        yield frame
        if progress:
            progress(reader.page_count, reader.header.meta.hwm)


def _missing(reader: Reader, pgid: Pgid) -> BackupError:
    return BackupError(reader.name, 0, 0, f"builds on a page {pgid} that the backups before it do not have")


def restore(
    sources: Sequence[Source],
    target: str | bytes | PathLike[str] | PathLike[bytes],
    *,
    progress: Progress | None = None,
) -> Backup:
    """Make the database file `target` of a full backup and the incremental ones behind it; return which state it is.

    It holds the state of the last of them: every page of that state is as it was, to the byte, free pages are zeros,
    and both metas tell this state. The file is made beside its place and takes it when all of it is on the disk; after
    an error or a crash the target is as it was. It gets the permissions that the database file had.

    Args:
        sources: Paths or binary streams, in any order; all backups from the full one to the state that is wanted.
        target: A file that is there is replaced, a link is followed.
        progress: Told how many of how many pages are done.

    Raises:
        BackupError: One is damaged, missing, or of another chain.
        LockTimeoutError: The target is a database that somebody has open for writing.
        DatabaseError: The target is one of the backups.
        FileExistsError: The target is a device, a pipe or a folder.
        OSError: The system refuses.
    """
    for source in sources:
        if isinstance(source, str | bytes | PathLike) and same_file(source, target):
            raise DatabaseError(f"cannot restore onto the backup {path_text(source)}")
    with _chain(sources) as readers:
        if readers[0].header.number:
            number = readers[0].header.number
            raise BackupError(readers[0].name, 0, 0, f"is number {number} of its chain: those before it are missing")
        with new_file(target, readers[-1].header.mode) as file:
            _restore(readers, file, progress)
        return described(readers[-1])


def _restore(readers: list[Reader], file: FileStorage, progress: Progress | None) -> None:
    """Write the state of the last backup, from the last backup to the first: so each page is written once."""
    last = readers[-1]
    meta = last.header.meta
    for slot, page in enumerate(twin_pages(meta)):
        file.write(slot * meta.page_size, page)
    file.grow(meta.hwm * meta.page_size)
    for frame in _told(last, progress):
        _write(file, frame, list(range(len(frame.pgids))), meta.page_size)
    wanted = last.inherited()
    for reader, later in zip(readers[-2::-1], readers[:0:-1], strict=True):
        for frame in _told(reader, progress):
            pairs = enumerate(zip(frame.pgids, frame.prints, strict=True))
            chosen = [i for i, (pgid, stored) in pairs if pgid < meta.hwm and wanted[pgid] == stored]
            _write(file, frame, chosen, meta.page_size)
            for i in chosen:
                wanted[frame.pgids[i]] = ABSENT
        _require_parent(later, reader)
    for pgid, stored in enumerate(wanted):
        if stored != ABSENT:
            raise _missing(last, pgid)


def _write(file: FileStorage, frame: PageFrame, chosen: list[int], page_size: int) -> None:
    """Write some pages of a frame to their places, neighbours together."""
    for start, stop in runs_upward(chosen):
        run_of_pgids = frame.pgids[chosen[start] : chosen[stop - 1] + 1]
        data = frame.data[chosen[start] * page_size : (chosen[stop - 1] + 1) * page_size]
        for first, behind in runs_upward(run_of_pgids):
            file.write(run_of_pgids[first] * page_size, data[first * page_size : behind * page_size])
