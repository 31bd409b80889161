"""What is on a page that nobody vouches for: its pairs, children or page ids, with each number checked first."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator

from .errors import CorruptError
from .format import (
    FREELIST_COUNT_OVERFLOW,
    HEADER_SIZE,
    PGID,
    Pgid,
)
from .hot.raw_page import OVERLAP, Element, RawPage, corrupt, raw_page
from .raw_file import PageHeader


def tree_page(header: PageHeader, data: bytes) -> RawPage:
    """Return a leaf or branch page.

    Args:
        header: What the page says of itself.
        data: Its bytes, overflow pages included.

    Raises:
        CorruptError: It says that it has more elements than fit, or is no leaf and no branch.
    """
    return raw_page(data, 0, header.id, len(data), header.overflow + 1)


def elements(page: RawPage) -> Iterator[Element]:
    """Yield the elements of a page, which together take no more bytes than it has.

    Raises:
        CorruptError: One lies outside of the page, has no key, or shares bytes with another.
    """
    used = 0
    for index in range(page.item_count):
        element = page.element(index)
        used += element.ksize + element.vsize
        if used > page.size:  # else a small page of a hostile file could print without end
            raise corrupt(OVERLAP, page.pgid, index)
        yield element


def key_of(page: RawPage, element: Element) -> bytes:
    """Return the key of an element that was checked."""
    return bytes(page.map[element.key_at : element.value_at])


def freelist_ids(header: PageHeader, data: bytes) -> array[Pgid]:
    """Return the page ids on a freelist page, as they stand there.

    Raises:
        CorruptError: It says that it has more than fit.
    """
    count, at = header.item_count, HEADER_SIZE
    if count == FREELIST_COUNT_OVERFLOW:
        count = PGID.unpack_from(data, at)[0]
        at += PGID.size
    if at + count * PGID.size > len(data):
        raise CorruptError(header.id, f"freelist says it has {count} ids, more than fit")
    ids = array("Q", data[at : at + count * PGID.size])
    if sys.byteorder == "big":
        ids.byteswap()
    return ids
