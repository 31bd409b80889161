"""Groups `DB.batch` calls from several threads into one transaction (bbolt: DB.Batch)."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Lock, Timer
from typing import Generic, TypeVar

from .errors import TxError

TxT = TypeVar("TxT")

Update = Callable[[Callable[[TxT], None]], None]


class _Call(Generic[TxT]):
    """One waiting call: its function, then its outcome."""

    def __init__(self, fn: Callable[[TxT], object]) -> None:
        self.fn = fn
        self.ended = Event()
        self.result: object = None
        self.error: BaseException | None = None
        self.alone = False


class Batcher(Generic[TxT]):
    """Collects calls until there are enough of them or the delay is over, then runs them in one transaction.

    A call that raises is taken out and run again in a transaction of its own, and the others are run again without
    it: a function may run several times, so it must not have effects outside the transaction.
    """

    def __init__(self, max_size: int, max_delay: float) -> None:
        """Collect up to `max_size` calls, for `max_delay` seconds."""
        self._max_size = max_size
        self._max_delay = max_delay
        self._lock = Lock()
        self._waiting: list[_Call[TxT]] = []
        self._timer: Timer | None = None

    def run(self, fn: Callable[[TxT], object], update: Update[TxT]) -> object:
        """Run `fn(tx)` in a batch, wait for its commit, and return what it returned.

        Args:
            fn: What to run.
            update: Runs a function in a transaction of its own. It is not kept, lest a forgotten DB lives on.

        Raises:
            BaseException: Whatever `fn` or the commit raised.
        """
        call = _Call(fn)
        full: list[_Call[TxT]] | None = None
        with self._lock:
            self._waiting.append(call)
            if len(self._waiting) >= self._max_size or self._max_delay <= 0:
                full = self._take()
            elif self._timer is None:
                timer = Timer(self._max_delay, self._timed_out, [update])
                timer.daemon = True
                try:
                    timer.start()
                    self._timer = timer
                except RuntimeError:  # the system has no thread left: then nobody is waited for
                    full = self._take()
        if full is not None:
            self._run(full, update)
        call.ended.wait()
        if call.alone:
            self._run_alone(call, update)
        if call.error is not None:
            raise call.error
        return call.result

    def _take(self) -> list[_Call[TxT]]:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        calls, self._waiting = self._waiting, []
        return calls

    def _timed_out(self, update: Update[TxT]) -> None:
        with self._lock:
            calls = self._take()
        if calls:
            self._run(calls, update)

    def _run(self, calls: list[_Call[TxT]], update: Update[TxT]) -> None:
        """Run the calls, and let none of them wait for ever should an interrupt hit here."""
        try:
            self._run_together(calls, update)
        finally:
            for call in calls:
                if not call.ended.is_set():
                    call.error = TxError("the batch was interrupted: whether it was committed is not known")
                    call.ended.set()

    def _run_together(self, calls: list[_Call[TxT]], update: Update[TxT]) -> None:
        """Run the calls in one transaction, without those that raise, until one such transaction commits."""
        failed: _Call[TxT] | None = None

        def run_all(tx: TxT) -> None:
            nonlocal failed
            for call in calls:
                failed = call
                call.result = call.fn(tx)
            failed = None

        while calls:
            failed = None
            try:
                update(run_all)
            except BaseException as error:  # noqa: BLE001  it is raised again, in the thread of its call
                if failed is None:
                    # The commit failed, or the transaction could not begin: everybody's error.
                    for call in calls:
                        call.error = error
                        call.ended.set()
                    return
                calls = [call for call in calls if call is not failed]
                failed.alone = True
                failed.ended.set()
            else:
                for call in calls:
                    call.ended.set()
                return

    def _run_alone(self, call: _Call[TxT], update: Update[TxT]) -> None:
        def run_one(tx: TxT) -> None:
            call.result = call.fn(tx)

        update(run_one)
