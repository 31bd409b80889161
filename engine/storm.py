"""Typed buckets in the layout of storm v3, the Go library that Gofer keeps its entities with.

    <path> / <ClassName>
        <id bytes> = <JSON of the record>          one pair for each record
        __storm_metadata                           codec, counters; a reader needs neither
        __storm_index_<Field>                      for the id and for each indexed field
            unique    <value> = <id>
            list      <value>__<id> = <id>, and a bucket storm__ids with <id> = <value>__<id>

A class says with `member(storm=...)` which field is its id and which are indexed. Index buckets carry Go's names of
fields: `created` is Created, `id` is ID. A value that is Go's zero value (0, "") is in no index.

Records live as long as the transaction that they are read in; the entities they give stay valid.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice
from os import PathLike
from typing import Any, Final, Generic, TypeVar

import boltpy

from . import gojson
from .errors import EngineError, IndexNotFound, RecordError, RecordNotFound
from .wire import Field, decode_as, encode, struct_of

T = TypeVar("T")

_DATABASE: Final = b"__storm_db"
_INDEX: Final = "__storm_index_"
_IDS: Final = b"storm__ids"
_SEPARATOR: Final = b"__"


def key_of(value: object) -> bytes:
    """The bytes that storm makes of an id, an indexed value or a key.

    A str gives its UTF-8 (bytes that were no UTF-8 come back from "surrogateescape"), bytes are taken as they are, an
    int gives 8 bytes, big endian, two's complement, and a stored class its JSON.

    Raises:
        OverflowError: An int beyond 64 bits.
    """
    if isinstance(value, str):
        try:
            return value.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            # No Go string has such a key, but asking for it is no mistake.
            return value.encode("utf-8", "surrogatepass")
    if isinstance(value, bytes):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return value.to_bytes(8, "big", signed=True)
    return encode(value)


def text_of_key(key: bytes) -> str:
    """A key as text, the inverse of `key_of` for a str."""
    return key.decode("utf-8", "surrogateescape")


def find_bucket(tx: boltpy.Tx, *path: str) -> boltpy.Bucket | None:
    """The bucket at `path`, or None if a part is missing, is no bucket, or is empty."""
    for part in path:
        if not isinstance(part, str):
            raise TypeError(f"names of buckets are of type str, not {type(part).__name__}")
    return tx.bucket(*map(key_of, path)) if all(path) else None


def go_name(field: str) -> str:
    """Go's name of a field, as it is in the names of index buckets: `id` is ID, `last_run_id` is LastRunID."""
    return "".join("ID" if part == "id" else part.capitalize() for part in field.split("_"))


def open_database(path: str | PathLike[str], **options: Any) -> boltpy.DB:
    """Open a file that storm made, to read it, under bolt's shared lock.

    Nothing is written, and a missing file is not made.

    Args:
        options: For `boltpy.open`. `timeout` is 1 second unless given, as in Gofer.

    Raises:
        EngineError: Storm did not make that file.
        boltpy.BoltError: It is no bolt file, is damaged, or a writer holds its lock.
        OSError: It can not be opened.
    """
    db = boltpy.open(path, **{"timeout": 1.0, **options, "read_only": True})
    try:
        with db.view() as tx:
            read_version(tx)
    except BaseException:
        db.close()
        raise
    return db


def read_version(tx: boltpy.Tx) -> str:
    """The version that storm noted when it made the file ("2.0.0"), "" if it did not come that far.

    Raises:
        EngineError: The file was not made by storm, or the note can not be read.
    """
    bucket = tx.bucket(_DATABASE)
    if bucket is None:
        raise EngineError(f"a bolt file, but none of Gofer's: it has no bucket {_DATABASE.decode()}")
    stored = bucket.get(b"version")
    if stored is None:
        return ""
    place = f"{_DATABASE.decode()} / version"
    try:
        node = gojson.parse(gojson.text_of(stored))
    except gojson.SyntaxProblem as problem:
        raise RecordError(str(problem), place=place) from None
    if node.kind not in ("string", "null"):
        raise RecordError(f"json: cannot unmarshal {node.kind} into Go value of type string", place=place)
    return node.value or ""


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


P = TypeVar("P")


def _page(items: Iterator[P], offset: int, limit: int) -> Iterator[P]:
    start = min(max(offset, 0), sys.maxsize)
    return islice(items, start, None if limit < 0 else min(start + limit, sys.maxsize))


class KeyValues:
    """A bucket of storm's key/value calls: keys of any kind, values of JSON."""

    def __init__(self, tx: boltpy.Tx, name: str) -> None:
        self._bucket = find_bucket(tx, name)

    def __contains__(self, key: object) -> bool:
        return self._bucket is not None and self._bucket.get(key_of(key)) is not None

    def get(self, key: object) -> bytes:
        """The JSON stored under `key`.

        Raises:
            RecordNotFound: There is none.
        """
        stored = self._bucket.get(key_of(key)) if self._bucket is not None else None
        if stored is None:
            raise RecordNotFound
        return stored

    def names(self) -> Iterator[tuple[bytes, bool]]:
        """Each key that is not storm's own (those begin with two underscores), and whether it names a bucket."""
        if self._bucket is not None:
            for key, value in self._bucket.items():
                if not key.startswith(b"__"):
                    yield key, value is None
