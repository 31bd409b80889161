"""The command line `boltpy`: a drop-in for Go's `bbolt` command. Reading commands change no byte of their file.

Exit codes: 0 all is well; 1 an error, told in one line on stderr, or problems found by `check`; 2 wrong usage; 130
Ctrl-C, 143 SIGTERM, 129 SIGHUP. A reader who leaves before the end (`| head`) is an error only for what is of use as
a whole, as a backup.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TextIO

from ..errors import BackupError, BoltError, BucketError, DatabaseError, LockTimeoutError
from ..printing import Printer, complain, exit_code
from ..version import VERSION
from .command import FILE, UsageError
from .parsing import HelpWanted, parse
from .table import MODULES, command_named, resolve

_USAGE = 2


def main(argv: Sequence[str] | None = None, out: TextIO | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        argv: The arguments; None takes those of the process.
        out: Where to print; None is the process's output.
    """
    line = sys.argv[1:] if argv is None else argv
    return exit_code(lambda printer: _program(line, printer), out)


def _program(line: Sequence[str], printer: Printer) -> int:
    try:
        return _obey(line, printer)
    except ImportError as error:  # BOLTPY_HOT asks for kernels that are not there
        return complain(str(error))


def _obey(line: Sequence[str], printer: Printer) -> int:
    try:
        name, rest = resolve(line)
        if name not in MODULES:
            return _without_command(name, rest, printer)
    except UsageError as error:
        return complain(str(error), "Run 'boltpy --help' for usage.", code=_USAGE)
    command = command_named(name)
    words: Sequence[str] = ()
    try:
        printer.error_code = command.error_code
        arguments = parse(command, rest)
        words = arguments.words
        return command.run(arguments, printer)
    except HelpWanted:
        return command_named("help").run(parse(command_named("help"), name.split()), printer)
    except UsageError as error:
        return complain(str(error), f"usage: {command.usage()}", f"Run 'boltpy {name} --help' for more.", code=_USAGE)
    except (BoltError, OSError, MemoryError) as error:
        return complain(_reason(error, words[0] if words and FILE in command.words else ""), code=command.error_code)


def _without_command(group: str, rest: Sequence[str], printer: Printer) -> int:
    """Do what a line without a command asks for: help, or the version."""
    flag = rest[0] if rest else "--help"
    if flag in ("-v", "--version") and not group:
        printer.line(f"boltpy version {VERSION}")
        return 0
    if flag in ("-h", "--help"):
        return command_named("help").run(parse(command_named("help"), group.split()), printer)
    raise UsageError(f"unknown flag: {flag}" if flag.startswith("--") else f"unknown shorthand flag: {flag}")


def _reason(error: Exception, file: str) -> str:
    """Tell what went wrong, and with which file if it was a file; `file` is the database, if the command has one."""
    if isinstance(error, MemoryError):
        return "out of memory"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror if error.filename is None else f"{error.filename or '(no name)'}: {error.strerror}"
    text = str(error)
    # These may be about another file. Else it is looked for as a word: a file may be called `e`.
    is_named = isinstance(error, LockTimeoutError | BackupError) or any(f" {file}{end}" in f" {text} " for end in " :")
    return (
        f"{file}: {text}"
        if file and isinstance(error, DatabaseError | BucketError | OSError) and not is_named
        else text
    )
