"""The reading kernels in Python: what `kernels.c` does fast, said plainly. This is their specification.

A kernel gets a Tree (one bucket of a Source, a mapped file as one transaction sees it) and trusts nothing in it.
Keys and values are told as places in the map, so that nothing is copied that nobody asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from ..checksum import fnv1a as fnv1a
from ..errors import CorruptError
from ..format import BUCKET_ENTRY, MAX_DEPTH, Pgid
from .raw_page import (
    EMPTY,
    MET_TWICE,
    OUT_OF_ORDER,
    TOO_DEEP,
    Map,
    RawPage,
    Source,
    Tree,
    bucket_ref,
    corrupt,
    load_child,
    load_page,
    load_root,
)

# Answers of get(): no place in the map.
MISSING: Final = -1
IS_BUCKET: Final = -2
ASK_FIND: Final = -3
SIZE_LIMIT: Final = 1 << 24

# How to scan.
SCAN_REVERSE: Final = 1
SCAN_EXCLUSIVE: Final = 2
SCAN_BUCKETS: Final = 4
SCAN_KEYS: Final = 8

# What scan_pairs() takes at most: items, and bytes for each that is asked for. All of them fit a processor's cache.
LARGEST_SCAN: Final = 512
BYTES_PER_ITEM: Final = 512
NO_LIMIT: Final = 2**64 - 1
_PACKED_HEADS: Final = 10


Pair = tuple[bytes, bytes | None]


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
    item_count: int
    ksize: int
    vsize: int
    flags: int


def attach(buffer: Map) -> Map:
    """Return what a Source needs of a mapped file; keep it as long as the Source is used."""
    return buffer


def source(handle: Map, length: int, hwm: Pgid, page_size: int) -> Source:
    """Return a Source over the first `length` bytes of an attached buffer."""
    return Source(handle, length, hwm, page_size)


def detach(source: Source) -> None:
    """Make every later look into the source fail: its transaction has ended."""
    source.length = 0


def tree(source: Source, root: Pgid, sequence: int, inline_at: int, inline_len: int) -> Tree:
    """Return the Tree of one bucket; keep the Source as long as the Tree is used."""
    return Tree(source, root, sequence, inline_at, inline_len)


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


def nested(tree: Tree, name: bytes) -> Tree | None:
    """Return the Tree of the nested bucket of this name; None if the key is missing or plain.

    Raises:
        CorruptError: A page on the way, or the bucket's value, breaks the format.
    """
    found = find(tree, name)
    if found is None or not found.flags & BUCKET_ENTRY:
        return None
    return Tree(tree.source, *bucket_ref(tree.source.map, found.value_at, found.vsize))


def get(tree: Tree, key: bytes, _size: int) -> int:
    """Return `value_at * SIZE_LIMIT + vsize`, or MISSING, IS_BUCKET, or ASK_FIND where find() must tell more."""
    try:
        found = find(tree, key)
    except CorruptError:
        return ASK_FIND
    if found is None:
        return MISSING
    if found.flags & BUCKET_ENTRY:
        return IS_BUCKET
    if found.value_at >> 39 or found.vsize >= SIZE_LIMIT:
        return ASK_FIND
    return found.value_at * SIZE_LIMIT + found.vsize


def places(tree: Tree, keys: list[bytes]) -> list[int]:
    """Return what get() tells of each key."""
    return [get(tree, key, len(key)) for key in keys]


def get_many(tree: Tree, mapped: Map, keys: list[bytes]) -> tuple[list[bytes | None], bool]:
    """Return the value of each key, None where get() tells no place; and whether find() has nothing to add.

    Raises:
        ValueError: A key is not bytes.
    """
    if not all(type(key) is bytes for key in keys):
        raise ValueError("a key is not bytes")
    found = places(tree, keys)
    return values_at(mapped, found), ASK_FIND not in found


def values_at(mapped: Map, found: list[int]) -> list[bytes | None]:
    """Return the bytes at the places that get() told, None for what is none."""
    split = [divmod(place, SIZE_LIMIT) for place in found]
    return [bytes(mapped[at : at + size]) if at >= 0 else None for at, size in split]


def scan(
    tree: Tree,
    mapped: Map,
    key: bytes | None,
    bound: bytes | None,
    how: int,
    max_items: int,
    max_bytes: int = NO_LIMIT,
) -> tuple[list[Run], bytes | None, bool]:
    """Return runs of items in key order, from `key` on (None: from the end that `how` says) until `bound`.

    Forward the bound is the first key left out; in reverse it is the last key that belongs to the range.

    Args:
        how: SCAN_REVERSE walks down; SCAN_EXCLUSIVE leaves `key` itself out; SCAN_BUCKETS tells nested buckets only;
            SCAN_KEYS takes no values, and counts none.
        max_items: Look at this many items at most.
        max_bytes: The items behind the first must fit so many bytes with it, when they are packed.

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
        packed = e.ksize + (0 if how & SCAN_KEYS else e.vsize) + _PACKED_HEADS
        if seen == max_items or (seen and packed > max_bytes):
            return runs, last if seen else None, False
        max_bytes = max(max_bytes - packed, 0)
        if last is not None and (found > last if reverse else found < last) or (found == last and strict):
            raise corrupt(OUT_OF_ORDER, page.pgid, i)
        strict = True
        seen += 1
        last = found
        if not how & SCAN_BUCKETS or e.flags & BUCKET_ENTRY:
            _add_to_runs(runs, Run(e.key_at, 1, e.ksize, e.vsize, e.flags), reverse)
    return runs, last if seen else None, True


