"""Reads and damages database files byte by byte, from the format's description and without the library under test.

Offsets: a page header is id u64, flags u16, count u16, overflow u32. A leaf element is flags, pos, ksize, vsize u32;
a branch element is pos u32, ksize u32, child u64; `pos` counts from the element itself. A meta follows its page
header: magic, version, page size, flags u32; root, sequence, freelist, high-water mark, txid, checksum u64.
"""

from __future__ import annotations

import struct
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any

HEADER = struct.Struct("<QHHI")
LEAF = struct.Struct("<IIII")
BRANCH = struct.Struct("<IIQ")
META = struct.Struct("<IIIIQQQQQQ")

BRANCH_PAGE, LEAF_PAGE, META_PAGE, FREELIST_PAGE = 0x01, 0x02, 0x04, 0x10
NO_FREELIST = 2**64 - 1
MAGIC = 0xED0CDAED


def fnv1a(data: bytes) -> int:
    """The 64-bit FNV-1a hash, the checksum of a meta."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


@dataclass(frozen=True)
class RawMeta:
    """The fields of one meta page, in file order."""

    magic: int
    version: int
    page_size: int
    flags: int
    root: int
    sequence: int
    freelist: int
    high_water_mark: int
    txid: int
    checksum: int

    def expected_checksum(self) -> int:
        return fnv1a(META.pack(*astuple(self))[:-8])


@dataclass(frozen=True)
class RawPage:
    """A page header."""

    id: int
    flags: int
    count: int
    overflow: int


class RawFile:
    """A database file as bytes in memory; `save()` writes it back."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.data = bytearray(self.path.read_bytes())
        self.page_size = self._find_page_size()

    def _find_page_size(self) -> int:
        first = RawMeta(*META.unpack_from(self.data, HEADER.size))
        return first.page_size

    def save(self) -> None:
        self.path.write_bytes(self.data)

    def offset(self, pgid: int) -> int:
        return pgid * self.page_size

    def meta(self, index: int) -> RawMeta:
        return RawMeta(*META.unpack_from(self.data, self.offset(index) + HEADER.size))

    def newest(self) -> RawMeta:
        """The meta of the last commit."""
        return max(self.meta(0), self.meta(1), key=lambda meta: meta.txid)

    def set_meta(self, index: int, *, sign: bool = True, **changes: Any) -> None:
        """Change fields of a meta; `sign` makes the checksum fit again."""
        meta = replace(self.meta(index), **changes)
        if sign:
            meta = replace(meta, checksum=meta.expected_checksum())
        META.pack_into(self.data, self.offset(index) + HEADER.size, *astuple(meta))

    def set_newest(self, **changes: Any) -> None:
        """Change and sign the meta of the last commit."""
        self.set_meta(0 if self.meta(0).txid > self.meta(1).txid else 1, **changes)

    def page(self, pgid: int) -> RawPage:
        return RawPage(*HEADER.unpack_from(self.data, self.offset(pgid)))

    def set_page(self, pgid: int, **changes: int) -> None:
        page = replace(self.page(pgid), **changes)
        HEADER.pack_into(self.data, self.offset(pgid), *astuple(page))

    def page_bytes(self, pgid: int) -> bytes:
        """One physical page."""
        return bytes(self.data[self.offset(pgid) : self.offset(pgid + 1)])

    def element_offset(self, pgid: int, index: int) -> int:
        return self.offset(pgid) + HEADER.size + 16 * index

    def leaf_entries(self, pgid: int) -> list[tuple[int, bytes, bytes]]:
        """(flags, key, value) of each element of a leaf page."""
        return leaf_entries(bytes(self.data), self.offset(pgid))

    def children(self, pgid: int) -> list[int]:
        """The children of a branch page."""
        return [
            BRANCH.unpack_from(self.data, self.element_offset(pgid, index))[2] for index in range(self.page(pgid).count)
        ]

    def set_child(self, pgid: int, index: int, child: int) -> None:
        at = self.element_offset(pgid, index)
        pos, ksize, _ = BRANCH.unpack_from(self.data, at)
        BRANCH.pack_into(self.data, at, pos, ksize, child)

    def key_span(self, pgid: int, index: int) -> slice:
        """Where the key of a leaf element is in the file."""
        at = self.element_offset(pgid, index)
        _, pos, ksize, _ = LEAF.unpack_from(self.data, at)
        return slice(at + pos, at + pos + ksize)

    def bucket_root(self, name: bytes) -> int:
        """The root page of a top-level bucket; the root bucket must be one leaf. 0: the bucket is inline."""
        for flags, key, value in self.leaf_entries(self.newest().root):
            if key == name and flags == 1:
                return int.from_bytes(value[:8], "little")
        raise KeyError(name)

    def leaves(self, pgid: int) -> list[int]:
        """The leaf pages below a page, in key order."""
        if self.page(pgid).flags == LEAF_PAGE:
            return [pgid]
        return [leaf for child in self.children(pgid) for leaf in self.leaves(child)]

    def free_ids(self) -> list[int]:
        """What the freelist page of the last commit lists."""
        pgid = self.newest().freelist
        at = self.offset(pgid) + HEADER.size
        count = self.page(pgid).count
        if count == 0xFFFF:
            (count,) = struct.unpack_from("<Q", self.data, at)
            at += 8
        return list(struct.unpack_from(f"<{count}Q", self.data, at))


def leaf_entries(data: bytes, start: int = 0) -> list[tuple[int, bytes, bytes]]:
    """(flags, key, value) of each element of the leaf page that starts at `start`; also reads inline buckets."""
    _, flags, count, _ = HEADER.unpack_from(data, start)
    assert flags == LEAF_PAGE, f"flags {flags:#x} at byte {start} are not a leaf's"
    entries = []
    for index in range(count):
        at = start + HEADER.size + LEAF.size * index
        element_flags, pos, ksize, vsize = LEAF.unpack_from(data, at)
        key_at = at + pos
        entries.append((element_flags, data[key_at : key_at + ksize], data[key_at + ksize : key_at + ksize + vsize]))
    return entries
