"""The leaves of a sound file: what is in each, where it lies, which pages lead to it. Without the library's code."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.boltpy.rawfile import BRANCH, BRANCH_PAGE, HEADER, LEAF, META, NO_FREELIST, RawMeta

Names = tuple[bytes, ...]
Entry = tuple[Names, bytes, bytes]
"""A pair: the path of its bucket, its key, its value."""


@dataclass(frozen=True)
class Span:
    """Bytes of a file."""

    start: int
    end: int

    def is_same(self, sound: bytes, damaged: bytes) -> bool:
        return len(damaged) >= self.end and sound[self.start : self.end] == damaged[self.start : self.end]


@dataclass(frozen=True)
class LeafPage:
    """One leaf: its pairs, with those of inline buckets; its bytes; those of the pages above it, the leaves included
    in which the buckets around it are named."""

    pgid: int
    span: Span
    way: tuple[Span, ...]
    entries: tuple[Entry, ...]


class SoundFile:
    """A file that is whole, in memory, at its newest meta or at the `older` one."""

    def __init__(self, data: bytes, *, older: bool = False) -> None:
        self.data = data
        self.page_size = RawMeta(*META.unpack_from(data, HEADER.size)).page_size
        metas = [RawMeta(*META.unpack_from(data, slot * self.page_size + HEADER.size)) for slot in (0, 1)]
        self.meta = (min if older else max)(metas, key=lambda meta: meta.txid)
        self.leaves = list(self._tree(self.meta.root, (), ()))

    def page_span(self, pgid: int) -> Span:
        """All bytes of a page, overflow included."""
        overflow = HEADER.unpack_from(self.data, pgid * self.page_size)[3]
        return Span(pgid * self.page_size, (pgid + overflow + 1) * self.page_size)

    def bookkeeping(self) -> list[Span]:
        """The bytes of both metas and the freelist."""
        spans = [Span(0, self.page_size), Span(self.page_size, 2 * self.page_size)]
        return spans if self.meta.freelist == NO_FREELIST else [*spans, self.page_span(self.meta.freelist)]

    def entries(self) -> set[Entry]:
        """All pairs of the file."""
        return {entry for leaf in self.leaves for entry in leaf.entries}

    def _tree(self, pgid: int, path: Names, way: tuple[Span, ...]) -> Iterator[LeafPage]:
        at, span = pgid * self.page_size, self.page_span(pgid)
        _, flags, count, _ = HEADER.unpack_from(self.data, at)
        if flags == BRANCH_PAGE:
            for index in range(count):
                child = BRANCH.unpack_from(self.data, at + 16 + 16 * index)[2]
                yield from self._tree(child, path, (*way, span))
            return
        entries: list[Entry] = []
        for entry_flags, key, value in _leaf_entries(self.data, at):
            if not entry_flags:
                entries.append((path, key, value))
                continue
            root = struct.unpack_from("<Q", value)[0]
            if root:
                yield from self._tree(root, (*path, key), (*way, span))
            else:
                entries += [((*path, key), inner, inner_value) for _, inner, inner_value in _leaf_entries(value, 16)]
        yield LeafPage(pgid, span, way, tuple(entries))


def _leaf_entries(data: bytes, start: int) -> Iterator[tuple[int, bytes, bytes]]:
    count = HEADER.unpack_from(data, start)[2]
    for index in range(count):
        at = start + 16 + 16 * index
        flags, pos, ksize, vsize = LEAF.unpack_from(data, at)
        middle = at + pos + ksize
        yield flags, data[at + pos : middle], data[middle : middle + vsize]


def exported(lines: Iterable[bytes]) -> list[Entry]:
    """The pairs in the lines of an export."""
    found: list[Entry] = []
    path: Names = ()
    for line in lines:
        said = json.loads(line)
        if "bucket" in said:
            path = tuple(map(_bytes, said["bucket"]))
        elif "key" in said:
            found.append((path, _bytes(said["key"]), _bytes(said["value"])))
    return found


def exported_from(path: Path) -> list[Entry]:
    """The pairs in a file with an export."""
    return exported(path.read_bytes().splitlines(keepends=True))


def _bytes(said: str | dict[str, str]) -> bytes:
    return said.encode() if isinstance(said, str) else bytes.fromhex(said["hex"])
