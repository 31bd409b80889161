"""Raw repair of pages, always in a copy: for files that cannot be opened any more, or lead to the wrong pages.

Each operation says which bytes have to change (`Patches`), from the source alone; `operate` makes the copy and writes
them. So nothing is left behind by an operation that is refused. Nothing here keeps trees, freelist and metas in step:
that is for those who know what they cut.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import closing

from .errors import (
    BoltError,
    ChecksumError,
    CorruptError,
    InvalidDatabaseError,
    VersionMismatchError,
)
from .format import (
    BRANCH,
    BRANCH_ELEMENT,
    ELEMENT_SIZE,
    HEADER_SIZE,
    LEAF,
    LEAF_ELEMENT,
    MAGIC,
    META_BODY,
    NO_FREELIST,
    PAGE_HEADER,
    PGID,
    Pgid,
    page_type_name,
)
from .hot.raw_page import Element
from .meta import META_PAGE_BYTES, Meta, both_metas, decode, detect_page_size
from .opening import open as open_db
from .page_items import elements, tree_page
from .raw_file import PageHeader, RawFile, locked, stored_meta
from .storage import FileStorage, taking_the_place_of

Patches = list[tuple[int, bytes]]
"""(offset in the file, bytes) in the order in which they are written."""

UPDATABLE = {"pageSize": "page_size", "root": "root", "freelist": "freelist", "pgid": "hwm"}
"""The fields of a meta that may be set, by bbolt's names for them."""

_COPY_BYTES = 1 << 20
_LONGEST_FILE = 2**63 - 1


class SurgeryError(BoltError):
    """The operation cannot be done; the text says why. There is no output file."""


def operate(file: RawFile, output: str, patches: Patches) -> None:
    """Write a copy of a file with some bytes changed. It is on the disk, as a whole, when this returns.

    Args:
        file: The source. It stays as it is.
        output: Where to; there must be no file yet.
        patches: What to change.

    Raises:
        SurgeryError: There is a file.
        OSError: The system refuses; there is no output then.
    """
    require_vacant(output)
    with taking_the_place_of(output) as beside:
        storage = _copied(file, beside)
        try:
            for offset, data in patches:
                storage.write(offset, data)
            storage.sync()
        finally:
            storage.close()


def require_vacant(output: str) -> None:
    """Make sure that there is no file at `output`.

    Raises:
        SurgeryError: There is.
    """
    if os.path.lexists(output):
        raise SurgeryError(f'copy file failed: output file "{output}" already exists')


def _copied(file: RawFile, path: str) -> FileStorage:
    """Make a new file with the bytes and the permissions of another."""
    mode = os.stat(file.path).st_mode & 0o777
    storage = FileStorage(path, mode=mode, read_only=False, exclusive=True)
    try:
        for at in range(0, file.size, _COPY_BYTES):
            storage.write(at, file.read(at, _COPY_BYTES))
    except BaseException:
        storage.close()
        raise
    return storage


# -- metas ---------------------------------------------------------------------------------------------------------


def reverted_meta(file: RawFile) -> Patches:
    """Put the older meta in the place of the newer one: the last commit is undone. A damaged one counts as the newer.

    Raises:
        SurgeryError: No meta is valid.
        CorruptError: The file ends within the metas.
    """
    valid = {slot: meta for slot, meta in enumerate(_metas(file)) if isinstance(meta, Meta)}
    if not valid:
        raise SurgeryError("neither meta page is valid")
    older = min(valid, key=lambda slot: valid[slot].txid)
    page = file.read(older * file.page_size, file.page_size)
    return [((1 - older) * file.page_size, _with_id(page, 1 - older))]


def abandoned_freelist(file: RawFile) -> Patches:
    """Make all valid metas say that no freelist is stored: who opens the file next looks for free pages.

    Raises:
        SurgeryError: No meta is valid.
        CorruptError: The file ends within the metas.
    """
    patches: Patches = []
    for slot, meta in enumerate(_metas(file)):
        if isinstance(meta, Meta):
            page = meta._replace(freelist=NO_FREELIST).head(slot)
            patches.append((slot * file.page_size + HEADER_SIZE, page[HEADER_SIZE:]))
    if not patches:
        raise SurgeryError("neither meta page is valid")
    return patches


