"""How a command-line program prints and how it ends: with an exit code and no traceback, whatever hears it.

* What the output's encoding lacks is printed as its code (backslashreplace).
* Without an output (`>&-`) nothing is printed, and that is no error.
* A reader who leaves (`| head -1`) has seen enough: the program ends early, in silence.
* An output that takes no more (a full disk) is an error. Ctrl-C gives 130.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TextIO

_INTERRUPTED = 128 + 2  # as shells count a program that SIGINT ended


class ReaderLeftError(Exception):
    """Nobody reads the output any more."""


class OutputError(Exception):
    """The output takes no more. The text tells why."""


class Printer:
    """Lines for one stream."""

    def __init__(self, stream: TextIO | None) -> None:
        """Print to `stream`; None prints nowhere."""
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
        self._stream = stream

    def line(self, text: str) -> None:
        """Print `text` and the end of a line.

        Raises:
            ReaderLeftError, OutputError: It can not be printed. The program is to let it pass.
        """
        self._do(lambda stream: stream.write(text + "\n"))

    def flush(self) -> None:
        """Hand over what was printed.

        Raises:
            ReaderLeftError, OutputError: As `line`.
        """
        self._do(lambda stream: stream.flush())

    def _do(self, work: Callable[[TextIO], object]) -> None:
        if self._stream is None:
            return
        try:
            work(self._stream)
        except BrokenPipeError as error:
            raise ReaderLeftError from error
        except OSError as error:
            raise OutputError(error.strerror or str(error)) from error


def complain(reason: str) -> int:
    """Print an error as one line on stderr, where there is one, and return the exit code 1."""
    if sys.stderr is not None:
        try:
            sys.stderr.write(f"Error: {' '.join(reason.split())}\n")
        except OSError:
            _give_up(sys.stderr)
    return 1


def exit_code(program: Callable[[Printer], int], out: TextIO | None = None) -> int:
    """Run a program and return its exit code, as the top of this file says.

    Args:
        program: Prints to the Printer that it gets. It may leave by SystemExit, as argparse does after help.
        out: Where to print; None is the process's output.
    """
    stream = sys.stdout if out is None else out
    printer = Printer(stream)
    code = 0
    try:
        try:
            code = program(printer)
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
        printer.flush()
    except ReaderLeftError:
        _give_up(stream)
    except OutputError as error:
        _give_up(stream)
        return complain(f"output: {error}")
    except KeyboardInterrupt:
        _give_up(stream)
        return _INTERRUPTED
    return code


def _give_up(stream: TextIO | None) -> None:
    """Send what a stream still holds nowhere, lest the interpreter tries again, and complains, at its end."""
    for standard in (sys.__stdout__, sys.__stderr__):
        if standard is not None and standard is stream:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, standard.fileno())
            os.close(nowhere)
            with suppress(OSError):
                standard.flush()
