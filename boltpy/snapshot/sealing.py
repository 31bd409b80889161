"""Sealing a state of a database, and keeping the seal up to date while commits are made.

A commit is added to the seal when it is on the disk, and not before. So a crash leaves a seal of this commit or of
one before it, and a seal is never of a commit that the file has not. Nothing waits for the seal to reach the disk:
what is lost of it makes it old, not wrong.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable

from ..db import DB
from ..errors import DatabaseError
from ..files import new_file, permissions, write_at
from ..format import Pgid, Txid
from ..tree import Snapshot
from ..tx import Tx
from .fingerprints import ABSENT, fingerprints
from .seals import Seal, encode_next, read_seal, seal_path
from .states import state_pages

_SMALLEST_ROOM = 1024 * 1024  # bytes of records before all is written anew


def seal(tx: Tx) -> Txid:
    """Write the seal of what a read transaction sees, beside its file, and return its txid.

    The seal is on the disk when this returns, with the permissions of the database file. One that was there is
    replaced.

    Raises:
        CorruptError: The database is damaged. The old seal stays.
        OSError: The system refuses.
    """
    tx._require_open()
    if tx.writable:
        raise DatabaseError("a seal is made in a read transaction")
    _write(tx.db.path, _sealed(tx._snapshot))
    return tx.id


def _sealed(snapshot: Snapshot) -> Seal:
    meta = snapshot.meta
    pgids = array("Q", [0, 1]) + state_pages(snapshot)
    prints = array("Q", bytes(8 * meta.hwm))
    with memoryview(snapshot.map) as view:
        for pgid, stored in zip(pgids, fingerprints(view, meta.page_size, pgids), strict=True):
            prints[pgid] = stored
    return Seal(meta, prints)


def _write(path: str, made: Seal) -> None:
    data = made.encode()
    with new_file(seal_path(path), permissions(path)) as file:
        file.write(0, data)
    made.size = len(data)


class Sealer:
    """Keeps the seal of an open DB: told of each commit, by the thread that made it, before the next one begins."""

    def __init__(self, db: DB) -> None:
        """Begin with the seal that is there if it is of the last commit, else make a new one, which reads all pages.

        Raises:
            CorruptError: The database is damaged.
            OSError: The seal cannot be written.
        """
        self._path = db.path  # and not the DB: it could not be forgotten
        self._log = db._log
        self._seal: Seal | None = None
        with db.view() as tx:
            try:
                found = read_seal(db.path)
            except DatabaseError:
                found = None
            if found is None or found.damage or found.meta != tx._snapshot.meta:
                found = _sealed(tx._snapshot)
                _write(db.path, found)
            self._seal = found
        self._base_size = len(found.encode())

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
            self._seal = self._next(kept, snapshot, taken, freed)
        except OSError as error:
            self._log.error("%s: the seal stays at txid %d: %s", self._path, kept.meta.txid, error)

    def _next(self, kept: Seal, snapshot: Snapshot, taken: Iterable[Pgid], freed: Iterable[Pgid]) -> Seal:
        meta = snapshot.meta
        if kept.meta.txid + 1 != meta.txid or kept.size > 2 * self._base_size + _SMALLEST_ROOM:
            made = _sealed(snapshot)
            _write(self._path, made)
            self._base_size = made.size
            return made
        pgids = array("Q", [0, 1, *taken, *range(len(kept.prints), meta.hwm)])
        with memoryview(snapshot.map) as view:
            prints = fingerprints(view, meta.page_size, pgids)
        gone = array("Q", freed)
        pgids += gone
        prints += array("Q", [ABSENT]) * len(gone)
        record = encode_next(meta, pgids, prints)
        write_at(seal_path(self._path), kept.size, record)
        kept.prints.frombytes(bytes(8 * (meta.hwm - len(kept.prints))))
        for pgid, now in zip(pgids, prints, strict=True):
            kept.prints[pgid] = now
        kept.meta = meta
        kept.size += len(record)
        return kept
