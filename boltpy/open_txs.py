"""The open transactions of a DB: the one truth by which writers wait, pages are released and close() waits.

A transaction is open while it lives and says so itself. One that has ended, by a single assignment, or that everybody
has forgotten is out, even if an interrupt (Ctrl-C) kept it from telling: so no interrupt can leave a lock held.
"""

from __future__ import annotations

import gc
import weakref
from collections import deque
from collections.abc import Iterator
from threading import Condition, RLock
from typing import Protocol

from .errors import TxError
from .format import Txid
from .ownership import leave_in_a_child, this_thread

# How long to wait for a word before looking whether the one waited for is there at all.
_LOOK_AGAIN_SECONDS = 0.25


class OpenTx(Protocol):
    """What is asked of a transaction."""

    writable: bool
    _open: bool
    _thread: object
    _why_closed: str

    @property
    def id(self) -> Txid:
        """Its txid."""

    def _finish(self) -> None:
        """End it."""


class _Ticket:
    """A writer's place in the queue, for as long as it waits; it needs nobody to take it back."""

    __slots__ = ("__weakref__", "thread")

    def __init__(self) -> None:
        self.thread = this_thread()


class OpenTxs:
    """The open transactions of one DB.

    Attributes:
        lock: Held by whoever begins or ends one. All methods but `__iter__` need it held.
    """

    def __init__(self) -> None:
        self._readers: dict[int, weakref.ref[OpenTx]] = {}
        self._writer: weakref.ref[OpenTx] | None = None
        self._wait_for_nobody()
        leave_in_a_child(self)

    def _wait_for_nobody(self) -> None:
        self.lock = RLock()
        self._ended = Condition(self.lock)
        self._queue: deque[weakref.ref[_Ticket]] = deque()

    def after_fork(self) -> None:
        """End, in a forked child, what its parent has open: the parent's writers do not know of the child's readers."""
        self._wait_for_nobody()
        for tx in self:
            tx._why_closed = "tx closed: the process was forked, and it belongs to the parent; open the file anew"
            tx._finish()

    def __iter__(self) -> Iterator[OpenTx]:
        writer = self._open_writer()
        if writer is not None:
            yield writer
        del writer  # who waits must not keep alive what it waits for
        yield from self._open_readers()

    def _open_readers(self) -> Iterator[OpenTx]:
        for key, ref in list(self._readers.items()):
            tx = ref()
            if tx is not None and tx._open:
                yield tx
            elif self._readers.get(key) is ref:  # not one that a signal handler has let in meanwhile
                del self._readers[key]
            del tx

    def _open_writer(self) -> OpenTx | None:
        writer = self._writer
        tx = None if writer is None else writer()
        return tx if tx is not None and tx._open else None

    def add(self, tx: OpenTx) -> None:
        """Let a new transaction in. One that writes comes after the one before it has ended."""
        if tx.writable:
            self._writer = weakref.ref(tx)
        else:
            self._readers[id(tx)] = weakref.ref(tx)

    def remove(self, tx: OpenTx) -> None:
        """Take note that a transaction has ended, and wake those who wait for it."""
        self._readers.pop(id(tx), None)
        self._ended.notify_all()

    def readers(self) -> list[Txid]:
        """Return the txids of all open read transactions, ascending, one for each transaction."""
        return sorted([tx.id for tx in self._open_readers()]) if self._readers else []

    def any_reader(self) -> bool:
        """Return whether a read transaction is open."""
        return any(True for _ in self._open_readers())

    def writer_thread(self) -> object | None:
        """Return the thread whose write transaction is open, as `this_thread` does; None if there is none."""
        writer = self._open_writer()
        return None if writer is None else writer._thread

    def writes_in_this_thread(self) -> bool:
        """Return whether this thread has a write transaction open that somebody still holds."""
        if self.writer_thread() is this_thread():
            gc.collect()
        return self.writer_thread() is this_thread()

    def wait_for_writer(self) -> None:
        """Return when no write transaction is open and all who came before have had their turn.

        The lock is released meanwhile. A signal handler that comes here while its thread waits takes that one's turn,
        which could not come before the handler has ended.

        Raises:
            TxError: This thread has a write transaction open, and would wait for itself.
        """
        if not self._queue and not self.writer_thread():
            return
        ticket = _Ticket()
        self._queue.append(weakref.ref(ticket))
        me = ticket.thread
        try:
            searched = False
            while (thread := self.writer_thread()) or self._first_in_queue() is not me:
                if searched and thread is me:
                    raise TxError("this thread has a write transaction open already: commit or roll it back first")
                if thread is me or not (self._ended.wait(_LOOK_AGAIN_SECONDS) or searched):
                    gc.collect()  # it may be one that nobody holds any more
                    searched = True
        finally:
            del ticket  # and with it the place in the queue
            self._ended.notify_all()

    def _first_in_queue(self) -> object | None:
        """Return the thread of the first writer in the queue."""
        while self._queue:
            ticket = self._queue[0]()
            if ticket is not None:
                return ticket.thread
            self._queue.popleft()
        return None

    def end_all(self) -> None:
        """Roll back this thread's transactions and return when those of the other threads have ended."""
        while True:
            tx = None
            for tx in self:
                if tx._thread is this_thread():
                    tx._finish()
            if tx is None:
                return
            del tx
            if not any(True for _ in self):
                return
            if not self._ended.wait(_LOOK_AGAIN_SECONDS):
                gc.collect()
