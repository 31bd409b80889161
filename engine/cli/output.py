"""How `gofer-db` prints, how it shows that it is at work, and how it ends: with an exit code and no traceback.

* What the output's encoding lacks is printed as its code. JSON lines are UTF-8 whatever the output is.
* Without an output (`>&-`) nothing is printed, and that is no error.
* A reader who leaves (`| head -1`) has seen enough: the program ends early, in silence.
* An output that takes no more (a full disk) is an error. Ctrl-C gives 130.
"""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TextIO

import boltpy

from ..errors import EngineError
from ..tools.walking import safe

_INTERRUPTED: Final = 128 + 2  # as shells count a program that SIGINT ended
_SECONDS_BETWEEN: Final = 0.1
_TICKS_BETWEEN: Final = 64
_BAR_COLUMNS: Final = 30


class ReaderLeftError(Exception):
    """Nobody reads the output any more."""


class OutputError(Exception):
    """The output takes no more. The text tells why."""


class Output:
    """Where a command prints. All of its methods raise ReaderLeftError or OutputError, which the command lets pass."""

    def __init__(self, stream: TextIO | None) -> None:
        """Print to `stream`; None prints nowhere."""
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
        self._stream = stream

    @property
    def is_terminal(self) -> bool:
        """Whether people read it."""
        return self._stream is not None and self._stream.isatty()

    @property
    def wants_colours(self) -> bool:
        """Whether it is a terminal that shows colours, and its user wants them."""
        return self.is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def line(self, text: str) -> None:
        """Print `text` and the end of a line."""
        self.text(text + "\n")

    def text(self, text: str) -> None:
        """Print text as it is."""
        self._do(lambda stream: stream.write(text))

    def data(self, data: bytes) -> None:
        """Print UTF-8 as it is. A command prints lines or data, not both."""
        buffer = getattr(self._stream, "buffer", None)
        if buffer is not None:
            self._do(lambda _: buffer.write(data))
        else:
            self._do(lambda stream: stream.write(data.decode("utf-8", "surrogateescape")))

    def flush(self) -> None:
        """Hand over what was printed."""
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


class Progress:
    """A line on stderr that says how far a command has come, where stderr is a terminal.

    with Progress("import", total) as progress:
        progress.tick(len(line))
    """

    def __init__(self, verb: str, total: int = 0, *, shown: bool = True) -> None:
        """Say how far it has come.

        Args:
            verb: What is done.
            total: The sum of all ticks; 0 if nobody knows: then they are counted.
            shown: Whether to show it at all.
        """
        self._verb = verb
        self._total = total
        self._done = 0
        self._ticks = 0
        self._shown = -_SECONDS_BETWEEN
        self._stream = sys.stderr if shown and sys.stderr is not None and sys.stderr.isatty() else None

    def tick(self, step: int = 1) -> None:
        """Count `step` more."""
        self._done += step
        self._ticks += 1
        if self._stream is not None and self._ticks % _TICKS_BETWEEN == 0:
            now = time.monotonic()
            if now - self._shown >= _SECONDS_BETWEEN:
                self._shown = now
                self._write(f"\r{self._verb}: {self._state()}")

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        # Nothing of it stays on the screen.
        if self._stream is not None and self._shown >= 0:
            self._write("\r\x1b[K")

    def _state(self) -> str:
        if not self._total:
            return f"{self._done:,}"
        share = min(self._done / self._total, 1)
        return f"[{'#' * int(share * _BAR_COLUMNS):<{_BAR_COLUMNS}}] {share:4.0%}"

    def _write(self, text: str) -> None:
        if self._stream is not None:
            with suppress(OSError):
                self._stream.write(text)
                self._stream.flush()


def fail(place: str, error: Exception) -> int:
    """Print an error as one line on stderr, where there is one, and return the exit code 1.

    Args:
        place: The file that the command is about; it is named unless the error names one.
        error: What went wrong.
    """
    if isinstance(error, MemoryError):
        reason = "out of memory"
    elif isinstance(error, OSError) and error.strerror:
        place = str(error.filename or place)
        reason = error.strerror
    else:
        reason = str(error)
    reason = " ".join(reason.split()) or type(error).__name__
    text = safe(reason if _is_named(place, reason) else f"{place}: {reason}")
    if sys.stderr is not None:
        try:
            sys.stderr.write(f"gofer-db: {text}\n")
        except OSError:
            _give_up(sys.stderr)
    return 1


def _is_named(place: str, reason: str) -> bool:
    if not place:
        return False
    # A URL may be spelled out in the reason: with the ports that it left to be known.
    scheme, is_url, _ = place.partition("://")
    return place in reason or bool(is_url and reason.startswith(f"{scheme.lower()}://"))


def exit_code(program: Callable[[Output], int], out: TextIO | None = None) -> int:
    """Run a program and return its exit code, as the top of this file says.

    Args:
        program: Prints to the Output that it gets. It may leave by SystemExit, as argparse does after help.
        out: Where to print; None is the process's output.
    """
    # What goes wrong is told in one line; the client of etcd would log a dozen beside it.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    stream = sys.stdout if out is None else out
    output = Output(stream)
    code = 0
    try:
        try:
            code = program(output)
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
        output.flush()
    except ReaderLeftError:
        _give_up(stream)
    except OutputError as error:
        _give_up(stream)
        return fail("output", error)
    except KeyboardInterrupt:
        _give_up(stream)
        return _INTERRUPTED
    return code


def told(file: str, command: Callable[[], int]) -> int:
    """Run a command; what is wrong with its files becomes one line."""
    try:
        return command()
    except (boltpy.BoltError, EngineError, OSError, MemoryError) as error:
        return fail(file, error)


def _give_up(stream: TextIO | None) -> None:
    """Send what a stream still holds nowhere, lest the interpreter tries again, and complains, at its end."""
    for standard in (sys.__stdout__, sys.__stderr__):
        if standard is not None and standard is stream:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, standard.fileno())
            os.close(nowhere)
            with suppress(OSError):
                standard.flush()
