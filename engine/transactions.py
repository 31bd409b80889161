"""One transaction for each call, or one for several calls.

A transaction belongs to the thread that opened it. While it is open, that thread's calls join it and see what it has
changed; those of other threads read the last commit, and wait with writing until it ends.

The blocks here are classes, not generators: each call enters one, and a generator takes longer than what they do.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Generic, TypeVar

import boltpy

from .errors import EngineError, EntityExists, EntityNotFound, PreconditionFailed
from .telling import Found, Noted, Telling

Told = Callable[[Exception, "type[Any] | None"], Exception]
"""What to raise in place of an error from below; the same one if nothing is to be said about it."""

HARMLESS = (EntityNotFound, EntityExists, PreconditionFailed)
"""Errors that say "nothing was written"."""

T = TypeVar("T")


@dataclass(slots=True)
class Group(Generic[T]):
    """An open write transaction and what there is to know at its end.

    Attributes:
        tx: The transaction, of whatever database.
        broken: A call has failed in the middle, so that a part of its work may be in `tx`.
        numbered: The entities that were given an id, and the field that has it.
        changed: The entities that were stored or deleted, in the order of the first change of each.
    """

    tx: T
    broken: bool = False
    numbered: list[tuple[object, str]] = field(default_factory=list)
    changed: dict[Noted, None] = field(default_factory=dict)

    def note(self, kind: type[Any], key: Mapping[str, Any]) -> None:
        """Note a change of the entity of that class which these arguments name."""
        self.changed[kind, tuple(key.items())] = None

    def require_whole(self) -> None:
        """Raise EngineError if it is broken."""
        if self.broken:
            raise EngineError("a call in this transaction failed half-way: it can only be rolled back")

    def take_numbers_back(self) -> None:
        """None of these was stored: tried again, they are numbered again."""
        for entity, name in self.numbered:
            setattr(entity, name, 0)


class _Open(threading.local):
    """The transaction that the thread has open."""

    group: Group[boltpy.Tx] | None = None


class Transactions:
    """The transactions of one engine."""

    def __init__(self, db: boltpy.DB, told: Told, found: Found) -> None:
        """Args: `told`, which errors the calls raise in place of others; `found`, how an entity is read."""
        self.db = db
        self.telling = Telling(found)
        self.open = _Open()
        self.told = told

    def reading(self) -> AbstractContextManager[boltpy.Tx]:
        """A block with a transaction to read from: the one that is open, else a snapshot of the last commit."""
        return _Reading(self)

    def writing(self, about: type[Any] | None = None) -> AbstractContextManager[Group[boltpy.Tx]]:
        """A block for one call: with the transaction that is open, else with one that it commits at its end.

        A call that ends with an error of the engine's that says "nothing was written" leaves an open transaction as it
        was. After any other error that one is broken: so what an argument is must be looked at before.

        Args:
            about: The class of the entity that is written, if one is.
        """
        return _Writing(self, about)

    def grouping(self) -> AbstractContextManager[None]:
        """A block whose calls share one transaction. Blocks within it belong to it."""
        return _Grouping(self)

    def tell(self, error: BaseException, about: type[Any] | None = None) -> None:
        """Raise what is to be told in place of an error; return if that is the error itself."""
        if isinstance(error, EngineError | boltpy.BoltError):
            told = self.told(error, about)
            if told is not error:
                raise told from None


class _Reading:
    __slots__ = ("_block", "_transactions")

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self._block: AbstractContextManager[boltpy.Tx] | None = None

    def __enter__(self) -> boltpy.Tx:
        group = self._transactions.open.group
        if group is None:
            self._block = self._transactions.db.view()
            return self._block.__enter__()
        group.require_whole()
        return group.tx

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._block is not None:
            self._block.__exit__(kind, error, trace)
        if error is not None:
            self._transactions.tell(error)


class _Beginning:
    """What a block does that begins the transaction, or joins the one that is open."""

    __slots__ = ("_block", "_group", "_transactions")

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self._block: AbstractContextManager[boltpy.Tx] | None = None

    def _begin(self) -> Group[boltpy.Tx]:
        opened = self._transactions.open
        group = opened.group
        if group is None:
            self._block = self._transactions.db.update()
            self._group = group = Group(self._block.__enter__())
            # The last step: an interrupt before it leaves nothing open, and none can come between it and the block.
            opened.group = group
        else:
            group.require_whole()
            self._group = group
        return group

    def _end(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End what was begun here."""
        block, group = self._block, self._group
        self._transactions.open.group = None
        try:
            if kind is None and group.broken:
                self._roll_back(group)
            elif kind is None and block is not None:
                self._commit(block, group)
            elif block is not None:
                block.__exit__(kind, error, trace)
        except BaseException as failed:
            # An interrupt leaves open whether the commit is stored: with its number the same call is not stored twice.
            if kind is not None or isinstance(failed, EngineError | boltpy.BoltError):
                group.take_numbers_back()
            raise
        if kind is not None:
            group.take_numbers_back()

    def _commit(self, block: AbstractContextManager[boltpy.Tx], group: Group[boltpy.Tx]) -> None:
        telling = self._transactions.telling
        try:
            with telling.ordering:
                changes = telling.changes(group.changed, group.tx)
                block.__exit__(None, None, None)
                telling.tell(changes)
        except BaseException as failed:
            # An interrupt may come before the block has ended; ended twice, it does nothing.
            block.__exit__(type(failed), failed, None)
            raise

    def _roll_back(self, group: Group[boltpy.Tx]) -> None:
        try:
            group.require_whole()
        except EngineError as error:
            if self._block is not None:
                self._block.__exit__(EngineError, error, None)
            raise


class _Writing(_Beginning):
    __slots__ = ("_about",)

    def __init__(self, transactions: Transactions, about: type[Any] | None) -> None:
        super().__init__(transactions)
        self._about = about

    def __enter__(self) -> Group[boltpy.Tx]:
        return self._begin()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._block is None:
            if error is not None:
                self._group.broken |= not isinstance(error, HARMLESS)
                self._transactions.tell(error, self._about)
            return
        try:
            self._end(kind, error, trace)
        except (EngineError, boltpy.BoltError) as failed:
            self._transactions.tell(failed, self._about)
            raise
        if error is not None:
            self._transactions.tell(error, self._about)


class _Grouping(_Beginning):
    __slots__ = ()

    def __enter__(self) -> None:
        self._begin()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._block is not None:
            self._end(kind, error, trace)
        elif error is not None:
            # What the inner block did can not be undone without the rest.
            self._group.broken = True
