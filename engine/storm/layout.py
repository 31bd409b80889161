"""The names and keys of storm's layout, and the marks that say how the fields of a class are kept.

    <path> / <ClassName>
        <id bytes> = <JSON of the record>          one pair for each record
        __storm_metadata                           codec = json, <Field>counter = the last number given out
        __storm_index_<Field>                      for the id and for each indexed field, made with the first record
            unique    <value> = <id>
            list      <value>__<id> = <id>, and a bucket storm__ids with <id> = <value>__<id>

Buckets and counters carry Go's names of fields: `created` is Created, `id` is ID.
"""

from __future__ import annotations

import reprlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Any, Final, TypeVar

import boltpy

from ..classes import is_frozen, require_class
from ..codecs import Integer, Text
from ..errors import OtherCodec, PreconditionFailed
from ..wire import encode_value, struct_of

T = TypeVar("T")

DATABASE: Final = b"__storm_db"
VERSION_KEY: Final = b"version"
METADATA: Final = b"__storm_metadata"
IDS: Final = b"storm__ids"
SEPARATOR: Final = b"__"
RESERVED: Final = "__storm_"
"""What the names of storm's own buckets begin with."""

INDEX: Final = b"__storm_index_"
"""What the names of index buckets begin with."""

CODEC_KEY: Final = b"codec"
CODEC: Final = b"json"


def key_of(value: object) -> bytes:
    """The bytes that storm makes of an id, an indexed value or a key.

    A str gives its UTF-8 (bytes that were no UTF-8 come back from "surrogateescape"), bytes are taken as they are, an
    int gives 8 bytes, big endian, two's complement. All else gives its JSON: a stored class, a bool, a StrEnum (it
    stands for one of Go's named types, which storm does not take for strings).

    Raises:
        PreconditionFailed: The value has no JSON, or is an int beyond 64 bits.
    """
    if isinstance(value, str) and not isinstance(value, StrEnum):
        return key_of_text(value)
    if isinstance(value, bytes):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            return value.to_bytes(8, "big", signed=True)
        except OverflowError:
            raise PreconditionFailed(f"a key of type int has 64 bits at most, not {value.bit_length()}") from None
    return encode_value(value)


def key_of_text(text: str) -> bytes:
    """The bytes of a text where Go has a string: those of an enum's member too."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        # No Go string has such a key, but asking for it is no mistake.
        return text.encode("utf-8", "surrogatepass")


def text_of_key(key: bytes) -> str:
    """A key as text, the inverse of `key_of` for a str."""
    if not isinstance(key, bytes):
        raise TypeError(f"a key is of type bytes, not {type(key).__name__}")
    return key.decode("utf-8", "surrogateescape")


def go_name(field: str) -> str:
    """Go's name of a field, as it is in the names of index buckets: `id` is ID, `last_run_id` is LastRunID."""
    if not isinstance(field, str):
        raise TypeError(f"the name of a field is of type str, not {type(field).__name__}")
    return "".join("ID" if part == "id" else part.capitalize() for part in field.split("_"))


@dataclass(frozen=True, slots=True)
class Mark:
    """A field that storm knows: an id or an indexed one.

    `label` names it in errors ("Run.id"), `index_name` is its index bucket, `unique` tells the kind of index.
    """

    name: str
    label: str
    unique: bool
    index_name: bytes
    counter_name: bytes
    zero: Any
    key: Callable[[Any], bytes]

    def require_type(self, value: object) -> None:
        """TypeError unless a value is of the field's type; None, which is Go's nil, does not tell what else may be."""
        # Texts that are no member yet are values of an enum too.
        expected = str if isinstance(self.zero, str) else type(self.zero)
        if self.zero is None or (isinstance(value, expected) and isinstance(value, bool) is (expected is bool)):
            return
        raise TypeError(f"{self.label} is of type {expected.__name__}, not {type(value).__name__}")

    def entry(self, record: object) -> bytes | None:
        """The bytes under which an index lists the record; None for a zero value, which no index lists."""
        value = getattr(record, self.name)
        return None if value == self.zero else self.key(value) or None


@dataclass(frozen=True, slots=True)
class Marks:
    """How a class is stored: its id, whether ids are counted up, and all indexed fields, in the class's order."""

    id: Mark
    increment: bool
    indexed: tuple[Mark, ...]


_marks: dict[type[Any], Marks] = {}

