"""The commands that move everything: export and import, by lines, and migrate, from one engine to another."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO

import boltpy

from ..errors import EngineError
from ..opening import open_engine, shown
from ..tools.copying import as_file, open_target, require_file, require_two
from ..tools.exporting import export_lines, import_lines
from ..tools.migrating import Migration
from .output import Output, Progress, fail


def add_commands(commands: Any) -> None:
    """Add them to the parser's subcommands."""
    command = commands.add_parser(
        "export",
        help="write everything in a file as JSON lines",
        description="Write everything in a file as JSON, one object a line, on stdout. `import` makes the same file of "
        "it. The file is only read, and may be an object store or a secret store too. Hashes of tokens and stored "
        "passwords are in the export: keep it as safe as the file.",
    )
    command.add_argument("file", metavar="FILE", help="the database file")
    command.add_argument("--json", action="store_true", help="nothing else is printed anyway: an export is JSON")
    command.set_defaults(run=_export)

    command = commands.add_parser(
        "import",
        help="make a file of the lines of an export",
        description="Make a new file of the lines of an export. The file is there as a whole or not at all.",
    )
    command.add_argument("file", metavar="FILE", help="the new file; one that holds something is refused")
    command.add_argument("-i", "--input", metavar="EXPORT", help="the export; stdin if it is not given")
    command.add_argument("--json", action="store_true", help='print {"lines": N} in place of text')
    command.set_defaults(run=_import)

    command = commands.add_parser(
        "migrate",
        help="copy everything from one database to another one of any kind",
        description="Copy everything from one database to another one: from a bolt file to etcd, back, or between any "
        "two that can be opened. At the end all entities of both are compared. A migration that was stopped goes on "
        "when it is run again. Write to neither of the two meanwhile. What is in a bolt file and is no entity of "
        "Gofer's stays behind; export and import take that along.",
    )
    command.add_argument("file", metavar="SOURCE", help="a database file, or a URL such as etcd://host:2379/prefix")
    command.add_argument(
        "target", metavar="TARGET", help="the same; made if it is not there, and refused if it holds something else"
    )
    command.add_argument("--json", action="store_true", help="print one JSON object in place of text")
    command.set_defaults(run=_migrate)


def _export(options: argparse.Namespace, out: Output) -> int:
    with Progress("export", shown=not out.is_terminal) as progress, as_file(options.file) as path:
        for line in export_lines(path):
            out.data(line)
            progress.tick()
    return 0


def _import(options: argparse.Namespace, out: Output) -> int:
    path = require_file(options.file, "import")
    if options.input is not None:
        with open(options.input, "rb") as lines:
            size = 0  # a pipe does not tell how much is to come
            if lines.seekable():
                size = lines.seek(0, 2)
                lines.seek(0)
            count = _fill(lines, path, size)
    elif sys.stdin is None:
        raise EngineError("there is no input")
    else:
        count = _fill(sys.stdin.buffer, path, 0)
    out.line(json.dumps({"lines": count}) if options.json else f"{count} lines")
    return 0


def _migrate(options: argparse.Namespace, out: Output) -> int:
    require_two(options.file, options.target)
    with open_engine(options.file, read_only=True) as source:
        try:
            target = open_target(options.target, source)
        except (EngineError, boltpy.BoltError) as error:
            return fail(shown(options.target), error)
        with target:
            migration = Migration(source, target)
            with Progress("read") as progress:
                total = migration.survey(progress.tick)
            with Progress("migrate", total) as progress:
                migration.store(progress.tick)
            with Progress("compare", total * 2) as progress:
                compared = migration.verify(progress.tick)
    stored = sum(migration.stored.values())
    if options.json:
        facts = {"stored": migration.stored, "unchanged": migration.unchanged, "compared": compared}
        out.line(json.dumps(facts))
    else:
        out.line(f"{stored} entities stored, {migration.unchanged} were there; all {compared} are the same in both")
    return 0


def _fill(lines: BinaryIO, path: str, size: int) -> int:
    with Progress("import", size) as progress:

        def counted() -> Iterator[bytes]:
            for line in lines:
                progress.tick(len(line) if size else 1)
                yield line

        return import_lines(counted(), path)
