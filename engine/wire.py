"""Between dataclasses and the JSON objects that Go's encoding/json makes of structs.

A stored class is a dataclass whose annotations say how each field is stored; `member` says what they can not (another
JSON key, storm's id and indexes):

    str, int (64 bits), bool    never null: Go's zero value stands for "nothing"
    a StrEnum                   a string, of any value
    bytes | None                base64; None is Go's nil and b"" an empty slice; so on below
    list[X] | None, dict[str, X] | None, another dataclass
    dict[str, EmptyObject]      Go's set of strings, {"name": {}}

Reading follows Go: a missing key or null leaves the zero value, keys match without regard to case (the exact one
first), the last duplicate wins and unknown keys are no error. A class that derives from `Entity` keeps them, and writes
them back.
"""

from __future__ import annotations

import dataclasses
import reprlib
from collections.abc import Callable, Iterator
from enum import StrEnum
from types import UnionType
from typing import Any, ClassVar, Final, TypeVar, Union, get_args, get_origin

from . import codecs, compiled, gojson
from .classes import annotations_of, require_keys
from .codecs import Codec, EmptyObject, Misfit, Unfit
from .compiled import Member
from .errors import PreconditionFailed, RecordError
from .gojson import Node, Raw, SyntaxProblem, Unusual

T = TypeVar("T")

