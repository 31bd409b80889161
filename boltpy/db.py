"""An open database: it hands out transactions, one writer and many readers at a time, and takes their commits.

Nobody waits but writers for each other. A reader keeps the mapping that it began with; when the file grows, later
transactions get a longer one.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from logging import Logger, getLogger
from typing import NoReturn, TypeVar, cast

from .batch import Batcher
from .birth import prepare
from .check import Checker
from .commit import Committer, Sealer, map_size_for
from .errors import (
    BucketError,
    CorruptError,
    DatabaseNotOpenError,
    DatabaseReadOnlyError,
    InvariantError,
    LimitError,
    StorageError,
    TxClosedError,
    TxError,
)
from .format import NO_FREELIST, Txid
from .freelist import Allocation, Freelist, decode, descending
from .known_plain import LookedTo, Path, PlainBuckets
from .managed_tx import ManagedTx
from .meta import both_metas, newest
from .open_txs import OpenTxs
from .options import Options
from .ownership import this_thread
from .stats import Info, Stats, TxStats
from .storage import Storage, lock_memory
from .tree import Mapping, Snapshot
from .tx import Tx

T = TypeVar("T")

_LAST_TXID = 2**63 - 1
# What a commit is refused with at places where the freelist is whole.
_REFUSALS = (StorageError, CorruptError, LimitError, BucketError, InvariantError)
_silent = getLogger("boltpy.silent")
_silent.disabled = True


class DB:
    """An open database file. Get one from `boltpy.open`.

    A DB may be used by several threads. It is a context manager: leaving the block closes it.

    Attributes:
        path: The file.
        options: How it was opened.
        read_only: Whether it was opened for reading only.
    """

    def __init__(self, path: str, storage: Storage, options: Options) -> None:
        """Open the database in a storage that is locked already. The DB closes the storage."""
        self.path = path
        self.options = options
        self.read_only = options.read_only
        self._storage = storage
        self._log: Logger = options.logger or _silent
        self._txs = OpenTxs()
        self._closing = False
        self._failure = ""
        # Set while the freelist and the meta are being changed. It stays set where an interrupt cut that off: then
        # the next transaction takes from the file what is true.
        self._in_doubt = False
        self._sealer: Sealer | None = None
        self._stats = Stats()
        self._plain_buckets = PlainBuckets()
        self._batcher: Batcher[Tx] = Batcher(options.max_batch_size, options.max_batch_delay)
        # Settled: the state that a commit builds on is known to be on the disk. With no_sync only `sync` asks.
        self._page_size, self._is_settled = prepare(storage, options)
        self._mapping = self._map()
        self._meta = newest(both_metas(self._mapping.map, self._page_size))
        if self._meta.hwm * self._page_size > self._mapping.size and not self.read_only:
            raise CorruptError(
                None,
                f"the file is cut short: it has {self._mapping.size} bytes, its pages need"
                f" {self._meta.hwm * self._page_size}; open it with read_only=True to see what is left",
            )
        self._freelist: Freelist | None = None
        if not self.read_only or options.preload_freelist:
            self._freelist = Freelist(options.freelist_type, self._free_pages())
        map_size = map_size_for(max(self._mapping.size, options.initial_mmap_size), self._page_size)
        self._committer = Committer(storage, options, self._page_size, map_size)
        if not self.read_only and self._meta.freelist == NO_FREELIST and not options.no_freelist_sync:
            self.begin(writable=True).commit()  # from now on the freelist is stored
        self._log.info("opened %s: %d bytes a page, txid %d", path, self._page_size, self._meta.txid)

    def _map(self) -> Mapping:
        mapping = Mapping(self._storage.map(self._storage.size(), self.options.mmap_flags))
        if self.options.mlock:
            lock_memory(mapping.map)
        return mapping

    def _free_pages(self) -> array[int]:
        meta, snapshot = self._meta, Snapshot(self._mapping, self._meta)
        if meta.freelist != NO_FREELIST:
            return decode(snapshot.map, meta.freelist, meta.page_size, meta.hwm)
        return descending(snapshot.free_pages())

    def __repr__(self) -> str:
        return f"<DB {self.path!r}{' read-only' if self.read_only else ''}{' closed' if self._closing else ''}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        # A copy would share the descriptor or the books, and close them a second time.
        raise TypeError(f"a {type(self).__name__} cannot be copied or pickled")

    def __enter__(self) -> DB:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.close()

    # -- transactions --------------------------------------------------------------------------------------------

    def view(self) -> ManagedTx:
        """Return a `with` block around a read transaction."""
        return ManagedTx(self.begin, writable=False)

    def update(self) -> ManagedTx:
        """Return a `with` block around a write transaction: a clean exit commits, any exception rolls back.

        Raises:
            As `begin` and, at the end of the block, as `Tx.commit`.
        """
        return ManagedTx(self.begin, writable=True)

    def begin(self, writable: bool = False) -> Tx:
        """Begin a transaction that the caller ends with `commit()` or `rollback()`.

        A write transaction waits for the one before it. A read transaction never waits. A signal handler may begin one
        at any moment; one that writes is refused while its own thread has one open, or is committing it.

        Raises:
            DatabaseNotOpenError: The DB was closed, or must be reopened, or belongs to the parent of this process.
            DatabaseReadOnlyError: A write transaction of a read-only DB.
            TxError: This thread has a write transaction open, and would wait for itself.
            CorruptError: The file has become shorter since it was opened.
        """
        if writable and self.read_only:
            raise DatabaseReadOnlyError
        tx: Tx | None = None
        try:
            with self._txs.lock:
                while True:
                    self._prepare_to_begin(writable)
                    tx = Tx(self, Snapshot(self._mapping, self._meta), writable=writable)
                    self._txs.add(tx)
                    self._require_open()
                    if tx._meta is self._meta:
                        break
                    tx._finish()  # a signal handler committed before anybody knew of it
                if not writable:
                    self._stats.tx_n += 1
            return tx
        except BaseException as error:  # an interrupt (Ctrl-C), perhaps: the caller will never see the transaction
            if tx is not None and tx._open:
                tx._finish()
            if self._closing and isinstance(
                error, AttributeError | StorageError
            ):  # a signal handler has closed what was used here
                raise DatabaseNotOpenError from error
            raise

    def _prepare_to_begin(self, writable: bool) -> None:
        if writable:
            self._txs.wait_for_writer()
        self._require_open()
        if self._storage.size() < self._mapping.size:
            raise CorruptError(None, f"{self.path} was cut short while it was open")
        if self._in_doubt and not self._txs.writer_thread():
            self._take_what_is_in_the_file()
        if writable:
            self._prepare_to_write()

    def _prepare_to_write(self) -> None:
        if self._meta.txid >= _LAST_TXID:
            raise CorruptError(None, f"meta page says txid {self._meta.txid}: no transaction can follow")
        if self._freelist is not None:
            self._in_doubt = True
            self._freelist.release(self._txs.readers())
            self._in_doubt = False

    def _take_what_is_in_the_file(self) -> None:
        """Go on after an interrupted commit: from it if its meta is in the file, else from the one before."""
        self._is_settled = False  # nobody may build on a meta that a power cut could take back
        if self._storage.size() != self._mapping.size:
            self._mapping = self._map()
        self._meta = newest(both_metas(self._mapping.map, self._page_size))
        freelist = Freelist(self.options.freelist_type, array("Q"))
        # Since when each page is free is not known any more: readers of an earlier state may see all of them.
        freelist.pending[self._meta.txid - 1] = freelist.waiting = self._free_pages()
        self._freelist = freelist
        self._plain_buckets.clear()
        self._in_doubt = False
        self._log.info("%s: a commit was interrupted; the file holds txid %d", self.path, self._meta.txid)

    def _require_own_process(self) -> None:
        """Raise DatabaseNotOpenError in a forked child. It has none of its parent's threads and must wait for none."""
        if not self._closing:
            self._storage.size()

    def _require_open(self) -> None:
        if self._failure:
            raise DatabaseNotOpenError(f"database must be reopened: {self._failure}")
        if self._closing:
            raise DatabaseNotOpenError

    def _end(self, tx: Tx) -> None:
        with self._txs.lock:
            self._txs.remove(tx)
            if self.options.statistics:
                self._stats.tx_stats.add(tx._stats)

    def batch(self, fn: Callable[[Tx], T]) -> T:
        """Run `fn(tx)` in a write transaction that it shares with other threads' calls, and return its result.

        Waits up to `max_batch_delay` seconds for company. `fn` may run more than once, so it must not have effects
        outside the transaction; what it raises rolls it back alone and is raised here. An interrupt (Ctrl-C) leaves it
        open whether `fn` was committed, or still will be; it ends this call only.

        Raises:
            TxError: The thread that ran this batch was interrupted: whether it was committed is not known. Or this
                thread has a write transaction open, and would wait for itself.
            BoltError: As `begin` and `Tx.commit`.
        """
        if self.read_only:
            raise DatabaseReadOnlyError
        self._require_own_process()
        with self._txs.lock:
            if self._txs.writes_in_this_thread():
                raise TxError("this thread has a write transaction open already: it would wait for itself")
        return cast(T, self._batcher.run(fn, self._update_with))

    def _update_with(self, fn: Callable[[Tx], None]) -> None:
        with self.update() as tx:
            fn(tx)

    # -- commits -------------------------------------------------------------------------------------------------

    def _commit(self, tx: Tx) -> None:
        if not tx._open:
            raise TxClosedError  # a signal handler has closed the DB
        freelist, root, snapshot = self._freelist, tx._written_root, tx._snapshot
        if freelist is None or root is None:
            raise DatabaseReadOnlyError
        if tx._meta is not self._meta:
            raise TxClosedError("tx closed: an interrupt kept it from ending after its commit")
        self._in_doubt = True
        allocation = Allocation(freelist, self._meta.hwm, self._page_size, self.options.max_size)
        try:
            if not self._is_settled and not self.options.no_sync:
                self._settle()
            meta = self._committer.write_pages(snapshot, root, freelist, allocation)
            mapping = self._mapping
            if meta.hwm * self._page_size > mapping.size:
                mapping = self._map()
            if self.options.strict:
                self._check_strictly(Snapshot(mapping, meta), freelist, tx._freed)
        except BaseException as error:
            # Any other may come from a signal handler, in the middle of a change that only the file tells about.
            if isinstance(error, _REFUSALS):
                freelist.undo(allocation)
                self._in_doubt = False
            self._log.error("%s: txid %d was not committed: %s", self.path, self._meta.txid + 1, error)
            raise
        plain: dict[Path, LookedTo] = {}
        root._tell_plain(plain)
        try:
            self._committer.write_meta(meta, root)
        except StorageError as error:
            # The new meta may be in the file or not, and on the disk or not. Nobody must build on it unseen.
            self._failure = f"writing the meta page of txid {meta.txid} failed ({error})"
            self._log.error("%s: %s", self.path, self._failure)
            raise
        with self._txs.lock:
            freelist.committed(meta.txid, tx._freed, allocation, readers_open=self._txs.any_reader())
            self._meta, self._mapping = meta, mapping
            self._in_doubt = False
        self._plain_buckets.learn(plain)
        if self._sealer is not None:
            self._sealer.committed(Snapshot(mapping, meta), allocation.taken, tx._freed)
        self._log.debug("committed txid %d to %s", meta.txid, self.path)

    def _check_strictly(self, snapshot: Snapshot, freelist: Freelist, freed: array[int]) -> None:
        free = [*freelist.spans.ids(), *freelist.waiting, *freed]
        problems = [str(problem) for problem in Checker(snapshot.pages, snapshot.meta, free).everything()]
        if problems:
            raise CorruptError(None, "strict mode found, nothing was committed: " + "; ".join(problems[:20]))

    def _freelist_is_loaded(self) -> bool:
        return self._freelist is not None

    # -- the rest ------------------------------------------------------------------------------------------------

    def sync(self) -> None:
        """Make sure that everything committed is on the disk; of use with `no_sync`.

        Raises:
            DatabaseNotOpenError: The DB was closed, or must be reopened.
            StorageError: The system failed to sync. What was committed since the last sync may be on the disk or
                not: the DB must be reopened, and with `no_sync` it may be damaged on the disk.
        """
        self._require_open()
        try:
            if self._is_settled or self.read_only:
                self._storage.sync()
                return
            with self._txs.lock:
                if self._txs.writer_thread() is not this_thread():
                    self._txs.wait_for_writer()
                    self._require_open()
                self._settle()
        except StorageError as error:
            self._failure = f"a sync failed ({error})"
            raise

    def _settle(self) -> None:
        self._committer.settle(self._meta)
        self._is_settled = True

    def stats(self) -> Stats:
        """Return a copy of the counters and of the freelist's gauges (zeros without `statistics`)."""
        if not self.options.statistics:
            return Stats()
        with self._txs.lock:
            freelist = self._freelist
            free, pending = (len(freelist.spans), len(freelist.waiting)) if freelist else (0, 0)
            return Stats(
                free_page_n=free,
                pending_page_n=pending,
                free_alloc=(free + pending) * self._page_size,
                freelist_inuse=freelist.stored_bytes() if freelist else 0,
                tx_n=self._stats.tx_n,
                open_tx_n=len(self._txs.readers()),
                tx_stats=self._stats.tx_stats + TxStats(),
            )

    def info(self) -> Info:
        """Return the page size and the mapped size.

        Raises:
            DatabaseNotOpenError: The DB was closed.
        """
        self._require_open()
        return Info(self._page_size, self._mapping.size)

    @property
    def sealed_txid(self) -> Txid | None:
        """The last commit that the seal has; None without the option `seal`. Behind the last one if sealing failed."""
        return None if self._sealer is None else self._sealer.txid

    def close(self) -> None:
        """Give back the lock and the file. A second call does nothing.

        Waits until the transactions of other threads have ended; those of the calling thread are rolled back. From
        the moment of the call on, new transactions are refused.

        Raises:
            TxError: A signal handler calls this in the middle of a commit of its thread. The DB stays open.
        """
        try:
            self._require_own_process()
        except DatabaseNotOpenError:
            self._storage.close()
            return
        except StorageError:  # it can be closed all the same
            pass
        with self._txs.lock:
            if self._in_doubt and self._txs.writes_in_this_thread():
                raise TxError("this thread is committing: close the database when that has ended")
            self._closing = True
            self._txs.end_all()
            vars(self).pop("_mapping", None)  # a second call, after an interrupted one, finds it gone
        self._storage.close()
        self._log.info("closed %s", self.path)
