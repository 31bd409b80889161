"""Checked access to the pages of a mapped file, in Python.

Every number that comes from a page is checked before it is used; what breaks the format is a CorruptError with the
page and the reason. The C kernels make the same checks and name a reason by its index.
"""

from __future__ import annotations

from mmap import mmap
from typing import Final, NamedTuple

from ..errors import CorruptError
from ..format import (
    BRANCH,
    BRANCH_ELEMENT,
    BUCKET_HEADER,
    BUCKET_HEADER_SIZE,
    ELEMENT_SIZE,
    HEADER_SIZE,
    LEAF,
    LEAF_ELEMENT,
    MAX_DEPTH,
    PAGE_HEADER,
    Pgid,
)

Map = mmap | bytes | bytearray | memoryview

# What a kernel found wrong. The C kernels name a reason by its index here (enum E_...).
REASONS: Final = (
    "",
    "pgid is not between 2 and the high-water mark {info}",
    "lies beyond the end of the file ({info} bytes are mapped)",
    "identifies itself as page {info}",
    "has unexpected type/flags: {info:x}",
    "says it has {info} overflow pages, which do not exist",
    "says it has {info} elements, more than fit",
    "element {info} reaches past the end of the page",
    "element {info} has a key of no bytes",
    "lies deeper than {info} levels: the tree has a cycle",
    "has no elements",
    "element {info} is out of key order, or the page is in the tree twice",
    "inline bucket of {info} bytes is cut short",
    "inline bucket is no leaf but has flags {info:x}",
    "element {info} shares bytes with another: together they take more than the page has",
    "multiple references",
)
(
    _,
    BEYOND_HWM,
    BEYOND_FILE,
    WRONG_ID,
    WRONG_TYPE,
    BAD_OVERFLOW,
    BAD_COUNT,
    BAD_ELEMENT,
    NO_KEY,
    TOO_DEEP,
    EMPTY,
    OUT_OF_ORDER,
    BAD_INLINE,
    INLINE_TYPE,
    OVERLAP,
    MET_TWICE,
) = range(len(REASONS))


def corrupt(code: int, pgid: Pgid, info: int) -> CorruptError:
    """Return the error for one of REASONS."""
    return CorruptError(pgid, REASONS[code].format(info=info))


class Source:
    """A mapped file, as one transaction sees it. `length` becomes 0 when the transaction ends."""

    __slots__ = ("hwm", "length", "map", "page_size")

    def __init__(self, buffer: Map, length: int, hwm: Pgid, page_size: int) -> None:
        self.map = buffer
        self.length = length
        self.hwm = hwm
        self.page_size = page_size


class Tree(NamedTuple):
    """The tree of one bucket: at `root`, or an inline page image in the map, or nothing if both are 0."""

    source: Source
    root: Pgid
    sequence: int
    inline_at: int
    inline_len: int


class BucketRef(NamedTuple):
    """Where a bucket's tree is: a root page, or an inline page image in the map, or nothing yet."""

    root: Pgid = 0
    sequence: int = 0
    inline_at: int = 0
    inline_len: int = 0


def bucket_ref(source: Map, value_at: int, vsize: int) -> BucketRef:
    """Decode the value of a bucket entry.

    Raises:
        CorruptError: It is too short to be a bucket.
    """
    if vsize < BUCKET_HEADER_SIZE:
        raise CorruptError(None, f"a bucket's value has {vsize} bytes, it needs {BUCKET_HEADER_SIZE}")
    root, sequence = BUCKET_HEADER.unpack_from(source, value_at)
    if root:
        return BucketRef(root, sequence)
    return BucketRef(0, sequence, value_at + BUCKET_HEADER_SIZE, vsize - BUCKET_HEADER_SIZE)


class Element(NamedTuple):
    """One element of a page; key_at and value_at are bytes into the page's buffer."""

    key_at: int
    ksize: int
    value_at: int
    vsize: int
    flags: int
    child: Pgid


