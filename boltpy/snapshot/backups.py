"""Making a backup of what one transaction sees: all of it, or what changed since an earlier backup."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass
from errno import ESPIPE
from secrets import token_bytes
from typing import BinaryIO

from ..errors import DatabaseError
from ..files import is_regular, open_to_read, permissions, replacing, same_file
from ..format import Pgid, Txid
from ..storage import PathLike, path_text
from ..tx import Tx
from .fingerprints import ABSENT, fingerprints
from .reading import Reader
from .states import state_pages
from .stream import DIGEST_BYTES, ID_BYTES, Header, Writer, pages_in_a_frame

Progress = Callable[[int, int], object]
"""Is called as `progress(done, total)`, in pages, now and then."""


@dataclass(frozen=True, slots=True)
class Backup:
    """What is in a backup.

    Attributes:
        number: 0: a full backup; n: the n-th incremental one behind it.
        chain: Names the chain: the same in a full backup and in all that build on it.
        digest: Names what was backed up, and what it builds on.
        txid: The commit that was backed up.
        page_size: Bytes a page.
        state_pages: Pages of that state, without the metas and the free ones.
        page_count: How many of them this backup holds; the others are in those before it.
        size: Bytes of the backup.
    """

    number: int
    chain: str
    digest: str
    txid: Txid
    page_size: int
    state_pages: int
    page_count: int
    size: int


def described(reader: Reader) -> Backup:
    """Return what is in a backup that was read to its end."""
    return _description(reader.header, reader.index, reader.digest, reader.page_count, reader.size)


def _description(header: Header, index: array[int], digest: bytes, page_count: int, size: int) -> Backup:
    state = len(index) - index.count(ABSENT)
    meta = header.meta
    return Backup(
        header.number, header.chain.hex(), digest.hex(), meta.txid, meta.page_size, state, page_count, size
    )  # fmt: skip


def backup(tx: Tx, file: BinaryIO, *, since: PathLike | None = None, progress: Progress | None = None) -> Backup:
    """Write a backup of what a transaction sees to a binary file, and return what is in it.

    Writers of the same DB may go on meanwhile. What the transaction itself changed and did not commit is not in it.
    Each page is read twice, for its fingerprint and to be written; one that changes in between is found by `verify`.

    Args:
        tx: An open transaction.
        file: Where to; it is only written to, never sought in.
        since: An earlier backup, in a regular file: then only pages are written that are not as they were. Its index
            is proven; its pages are `verify`'s business. Whether it is of this database nobody can tell; if it is not,
            the backup is right, and large.
        progress: Told how far it is.

    Raises:
        BackupError: The earlier backup is damaged.
        DatabaseError: It has pages of another size, or is of a later state or of one that this one did not come from.
        CorruptError: The database is damaged.
        OSError: The file takes no more, or the earlier backup cannot be read.
    """
    tx._require_open()
    snapshot = tx._snapshot
    meta = snapshot.meta
    base = None if since is None else _base(since, tx)
    header = Header(
        number=base.header.number + 1 if base else 0,
        chain=base.header.chain if base else token_bytes(ID_BYTES),
        id=token_bytes(ID_BYTES),
        parent=base.digest if base else bytes(DIGEST_BYTES),
        mode=permissions(tx.db._storage.fileno()),
        meta=meta,
    )
    pgids = state_pages(snapshot)
    with memoryview(snapshot.map) as view:
        writer = Writer(file, header)
        index = _write_pages(writer, view, header, pgids, base.index if base else array("Q"), progress)
    digest = writer.finish(index)
    return _description(header, index, digest, writer.page_count, writer.size)


def _write_pages(
    writer: Writer,
    view: memoryview,
    header: Header,
    pgids: array[Pgid],
    base: array[int],
    progress: Progress | None,
) -> array[int]:
    """Write the pages that the index of the earlier backup has not, and return the index of this state."""
    page_size, step = header.meta.page_size, pages_in_a_frame(header.meta.page_size)
    index = array("Q", bytes(8 * header.meta.hwm))
    before = base + array("Q", bytes(8 * max(len(index) - len(base), 0)))
    waiting, their_prints = array("Q"), array("Q")
    for start in range(0, len(pgids), step):
        part = pgids[start : start + step]
        prints = fingerprints(view, page_size, part)
        for pgid, now in zip(part, prints, strict=True):
            index[pgid] = now
        if base:
            changed = [i for i, pgid in enumerate(part) if before[pgid] != prints[i]]
            part, prints = array("Q", [part[i] for i in changed]), array("Q", [prints[i] for i in changed])
        waiting += part
        their_prints += prints
        if len(waiting) >= step:
            writer.pages(waiting[:step], their_prints[:step], view)
            del waiting[:step], their_prints[:step]
        if progress:
            progress(min(start + step, len(pgids)), len(pgids))
    if waiting:
        writer.pages(waiting, their_prints, view)
    return index


def _base(path: PathLike, tx: Tx) -> Reader:
    """Return the index of an earlier backup that a transaction's state can build on."""
    if not is_regular(path):
        raise OSError(ESPIPE, "is no regular file, which an earlier backup must be", path_text(path))
    with open_to_read(path) as file:
        base = Reader(file, path_text(path))
        base.read_index_only()
    earlier, meta = base.header.meta, tx._snapshot.meta
    if earlier.page_size != meta.page_size:
        raise DatabaseError(
            f"{base.name} has pages of {earlier.page_size} bytes, the database of {meta.page_size}:"
            " it is a backup of another database"
        )
    if earlier.txid > meta.txid:
        raise DatabaseError(
            f"{base.name} is of txid {earlier.txid}; the database is at {meta.txid}, which is earlier:"
            " begin a new chain"
        )
    if earlier.txid == meta.txid and earlier != meta:
        raise DatabaseError(
            f"{base.name} has another txid {meta.txid} than the database: they have parted ways, begin a new chain"
        )
    return base


def backup_file(
    tx: Tx, path: PathLike, *, since: PathLike | None = None, progress: Progress | None = None
) -> Backup:  # fmt: skip
    """Write a backup to `path`: on the disk, under its name, when this returns. The rest is as with `backup`.

    It is made beside its place and renamed, so there is the whole backup, or what was there before. It gets the
    permissions of the database file, less the umask.

    Raises:
        DatabaseError: The target is the database itself, or the earlier backup.
        LockTimeoutError: The target is another database that somebody has open for writing.
        FileExistsError: The target is a device, a pipe or a folder.
        As `backup`.
    """
    tx._require_open()
    database: int = tx.db._storage.fileno()
    if same_file(database, path) or (since is not None and same_file(since, path)):
        raise DatabaseError(f"cannot write the backup onto {path_text(path)}")
    with replacing(path, permissions(database)) as file:
        return backup(tx, file, since=since, progress=progress)
