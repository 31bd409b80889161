"""A bar on stderr that says how far a command has come, where stderr is a terminal; nothing anywhere else."""

from __future__ import annotations

import sys
import time
from contextlib import suppress

from ..printing import columns, obeys_codes

_SECONDS_BETWEEN = 0.1
_BAR_COLUMNS = 30


def is_shown() -> bool:
    """Return whether stderr is a terminal that can take a bar away again."""
    return obeys_codes(sys.stderr)


class Progress:
    """Shows how much of a whole is done. A context manager; nothing of it stays on the screen.

    with Progress("compact", total) as progress:
        progress.at(done)
    """

    def __init__(self, verb: str, total: int = 0, *, shown: bool = True) -> None:
        """Begin with nothing done.

        Args:
            verb: What is done.
            total: All there is to do, in any unit; 0 if nobody knows: then the number done is shown.
            shown: Whether to show it at all: not where the output itself fills the screen.
        """
        self._verb = verb
        self._total = total
        self._done = 0
        self._shown_at = 0.0
        self._stream = sys.stderr if shown and is_shown() else None

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None and self._shown_at and self._done < self._total:  # not all that is there had to be looked at
            self.at(self._total)
        if self._stream is not None and self._shown_at:
            self._write("\r\x1b[K")

    def step(self, more: int = 1) -> None:
        """So much more is done."""
        self.at(self._done + more)

    def share(self, done: int, total: int) -> None:
        """So much of so much is done by now."""
        self._total = total
        self.at(done)

    def at(self, done: int) -> None:
        """So much is done by now."""
        self._done = done
        if self._stream is None:
            return
        now = time.monotonic()
        if now - self._shown_at >= _SECONDS_BETWEEN or done == self._total:
            self._shown_at = now
            line = f"{self._verb}: {self._state()}"
            self._write(f"\r{line[: columns(self._stream) - 1]}\x1b[K")  # one that wraps would stay

    def _state(self) -> str:
        if not self._total:
            return f"{self._done:,}"
        share = min(self._done / self._total, 1)
        return f"[{'#' * int(share * _BAR_COLUMNS):.<{_BAR_COLUMNS}}] {share:4.0%}"

    def _write(self, text: str) -> None:
        if self._stream is not None:
            with suppress(OSError):
                self._stream.write(text)
                self._stream.flush()
