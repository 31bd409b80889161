"""Reading a backup, from a file or a pipe, without believing it: what does not fit is told with its place."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EAGAIN
from hashlib import sha256
from io import SEEK_END, SEEK_SET
from typing import BinaryIO, NamedTuple, NoReturn

from ..errors import BackupError
from .fingerprints import ABSENT, checksum, fingerprint
from .stream import (
    FRAME_HEADER_BYTES,
    HEADER_BYTES,
    INDEX,
    INDEX_COUNT,
    LAST,
    LAST_BODY_BYTES,
    PAGES,
    FrameHeader,
    Header,
    LastBody,
    decode_frame_header,
    decode_header,
    decode_last,
    numbers_of,
    pages_in_a_frame,
)

_MOST_READ = 16 * 1024 * 1024  # bytes at a time, so that a wrong number costs no more memory


class PageFrame(NamedTuple):
    """Some pages of a backup, proven to be what their fingerprints say.

    Attributes:
        pgids: Ascending.
        prints: Their fingerprints.
        data: Their bytes, one page behind the other.
    """

    pgids: array[int]
    prints: array[int]
    data: memoryview


class Reader:
    """One backup, read from its start to its end.

    Attributes:
        name: What errors call it.
        header: What it says of itself.
        index: The fingerprint of each page of the state, by pgid; whole when `pages` has ended.
        digest: What the next backup of the chain names as its parent; known when `pages` has ended.
        page_count: Pages read so far.
        size: Bytes read so far.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        """Read the header.

        Raises:
            BackupError: It is no backup, or the header was changed.
        """
        self.name = name
        self.size = 0
        self.page_count = 0
        self.index = array("Q")
        self.digest = b""
        self._file = file
        self._frame = 0
        self._frame_at = 0
        data = self._up_to(HEADER_BYTES)
        try:
            self.header: Header = decode_header(data)
        except ValueError as error:
            raise BackupError(name, 0, 0, str(error)) from None
        self._hash = sha256(data)
        self._pgids = array("Q")
        self._prints = array("Q")

    # -- bytes ---------------------------------------------------------------------------------------------------

    def _up_to(self, count: int) -> bytes:
        """Read `count` bytes, fewer where the stream ends."""
        parts, left = [], count
        while left:
            part = self._some(min(left, _MOST_READ))
            if not part:
                break
            parts.append(part)
            left -= len(part)
            self.size += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _some(self, count: int) -> bytes:
        with self._named():
            part: object = self._file.read(count)
            if part is None:
                raise BlockingIOError(EAGAIN, "gives nothing now: it is in non-blocking mode")
        if not isinstance(part, bytes | bytearray | memoryview):
            raise TypeError(f"{self.name} gives {type(part).__name__}; a backup is read in binary mode")
        return bytes(part)

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Tell in an error of the system which file it is about."""
        try:
            yield
        except OSError as error:
            error.filename = error.filename or self.name
            raise

    def _exactly(self, count: int) -> bytes:
        data = self._up_to(count)
        if len(data) < count:
            self._refuse(f"the backup is cut short: it ends at byte {self.size}")
        return data

    def _refuse(self, reason: str) -> NoReturn:
        raise BackupError(self.name, self._frame, self._frame_at, reason)

    # -- frames --------------------------------------------------------------------------------------------------

    def _next_frame(self) -> FrameHeader:
        self._frame += 1
        self._frame_at = self.size
        header = decode_frame_header(self._exactly(FRAME_HEADER_BYTES))
        if header is None:
            self._refuse("was changed: its checksum is wrong")
        if header.id != self.header.id:
            self._refuse(f"belongs to another backup, {header.id.hex()}; this one is {self.header.id.hex()}")
        if header.number != self._frame:
            self._refuse(f"says that it is frame {header.number}: frames were swapped, repeated or left out")
        return header

    def _body(self, header: FrameHeader, size: int) -> bytes:
        body = self._exactly(size)
        if checksum(body) != header.body_checksum:
            self._refuse("was changed: the checksum of its body is wrong")
        return body

    def pages(self) -> Iterator[PageFrame]:
        """Yield the frames of pages, each proven; when this ends, all of the backup was.

        Raises:
            BackupError: With the frame that is cut, changed, swapped or foreign.
        """
        header = self._next_frame()
        while header.kind == PAGES:
            yield self._page_frame(header)
            header = self._next_frame()
        index_at = self._frame_at
        header = self._read_index(header)
        last = self._read_last(header)
        if last.index_at != index_at or last.page_count != self.page_count:
            self._refuse(f"names {last.page_count} pages and an index at byte {last.index_at}; that is not so")
        self._compare_with_index()
        self._frame += 1
        self._frame_at = self.size
        if self._up_to(1):
            self._refuse("there is something behind the last frame")

    def _page_frame(self, header: FrameHeader) -> PageFrame:
        size, count = self.header.meta.page_size, header.item_count
        if not 1 <= count <= pages_in_a_frame(size):
            self._refuse(f"says that it has {count} pages; at most {pages_in_a_frame(size)} are allowed")
        body = memoryview(self._body(header, 16 * count))
        pgids, prints = numbers_of(body[: 8 * count]), numbers_of(body[8 * count :])
        if header.first != pgids[0]:
            self._refuse(f"says that it begins with page {header.first}; it begins with page {pgids[0]}")
        previous = self._pgids[-1] if self._pgids else 1
        for pgid in pgids:
            if not previous < pgid < self.header.meta.hwm:
                self._refuse(f"has page {pgid} behind page {previous}, with a high-water mark {self.header.meta.hwm}")
            previous = pgid
        data = memoryview(self._exactly(count * size))
        for at, (pgid, stored) in enumerate(zip(pgids, prints, strict=True)):
            if fingerprint(data[at * size : (at + 1) * size]) != stored:
                self._refuse(f"page {pgid} was changed: its fingerprint is wrong")
        self._pgids += pgids
        self._prints += prints
        self.page_count += count
        return PageFrame(pgids, prints, data)

    def _read_index(self, header: FrameHeader) -> FrameHeader:
        """Read the index from its first frame on, and return the header of the frame behind it."""
        while header.kind == INDEX:
            if header.first != len(self.index) or not 1 <= header.item_count <= INDEX_COUNT:
                self._refuse(f"has {header.item_count} fingerprints from page {header.first} on, out of order")
            body = self._body(header, 8 * header.item_count)
            self._hash.update(body)
            self.index += numbers_of(body)
            header = self._next_frame()
        if len(self.index) != self.header.meta.hwm:
            self._refuse(f"the index has {len(self.index)} pages, the high-water mark is {self.header.meta.hwm}")
        return header

    def _read_last(self, header: FrameHeader) -> LastBody:
        if header.kind != LAST or header.item_count != 1 or header.first:
            self._refuse(f"is of a kind that has no place here: {header.kind!r}")
        last = decode_last(self._body(header, LAST_BODY_BYTES))
        self.digest = self._hash.digest()
        if last.digest != self.digest:
            self._refuse("the digest is wrong: header or index are not those that it was made of")
        return last

    def _compare_with_index(self) -> None:
        for pgid, stored in zip(self._pgids, self._prints, strict=True):
            if self.index[pgid] != stored:
                self._refuse(f"the index has another page {pgid}")
        del self._prints[:]  # nobody needs them any more
        state_pages = len(self.index) - self.index.count(ABSENT)
        if not self.header.number and state_pages != self.page_count:
            self._refuse(f"the state has {state_pages} pages, this full backup has {self.page_count}")

    def inherited(self) -> array[int]:
        """Return the index without the pages of this backup: what must be in an earlier one of its chain."""
        left = array("Q", self.index)
        for pgid in self._pgids:
            left[pgid] = ABSENT
        return left

    # -- the index alone -----------------------------------------------------------------------------------------

    def read_index_only(self) -> None:
        """Read index and digest of a backup without its pages; the file must be able to seek.

        Raises:
            BackupError: They are damaged. Whether the pages are, this does not tell.
        """
        with self._named():
            self._frame_at = self._file.seek(0, SEEK_END) - FRAME_HEADER_BYTES - LAST_BODY_BYTES
        self._frame = 1
        if self._frame_at < HEADER_BYTES:
            self._refuse("the backup is cut short")
        self._go_to(self._frame_at)
        header = decode_frame_header(self._exactly(FRAME_HEADER_BYTES))
        if header is None or header.id != self.header.id or header.kind != LAST:
            self._refuse("is not the last one of this backup: it was cut short or changed")
        self._frame = header.number
        last = decode_last(self._body(header, LAST_BODY_BYTES))
        end = self._frame_at
        self._frame = header.number - 1 - -(-self.header.meta.hwm // INDEX_COUNT)
        if self._frame < 0 or not HEADER_BYTES <= last.index_at < end:
            self._refuse(f"names an index at byte {last.index_at}; that can not be")
        self._go_to(last.index_at)
        last_header = self._read_index(self._next_frame())
        if self._frame_at != end:
            self._refuse("comes before the place where the last frame is")
        self._read_last(last_header)

    def _go_to(self, at: int) -> None:
        with self._named():
            self.size = self._file.seek(at, SEEK_SET)
