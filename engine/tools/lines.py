"""The lines of an export: JSON objects, one a line, in UTF-8. DESIGN.md describes them for those who write their own.

    {"format":"gofer-db export","version":1}                                              the first line
    {"bucket":["default","simple","Run"],"codec":"json","counter":3,"indexes":["ID","Started"]}
    {"kind":"run","key":["default","simple",3],"value":{...}}                             an entity, as it is stored
    {"bucket":["__storm_db"],"pair":["76657273696f6e","22322e302e3022"]}                  any other pair, in hex
    {"end":true}                                                                          the last line

An entity is a line of its own kind if its words lead back to the very same bytes, else a pair in hex.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from .. import gojson
from ..errors import EngineError, RecordError
from ..gojson import SyntaxProblem, Unusual
from ..models import RunRegistryKey, decode
from ..storm.layout import CODEC
from ..wire import encode, struct_of
from .kinds import KINDS, Kind, Path, kind_at
from .pieces import BucketPiece, PairPiece, Piece

HEADER: Final = b'{"format":"gofer-db export","version":1}\n'
END: Final = b'{"end":true}\n'

_FORMAT: Final = {"format": "gofer-db export", "version": 1}
_REGISTERED: Final = b"{}"
_BUCKET_MEMBERS: Final = {"bucket", "sequence", "codec", "counter", "indexes"}
_RECORD_MEMBERS: Final = {"kind", "key", "value"}
_PAIR_MEMBERS: Final = {"bucket", "pair"}

Members = Mapping[str, Any]


# --- writing ---------------------------------------------------------------------------------------------------------


def line_of(piece: Piece) -> bytes:
    """A piece as a line, with its end."""
    if isinstance(piece, BucketPiece):
        members: dict[str, Any] = {"bucket": _names(piece.path)}
        if piece.sequence:
            members["sequence"] = piece.sequence
        if piece.has_metadata:
            members["codec"] = CODEC.decode()
        if piece.counter is not None:
            members["counter"] = piece.counter
        if piece.indexes:
            members["indexes"] = list(piece.indexes)
        return gojson.write(members) + b"\n"
    kind = kind_at(piece.path)
    if kind is not None:
        key = kind.key_at(piece.path, piece.key)
        if key is not None and _comes_back(kind, piece.value):
            return b'{"kind":"%s","key":%s,"value":%s}\n' % (
                kind.name.encode(),
                gojson.write(key),
                piece.value,
            )
    return gojson.write({"bucket": _names(piece.path), "pair": [piece.key.hex(), piece.value.hex()]}) + b"\n"


def _names(path: Path) -> list[Any]:
    return [_name(name) for name in path]


def _name(name: bytes) -> str | dict[str, str]:
    try:
        return name.decode()
    except UnicodeDecodeError:
        return {"hex": name.hex()}


def _comes_back(kind: Kind, value: bytes) -> bool:
    """Whether the value of an entity is what is stored when it is read from a line."""
    if kind.entity is RunRegistryKey:
        return value == _REGISTERED
    try:
        if encode(decode(kind.entity, value)) != value:
            return False
        if value.count(b"{") + value.count(b"[") >= gojson.MAX_DEPTH:
            # In a line it is one level deeper.
            gojson.parse(gojson.text_of(b"[" + value + b"]"))
    except (RecordError, SyntaxProblem):
        return False
    return True


# --- reading ---------------------------------------------------------------------------------------------------------


def require_header(line: bytes) -> None:
    """EngineError unless the first line is that of an export in the form that this version knows."""
    try:
        members = _quick(line) or _split(line)[0]
    except EngineError:
        members = {}
    if members.get("format") != _FORMAT["format"]:
        raise EngineError("no export of gofer-db: its first line does not say so")
    if members != _FORMAT or type(members["version"]) is not int:
        found, known = gojson.write(members).decode(), gojson.write(_FORMAT).decode()
        raise EngineError(f"an export that says of itself {found}; this reads {known}")


def piece_of(line: bytes) -> Piece | None:
    """The piece in a line; None for the last line.

    Raises:
        EngineError: The line is none of an export.
    """
    plain = _quick(line)
    if plain is not None and plain.keys() == _RECORD_MEMBERS:
        piece = _plain_record(plain)
        if piece is not None:
            return piece
        plain = None
    if plain is None:
        members, value = _split(line)
        if members.keys() == _RECORD_MEMBERS:
            return _record(members, value)
    else:
        members = plain
    if members == {"end": True} and members["end"] is True:
        return None
    if members.keys() == _PAIR_MEMBERS:
        pair = members["pair"]
        if not isinstance(pair, list) or len(pair) != 2:
            raise EngineError('"pair" is a list of a key and a value')
        return PairPiece(_path(members["bucket"]), _bytes(pair[0]), _bytes(pair[1]))
    if "bucket" in members and members.keys() <= _BUCKET_MEMBERS:
        return _bucket(members)
    raise EngineError(f"nothing that an import knows has the members {', '.join(map(repr, members)) or '(none)'}")


def _quick(line: bytes) -> Members | None:
    """The members of a line; None if it is no plain JSON object, and `_split` has more to say."""
    try:
        members = gojson.quick(line)
    except Unusual:
        return None
    return members if isinstance(members, dict) else None


def _split(line: bytes) -> tuple[Members, bytes]:
    """The members of any line but for "value", and the JSON text of that one."""
    text = gojson.text_of(line)
    try:
        node = gojson.parse(text)
    except SyntaxProblem as problem:
        raise EngineError(f"no JSON: {problem}") from None
    if node.kind != "object":
        raise EngineError("a line is a JSON object")
    members: dict[str, Any] = {}
    value = b""
    for key, item in node.value:
        if key in members:
            raise EngineError(f"the member {key!r} is there twice")
        stored = gojson.bytes_of(text[item.start : item.end])
        if key == "value":
            members[key], value = None, stored
            continue
        try:
            members[key] = json.loads(stored)
        except (ValueError, RecursionError):
            raise EngineError(f"the member {key!r} can not be understood") from None
    return members, value


def _plain_record(members: Members) -> PairPiece | None:
    """The entity in a line; None if it takes more than the plainest way to read it."""
    kind, path, key = _place(members)
    if kind.entity is RunRegistryKey:
        if members["value"] != {}:
            raise EngineError('the "value" of a registration is {}')
        return PairPiece(path, key, _REGISTERED)
    try:
        return PairPiece(path, key, encode(struct_of(kind.entity).quick(members["value"])))
    except Unusual:
        return None


def _record(members: Members, value: bytes) -> PairPiece:
    """The entity in a line whose value is that text."""
    kind, path, key = _place(members)
    try:
        return PairPiece(path, key, encode(decode(kind.entity, value)))
    except RecordError as error:
        raise EngineError(f"the value of a {kind.name}: {error}") from None


def _place(members: Members) -> tuple[Kind, Path, bytes]:
    name, key = members["kind"], members["key"]
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise EngineError(f"there is no kind {name!r}; there are {', '.join(KINDS)}")
    if not kind.fits(key):
        raise EngineError(f"the key of a {kind.name} has the parts {', '.join(kind.parts)}, and is not {key!r}")
    path, own = kind.place(key)
    if kind_at(path) is not kind or kind.key_at(path, own) != key:
        raise EngineError(f"no {kind.name} can have the key {key!r}")
    return kind, path, own


def _bucket(members: Members) -> BucketPiece:
    sequence, counter = members.get("sequence", 0), members.get("counter")
    indexes = members.get("indexes", [])
    if type(sequence) is not int or not 0 <= sequence < 2**64:
        raise EngineError('"sequence" is a whole number from 0 to 2**64 - 1')
    if members.get("codec", "json") != "json":
        raise EngineError('"codec" is "json"')
    if counter is not None and (type(counter) is not int or not -(2**63) <= counter < 2**63):
        raise EngineError('"counter" is a whole number of 64 bits')
    if not isinstance(indexes, list) or not all(isinstance(name, str) for name in indexes):
        raise EngineError('"indexes" is a list of names')
    if len(set(indexes)) != len(indexes):
        raise EngineError('"indexes" has a name twice')
    return BucketPiece(_path(members["bucket"]), sequence, "codec" in members, counter, tuple(indexes))


def _path(names: Any) -> Path:
    if not isinstance(names, list):
        raise EngineError('"bucket" is a list of names')
    path = []
    for name in names:
        if isinstance(name, dict) and name.keys() == {"hex"}:
            path.append(_bytes(name["hex"]))
        elif isinstance(name, str):
            try:
                path.append(name.encode())
            except UnicodeEncodeError:
                raise EngineError(f"the name {name!r} is no text") from None
        else:
            raise EngineError('a name of a bucket is text, or {"hex": "ff"}')
    return tuple(path)


def _bytes(digits: Any) -> bytes:
    if isinstance(digits, str):
        try:
            return bytes.fromhex(digits)
        except ValueError:
            pass
    raise EngineError("bytes are written as hexadecimal digits, two each")
