"""The steps of a commit, in the order that makes it safe.

 0 the first commit after opening: write the meta that it builds on, sync. What the system shows may not be on the disk
 1 spill: merge the changes of all buckets into pages and write them, children first, to pages that are free
 2 lay out the freelist page: free and pending ids, and those that this commit frees
 3 grow the file, if the high-water mark rose
 4 sync: data pages and length are on the disk
 5 strict mode: check the file as it will be
 6 write the meta into slot txid % 2, sync

Until step 6 lands, a crash leaves the previous commit: nothing that it uses was written over. A torn meta fails its
checksum and the other slot wins. bbolt grows before it writes; here the pages leave while they are made, and the
file is brought to its length afterwards, which is the same once step 4 is done.
"""

from __future__ import annotations

from array import array
from time import perf_counter
from typing import NamedTuple, Protocol

from . import hot
from .bucket_state import BucketState
from .format import BUCKET_HEADER, NO_FREELIST, Pgid, Txid
from .freelist import Allocation, Freelist, descending
from .freelist_page import own_pages
from .meta import Meta
from .options import Options
from .spill import spill
from .storage import Storage
from .tree import Snapshot

_SMALLEST_MAP = 32 * 1024
_LARGEST_STEP = 1024 * 1024 * 1024


def map_size_for(size: int, page_size: int) -> int:
    """Return the size that bbolt would map for `size` bytes: a power of two up to 1 GiB, then whole GiB.

    Here only the growth of the file follows it.
    """
    if size <= _LARGEST_STEP:
        return max(_SMALLEST_MAP, 1 << (size - 1).bit_length())
    whole = -(-size // _LARGEST_STEP) * _LARGEST_STEP
    return -(-whole // page_size) * page_size


class Growth(NamedTuple):
    """How long the file is to be after a commit, and the map size that the next commit starts from."""

    file_size: int
    map_size: int


def growth(hwm: Pgid, page_size: int, file_size: int, map_size: int, options: Options) -> Growth:
    """Return the next length of a file whose high-water mark rose to `hwm`. Sizes in bytes."""
    wanted = (hwm + 1) * page_size
    if wanted >= map_size:
        map_size = map_size_for(max(file_size, wanted), page_size)
    if wanted <= file_size:
        return Growth(file_size, map_size)
    size = map_size if map_size <= options.alloc_size else wanted + options.alloc_size
    if options.max_size:
        # Growing ahead of need must not break the limit that the pages themselves respect.
        size = max(min(size, options.max_size), hwm * page_size)
    return Growth(size, map_size)


class Sealer(Protocol):
    """What keeps the seal of a DB that has the option `seal`.

    Attributes:
        txid: The last commit that is in the seal.
    """

    txid: Txid

    def committed(self, snapshot: Snapshot, taken: array[Pgid], freed: array[Pgid]) -> None:
        """Take note of a commit that is on the disk: its state, what it took of the freelist, and what it freed."""


class Committer:
    """Writes transactions of one DB. Used under its write lock.

    Attributes:
        map_size: bbolt's map size for this file, which its growth steps follow.
    """

    def __init__(self, storage: Storage, options: Options, page_size: int, map_size: int) -> None:
        self._storage = storage
        self._options = options
        self._page_size = page_size
        self._merger = hot.new_merger(page_size)
        self.map_size = map_size

    def settle(self, meta: Meta) -> None:
        """Do step 0: make sure that the state that is in the file, and that a commit is to build on, is on the disk.

        A process that was killed before its last sync, or whose sync failed, leaves a meta that the system shows and
        the disk may not have. Pages that this meta calls free are in use by the one before it, and would be written
        over. After a failed sync the system takes its pages for clean and may forget them, hence the write, from
        memory. The slot is the one that the next commit leaves alone.

        Raises:
            StorageError: Nothing was changed.
        """
        slot = meta.txid % 2
        self._storage.write(slot * self._page_size, meta.encode(slot, hot.fnv1a))
        self._storage.sync()

    def write_pages(self, snapshot: Snapshot, root: BucketState, freelist: Freelist, allocation: Allocation) -> Meta:
        """Do steps 1 to 4 and return the meta to be written.

        Raises:
            BoltError: Nothing is visible to anybody; the caller gives back what was allocated.
        """
        tx, old = root._tx, snapshot.meta
        stats = tx._stats
        started = perf_counter()
        self._merger.begin(allocation, self._storage.write)
        value = spill(root, self._merger)
        root_page, sequence = (old.root, old.sequence) if value is None else BUCKET_HEADER.unpack_from(value)
        self._free_old_freelist(snapshot, root)
        tx._freed = descending(tx._freed)
        allocation.waiting = freelist.with_freed(tx._freed)
        freelist_page = NO_FREELIST
        if not self._options.no_freelist_sync:
            # One page more than needed where the ids fill the last one: bbolt's formula, kept for equal files.
            count = freelist.stored_bytes(len(tx._freed)) // self._page_size + 1
            freelist_page = allocation.allocate(count)
            self._merger.put(freelist_page, freelist.encode(freelist_page, count, self._page_size, allocation.waiting))
            stats.page_count += count
            stats.page_alloc += count * self._page_size
        self._merger.flush()
        stats.write += self._merger.writes
        stats.write_time += self._merger.write_time
        stats.spill_time += perf_counter() - started
        if allocation.hwm > old.hwm:
            size_before = self._storage.size()  # pages written behind its end made it longer, but not as long as wanted
            grown = growth(allocation.hwm, self._page_size, size_before, self.map_size, self._options)
            self.map_size = grown.map_size
            if grown.file_size > size_before and not self._options.no_grow_sync:
                self._storage.grow(grown.file_size)
                if self._options.no_sync:  # which leaves out step 4, but not the sync of the length, as in bbolt
                    self._storage.sync()
        if not self._options.no_sync:
            self._sync(root)
        return Meta(old.page_size, old.flags, root_page, sequence, freelist_page, allocation.hwm, old.txid + 1)

    def write_meta(self, meta: Meta, root: BucketState) -> None:
        """Do step 6.

        Raises:
            StorageError: The meta may be in the file or not.
        """
        slot = meta.txid % 2
        self._storage.write(slot * self._page_size, meta.encode(slot, hot.fnv1a))
        root._tx._stats.write += 1
        if not self._options.no_sync:
            self._sync(root)

    def _sync(self, root: BucketState) -> None:
        begun = perf_counter()
        self._storage.sync()
        root._tx._stats.write_time += perf_counter() - begun

    def _free_old_freelist(self, snapshot: Snapshot, root: BucketState) -> None:
        pgid = snapshot.meta.freelist
        if pgid == NO_FREELIST:
            return
        root._tx._freed.extend(own_pages(snapshot.map, pgid, self._page_size, snapshot.meta.hwm))
