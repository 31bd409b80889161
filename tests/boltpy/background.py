"""Threads for tests of waiting: run something aside, see whether it finished, and never hang the suite."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

PATIENCE = 30.0
"""Seconds after which something that must finish is reported as hanging."""

A_WHILE = 0.15
"""Seconds given to something that must not finish; enough for a thread to run into its lock."""


class Background(Generic[T]):
    """A call in a daemon thread; `result()` gives its value or raises what it raised."""

    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        self._values: list[T] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._values.append(self._function())
        except BaseException as error:  # noqa: BLE001  (raised again by the thread that asks for the result)
            self._error = error

    def is_waiting(self) -> bool:
        """True if the call has not come back after a while."""
        self._thread.join(A_WHILE)
        return self._thread.is_alive()

    def result(self, timeout: float = PATIENCE) -> T:
        """Wait for the call; fails the test if it hangs."""
        self._thread.join(timeout)
        assert not self._thread.is_alive(), f"{self._function} did not finish within {timeout} s"
        if self._error is not None:
            raise self._error
        return self._values[0]


def run_all(functions: list[Callable[[], T]], timeout: float = PATIENCE) -> list[T]:
    """Run all functions at the same time, each in its own thread; their results in order."""
    return [call.result(timeout) for call in [Background(function) for function in functions]]