_KINDS: Final = ("id", "id increment", "unique", "index")


def marks_of(entity: type[Any]) -> Marks:
    """The marks of a class, read once.

    Raises:
        TypeError: It has no id or several, a mark that storm does not know, or counts what is no int.
    """
    require_class(entity)
    marks = _marks.get(entity)
    if marks is None:
        marks = _marks[entity] = _read_marks(entity)
    return marks


def _read_marks(entity: type[Any]) -> Marks:
    ids: list[Mark] = []
    indexed: list[Mark] = []
    increment = False
    for field in struct_of(entity).fields:
        if not field.storm:
            continue
        label = f"{entity.__name__}.{field.name}"
        if field.storm not in _KINDS:
            raise TypeError(f"{label} is marked {field.storm!r}; there are {', '.join(map(repr, _KINDS))}")
        go = go_name(field.name)
        if any(mark.index_name == INDEX + go.encode() for mark in indexed):
            raise TypeError(f"{label} has the same index as another field: in Go both are called {go}")
        # What Go knows under a name of its own is no string or int to storm.
        key: Callable[[Any], bytes] = key_of if isinstance(field.codec, Integer) else _key_by_value
        if type(field.codec) is Text:
            key = key_of_text
        mark = Mark(
            name=field.name,
            label=label,
            unique=field.storm != "index",
            index_name=INDEX + go.encode(),
            counter_name=f"{go}counter".encode(),
            zero=field.zero,
            key=key,
        )
        indexed.append(mark)
        if field.storm.startswith("id"):
            ids.append(mark)
        if field.storm == "id increment":
            increment = True
            if not isinstance(field.codec, Integer):
                raise TypeError(f"{label} can not be counted up: it is no int")
            if is_frozen(entity):
                raise TypeError(f"{label} can not be counted up: the class is frozen, and would not take the number")
    if len(ids) != 1:
        found = "more than one field that is" if ids else "no field that is"
        raise TypeError(f"{entity.__name__} has {found} marked as its id")
    return Marks(ids[0], increment, tuple(indexed))


def _key_by_value(value: object) -> bytes:
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    return encode_value(str.__str__(value) if isinstance(value, str) else value)


def find_bucket(tx: boltpy.Tx, *path: str) -> boltpy.Bucket | None:
    """The bucket at `path`, or None if a part is missing, is no bucket, or is empty.

    Raises:
        TypeError: `tx` is no transaction, or a part is no str.
    """
    if not isinstance(tx, boltpy.Tx):
        raise TypeError(f"a transaction of boltpy's is wanted, not {reprlib.repr(tx)}")
    for part in path:
        if not isinstance(part, str):
            raise TypeError(f"names of buckets are of type str, not {type(part).__name__}")
    return tx.bucket(*map(key_of_text, path)) if all(path) else None


def make_bucket(tx: boltpy.Tx, *path: str) -> boltpy.Bucket:
    """The bucket at `path` with storm's metadata in it; what is missing is made.

    Raises:
        OtherCodec: The bucket is there and holds something else than JSON.
        boltpy.BoltError: A part is empty or names a plain key.
    """
    first, *others = map(key_of_text, path)
    bucket = tx.create_bucket_if_not_exists(first)
    for name in others:
        bucket = bucket.create_bucket_if_not_exists(name)
    mark_codec(bucket)
    return bucket


def mark_codec(bucket: boltpy.Bucket) -> boltpy.Bucket:
    """Note in the bucket that it holds JSON, and return its metadata.

    Raises:
        OtherCodec: It holds something else, or its metadata does not say what.
    """
    metadata = bucket.bucket(METADATA)
    if metadata is None:
        metadata = bucket.create_bucket(METADATA)
        metadata.put(CODEC_KEY, CODEC)
    elif metadata.get(CODEC_KEY) != CODEC:
        raise OtherCodec
    return metadata


def require_int(name: str, value: object) -> None:
    """TypeError unless the argument of that name is an int."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} is of type int, not {type(value).__name__}")


def page(items: Iterator[T], offset: int, limit: int) -> Iterator[T]:
    """Skip `offset` items (0 or less: none), then give at most `limit` (negative: all)."""
    require_int("offset", offset)
    require_int("limit", limit)
    start = min(max(offset, 0), sys.maxsize)
    return islice(items, start, None if limit < 0 else min(start + limit, sys.maxsize))
