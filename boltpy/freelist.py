"""Free and pending pages: released for reuse, allocated to a commit, stored in the freelist page.

Pages that a transaction frees go to *pending*, not to *free*: a reader that began before it may still walk them.
They turn free when no open reader can see them any more. Allocation is in spans.py; this module knows no bucket.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import chain, takewhile
from operator import neg

from .errors import CorruptError, MaxSizeReachedError
from .format import FREELIST, FREELIST_COUNT_OVERFLOW, PAGE_HEADER, PGID, Pgid, Txid
from .freelist_page import own_pages, stored_bytes, stored_ids
from .hot import Map, merge_ids, store_ids
from .spans import new_spans

_NEVER = 2**64 - 1


def descending(ids: Iterable[Pgid]) -> array[int]:
    """Return ids as a descending array."""
    return array("Q", sorted(ids, reverse=True))


class Freelist:
    """The free and pending pages of an open database. Used under the write lock."""

    def __init__(self, freelist_type: str, free: array[int]) -> None:
        """Start with the descending ids in `free`."""
        self.spans = new_spans(freelist_type)
        self.spans.add(free)
        self.pending: dict[Txid, array[int]] = {}  # by what freed them, the oldest first; descending ids
        self.waiting = array("Q")  # all that are pending, descending
        # Which transaction took a page from the freelist. Kept only while readers are open: a page that was taken and
        # freed between two readers is seen by neither and need not wait for the older one.
        self._taken_by: dict[Pgid, Txid] = {}
        self._readers: set[Txid] = set()
        self._looked_to: Txid = 0  # what this transaction and those before it freed is seen by one of _readers

    def release(self, readers: list[Txid]) -> None:
        """Free the pending pages that no reader can see.

        Args:
            readers: The txids of all open readers, ascending.
        """
        oldest = readers[0] if readers else _NEVER
        released: list[array[int]] = []
        while self.pending and (txid := next(iter(self.pending))) < oldest:
            released.append(self.pending.pop(txid))
        if not readers:
            self._taken_by = {}
        elif self._taken_by:
            released += self._seen_by_none(readers)
        if not released:
            return
        ids = descending(chain(*released))
        self.spans.add(ids)
        if self.pending:
            free = set(ids)
            self.waiting = array("Q", [pgid for pgid in self.waiting if pgid not in free])
        else:
            self.waiting = array("Q")

    def _seen_by_none(self, readers: list[Txid]) -> list[array[int]]:
        """Take from the pending pages those that came and went between two readers."""
        now = set(readers)
        # What an open reader sees needs no second look.
        looked_to = self._looked_to if self._readers <= now else 0
        self._readers, self._looked_to = now, next(reversed(self.pending), 0)
        taken_by = self._taken_by.get
        found = []
        for txid in list(takewhile(looked_to.__lt__, reversed(self.pending))):
            ids, last = self.pending[txid], readers[bisect_right(readers, txid) - 1]
            unseen = array("Q", [pgid for pgid in ids if taken_by(pgid, 0) > last])
            if unseen:
                found.append(unseen)
                self.pending[txid] = array("Q", [pgid for pgid in ids if taken_by(pgid, 0) <= last])
                for pgid in unseen:
                    del self._taken_by[pgid]
        return found

    def with_freed(self, freed: array[int]) -> array[int]:
        """Return the pending pages, and those in `freed`, descending as both.

        Raises:
            CorruptError: A page of one is in the other too.
        """
        return merge_ids(self.waiting, freed) if self.waiting else freed

    def stored_bytes(self, extra: int = 0) -> int:
        """Return the bytes of the freelist page if `extra` more ids were in it, header included."""
        return stored_bytes(len(self.spans) + len(self.waiting) + extra)

    def encode(self, pgid: Pgid, page_count: int, page_size: int, waiting: array[int]) -> bytes:
        """Return the freelist page: all free ids and those in `waiting`, which are descending; all ascending.

        Raises:
            CorruptError: A page is in there twice.
        """
        free = self.spans.ids()
        stored = store_ids(free, waiting)
        count = len(free) + len(waiting)
        header = PAGE_HEADER.pack(pgid, FREELIST, min(count, FREELIST_COUNT_OVERFLOW), page_count - 1)
        length = PGID.pack(count) if count >= FREELIST_COUNT_OVERFLOW else b""
        size = len(header) + len(length) + len(stored)
        return b"".join([header, length, stored, bytes(page_count * page_size - size)])

    def committed(self, txid: Txid, freed: array[int], allocation: Allocation, *, readers_open: bool) -> None:
        """Take note of what a commit freed, descending ids, and of what it took and let wait."""
        if freed:
            self.pending[txid] = freed
            self.waiting = allocation.waiting
        if readers_open:
            self._taken_by.update(dict.fromkeys(allocation.taken, txid))

    def undo(self, allocation: Allocation) -> None:
        """Give back what a failed commit took. An interrupt may have left a page noted and yet in its place."""
        self.spans.add(descending(set(allocation.taken).difference(self.spans.ids())))


class Allocation:
    """The pages of one commit: free ones first, then new ones at the high-water mark (a hot.Allocator)."""

    def __init__(self, freelist: Freelist, hwm: Pgid, page_size: int, max_size: int) -> None:
        """Allocate from `freelist` and from `hwm` on, up to `max_size` bytes (0: no limit)."""
        self._spans = freelist.spans
        self._page_size = page_size
        self._max_size = max_size
        self.taken = array("Q")
        self.waiting = freelist.waiting  # what is pending after the commit
        self.hwm = hwm
        self._limit = max_size // page_size if max_size else 2**63
        self.hwm_limit = self._limit if self._spans.direct else 0

    @property
    def pool(self) -> array[int]:
        """Where single pages may be taken from directly, from its end."""
        return self._spans.pool

    def allocate(self, count: int) -> Pgid:
        """Return the first of `count` neighbouring pages.

        Raises:
            MaxSizeReachedError: Growing would pass `max_size`. Nothing was taken.
        """
        pgid = self._spans.take(count)
        if pgid:
            self.taken.extend(range(pgid, pgid + count))
            return pgid
        if self.hwm + count > self._limit:
            raise MaxSizeReachedError((self.hwm + count) * self._page_size, self._max_size)
        pgid = self.hwm
        self.hwm += count
        return pgid


def decode(source: Map, pgid: Pgid, page_size: int, hwm: Pgid) -> array[int]:
    """Return the ids in the freelist page `pgid` of a mapped file, descending.

    Raises:
        CorruptError: As `stored_ids` and `own_pages`, or an id is there twice, out of range, or of a page of its own.
    """
    ids = stored_ids(source, pgid, page_size, hwm)
    try:
        ids = merge_ids(ids[::-1], array("Q"))
    except CorruptError:  # bolt sorts what it loads: a list out of order is no damage, an id twice is
        ids = merge_ids(descending(ids), array("Q"))
    if ids and not (ids[-1] >= 2 and ids[0] < hwm):
        raise CorruptError(pgid, f"freelist holds page {ids[0] if ids[0] >= hwm else ids[-1]}, which cannot be free")
    own = own_pages(source, pgid, page_size, hwm)
    first = bisect_left(ids, -own[-1], key=neg)
    if first < len(ids) and ids[first] in own:
        raise CorruptError(pgid, f"freelist holds page {ids[first]}, which it takes itself")
    return ids
