"""A bar on a terminal; nothing anywhere else."""

from __future__ import annotations

import shutil
from typing import TextIO

_BAR = 24


class Progress:
    """Counts steps on one line of a terminal, which it clears at the end. A context manager."""

    def __init__(self, total: int, stream: TextIO) -> None:
        self._total = total
        self._done = 0
        self._stream = stream
        self._shown = stream.isatty()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._show("")

    def step(self, text: str) -> None:
        """Say what is done now, and count it."""
        full = _BAR * self._done // max(1, self._total)
        self._show(f"[{'#' * full}{'.' * (_BAR - full)}] {self._done}/{self._total} {text}")
        self._done += 1

    def _show(self, line: str) -> None:
        if self._shown:
            self._stream.write("\r\x1b[K" + line[: shutil.get_terminal_size().columns - 1])
            self._stream.flush()
