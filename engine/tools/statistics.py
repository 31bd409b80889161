"""Counts what a Gofer database holds: how many entities of each kind, their bytes, times and states."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import boltpy

from .indexes import readable
from .kinds import KINDS, kind_at
from .walking import Walk

# The fields that tell when an entity began to be, and how it stands.
_TIMES: Final = {"run": "started", "trigger_event": "received", "event": "emitted"}
_STATES: Final = {"pipeline": "state", "run": "status", "task_run": "status", "token": "kind", "event": "kind"}


@dataclass(slots=True)
class KindStatistics:
    """What there is of one kind.

    Attributes:
        count: How many.
        size: Bytes of their keys and values.
        unreadable: How many of them can not be read.
        oldest, newest: Epoch milliseconds; None where no entity has a time.
        states: How many there are in each state (of tokens and events: of each kind).
    """

    count: int = 0
    size: int = 0
    unreadable: int = 0
    oldest: int | None = None
    newest: int | None = None
    states: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Statistics:
    """A whole file.

    Attributes:
        kinds: By kind.
        other_count: Pairs that are no entities: indexes, metadata, what is not understood.
        other_size: Bytes of their keys and values.
        buckets: How many buckets there are, the root bucket left out.
        size: Bytes of the pages that are in use or were.
        page_size: Bytes of one page.
    """

    kinds: dict[str, KindStatistics]
    other_count: int = 0
    other_size: int = 0
    buckets: int = -1
    size: int = 0
    page_size: int = 0


def statistics(tx: boltpy.Tx, tick: Callable[[], object]) -> Statistics:
    """Count all of a file.

    Args:
        tx: A read transaction.
        tick: Is called once for each pair.

    Raises:
        EngineError, boltpy.BoltError: The file is damaged.
    """
    found = Statistics({name: KindStatistics() for name in KINDS}, size=tx.size, page_size=tx.db.info().page_size)
    walk = Walk(tx)
    for path, bucket in walk:
        found.buckets += 1
        kind = kind_at(path)
        nested = []
        for key, value in bucket.items():
            if value is None:
                nested.append(key)
                continue
            tick()
            if kind is None:
                found.other_count += 1
                found.other_size += len(key) + len(value)
                continue
            counted = found.kinds[kind.name]
            counted.count += 1
            counted.size += len(key) + len(value)
            # A registration is all in its key.
            entity = readable(kind, key, value if kind.id_field else key)
            if entity is None:
                counted.unreadable += 1
                continue
            time = getattr(entity, _TIMES.get(kind.name, "created"), 0)
            if time:
                counted.oldest = time if counted.oldest is None else min(counted.oldest, time)
                counted.newest = time if counted.newest is None else max(counted.newest, time)
            if kind.name == "trigger_event":
                counted.states[entity.trigger_result.state] += 1
            elif kind.name in _STATES:
                counted.states[getattr(entity, _STATES[kind.name])] += 1
        walk.enter(path, nested)
    return found
