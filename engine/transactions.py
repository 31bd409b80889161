"""One transaction for each call, or one for several calls.

A transaction belongs to the thread that opened it. While it is open, that thread's calls join it and see what it has
changed; those of other threads read the last commit, and wait with writing until it ends.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import boltpy

from .errors import EngineError, EntityExists, EntityNotFound, PreconditionFailed


@dataclass(slots=True)
class Group:
    """An open write transaction and what there is to know at its end.

    Attributes:
        tx: The transaction.
        broken: A call has failed in the middle, so that a part of its work may be in `tx`.
        numbered: The entities that were given an id, and the field that has it.
    """

    tx: boltpy.Tx
    broken: bool = False
    numbered: list[tuple[object, str]] = field(default_factory=list)

    def require_whole(self) -> None:
        if self.broken:
            raise EngineError("a call in this transaction failed half-way: it can only be rolled back")


class _Open(threading.local):
    """The transaction that the thread has open."""

    group: Group | None = None


class Transactions:
    """The transactions of one engine."""

    def __init__(self, db: boltpy.DB) -> None:
        self._db = db
        self._open = _Open()

    @contextmanager
    def reading(self) -> Iterator[boltpy.Tx]:
        """A transaction to read from: the one that is open, else a snapshot of the last commit."""
        group = self._open.group
        if group is None:
            with self._db.view() as tx:
                yield tx
        else:
            group.require_whole()
            yield group.tx

    @contextmanager
    def writing(self) -> Iterator[Group]:
        """A transaction for one call: the one that is open, else one that is committed at the end of the block.

        A call that ends with an error of the engine's that says "nothing was written" leaves an open transaction as it
        was. After any other error that one is broken.
        """
        group = self._open.group
        if group is None:
            with self._new() as group:
                yield group
            return
        group.require_whole()
        try:
            yield group
        except (EntityNotFound, EntityExists, PreconditionFailed):
            raise
        except BaseException:
            group.broken = True
            raise

    @contextmanager
    def grouping(self) -> Iterator[None]:
        """A block whose calls share one transaction. Blocks within it belong to it."""
        group = self._open.group
        if group is None:
            with self._new():
                yield
            return
        group.require_whole()
        try:
            yield
        except BaseException:
            # What the inner block did can not be undone without the rest.
            group.broken = True
            raise

    @contextmanager
    def _new(self) -> Iterator[Group]:
        numbered: list[tuple[object, str]] = []
        try:
            with self._db.update() as tx:
                group = Group(tx, numbered=numbered)
                try:
                    self._open.group = group
                    yield group
                finally:
                    self._open.group = None
                group.require_whole()
        except BaseException:
            # None of these was stored: tried again, they are numbered again.
            for entity, name in numbered:
                setattr(entity, name, 0)
            raise
