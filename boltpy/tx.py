"""A transaction: a snapshot to read from, and in a write transaction the changes that become the next one."""

from __future__ import annotations

import warnings
import weakref
from array import array
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import RawIOBase
from operator import index
from typing import Any, BinaryIO, NoReturn, Protocol

from .bucket import Bucket
from .check import Checker, Problem, page_type
from .cursor import Cursor
from .errors import (
    CorruptError,
    DatabaseError,
    FreePagesNotLoadedError,
    TxClosedError,
    TxManagedError,
    TxNotWritableError,
)
from .files import replacing, same_file
from .format import NO_FREELIST, Pgid, ReadableBuffer, Txid
from .freelist_page import stored_ids
from .known_plain import PlainBuckets
from .options import Options
from .ownership import this_thread
from .stats import BucketStructure, Info, PageInfo, TxStats
from .storage import PathLike, Storage
from .tree import Snapshot

_COPY_BYTES = 1024 * 1024
_LENT_LIMIT = 64  # views, before those that were dropped are looked for


class TxHost(Protocol):
    """What a transaction needs of its DB."""

    path: str
    options: Options
    read_only: bool

    def info(self) -> Info:
        """Return facts about the open file."""

    _plain_buckets: PlainBuckets
    _storage: Storage

    def _commit(self, tx: Tx) -> None:
        """Write a transaction; on an error nothing of it is visible."""

    def _end(self, tx: Tx) -> None:
        """Take note that a transaction has ended."""

    def _freelist_is_loaded(self) -> bool:
        """Return whether the DB knows its free pages."""


