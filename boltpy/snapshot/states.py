"""The pages of one state of a database: those that its trees and its freelist use."""

from __future__ import annotations

from array import array

from ..errors import CorruptError
from ..format import NO_FREELIST, Pgid
from ..freelist_page import own_pages, stored_ids
from ..hot import marked
from ..tree import Snapshot


def freelist_pages(snapshot: Snapshot) -> range:
    """Return the pages of the freelist; none if it is not stored.

    Raises:
        CorruptError: As `stored_ids` and `own_pages`.
    """
    meta = snapshot.meta
    if meta.freelist == NO_FREELIST:
        return range(0)
    stored_ids(snapshot.map, meta.freelist, meta.page_size, meta.hwm)
    own = own_pages(snapshot.map, meta.freelist, meta.page_size, meta.hwm)
    return own[: max(len(snapshot.map) // meta.page_size - meta.freelist, 0)]


def state_pages(snapshot: Snapshot) -> array[Pgid]:
    """Return the pages of a state, ascending: of all trees and of the freelist, without the metas.

    They are found by walking the trees. A damaged freelist could call a page free that is in use.

    Raises:
        CorruptError: The file ends before its high-water mark, a page breaks the format, or two trees share one.
    """
    end = snapshot.meta.hwm * snapshot.meta.page_size
    if end > len(snapshot.map):
        raise CorruptError(None, f"the file ends at byte {len(snapshot.map)}, its pages at {end}")
    marks = snapshot.tree_marks()
    for pgid in freelist_pages(snapshot):
        marks[pgid // 8] |= 1 << pgid % 8
    return marked(marks, int.from_bytes(marks, "little").bit_count())[2:]