def scan_pairs(
    tree: Tree, mapped: Map, key: bytes | None, bound: bytes | None, how: int, max_items: int
) -> tuple[Iterator[Pair], bytes | None, bool]:
    """Return copies of the items that scan() finds, the first of them whatever its size. Nested buckets have no value.

    `max_items` is LARGEST_SCAN at most. Some are made when they are taken, of bytes that are copied already.
    """
    runs, last, done = scan(tree, mapped, key, bound, how, max_items, max_items * BYTES_PER_ITEM)
    pairs: list[Pair] = []
    for at, count, ksize, vsize, flags in runs:
        places = range(at, at + count * (ksize + vsize), ksize + vsize)
        for item in places[::-1] if how & SCAN_REVERSE else places:
            middle = item + ksize
            value = None if flags & BUCKET_ENTRY else bytes(mapped[middle : middle + vsize])
            pairs.append((bytes(mapped[item:middle]), value))
    return iter(pairs), last, done


def scan_keys(
    tree: Tree, mapped: Map, key: bytes | None, bound: bytes | None, how: int, max_items: int
) -> tuple[Iterator[bytes], bytes | None, bool]:
    """Return copies of keys as scan_pairs() does, without looking at a value."""
    how |= SCAN_KEYS
    runs, last, done = scan(tree, mapped, key, bound, how, max_items, max_items * BYTES_PER_ITEM)
    keys: list[bytes] = []
    for at, count, ksize, vsize, _ in runs:
        places = range(at, at + count * (ksize + vsize), ksize + vsize)
        keys += [bytes(mapped[item : item + ksize]) for item in (places[::-1] if how & SCAN_REVERSE else places)]
    return iter(keys), last, done


def tree_pages(tree: Tree, marks: bytearray) -> Iterator[tuple[RawPage, int]]:
    """Yield each page of a tree with its depth (the root's is 0), parents first.

    Args:
        marks: A bit for each page of the source: those met before; those met now are added, with their overflow.

    Raises:
        CorruptError: A page breaks the format, or was met before.
    """
    page = load_root(tree)
    if page is None:
        return
    waiting = [(page, 0)]
    depth = 0
    while True:
        for pgid in range(page.pgid, page.pgid + page.pages):
            if marks[pgid // 8] >> pgid % 8 & 1:
                raise corrupt(MET_TWICE, pgid, 0)
            marks[pgid // 8] |= 1 << pgid % 8
        yield page, depth
        if page.is_leaf:
            waiting.pop()
        while waiting and waiting[-1][1] == waiting[-1][0].item_count:
            waiting.pop()
        if not waiting:
            return
        above, i = waiting.pop()
        waiting.append((above, i + 1))
        child, depth = above.element(i).child, len(waiting)
        if depth >= MAX_DEPTH:
            raise corrupt(TOO_DEEP, child, MAX_DEPTH)
        page = load_page(tree.source, child)
        waiting.append((page, 0))


def mark_pages(tree: Tree, marks: bytearray) -> int:
    """Set the bit of each page of a tree, and return how many there are; the rest is as with `tree_pages`."""
    return sum(page.pages for page, _ in tree_pages(tree, marks))


def _not_empty(page: RawPage) -> RawPage:
    if not page.item_count:
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
        slot = page.child_slot(key) if key is not None else page.item_count - 1 if reverse else 0
        path.append((page, slot))
        page = load_child(tree.source, page, slot, len(path))
    if key is None:
        i = page.item_count - 1 if reverse else 0
    else:
        i, found = page.lower_bound(key)
        if reverse:
            i -= not found or bool(how & SCAN_EXCLUSIVE)
        else:
            i += found and bool(how & SCAN_EXCLUSIVE)
    while True:
        while 0 <= i < page.item_count:
            yield page, i
            i += step
        while path and not 0 <= path[-1][1] + step < path[-1][0].item_count:
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
            slot = page.item_count - 1 if reverse else 0
        i = page.item_count - 1 if reverse else 0


def _add_to_runs(runs: list[Run], item: Run, reverse: bool) -> None:
    if runs and runs[-1][2:] == item[2:]:
        at, count, ksize, vsize, _ = runs[-1]
        size = ksize + vsize
        if (item.at + size == at) if reverse else (at + count * size == item.at):
            runs[-1] = Run(item.at if reverse else at, count + 1, *item[2:])
            return
    runs.append(item)
