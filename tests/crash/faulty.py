"""A system that refuses one call: what `boltpy.storage` asks of it is counted, and the n-th call of a kind fails."""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest

KINDS = ["open", "close", "flock", "fstat", "lseek", "mmap"]
KINDS += ["pread", "pwrite", "ftruncate", "fdatasync", "fsync", "replace"]
"""The calls that can fail."""

FAILURES = {"EIO": errno.EIO, "ENOSPC": errno.ENOSPC, "EINTR": errno.EINTR, "EAGAIN": errno.EAGAIN, "short": 0}
"""How: with an errno, or by doing half of what was asked."""

CASES = [(kind, how) for kind in KINDS for how in FAILURES if how != "short" or kind in ("pread", "pwrite")]


class Fault:
    """Lets call `number` (from 0) of one kind fail.

    Attributes:
        fired: Whether it came to that.
    """

    def __init__(self, kind: str, how: str, number: int) -> None:
        self.fired = False
        self._is_off = False
        self._kind = kind
        self._how = how
        self._left = number

    def call(self, kind: str, real: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
        """Do what was asked, or not."""
        if kind != self._kind or self.fired or self._is_off:
            return real(*arguments, **keywords)
        self._left -= 1
        if self._left >= 0:
            return real(*arguments, **keywords)
        self.fired = True
        if self._how == "short":
            return self._half(kind, real, *arguments)
        if kind == "close":  # it fails, and the descriptor is gone all the same
            real(*arguments)
        number = FAILURES[self._how]
        raise OSError(number, os.strerror(number))

    @contextmanager
    def off(self) -> Iterator[None]:
        """Let all calls pass within the block."""
        self._is_off = True
        try:
            yield
        finally:
            self._is_off = False

    @staticmethod
    def _half(kind: str, real: Callable[..., Any], descriptor: int, data: Any, offset: int) -> Any:
        half = memoryview(data)[: len(data) // 2] if kind == "pwrite" else data // 2
        return real(descriptor, half, offset)


class Faulty:
    """A module of the system whose calls go through a fault. Syncs are counted and not made, which saves minutes."""

    def __init__(self, module: ModuleType, fault: Fault) -> None:
        self._module = module
        self._fault = fault

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._module, name)
        if name not in KINDS:
            return real
        if name in ("fdatasync", "fsync"):
            real = os.fstat  # which fails where a sync would: on what is no descriptor
        return lambda *arguments, **keywords: self._fault.call(name, real, *arguments, **keywords)


@contextmanager
def failing(kind: str, how: str, number: int) -> Iterator[Fault]:
    """Let a call fail within the block."""
    fault = Fault(kind, how, number)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("boltpy.storage.os", Faulty(os, fault))
        patch.setattr("boltpy.storage.fcntl", Faulty(fcntl, fault))
        patch.setattr("boltpy.storage.mmap", lambda *a, **k: fault.call("mmap", mmap.mmap, *a, **k))
        yield fault
