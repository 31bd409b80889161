"""Damages that know the format: numbers that lie in the right places of any bolt file, drawn at random.

A `Mutation` is text on one line, so that a failing one can be given again. Nothing here uses the library under test,
and no file has to be sound: what cannot be read is changed blindly.
"""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from tests.boltpy.rawfile import BRANCH_PAGE, FREELIST_PAGE, HEADER, LEAF_PAGE, META, RawMeta, fnv1a

LIMITS = [0, 1, 2, 3, 15, 16, 17, 0x7F, 0xFFFE, 0xFFFF, 2**16, 2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**53, 2**63]


@dataclass(frozen=True)
class Mutation:
    """Bytes to be written over a file, and where to end it (None: where it ends)."""

    patches: tuple[tuple[int, bytes], ...]
    cut: int | None = None

    def apply(self, data: bytes) -> bytes:
        """The damaged file."""
        damaged = bytearray(data)
        for at, piece in self.patches:
            room = max(0, min(len(piece), len(damaged) - at))
            damaged[at : at + room] = piece[:room]
        return bytes(damaged if self.cut is None else damaged[: self.cut])

    def __str__(self) -> str:
        return json.dumps([self.cut, *([at, piece.hex()] for at, piece in self.patches)])

    @classmethod
    def parse(cls, text: str) -> Mutation:
        """The mutation that `str` wrote."""
        cut, *patches = json.loads(text)
        return cls(tuple((at, bytes.fromhex(piece)) for at, piece in patches), cut)


def flip(data: bytes, at: int, mask: int) -> Mutation:
    """One byte with other bits."""
    return Mutation(((at, bytes([data[at] ^ mask])),))


