"""The last numbers that were given out: what a copy of a database has to take along besides the entities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Counter:
    """The last number that was given out to a class in one place, though what had it may be gone.

    Attributes:
        kind: `engine.Run`, `engine.TriggerEvent` or `engine.Event`.
        place: The arguments that name the place: a run's namespace and pipeline, a trigger event's label besides; ().
        last: The number, from 1 up; the next one is greater.
    """

    kind: type[Any]
    place: tuple[str, ...]
    last: int
