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
from collections.abc import Sequence
from typing import TextIO

import boltpy

from .errors import EngineError
from .report import as_json, as_text, coloured, plain
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
    stream = out or sys.stdout
    if isinstance(stream, io.TextIOWrapper):
        # Where a character can not be shown, its code is.
        stream.reconfigure(errors="backslashreplace")
    try:
        show(options.file, stream, as_object=options.json)
        stream.flush()
    except BrokenPipeError:
        # Whoever read this has seen enough. Without a stdout, the interpreter does not try to flush it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (boltpy.BoltError, EngineError, OSError) as error:
        sys.stderr.write(f"gofer-db: {_one_line(options.file, error)}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def show(path: str, out: TextIO, *, as_object: bool = False) -> None:
    """Print what the database at `path` holds, as text or as one JSON object.

    Raises:
        EngineError, boltpy.BoltError, OSError: As `survey`.
    """
    found = survey(path)
    if as_object:
        json.dump(as_json(found), out, indent=2)
        out.write("\n")
        return
    colours = out.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    for line in as_text(found, coloured if colours else plain):
        out.write(line + "\n")


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


def _one_line(path: str, error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    reason = " ".join(reason.split()) or type(error).__name__
    return reason if path in reason else f"{path}: {reason}"
