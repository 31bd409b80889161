"""What each page of a file is used for: a picture of the whole file, in any number of cells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from .format import BRANCH, FREELIST, LEAF, META, PAGE_HEADER
from .tx import Tx

KINDS: Final = ("meta", "branch", "leaf", "overflow", "freelist", "free", "unknown")

_OVERFLOW: Final = KINDS.index("overflow")
_FREE: Final = KINDS.index("free")
_UNKNOWN: Final = KINDS.index("unknown")
_RARE: Final = (KINDS.index("meta"), KINDS.index("freelist"), _UNKNOWN)
_KIND_OF: Final = {META: 0, BRANCH: 1, LEAF: 2, FREELIST: 4}


def page_kinds(tx: Tx) -> bytearray:
    """Return the kind of each page below the high-water mark, as far as the file goes: an index into KINDS.

    It is what the freelist and the headers of the pages say; `check` tells if that is true.

    Raises:
        CorruptError: The freelist breaks the format.
    """
    pages = tx._snapshot.pages
    count = min(tx._meta.hwm, pages.length // pages.page_size)
    kinds = bytearray([_UNKNOWN]) * count
    for pgid in tx._free_now():
        if pgid < count:
            kinds[pgid] = _FREE
    pgid = 0
    while pgid < count:
        if kinds[pgid] != _FREE:
            _, flags, _, overflow = PAGE_HEADER.unpack_from(pages.map, pgid * pages.page_size)
            kinds[pgid] = _KIND_OF.get(flags, _UNKNOWN)
            if overflow and kinds[pgid] != _UNKNOWN:
                behind = min(overflow, count - pgid - 1)
                kinds[pgid + 1 : pgid + 1 + behind] = bytes([_OVERFLOW]) * behind
                pgid += behind
        pgid += 1
    return kinds


def runs(kinds: bytearray) -> Iterator[tuple[str, int, int]]:
    """Yield (kind, first page, number of pages) of each run of pages of one kind."""
    first = 0
    while first < len(kinds):
        stripped = kinds[first:].lstrip(kinds[first : first + 1])
        behind = len(kinds) - len(stripped)
        yield KINDS[kinds[first]], first, behind - first
        first = behind


def cells(kinds: bytearray, pages_per_cell: int) -> Iterator[tuple[str, bool]]:
    """Yield for each cell the kind that most of its pages are of, and whether all are; a rare kind is never hidden."""
    for first in range(0, len(kinds), pages_per_cell):
        found = Counter(kinds[first : first + pages_per_cell])
        kind = max(found, key=lambda kind: (kind in _RARE, found[kind], -kind))
        yield KINDS[kind], len(found) == 1