class RawPage(NamedTuple):
    """A checked page header. The page's bytes are map[at : at + size]."""

    map: Map
    at: int
    size: int
    pgid: Pgid
    is_leaf: bool
    item_count: int
    pages: int

    def element(self, i: int) -> Element:
        """Return element i, checked to lie inside the page."""
        at = self.at + HEADER_SIZE + i * ELEMENT_SIZE
        if self.is_leaf:
            flags, pos, ksize, vsize = LEAF_ELEMENT.unpack_from(self.map, at)
            child = 0
        else:
            pos, ksize, child = BRANCH_ELEMENT.unpack_from(self.map, at)
            flags = vsize = 0
        key_at = at + pos
        if key_at + ksize + vsize > self.at + self.size:
            raise corrupt(BAD_ELEMENT, self.pgid, i)
        if not ksize:
            raise corrupt(NO_KEY, self.pgid, i)
        return Element(key_at, ksize, key_at + ksize, vsize, flags, child)

    def key(self, i: int) -> bytes:
        """Return the key of element i."""
        e = self.element(i)
        return bytes(self.map[e.key_at : e.value_at])

    def lower_bound(self, key: bytes, lo: int = 0) -> tuple[int, bool]:
        """Return the first index from lo on whose key is not below `key`, and whether it is `key`."""
        hi = self.item_count
        while lo < hi:
            mid = (lo + hi) // 2
            found = self.key(mid)
            if found < key:
                lo = mid + 1
            elif found == key:
                return mid, True
            else:
                hi = mid
        return lo, False

    def child_slot(self, key: bytes, lo: int = 0) -> int:
        """Return the child that holds `key`: the last whose key is not above it, or the first of all."""
        i, found = self.lower_bound(key, lo)
        return i if found else max(i - 1, lo)


def raw_page(buffer: Map, at: int, pgid: Pgid, size: int, pages: int) -> RawPage:
    """Check the header at `at` of a page or page image of `size` bytes."""
    _, flags, count, _ = PAGE_HEADER.unpack_from(buffer, at)
    if flags not in (LEAF, BRANCH):
        raise corrupt(WRONG_TYPE, pgid, flags)
    if HEADER_SIZE + count * ELEMENT_SIZE > size:
        raise corrupt(BAD_COUNT, pgid, count)
    return RawPage(buffer, at, size, pgid, flags == LEAF, count, pages)


def load_page(source: Source, pgid: Pgid) -> RawPage:
    """Return the branch or leaf page `pgid`, its header checked."""
    page_size, mapped = source.page_size, source.length // source.page_size
    if not 2 <= pgid < source.hwm:
        raise corrupt(BEYOND_HWM, pgid, source.hwm)
    if pgid >= mapped:
        raise corrupt(BEYOND_FILE, pgid, source.length)
    at = pgid * page_size
    own_id, _, _, overflow = PAGE_HEADER.unpack_from(source.map, at)
    if own_id != pgid:
        raise corrupt(WRONG_ID, pgid, own_id)
    if overflow >= source.hwm - pgid or overflow >= mapped - pgid:
        raise corrupt(BAD_OVERFLOW, pgid, overflow)
    return raw_page(source.map, at, pgid, (overflow + 1) * page_size, overflow + 1)


def load_inline(buffer: Map, at: int, size: int) -> RawPage:
    """Return the page image of an inline bucket: one leaf, with no id and no overflow."""
    if size < HEADER_SIZE:
        raise corrupt(BAD_INLINE, 0, size)
    page = raw_page(buffer, at, 0, size, 0)
    if not page.is_leaf:
        raise corrupt(INLINE_TYPE, 0, BRANCH)
    return page


def load_root(tree: Tree) -> RawPage | None:
    """Return the root page of a tree; None for a bucket without any page."""
    if tree.root:
        return load_page(tree.source, tree.root)
    if not tree.inline_len:
        return None
    if tree.inline_at + tree.inline_len > tree.source.length:
        raise corrupt(BAD_INLINE, 0, tree.inline_len)
    return load_inline(tree.source.map, tree.inline_at, tree.inline_len)


def load_child(source: Source, page: RawPage, slot: int, depth: int) -> RawPage:
    """Return a child of a branch that lies `depth` levels below the root."""
    child = page.element(slot).child
    if depth >= MAX_DEPTH:
        raise corrupt(TOO_DEEP, child, MAX_DEPTH)
    loaded = load_page(source, child)
    if not loaded.item_count:
        raise corrupt(EMPTY, child, 0)
    return loaded
