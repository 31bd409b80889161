"""How an empty file becomes a database, and how one is known whose making a crash cut short."""

from __future__ import annotations

from .errors import InvalidDatabaseError, MaxSizeReachedError
from .format import HEADER_SIZE, MAX_PAGE_SIZE, MIN_PAGE_SIZE
from .meta import META_PAGE_BYTES, decode, detect_page_size, new_database
from .options import Options
from .storage import Storage, sync_folder, system_page_size

_PAGES = 4  # of a new database
_SECTOR = 512  # bytes that a disk writes at least, as a whole


def prepare(storage: Storage, options: Options) -> tuple[int, bool]:
    """Make a database of an empty file, and return the file's page size and whether it was made now.

    A file whose making was cut short is made anew if one of its metas is there: nothing was ever committed to it. Where
    neither is there, nothing tells it from a database that has lost both, and whoever opens it must say.

    Raises:
        InvalidDatabaseError, VersionMismatchError, ChecksumError: It is no bolt file, or both metas are damaged.
        MaxSizeReachedError: A new database is larger than `max_size`. The file is still empty.
        StorageError: The system refused. What there is of a new file is made anew by the next one to open it.
    """
    size = storage.size()
    page_size = detect_page_size(storage.read, size)
    if size == 0 or (not options.read_only and page_size and _was_never_finished(storage, page_size, size)):
        if options.read_only:
            raise InvalidDatabaseError(f"invalid database: {storage.path} is empty")
        page_size = page_size or options.page_size or system_page_size()
        if options.max_size and _PAGES * page_size > options.max_size:
            raise MaxSizeReachedError(_PAGES * page_size, options.max_size)
        storage.write(0, new_database(page_size))
        storage.sync()
        sync_folder(storage.path)
        return page_size, True
    if not page_size:
        _require_a_meta(storage, options, size)
        page_size = options.page_size or system_page_size()
        if size < 2 * page_size:
            decode(storage.read(0, META_PAGE_BYTES))  # says what is wrong with it
    if size < 2 * page_size:
        raise InvalidDatabaseError(f"file size too small {size}: two pages of {page_size} bytes are the least")
    return page_size, False


def _was_never_finished(storage: Storage, page_size: int, size: int) -> bool:
    """Return whether all that there is was written by the making of a database.

    A crash may have kept the length and lost any of the sectors, or the end of one, which then are zeros. Where the
    whole is there, it is not known whether it is on the disk, and its name in the folder.
    """
    if size > _PAGES * page_size:
        return False
    whole, found = new_database(page_size), storage.read(0, size)
    sectors = [slice(at, min(at + _SECTOR, size)) for at in range(0, size, _SECTOR)]
    return all(whole[sector].startswith(found[sector].rstrip(b"\0")) for sector in sectors)


def _require_a_meta(storage: Storage, options: Options, size: int) -> None:
    """Raise InvalidDatabaseError if the file is what a new one can be in which neither meta has come to be."""
    begin = storage.read(0, HEADER_SIZE)
    if not new_database(MIN_PAGE_SIZE).startswith(begin.rstrip(b"\0")):
        return
    for page_size in (size // _PAGES, options.page_size or system_page_size()):
        if MIN_PAGE_SIZE <= page_size <= MAX_PAGE_SIZE and _was_never_finished(storage, page_size, size):
            raise InvalidDatabaseError(
                f"invalid database: {storage.path} has no whole meta page and no data, as a file whose making a crash"
                " cut short; if it was a new one, delete it and open it again"
            )
