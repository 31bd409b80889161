"""The event log of Gofer's files of 2022: a plain bucket, in which storm has no part.

events
    <number, 8 bytes> = <JSON of the event>        the bucket's sequence is the last number that was given out
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import boltpy

from .errors import EngineError, RecordError, RecordExists, RecordNotFound
from .models import Event, decode
from .places import EVENTS
from .storm import key_of
from .wire import encode

GOFERS_KINDS: Final = frozenset(
    {
        "CREATED_NAMESPACE",
        "CREATED_PIPELINE",
        "DISABLED_PIPELINE",
        "ENABLED_PIPELINE",
        "STARTED_RUN",
        "COMPLETED_RUN",
        "STARTED_TASK_RUN",
        "SCHEDULED_TASK_RUN",
        "COMPLETED_TASK_RUN",
        "FIRED_TRIGGER",
        "PROCESSED_TRIGGER",
        "RESOLVED_TRIGGER",
    }
)
"""The kinds that Gofer's own code can read back. It has forgotten one that it writes, ABANDONED_PIPELINE."""

_LAST: Final = 2**63 - 1


class EventLog:
    """The log, in one transaction. In files of 2021 there is none."""

    def __init__(self, tx: boltpy.Tx) -> None:
        self._bucket = tx.bucket(EVENTS.encode())

    def all(self, *, reverse: bool = False) -> Iterator[Event]:
        """The events in the order of their numbers. RecordError if one can not be read."""
        for number, stored in self.items(reverse=reverse):
            yield event_of(number, stored)

    def items(self, *, reverse: bool = False) -> Iterator[tuple[int, bytes]]:
        """The numbers of all events, each with its JSON, which `event_of` reads."""
        for key, stored in self._bucket.items(reverse=reverse) if self._bucket is not None else ():
            if stored is not None:
                yield int.from_bytes(key[:8], "big", signed=True), stored

    def get(self, id: int) -> Event:
        """The event with that number; RecordNotFound if there is none."""
        stored = self._stored(id)
        if stored is None:
            raise RecordNotFound
        return event_of(id, stored)

    def append(self, event: Event) -> None:
        """Store an event under the next number, which it has afterwards, or under its own if it has one.

        Raises:
            RecordExists: There is one with its number.
            EngineError: The file has no log, or there is no number left.
            PreconditionFailed: A field holds what can not be stored.
        """
        bucket = self._made()
        if not event.event_id and bucket.sequence >= _LAST:
            raise EngineError("Event.event_id: there is no number left")
        # What can not be stored is found before anything is changed.
        encode(event)
        if event.event_id:
            if self._stored(event.event_id) is not None:
                raise RecordExists(field="Event.event_id")
            bucket.sequence = max(bucket.sequence, event.event_id)
        else:
            event.event_id = bucket.next_sequence()
        bucket.put(key_of(event.event_id), encode(event))

    @property
    def last(self) -> int:
        """The last number that was given out; 0 if none was, or there is no log."""
        return self._bucket.sequence if self._bucket is not None else 0

    def skip(self, last: int) -> None:
        """Give out no number up to `last` any more; EngineError if the file has no log."""
        bucket = self._made()
        bucket.sequence = max(bucket.sequence, last)

    def delete(self, id: int) -> None:
        """Delete the event with that number, which is not given out again; RecordNotFound if there is none."""
        if self._bucket is None or self._stored(id) is None:
            raise RecordNotFound
        self._bucket.delete(key_of(id))

    def _made(self) -> boltpy.Bucket:
        if self._bucket is None:
            raise EngineError("this file is of a schema without an event log: it has no bucket events")
        return self._bucket

    def _stored(self, id: int) -> bytes | None:
        return self._bucket.get(key_of(id)) if self._bucket is not None and -_LAST - 1 <= id <= _LAST else None


def event_of(number: int, stored: bytes) -> Event:
    """The event that is stored under a number. RecordError, with its place, if it can not be read."""
    try:
        return decode(Event, stored)
    except RecordError as error:
        raise RecordError(error.reason, place=f"{EVENTS} / {number}") from None
