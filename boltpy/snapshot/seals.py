"""The bytes of a seal: the file NAME.seal beside a database, with the fingerprint of each page of one state.

FROZEN: another layout needs another version. All integers are little-endian, all checksums are CRC32C. A seal is a
record SEAL and any number of records NEXT, one for each commit since. A record that is cut off or changed ends it: what
stands before is the seal of an earlier state.

record, 88 bytes and a body      offset size field
                                      0    4 kind       "SEAL" or "NEXT"
                                      4    4 version    1
                                      8    8 size       bytes of the body
                                     16   64 meta       of the state, as it stands in the file's meta page
                                     80    4 checksum   of the body
                                     84    4 checksum   of the 84 bytes before, see below
SEAL body                             0  8*n            the fingerprints of all pages from 0 to the high-water mark - 1;
                                                        0: the page is not part of the state
NEXT body                             0  8*n pgids      of pages whose fingerprint is another than in the record before
                                    8*n  8*n            their fingerprints; 0: not part of the state any more

The metas, pages 0 and 1, have fingerprints like all others. A NEXT has a txid that is one higher than that before it.
The checksum of a head is that of its 84 bytes behind the 4 bytes of the checksum of the head before (0 in SEAL): a
record of another seal follows on nothing here.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from struct import Struct

from ..errors import BoltError, DatabaseError, InvalidDatabaseError
from ..files import beside
from ..format import HEADER_SIZE
from ..meta import META_PAGE_BYTES, Meta, decode
from ..storage import FileStorage, PathLike
from .fingerprints import checksum
from .stream import little_endian, numbers_of

VERSION = 1
SEAL, NEXT = b"SEAL", b"NEXT"

_RECORD = Struct("<4sIQ64sII")
_CHECKSUM = Struct("<I")


def seal_path(path: PathLike) -> str:
    """Return where the seal of a database file is."""
    return beside(path, ".seal")


@dataclass
class Seal:
    """The fingerprints of one state.

    Attributes:
        meta: The state.
        prints: The fingerprint of each page, by pgid; 0 if it is not part of the state.
        size: Bytes of the file up to here.
        last_checksum: Of the head of the last record; the next one follows on it.
        damage: Why the file ends here, if not because it ends.
    """

    meta: Meta
    prints: array[int]
    size: int = 0
    last_checksum: int = 0
    damage: str = ""

    def begin(self) -> bytes:
        """Return the record that a file with this state begins with."""
        self.size = self.last_checksum = 0
        return self._record(SEAL, little_endian(self.prints))

    def follow(self, meta: Meta, pgids: array[int], prints: array[int]) -> bytes:
        """Go on to the next state, whose pages are as before but for some, and return its record."""
        self._take(meta, pgids, prints)
        return self._record(NEXT, little_endian(pgids) + little_endian(prints))

    def _take(self, meta: Meta, pgids: array[int], prints: array[int]) -> None:
        self.prints.frombytes(bytes(8 * (meta.hwm - len(self.prints))))
        for pgid, stored in zip(pgids, prints, strict=True):
            self.prints[pgid] = stored
        self.meta = meta

    def _record(self, kind: bytes, body: bytes) -> bytes:
        meta = self.meta.encode(0)[HEADER_SIZE:META_PAGE_BYTES]
        head = _RECORD.pack(kind, VERSION, len(body), meta, checksum(body), 0)[: -_CHECKSUM.size]
        self.last_checksum = _head_checksum(head, self.last_checksum)
        record = head + _CHECKSUM.pack(self.last_checksum) + body
        self.size += len(record)
        return record


def _head_checksum(head: bytes | memoryview, before: int) -> int:
    return checksum(_CHECKSUM.pack(before), head)


def read_seal(path: PathLike) -> Seal:
    """Return the last state that the seal of a database file tells of.

    Raises:
        DatabaseError: There is no seal, or already its first record is damaged.
    """
    name = seal_path(path)
    try:
        file = FileStorage(name, mode=0, read_only=True)
    except FileNotFoundError:
        raise DatabaseError(f"there is no seal {name}") from None
    except InvalidDatabaseError:
        raise DatabaseError(f"{name}: is no regular file, and so no seal") from None
    try:
        data = file.read(0, file.size())
        while len(data) < file.size():  # the system may give less than was asked for
            data += file.read(len(data), file.size() - len(data))
    finally:
        file.close()
    try:
        return _decode(memoryview(data))
    except ValueError as error:
        raise DatabaseError(f"{name}: {error}") from None


def _decode(data: memoryview) -> Seal:
    """Return the last state in the bytes of a seal.

    Raises:
        ValueError: The first record is damaged.
    """
    kind, meta, body, found = _next_record(data, 0)
    if kind != SEAL:
        raise ValueError("is no seal")
    seal = Seal(meta, numbers_of(body), _RECORD.size + len(body), found)
    if len(seal.prints) != meta.hwm:
        raise ValueError(f"has {len(seal.prints)} fingerprints, the high-water mark is {meta.hwm}")
    while seal.size < len(data):
        try:
            kind, meta, body, found = _next_record(data[seal.size :], seal.last_checksum)
            if kind != NEXT or meta.txid != seal.meta.txid + 1 or len(body) % 16 or meta.hwm < seal.meta.hwm:
                raise ValueError("does not follow on the one before")
            numbers = numbers_of(body)
            half = len(numbers) // 2
            if any(pgid >= meta.hwm for pgid in numbers[:half]) or meta.hwm > len(seal.prints) + half:
                raise ValueError("names other pages than there are")
        except ValueError as error:
            seal.damage = f"the record at byte {seal.size} {error}"
            break
        seal._take(meta, numbers[:half], numbers[half:])
        seal.size += _RECORD.size + len(body)
        seal.last_checksum = found
    return seal


def _next_record(data: memoryview, before: int) -> tuple[bytes, Meta, memoryview, int]:
    """Return the kind, meta and body of the first record, and the checksum of its head; `before` is that before it."""
    if len(data) < _RECORD.size:
        raise ValueError("is cut short")
    kind, version, size, meta, body_checksum, stored = _RECORD.unpack_from(data)
    if _head_checksum(data[: _RECORD.size - _CHECKSUM.size], before) != stored:
        raise ValueError("is damaged, or no record of this seal: its checksum is wrong")
    if version != VERSION:
        raise ValueError(f"has version {version}; this program knows version {VERSION}")
    body = data[_RECORD.size : _RECORD.size + size]
    if len(body) < size or size % 8:
        raise ValueError("is cut short")
    if checksum(body) != body_checksum:
        raise ValueError("is damaged: the checksum of its body is wrong")
    try:
        return kind, decode(bytes(HEADER_SIZE) + bytes(meta)), body, stored
    except BoltError as error:
        raise ValueError(f"has no valid meta: {error}") from error
