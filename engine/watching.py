"""What is told to those who watch an engine, and how they take it."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

from .errors import EngineError
from .processes import Home

WAITING_AT_MOST: Final = 10_000
"""Changes that wait for a watcher who does not take them."""


@dataclass(frozen=True, slots=True)
class Change:
    """One entity was stored or deleted.

    Attributes:
        kind: Its class: `engine.Run`.
        key: The arguments that name it: {"namespace_id": "default", "pipeline_id": "simple", "id": 3}.
        entity: How it is now, the watcher's own; None if it is gone.
        revision: A number of the transaction that did it, greater than those of all before it.
    """

    kind: type[Any]
    key: Mapping[str, Any]
    entity: Any
    revision: int


class Watch:
    """The changes of an engine, one after another. A context manager: leaving the block ends it.

        with storage.watch(engine.Run) as changes:
            for change in changes:
                print(change.key, change.entity)

    An iterator that waits for the next change, and stops when the watch or the engine is closed. It holds at most
    10,000 changes that nobody has taken; after that it ends with an EngineError. Any thread may take and close. In a
    forked child taking is an EngineError, and closing does nothing.
    """

    def __init__(self, revision: int, close: Callable[[Watch], object]) -> None:
        """Engines make one with `watch`. Args: `revision`; `close`, called once with this watch when it is over."""
        self.revision = revision
        """The watch tells what comes after this revision: what a listing shows that is made now, and more."""
        self._close = close
        self._home = Home()
        self._waiting: deque[Change] = deque()
        self._told = threading.Condition()
        self._ended = False
        self._failure: EngineError | None = None

    def take(self, timeout: float | None = None) -> Change | None:
        """The next change.

        Args:
            timeout: Seconds to wait for it; None or infinity for as long as it takes, 0 not to wait.

        Returns:
            None if there is none in that time, or the watch was closed and all is taken.

        Raises:
            EngineError: The watch broke off; changes are missing from here on. It is closed.
        """
        self._home.require("this watch")
        until = math.inf if timeout is None else time.monotonic() + timeout
        with self._told:
            while not self._waiting and not self._ended:
                left = until - time.monotonic()
                if left <= 0 or not self._told.wait(min(left, threading.TIMEOUT_MAX)):
                    break
            if self._waiting:
                return self._waiting.popleft()
            if self._failure is not None:
                raise self._failure
            return None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Change:
        change = self.take()
        if change is None:
            raise StopIteration
        return change

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the watch. What waits can still be taken. Closing twice is fine."""
        self.end(None)

    def tell(self, change: Change) -> None:
        """For engines: add a change."""
        with self._told:
            if len(self._waiting) < WAITING_AT_MOST:
                self._waiting.append(change)
                self._told.notify()
                return
        self.end(EngineError(f"{WAITING_AT_MOST:,} changes were not taken, and the next ones are not kept"))

    def end(self, failure: EngineError | None) -> None:
        """For engines: nothing more will be told. Args: `failure`, why, unless somebody wanted it."""
        if self._home.is_left:
            return
        with self._told:
            if self._ended:
                return
            self._ended, self._failure = True, failure
            self._told.notify_all()
        self._close(self)
