"""Ends or disturbs what boltpy does at the n-th of all the steps that it takes, as a signal may at any moment."""

from __future__ import annotations

import dis
import linecache
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import boltpy

PACKAGE = str(Path(boltpy.__file__).parent)


def interrupt() -> None:
    """What Ctrl-C does."""
    raise KeyboardInterrupt


class Interrupt:
    """Raises KeyboardInterrupt at the n-th step that is made inside boltpy: a line begun, or a function left.

    Or does something else there, as a signal handler may.

    The lines of `with` statements are left out: on leaving the block the interpreter comes by there once more, and
    takes no interrupt between that and the lock's `__exit__`, while a trace function can raise.
    """

    def __init__(self, at: int, handler: Callable[[], None] = interrupt) -> None:
        self._left = at
        self._handler = handler
        self.raised = False
        # Both are kept here: CPython 3.11 goes on using a trace function that raised after it has let go of it.
        self._on_call, self._on_step = self._called, self._stepped

    def __enter__(self) -> Interrupt:
        sys.settrace(self._on_call)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _called(self, frame: FrameType, event: str, value: object) -> Any:
        return self._on_step if frame.f_code.co_filename.startswith(PACKAGE) else None

    def _stepped(self, frame: FrameType, event: str, value: object) -> Any:
        source = linecache.getline(frame.f_code.co_filename, frame.f_lineno).lstrip()
        if event in ("line", "return") and not source.startswith("with "):
            self._left -= 1
            if self._left == 0:
                self.raised = True
                self._handler()  # what it raises ends the tracing as well
        return self._on_step


class BytecodeInterrupt(Interrupt):
    """Raises KeyboardInterrupt at the n-th place in boltpy's bytecode where the interpreter looks for signals.

    That is at the begin of a function, at a jump back, and after a call: before the instruction that follows them.
    """

    LOOKS = ("RESUME", "JUMP_BACKWARD", "CALL")

    def __init__(self, at: int, handler: Callable[[], None] = interrupt) -> None:
        super().__init__(at, handler)
        self._before: dict[FrameType, int] = {}

    def _called(self, frame: FrameType, event: str, value: object) -> Any:
        on_step = super()._called(frame, event, value)
        frame.f_trace_opcodes = on_step is not None
        return on_step

    def _stepped(self, frame: FrameType, event: str, value: object) -> Any:
        if event == "return":
            self._before.pop(frame, None)
        if event == "opcode":
            before = self._before.get(frame, -1)
            self._before[frame] = frame.f_lasti
            if before >= 0 and _name_of(frame.f_code, before).startswith(self.LOOKS):
                self._left -= 1
                if self._left == 0:
                    self.raised = True
                    self._before.clear()
                    self._handler()
        return self._on_step


@cache
def _names(code: CodeType) -> dict[int, str]:
    return {instruction.offset: instruction.opname for instruction in dis.get_instructions(code)}


def _name_of(code: CodeType, offset: int) -> str:
    return _names(code).get(offset, "")


@contextmanager
def ignoring_interrupted_finalizers() -> Iterator[None]:
    """What is raised while an object dies cannot reach anybody: the interpreter reports it and goes on."""
    old = sys.unraisablehook
    sys.unraisablehook = lambda event: None if event.exc_type is KeyboardInterrupt else old(event)
    try:
        yield
    finally:
        sys.unraisablehook = old
