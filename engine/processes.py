"""Which process something belongs to: a forked child has all objects of its parent, but none of its threads.

What waits for one of those would wait for ever, and a connection that both use mixes up what they say.
"""

from __future__ import annotations

import os

from .errors import EngineError


class Home:
    """The process that made it."""

    def __init__(self) -> None:
        self._pid = os.getpid()

    @property
    def is_left(self) -> bool:
        """Whether this is a forked child of that process."""
        return os.getpid() != self._pid

    def require(self, what: str) -> None:
        """Raise EngineError in a forked child. Args: `what` belongs to the process, "this engine"."""
        if self.is_left:
            raise EngineError(f"{what} belongs to the process {self._pid}, which was forked; open a new one here")
