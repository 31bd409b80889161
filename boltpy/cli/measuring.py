"""`stats` and `pages`: how the file is used."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator
from dataclasses import asdict

from ..printing import Printer
from ..stats import BucketStats, PageInfo
from ..tx import Tx
from .command import FILE, JSON, LIVE, PARSE_FORMAT, TIMEOUT, Arguments, Command, Flag
from .formats import parsed
from .opening import reading
from .picture import print_map

_MAP = Flag(
    "map", "bool", "print a picture of the file: a letter, and a colour on a terminal, for each page", default=False
)


def _stats(arguments: Arguments, out: Printer) -> int:
    prefix = parsed(arguments.words[1], arguments.parse_format) if len(arguments.words) > 1 else b""
    total, count = BucketStats(), 0
    with reading(arguments) as tx:
        for name, bucket in tx.buckets():
            if name.startswith(prefix):
                total += bucket.stats()
                count += 1
    if arguments.json:
        out.line(json.dumps({"buckets": count, **asdict(total)}))
    else:
        _print_stats(total, count, out)
    return 0


def _print_stats(total: BucketStats, count: int, out: Printer) -> None:
    out.line(f"Aggregate statistics for {count} buckets")
    out.line("")
    out.line("Page count statistics")
    out.line(f"\tNumber of logical branch pages: {total.branch_page_n}")
    out.line(f"\tNumber of physical branch overflow pages: {total.branch_overflow_n}")
    out.line(f"\tNumber of logical leaf pages: {total.leaf_page_n}")
    out.line(f"\tNumber of physical leaf overflow pages: {total.leaf_overflow_n}")
    out.line("Tree statistics")
    out.line(f"\tNumber of keys/value pairs: {total.key_n}")
    out.line(f"\tNumber of levels in B+tree: {total.depth}")
    out.line("Page size utilization")
    out.line(f"\tBytes allocated for physical branch pages: {total.branch_alloc}")
    out.line(f"\tBytes actually used for branch data: {_share(total.branch_inuse, total.branch_alloc)}")
    out.line(f"\tBytes allocated for physical leaf pages: {total.leaf_alloc}")
    out.line(f"\tBytes actually used for leaf data: {_share(total.leaf_inuse, total.leaf_alloc)}")
    out.line("Bucket statistics")
    out.line(f"\tTotal number of buckets: {total.bucket_n}")
    out.line(f"\tTotal number on inlined buckets: {_share(total.inline_bucket_n, total.bucket_n)}")
    out.line(f"\tBytes used for inlined buckets: {_share(total.inline_bucket_inuse, total.leaf_inuse)}")


def _share(part: int, whole: int) -> str:
    """Return a number with its percentage, cut to a whole number as bbolt does it: in single precision."""
    percentage = int(_single(_single(part) * 100) / _single(whole)) if whole else 0
    return f"{part} ({percentage}%)"


def _single(number: float) -> float:
    return array("f", [number])[0]


def _pages(arguments: Arguments, out: Printer) -> int:
    with reading(arguments, preload_freelist=True) as tx:
        if arguments.map:
            print_map(tx, out, as_json=arguments.json)
            return 0
        if arguments.json:
            out.line(json.dumps([asdict(info) for info in _infos(tx)]))
            return 0
        out.line("ID       TYPE       ITEMS  OVRFLW")
        out.line("======== ========== ====== ======")
        for info in _infos(tx):
            count = "" if info.type == "free" else str(info.count)
            overflow = str(info.overflow_count) if info.overflow_count and info.type != "free" else ""
            out.line(f"{info.id:<8} {info.type:<10} {count:<6} {overflow:<6}")
    return 0


def _infos(tx: Tx) -> Iterator[PageInfo]:
    """Yield what is at each page; overflow pages in use are part of the page before."""
    pgid = 0
    while (info := tx.page(pgid)) is not None:
        yield info
        pgid += 1 if info.type == "free" else 1 + info.overflow_count


COMMANDS = (
    Command(
        name="stats",
        run=_stats,
        about="count pages, keys and bytes in the top-level buckets",
        words=(FILE, ("[PREFIX]", "count only buckets whose name begins so")),
        least=1,
        most=2,
        flags=(PARSE_FORMAT._replace(about="how PREFIX is given: as it is, or as hex"), JSON, TIMEOUT, LIVE),
        details=(
            "Sizes are bytes; what is used is counted with the headers of pages. Nested buckets count with the bucket "
            "that they are in; inlined ones are small enough to be stored in its page.",
        ),
        examples=(("boltpy stats app.db user", "all buckets whose name begins with `user`"),),
    ),
    Command(
        name="pages",
        run=_pages,
        about="list the pages with their type",
        words=(FILE,),
        least=1,
        most=1,
        flags=(_MAP, JSON, TIMEOUT, LIVE),
        details=(
            "ITEMS is the number of pairs, children, or free pages on the page; OVRFLW the number of further pages "
            "that belong to it, which are not listed on their own.",
            "The picture has the width of the terminal, and 24 rows at most: in a large file a letter stands for "
            "several pages. NO_COLOR in the environment turns colours off.",
        ),
        examples=(
            ("boltpy pages app.db", "a table; free pages have no items"),
            ("boltpy pages --map app.db", "a picture, and what each letter means"),
        ),
    ),
)
