"""A node's items, and how bolt cuts and lays them out on pages. Part of the specification of the C kernels."""

from __future__ import annotations

from collections.abc import Sequence
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


def page_items(page: RawPage) -> list[Item]:
    """Return all items of a page, checked."""
    raw = bytes(page.map[page.at : page.at + page.size])
    elements = raw[HEADER_SIZE : HEADER_SIZE + page.item_count * ELEMENT_SIZE]
    items: list[Item] = []
    at = taken = HEADER_SIZE
    if page.is_leaf:
        for flags, pos, ksize, vsize in LEAF_ELEMENT.iter_unpack(elements):
            value_at = at + pos + ksize
            taken += ELEMENT_SIZE + ksize + vsize
            if value_at + vsize > page.size or not ksize or taken > page.size:
                page.element(len(items))  # says what is wrong with the element alone
                raise corrupt(OVERLAP, page.pgid, len(items))
            items.append(Item(raw[at + pos : value_at], raw[value_at : value_at + vsize], flags, 0))
            at += ELEMENT_SIZE
    else:
        for pos, ksize, child in BRANCH_ELEMENT.iter_unpack(elements):
            taken += ELEMENT_SIZE + ksize
            if at + pos + ksize > page.size or not ksize or taken > page.size:
                page.element(len(items))
                raise corrupt(OVERLAP, page.pgid, len(items))
            items.append(Item(raw[at + pos : at + pos + ksize], b"", 0, child))
            at += ELEMENT_SIZE
    return items


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
    out = bytearray(PAGE_HEADER.pack(pgid, LEAF if is_leaf else BRANCH, len(items), overflow))
    pos = ELEMENT_SIZE * len(items)
    for key, value, flags, child in items:
        if is_leaf:
            out += LEAF_ELEMENT.pack(flags, pos, len(key), len(value))
        else:
            out += BRANCH_ELEMENT.pack(pos, len(key), child)
        pos += len(key) + len(value) - ELEMENT_SIZE
    out += b"".join([part for item in items for part in item[:2]])
    return bytes(out.ljust(size, b"\0"))


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
