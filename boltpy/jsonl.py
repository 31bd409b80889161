"""The lines of an export: JSON objects, one a line, in UTF-8. DESIGN.md describes them to the byte.

    {"format":"boltpy export","version":1}                the first line
    {"bucket":["users","old"],"sequence":7}               a bucket: the names down to it; [] is the root bucket
    {"key":"ada","value":{"hex":"00ff"}}                  a pair of the last bucket that was named
    {"note":"page 7: ..."}                                to be passed over
    {"end":{"buckets":2,"pairs":1}}                       the last line

Bytes are a string where they are UTF-8 without control characters (but for the ends of lines and tabs), else an object
with their hexadecimal digits. That is a choice of the writer: the reader takes any string as its UTF-8, and digits for
any bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import Any, BinaryIO, Final, NamedTuple

from .errors import ImportLineError
from .format import MAX_KEY_SIZE, MAX_VALUE_SIZE

_PLAIN_BYTES = rb'(?:"([ !#-\[\]-~]*)"|\{"hex":"((?:[0-9a-f]{2})*)"\})'
# A pair as it is written here, without an escape and without a letter that ASCII lacks: most are, and this is quick.
_plain_pair: Final = re.compile(rb'\{"key":' + _PLAIN_BYTES + rb',"value":' + _PLAIN_BYTES + rb"\}\n").fullmatch

Path = tuple[bytes, ...]

HEADER: Final = b'{"format":"boltpy export","version":1}\n'

_FORMAT: Final = "boltpy export"
_VERSION: Final = 1
_MAX_SEQUENCE: Final = 2**64 - 1
_HEADER_BYTES: Final = 1000
# A byte takes six at most, as \u0000. The blanks of a line written by hand have room in the rest.
_LINE_BYTES: Final = 6 * (MAX_KEY_SIZE + MAX_VALUE_SIZE) + 1000
_PIECE_BYTES: Final = 1 << 20
_LINE_ENDS: Final = str.maketrans("", "", "\n\r\t")
_find_control: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]").search


class BucketLine(NamedTuple):
    """A bucket."""

    path: Path
    sequence: int


class PairLine(NamedTuple):
    """A pair of the bucket that was named last."""

    key: bytes
    value: bytes


class EndLine(NamedTuple):
    """The end, and how many lines of either kind there were."""

    buckets: int
    pairs: int


class NoteLine(NamedTuple):
    """What is to be passed over."""


Line = BucketLine | PairLine | EndLine | NoteLine


# --- writing --------------------------------------------------------------------------------------------------------


def bytes_text(data: bytes) -> str:
    """Return bytes as JSON text."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return f'{{"hex":"{data.hex()}"}}'
    if text.isprintable():
        return encode_basestring(text)
    if _find_control(text):
        return f'{{"hex":"{data.hex()}"}}'
    # A terminal may obey what it cannot print.
    return encode_basestring(text) if text.translate(_LINE_ENDS).isprintable() else encode_basestring_ascii(text)


def path_text(path: Iterable[bytes]) -> str:
    """Return a path of names as JSON text."""
    return f"[{','.join(map(bytes_text, path))}]"


def bucket_line(path: Iterable[bytes], sequence: int) -> str:
    """Return the line of a bucket, with its end."""
    said = f',"sequence":{sequence}' if sequence else ""
    return f'{{"bucket":{path_text(path)}{said}}}\n'


def pair_line(key: bytes, value: bytes) -> str:
    """Return the line of a pair, with its end."""
    return f'{{"key":{bytes_text(key)},"value":{bytes_text(value)}}}\n'


def note_line(text: str) -> str:
    """Return the line of a note, with its end."""
    return f'{{"note":{json.dumps(text)}}}\n'


def end_line(buckets: int, pairs: int) -> str:
    """Return the last line, with its end."""
    return f'{{"end":{{"buckets":{buckets},"pairs":{pairs}}}}}\n'


# --- reading --------------------------------------------------------------------------------------------------------


class _Refused(Exception):
    """The text tells why a line is none of an export."""


