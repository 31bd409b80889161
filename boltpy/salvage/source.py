"""A file of which any byte may be wrong, and any block unreadable: its page size, and what its pages say they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from errno import EIO
from typing import Final, NamedTuple, Self

from ..errors import BoltError, InvalidDatabaseError, StorageError
from ..format import (
    BRANCH,
    ELEMENT_SIZE,
    FREELIST,
    HEADER_SIZE,
    LEAF,
    MAX_PAGE_SIZE,
    META,
    META_BODY,
    MIN_PAGE_SIZE,
    PAGE_HEADER,
    Pgid,
)
from ..meta import META_PAGE_BYTES, Meta, decode
from ..storage import FileStorage
from .pages import Items, read_items

_BLOCK_BYTES: Final = 1 << 20
# So many headers are looked at to find the page size, of those at the start and of those spread over the file.
_SAMPLES: Final = 1 << 13
_TREE: Final = (BRANCH, LEAF)
_WORD: Final = b"__boltpy_lost"


class Header(NamedTuple):
    """What a page says of itself."""

    id: Pgid
    flags: int
    item_count: int
    overflow: int


class Page(NamedTuple):
    """A leaf or branch, as far as it can be read.

    Attributes:
        pgid: Where it is.
        is_leaf: Or a branch.
        items: Its items.
        image: Its bytes as far as they were read, which is a page at least; `DamagedFile.cut` has those behind.
        pages: How many pages it takes, by where its items end.
        doubts: What is wrong with it, in words; nothing if all is well.
    """

    pgid: Pgid
    is_leaf: bool
    items: Items
    image: bytes
    pages: int
    doubts: list[str]


class DamagedFile:
    """One file, locked for reading. A context manager.

    Attributes:
        size: Bytes.
        page_size: Bytes a page.
        page_count: Whole pages, and the part of one at the end.
        metas: What is in the two meta pages: the meta, or what is wrong with it.
        kinds: The flags of each page that says it is the page it is, 0 of all others.
        unreadable: Blocks of 1 KiB or less that the system could not read, when all was surveyed; they count as zeros.
    """

    def __init__(self, path: str, timeout: float, page_size: int = 0) -> None:
        """Open a file.

        Args:
            path: The file.
            timeout: Seconds to wait for its lock; 0 waits for ever.
            page_size: Bytes a page, 0 to find out.

        Raises:
            LockTimeoutError: Somebody writes to it.
            InvalidDatabaseError: Nothing in it looks like a page.
            OSError: The system refuses.
        """
        self._file = FileStorage(path, mode=0, read_only=True)
        try:
            self._file.lock(shared=True, timeout=timeout)
            self.size = self._file.size()
            self.unreadable = self._broken = 0
            self.page_size = page_size or self._guess_page_size()
        except BaseException:
            self._file.close()
            raise
        self.page_count = -(-self.size // self.page_size)
        self.metas = [self._meta(slot) for slot in (0, 1)]
        self.kinds = bytearray(self.page_count)
        # What all claims of pages together may cost, in pages: more than any file needs that is not made to do harm.
        self._budget = 8 * self.page_count + 1000

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, offset: int, count: int) -> bytes:
        """Return `count` bytes, fewer at the end of the file; zeros where the disk is broken."""
        data = self._read(offset, count)
        while len(data) < count and (more := self._read(offset + len(data), count - len(data))):
            data += more  # the system gives less than 2 GiB at once
        return data

    def _read(self, offset: int, count: int) -> bytes:
        try:
            return self._file.read(offset, count)
        except StorageError as error:
            if error.errno != EIO:
                raise
        if count <= MIN_PAGE_SIZE:
            self._broken += 1
            return bytes(count)
        half = count // 2 // MIN_PAGE_SIZE * MIN_PAGE_SIZE or count // 2
        return self._read(offset, half) + self._read(offset + half, count - half)

    def _guess_page_size(self) -> int:
        """Return the page size with which most pages say that they are where they are."""
        votes: Counter[int] = Counter()
        for meta in (self._meta_at(0), *(self._meta_at(1 << bits) for bits in range(9, 25))):
            if isinstance(meta, Meta):
                votes[meta.page_size] += 1
        sizes = {*votes, *(1 << bits for bits in range(9, MAX_PAGE_SIZE.bit_length()))}
        for size in sizes:
            votes[size] += self._votes(size)
        best = max(votes, key=lambda size: (votes[size], size))
        if not votes[best]:
            raise InvalidDatabaseError("nothing in this file looks like a page of a bolt database")
        return best

    def _votes(self, size: int) -> int:
        count = self.size // size
        step = max(1, count // _SAMPLES)
        sampled = {*range(1, min(count, _SAMPLES)), *range(1, count, step)}
        found = 0
        for pgid in sampled:
            head = self.read(pgid * size, HEADER_SIZE)
            if len(head) == HEADER_SIZE:
                own_id, flags, _, _ = PAGE_HEADER.unpack(head)
                found += own_id == pgid and flags in (BRANCH, LEAF, META, FREELIST)
        return found

    def _meta_at(self, offset: int) -> Meta | BoltError:
        try:
            return decode(self.read(offset, META_PAGE_BYTES))
        except BoltError as error:
            return error

    def _meta(self, slot: int) -> Meta | BoltError:
        meta = self._meta_at(slot * self.page_size)
        if isinstance(meta, Meta) and meta.page_size != self.page_size:
            text = f"says that pages have {meta.page_size} bytes, they seem to have {self.page_size}"
            return InvalidDatabaseError(text)
        return meta

    def unproven_meta(self, slot: int) -> Meta | None:
        """Return what is in a meta page, without any proof of it; None if there is no such page."""
        page = self.read(slot * self.page_size, META_PAGE_BYTES)
        return Meta(*META_BODY.unpack_from(page, HEADER_SIZE)[2:]) if len(page) == META_PAGE_BYTES else None

    def survey(self, progress: Callable[[int], None]) -> str:
        """Read the file from end to end, fill `kinds`, and return a name that occurs nowhere in it.

        Args:
            progress: Told how many pages were read with each block.
        """
        self._broken = 0
        size, per_block = self.page_size, max(1, _BLOCK_BYTES // self.page_size)
        suffixes, overlap = {0}, b""
        is_taken = False
        for first in range(0, self.page_count, per_block):
            block = self.read(first * size, per_block * size)
            for pgid in range(first, min(first + per_block, self.page_count)):
                at = (pgid - first) * size
                if at + HEADER_SIZE <= len(block):
                    own_id, flags, _, _ = PAGE_HEADER.unpack_from(block, at)
                    if own_id == pgid and flags in (BRANCH, LEAF, META, FREELIST):
                        self.kinds[pgid] = flags
            overlap += block
            found = overlap.find(_WORD)
            while found >= 0:
                is_taken = True
                behind = overlap[found + len(_WORD) + 1 : found + len(_WORD) + 20]
                digits = behind[: len(behind) - len(behind.lstrip(b"0123456789"))]
                suffixes.add(int(digits or b"0"))
                found = overlap.find(_WORD, found + 1)
            overlap = overlap[-64:]
            progress(per_block)
        self.unreadable = self._broken
        return f"{_WORD.decode()}_{max(suffixes) + 1}" if is_taken else _WORD.decode()

    def is_tree_page(self, pgid: Pgid) -> bool:
        """Return whether there is a page of this id that says it is a leaf or a branch."""
        return 2 <= pgid < self.page_count and self.kinds[pgid] in _TREE

    def page(self, pgid: Pgid) -> Page | None:
        """Return a leaf or branch; None if the page is none, or there is none.

        One that has another id or type in its header is taken for what it could be, if all its items are sound, and
        it is no copy of the page whose id it has.
        """
        if not 2 <= pgid < self.page_count:
            return None
        image = self.read(pgid * self.page_size, self.page_size)
        if len(image) < HEADER_SIZE:
            return None
        header = Header(*PAGE_HEADER.unpack_from(image))
        if header.id == pgid and header.flags in _TREE:
            return self._page(pgid, header, image, header.flags, [])
        if header.id != pgid and self.is_tree_page(header.id):
            return None
        doubt = f"identifies itself as page {header.id}" if header.id != pgid else f"has type/flags {header.flags:x}"
        for flags in (header.flags,) if header.flags in _TREE else _TREE:
            page = self._page(pgid, header, image, flags, [doubt])
            if page is not None and page.items.spots and len(page.doubts) == 1:
                return page
        return None

    def _page(self, pgid: Pgid, header: Header, image: bytes, flags: int, doubts: list[str]) -> Page | None:
        at = pgid * self.page_size
        room = self.size - at
        missing = min(HEADER_SIZE + header.item_count * ELEMENT_SIZE, room) - len(image)
        if missing > 0:
            image += self.read(at + len(image), missing)
        stated = min((header.overflow + 1) * self.page_size, room)
        items = read_items(image[HEADER_SIZE:], header.item_count, is_leaf=flags == LEAF, stated=stated, room=room)
        end = max((spot.end for spot in items.spots), default=HEADER_SIZE)
        pages = -(-end // self.page_size)
        doubts = [*doubts, *items.doubts]
        # Old versions of bolt took a page more where the last one was full.
        if pages not in (header.overflow + 1, header.overflow):
            doubts.append(f"says it has {header.overflow} overflow pages; its items take {pages - 1}")
        self._budget -= pages
        if pages > 1 and self._budget < 0:
            return None
        return Page(pgid, flags == LEAF, items, image, pages, doubts)

    def cut(self, page: Page, start: int, end: int) -> bytes:
        """Return bytes of a page, from its start on."""
        if end <= len(page.image):
            return page.image[start:end]
        return self.read(page.pgid * self.page_size + start, end - start)

    def key(self, page: Page, index: int) -> bytes:
        """Return the key of an item."""
        spot = page.items.spots[index]
        return self.cut(page, spot.key_at, spot.value_at)
