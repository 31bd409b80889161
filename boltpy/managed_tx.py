"""The `with` block of `db.view()` and `db.update()`."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from .errors import TxError
from .tx import Tx


class ManagedTx:
    """A block that begins a transaction and ends it, however the block ends.

    It may be entered again when it was left, not before.
    """

    __slots__ = ("_begin", "_tx", "_writable")

    def __init__(self, begin: Callable[[bool], Tx], *, writable: bool) -> None:
        """Begin transactions with `begin(writable)`."""
        self._begin = begin
        self._writable = writable
        self._tx: Tx | None = None

    def __enter__(self) -> Tx:
        if self._tx is not None:
            raise TxError("this block has begun its transaction already: make one block for each transaction")
        tx = self._tx = self._begin(self._writable)  # no call follows, so no interrupt comes before the block
        tx._managed = True
        return tx

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._tx is not None and kind is None and self._writable:
                self._tx._managed = False
                self._tx.commit()
        finally:
            self._drop()

    def _drop(self) -> None:
        """Roll back, unless it has ended."""
        tx, self._tx = self._tx, None
        if tx is not None and tx._open:
            tx._finish()

    def __del__(self) -> None:
        # An interrupt (Ctrl-C) may hit between the end of the block and the first line of `__exit__`.
        if hasattr(self, "_tx"):
            self._drop()
