"""What `--live` reads: a copy that is there for the length of a command, and goes however the command ends.

Not imported by commands that copy nothing: all that is needed for it takes time to load.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

from ..live import live_copy
from ..printing import TerminatedError
from .progress import Progress


@contextmanager
def copied(file: str) -> Iterator[str]:
    """Give the path of a consistent copy of a file.

    Raises:
        As `copy_live`.
        TerminatedError: Somebody ends the process, with SIGTERM or SIGHUP.
    """
    with _ended_by_exception(), Progress("copy") as progress, live_copy(file, progress=progress.share) as path:
        yield path


@contextmanager
def _ended_by_exception() -> Iterator[None]:
    """Let the signals that end a process without a word raise an error within the block, which then clears up.

    What the process ignores, or handles itself, stays as it is.
    """
    ends = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is signal.SIG_DFL]

    def end(number: int, _: object) -> NoReturn:
        for each in ends:
            signal.signal(each, signal.SIG_IGN)  # a second one is not to interrupt the clearing up
        raise TerminatedError(number)

    with suppress(ValueError):  # only the main thread is told of signals
        for number in ends:
            signal.signal(number, end)
    try:
        yield
    finally:
        with suppress(ValueError):
            for number in ends:
                signal.signal(number, signal.SIG_DFL)