def updated_meta(file: RawFile, slot: int, changes: Mapping[str, int]) -> tuple[Patches, list[str]]:
    """Set fields of one meta page, and its magic number, version, flags and checksum so that it is valid.

    Args:
        file: The file; the meta need not be valid.
        slot: 0 or 1.
        changes: Names of UPDATABLE, and numbers.

    Returns:
        What to write, nothing if the page is so already; and warnings.

    Raises:
        CorruptError: The file ends before the page does.
    """
    at = slot * file.page_size
    page = file.block(slot)[:META_PAGE_BYTES]
    # bbolt's own files have 0 there. Its surgery sets 4, the mark of a meta page, and so does this one.
    meta = stored_meta(page)[1]._replace(flags=4)
    meta = meta._replace(**{UPDATABLE[name]: number for name, number in changes.items()})
    if "root" in changes:
        meta = meta._replace(sequence=0)
    warnings = []
    other = file.read((1 - slot) * file.page_size, META_PAGE_BYTES)
    if META_BODY.unpack_from(other.ljust(META_PAGE_BYTES, b"\0"), HEADER_SIZE)[0] == MAGIC:
        sizes = [meta.page_size, stored_meta(other)[1].page_size]
        first, second = sizes if slot == 0 else sizes[::-1]
        if first != second:
            warnings.append(
                f"The page size ({first}) in the first meta page doesn't match the second meta page ({second})"
            )
    body = meta.head(slot)[HEADER_SIZE:]
    return [(at + HEADER_SIZE, body)] if body != page[HEADER_SIZE:] else [], warnings


def meta_problems(path: str, timeout: float) -> list[str | None]:
    """Return for each of the two meta pages of a file what is wrong with it, in bbolt's words; None: it is valid.

    Meta 1 is looked for where the page size of a valid meta says it is, else where meta 0 says.

    Raises:
        SurgeryError: The file ends before a meta page does.
        OSError, LockTimeoutError: As `boltpy.open`.
    """
    problems = []
    with closing(locked(path, timeout)) as storage:
        page_size = detect_page_size(storage.read, storage.size())
        for slot in (0, 1):
            page = storage.read(slot * page_size, META_PAGE_BYTES)
            if len(page) < META_PAGE_BYTES:
                raise SurgeryError(f"read meta page {slot} failed: EOF")
            page_size = page_size or stored_meta(page)[1].page_size
            problems.append(_meta_problem(page))
    return problems


def _meta_problem(page: bytes) -> str | None:
    try:
        decode(page)
    except (InvalidDatabaseError, VersionMismatchError, ChecksumError) as error:
        return str(error).partition(":")[0]
    except CorruptError as error:
        return str(error)
    return None


def has_freelist(file: RawFile) -> bool:
    """Return whether the freelist is stored, in a file of which a meta is valid."""
    return file.meta.freelist != NO_FREELIST


def rebuild_freelist(file: RawFile, output: str) -> None:
    """Write a copy of a file in which the freelist is stored again. It is on the disk, as a whole, when this returns.

    Args:
        file: The source. It stays as it is. If it stores a freelist, the copy is the same to the byte.
        output: Where to; there must be no file yet.

    Raises:
        SurgeryError: There is a file.
        DatabaseError: The copy cannot be opened: both metas are damaged, or a tree in which free pages are looked for.
        OSError: The system refuses.

    After an error there is no output.
    """
    require_vacant(output)
    with taking_the_place_of(output) as beside:
        _copied(file, beside).close()
        open_db(beside).close()  # to open a file for writing is to find its free pages, and to store them


# -- pages ---------------------------------------------------------------------------------------------------------


