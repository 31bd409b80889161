"""Both implementations of the hot functions behind one face, and page images in memory to try them on.

The page images are made and read here from the format's description, without the library under test. In the run with
BOLTPY_HOT=py the C kernels may be missing, and what compares with them is skipped; in every other run that is an error.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import pytest

from boltpy.errors import BoltError, CorruptError
from boltpy.hot import pure_changes, pure_ids, pure_node, pure_read, pure_write
from tests.boltpy.rawfile import BRANCH, BRANCH_PAGE, HEADER, LEAF, LEAF_PAGE

Entry = tuple[int, bytes, bytes]
"""(flags, key, value) of one item of a leaf."""


def load_native() -> list[ModuleType]:
    try:
        from boltpy.hot import native, native_read
    except ImportError:
        if os.environ.get("BOLTPY_HOT") == "py":
            return []
        raise
    return [native_read, native]


class Twin:
    """One implementation: all hot functions as attributes."""

    def __init__(self, name: str, *modules: ModuleType) -> None:
        self.name = name
        self._modules = modules

    def __repr__(self) -> str:
        return self.name

    def __getattr__(self, name: str) -> Any:
        for module in self._modules:
            if hasattr(module, name):
                return getattr(module, name)
        raise AttributeError(f"{self.name} has no {name}")


_native = load_native()
PURE = Twin("py", pure_read, pure_changes, pure_write, pure_ids, pure_node)
NATIVE = Twin("c", *_native)
needs_native = pytest.mark.skipif(not _native, reason="the C kernels are not built, and BOLTPY_HOT=py allows that")
each_twin = pytest.mark.parametrize(
    "twin", [pytest.param(PURE, id="py"), pytest.param(NATIVE, id="c", marks=needs_native)]
)


def outcome(call: Callable[[], Any]) -> tuple[Any, ...]:
    """What a call returned, or the BoltError that it raised, in a form that compares."""
    try:
        return "returned", call()
    except CorruptError as error:
        return "corrupt", error.pgid, error.reason
    except BoltError as error:
        return "raised", type(error), str(error)


# Making pages.


def leaf_image(pgid: int, entries: Sequence[Entry], size: int = 0, overflow: int = 0) -> bytes:
    """A leaf page; `size` 0: as long as its items need."""
    out = bytearray(HEADER.pack(pgid, LEAF_PAGE, len(entries), overflow))
    at = HEADER.size + LEAF.size * len(entries)
    for flags, key, value in entries:
        out += LEAF.pack(flags, at - len(out), len(key), len(value))
        at += len(key) + len(value)
    for _, key, value in entries:
        out += key + value
    return bytes(out.ljust(size, b"\0"))


def branch_image(pgid: int, entries: Sequence[tuple[bytes, int]], size: int = 0, overflow: int = 0) -> bytes:
    """A branch page of (first key, child)."""
    out = bytearray(HEADER.pack(pgid, BRANCH_PAGE, len(entries), overflow))
    at = HEADER.size + BRANCH.size * len(entries)
    for key, child in entries:
        out += BRANCH.pack(at - len(out), len(key), child)
        at += len(key)
    for key, _ in entries:
        out += key
    return bytes(out.ljust(size, b"\0"))


def numbered(count: int, value: bytes = b"value", flags: int = 0) -> list[Entry]:
    """Sorted entries with keys of four digits."""
    return [(flags, b"%04d" % i, value) for i in range(count)]


@dataclass
class Image:
    """A file in memory: pages from 2 on belong to one tree at `root`, or an inline image lies at `inline`."""

    page_size: int
    data: bytes = field(repr=False)
    root: int
    inline: tuple[int, int] = (0, 0)
    hwm: int = 0

    def __post_init__(self) -> None:
        self.hwm = self.hwm or -(-len(self.data) // self.page_size)

    def patched(self, at: int, raw: bytes) -> Image:
        """A copy with other bytes at one place."""
        data = self.data[:at] + raw + self.data[at + len(raw) :]
        return Image(self.page_size, data, self.root, self.inline, self.hwm)


def make_tree(entries: Sequence[Entry], page_size: int, per_leaf: int, per_branch: int = 4) -> Image:
    """A tree of sorted entries with so many on each page; large items get overflow pages. Page 2 is its first leaf."""
    data = bytearray(2 * page_size)

    def add(make: Callable[..., bytes], items: Sequence[Any], key: bytes) -> tuple[bytes, int]:
        pgid = len(data) // page_size
        pages = max(1, -(-len(make(pgid, items)) // page_size))
        data.extend(make(pgid, items, pages * page_size, pages - 1))
        return key, pgid

    def chunks(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
        for i in range(0, len(items), size):
            yield items[i : i + size]

    level = [add(leaf_image, chunk, chunk[0][1]) for chunk in chunks(entries, per_leaf)]
    level = level or [add(leaf_image, [], b"")]
    while len(level) > 1:
        level = [add(branch_image, chunk, chunk[0][0]) for chunk in chunks(level, per_branch)]
    return Image(page_size, bytes(data), level[0][1])


def make_inline(entries: Sequence[Entry], before: int = 24) -> Image:
    """An inline bucket somewhere in a file."""
    image = leaf_image(0, entries)
    return Image(1024, bytes(before) + image, 0, (before, len(image)))


class View:
    """An image as a twin reads it. Keeps alive what `tree` points to."""

    def __init__(self, twin: Twin, image: Image, *, length: int | None = None) -> None:
        self._handle = twin.attach(image.data)
        mapped = len(image.data) if length is None else length
        self.source = twin.source(self._handle, mapped, image.hwm, image.page_size)
        self.tree = twin.tree(self.source, image.root, 0, *image.inline)


# Reading pages.


def page_of(data: bytes, page_size: int, pgid: int) -> tuple[int, list[Any], int]:
    """(flags, items, page count) of one sound page; items are entries of a leaf or (key, child)."""
    at = pgid * page_size
    own, flags, count, overflow = HEADER.unpack_from(data, at)
    assert own == pgid
    items: list[Any] = []
    for i in range(count):
        element = at + HEADER.size + 16 * i
        if flags == LEAF_PAGE:
            entry_flags, pos, ksize, vsize = LEAF.unpack_from(data, element)
            key_at = element + pos
            value_at = key_at + ksize
            items.append((entry_flags, data[key_at:value_at], data[value_at : value_at + vsize]))
            assert value_at + vsize <= at + (overflow + 1) * page_size
        else:
            pos, ksize, child = BRANCH.unpack_from(data, element)
            items.append((data[element + pos : element + pos + ksize], child))
    return flags, items, overflow + 1


def walk(data: bytes, page_size: int, root: int) -> tuple[list[Entry], set[int]]:
    """All entries of a sound tree in order, and its pages. Fails where keys or pages are not as they should be."""
    entries: list[Entry] = []
    pages: set[int] = set()

    def visit(pgid: int, low: bytes, high: bytes | None) -> None:
        flags, items, count = page_of(data, page_size, pgid)
        own = set(range(pgid, pgid + count))
        assert not own & pages, f"page {pgid} is in the tree twice"
        pages.update(own)
        keys = [item[1] if flags == LEAF_PAGE else item[0] for item in items]
        assert keys == sorted(set(keys))
        assert all(low <= key and (high is None or key < high) for key in keys)
        if flags == LEAF_PAGE:
            entries.extend(items)
            return
        assert flags == BRANCH_PAGE
        assert keys
        for i, (key, child) in enumerate(items):
            visit(child, low if i == 0 else key, keys[i + 1] if i + 1 < len(keys) else high)

    visit(root, b"", None)
    return entries, pages
