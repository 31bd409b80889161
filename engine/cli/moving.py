"""The commands that take a whole file out as lines and put it back: export, import."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO

from ..errors import EngineError
from ..tools.exporting import export_lines, import_lines
from .output import Output, Progress


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


def _export(options: argparse.Namespace, out: Output) -> int:
    with Progress("export", shown=not out.is_terminal) as progress:
        for line in export_lines(options.file):
            out.data(line)
            progress.tick()
    return 0


def _import(options: argparse.Namespace, out: Output) -> int:
    if options.input is not None:
        with open(options.input, "rb") as lines:
            size = 0  # a pipe does not tell how much is to come
            if lines.seekable():
                size = lines.seek(0, 2)
                lines.seek(0)
            count = _fill(lines, options.file, size)
    elif sys.stdin is None:
        raise EngineError("there is no input")
    else:
        count = _fill(sys.stdin.buffer, options.file, 0)
    out.line(json.dumps({"lines": count}) if options.json else f"{count} lines")
    return 0


def _fill(lines: BinaryIO, path: str, size: int) -> int:
    with Progress("import", size) as progress:

        def counted() -> Iterator[bytes]:
            for line in lines:
                progress.tick(len(line) if size else 1)
                yield line

        return import_lines(counted(), path)
