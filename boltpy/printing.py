"""How a command-line program prints and how it ends: with an exit code and no traceback, whatever hears it.

* What the output's encoding lacks is printed as its code (backslashreplace).
* Without an output (`>&-`) nothing is printed, and that is no error.
* A reader who leaves (`| head -1`) has seen enough: the program ends early, in silence.
* For what is of use only as a whole, such as a backup, both are errors.
* An output that takes no more (a full disk) is an error. Ctrl-C gives 130.
* SIGTERM and SIGHUP end the program as Ctrl-C does, so that it clears up its files: 143 and 129.
"""

from __future__ import annotations

import _signal  # `signal` would load enum, which takes a tenth of the start of a command
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO, NoReturn, TextIO

_COLUMNS = 80
_ESCAPES = {rune: f"\\{letter}" for rune, letter in zip("\a\b\f\n\r\t\v", "abfnrtv", strict=True)}
_INTERRUPT = 2  # the number of SIGINT


class ReaderLeftError(Exception):
    """Nobody reads the output any more."""


class OutputError(Exception):
    """The output takes no more. The text tells why."""


class TerminatedError(KeyboardInterrupt):
    """A signal ends the program as Ctrl-C does.

    Attributes:
        number: Of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"ended by signal {number}")
        self.number = number


class Printer:
    """Lines for one stream. All methods raise ReaderLeftError or OutputError, which the program is to let pass.

    Attributes:
        error_code: The exit code if the output takes no more: 1, unless the program sets another one.
    """

    def __init__(self, stream: TextIO | None) -> None:
        """Print to `stream`; None prints nowhere."""
        self.error_code = 1
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
        self._stream = stream
        self._bytes: BinaryIO | None = getattr(stream, "buffer", None)
        self._holds_text = False

    @property
    def is_terminal(self) -> bool:
        """Whether people read it."""
        return self._stream is not None and self._stream.isatty()

    @property
    def wants_colours(self) -> bool:
        """Whether it is a terminal that shows colours, and its user wants them."""
        return obeys_codes(self._stream) and not os.environ.get("NO_COLOR")

    @property
    def has_lines(self) -> bool:
        """Whether it can show the characters that draw lines."""
        try:
            "\u2514\u2500\u251c\u2502".encode(getattr(self._stream, "encoding", None) or "utf-8")
        except UnicodeEncodeError:
            return False
        return True

    def line(self, text: str | bytes) -> None:
        """Print `text`, or bytes as they are, and the end of a line."""
        if isinstance(text, bytes):
            self.data(text + b"\n")
        else:
            self.text(text + "\n")

    def text(self, text: str) -> None:
        """Print text as it is."""
        self._holds_text = True
        self._do(lambda stream: stream.write(text))

    def data(self, data: bytes) -> None:
        """Print bytes as they are, whatever the encoding of the stream."""
        sink = self._bytes
        if sink is None:
            self.text(data.decode("utf-8", "surrogateescape"))
            return
        if self._holds_text:  # it would come behind the bytes
            self._do(lambda stream: stream.flush())
            self._holds_text = False
        self._do(lambda _: _write_all(sink, data))

    def flush(self) -> None:
        """Hand over what was printed."""
        self._do(lambda stream: stream.flush())

    @contextmanager
    def as_a_whole(self) -> Iterator[None]:
        """Make it an error if not all that is printed in the block finds a reader.

        Raises:
            OutputError: There is no output, or its reader leaves.
        """
        if self._stream is None:
            raise OutputError("there is none")
        try:
            yield
            self.flush()
        except ReaderLeftError as error:
            raise OutputError("its reader left before the end") from error

    def _do(self, work: Callable[[TextIO], object]) -> None:
        if self._stream is None:
            return
        try:
            work(self._stream)
        except BrokenPipeError as error:
            raise ReaderLeftError from error
        except OSError as error:
            raise OutputError(error.strerror or str(error)) from error


def obeys_codes(stream: TextIO | None) -> bool:
    """Return whether a stream is a terminal that takes escape codes as what they are."""
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"


def columns(stream: TextIO) -> int:
    """Return how wide the terminal of a stream is, in characters; 80 if nobody can say."""
    with suppress(OSError):
        return os.get_terminal_size(stream.fileno()).columns or _COLUMNS
    return _COLUMNS


def _write_all(sink: BinaryIO, data: bytes) -> None:
    """Write all of `data`: without Python's buffer (-u), a file may take less at a time."""
    left = memoryview(data)
    while left:
        left = left[sink.write(left) :]


def visible(text: str) -> str:
    """Return text on one line of which a terminal obeys nothing: what is not to be seen becomes an escape of Go's."""
    return text if text.isprintable() else "".join(map(visible_rune, text))


def visible_rune(rune: str) -> str:
    """Return one character in that way; one that stands for a byte which is no UTF-8 as that byte."""
    if rune.isprintable():
        return rune
    if rune in _ESCAPES:
        return _ESCAPES[rune]
    code = ord(rune)
    if code < 0x80 or 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code & 0xFF:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def complain(reason: str, *hints: str, code: int = 1) -> int:
    """Print an error as one line on stderr, where there is one, and return the exit code.

    Args:
        reason: What is wrong.
        hints: Further lines.
        code: The exit code.
    """
    note("\n".join([f"Error: {visible(reason)}", *hints]))
    return code


def note(text: str) -> None:
    """Print lines beside the output: on stderr, where there is one. What a terminal would obey becomes visible."""
    if sys.stderr is not None:
        try:
            sys.stderr.write("".join(f"{visible(line)}\n" for line in text.split("\n")))
        except OSError:
            _give_up(sys.stderr)


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
            with _ended_by_exception():
                code = program(printer)
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
        printer.flush()
    except ReaderLeftError:
        _give_up(stream)
    except OutputError as error:
        _give_up(stream)
        return complain(f"output: {error}", code=printer.error_code)
    except KeyboardInterrupt as error:
        _give_up(stream)
        # As shells count a program that a signal ended.
        return 128 + (error.number if isinstance(error, TerminatedError) else _INTERRUPT)
    return code


@contextmanager
def _ended_by_exception() -> Iterator[None]:
    """Let the signals that end a process without a word raise TerminatedError within the block, which then clears up.

    What the process ignores, or handles itself, stays as it is.
    """
    ends = [each for each in (_signal.SIGTERM, _signal.SIGHUP) if _signal.getsignal(each) == _signal.SIG_DFL]

    def end(number: int, _: object) -> NoReturn:
        for each in ends:
            _signal.signal(each, _signal.SIG_IGN)  # a second one is not to interrupt the clearing up
        raise TerminatedError(number)

    with suppress(ValueError):  # only the main thread is told of signals
        for number in ends:
            _signal.signal(number, end)
    try:
        yield
    finally:
        with suppress(ValueError):
            for number in ends:
                _signal.signal(number, _signal.SIG_DFL)


def _give_up(stream: TextIO | None) -> None:
    """Send what a stream still holds nowhere, lest the interpreter tries again, and complains, at its end."""
    for standard in (sys.__stdout__, sys.__stderr__):
        if standard is not None and standard is stream:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, standard.fileno())
            os.close(nowhere)
            with suppress(OSError):
                standard.flush()