def copied_page(file: RawFile, source: Pgid, target: Pgid) -> Patches:
    """Put a page, with its overflow pages, in the place of another; it gets that one's id.

    Raises:
        CorruptError: There is no such page.
        SurgeryError: No file can be as long as the copy would be.
    """
    _, data = file.page(source)
    if target * file.page_size + len(data) > _LONGEST_FILE:
        raise SurgeryError(f"no file can be so long that it has a page {target}")
    return [(target * file.page_size, _with_id(data, target))]


def cleared_page(file: RawFile, pgid: Pgid) -> tuple[Patches, bool]:
    """Take all elements from a branch or leaf page. Its overflow pages are nobody's then.

    Returns:
        What to write, and whether pages may have been lost for the freelist.

    Raises:
        SurgeryError: It is of another type, or there is no such page.
    """
    header, _ = _elements_of(file, pgid)
    lost = header.flags != LEAF or header.overflow > 0
    return [(pgid * file.page_size, PAGE_HEADER.pack(pgid, header.flags, 0, 0))], lost


def cleared_elements(file: RawFile, pgid: Pgid, start: int, end: int) -> tuple[Patches, bool]:
    """Take some elements from a branch or leaf page.

    Args:
        file: The file.
        pgid: The page.
        start: The first to go.
        end: The one behind the last to go; -1: all behind `start`.

    Returns:
        What to write, and whether pages may have been lost for the freelist.

    Raises:
        SurgeryError: It is of another type, has no such elements, or there is no such page.
        CorruptError: Its elements are damaged.
    """
    header, data = _elements_of(file, pgid)
    count = header.item_count
    if not 0 <= start < count:
        raise SurgeryError(f"the start index ({start}) is out of range [0, {count})")
    if not -1 <= end <= count:
        raise SurgeryError(f"the end index ({end}) is out of range [0, {count}]")
    if end != -1 and start > end:
        raise SurgeryError(f"the start index ({start}) is bigger than the end index ({end})")
    if start == end:
        raise SurgeryError(f"invalid: the start index ({start}) is equal to the end index ({end})")
    end = count if end == -1 else end
    kept = [element for index, element in enumerate(elements(tree_page(header, data))) if not start <= index < end]
    if end == count:  # what is left stays where it is
        body = b""
        used = max((element.value_at + element.vsize for element in kept), default=0)
    else:
        body = _packed(kept, data, leaf=header.flags == LEAF)
        used = HEADER_SIZE + len(body)
    overflow = max(used - 1, 0) // file.page_size
    head = PAGE_HEADER.pack(pgid, header.flags, len(kept), overflow)
    return [(pgid * file.page_size, head + body)], header.flags != LEAF or overflow != header.overflow


def _packed(kept: list[Element], data: bytes, *, leaf: bool) -> bytes:
    """Return elements and their items, as they stand behind the header of a page."""
    table, items = [], []
    at = len(kept) * ELEMENT_SIZE
    for index, element in enumerate(kept):
        pos = at - index * ELEMENT_SIZE
        if leaf:
            table.append(LEAF_ELEMENT.pack(element.flags, pos, element.ksize, element.vsize))
        else:
            table.append(BRANCH_ELEMENT.pack(pos, element.ksize, element.child))
        items.append(data[element.key_at : element.value_at + element.vsize])
        at += element.ksize + element.vsize
    return b"".join([*table, *items])


def _elements_of(file: RawFile, pgid: Pgid) -> tuple[PageHeader, bytes]:
    """Return a page that has elements.

    Raises:
        SurgeryError: It is of another type, or there is no such page.
    """
    try:
        header, data = file.page(pgid)
    except CorruptError as error:
        raise SurgeryError(f"ReadPage failed: {error.reason}") from error
    if header.flags not in (BRANCH, LEAF):
        raise SurgeryError(f'can\'t clear elements in "{page_type_name(header.flags)}" page')
    return header, data


def _metas(file: RawFile) -> list[Meta | BoltError]:
    for slot in (0, 1):
        file.block(slot)  # raises if the file ends within it
    return both_metas(file.read(0, file.page_size + META_PAGE_BYTES), file.page_size)


def _with_id(page: bytes, pgid: Pgid) -> bytes:
    return PGID.pack(pgid) + page[PGID.size :]
