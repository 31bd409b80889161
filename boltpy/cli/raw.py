"""`page`, `page-item` and `dump`: single pages as they stand, also of files that cannot be opened any more."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress

from ..errors import CorruptError
from ..format import BRANCH, BUCKET_ENTRY, BUCKET_HEADER, BUCKET_HEADER_SIZE, FREELIST, LEAF, META, page_type_name
from ..hot.raw_page import Element, RawPage
from ..page_items import elements, freelist_ids, key_of, tree_page
from ..printing import Printer, complain
from ..raw_file import PageHeader, RawFile, stored_meta
from .command import FILE, FORMAT, JSON, JSON_BYTES, Arguments, Command, CommandError, Flag, UsageError
from .formats import as_json, in_format, printable, quoted
from .opening import require_file
from .parsing import page_number

_BETWEEN = "=" * 47
_LINE = 16  # bytes

_UNLOCKED = (
    "The file is not locked, so this works beside a writer, and may then show pages that it is just changing. The page "
    "size and the number of pages are those of the newest valid meta.",
)
_PAGE = ("ID...", "page ids: the number of a page, counted from 0")


def _page(arguments: Arguments, out: Printer) -> int:
    ids = [page_number(word) for word in arguments.words[1:]]
    if ids and arguments.all:
        raise UsageError("invalid args: either use '--all' or 'pageid...'")
    if not ids and not arguments.all:
        raise UsageError("page id required")
    require_file(arguments.file)
    failed = 0
    shown: list[dict[str, object]] = []
    with RawFile(arguments.file) as file:
        for number, pgid in enumerate(_all_pages(file) if arguments.all else ids):
            if number and not arguments.json:
                out.line(_BETWEEN)
            try:
                header, data = file.page(pgid)
                if arguments.json:
                    shown.append(_page_as_json(header, data))
                else:
                    _print_page(header, data, arguments.format_value, out)
            except CorruptError as error:
                failed += not arguments.all  # of all pages, free ones need not be sound
                if arguments.json:
                    shown.append({"id": pgid, "error": error.reason})
                else:
                    # bbolt's own spelling; programs may look for it
                    out.line(f"Prining page {pgid} failed: {error.reason}. Continuing...")
        cut = f"the file ends before page {file.pages_there}, its pages at {file.meta.hwm}"
        is_cut = arguments.all and file.pages_there < file.meta.hwm
    if arguments.json:
        out.line(json.dumps(shown))
    out.flush()
    if is_cut:
        return complain(cut)
    return complain(f"{failed} of the pages could not be printed") if failed else 0


def _all_pages(file: RawFile) -> Iterator[int]:
    """Yield each page that has a header; overflow pages have none."""
    pgid = 0
    while pgid < min(file.meta.hwm, file.pages_there):
        yield pgid
        with suppress(CorruptError):
            pgid += file.page(pgid)[0].overflow
        pgid += 1


def _print_page(header: PageHeader, data: bytes, value_format: str, out: Printer) -> None:
    out.line(f"Page ID:    {header.id}")
    out.line(f"Page Type:  {page_type_name(header.flags)}")
    out.line(f"Total Size: {len(data)} bytes")
    out.line(f"Overflow pages: {header.overflow}")
    body = _BODIES.get(header.flags)
    if body is not None:
        body(header, data, value_format, out)


def _print_meta(header: PageHeader, data: bytes, _: str, out: Printer) -> None:
    version, meta, checksum = stored_meta(data)
    out.line(f"Version:    {version}")
    out.line(f"Page Size:  {meta.page_size} bytes")
    out.line(f"Flags:      {meta.flags:08x}")
    out.line(f"Root:       <pgid={meta.root}>")
    out.line(f"Freelist:   <pgid={meta.freelist}>")
    out.line(f"HWM:        <pgid={meta.hwm}>")
    out.line(f"Txn ID:     {meta.txid}")
    out.line(f"Checksum:   {checksum:016x}")
    out.line("")


def _print_leaf(header: PageHeader, data: bytes, value_format: str, out: Printer) -> None:
    out.line(f"Item Count: {header.item_count}")
    out.line("")
    page = tree_page(header, data)
    for element in elements(page):
        if element.flags & BUCKET_ENTRY:
            value: str | bytes = "<pgid={},seq={}>".format(*_bucket(page, element))
        else:
            value = in_format(_value(page, element), value_format)
        out.text(f"{_key_text(key_of(page, element))}: ")
        out.line(value)
    out.line("")


def _print_branch(header: PageHeader, data: bytes, _: str, out: Printer) -> None:
    out.line(f"Item Count: {header.item_count}")
    out.line("")
    page = tree_page(header, data)
    for element in elements(page):
        out.line(f"{_key_text(key_of(page, element))}: <pgid={element.child}>")
    out.line("")


def _print_freelist(header: PageHeader, data: bytes, _: str, out: Printer) -> None:
    ids = freelist_ids(header, data)
    out.line(f"Item Count: {len(ids)}")
    out.line(f"Overflow: {header.overflow}")
    out.line("")
    for pgid in ids:
        out.line(str(pgid))
    out.line("")


_BODIES: dict[int, Callable[[PageHeader, bytes, str, Printer], None]] = {
    META: _print_meta,
    LEAF: _print_leaf,
    BRANCH: _print_branch,
    FREELIST: _print_freelist,
}


def _value(page: RawPage, element: Element) -> bytes:
    return bytes(page.map[element.value_at : element.value_at + element.vsize])


def _key_text(key: bytes) -> str:
    return key.hex() if printable(key) is None else quoted(key)


def _bucket(page: RawPage, element: Element) -> tuple[int, int]:
    """Return the root and the sequence in the value of a bucket."""
    if element.vsize < BUCKET_HEADER_SIZE:
        raise CorruptError(page.pgid, f"a bucket's value has {element.vsize} bytes, it needs {BUCKET_HEADER_SIZE}")
    root, sequence = BUCKET_HEADER.unpack_from(page.map, element.value_at)
    return root, sequence


def _page_as_json(header: PageHeader, data: bytes) -> dict[str, object]:
    shown: dict[str, object] = {
        "id": header.id,
        "type": page_type_name(header.flags),
        "size": len(data),
        "overflow": header.overflow,
    }
    if header.flags == META:
        version, meta, checksum = stored_meta(data)
        shown["meta"] = {"version": version, **meta._asdict(), "checksum": f"{checksum:016x}"}
    elif header.flags == FREELIST:
        shown["ids"] = list(freelist_ids(header, data))
    elif header.flags in (LEAF, BRANCH):
        page = tree_page(header, data)
        shown["items"] = [_item_as_json(page, element) for element in elements(page)]
    return shown


def _item_as_json(page: RawPage, element: Element) -> dict[str, object]:
    item: dict[str, object] = {"key": as_json(key_of(page, element))}
    if not page.is_leaf:
        item["pgid"] = element.child
    elif element.flags & BUCKET_ENTRY:
        item["root"], item["sequence"] = _bucket(page, element)
    else:
        item["value"] = as_json(_value(page, element))
    return item


def _page_item(arguments: Arguments, out: Printer) -> int:
    pgid, index = map(page_number, arguments.words[1:])
    if arguments.key_only and arguments.value_only:
        raise UsageError("the --key-only or --value-only flag may be set, but not both")
    require_file(arguments.file)
    with RawFile(arguments.file) as file:
        try:
            header, data = file.page(pgid)
        except CorruptError as error:
            raise CommandError(error.reason) from error
    if index >= header.item_count:
        raise CommandError(f"leafPageElement: expected item index less than {header.item_count}, but got {index}")
    if header.flags != LEAF:
        raise CommandError(f"leafPageElement: expected page type of 'leaf', but got '{page_type_name(header.flags)}'")
    page = tree_page(header, data)
    element = page.element(index)
    parts = {"key": key_of(page, element), "value": _value(page, element)}
    wanted = ["key"] * (not arguments.value_only) + ["value"] * (not arguments.key_only)
    if arguments.json:
        out.line(json.dumps({name: as_json(parts[name]) for name in wanted}))
    else:
        for name in wanted:
            out.line(in_format(parts[name], arguments.format))
    return 0


def _dump(arguments: Arguments, out: Printer) -> int:
    ids = [page_number(word) for word in arguments.words[1:]]
    require_file(arguments.file)
    blocks = []
    with RawFile(arguments.file) as file:
        for number, pgid in enumerate(ids):
            try:
                block = file.block(pgid)
            except CorruptError as error:
                raise CommandError(error.reason) from error
            if arguments.json:
                blocks.append({"id": pgid, "offset": pgid * file.page_size, "hex": block.hex()})
                continue
            if number:
                out.line(_BETWEEN)
            for line in _hexdump(block, pgid * file.page_size):
                out.line(line)
            out.line("")
    if arguments.json:
        out.line(json.dumps(blocks))
    return 0


def _hexdump(block: bytes, offset: int) -> Iterator[str]:
    """Yield lines of 16 bytes; lines that are like the one before are one `*`, but for the last."""
    last = max(range(0, len(block), _LINE))
    before, skipping = None, False
    for at in range(0, len(block), _LINE):
        line = block[at : at + _LINE]
        if line == before and at != last:
            if not skipping:
                yield f"{offset + at:07x} *"
            skipping = True
            continue
        before, skipping = line, False
        yield f"{offset + at:07x} {line.hex(' ', -2)}"


COMMANDS = (
    Command(
        name="page",
        run=_page,
        about="print what is on pages",
        words=(FILE, ("[ID...]", "page ids: the numbers of pages, counted from 0")),
        least=1,
        most=None,
        flags=(
            Flag("all", "bool", "all pages, in place of ids", default=False),
            FORMAT._replace(name="format-value", about="how to show the values of leaf pages"),
            JSON_BYTES,
        ),
        details=_UNLOCKED,
        examples=(
            ("boltpy page app.db 0 1", "both meta pages"),
            ("boltpy page app.db --all --format-value redacted", "all pages, but of values only length and sha256"),
        ),
        codes=((1, "a page of those named could not be printed, or another error, told in one line on stderr"),),
    ),
    Command(
        name="page-item",
        run=_page_item,
        about="print the key and the value of one item of a leaf page",
        words=(FILE, ("ID", "the page"), ("INDEX", "the item on it, counted from 0")),
        least=3,
        most=3,
        flags=(
            Flag("key-only", "bool", "print the key only", default=False),
            Flag("value-only", "bool", "print the value only", default=False),
            FORMAT,
            JSON_BYTES,
        ),
        details=_UNLOCKED,
        examples=(("boltpy page-item app.db 7 0 --value-only --format bytes", "a value as it is"),),
    ),
    Command(
        name="dump",
        run=_dump,
        about="print the bytes of pages in hex",
        words=(FILE, _PAGE),
        least=2,
        most=None,
        flags=(JSON,),
        details=(
            "16 bytes a line behind their offset in the file, in the order in which they are stored. Lines that "
            "repeat the one before are one `*`; overflow pages are pages of their own here.",
            *_UNLOCKED,
        ),
        examples=(("boltpy dump app.db 0", "the first meta page"),),
    ),
)
