"""The two meta pages: encode, decode, validate, and choose the newer. No other page has a checksum."""

# Annotations are not postponed here: to make a named tuple of texts takes a tenth of the start of the command.
from collections.abc import Callable
from mmap import mmap
from typing import NamedTuple

from .checksum import fnv1a
from .errors import BoltError, ChecksumError, CorruptError, InvalidDatabaseError, VersionMismatchError
from .format import (
    FREELIST,
    HEADER_SIZE,
    LEAF,
    MAGIC,
    MAX_PAGE_SIZE,
    META,
    META_BODY,
    META_CHECKSUM,
    META_SIZE,
    MIN_PAGE_SIZE,
    NO_FREELIST,
    PAGE_HEADER,
    VERSION,
    Pgid,
    Txid,
)

# As much of a meta page as has a meaning.
META_PAGE_BYTES = HEADER_SIZE + META_SIZE


class Meta(NamedTuple):
    """A state of the database: what one commit left.

    Attributes:
        page_size: Bytes a page.
        flags: 0 in files written by bolt itself.
        root: Root page of the root bucket.
        sequence: Of the root bucket.
        freelist: Its page, or NO_FREELIST if it is not stored.
        hwm: The high-water mark: the first page never used.
        txid: The transaction that wrote it.
    """

    page_size: int
    flags: int
    root: Pgid
    sequence: int
    freelist: Pgid
    hwm: Pgid
    txid: Txid

    def encode(self, slot: int, checksum: Callable[[bytes], int] = fnv1a) -> bytes:
        """Return the meta page for slot 0 or 1, page_size bytes long; `checksum` is a faster twin of fnv1a."""
        return self.head(slot, checksum).ljust(self.page_size, b"\0")

    def head(self, slot: int, checksum: Callable[[bytes], int] = fnv1a) -> bytes:
        """Return as much of that page as has a meaning."""
        body = META_BODY.pack(MAGIC, VERSION, *self)
        return PAGE_HEADER.pack(slot, META, 0, 0) + body + META_CHECKSUM.pack(checksum(body))


def decode(page: bytes) -> Meta:
    """Return the meta in the first 80 bytes of a page.

    Raises:
        InvalidDatabaseError: The magic number is wrong, or the page is cut short.
        VersionMismatchError: The version is not 2.
        ChecksumError: The bytes do not match the checksum.
        CorruptError: The checksum is right and the numbers still make no sense.
    """
    if len(page) < META_PAGE_BYTES:
        raise InvalidDatabaseError("invalid database: no meta page")
    body = page[HEADER_SIZE : HEADER_SIZE + META_BODY.size]
    magic, version, *fields = META_BODY.unpack(body)
    if magic != MAGIC:
        raise InvalidDatabaseError(f"invalid database: magic number is {magic:08x}, bolt's is {MAGIC:08x}")
    if version != VERSION:
        raise VersionMismatchError(version)
    stored = META_CHECKSUM.unpack_from(page, HEADER_SIZE + META_BODY.size)[0]
    computed = fnv1a(body)
    if stored != computed:
        raise ChecksumError(stored, computed)
    meta = Meta(*fields)
    # bolt itself accepts smaller pages at creation, so a file may have them; it must hold a meta all the same.
    if not META_PAGE_BYTES <= meta.page_size <= MAX_PAGE_SIZE:
        raise CorruptError(None, f"meta page says that pages have {meta.page_size} bytes")
    if not 2 <= meta.root < meta.hwm:
        raise CorruptError(None, f"meta page says root page {meta.root}, high-water mark {meta.hwm}")
    if meta.freelist != NO_FREELIST and not 2 <= meta.freelist < meta.hwm:
        raise CorruptError(None, f"meta page says freelist page {meta.freelist}, high-water mark {meta.hwm}")
    return meta


def detect_page_size(read: Callable[[int, int], bytes], file_size: int) -> int:
    """Return the page size that a file states in a valid meta, 0 if none is found.

    Meta 0 is at the start; if it is damaged, meta 1 is looked for behind each power of two that may be a page size.

    Args:
        read: `(offset, count) -> bytes` of the file.
        file_size: Bytes.

    Raises:
        StorageError: The system cannot read the file. To pass over that would end the process, once the map is read.
    """
    offsets = [0]
    size = MIN_PAGE_SIZE
    while size <= MAX_PAGE_SIZE and size < file_size - MIN_PAGE_SIZE:
        offsets.append(size)
        size *= 2
    for offset in offsets:
        page = read(offset, META_PAGE_BYTES)
        try:
            return decode(page).page_size
        except BoltError:
            continue
    return 0


def both_metas(source: mmap | bytes, page_size: int) -> list[Meta | BoltError]:
    """Return both metas of a mapped file, or what is wrong with them."""
    found: list[Meta | BoltError] = []
    for slot in (0, 1):
        try:
            meta = decode(bytes(source[slot * page_size : slot * page_size + META_PAGE_BYTES]))
            if meta.page_size != page_size:
                raise CorruptError(slot, f"meta page says {meta.page_size} bytes a page, the file has {page_size}")
            found.append(meta)
        except BoltError as error:
            found.append(error)
    return found


def newest(metas: list[Meta | BoltError]) -> Meta:
    """Return the valid meta with the higher txid.

    Raises:
        BoltError: Both are bad; the error is meta 0's (as bbolt's is).
    """
    valid = [meta for meta in metas if isinstance(meta, Meta)]
    if not valid:
        raise next(error for error in metas if isinstance(error, BoltError))
    return max(valid, key=lambda meta: meta.txid)


def twin_pages(meta: Meta) -> list[bytes]:
    """Return both meta pages of a copy of one state: its own, and one before it that tells the same state.

    So a damaged one does no harm to the copy, which has no pages of the state before.
    """
    older = meta._replace(txid=max(meta.txid - 1, 0))
    return [(meta if slot == meta.txid % 2 else older).encode(slot) for slot in (0, 1)]


def new_database(page_size: int) -> bytes:
    """Return the four pages of a new, empty database: two metas, a freelist, an empty root bucket."""
    first = Meta(page_size, 0, root=3, sequence=0, freelist=2, hwm=4, txid=0)
    pages = [first.encode(0), first._replace(txid=1).encode(1)]
    for pgid, flags in ((2, FREELIST), (3, LEAF)):
        pages.append(PAGE_HEADER.pack(pgid, flags, 0, 0).ljust(page_size, b"\0"))
    return b"".join(pages)
