"""gofer-db: look into Gofer's database files, move what is in them, and mend them.

    gofer-db show FILE                      what a database holds, as a tree
    gofer-db get FILE KIND KEY...           one entity
    gofer-db stats FILE                     how much of everything there is
    gofer-db export FILE > EXPORT           everything, as JSON lines
    gofer-db import FILE < EXPORT           a new file of them
    gofer-db migrate SOURCE TARGET          everything, to a database of another kind
    gofer-db check FILE [--repair OUTPUT]   what is wrong with a file; a mended copy

All take --json. Exit codes: 0; 1 for an error, told in one line on stderr, or if `check` finds errors; 2 for a wrong
command line; 130 for Ctrl-C. A reader who leaves before the end (`| head`) is no error.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import TextIO

import boltpy

from ..opening import shown
from . import checking, looking, moving
from .output import Output, exit_code, told


def main(arguments: Sequence[str] | None = None, out: TextIO | None = None) -> int:
    """Run one command.

    Args:
        arguments: The command line without the program's name; None for the process's own.
        out: Where to print; None for stdout.

    Returns:
        The exit code.
    """

    def program(output: Output) -> int:
        said = io.StringIO()
        try:
            # argparse does not mind whether its help can be printed.
            with redirect_stdout(said):
                options = _parser().parse_args(arguments)
        finally:
            output.text(said.getvalue())
        return told(shown(options.file), lambda: options.run(options, output))

    return exit_code(program, out)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gofer-db",
        description="Look into Gofer's database files, move what is in them, and mend them.",
        epilog="Exit codes: 0; 1 for an error, or if check finds errors; 2 for a wrong command line; 130 for Ctrl-C.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {boltpy.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for family in (looking, moving, checking):
        family.add_commands(commands)
    return parser
