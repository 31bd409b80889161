"""`tree` and `du`: how the buckets of a file are nested, and how much room each takes."""

from __future__ import annotations

import json
from collections.abc import Iterator

import boltpy

from ..printing import Printer, visible
from ..usage import BucketUsage, Counts, FileUsage, Room, bucket_usages, counts, file_usage
from .command import FILE, JSON_BYTES, LIVE, TIMEOUT, Arguments, Command, Flag
from .formats import as_json, named, plural, quoted_path
from .opening import reading
from .paths import NAMES_FORMAT, bucket_of, names, shown_path

_PATH = ("[BUCKET...]", "the path of names to a bucket; without one, the whole file")
_DEPTH = Flag("depth", "uint", "go so many levels down", short="d", metavar="N")
_HUMAN = Flag("human", "bool", "print sizes as people read them: 1.5M", default=False)

# How a line of the tree begins: on the way past a bucket, at it, at the last one, and past the last one.
_LINES = ("\u2502   ", "\u251c\u2500\u2500 ", "\u2514\u2500\u2500 ", "    ")
_ASCII = ("|   ", "|-- ", "`-- ", "    ")


def _tree(arguments: Arguments, out: Printer) -> int:
    path = names(arguments.words[1:], arguments.parse_format)
    deepest = arguments.depth
    past, at, at_last, past_last = _LINES if out.has_lines else _ASCII
    with reading(arguments) as tx:
        marks = tx._snapshot.new_marks()
        top = bucket_of(tx, path)
        starts = [""]
        waiting: list[Iterator[tuple[bytes, boltpy.Bucket, bool]]] = []
        _tree_line(arguments, out, path, top, counts(top, marks), shown_path(path) if path else visible(arguments.file))
        if deepest != 0:
            waiting.append(_with_last(top))
        while waiting:
            for name, bucket, is_last in waiting[-1]:
                found = counts(bucket, marks)
                start = starts[-1] + (at_last if is_last else at)
                _tree_line(arguments, out, list(bucket._path), bucket, found, start + named(name))
                if found.buckets and (deepest is None or len(waiting) < deepest):
                    waiting.append(_with_last(bucket))
                    starts.append(starts[-1] + (past_last if is_last else past))
                    break
            else:
                waiting.pop()
                if starts:
                    starts.pop()
    return 0


def _with_last(bucket: boltpy.Bucket) -> Iterator[tuple[bytes, boltpy.Bucket, bool]]:
    """Yield the buckets nested in one, and whether each is the last."""
    nested = bucket.buckets()
    following = next(nested, None)
    while following is not None:
        (name, found), following = following, next(nested, None)
        yield name, found, following is None


def _tree_line(
    arguments: Arguments, out: Printer, path: list[bytes], bucket: boltpy.Bucket, found: Counts, text: str
) -> None:
    if arguments.json:
        facts = {"keys": found.pairs, "buckets": found.buckets, "sequence": bucket.sequence}
        out.line(json.dumps({"path": [as_json(name) for name in path], **facts}))
        return
    facts_text = [_number(found.pairs, "key")]
    if found.buckets:
        facts_text.append(_number(found.buckets, "bucket"))
    if bucket.sequence:
        facts_text.append(f"sequence {bucket.sequence}")
    out.line(f"{text}  ({', '.join(facts_text)})")


def _number(count: int, what: str) -> str:
    return f"{count:,} {plural(count, what)}"


def _du(arguments: Arguments, out: Printer) -> int:
    path = names(arguments.words[1:], arguments.parse_format)
    with reading(arguments) as tx:
        bucket_of(tx, path)
        around = file_usage(tx)
        if not arguments.json:
            out.line(f"{'ALLOCATED':>12} {'USED':>12} {'PAGES':>9} {'ITEMS':>11}  BUCKET")
        for usage in bucket_usages(tx, *path):
            if arguments.depth is None or len(usage.path) - len(path) <= arguments.depth:
                _du_line(arguments, out, usage, around)
        if not path:
            _print_file(arguments, out, around)
    return 0


def _du_line(arguments: Arguments, out: Printer, usage: BucketUsage, around: FileUsage) -> None:
    if arguments.json:
        facts = {"inline": usage.is_inline, "own": _facts(usage.own, around), "total": _facts(usage.total, around)}
        out.line(json.dumps({"path": [as_json(name) for name in usage.path], **facts}))
        return
    total = usage.total
    name = shown_path(usage.path) + ("  (inline)" if usage.is_inline else "")
    _print_row(arguments, out, total.pages * around.page_size, total.used_bytes, total.pages, f"{total.items:,}", name)


def _facts(room: Room, around: FileUsage) -> dict[str, int]:
    allocated = room.pages * around.page_size
    return {"allocated": allocated, "used": room.used_bytes, "pages": room.pages, "items": room.items}


def _print_file(arguments: Arguments, out: Printer, around: FileUsage) -> None:
    behind = around.file_bytes - around.used_pages * around.page_size
    parts = {"meta": around.meta_pages, "freelist": around.freelist_pages, "free": around.free_pages}
    if arguments.json:
        out.line(
            json.dumps({"pageSize": around.page_size, "file": around.file_bytes, "pages": parts, "unused": behind})
        )
        return
    for name, pages in parts.items():
        _print_row(arguments, out, pages * around.page_size, None, pages, "", f"({name})")
    _print_row(arguments, out, behind, None, behind // around.page_size, "", "(behind the last page ever used)")
    pages = around.file_bytes // around.page_size
    _print_row(arguments, out, around.file_bytes, None, pages, "", f"= {quoted_path(arguments.file)}")


def _print_row(
    arguments: Arguments, out: Printer, allocated: int, used: int | None, pages: int, items: str, name: str
) -> None:
    size = _human if arguments.human else "{:,}".format
    in_use = "" if used is None else size(used)
    out.line(f"{size(allocated):>12} {in_use:>12} {pages:>9,} {items:>11}  {name}")


def _human(size: float) -> str:
    for unit in "BKMG":
        if abs(size) < 1024:
            return f"{size:.0f}{unit}" if unit == "B" or size >= 10 else f"{size:.1f}{unit}"
        size /= 1024
    return f"{size:.1f}T"


COMMANDS = (
    Command(
        name="tree",
        run=_tree,
        about="print the buckets as a tree, with the number of keys and nested buckets in each",
        words=(FILE, _PATH),
        least=1,
        most=None,
        flags=(
            _DEPTH,
            NAMES_FORMAT,
            JSON_BYTES._replace(about="print a JSON object a line for each bucket"),
            TIMEOUT,
            LIVE,
        ),
        examples=(("boltpy tree app.db -d 1", "the top-level buckets"),),
    ),
    Command(
        name="du",
        run=_du,
        about="print how much room each bucket takes, with all that is nested in it",
        words=(FILE, _PATH),
        least=1,
        most=None,
        flags=(
            _DEPTH,
            _HUMAN,
            NAMES_FORMAT,
            JSON_BYTES._replace(about="print a JSON object a line for each bucket, and one for the file"),
            TIMEOUT,
            LIVE,
        ),
        details=(
            "ALLOCATED is the bytes of whole pages, USED the bytes in them that hold something. An inline bucket is "
            "stored in the page of the bucket around it: it has no page, and its bytes are in USED of that one. Nested "
            "buckets come before the one they are in, as du(1) does it.",
        ),
        examples=(("boltpy du app.db --human -d 1", "what each top-level bucket takes, and the file around them"),),
    ),
)
