"""The reading kernels in Python: what `kernels.c` does fast, said plainly. This is their specification.

A kernel gets a Source (a mapped file as one transaction sees it) or a Tree (one bucket in it) and trusts nothing
in it: every page and element is checked before it is used, and what breaks the format is a CorruptError with the
page's number. Keys and values are told as places in the map, so that nothing is copied that nobody asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from mmap import mmap
from typing import Final, NamedTuple

from ..errors import CorruptError
from ..format import (
    BRANCH,
    BRANCH_ELEMENT,
    BUCKET_ENTRY,
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
) = range(len(REASONS))

# Answers of get(): no place in the map.
MISSING: Final = -1
IS_BUCKET: Final = -2
ASK_FIND: Final = -3
SIZE_BITS: Final = 24
SIZE_MASK: Final = (1 << SIZE_BITS) - 1

# How to scan.
SCAN_REVERSE: Final = 1
SCAN_EXCLUSIVE: Final = 2
SCAN_BUCKETS: Final = 4


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
    inline_at: int
    inline_len: int


class Found(NamedTuple):
    """Where an item lies in the map."""

    key_at: int
    value_at: int
    ksize: int
    vsize: int
    flags: int


class Run(NamedTuple):
    """Items of equal sizes side by side in the map, from `at` upward."""

    at: int
    count: int
    ksize: int
    vsize: int
    flags: int


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
    count: int
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
        hi = self.count
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
    if not loaded.count:
        raise corrupt(EMPTY, child, 0)
    return loaded


def fnv1a(data: bytes) -> int:
    """Return the FNV-1a 64 hash of some bytes, bolt's checksum of a meta page."""
    h = 0xCBF29CE484222325
    for byte in data:
        h = ((h ^ byte) * 0x100000001B3) & 0xFFFF_FFFF_FFFF_FFFF
    return h


def attach(buffer: Map) -> Map:
    """Return what a Source needs of a mapped file; keep it as long as the Source is used."""
    return buffer


def source(handle: Map, length: int, hwm: Pgid, page_size: int) -> Source:
    """Return a Source over the first `length` bytes of an attached buffer."""
    return Source(handle, length, hwm, page_size)


def detach(source: Source) -> None:
    """Make every later look into the source fail: its transaction has ended."""
    source.length = 0


def tree(source: Source, root: Pgid, inline_at: int, inline_len: int) -> Tree:
    """Return the Tree of one bucket."""
    return Tree(source, root, inline_at, inline_len)


def find(tree: Tree, key: bytes) -> Found | None:
    """Return where the item with this key lies, or None.

    Raises:
        CorruptError: A page on the way breaks the format.
    """
    page = load_root(tree)
    depth = 0
    while page is not None:
        if page.is_leaf:
            i, found = page.lower_bound(key)
            if not found:
                return None
            e = page.element(i)
            return Found(e.key_at, e.value_at, e.ksize, e.vsize, e.flags)
        depth += 1
        page = load_child(tree.source, _not_empty(page), page.child_slot(key), depth)
    return None


def get(tree: Tree, key: bytes, _size: int) -> int:
    """Return `value_at << SIZE_BITS | vsize`, or MISSING, IS_BUCKET, or ASK_FIND where find() must tell more."""
    try:
        found = find(tree, key)
    except CorruptError:
        return ASK_FIND
    if found is None:
        return MISSING
    if found.flags & BUCKET_ENTRY:
        return IS_BUCKET
    if found.value_at >> 39 or found.vsize >> SIZE_BITS:
        return ASK_FIND
    return found.value_at << SIZE_BITS | found.vsize


def get_many(tree: Tree, keys: list[bytes]) -> list[int]:
    """Return get() of each key."""
    return [get(tree, key, len(key)) for key in keys]


def scan(
    tree: Tree, key: bytes | None, bound: bytes | None, how: int, max_items: int
) -> tuple[list[Run], bytes | None, bool]:
    """Return runs of items in key order, from `key` on (None: from the end that `how` says) until `bound`.

    Forward the bound is the first key left out; in reverse it is the last key that belongs to the range.

    Args:
        how: SCAN_REVERSE walks down; SCAN_EXCLUSIVE leaves `key` itself out; SCAN_BUCKETS tells nested buckets only.
        max_items: Look at this many items at most.

    Returns:
        The runs, the key of the last item looked at (where to go on, exclusively), and whether the range is done.

    Raises:
        CorruptError: A page on the way breaks the format, or the keys are out of order.
    """
    reverse, strict = bool(how & SCAN_REVERSE), bool(how & SCAN_EXCLUSIVE)
    runs: list[Run] = []
    seen = 0
    last = key
    for page, i in _items_from(tree, key, how):
        e = page.element(i)
        found = bytes(page.map[e.key_at : e.value_at])
        if bound is not None and (found < bound if reverse else found >= bound):
            break
        if seen == max_items:
            return runs, last, False
        if last is not None and (found > last if reverse else found < last) or (found == last and strict):
            raise corrupt(OUT_OF_ORDER, page.pgid, i)
        strict = True
        seen += 1
        last = found
        if not how & SCAN_BUCKETS or e.flags & BUCKET_ENTRY:
            _add_to_runs(runs, Run(e.key_at, 1, e.ksize, e.vsize, e.flags), reverse)
    return runs, last if seen else None, True


def _not_empty(page: RawPage) -> RawPage:
    if not page.count:
        raise corrupt(EMPTY, page.pgid, 0)
    return page


def _items_from(tree: Tree, key: bytes | None, how: int) -> Iterator[tuple[RawPage, int]]:
    """Yield (leaf, index) from the first item of the range on, leaf after leaf."""
    reverse = bool(how & SCAN_REVERSE)
    step = -1 if reverse else 1
    page = load_root(tree)
    if page is None:
        return
    path: list[tuple[RawPage, int]] = []
    while not page.is_leaf:
        _not_empty(page)
        slot = page.child_slot(key) if key is not None else page.count - 1 if reverse else 0
        path.append((page, slot))
        page = load_child(tree.source, page, slot, len(path))
    if key is None:
        i = page.count - 1 if reverse else 0
    else:
        i, found = page.lower_bound(key)
        if reverse:
            i -= not found or bool(how & SCAN_EXCLUSIVE)
        else:
            i += found and bool(how & SCAN_EXCLUSIVE)
    while True:
        while 0 <= i < page.count:
            yield page, i
            i += step
        while path and not 0 <= path[-1][1] + step < path[-1][0].count:
            path.pop()
        if not path:
            return
        page, slot = path.pop()
        slot += step
        while True:
            path.append((page, slot))
            page = load_child(tree.source, page, slot, len(path))
            if page.is_leaf:
                break
            slot = page.count - 1 if reverse else 0
        i = page.count - 1 if reverse else 0


def _add_to_runs(runs: list[Run], item: Run, reverse: bool) -> None:
    if runs and runs[-1][2:] == item[2:]:
        at, count, ksize, vsize, _ = runs[-1]
        size = ksize + vsize
        if (item.at + size == at) if reverse else (at + count * size == item.at):
            runs[-1] = Run(item.at if reverse else at, count + 1, *item[2:])
            return
    runs.append(item)
