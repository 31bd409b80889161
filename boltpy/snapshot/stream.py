"""The bytes of a backup, and writing them. FROZEN: another layout needs another version.

All integers are little-endian; all checksums are CRC32C. A backup is a header, frames numbered from 1, and nothing
behind the last one. The kinds of frames come in this order: any number of PAGE, any number of INDX, one LAST.

header, 152 bytes                offset size field
                                      0    8 magic      "boltpyBK"
                                      8    4 version    1
                                     12    4 number     0: a full backup; n: the n-th incremental one behind it
                                     16   16 chain      random; all backups of a chain have it
                                     32   16 id         random; this backup's own
                                     48   32 parent     the digest of backup number - 1; zeros in a full one
                                     80    4 mode       permission bits of the database file, at most 0o777
                                     84   64 meta       of the state, as it stands in the file's meta page
                                    148    4 checksum   of the 148 bytes before
frame, 44 bytes and a body            0    4 kind       "PAGE", "INDX" or "LAST"
                                      4    4 number     1, 2, 3, ...
                                      8   16 id         that of the header
                                     24    8 first      PAGE, INDX: the first pgid; LAST: 0
                                     32    4 count      PAGE: pages; INDX: fingerprints; LAST: 1
                                     36    4 checksum   of the body, without the pages themselves
                                     40    4 checksum   of the 40 bytes before
PAGE body                             0  8*n pgids      ascending, also from frame to frame
                                    8*n  8*n            their fingerprints
                                   16*n  p*n            the pages, p = page size
INDX body                             0  8*n            the fingerprints of n pages from pgid `first` on; 0: not in the
                                                        state. Together all pgids from 0 to the high-water mark - 1
LAST body, 48 bytes                   0    8 index at   bytes from the start of the backup to the first INDX frame
                                      8    8 pages      how many pages all PAGE frames have
                                     16   32 digest     SHA-256 of the header and of the bodies of all INDX frames

fingerprint of a page: its CRC-32 (as zlib's) times 2**32 plus its CRC32C; 1 if that is 0. The metas, pages 0 and 1,
are not in the index: they are made of the header's. A PAGE frame has at most 1 MiB of pages (or one page, if that is
larger), an INDX frame at most 65,536 fingerprints.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence
from hashlib import sha256
from itertools import pairwise
from struct import Struct
from typing import BinaryIO, NamedTuple

from ..errors import BoltError
from ..format import HEADER_SIZE, Pgid
from ..meta import META_PAGE_BYTES, Meta, decode
from ..tx import write_all
from .fingerprints import checksum

MAGIC = b"boltpyBK"
VERSION = 1
PAGES, INDEX, LAST = b"PAGE", b"INDX", b"LAST"

ID_BYTES = 16
DIGEST_BYTES = 32
INDEX_COUNT = 65_536  # fingerprints in a frame, at most
_FRAME_BYTES = 1024 * 1024

_HEADER = Struct("<8sII16s16s32sI64sI")
_FRAME = Struct("<4sI16sQIII")
_LAST_BODY = Struct("<QQ32s")
_CHECKSUM = Struct("<I")
HEADER_BYTES = _HEADER.size
FRAME_HEADER_BYTES = _FRAME.size
LAST_BODY_BYTES = _LAST_BODY.size


def pages_in_a_frame(page_size: int) -> int:
    """Return how many pages a frame has at most."""
    return max(_FRAME_BYTES // page_size, 1)


class Header(NamedTuple):
    """What a backup says of itself at its start.

    Attributes:
        number: 0 in a full backup; n in the n-th incremental one behind it.
        chain: 16 random bytes that all backups of a chain have.
        id: 16 random bytes of this backup.
        parent: The digest of backup number - 1; zeros in a full one.
        mode: Permission bits of the database file.
        meta: The state that was backed up.
    """

    number: int
    chain: bytes
    id: bytes
    parent: bytes
    mode: int
    meta: Meta

    def encode(self) -> bytes:
        """Return the header's bytes."""
        meta = self.meta.encode(0)[HEADER_SIZE:META_PAGE_BYTES]
        packed = _HEADER.pack(MAGIC, VERSION, self.number, self.chain, self.id, self.parent, self.mode, meta, 0)
        body = packed[: -_CHECKSUM.size]
        return body + _CHECKSUM.pack(checksum(body))


