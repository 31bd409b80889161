"""Scrubbing: comparing the pages of a file with its seal, and saying what was compared and what could not be."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic, sleep

from ..errors import BoltError, BusyWriterError, CorruptError, DatabaseError
from ..format import Pgid, Txid
from ..meta import META_PAGE_BYTES, Meta, both_metas, decode, newest
from ..storage import FileStorage, PathLike, path_text
from ..tree import Mapping, Snapshot
from .fingerprints import ABSENT, fingerprints
from .seals import Seal, read_seal
from .states import state_pages

_PAGES_AT_A_TIME = 1024
_UNTIL_IT_IS_SEALED = 0.25  # seconds; a program that seals does so some microseconds after a commit

Progress = Callable[[int, int], object]


@dataclass(frozen=True, slots=True)
class Scrub:
    """What a scrub found.

    Attributes:
        sealed_txid: The commit that the seal is of.
        file_txid: The last commit that the file has; None if both metas are damaged.
        page_count: Pages that were looked at.
        verified: How many of them are to the byte as they were sealed.
        changed: Pages of the sealed state that are not as they were.
        unknown: Pages of a later state that nothing is known about: the seal is older, or had other bytes there.
        notes: What else there is to say, one sentence each.
    """

    sealed_txid: Txid
    file_txid: Txid | None
    page_count: int
    verified: int
    changed: list[Pgid]
    unknown: list[Pgid]
    notes: list[str]

    @property
    def ok(self) -> bool:
        """Whether every page of the file's last state was compared and is as it was sealed."""
        return not self.changed and not self.unknown and self.sealed_txid == self.file_txid


def scrub(
    path: PathLike,
    *,
    timeout: float | None = None,
    live: bool = False,
    patience: float = 10.0,
    progress: Progress | None = None,
) -> Scrub:
    """Compare the pages of a database file with its seal.

    If the file is at the commit that was sealed, each page of that state is compared, every bit of it; free pages have
    no content. If somebody has committed since, the pages of the new state are compared with the seal: one that is
    the same is proven, of the others nothing can be said. If the file's last commit is older than the seal, or no
    meta is valid, the pages of the sealed state are compared all the same.

    Args:
        path: The database file; its seal is beside it.
        timeout: Seconds to wait for the file's lock, which is shared with other readers; None or 0 waits for ever.
        live: Do without the lock: look until no commit came between.
        patience: For how many seconds `live` tries.
        progress: Called as `progress(pages done, pages in all)`.

    Raises:
        DatabaseError: There is no seal, it is damaged, or it is of a file with pages of another size.
        LockTimeoutError: Somebody has the file open for writing.
        BusyWriterError: Somebody committed meanwhile each time.
        OSError: The system refuses.
    """
    file = FileStorage(path_text(path), mode=0, read_only=True)
    try:
        if not live:
            file.lock(shared=True, timeout=timeout)
            seal = read_seal(path)
            return _scrub(file, seal, _last_meta(file, seal), progress)
        deadline, attempts = monotonic() + patience, 0
        while attempts == 0 or monotonic() < deadline:
            attempts += 1
            seal = read_seal(path)
            before = _last_meta(file, seal)
            if before != seal.meta:
                sleep(_UNTIL_IT_IS_SEALED)
                if read_seal(path).meta != seal.meta:
                    continue
            found = _scrub(file, seal, before, progress)
            if _last_meta(file, seal) == before:
                return found
        raise BusyWriterError(file.path, attempts, patience)
    finally:
        file.close()


def _last_meta(file: FileStorage, seal: Seal) -> Meta | None:
    """Return the file's newest meta; None if there is no valid one."""
    page_size = seal.meta.page_size
    try:
        return newest(both_metas(file.read(0, page_size + META_PAGE_BYTES), page_size))
    except BoltError:
        pass
    try:
        other = decode(file.read(0, META_PAGE_BYTES))
    except BoltError:
        return None
    if other.page_size != page_size:
        raise DatabaseError(f"{file.path} has pages of {other.page_size} bytes, its seal is of pages of {page_size}")
    return None


def _scrub(file: FileStorage, seal: Seal, last: Meta | None, progress: Progress | None) -> Scrub:
    notes = [f"the seal is damaged: {seal.damage}"] if seal.damage else []
    size = file.size()
    if not size:
        raise DatabaseError(f"{file.path} is empty")
    mapping = Mapping(file.map(size, 0))
    if last is not None and last.txid >= seal.meta.txid and last != seal.meta:
        return _scrub_later(mapping, seal, last, notes, progress)
    if last is None:
        notes.append("no meta page of the file is valid")
    elif last != seal.meta:
        notes.append(
            f"the newest valid meta page is that of txid {last.txid}: the one of txid {seal.meta.txid} was damaged,"
            " or an older file was put in the place of the one that was sealed"
        )
    pgids = array("Q", [pgid for pgid, stored in enumerate(seal.prints) if stored != ABSENT])
    different = [
        pgid for pgid in _different(mapping, seal, pgids, progress) if not _is_another_meta(mapping, seal, pgid)
    ]
    txid = None if last is None else last.txid
    return Scrub(seal.meta.txid, txid, len(pgids), len(pgids) - len(different), different, [], notes)


def _scrub_later(mapping: Mapping, seal: Seal, last: Meta, notes: list[str], progress: Progress | None) -> Scrub:
    """Compare what the file has now with the seal of an earlier commit, or of another one with the same txid."""
    notes.append(
        f"sealed was txid {seal.meta.txid}, the file is at txid {last.txid}: somebody has committed since without"
        " sealing; what changed by a commit and what changed by itself can not be told apart"
    )
    try:
        pgids = state_pages(Snapshot(mapping, last))
    except CorruptError as error:
        notes.append(f"the pages in use could not be listed: {error}")
        pgids = array("Q", range(2, min(last.hwm, mapping.size // last.page_size)))
    unknown = _different(mapping, seal, pgids, progress)
    return Scrub(seal.meta.txid, last.txid, len(pgids), len(pgids) - len(unknown), [], unknown, notes)


def _different(mapping: Mapping, seal: Seal, pgids: array[Pgid], progress: Progress | None) -> list[Pgid]:
    """Return those of some pages that are not as they were sealed."""
    found: list[Pgid] = []
    known = len(seal.prints)
    with memoryview(mapping.map) as view:
        for start in range(0, len(pgids), _PAGES_AT_A_TIME):
            part = pgids[start : start + _PAGES_AT_A_TIME]
            prints = fingerprints(view, seal.meta.page_size, part)
            pairs = zip(part, prints, strict=True)
            found += [pgid for pgid, now in pairs if pgid >= known or seal.prints[pgid] != now]
            if progress:
                progress(start + len(part), len(pgids))
    return found


def _is_another_meta(mapping: Mapping, seal: Seal, pgid: Pgid) -> bool:
    """Return whether a page is the meta that the sealed state does not need, and a whole one.

    A restored file has another one there than the file that was sealed.
    """
    if pgid != 1 - seal.meta.txid % 2:
        return False
    size = seal.meta.page_size
    page = mapping.map[pgid * size : (pgid + 1) * size]
    try:
        return decode(page).encode(pgid) == page
    except BoltError:
        return False
