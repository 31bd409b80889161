"""The records of one class in one place: read, and written with their indexes."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from dataclasses import fields
from typing import Any, Final, Generic, TypeVar

import boltpy

from ..errors import IndexNotFound, NoId, RecordError, RecordExists, RecordNotFound, ShortCounter, ZeroId
from ..forms import inherited
from ..wire import decode_as, encode, struct_of
from .indexes import open_index
from .layout import IDS, METADATA, SEPARATOR, Mark, find_bucket, make_bucket, key_of, marks_of, page, text_of_key

T = TypeVar("T")

_LAST_NUMBER: Final = 2**63 - 1


def _as_it_is(record: T) -> T:
    return record


class Records(Generic[T]):
    """The records of one class in one place, read in one transaction.

    with db.view() as tx:
        runs = Records(tx, Run, "default", "simple")
        latest = next(runs.all(reverse=True), None)
    """

    def __init__(self, tx: boltpy.Tx, entity: type[T], *path: str) -> None:
        """Args: `path`, the names of the buckets around the class's own. Whether they exist is asked when reading."""
        self._entity = entity
        self._path = (*path, entity.__name__)
        self._fields = struct_of(entity).by_name
        ids = [field for field in self._fields.values() if field.storm.startswith("id")]
        if not ids:
            raise TypeError(f"{entity.__name__} has no field that is marked as its id")
        self._id = ids[0]
        self._bucket = find_bucket(tx, *self._path)

    @property
    def exists(self) -> bool:
        """Whether a record was ever saved here: the bucket is there, though it may be empty."""
        return self._bucket is not None

    def get(self, id: Any) -> T:
        """The record with that id.

        Raises:
            RecordNotFound: There is none.
            TypeError: The ids of this class have another type.
        """
        expected = type(self._id.codec.zero())
        if not isinstance(id, expected) or isinstance(id, bool):
            name = f"{self._entity.__name__}.{self._id.name}"
            raise TypeError(f"{name} is of type {expected.__name__}, not {type(id).__name__}")
        try:
            return self._record(key_of(id))
        except OverflowError:
            raise RecordNotFound from None

    def one(self, field: str, value: Any) -> T:
        """The first record whose `field` is `value`: by its key or index if it has one, else by looking at all.

        Raises:
            RecordNotFound: There is none.
            IndexNotFound: The index bucket is missing.
        """
        kind = self._fields[field].storm
        if self._fields[field] is self._id:
            return self.get(value)
        if not kind:
            for record in self.all():
                if getattr(record, field) == value:
                    return record
            raise RecordNotFound
        if kind == "unique":
            id_bytes = self._index(self._fields[field]).get(key_of(value))
        else:
            prefix = key_of(value) + _SEPARATOR
            id_bytes = next(iter(self._index(self._fields[field]).values(prefix=prefix)), None)
        if id_bytes is None:
            raise RecordNotFound
        return self._record(id_bytes)

    def all(self, *, offset: int = 0, limit: int = -1, reverse: bool = False) -> Iterator[T]:
        """The records in the order of their keys; nothing if there is no bucket.

        Args:
            offset: How many to skip; 0 or less for none.
            limit: How many at most; negative for no limit.
            reverse: From the last key to the first.
        """
        if self._bucket is not None:
            pairs = ((key, value) for key, value in self._bucket.items(reverse=reverse) if value is not None)
            for key, value in _page(pairs, offset, limit):
                yield self._decode(key, value)

    def all_by_index(self, field: str, *, offset: int = 0, limit: int = -1, reverse: bool = False) -> Iterator[T]:
        """The records in the order of an indexed field's bytes, then of their ids; arguments as for `all`.

        Records whose field is zero are in no index, and so not here. The id is its own index.

        Raises:
            RecordNotFound: There is no bucket, or the index names a record that is not there.
            IndexNotFound: The index bucket is missing.
        """
        if self._fields[field] is self._id:
            yield from self.all(offset=offset, limit=limit, reverse=reverse)
            return
        entries = self._index(self._fields[field]).items(reverse=reverse)
        ids = (id_bytes for _, id_bytes in entries if id_bytes is not None)
        for id_bytes in _page(ids, offset, limit):
            yield self._record(id_bytes)

    def _index(self, field: Field) -> boltpy.Bucket:
        if self._bucket is None:
            raise RecordNotFound
        index = self._bucket.bucket(key_of(_INDEX + go_name(field.name)))
        if index is None or (field.storm == "index" and index.bucket(_IDS) is None):
            raise IndexNotFound
        return index

    def _record(self, key: bytes) -> T:
        stored = self._bucket.get(key) if self._bucket is not None and key else None
        if stored is None:
            raise RecordNotFound
        return self._decode(key, stored)

    def _decode(self, key: bytes, stored: bytes) -> T:
        try:
            return decode_as(self._entity, stored)
        except RecordError as error:
            number = isinstance(self._id.codec.zero(), int) and len(key) == 8
            shown = str(int.from_bytes(key, "big", signed=True)) if number else text_of_key(key)
            raise RecordError(error.reason, place=" / ".join((*self._path, shown))) from None


