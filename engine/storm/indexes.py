"""The two kinds of index buckets, to be written.

An index is given the entry of a record (the bytes of its value, see `layout.Mark.entry`) and the bytes of its id.
"""

from __future__ import annotations

from typing import Protocol

import boltpy

from ..errors import RecordExists
from .layout import IDS, SEPARATOR, Mark


class Index(Protocol):
    """What a record's writing needs of an index."""

    def place(self, entry: bytes, id: bytes, old: bytes | None) -> None:
        """List the id under `entry`, and nowhere else. `old` is the entry of the stored record, None if unknown."""

    def drop(self, id: bytes, old: bytes | None) -> None:
        """List the id nowhere."""


class UniqueIndex:
    """One id for each value; the index of a class's ids is one too."""

    def __init__(self, bucket: boltpy.Bucket, mark: Mark) -> None:
        self._bucket = bucket
        self._mark = mark

    def place(self, entry: bytes, id: bytes, old: bytes | None) -> None:
        owner = self._bucket.get(entry)
        if owner == id:
            return
        if owner is not None:
            raise RecordExists(field=self._mark.label)
        self.drop(id, old)
        self._bucket.put(entry, id)

    def drop(self, id: bytes, old: bytes | None) -> None:
        if old is None:
            return
        if self._bucket.get(old) != id:
            # Text that is no UTF-8 is another one in the record than in its index.
            entries = (entry for entry, owner in self._bucket.items() if owner == id)
            old = next(entries, None)
        if old is not None:
            self._bucket.delete(old)


class ListIndex:
    """Any number of ids for each value."""

    def __init__(self, bucket: boltpy.Bucket) -> None:
        self._bucket = bucket
        self._ids = bucket.create_bucket_if_not_exists(IDS)

    def place(self, entry: bytes, id: bytes, old: bytes | None) -> None:
        key = entry + SEPARATOR + id
        listed = self._ids.get(id)
        if listed == key:
            return
        if listed is not None:
            self._bucket.delete(listed)
        self._ids.put(id, key)
        self._bucket.put(key, id)

    def drop(self, id: bytes, old: bytes | None) -> None:
        listed = self._ids.get(id)
        if listed is not None:
            self._bucket.delete(listed)
            self._ids.delete(id)


def open_index(records: boltpy.Bucket, mark: Mark) -> Index:
    """The index of one field, made if it is not there."""
    bucket = records.create_bucket_if_not_exists(mark.index_name)
    return UniqueIndex(bucket, mark) if mark.unique else ListIndex(bucket)
