"""Indexes as the records say they must be: what a record is listed under, and where a file differs from that.

An index is right if it lists all records that can be read, under their values and in both of its halves, and nothing
else. Each record is read once for all indexes; entries beyond the records' own are looked for only where the numbers
say that there are some.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boltpy

from ..errors import RecordError
from ..models import decode
from ..storm import text_of_key
from ..storm.layout import IDS, SEPARATOR, Mark
from ..validation import MAX_KEY, MAX_NAME
from .kinds import Kind
from .walking import safe


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with the index of `mark`. `key` is the record's, None if it is about the whole index."""

    name: str
    mark: Mark
    key: bytes | None
    text: str


def readable(kind: Kind, key: bytes, value: bytes) -> Any:
    """The entity in a pair; None if it can not be read, or if no entity of that kind has such a key."""
    if kind.is_numbered and len(key) != 8:
        return None
    try:
        return decode(kind.entity, value)
    except RecordError:
        return None


def key_problem(kind: Kind, key: bytes, record: Any) -> str:
    """Why no entity can be stored under a key, though it can be read there; "" if it can be."""
    if len(key) <= MAX_NAME:
        # All that Gofer has indexes of are numbers, and ids.
        return ""
    for mark in kind.marks.indexed if kind.marks is not None else ():
        entry = entry_of(mark, mark is kind.marks.id, key, record) if kind.marks is not None else None
        if entry is not None and len(entry) > MAX_KEY:
            return f"the key has {len(key)} bytes: {mark.index_name.decode()} has no room for it"
    return ""


def entry_of(mark: Mark, is_id: bool, key: bytes, record: Any) -> bytes | None:
    """The key of an index's entry for a record; None if the index does not list it."""
    # The key tells more than the JSON, which has no bytes that are not UTF-8.
    value = key if is_id else mark.entry(record)
    return value if value is None or mark.unique else value + SEPARATOR + key


class Comparison:
    """The indexes of a bucket against its records: `begin`, then `compare` with each record, then `end`."""

    def __init__(self, bucket: boltpy.Bucket, kind: Kind, marks: tuple[Mark, ...]) -> None:
        self._indexes = [_Index(bucket, kind, mark) for mark in marks]

    def begin(self) -> Iterator[Fault]:
        """Indexes that are not there, and are not compared."""
        for index in self._indexes:
            if index.forward is None:
                yield Fault("index-missing", index.mark, None, f"there is no bucket {index.name}")
            elif not index.mark.unique and index.backward is None:
                yield Fault("index-missing", index.mark, None, f"{index.name} has no bucket {IDS.decode()}")
        self._indexes = [index for index in self._indexes if index.is_whole]

    def compare(self, key: bytes, record: Any) -> Iterator[Fault]:
        """Entries of a record that are not there."""
        for index in self._indexes:
            yield from index.compare(key, record)

    def end(self) -> Iterator[Fault]:
        """What is in the indexes and no record needs."""
        for index in self._indexes:
            yield from index.surplus()


def index_faults(bucket: boltpy.Bucket, kind: Kind, marks: tuple[Mark, ...]) -> Iterator[Fault]:
    """Compare the indexes of these marks with all records of a bucket. BoltError if pages are damaged."""
    comparison = Comparison(bucket, kind, marks)
    yield from comparison.begin()
    for key, value in bucket.items():
        record = readable(kind, key, value) if value is not None else None
        if record is not None:
            yield from comparison.compare(key, record)
    yield from comparison.end()


class _Index:
    """One index and what was found of it so far."""

    def __init__(self, bucket: boltpy.Bucket, kind: Kind, mark: Mark) -> None:
        self.forward = bucket.bucket(mark.index_name)
        self.backward = self.forward.bucket(IDS) if self.forward is not None and not mark.unique else None
        self.mark = mark
        self.name = mark.index_name.decode()
        self._bucket = bucket
        self._kind = kind
        self._is_id = kind.marks is not None and mark is kind.marks.id
        self._found = [0, 0]

    @property
    def is_whole(self) -> bool:
        """Whether all of its buckets are there."""
        return self.forward is not None and (self.mark.unique or self.backward is not None)

    def _halves(self) -> Iterator[tuple[int, boltpy.Bucket, str]]:
        if self.forward is not None:
            yield 0, self.forward, self.name
        if self.backward is not None:
            yield 1, self.backward, f"{IDS.decode()} of {self.name}"

    def compare(self, key: bytes, record: Any) -> Iterator[Fault]:
        """Look for the entries of a record."""
        entry = entry_of(self.mark, self._is_id, key, record)
        if entry is None:
            return
        for half, bucket, name in self._halves():
            wanted, expected = (entry, key) if half == 0 else (key, entry)
            if bucket.get(wanted) == expected:
                self._found[half] += 1
            else:
                yield Fault("index-entry-missing", self.mark, key, f"not in {name}")

    def surplus(self) -> Iterator[Fault]:
        """Look for what no record needs."""
        for half, bucket, name in self._halves():
            if bucket.sequence:
                yield Fault("index-sequence", self.mark, None, f"{name} has a sequence, {bucket.sequence}")
            pairs = 0
            for entry, value in bucket.items():
                if value is not None:
                    pairs += 1
                elif half or self.mark.unique or entry != IDS:
                    yield Fault("index-foreign", self.mark, None, f"{name} has a bucket {safe(text_of_key(entry))}")
            if pairs == self._found[half]:
                continue
            for entry, value in bucket.items():
                if value is not None:
                    fault = self._judge(*((entry, value) if half == 0 else (value, entry)))
                    if fault:
                        yield Fault(*fault, f"{name} lists it {_REASONS[fault[0]]}")

    def _judge(self, entry: bytes, key: bytes) -> tuple[str, Mark, bytes] | None:
        """What is wrong with an entry that lists the record `key`."""
        stored = self._bucket.get(key) if key else None
        record = readable(self._kind, key, stored) if stored is not None else None
        if record is None:
            return "index-entry-dangling", self.mark, key
        if entry != entry_of(self.mark, self._is_id, key, record):
            return "index-entry-wrong", self.mark, key
        return None


_REASONS = {
    "index-entry-dangling": "but there is no such record, or none that can be read",
    "index-entry-wrong": "under what is not its value",
}