def decode_header(data: bytes) -> Header:
    """Return the header in the first bytes of a backup.

    Raises:
        ValueError: It is none that this version knows. The text says why.
    """
    if data[: len(MAGIC)] != MAGIC[: len(data)]:
        raise ValueError("is no backup of boltpy's")
    if len(data) < HEADER_BYTES:
        raise ValueError(f"is cut short: it has {len(data)} of {HEADER_BYTES} bytes")
    _, version, number, chain, own_id, parent, mode, meta, stored = _HEADER.unpack(data)
    if version != VERSION:
        raise ValueError(f"has version {version}; this program knows version {VERSION}")
    if stored != checksum(data[: -_CHECKSUM.size]):
        raise ValueError("was changed: its checksum is wrong")
    if mode > 0o777:
        raise ValueError(f"has a mode {mode:#o} that is more than permission bits")
    try:
        state = decode(bytes(HEADER_SIZE) + meta)
    except BoltError as error:
        raise ValueError(f"has no valid meta: {error}") from error
    return Header(number, chain, own_id, parent, mode, state)


class FrameHeader(NamedTuple):
    """The start of a frame, as the top of this file says."""

    kind: bytes
    number: int
    id: bytes
    first: Pgid
    item_count: int
    body_checksum: int

    def encode(self) -> bytes:
        """Return the frame header's bytes."""
        body = _FRAME.pack(*self, 0)[: -_CHECKSUM.size]
        return body + _CHECKSUM.pack(checksum(body))


def decode_frame_header(data: bytes) -> FrameHeader | None:
    """Return the frame header in 44 bytes; None if they were changed."""
    *fields, stored = _FRAME.unpack(data)
    return FrameHeader(*fields) if stored == checksum(data[: -_CHECKSUM.size]) else None


class LastBody(NamedTuple):
    """What the last frame says: where the index is, in bytes; the pages of all frames; the digest."""

    index_at: int
    page_count: int
    digest: bytes


def decode_last(data: bytes) -> LastBody:
    """Return what the body of the last frame says."""
    return LastBody(*_LAST_BODY.unpack(data))


def little_endian(numbers: array[int]) -> bytes:
    """Return an array of "Q" as bytes, 8 for each number."""
    if sys.byteorder == "big":
        numbers = array("Q", numbers)
        numbers.byteswap()
    return numbers.tobytes()


def numbers_of(data: bytes | memoryview) -> array[int]:
    """Return what `little_endian` made bytes of."""
    numbers = array("Q")
    numbers.frombytes(data)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def runs_upward(pgids: Sequence[Pgid]) -> list[tuple[int, int]]:
    """Return ascending pgids as runs of neighbours, each as (index of the first, index behind the last)."""
    if not pgids:
        return []
    cuts = [] if pgids[-1] - pgids[0] < len(pgids) else [i for i, (a, b) in enumerate(pairwise(pgids), 1) if b != a + 1]
    return list(zip([0, *cuts], [*cuts, len(pgids)], strict=True))


class Writer:
    """Writes one backup to a stream, from its header on.

    Attributes:
        size: Bytes written so far.
        page_count: Pages written so far.
    """

    def __init__(self, file: BinaryIO, header: Header) -> None:
        """Write the header."""
        self._file = file
        self._header = header
        self._number = 0
        self.size = 0
        self.page_count = 0
        self._write(header.encode())

    def _write(self, data: bytes | memoryview) -> None:
        write_all(self._file, data)
        self.size += len(data)

    def _frame(self, kind: bytes, first: Pgid, count: int, body: bytes) -> None:
        self._number += 1
        header = FrameHeader(kind, self._number, self._header.id, first, count, checksum(body))
        self._write(header.encode() + body)

    def pages(self, pgids: array[int], prints: array[int], source: memoryview) -> None:
        """Write a frame of pages.

        Args:
            pgids: Ascending, and behind those of the frame before; at most `pages_in_a_frame`.
            prints: Their fingerprints.
            source: Where page n is at `n * page_size`.
        """
        size = self._header.meta.page_size
        self._frame(PAGES, pgids[0], len(pgids), little_endian(pgids) + little_endian(prints))
        for start, stop in runs_upward(pgids):
            with source[pgids[start] * size : (pgids[stop - 1] + 1) * size] as run:
                self._write(run)
        self.page_count += len(pgids)

    def finish(self, index: array[int]) -> bytes:
        """Write the index and the last frame, and return the digest."""
        index_at, digest = self.size, sha256(self._header.encode())
        for first in range(0, len(index), INDEX_COUNT):
            part = index[first : first + INDEX_COUNT]
            body = little_endian(part)
            digest.update(body)
            self._frame(INDEX, first, len(part), body)
        self._frame(LAST, 0, 1, _LAST_BODY.pack(index_at, self.page_count, digest.digest()))
        return digest.digest()
