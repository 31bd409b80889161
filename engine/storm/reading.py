"""The records of one class in one place, to be read."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Iterator
from typing import Any, Generic, TypeVar

import boltpy

from ..errors import IndexNotFound, PreconditionFailed, RecordError, RecordNotFound
from ..wire import decode_as, struct_of
from .layout import IDS, SEPARATOR, Mark, find_bucket, marks_of, page, text_of_key

T = TypeVar("T")


class ReadRecords(Generic[T]):
    """What `Records` reads."""

    def __init__(self, tx: boltpy.Tx, entity: type[T], *path: str) -> None:
        self._tx = tx
        self._entity = entity
        self._marks = marks_of(entity)
        self._path = (*path, entity.__name__)
        self._id = self._marks.id
        self._bucket = find_bucket(tx, *self._path)

    @property
    def exists(self) -> bool:
        """Whether the bucket is there, though it may be empty."""
        return self._bucket is not None

    def get(self, id: Any) -> T:
        """The record with that id.

        Raises:
            RecordNotFound: There is none.
            TypeError: The ids of this class have another type.
        """
        return self._record(self._key(id))

    def has(self, id: Any) -> bool:
        """Whether there is a record with that id; TypeError if the ids of this class have another type."""
        return self._stored(self._key(id)) is not None

    def one(self, field: str, value: Any) -> T:
        """The first record whose `field` is `value`: by its key or index if it has one, else by looking at all.

        Raises:
            RecordNotFound: There is none.
            IndexNotFound: The index bucket is missing.
            TypeError: The field has another type.
            ValueError: The class has no such field.
        """
        mark = self._mark(field)
        if mark is self._id:
            return self.get(value)
        if mark is None:
            for record in self.all():
                if getattr(record, field) == value:
                    return record
            raise RecordNotFound
        entry, index = self._entry(mark, value), self._index(mark)
        if not entry:
            found: Iterable[bytes | None] = ()
        elif mark.unique:
            found = [index.get(entry)]
        else:
            found = index.values(prefix=entry + SEPARATOR)
        for id_bytes in found:
            if id_bytes is not None:
                candidate = self._record(id_bytes)
                # An entry of "a__b" begins like one of "a".
                if mark.unique or mark.entry(candidate) == entry:
                    return candidate
        raise RecordNotFound

    def all(self, *, offset: int = 0, limit: int = -1, reverse: bool = False) -> Iterator[T]:
        """The records in the order of their keys; nothing if there is no bucket.

        Args:
            offset: How many to skip; 0 or less for none.
            limit: How many at most; negative for no limit.
            reverse: From the last key to the first.
        """
        if self._bucket is not None:
            pairs = ((key, value) for key, value in self._bucket.items(reverse=reverse) if value is not None)
            for key, value in page(pairs, offset, limit):
                yield self._decode(key, value)

    def all_by_index(self, field: str, *, offset: int = 0, limit: int = -1, reverse: bool = False) -> Iterator[T]:
        """The records in the order of an index's keys: a field's bytes, two underscores, an id. Arguments: see `all`.

        Records whose field is zero are in no index, and so not here. The id is its own index. Text that holds two
        underscores makes storm's keys ambiguous: of the values "a" and "a__b" of the ids "b__c" and "c" only one is
        listed. Numbers have no such trouble.

        Raises:
            RecordNotFound: There is no bucket, or the index names a record that is not there.
            IndexNotFound: The index bucket is missing.
            ValueError: The field has no index.
        """
        mark = self._mark(field)
        if mark is None:
            raise ValueError(f"{self._entity.__name__}.{field} has no index")
        if mark is self._id:
            yield from self.all(offset=offset, limit=limit, reverse=reverse)
            return
        entries = self._index(mark).items(reverse=reverse)
        ids = (id_bytes for _, id_bytes in entries if id_bytes is not None)
        for id_bytes in page(ids, offset, limit):
            yield self._record(id_bytes)

    def _mark(self, field: object) -> Mark | None:
        """The mark of a field; None if it has none. ValueError if the class has no such field."""
        for mark in self._marks.indexed:
            if mark.name == field:
                return mark
        if not isinstance(field, str) or field not in struct_of(self._entity).by_name:
            raise ValueError(f"{self._entity.__name__} has no field {reprlib.repr(field)}")
        return None

    def _key(self, id: Any) -> bytes:
        return self._entry(self._id, id)

    def _entry(self, mark: Mark, value: Any) -> bytes:
        """The key of a value of a field; b"" if no record can have that value."""
        mark.require_type(value)
        try:
            return mark.key(value)
        except PreconditionFailed:
            return b""

    def _index(self, mark: Mark) -> boltpy.Bucket:
        if self._bucket is None:
            raise RecordNotFound
        index = self._bucket.bucket(mark.index_name)
        if index is None or (not mark.unique and index.bucket(IDS) is None):
            raise IndexNotFound
        return index

    def _record(self, key: bytes) -> T:
        stored = self._stored(key)
        if stored is None:
            raise RecordNotFound
        return self._decode(key, stored)

    def _stored(self, key: bytes) -> bytes | None:
        return self._bucket.get(key) if self._bucket is not None and key else None

    def _decode(self, key: bytes, stored: bytes) -> T:
        try:
            return decode_as(self._entity, stored)
        except RecordError as error:
            number = isinstance(self._id.zero, int) and len(key) == 8
            shown = str(int.from_bytes(key, "big", signed=True)) if number else text_of_key(key)
            raise RecordError(error.reason, place=" / ".join((*self._path, shown))) from None
