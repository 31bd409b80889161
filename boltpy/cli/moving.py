"""`export`, `import` and `recover`: a whole file as JSON lines, and back; what is left of a damaged one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

from ..exporting import Export
from ..files import is_vacant, permissions, replacing
from ..format import MAX_PAGE_SIZE
from ..importing import Import
from ..meta import META_PAGE_BYTES
from ..printing import Printer, note
from ..salvage.recovery import Recovery
from ..salvage.report import Report
from ..salvage.source import DamagedFile
from ..sqlite_copy import SqliteCopy
from .command import FILE, JSON, LIVE, TIMEOUT, WHOLE_CODES, Arguments, Command, CommandError, Flag, UsageError
from .formats import plural
from .opening import item_count, lock_wait, reading, require_file, standard_input
from .progress import Progress, is_shown

_OUTPUT = Flag("output", "path", "where to; the output if it is not given, or -", short="o", metavar="OUT", default="-")
_SQLITE = Flag("sqlite", "path", "make a SQLite file of it instead", metavar="OUT")
_INPUT = Flag("input", "path", "the export; the input if it is not given, or -", short="i", metavar="FROM", default="-")
_REPLACE = Flag("replace", "bool", "let what is there under the same key give way", default=False)
_OLD = Flag("old", "bool", "also what is in free pages: older versions, and what was deleted", default=False)
_META = Flag("meta", "uint", "believe this meta page, 0 or 1, and not the newer one", metavar="0|1")
_PAGE_SIZE = Flag("page-size", "uint", "bytes a page; else it is found out", metavar="BYTES")

_SHOWN_FAULTS = 10


def _export(arguments: Arguments, out: Printer) -> int:
    if arguments.sqlite is not None and "output" in arguments.given:
        raise UsageError("--output and --sqlite exclude each other")
    if arguments.sqlite == "-":
        raise UsageError("a SQLite file can not be written to standard output; a file of this name is ./-")
    with reading(arguments) as tx:
        total = 1 + item_count(tx) if is_shown() else 0
        if arguments.sqlite is not None:
            copy = SqliteCopy()
            _require_vacant(arguments.sqlite)
            with Progress("export", total) as progress:
                copy.write(tx, arguments.sqlite, permissions(arguments.file), progress.step)
            return _tell(arguments, out, copy.buckets, copy.pairs)
        export = Export()
        with Progress("export", total, shown=not _fills_screen(arguments, out)) as progress:
            _write(arguments, out, export.blocks(tx, progress.step))
    return 0 if arguments.output == "-" else _tell(arguments, out, export.buckets, export.pairs)


def _tell(arguments: Arguments, out: Printer, buckets: int, pairs: int) -> int:
    facts = {"buckets": buckets, "pairs": pairs}
    text = f"{buckets} {plural(buckets, 'bucket')}, {pairs} {plural(pairs, 'pair')}"
    out.line(json.dumps(facts) if arguments.json else text)
    return 0


def _write(arguments: Arguments, out: Printer, blocks: Iterable[bytes]) -> None:
    """Write an export to the place that the command line names."""
    if arguments.output == "-":
        with out.as_a_whole():
            for block in blocks:
                out.data(block)
        return
    _require_vacant(arguments.output)
    with replacing(arguments.output, permissions(arguments.file)) as file:
        for block in blocks:
            file.write(block)


def _fills_screen(arguments: Arguments, out: Printer) -> bool:
    return arguments.output == "-" and out.is_terminal


def _require_vacant(path: str) -> None:
    if not is_vacant(path):
        raise CommandError(f"{path}: there is something already")


def _import(arguments: Arguments, out: Printer) -> int:
    importing = Import(replace=arguments.replace)
    with _source(arguments.input) as (source, size), Progress("import", size) as progress:
        importing.into_file(arguments.file, source, lock_wait(arguments.timeout), progress.step)
    return _tell(arguments, out, importing.buckets, importing.pairs)


@contextmanager
def _source(name: str) -> Iterator[tuple[BinaryIO, int]]:
    """Give an export, and how many bytes it has; 0 if nobody knows."""
    if name != "-":
        with Path(name).open("rb") as file:
            yield file, Path(name).stat().st_size
    else:
        yield standard_input(), 0


def _recover(arguments: Arguments, out: Printer) -> int:
    if arguments.meta not in (None, 0, 1):
        raise UsageError("--meta is 0 or 1")
    if not (arguments.page_size is None or META_PAGE_BYTES <= arguments.page_size <= MAX_PAGE_SIZE):
        raise UsageError(f"--page-size is between {META_PAGE_BYTES} and {MAX_PAGE_SIZE}")
    require_file(arguments.file)
    timeout = lock_wait(arguments.timeout)
    with DamagedFile(arguments.file, timeout, arguments.page_size or 0) as file:
        recovery = Recovery(file, old=arguments.old, meta=arguments.meta)
        with Progress("recover", 2 * file.page_count, shown=not _fills_screen(arguments, out)) as progress:
            _write(arguments, out, recovery.blocks(progress.step))
    if arguments.json and arguments.output != "-":
        out.line(json.dumps({"whole": recovery.report.is_whole, **asdict(recovery.report)}))
    elif arguments.output == "-":
        note("\n".join(_report(recovery.report)))
    else:
        out.line("\n".join(_report(recovery.report)))
    return 0


def _report(report: Report) -> Iterator[str]:
    how = "found without a meta" if report.root_is_guessed else f"by meta {report.meta}"
    root = f"page {report.root}, {how}" if report.root is not None else "not known"
    yield f"page size {report.page_size}; root bucket: {root}; freelist: {report.freelist}"
    for slot, meta in enumerate(report.metas):
        yield f"meta {slot}: {meta}"
    yield f"{report.leaves:>11,} leaf pages are whole, {report.damaged_leaves:,} are damaged"
    yield f"{report.buckets:>11,} {plural(report.buckets, 'bucket')}"
    yield f"{report.pairs.placed:>11,} {plural(report.pairs.placed, 'pair')} in their places"
    for count, text in (
        (report.pairs.matched, "pairs put into the only bucket that lacks such keys"),
        (report.pairs.lost, "pairs whose bucket is not known"),
        (report.pairs.doubtful, "doubtful pairs, of damaged pages"),
        (report.missing, "items that could not be read"),
        (report.old_pages, "free pages with older versions, passed over (--old takes them too)"),
        (report.unreadable, "blocks that the system could not read"),
    ):
        if count:
            yield f"{count:>11,} {text}"
    if report.faults and report.meta is not None:
        other = 1 - report.meta
        if report.metas[other].startswith("txid"):
            yield f"the other meta is valid too: --meta {other} gives its commit"
        else:
            yield f"the other meta is damaged, and was perhaps the newer one: --meta {other} looks for what it led to"
    yield "nothing is wrong" if report.is_whole else f"{report.faults:,} {plural(report.faults, 'fault')}"
    yield from (f"  {text}" for text in report.texts[:_SHOWN_FAULTS])
    if report.faults > _SHOWN_FAULTS:
        yield "  ... the rest is in the notes of the output"


COMMANDS = (
    Command(
        name="export",
        run=_export,
        about="write everything as JSON lines, or into a SQLite file",
        words=(FILE,),
        least=1,
        most=1,
        flags=(_OUTPUT, _SQLITE, JSON._replace(about="print the numbers of buckets and pairs as JSON"), TIMEOUT, LIVE),
        details=(
            "Nothing is lost: any bytes, nested and empty buckets, sequences. `import` makes the same of it. The form "
            "is described in docs/cli.md. OUT gets the permissions of FILE, less the umask; it is made beside its "
            "place and renamed, so it is there as a whole or not at all. One that holds something is refused.",
            "The SQLite file has the tables buckets (id, parent, name, path, sequence) and pairs (bucket, key, value).",
        ),
        examples=(
            ("boltpy export app.db -o app.jsonl", "all of it, in a file"),
            ("boltpy export app.db", "on the output, for `| gzip` or `| boltpy import other.db`"),
            ("boltpy export app.db --sqlite app.sqlite", "for questions in SQL"),
        ),
        codes=WHOLE_CODES,
    ),
    Command(
        name="import",
        run=_import,
        about="put the lines of an export into a file, new or not",
        words=(FILE,),
        least=1,
        most=1,
        flags=(_INPUT, _REPLACE, JSON._replace(about="print the numbers of buckets and pairs as JSON"), TIMEOUT),
        details=(
            "Where there is no file, or an empty one, a new file is made beside its place and renamed when it is "
            "whole. A database that is there is changed in one transaction, which is kept in memory until its end. "
            "Either way a failed import, of which one line is told, leaves all as it was.",
            "In a database that is there, what no line names stays. Where a line meets another value, another "
            "sequence, or a bucket in place of a key, it is refused; --replace lets the line win.",
        ),
        examples=(
            ("boltpy import new.db -i app.jsonl", "the same database"),
            ("boltpy import app.db --replace -i more.jsonl", "what more.jsonl names, whatever was there"),
        ),
    ),
    Command(
        name="recover",
        run=_recover,
        about="take what can be read out of a damaged file, in the form of an export",
        words=(FILE,),
        least=1,
        most=1,
        flags=(
            _OUTPUT._replace(about="where to; - is the output", required=True, default=None),
            _OLD,
            _META,
            _PAGE_SIZE,
            JSON._replace(about="print the report as JSON, unless OUT is the output"),
            TIMEOUT,
        ),
        details=(
            "FILE is only read. Whatever is damaged (metas, freelist, branches, leaves, the end of the file), each "
            "leaf that is whole comes out, and of the others what their own elements confirm. `import` makes a new "
            "database of the output.",
            "What cannot be told where it belongs is in the bucket __boltpy_lost, by the page where it was found; "
            "doubtful pairs of damaged pages are there too, in buckets of their own. The report tells how much.",
        ),
        examples=(
            ("boltpy recover broken.db -o saved.jsonl", "then `boltpy import new.db -i saved.jsonl`: a new database"),
            (
                "boltpy recover broken.db --meta 0 -o before.jsonl",
                "as it was before the last commit, if meta 1 is newer",
            ),
        ),
        codes=(*WHOLE_CODES, (0, "OUT was written; the report tells what is lost")),
    ),
)
