"""gofer-db: look into Gofer's database files.

    gofer-db show FILE [--json]

Exit codes: 0; 1 if the file can not be read, is damaged or is not Gofer's, with one line on stderr; 2 for a wrong
command line.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import TextIO

import boltpy

from .errors import EngineError
from .report import Paint, as_json, as_text, coloured, plain
from .survey import survey


def main(arguments: Sequence[str] | None = None, out: TextIO | None = None) -> int:
    """Run one command.

    Args:
        arguments: The command line without the program's name; None for the process's own.
        out: Where to print; None for stdout.

    Returns:
        The exit code.
    """
    options = _parser().parse_args(arguments)
    try:
        if out is not None:
            return _run(options, out)
        if sys.stdout is not None:
            return _run(options, sys.stdout)
        with open(os.devnull, "w", encoding="utf-8") as nowhere:
            return _run(options, nowhere)
    except KeyboardInterrupt:
        return 130


def show(path: str, *, as_object: bool = False, paint: Paint = plain) -> Iterable[str]:
    """List what the database at `path` holds.

    Args:
        as_object: One JSON object in place of text.
        paint: Colours the text.

    Returns:
        The lines to print, without their ends.

    Raises:
        EngineError, boltpy.BoltError, OSError: As `survey`.
    """
    found = survey(path)
    return [json.dumps(as_json(found), indent=2)] if as_object else as_text(found, paint)


def _run(options: argparse.Namespace, out: TextIO) -> int:
    if isinstance(out, io.TextIOWrapper):
        # Where a character can not be shown, its code is.
        out.reconfigure(errors="backslashreplace")
    colours = out.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    try:
        lines = show(options.file, as_object=options.json, paint=coloured if colours else plain)
    except (boltpy.BoltError, EngineError, OSError) as error:
        return _fail(options.file, error)
    try:
        for line in lines:
            out.write(line + "\n")
        out.flush()
    except OSError as error:
        if out is sys.stdout:
            # What is still in the buffer goes nowhere, lest the interpreter tries again, and complains, at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        # Whoever closed the pipe has seen enough.
        return 0 if isinstance(error, BrokenPipeError) else _fail("output", error)
    return 0


def _fail(place: str, error: Exception) -> int:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    reason = " ".join(reason.split()) or type(error).__name__
    sys.stderr.write(f"gofer-db: {reason}\n" if place and place in reason else f"gofer-db: {place}: {reason}\n")
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gofer-db", description="Look into Gofer's database files.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {boltpy.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser(
        "show",
        help="list what a database holds",
        description="List namespaces, pipelines, runs, task runs, trigger events, registered runs, tokens, docker "
        "registries and events. The file is only read; hashes are shortened and passwords left out.",
    )
    command.add_argument("file", metavar="FILE", help="the database file")
    command.add_argument("--json", action="store_true", help="print one JSON object, entities as they are stored")
    return parser
