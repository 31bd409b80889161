"""Tells the watches of one engine object what its transactions have stored, in the order of their commits.

A commit and the telling of it hold one lock: so what is told comes in order, and a watch that begins sees a commit
either in what it lists or in what it is told. What an entity is like at the end of a transaction is read before the
commit, from the transaction itself, and only if somebody watches.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import boltpy

from .arguments import require_since
from .errors import EngineError, RecordError
from .watching import Change, Watch

Found = Callable[[boltpy.Tx, type[Any], Mapping[str, Any]], Any]
"""The entity of a class with a key in a transaction, None if it is not there."""

Noted = tuple[type[Any], tuple[tuple[str, Any], ...]]
"""A class, and the arguments that name one of its entities."""


class Telling:
    """The watches of one engine."""

    def __init__(self, found: Found) -> None:
        self.ordering = threading.Lock()
        """Held by who commits, from `changes` to `tell`."""
        self._found = found
        self._watches: dict[Watch, type[Any] | None] = {}

    def begin(self, kind: type[Any] | None, since: int | None, db: boltpy.DB) -> Watch:
        """A watch on a class, or on all."""
        require_since(since)
        if since is not None:
            raise EngineError("a bolt file keeps no earlier changes: a watch of it begins now, without since")
        with self.ordering, db.view() as tx:
            watch = Watch(tx.id, self._over)
            self._watches[watch] = kind
        return watch

    def changes(self, noted: Iterable[Noted], tx: boltpy.Tx) -> list[Change]:
        """What there will be to tell of a transaction that is about to be committed: not what came and went in it."""
        if not self._watches:
            return []
        found = [Change(kind, dict(key), self._found(tx, kind, dict(key)), tx.id) for kind, key in noted]
        if all(change.entity is not None for change in found):
            return found
        with tx.db.view() as before:
            return [it for it in found if it.entity is not None or self._was_there(before, it)]

    def _was_there(self, before: boltpy.Tx, gone: Change) -> bool:
        try:
            return self._found(before, gone.kind, gone.key) is not None
        except RecordError:
            return True

    def tell(self, changes: Iterable[Change]) -> None:
        """Tell it."""
        for change in changes:
            for watch, kind in list(self._watches.items()):
                if kind in (None, change.kind):
                    watch.tell(copy.deepcopy(change))

    def close(self) -> None:
        """End all watches."""
        for watch in list(self._watches):
            watch.close()

    def _over(self, watch: Watch) -> None:
        self._watches.pop(watch, None)
