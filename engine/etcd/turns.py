"""Turns of threads, which are waited for no longer than one has patience, and which no interrupt leaves taken."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import EngineError


class Turn:
    """What one thread has at a time."""

    def __init__(self) -> None:
        # One that knows its owner: an interrupt may come between its taking and anybody's note of that.
        self._lock = threading.RLock()

    @contextmanager
    def taken(self, seconds: float, refusal: str) -> Iterator[None]:
        """A block that has it. A thread does not take it twice.

        Args:
            seconds: The most to wait for it.

        Raises:
            EngineError: `refusal`; another thread has had it all that time.
        """
        try:
            if not self._lock.acquire(timeout=seconds):
                raise EngineError(refusal)
            yield
        finally:
            try:  # noqa: SIM105 - a call before the release could be where an interrupt comes
                self._lock.release()
            except RuntimeError:
                pass  # it was not taken
