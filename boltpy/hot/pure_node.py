"""A node's items, and how bolt cuts and lays them out on pages. Part of the specification of the C kernels."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Final, NamedTuple

from ..errors import LimitError
from ..format import (
    BRANCH,
    BRANCH_ELEMENT,
    ELEMENT_SIZE,
    HEADER_SIZE,
    LEAF,
    LEAF_ELEMENT,
    MAX_PAGE_ITEMS,
    PAGE_HEADER,
    Pgid,
)
from .raw_page import BAD_COUNT, OVERLAP, WRONG_TYPE, RawPage, Source, corrupt, load_page

# bolt splits no node of fewer items: the left part gets two at least, the right part three.
MIN_SPLIT_ITEMS: Final = 5


class Item(NamedTuple):
    """One item of a node: a pair or nested bucket of a leaf, or a child of a branch."""

    key: bytes
    value: bytes
    flags: int
    child: Pgid

    @property
    def size(self) -> int:
        """Bytes that the item takes on a page."""
        return ELEMENT_SIZE + len(self.key) + len(self.value)


Child = tuple[bytes, Pgid]  # of a branch: its first key, its page


def page_items(page: RawPage) -> list[Item]:
    """Return all items of a page, checked."""
    if not page.is_leaf:
        return [Item(key, b"", 0, child) for key, child in branch_children(page)]
    raw, elements = _page_and_elements(page)
    items: list[Item] = []
    at = taken = HEADER_SIZE
    for flags, pos, ksize, vsize in LEAF_ELEMENT.iter_unpack(elements):
        value_at = at + pos + ksize
        taken += ELEMENT_SIZE + ksize + vsize
        if value_at + vsize > page.size or not ksize or taken > page.size:
            page.element(len(items))  # says what is wrong with the element alone
            raise corrupt(OVERLAP, page.pgid, len(items))
        items.append(Item(raw[at + pos : value_at], raw[value_at : value_at + vsize], flags, 0))
        at += ELEMENT_SIZE
    return items


def branch_children(page: RawPage) -> list[Child]:
    """Return the first key and the page of each child of a branch, checked."""
    raw, elements = _page_and_elements(page)
    starts = range(HEADER_SIZE, page.size, ELEMENT_SIZE)
    children = [
        (raw[start + pos : start + pos + ksize], child)
        for start, (pos, ksize, child) in zip(starts, BRANCH_ELEMENT.iter_unpack(elements), strict=False)
        if 0 < ksize <= page.size - start - pos
    ]
    if len(children) < page.item_count or _branch_size(children) > page.size:
        taken = HEADER_SIZE
        for i in range(page.item_count):
            taken += ELEMENT_SIZE + page.element(i).ksize  # says what is wrong with the element alone
            if taken > page.size:
                raise corrupt(OVERLAP, page.pgid, i)
    return children


def _branch_size(children: list[Child]) -> int:
    return HEADER_SIZE + ELEMENT_SIZE * len(children) + sum([len(key) for key, _ in children])


def _page_and_elements(page: RawPage) -> tuple[bytes, bytes]:
    raw = bytes(page.map[page.at : page.at + page.size])
    return raw, raw[HEADER_SIZE : HEADER_SIZE + page.item_count * ELEMENT_SIZE]


def used_size(page: RawPage) -> int:
    """Return the bytes that a page's items take, header included; bytes between them do not count."""
    elements = page.map[page.at + HEADER_SIZE : page.at + HEADER_SIZE + page.item_count * ELEMENT_SIZE]
    size: int = HEADER_SIZE + len(elements)
    if page.is_leaf:
        size += sum([ksize + vsize for _, _, ksize, vsize in LEAF_ELEMENT.iter_unpack(elements)])
    else:
        size += sum([ksize for _, ksize, _ in BRANCH_ELEMENT.iter_unpack(elements)])
    return size


def split(items: list[Item], page_size: int, threshold: int) -> list[tuple[list[Item], int]]:
    """Cut a node's items into parts with their sizes in bytes, where bolt cuts them."""
    parts = []
    size = HEADER_SIZE + sum(item.size for item in items)
    while len(items) >= MIN_SPLIT_ITEMS and (size >= page_size or len(items) > MAX_PAGE_ITEMS):
        taken = HEADER_SIZE
        n = 0
        while n < len(items) - 3 and n < MAX_PAGE_ITEMS:
            if n >= 2 and taken + items[n].size > threshold:
                break
            taken += items[n].size
            n += 1
        parts.append((items[:n], taken))
        items = items[n:]
        size -= taken - HEADER_SIZE
    parts.append((items, size))
    return parts


def node_too_large() -> LimitError:
    """Return the error for a node whose elements could not say where their keys are, with 32 bits."""
    return LimitError("the values of up to four neighbouring keys take 4 GiB or more, which no page can hold")


def encode_page(pgid: Pgid, is_leaf: bool, items: list[Item], size: int, overflow: int = 0) -> bytes:
    """Return a page of `size` bytes as bolt lays it out: header, elements, then keys and values without gaps."""
    if not is_leaf:
        return encode_branch(pgid, [(item.key, item.child) for item in items], overflow).ljust(size, b"\0")
    parts = [PAGE_HEADER.pack(pgid, LEAF, len(items), overflow)]
    pos = ELEMENT_SIZE * len(items)
    for key, value, flags, _ in items:
        parts.append(LEAF_ELEMENT.pack(flags, pos, len(key), len(value)))
        pos += len(key) + len(value) - ELEMENT_SIZE
    parts += [part for item in items for part in item[:2]]
    return b"".join(parts).ljust(size, b"\0")


def encode_branch(pgid: Pgid, children: list[Child], overflow: int) -> bytes:
    """Return a branch page, without what fills its last page."""
    keys, pgids = [key for key, _ in children], [child for _, child in children]
    sizes = list(map(len, keys))
    # From each element to its key: past the elements that follow, and the keys before.
    places = accumulate([size - ELEMENT_SIZE for size in sizes], initial=ELEMENT_SIZE * len(children))
    header = PAGE_HEADER.pack(pgid, BRANCH, len(children), overflow)
    return b"".join([header, *map(BRANCH_ELEMENT.pack, places, sizes, pgids), *keys])


def join_leaves(source: Source, pgids: Sequence[Pgid]) -> bytes:
    """Return a page that holds the items of neighbouring leaves, with the id and the overflow of the first.

    Raises:
        CorruptError: A page breaks the format or is no leaf.
    """
    pages = []
    items: list[Item] = []
    for pgid in pgids:
        page = load_page(source, pgid)
        if not page.is_leaf:
            raise corrupt(WRONG_TYPE, pgid, BRANCH)
        pages.append(page)
        items += page_items(page)
    if not pages or len(items) > MAX_PAGE_ITEMS:
        raise corrupt(BAD_COUNT, pgids[0] if pages else 0, len(items))
    size = HEADER_SIZE + sum([item.size for item in items])
    return encode_page(pgids[0], True, items, size, pages[0].pages - 1)
