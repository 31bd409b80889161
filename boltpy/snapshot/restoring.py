"""Proving a chain of backups, and making a database of it again."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from os import PathLike

from ..errors import BackupError, DatabaseError
from ..files import new_file
from ..format import Pgid
from ..meta import twin_pages
from ..storage import FileStorage, path_text
from .backups import Backup, Progress, described
from .chains import Link, Source, chain, is_among, listed
from .fingerprints import ABSENT
from .reading import PageFrame, Reader
from .stream import runs_upward


def verify(sources: Iterable[Source], *, progress: Progress | None = None) -> list[Backup]:
    """Prove every byte of some backups of one chain, and that they belong together; return what is in each.

    The chain need not begin with its full backup: an incremental one is proven for itself, too. However long it is, one
    file is open at a time, and the indexes of two backups are in memory.

    Args:
        sources: Paths or binary streams, in any order.
        progress: Told how many of how many pages are done, for each backup anew.

    Raises:
        BackupError: What is wrong, with the backup, the frame and its place in bytes.
        ValueError: There is no source.
        TypeError: They are one source and no list, or one is neither a path nor a binary stream.
        OSError: The system refuses.
    """
    with chain(listed(sources)) as links:
        found: list[Backup] = []
        before: Reader | None = None
        while links:
            link = links.pop(0)
            with link.opened() as reader:
                for _ in _told(reader, progress):
                    pass
                if before is not None:
                    link.require_parent(before)
                    _require_pages(reader, before)
                found.append(described(reader))
            before = reader
        return found


def _require_pages(reader: Reader, before: Reader) -> None:
    """Make sure that the backup before has all pages that one builds on."""
    for pgid, wanted in enumerate(reader.inherited()):
        if wanted != ABSENT and before.index[pgid : pgid + 1] != array("Q", [wanted]):
            raise _missing(reader.name, pgid)


def _told(reader: Reader, progress: Progress | None) -> Iterator[PageFrame]:
    for frame in reader.pages():
        yield frame
        if progress:
            progress(reader.page_count, reader.header.meta.hwm)


def _missing(name: str, pgid: Pgid) -> BackupError:
    return BackupError(name, 0, 0, f"builds on a page {pgid} that the backups before it do not have")


def restore(
    sources: Iterable[Source],
    target: str | bytes | PathLike[str] | PathLike[bytes],
    *,
    progress: Progress | None = None,
) -> Backup:
    """Make the database file `target` of a full backup and the incremental ones behind it; return which state it is.

    It holds the state of the last of them: every page of that state is as it was, to the byte, free pages are zeros,
    and both metas tell this state. The file is made beside its place and takes it when all of it is on the disk; after
    an error or a crash the target is as it was. It gets the permissions that the database file had. One backup is open
    at a time.

    Args:
        sources: Paths or binary streams, in any order; all backups from the full one to the state that is wanted.
        target: A file that is there is replaced, a link is followed.
        progress: Told how many of how many pages are done.

    Raises:
        BackupError: One is damaged, missing, or of another chain.
        ValueError: There is no source.
        TypeError: They are one source and no list, or one is neither a path nor a binary stream.
        LockTimeoutError: The target is a database that somebody has open for writing.
        DatabaseError: The target is one of the backups.
        FileExistsError: The target is a device, a pipe or a folder.
        OSError: The system refuses.
    """
    backups = listed(sources)
    if is_among(target, backups):
        raise DatabaseError(f"cannot restore onto the backup {path_text(target)}")
    with chain(backups) as links:
        first, last = links[0], links[-1]
        if first.header.number:
            number = first.header.number
            raise BackupError(first.name, 0, 0, f"is number {number} of its chain: those before it are missing")
        with new_file(target, last.header.mode) as file:
            return _restore(links, file, progress)


def _restore(links: list[Link], file: FileStorage, progress: Progress | None) -> Backup:
    """Write the state of the last backup, from the last backup to the first: so each page is written once."""
    last = links.pop()
    meta = last.header.meta
    for slot, page in enumerate(twin_pages(meta)):
        file.write(slot * meta.page_size, page)
    file.grow(meta.hwm * meta.page_size)
    with last.opened() as reader:
        for frame in _told(reader, progress):
            _write(file, frame, list(range(len(frame.pgids))), meta.page_size)
        restored, wanted = described(reader), reader.inherited()
    later = last
    while links:
        link = links.pop()
        with link.opened() as reader:
            for frame in _told(reader, progress):
                pairs = enumerate(zip(frame.pgids, frame.prints, strict=True))
                chosen = [i for i, (pgid, stored) in pairs if pgid < meta.hwm and wanted[pgid] == stored]
                _write(file, frame, chosen, meta.page_size)
                for i in chosen:
                    wanted[frame.pgids[i]] = ABSENT
            later.require_parent(reader)
        later = link
    for pgid, stored in enumerate(wanted):
        if stored != ABSENT:
            raise _missing(last.name, pgid)
    return restored


def _write(file: FileStorage, frame: PageFrame, chosen: list[int], page_size: int) -> None:
    """Write some pages of a frame to their places, neighbours together."""
    for start, stop in runs_upward(chosen):
        run_of_pgids = frame.pgids[chosen[start] : chosen[stop - 1] + 1]
        data = frame.data[chosen[start] * page_size : (chosen[stop - 1] + 1) * page_size]
        for first, behind in runs_upward(run_of_pgids):
            file.write(run_of_pgids[first] * page_size, data[first * page_size : behind * page_size])