class Mutator:
    """Draws mutations of one file."""

    def __init__(self, data: bytes, seed: int) -> None:
        self._data = data
        self._rng = random.Random(seed)
        metas = [self._meta(0)]
        self._page_size = metas[0].page_size if 64 <= metas[0].page_size <= max(64, len(data) // 2) else 4096
        metas.append(self._meta(self._page_size))
        self._newest = max(metas, key=lambda meta: meta.txid)
        self._count = len(data) // self._page_size
        self._pages = {pgid: self._header(pgid) for pgid in range(2, min(self._newest.high_water_mark, self._count))}
        self._trees = [pgid for pgid, page in self._pages.items() if page[0] == pgid and page[1] in (1, 2) and page[2]]
        self._free = [pgid for pgid, page in self._pages.items() if page[:2] == (pgid, FREELIST_PAGE)]
        self._buckets = list(self._bucket_values())

    def _meta(self, at: int) -> RawMeta:
        return RawMeta(*META.unpack_from(self._data.ljust(at + 96, b"\0"), at + HEADER.size))

    def _header(self, pgid: int) -> tuple[int, int, int, int]:
        found: tuple[int, int, int, int] = HEADER.unpack_from(self._data, pgid * self._page_size)
        return found

    def _bucket_values(self) -> Iterator[tuple[int, int]]:
        """(offset, size) of the value of each bucket entry in a leaf."""
        for pgid in self._trees:
            start = pgid * self._page_size
            if self._pages[pgid][1] != LEAF_PAGE:
                continue
            for index in range(min(self._pages[pgid][2], 400)):
                at = start + 16 + 16 * index
                if at + 16 > len(self._data):
                    break
                flags, pos, ksize, vsize = struct.unpack_from("<IIII", self._data, at)
                if flags & 1 and at + pos + ksize + vsize <= len(self._data):
                    yield at + pos + ksize, vsize

    def _number(self, size: int, *likely: int) -> bytes:
        """A number of `size` bytes: one of the likely ones, a limit, or any."""
        rng = self._rng
        some = rng.choice([*likely, *likely, rng.choice(LIMITS), rng.randrange(self._page_size), rng.getrandbits(64)])
        return (max(0, some + rng.choice([0, 0, 0, 1, -1])) % 2 ** (8 * size)).to_bytes(size, "little")

    def _pgid(self) -> bytes:
        """A page: of the trees, of all, or beyond."""
        rng = self._rng
        return self._number(8, rng.choice(self._trees or [3]), rng.randrange(self._count + 3))

    def _page(self) -> tuple[int, int, int]:
        """(offset, flags, count) of a page of a tree."""
        pgid = self._rng.choice(self._trees or [3])
        _, flags, count, _ = self._pages.get(pgid, (0, LEAF_PAGE, 1, 0))
        return pgid * self._page_size, flags, count

    def header(self) -> tuple[int, bytes]:
        """A page says that it is another one, of another kind, longer, or has more elements."""
        at, _, count = self._page()
        kind = self._number(2, BRANCH_PAGE, LEAF_PAGE, FREELIST_PAGE, 4, 3)
        field = self._rng.choice([(0, self._pgid()), (8, kind), (10, self._number(2, count, 0)), (12, self._number(4))])
        return at + field[0], field[1]

    def element(self) -> tuple[int, bytes]:
        """An element lies elsewhere, has another size, is of another kind, or leads to another page (also upward)."""
        start, flags, count = self._page()
        index = self._rng.choice([0, max(0, count - 1), self._rng.randrange(count or 1)])
        at = start + 16 + 16 * index
        if flags == BRANCH_PAGE:
            return self._rng.choice(
                [(at, self._number(4, 16 * count)), (at + 4, self._number(4)), (at + 8, self._pgid())]
            )
        field = self._rng.randrange(4)
        return at + 4 * field, self._number(4, 0, 1, 16 * (count - index), self._page_size)

    def key(self) -> tuple[int, bytes]:
        """A byte near the end of the elements, where keys are."""
        start, _, count = self._page()
        return start + 16 + 16 * count + self._rng.randrange(64), self._rng.randbytes(1)

    def bucket(self) -> tuple[int, bytes]:
        """A bucket has another root (also that of the bucket it is in), or its inline page is damaged."""
        if not self._buckets:
            return self.element()
        at, size = self._rng.choice(self._buckets)
        if size <= 16 or self._rng.random() < 0.2:
            return at, self._pgid()
        inner = self._rng.randrange(16, size)
        return at + inner, self._number(self._rng.choice([1, 2, 4]), 0, 2, size)

    def freelist(self) -> tuple[int, bytes]:
        """The freelist has an id twice, a page in use, one beyond the file, or another count."""
        pgid = self._newest.freelist if self._newest.freelist in self._pages else 0
        at = (pgid or self._rng.choice(self._free or [2])) * self._page_size
        _, _, count, _ = self._pages.get(at // self._page_size, (0, 0, 1, 0))
        slot = at + 16 + 8 * self._rng.randrange(max(1, min(count, 2000)))
        other = at + 16 + 8 * self._rng.randrange(max(1, min(count, 2000)))
        twice = self._data[other : other + 8]
        return self._rng.choice(
            [(slot, twice), (slot, self._pgid()), (at + 10, self._number(2, count, 0xFFFF)), (at + 12, self._number(4))]
        )

    def meta(self) -> tuple[int, bytes]:
        """A meta with a fitting checksum has a number that makes no sense."""
        slot = self._rng.randrange(2)
        meta = self._meta(slot * self._page_size)
        field = self._rng.choice(["root", "freelist", "high_water_mark", "txid", "sequence", "page_size", "flags"])
        size = 4 if field in ("page_size", "flags") else 8
        likely = getattr(meta, field), self._rng.choice(self._trees or [3]), self._count
        number = int.from_bytes(self._number(size, *likely), "little")
        body = META.pack(*vars(replace(meta, **{field: number})).values())[:-8]
        return slot * self._page_size + HEADER.size, body + fnv1a(body).to_bytes(8, "little")

    def page(self) -> tuple[int, bytes]:
        """A page holds what belongs to another one, with its own id or not."""
        source, _, _ = self._page()
        target, _, _ = self._page()
        content = self._data[source : source + self._page_size]
        if self._rng.random() < 0.7:
            return target + 8, content[8:]
        return target, content

    def noise(self) -> tuple[int, bytes]:
        """A few random bytes anywhere."""
        return self._rng.randrange(len(self._data)), self._rng.randbytes(self._rng.randrange(1, 9))

    def draw(self) -> Mutation:
        """One to three damages; now and then a file that is cut short."""
        rng = self._rng
        ways: list[Callable[[], tuple[int, bytes]]] = [
            *[self.header] * 3, *[self.element] * 5, self.key, *[self.bucket] * 2, *[self.freelist] * 2, self.meta,
            self.page, self.noise,
        ]  # fmt: skip
        patches = tuple(rng.choice(ways)() for _ in range(rng.choice([1, 1, 1, 2, 3])))
        if rng.random() < 0.9:
            return Mutation(patches)
        whole = rng.randrange(self._count + 1) * self._page_size
        return Mutation(patches[: rng.randrange(2)], max(0, whole + rng.choice([0, 0, -1, 16, 1])))
