"""The freelist page as it stands in a file: its ids, and the pages that it takes itself."""

from __future__ import annotations

import sys
from array import array

from .errors import CorruptError
from .format import FREELIST, FREELIST_COUNT_OVERFLOW, HEADER_SIZE, PAGE_HEADER, PGID, Pgid
from .hot import Map


def stored_bytes(count: int) -> int:
    """Return the bytes of a freelist page with so many ids, header included."""
    return HEADER_SIZE + PGID.size * (count + (count >= FREELIST_COUNT_OVERFLOW))


def stored_ids(source: Map, pgid: Pgid, page_size: int, hwm: Pgid) -> array[int]:
    """Return the ids in a freelist page as they stand there.

    Raises:
        CorruptError: It is no freelist page, or reaches past the file.
    """
    at = pgid * page_size
    if pgid >= hwm or at + page_size > len(source):
        raise CorruptError(pgid, "the freelist page lies beyond the end of the file")
    own_id, flags, count, overflow = PAGE_HEADER.unpack_from(source, at)
    if own_id != pgid or flags != FREELIST:
        raise CorruptError(pgid, f"invalid freelist page: id {own_id}, flags {flags:x}")
    end = min((pgid + overflow + 1), hwm) * page_size
    at += HEADER_SIZE
    if count == FREELIST_COUNT_OVERFLOW:
        count = PGID.unpack_from(source, at)[0]
        at += PGID.size
    if at + count * PGID.size > min(end, len(source)):
        raise CorruptError(pgid, f"freelist says it has {count} ids, more than fit")
    ids = array("Q", bytes(source[at : at + count * PGID.size]))
    if sys.byteorder == "big":
        ids.byteswap()
    return ids


def own_pages(source: Map, pgid: Pgid, page_size: int, hwm: Pgid) -> range:
    """Return the pages that a freelist takes itself. They are free as soon as the next one is written.

    Raises:
        CorruptError: They do not exist, or are more than a freelist with so many ids was ever given.
    """
    at = pgid * page_size
    _, _, count, overflow = PAGE_HEADER.unpack_from(source, at)
    if overflow >= hwm - pgid:
        raise CorruptError(pgid, f"freelist page says it has {overflow} overflow pages, which do not exist")
    if count == FREELIST_COUNT_OVERFLOW:
        count = PGID.unpack_from(source, at + HEADER_SIZE)[0]
    if overflow > most_overflow(count, overflow, page_size):
        raise CorruptError(pgid, f"freelist page says it has {overflow} overflow pages, but {count} ids take fewer")
    return range(pgid, pgid + overflow + 1)


def most_overflow(count: int, overflow: int, page_size: int) -> int:
    """Return the most overflow pages that go with so many ids.

    bolt reckons how many pages it needs while those that it then takes are free and count as ids.
    """
    return stored_bytes(count + overflow + 1) // page_size
