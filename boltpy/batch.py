"""Groups `DB.batch` calls from several threads into one transaction (bbolt: DB.Batch)."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, RLock, Timer
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


def _end(calls: list[_Call[TxT]]) -> None:
    """Let none of the calls that were taken wait for ever, should an interrupt have ended who ran them."""
    for call in calls:
        if not call.ended.is_set():
            call.error = TxError("the batch was interrupted: whether it was committed is not known")
            call.ended.set()


class Batcher(Generic[TxT]):
    """Collects calls until there are enough of them or the delay is over, then runs them in one transaction.

    A call that raises is taken out and run again in a transaction of its own, and the others are run again without
    it: a function may run several times, so it must not have effects outside the transaction.
    """

    def __init__(self, max_size: int, max_delay: float) -> None:
        """Collect up to `max_size` calls, for `max_delay` seconds."""
        self._max_size = max_size
        self._max_delay = max_delay
        self._lock = RLock()  # a signal handler may come by here while its thread holds it
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
        taken: list[_Call[TxT]] = []
        try:
            with self._lock:
                self._waiting.append(call)
                if self._is_full() or not self._has_timer(update):
                    # Without a call, no interrupt (Ctrl-C) comes between: each is in one of both lists.
                    taken, self._waiting = self._waiting, taken
                    self._forget_timer()
            self._run(taken, update)
        finally:
            _end(taken)
        call.ended.wait()
        if call.alone:
            self._run_alone(call, update)
        if call.error is not None:
            raise call.error
        return call.result

    def _is_full(self) -> bool:
        return len(self._waiting) >= self._max_size or self._max_delay <= 0

    def _has_timer(self, update: Update[TxT]) -> bool:
        """Start a timer if there is none, and return whether there is one now."""
        if self._timer is None:
            timer = Timer(self._max_delay, self._timed_out, [update])
            timer.daemon = True
            try:
                timer.start()
            except RuntimeError:  # the system has no thread left: then nobody is waited for
                return False
            self._timer = timer
        return True

    def _forget_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _timed_out(self, update: Update[TxT]) -> None:
        taken: list[_Call[TxT]] = []
        try:
            with self._lock:
                self._timer = None
                taken, self._waiting = self._waiting, taken
            self._run(taken, update)
        finally:
            _end(taken)

    def _run(self, calls: list[_Call[TxT]], update: Update[TxT]) -> None:
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
            except KeyboardInterrupt:  # it is meant for this thread, whoever's function it hit
                raise
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
