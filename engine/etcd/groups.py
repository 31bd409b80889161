"""One transaction for each call, or one for several calls, tried again where somebody else was faster.

Threads of one engine write one after another, as on a bolt file, and so never disturb each other. Other engines, of
other processes and hosts, may change what a transaction has read. A single call is then made again; of a block of
calls only its author knows how to do that.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Final, TypeVar

from ..errors import Conflict, EngineError
from ..transactions import HARMLESS, Group
from .channels import Channels, Compacted
from .commits import CLOSING, Commits
from .turns import Turn
from .work import Work

T = TypeVar("T")

ATTEMPTS: Final = 20
"""How often a call is made before it gives up against others."""

_FIRST_PAUSE: Final = 0.002
_LONGEST_PAUSE: Final = 0.25
_READING_ATTEMPTS: Final = 3


class _Open(threading.local):
    """The transaction that the thread has open, and whether it is storing something, or waits for its turn to."""

    group: Group[Work] | None = None
    writes: bool = False


class Groups:
    """The transactions of one engine."""

    def __init__(self, channels: Channels, mark: bytes, *, read_only: bool) -> None:
        """Args: `mark`, the key of this engine's commits; `read_only`, whether to refuse to write."""
        self._channels = channels
        self._commits = Commits(channels, mark)
        self._read_only = read_only
        self._open = _Open()
        self._writing = Turn()

    def close(self) -> None:
        """Leave nothing in etcd that only this engine needs, unless something is still being stored."""
        if not self._open.writes:
            with suppress(EngineError), self._writing.taken(CLOSING, "something is still being stored"):
                self._commits.close()

    @property
    def is_open(self) -> bool:
        """Whether the thread has a block open."""
        return self._open.group is not None

    def reading(self) -> Work:
        """A transaction to read from for as long as that takes: the open one, else one revision of its own."""
        self._channels.require_open()
        group = self._open.group
        if group is None:
            self._settle()
            return Work(self._channels, alone=True)
        group.require_whole()
        return group.tx

    def read(self, answer: Callable[[Work], T]) -> T:
        """What `answer` makes of the open transaction, else of one revision of its own."""
        for _ in range(0 if self.is_open else _READING_ATTEMPTS - 1):
            # Of a listing that is compacted away while it is read nobody has seen anything yet.
            with suppress(Compacted):
                return answer(self.reading())
        return answer(self.reading())

    def write(self, change: Callable[[Group[Work]], None]) -> None:
        """Make a change in the open transaction, else in one of its own.

        Args:
            change: May be called several times. What it refuses it refuses before it writes.

        Raises:
            Conflict: Others were faster each time.
        """
        self._require_writable()
        self._channels.require_open()
        group = self._open.group
        if group is not None:
            group.require_whole()
            try:
                change(group)
            except BaseException as error:
                group.broken |= not isinstance(error, HARMLESS)
                raise
            return
        with self._turn():
            for attempt in range(ATTEMPTS):
                group = Group(Work(self._channels))
                # What is compacted away while a call reads is read anew: nothing of it is stored yet.
                with suppress(Compacted):
                    if self._ends_stored(group, change):
                        return
                time.sleep(random.uniform(0, min(_FIRST_PAUSE * 2**attempt, _LONGEST_PAUSE)))
        raise Conflict(f"others have changed what this call needs {ATTEMPTS} times in a row; nothing was stored")

    def _settle(self) -> None:
        """Have nothing in doubt that a read could miss, and that is stored afterwards."""
        # A signal handler that reads can not wait for what its own thread is doing.
        if self._commits.in_doubt and not self._open.writes:
            with self._storing():
                self._commits.settle()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """The thread's turn to write, with nothing in doubt."""
        timeout = self._channels.address.timeout
        refusal = (
            f"{self._channels.address}: for {timeout:g} s another thread of this engine has been writing, or has had a "
            "block open; nothing of this was stored"
        )
        with self._storing(), self._writing.taken(timeout, refusal):
            if self._commits.in_doubt:
                self._commits.settle()
            yield

    @contextmanager
    def _storing(self) -> Iterator[None]:
        if self._open.writes:
            raise EngineError("this thread is storing something already: its signal handlers can not")
        self._open.writes = True
        try:
            yield
        finally:
            self._open.writes = False

    def grouping(self) -> AbstractContextManager[None]:
        """A block whose calls share one transaction. Blocks within it belong to it."""
        return self._joined() if self.is_open else self._grouped()

    @contextmanager
    def _grouped(self) -> Iterator[None]:
        self._require_writable()
        self._channels.require_open()
        with self._turn():
            group = Group(Work(self._channels))
            self._open.group = group
            try:
                yield
            except BaseException:
                group.take_numbers_back()
                raise
            finally:
                self._open.group = None
            if not self._ends_stored(group, Group.require_whole):
                raise Conflict("somebody has changed what this transaction has read; nothing was stored, try it again")

    @contextmanager
    def _joined(self) -> Iterator[None]:
        try:
            self.reading()  # or an error, if nothing can be stored any more
            yield
        except BaseException:
            # What the inner block did can not be undone without the rest.
            if self._open.group is not None:
                self._open.group.broken = True
            raise

    def _ends_stored(self, group: Group[Work], last: Callable[[Group[Work]], None]) -> bool:
        """Whether the transaction is stored after a last step; False if somebody was faster."""
        try:
            last(group)
            return not group.tx.writes or self._commits.commit(group.tx)
        finally:
            # After an interrupt too: with its number, the same call can not be stored twice.
            if not group.tx.may_be_stored:
                group.take_numbers_back()

    def _require_writable(self) -> None:
        if self._read_only:
            raise EngineError("this engine was opened to be read")
