"""Whose something is: the thread that made it, and the process. A number does not tell.

The system gives the number of a thread that has ended to the next one. And a forked child has all objects of its
parent, but none of its threads, and must not use what both would share: the file's lock, and pages that the parent
writes over.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol


class Inherited(Protocol):
    """What a forked child finds and must not go on with."""

    def after_fork(self) -> None:
        """Let go of it, in the child, without a word to the parent. No other thread runs, and locks may be held."""


class _Here(threading.local):
    def __init__(self) -> None:
        self.thread = object()


_here = _Here()
_to_be_left: weakref.WeakSet[Inherited] = weakref.WeakSet()


def this_thread() -> object:
    """Return what stands for the calling thread, and for no other one before or after it."""
    return _here.thread


def leave_in_a_child(it: Inherited) -> None:
    """Have `it.after_fork()` called in each child that this process forks, for as long as it lives."""
    _to_be_left.add(it)


def _forked() -> None:
    for it in list(_to_be_left):
        it.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
