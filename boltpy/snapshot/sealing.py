"""Sealing a state of a database, and keeping the seal up to date while commits are made.

A commit is added to the seal when it is on the disk, and not before. So a crash leaves a seal of this commit or of
one before it, and a seal is never of a commit that the file has not. Nothing waits for the seal to reach the disk:
what is lost of it makes it old, not wrong.

What was sealed once is not read again while the DB is open: the seal of the next commit has the fingerprints of the
one before, but for the pages that were written. So no page that changed by itself is ever taken for a good one.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable

from ..db import DB
from ..errors import DatabaseError
from ..files import append, beside, file_id, new_file, permissions
from ..format import Pgid, Txid
from ..storage import FileStorage
from ..tree import Snapshot
from ..tx import Tx
from .fingerprints import ABSENT, fingerprints
from .seals import Seal, read_seal, seal_path
from .states import state_pages

_SMALLEST_ROOM = 1024 * 1024  # bytes of records before all is written anew
_PAGES_AT_A_TIME = 1024


def seal(tx: Tx) -> Txid:
    """Write the seal of what a read transaction sees, beside its file, and return its txid.

    The seal is on the disk when this returns, with the permissions of the database file. One that was there is
    replaced. Not for a DB that was opened with `seal=True`.

    Raises:
        CorruptError: The database is damaged. The old seal stays.
        DatabaseError: It is a write transaction; the DB keeps its seal itself; or its path leads to another file, or to
            none.
        LockTimeoutError: Somebody else makes a seal of it at this moment.
        OSError: The system refuses.
    """
    tx._require_open()
    if tx.writable:
        raise DatabaseError("a seal is made in a read transaction")
    if tx.db._sealer is not None:
        raise DatabaseError(f"{tx.db.path} was opened with seal=True and keeps its seal itself")
    _require_at_its_path(tx.db)
    _write(tx.db.path, _sealed(tx._snapshot))
    return tx.id


def _require_at_its_path(db: DB) -> None:
    if not (isinstance(db._storage, FileStorage) and db._storage.is_at_its_path()):
        raise DatabaseError(f"{db.path} is not, or no longer, the file that is open: its seal has no place")


def _sealed(snapshot: Snapshot) -> Seal:
    meta = snapshot.meta
    pgids = array("Q", [0, 1]) + state_pages(snapshot)
    prints = array("Q", bytes(8 * meta.hwm))
    with memoryview(snapshot.map) as view:
        for start in range(0, len(pgids), _PAGES_AT_A_TIME):
            part = pgids[start : start + _PAGES_AT_A_TIME]
            for pgid, stored in zip(part, fingerprints(view, meta.page_size, part), strict=True):
                prints[pgid] = stored
    return Seal(meta, prints)


def _write(path: str, made: Seal) -> None:
    with new_file(seal_path(path), permissions(path)) as file:
        file.write(0, made.begin())


class Sealer:
    """Keeps the seal of an open DB: told of each commit, by the thread that made it, before the next one begins.

    Attributes:
        txid: The last commit that is in the seal.
    """

    def __init__(self, db: DB) -> None:
        """Begin with the seal that is there if it is of the last commit, else make a new one, which reads all pages.

        Raises:
            CorruptError: The database is damaged.
            DatabaseError: The path does not lead to the file, or no longer.
            OSError: The seal cannot be written.
        """
        _require_at_its_path(db)
        self._path = beside(db.path, "")  # and not the DB: it could not be forgotten
        self._log = db._log
        with db.view() as tx:
            try:
                found = read_seal(self._path)
            except DatabaseError:
                found = None
            if found is None or found.damage or found.meta != tx._snapshot.meta:
                known = "there is no whole one" if found is None or found.damage else f"it is of txid {found.meta.txid}"
                self._log.warning("%s: sealed as it is at txid %d, because %s", self._path, tx.id, known)
                found = _sealed(tx._snapshot)
                _write(self._path, found)
        self._seal: Seal | None = found
        self.txid = found.meta.txid
        self._database, self._seal_file = file_id(self._path), file_id(seal_path(self._path))
        self._room = _room(found)

    def committed(self, snapshot: Snapshot, taken: Iterable[Pgid], freed: Iterable[Pgid]) -> None:
        """Add a commit that is on the disk.

        What fails here does not undo the commit, and so it is told to the log only. The seal is then old, and stays so
        until the DB is opened anew.

        Args:
            snapshot: The new state.
            taken: The pages that it took from the freelist.
            freed: The pages of the state before that it has no more.
        """
        kept, self._seal = self._seal, None  # an interrupt leaves none rather than half of one
        if kept is None:
            return
        try:
            self._add(kept, snapshot, taken, freed)
        except BaseException as error:
            self._log.error("%s: the seal stays at txid %d: %s", self._path, self.txid, error)
            if not isinstance(error, Exception):
                raise
        else:
            self._seal, self.txid = kept, snapshot.meta.txid

    def _add(self, kept: Seal, snapshot: Snapshot, taken: Iterable[Pgid], freed: Iterable[Pgid]) -> None:
        meta = snapshot.meta
        if kept.meta.txid + 1 != meta.txid:
            raise DatabaseError(f"txid {meta.txid} does not follow on it: an interrupted commit came between")
        if file_id(self._path) != self._database:
            raise DatabaseError("the database was moved or replaced while it was open")
        pgids = array("Q", [0, 1, *taken, *range(len(kept.prints), meta.hwm)])
        with memoryview(snapshot.map) as view:
            prints = fingerprints(view, meta.page_size, pgids)
        gone = array("Q", freed)
        size = kept.size
        record = kept.follow(meta, pgids + gone, prints + array("Q", [ABSENT]) * len(gone))
        append(seal_path(self._path), self._seal_file, size, record)
        if kept.size > self._room:
            _write(self._path, kept)
            self._seal_file = file_id(seal_path(self._path))
            self._room = _room(kept)


def _room(begun: Seal) -> int:
    """Return how many bytes a file of a seal may get before it is written anew."""
    return 16 * len(begun.prints) + _SMALLEST_ROOM