class Tx:
    """One transaction of a DB. Get one from `db.view()`, `db.update()` or `db.begin()`.

    A transaction sees the database as it was when it began, for as long as it lives, whatever others commit. It and
    everything that it hands out (buckets, cursors, iterators, views) belong to one thread at a time and end with it.
    In a forked child it has ended: every call raises TxClosedError there, and the parent keeps it.

    Attributes:
        writable: Whether it can change anything.
        db: The DB it belongs to.
    """

    _open = False  # until it is whole
    _why_closed = "tx closed"

    def __init__(self, db: TxHost, snapshot: Snapshot, *, writable: bool) -> None:
        self.db: Any = db  # a boltpy.DB, whose type stands on a higher floor
        self._host = db
        self.writable = writable
        self._snapshot = snapshot
        self._meta = snapshot.meta
        self._managed = False
        self._thread = this_thread()
        self._stats = TxStats()
        self._plain_buckets = db._plain_buckets
        self._freed = array("Q")
        self._lent: list[weakref.ref[memoryview]] = []
        self._lent_limit = _LENT_LIMIT
        self._free: frozenset[Pgid] | None = None
        self._hooks: list[Callable[[], object]] = []
        # A read transaction keeps no bucket: without a circle of references, a leaked one ends at once.
        self._written_root: Bucket | None = Bucket(self, snapshot.tree(snapshot.root), ()) if writable else None
        self._open = True

    def __repr__(self) -> str:
        kind = "write" if self.writable else "read"
        return f"<Tx {self.id} {kind} {'open' if self._open else 'closed'} {self._host.path!r}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        # A copy would share the descriptor or the books, and close them a second time.
        raise TypeError(f"a {type(self).__name__} cannot be copied or pickled")

    def __del__(self) -> None:
        if self._open:
            leaked = repr(self)
            self._finish()
            warnings.warn(f"{leaked} was never committed or rolled back", ResourceWarning, source=self, stacklevel=2)

    @property
    def id(self) -> Txid:
        """The txid: of a read transaction that of the commit it sees, of a write transaction its own."""
        return self._meta.txid + self.writable

    @property
    def size(self) -> int:
        """Bytes of the database as this transaction sees it: high-water mark times page size."""
        return self._meta.hwm * self._meta.page_size

    @property
    def _root(self) -> Bucket:
        self._require_open()
        return self._written_root or Bucket(self, self._snapshot.tree(self._snapshot.root), ())

    def _require_open(self) -> None:
        if not self._open:
            raise TxClosedError(self._why_closed)

    def _require_writable(self) -> None:
        self._require_open()
        if not self.writable:
            raise TxNotWritableError

    def _lend(self, view: memoryview) -> memoryview:
        self._lent.append(weakref.ref(view))
        if len(self._lent) > self._lent_limit:
            self._lent = [lent for lent in self._lent if lent() is not None]
            self._lent_limit = 2 * len(self._lent) + _LENT_LIMIT
        return view

    # -- buckets -------------------------------------------------------------------------------------------------

    def bucket(self, *path: ReadableBuffer) -> Bucket | None:
        """Return the top-level bucket of this name, or the nested one at this path of names; None if there is none.

        Raises:
            TxClosedError: The transaction has ended.
            CorruptError: A page on the way breaks the format.
        """
        return self._root.bucket(*path)

    def create_bucket(self, name: ReadableBuffer) -> Bucket:
        """Make a top-level bucket; see `Bucket.create_bucket`."""
        return self._root.create_bucket(name)

    def create_bucket_if_not_exists(self, name: ReadableBuffer) -> Bucket:
        """Return the top-level bucket of this name, made now if there was none."""
        return self._root.create_bucket_if_not_exists(name)

    def delete_bucket(self, name: ReadableBuffer) -> None:
        """Delete a top-level bucket with everything in it; see `Bucket.delete_bucket`."""
        self._root.delete_bucket(name)

    def move_bucket(
        self,
        name: ReadableBuffer,
        source: Bucket | None,
        target: Bucket | None,
        new_name: ReadableBuffer | None = None,
    ) -> None:
        """Move a bucket from `source` into `target`; None stands for the top level. See `Bucket.move_bucket`."""
        root = self._root
        if not isinstance(source, Bucket | None):
            raise TypeError(f"source is {source!r}; it must be a bucket, or None for the top level")
        (source or root).move_bucket(name, root if target is None else target, new_name)

    def buckets(self) -> Iterator[tuple[bytes, Bucket]]:
        """Iterate over (name, bucket) of the top-level buckets, in key order."""
        return self._root.buckets()

    def cursor(self) -> Cursor[Bucket]:
        """Return a cursor over the names of the top-level buckets."""
        return self._root.cursor()

    # -- ending --------------------------------------------------------------------------------------------------

    def on_commit(self, fn: Callable[[], object]) -> None:
        """Call `fn()` after a successful commit, behind the functions given before; never after a rollback.

        It runs when the transaction has ended, without any lock, so it may begin another one. What it raises comes
        out of `commit()`, although the commit stands.

        Raises:
            TypeError: `fn` cannot be called.
            TxNotWritableError, TxClosedError: There will be no commit.
        """
        self._require_writable()
        if not callable(fn):
            raise TypeError(f"on_commit takes a function, not {fn!r}")
        self._hooks.append(fn)

    def commit(self) -> None:
        """Write the changes and end the transaction. When this returns, they are on the disk (unless `no_sync`).

        Raises:
            TxManagedError: Inside a `with db.update()` block, which commits by itself.
            TxNotWritableError: A read transaction has nothing to commit; it stays open.
            TxClosedError: It has ended already.
            MaxSizeReachedError, StorageError, CorruptError: Nothing was committed, the transaction has ended. If the
                system failed while the last page was written, the DB must be reopened to see what it holds; it says so.

        An interrupt (Ctrl-C) leaves the old or the new state, and the transaction ended; or open, if it came before the
        first step.
        """
        self._require_open()
        if self._managed:
            raise TxManagedError("commit")
        self._require_writable()
        try:
            self._host._commit(self)
        finally:
            self._finish()
        for fn in self._hooks:
            fn()

    def rollback(self) -> None:
        """End the transaction and drop its changes.

        Raises:
            TxManagedError: Inside a `with` block, which ends the transaction by itself.
            TxClosedError: It has ended already.
        """
        self._require_open()
        if self._managed:
            raise TxManagedError("rollback")
        self._finish()

    def _finish(self) -> None:
        self._open = False
        try:
            self._snapshot.close()
            # Buckets keep the mapping that they read from; the transaction lets go of it.
            del self._snapshot
            if self._written_root is not None:
                self._written_root._close()
                self._written_root = None
            for lent in self._lent:
                view = lent()
                if view is not None:
                    with suppress(BufferError):  # somebody made a view of the view; it keeps the old mapping alive
                        view.release()
            self._lent = []
        finally:
            self._host._end(self)

    # -- the whole file ------------------------------------------------------------------------------------------

    def write_to(self, file: BinaryIO) -> int:
        """Write a consistent copy of the database to a binary file and return the number of bytes, `size`.

        Writers may go on meanwhile. Changes of this transaction that are not committed are not in the copy.

        Raises:
            CorruptError: The file ends before its high-water mark.
        """
        self._require_open()
        meta = self._meta
        start, end = 2 * meta.page_size, self.size
        if end > len(self._snapshot.map):
            raise CorruptError(None, f"the file ends at byte {len(self._snapshot.map)}, its pages at {end}")
        # Both metas tell the same state, so a damaged one does no harm to the copy.
        for slot in (0, 1):
            try:
                write_all(file, meta._replace(txid=max(self.id - slot, 0)).encode(slot))
            except OSError as error:
                error.add_note(f"meta {slot} copy")
                raise
        with memoryview(self._snapshot.map) as view:
            for at in range(start, end, _COPY_BYTES):
                with view[at : min(at + _COPY_BYTES, end)] as part:
                    write_all(file, part)
        return end

    def copy_file(self, path: PathLike, mode: int = 0o600) -> None:
        """Write a consistent copy of the database to `path`: on the disk, under its name, when this returns.

        The copy is made beside its target and renamed into place, so the target is the old file or a whole copy, also
        after an error. (If only the folder could not be synced, the copy is there, and a power cut may take it back.)

        Args:
            path: Where to; a file that is there is replaced, a link is followed.
            mode: Permission bits of the copy, less the umask.

        Raises:
            DatabaseError: The target is this database itself.
            LockTimeoutError: The target is a database that somebody has open for writing.
            FileExistsError: The target is a device, a pipe or a folder.
            OSError: The system refuses.
        """
        self._require_open()
        if same_file(self._host._storage.fileno(), path):
            raise DatabaseError(f"cannot copy {self._host.path} onto itself")
        with replacing(path, mode) as file:
            self.write_to(file)

    def page(self, pgid: Pgid) -> PageInfo | None:
        """Describe a page; None beyond the high-water mark.

        Raises:
            FreePagesNotLoadedError: A read-only DB was opened without `preload_freelist`.
            CorruptError: The page lies beyond the end of the file.
        """
        self._require_open()
        pgid = index(pgid)
        if not self._host._freelist_is_loaded():
            raise FreePagesNotLoadedError
        if self._free is None:
            self._free = frozenset(self._free_now())
        if not 0 <= pgid < self._meta.hwm:
            return None
        pages = self._snapshot.pages
        if (pgid + 1) * pages.page_size > pages.length:
            raise CorruptError(pgid, f"lies beyond the end of the file ({pages.length} bytes are mapped)")
        kind, count, overflow = page_type(pages, pgid)
        return PageInfo(pgid, "free" if pgid in self._free else kind, count, overflow)

    def check(
        self,
        from_page: Pgid | None = None,
        progress: Callable[[int], object] | None = None,
        show_key: Callable[[bytes], str] = bytes.hex,
    ) -> Iterator[Problem]:
        """Check the database as last committed and yield what is wrong; nothing if all is well.

        Args:
            from_page: Check only the tree below this page.
            progress: Called with the number of pages that were reached, once for each page of a tree.
            show_key: How keys stand in problems (bbolt's KVStringer).
        """
        self._require_open()
        meta, free = self._meta, array("Q")
        if from_page is not None:
            from_page = index(from_page)
            if not 2 <= from_page < meta.hwm:
                yield Problem(f"page ID ({from_page}) out of range [2, {meta.hwm})", None)
                return
            with suppress(CorruptError):  # a check of the whole file tells
                free = self._free_now()
            yield from Checker(self._snapshot.pages, meta, free, progress, show_key).below(from_page)
            return
        try:
            free = self._free_now()
        except CorruptError as error:
            yield Problem(str(error), error.pgid)
        yield from Checker(self._snapshot.pages, meta, free, progress, show_key).everything()

    def _free_now(self) -> array[int]:
        """Return the pages that are free as this transaction sees the file."""
        meta = self._meta
        if meta.freelist != NO_FREELIST:
            return stored_ids(self._snapshot.map, meta.freelist, meta.page_size, meta.hwm)
        return self._snapshot.free_pages()

    def stats(self) -> TxStats:
        """Return a copy of this transaction's counters."""
        return self._stats + TxStats()

    def inspect(self) -> BucketStructure:
        """Return the tree of all buckets, each with its number of pairs. Walks the whole file."""
        return self._root.inspect()


def write_all(file: BinaryIO, data: bytes | memoryview) -> None:
    """Write all of `data`; an unbuffered file may take less at a time."""
    left = memoryview(data)
    while left:
        written = file.write(left)
        if written is None and isinstance(file, RawIOBase):
            raise BlockingIOError("the file to copy into takes nothing now: it is in non-blocking mode")
        if written is None:  # a sink of the caller's own that does not count
            return
        left = left[written:]