def lines_of(file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of an export, with their ends. The first is cut where it is longer than a header can be.

    They are read in pieces: a signal is heard between two of them, however long a line is.

    Raises:
        ImportLineError: A line is longer than that of the largest pair, or it is long and has a zero byte.
    """
    number, most = 1, _HEADER_BYTES
    while line := file.readline(most):
        if number > 1 and len(line) == most and not line.endswith(b"\n"):
            line = _with_rest(line, file, number)
        yield line
        number, most = number + 1, _PIECE_BYTES


def _with_rest(line: bytes, file: BinaryIO, number: int) -> bytes:
    pieces, size = [line], len(line)
    while pieces[-1] and not pieces[-1].endswith(b"\n"):
        if size > _LINE_BYTES:
            raise ImportLineError(number, f"more than {_LINE_BYTES} bytes, the most that a line of an export can have")
        if b"\0" in pieces[-1]:  # a device or a hole in a file may give zeros without end
            raise ImportLineError(number, "no JSON: it has a zero byte")
        pieces.append(file.readline(_PIECE_BYTES))
        size += len(pieces[-1])
    return b"".join(pieces)


def require_header(line: bytes) -> None:
    """Raise ImportLineError unless the first line is that of an export in the form that this version knows."""
    try:
        members = _members(line)
    except _Refused:
        members = {}
    if members.get("format") != _FORMAT:
        raise ImportLineError(1, "this is no export of boltpy: the first line does not say so")
    version = members.get("version")
    if type(version) is not int or version != _VERSION or len(members) != 2:
        raise ImportLineError(1, f"an export in another form than this program knows, which is version {_VERSION}")


def parse_line(number: int, line: bytes) -> Line:
    """Return what any line but the first says.

    Raises:
        ImportLineError: It is none that an export has.
    """
    plain = _plain_pair(line)
    if plain is not None:
        key, key_digits, value, value_digits = plain.groups()
        return PairLine(
            bytes.fromhex(key_digits.decode()) if key is None else key,
            bytes.fromhex(value_digits.decode()) if value is None else value,
        )
    try:
        return _parse(_members(line))
    except _Refused as error:
        raise ImportLineError(number, str(error)) from None


def _parse(members: dict[str, Any]) -> Line:
    names = members.keys()
    if names == {"key", "value"}:
        return PairLine(_bytes(members["key"], "a key"), _bytes(members["value"], "a value"))
    if names == {"bucket"} or names == {"bucket", "sequence"}:
        path = members["bucket"]
        if not isinstance(path, list):
            raise _Refused('"bucket" is a list of names')
        sequence = _number(members.get("sequence", 0), "sequence")
        return BucketLine(tuple(_bytes(name, "a name") for name in path), sequence)
    if names == {"note"}:
        return NoteLine()
    if names == {"end"}:
        counts = members["end"]
        if not isinstance(counts, dict) or counts.keys() != {"buckets", "pairs"}:
            raise _Refused('"end" tells the numbers of "buckets" and "pairs"')
        return EndLine(_number(counts["buckets"], "buckets"), _number(counts["pairs"], "pairs"))
    raise _Refused(f"no line of an export has the members {', '.join(map(ascii, members)) or '(none)'}")


def _members(line: bytes) -> dict[str, Any]:
    try:
        members = _DECODER.decode(line.decode().rstrip("\n"))
    except UnicodeDecodeError:
        raise _Refused("no UTF-8") from None
    except RecursionError:
        raise _Refused("no JSON that an export could have: nested too deeply") from None
    except json.JSONDecodeError as error:
        raise _Refused(f"no JSON: {error.msg} at character {error.pos + 1} of the line") from None
    except ValueError:  # Python's limit on the digits of a number
        raise _Refused("a number of too many digits") from None
    if not isinstance(members, dict):
        raise _Refused("a line is a JSON object")
    return members


def _once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) != len(members):
        raise _Refused("a member is there twice")
    return found


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_once)


def _bytes(said: Any, what: str) -> bytes:
    if type(said) is str:
        try:
            return said.encode()
        except UnicodeEncodeError:
            raise _Refused(f"{what} has half a character (a lone surrogate)") from None
    digits = said.get("hex") if isinstance(said, dict) and len(said) == 1 else None
    if type(digits) is str and digits.isascii() and digits.isalnum() | (not digits):
        try:
            return bytes.fromhex(digits)
        except ValueError:
            pass
    raise _Refused(f'{what} is text, or {{"hex": "00ff"}} with two digits a byte')


def _number(said: Any, name: str) -> int:
    if type(said) is not int or not 0 <= said <= _MAX_SEQUENCE:
        raise _Refused(f'"{name}" is a whole number from 0 to 2**64 - 1')
    return said