# Go folds ASCII letters, and the two characters beyond ASCII whose lower case is an ASCII letter: Kelvin and long s.
_FOLD: Final = {ord(upper): upper.lower() for upper in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"} | {0x212A: "k", 0x17F: "s"}


def member(
    default: Any = dataclasses.MISSING, *, factory: Any = dataclasses.MISSING, json: str = "", storm: str = ""
) -> Any:
    """A dataclass field with what its annotation can not say.

    Args:
        default: The field's default value.
        factory: In its place, a callable that makes the default.
        json: The JSON key; empty for the field's own name.
        storm: How a store keeps it: "id" (the record's key), "id increment" (an int that the store counts up where it
            is 0), "unique" or "index" (a list index); empty for no index.
    """
    metadata = {"json": json, "storm": storm}
    if factory is not dataclasses.MISSING:
        return dataclasses.field(default_factory=factory, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(slots=True, kw_only=True)
class Entity:
    """What a stored object keeps beside its fields.

    Attributes:
        unknown: Members of the stored object that have no field here, in stored order: key to JSON text. They are
            written back after the known ones.
        shape: For a class whose stored form changed over time, the JSON keys of the form that it was read in. Empty
            for one made here: it is written in the oldest of its SHAPES that holds all of its values.
    """

    SHAPES: ClassVar[tuple[tuple[str, ...], ...]] = ()

    unknown: dict[str, str] = dataclasses.field(default_factory=dict, repr=False)
    shape: tuple[str, ...] = dataclasses.field(default=(), repr=False, compare=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Field:
    """One stored field: the attribute, its JSON key, its codec, and what `member` was told of storm.

    `zero` is Go's zero value of it, to compare with: it is not to be changed or handed out.
    """

    name: str
    key: str
    codec: Codec
    storm: str
    zero: Any


class Struct:
    """The codec of one class; `struct_of` makes it once."""

    def __init__(self, entity: type[Any]) -> None:
        annotations = annotations_of(entity)
        # Go names a type by the last part of its package.
        self.go = f"{entity.__module__.rpartition('.')[2]}.{entity.__name__}"
        self._entity = entity
        self._keeps_unknown = issubclass(entity, Entity)
        own = {item.name for item in dataclasses.fields(Entity)} if self._keeps_unknown else set()
        self.fields = tuple(
            _field(item, annotations[item.name]) for item in dataclasses.fields(entity) if item.name not in own
        )
        require_keys(entity, [field.key for field in self.fields])
        self.by_name = {field.name: field for field in self.fields}
        # The names of fields that hold other entities, one or a map of them.
        self.nested = tuple(
            field.name for field in self.fields if isinstance(getattr(field.codec, "item", field.codec), Struct)
        )
        self._by_key = {field.key: field for field in self.fields}
        self._by_folded_key = {field.key.translate(_FOLD): field for field in reversed(self.fields)}
        self._shapes: tuple[tuple[str, ...], ...] = getattr(entity, "SHAPES", ())
        # For each form that a record can have.
        forms = self._shapes or (tuple(self._by_key),)
        self._readers = {
            form: compiled.reader(entity, self._members(form), form if self._shapes else ()) for form in forms
        }
        self._writers = {form: compiled.writer(self._members(form)) for form in forms}
        # The fields that it does not have, with their zero values.
        self._absent = {
            form: [(field.name, field.zero) for field in self.fields if field.key not in form] for form in forms
        }

    def _members(self, form: tuple[str, ...]) -> list[Member]:
        return [Member(self._by_key[key].name, key, self._by_key[key].codec) for key in form]

    def zero(self) -> Any:
        return self._entity(**{field.name: field.codec.zero() for field in self.fields})

    def quick(self, value: Any) -> Any:
        if type(value) is not dict:
            raise Unusual
        read = self._readers.get(tuple(value))
        if read is None:
            raise Unusual
        return read(*value.values())

    def read(self, node: Node, old: Any, text: str) -> Any:
        if node.kind == "null":
            return old
        if node.kind != "object":
            raise Misfit(node.kind, self.go)
        values = {field.name: getattr(old, field.name) for field in self.fields}
        unknown: dict[str, str] = {}
        present = set()
        for key, item in node.value:
            field = self._by_key.get(key) or self._by_folded_key.get(key.translate(_FOLD))
            if field is None:
                unknown[key] = text[item.start : item.end]
                continue
            present.add(field.key)
            try:
                values[field.name] = field.codec.read(item, values[field.name], text)
            except Misfit as misfit:
                misfit.path.insert(0, field.key)
                misfit.struct = misfit.struct or self._entity.__name__
                raise
        if self._shapes:
            values["shape"] = next((shape for shape in self._shapes if present.issubset(shape)), ())
        if self._keeps_unknown:
            values["unknown"] = old.unknown | unknown
        return self._entity(**values)

    def text(self, value: Any) -> str:
        if type(value) is not self._entity or (self._keeps_unknown and value.unknown):
            raise Unusual
        for form in (value.shape, *self._shapes) if self._shapes else self._writers:
            write = self._writers.get(form)
            if write is not None and all(getattr(value, name) == zero for name, zero in self._absent[form]):
                return write(value)
        raise Unusual

    def plain(self, value: Any, raws: list[str]) -> dict[str, Any]:
        if not isinstance(value, self._entity):
            raise Unfit(f"a {self._entity.__name__}", value)
        result = {}
        for field in self._written(value):
            try:
                result[field.key] = field.codec.plain(getattr(value, field.name), raws)
            except Unfit as unfit:
                unfit.path.insert(0, field.name)
                raise
        if self._keeps_unknown and value.unknown:
            for key, text in self._unknown_of(value):
                result[key] = Raw(text)
                raws.append(key)
        return result

    def _unknown_of(self, value: Any) -> Iterator[tuple[str, str]]:
        if not isinstance(value.unknown, dict):
            raise Unfit("a dict", value.unknown, field="unknown")
        for key, text in value.unknown.items():
            # Read back, the member would be in the field.
            if not isinstance(key, str) or key.translate(_FOLD) in self._by_folded_key:
                raise Unfit("a dict whose keys are str that name no field", key, field="unknown")
            try:
                gojson.bytes_of(text)
                gojson.parse(text)
            except (SyntaxProblem, UnicodeEncodeError, AttributeError, TypeError):
                raise Unfit("a dict to JSON text", text, field="unknown") from None
            yield key, text

    def _written(self, value: Any) -> tuple[Field, ...]:
        """The fields to write, in order: those of the shape it was read in, or of the oldest that holds its values."""
        if not self._shapes:
            return self.fields
        filled = {field.key for field in self.fields if getattr(value, field.name) != field.zero}
        if not isinstance(value.shape, tuple) or not all(isinstance(key, str) for key in value.shape):
            raise Unfit("a tuple of str", value.shape, field="shape")
        for shape in (value.shape, *self._shapes):
            if shape in self._writers and filled.issubset(shape):
                return tuple(self._by_key[key] for key in shape)
        # Values of more than one time: everything.
        return self.fields


_structs: dict[type[Any], Struct] = {}


def struct_of(entity: type[Any]) -> Struct:
    """The codec of a class, made once.

    Raises:
        TypeError: It is no dataclass or holds itself, or a field has a type that is not among those listed at the top.
    """
    struct = _structs.get(entity)
    if struct is None:
        try:
            struct = _structs[entity] = Struct(entity)
        except RecursionError:
            raise TypeError(f"{entity.__name__} can not be stored: it holds another one of itself") from None
    return struct


_CODECS: Final[dict[Any, Codec]] = {
    str: codecs.Text(),
    int: codecs.Integer(),
    bool: codecs.Flag(),
    bytes: codecs.Binary(),
    EmptyObject: codecs.Nothing(),
}


def _field(item: dataclasses.Field[Any], annotation: Any) -> Field:
    codec = _codec(annotation)
    key = item.metadata.get("json") or item.name
    return Field(item.name, key, codec, item.metadata.get("storm", ""), codec.zero())


def _codec(annotation: Any) -> Codec:
    """The codec of a field's annotation; TypeError if it is none of those listed at the top."""
    if get_origin(annotation) in (UnionType, Union):
        # `X | None`, where None is Go's nil.
        wanted = [part for part in get_args(annotation) if part is not type(None)]
        annotation = wanted[0] if len(wanted) == 1 else annotation
    for known, codec in _CODECS.items():
        if annotation == known:
            return codec
    match get_origin(annotation), get_args(annotation):
        case origin, (item,) if origin is list:
            return codecs.List(_codec(item))
        case origin, (key, item) if origin is dict and key is str:
            return codecs.Map(_codec(item))
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return codecs.Enum(annotation)
    if isinstance(annotation, type) and dataclasses.is_dataclass(annotation):
        return struct_of(annotation)
    raise TypeError(f"no JSON form for fields of type {reprlib.repr(annotation)}")


def encode(entity: Any) -> bytes:
    """The JSON that Gofer stores for `entity`, to the byte.

    An entity that was read keeps the form it had (see `Entity.shape`) and the members that have no field here.

    Args:
        entity: An instance of a stored class.

    Returns:
        UTF-8, without spaces or a line end; keys in the order of Go's struct.

    Raises:
        PreconditionFailed: A field holds what Go's type can not: another type, or an int beyond 64 bits.
    """
    struct = struct_of(type(entity))
    try:
        return gojson.go_escapes(struct.text(entity))
    except (Unusual, TypeError):
        return _encode(struct.plain, entity, type(entity).__name__)


def encode_value(value: Any) -> bytes:
    """The JSON of a stored class, or of a str, int, bool, bytes, list, dict or None, as Go writes it.

    Raises:
        PreconditionFailed: The value, or one in it, is of another type.
    """
    return _encode(_plain, value, "value")


def _plain(value: Any, raws: list[str]) -> Any:
    """What `gojson.write` takes for a value of which only its own type is known."""
    if value is None:
        return None
    if isinstance(value, list | tuple):
        return [_plain(item, raws) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: _plain(value[key], raws) for key in sorted(value)}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return struct_of(type(value)).plain(value, raws)
    for kind, codec in _CODECS.items():
        if type(value) is kind:
            return codec.plain(value, raws)
    if isinstance(value, StrEnum):
        return str(value)
    raise Unfit("a str, int, bool, bytes, list, dict, None or stored class", value)


def _encode(plain_of: Callable[[Any, list[str]], Any], value: Any, name: str) -> bytes:
    raws: list[str] = []
    try:
        plain = plain_of(value, raws)
    except RecursionError:
        raise PreconditionFailed(f"{PreconditionFailed.TEXT}: {name} is nested too deep", field=name) from None
    except Unfit as unfit:
        field = ".".join([name, *unfit.path])
        message = f"{PreconditionFailed.TEXT}: {field} must be {unfit.expected}, not {reprlib.repr(unfit.value)}"
        raise PreconditionFailed(message, field=field) from None
    return gojson.write_with_raw(plain) if raws else gojson.write(plain)


def decode_as(entity: type[T], data: bytes | bytearray | memoryview) -> T:
    """The `entity` whose JSON is `data`, read as leniently as Go reads it.

    Args:
        entity: A stored class, or another type that a field can have: str, bytes, list[str].
        data: UTF-8; bytes that are not become U+FFFD.

    Raises:
        RecordError: It is not JSON, or a member has the wrong type. The text is Go's.
    """
    if not isinstance(data, bytes):
        data = bytes(memoryview(data))
    wanted: object = entity
    codec = (_structs.get(wanted) if isinstance(wanted, type) else None) or _codec(wanted)
    found: T
    try:
        found = codec.quick(gojson.quick(data))
    except Unusual:
        text = gojson.text_of(data)
        try:
            found = codec.read(gojson.parse(text), codec.zero(), text)
        except (SyntaxProblem, Misfit) as problem:
            raise RecordError(str(problem)) from None
    return found
