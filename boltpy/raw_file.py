"""The pages of a file as they stand: for the low-level commands, which are for files that nobody can open any more.

Nothing here believes the file. What a page says of itself is checked before it is used, so a hostile one gives a
BoltError, and no more is read than the page can really have.
"""

# Annotations are not postponed here: to make a named tuple of texts takes a tenth of the start of the command.
from typing import NamedTuple, Self

from .errors import CorruptError, InvalidDatabaseError
from .format import HEADER_SIZE, MAGIC, MAX_PAGE_SIZE, META_BODY, META_CHECKSUM, PAGE_HEADER, Pgid
from .meta import META_PAGE_BYTES, Meta, both_metas, detect_page_size, newest
from .storage import FileStorage


class PageHeader(NamedTuple):
    """What a page says of itself: its id, the flags of its type, its elements, and its further pages."""

    id: Pgid
    flags: int
    item_count: int
    overflow: int


def locked(path: str, timeout: float | None) -> FileStorage:
    """Open a file to read it, and keep writers out of it. The caller closes it.

    Args:
        path: The file.
        timeout: Seconds to wait for its lock, not 0; None does not lock it.

    Raises:
        LockTimeoutError: Somebody writes to it.
        OSError: The system refuses.
    """
    file = FileStorage(path, mode=0, read_only=True)
    try:
        if timeout is not None:
            file.lock(shared=True, timeout=timeout)
    except BaseException:
        file.close()
        raise
    return file


class RawFile:
    """One file, open to read its pages. A context manager.

    Attributes:
        path: The file.
        meta: The newest valid meta. If neither is valid, the first that has bolt's magic number.
        page_size: Bytes a page.
    """

    def __init__(self, path: str, timeout: float | None = None) -> None:
        """Open a file and find its metas.

        Args:
            path: The file.
            timeout: Seconds to wait for its lock; None does not lock it: what a writer does meanwhile may show.

        Raises:
            LockTimeoutError: Somebody writes to it.
            BoltError: There is no meta in it.
            OSError: The system refuses.
        """
        self.path = path
        self._file = locked(path, timeout)
        try:
            self.meta = self._find_meta()
            self.page_size = self.meta.page_size
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _find_meta(self) -> Meta:
        size = detect_page_size(self._file.read, self._file.size())
        if size:
            return newest(both_metas(self._file.read(0, size + META_PAGE_BYTES), size))
        return _unproven_meta(self._file.read(0, META_PAGE_BYTES))

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._file.size()

    @property
    def pages_there(self) -> int:
        """How many whole pages the file has, whatever its meta says."""
        return self.size // self.page_size

    def read(self, offset: int, count: int) -> bytes:
        """Return up to `count` bytes; fewer at the end of the file."""
        return self._file.read(offset, count)

    def block(self, pgid: Pgid) -> bytes:
        """Return the bytes where the page is, without its overflow pages.

        Raises:
            CorruptError: It lies beyond the end of the file.
        """
        offset = pgid * self.page_size
        if offset >= self.size:
            raise CorruptError(pgid, "EOF")
        block = self.read(offset, self.page_size)
        if len(block) < self.page_size:
            raise CorruptError(pgid, "unexpected EOF" if offset + HEADER_SIZE <= self.size else "EOF")
        return block

    def page(self, pgid: Pgid) -> tuple[PageHeader, bytes]:
        """Return the header of a page and all its bytes, overflow pages included.

        Raises:
            CorruptError: It lies beyond the end of the file, says it is another page, or says that it has more
                overflow pages than there can be. The reasons are in the words of bbolt's command.
        """
        block = self.block(pgid)
        header = PageHeader(*PAGE_HEADER.unpack_from(block))
        if header.id != pgid:
            raise CorruptError(pgid, f"error: invalid value due to unexpected Page id: {header.id} != {pgid}")
        if not header.overflow:
            return header, block
        hwm = self.meta.hwm
        if header.overflow >= hwm - 3:
            raise CorruptError(
                pgid,
                f"error: invalid value, Page claims to have {header.overflow} overflow pages (>=hwm={hwm}). "
                "Interrupting to avoid risky OOM",
            )
        size = (header.overflow + 1) * self.page_size
        if pgid * self.page_size + size > self.size:
            raise CorruptError(pgid, "unexpected EOF")
        return header, self.read(pgid * self.page_size, size)


def stored_meta(page: bytes) -> tuple[int, Meta, int]:
    """Return the version, the fields and the checksum that a meta page states, true or not."""
    _, version, *fields = META_BODY.unpack_from(page, HEADER_SIZE)
    return version, Meta(*fields), META_CHECKSUM.unpack_from(page, HEADER_SIZE + META_BODY.size)[0]


def _unproven_meta(page: bytes) -> Meta:
    """Return the meta of page 0 although its checksum or version is wrong, if it is one and has a page size."""
    if len(page) < META_PAGE_BYTES:
        raise InvalidDatabaseError("invalid database: no meta page")
    _, meta, _ = stored_meta(page)
    magic = META_BODY.unpack_from(page, HEADER_SIZE)[0]
    if magic != MAGIC or not META_PAGE_BYTES <= meta.page_size <= MAX_PAGE_SIZE:
        raise InvalidDatabaseError("invalid database: neither meta page is valid")
    return meta
