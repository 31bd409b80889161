"""`buckets`, `keys`, `get` and `inspect`: what is in the buckets."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable

import boltpy

from ..printing import Printer
from .command import BUCKETS, FILE, FORMAT, JSON_BYTES, LIVE, PARSE_FORMAT, TIMEOUT, Arguments, Command, CommandError
from .formats import as_json, in_format, parsed, quoted
from .opening import bucket_at, reading

# Beside what Python escapes as Go does.
_GO_SPELLS_OUT = re.compile("[<>&\u2028\u2029\udc80-\udcff]")

_KEYS_FORMAT = FORMAT._replace(short="f")
_NAMES_FORMAT = PARSE_FORMAT._replace(about="how BUCKETs are given: as they are, or as hex")
# bbolt's `--parse-format` of `get` is that of the key alone.
_BUCKET_FORMAT = _NAMES_FORMAT._replace(name="bucket-format")


def _list(names: Iterable[bytes], form: str, arguments: Arguments, out: Printer) -> int:
    if arguments.json:
        out.line(json.dumps([as_json(name) for name in names]))
    else:
        for name in names:
            out.line(in_format(name, form))
    return 0


def _buckets(arguments: Arguments, out: Printer) -> int:
    with reading(arguments) as tx:
        return _list((name for name, _ in tx.buckets()), "bytes", arguments, out)


def _keys(arguments: Arguments, out: Printer) -> int:
    path = [parsed(name, arguments.parse_format) for name in arguments.words[1:]]
    with reading(arguments) as tx:
        bucket = bucket_at(tx, path)
        return _list(bucket.keys(), arguments.format, arguments, out)


def _get(arguments: Arguments, out: Printer) -> int:
    key = parsed(arguments.words[-1], arguments.parse_format)
    if not key:
        raise CommandError("key is required: key required")
    path = [parsed(name, arguments.bucket_format) for name in arguments.words[1:-1]]
    with reading(arguments) as tx:
        value = bucket_at(tx, path).get(key)
        if value is None:
            raise CommandError(f'Error key not found for key: {quoted(key)} hex: "{key.hex()}"')
        out.line(json.dumps(as_json(value)) if arguments.json else in_format(value, arguments.format))
    return 0


def _inspect(arguments: Arguments, out: Printer) -> int:
    with reading(arguments) as tx:
        structure = tx.inspect()
    if arguments.json:
        out.line(json.dumps(_shape(structure, as_json), ensure_ascii=False, indent=4).encode())
    else:
        out.line(_as_go_writes(json.dumps(_shape(structure, _text), ensure_ascii=False, indent=4)).encode())
    return 0


def _shape(bucket: boltpy.BucketStructure, name_of: Callable[[bytes], object]) -> dict[str, object]:
    shape: dict[str, object] = {"name": name_of(bucket.name), "keyN": bucket.key_n}
    if bucket.buckets:
        shape["buckets"] = [_shape(nested, name_of) for nested in bucket.buckets]
    return shape


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _as_go_writes(text: str) -> str:
    """Return JSON as Go's encoder spells it; what is no UTF-8 is lost in it."""
    return _GO_SPELLS_OUT.sub(lambda found: _spelled_out(ord(found[0])), text)


def _spelled_out(code: int) -> str:
    return "\\ufffd" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"


COMMANDS = (
    Command(
        name="buckets",
        run=_buckets,
        about="list the top-level buckets",
        words=(FILE,),
        least=1,
        most=1,
        flags=(JSON_BYTES, TIMEOUT, LIVE),
        details=("One name a line, as the bytes that it is.",),
        examples=(("boltpy buckets app.db", "the names, in the order of their bytes"),),
    ),
    Command(
        name="keys",
        run=_keys,
        about="list the keys of a bucket, with the names of the buckets nested in it",
        words=(FILE, BUCKETS),
        least=2,
        most=None,
        flags=(_KEYS_FORMAT, _NAMES_FORMAT, JSON_BYTES, TIMEOUT, LIVE),
        examples=(
            ("boltpy keys app.db users", "one key a line: text where it is printable UTF-8, else hex"),
            ("boltpy keys -f hex app.db users inactive", "those of the bucket `inactive` in `users`, as hex"),
            ("boltpy keys --parse-format hex app.db 00ff", "those of the bucket whose name is the bytes 00 and ff"),
        ),
    ),
    Command(
        name="get",
        run=_get,
        about="print the value of a key",
        words=(FILE, BUCKETS, ("KEY", "the key in that bucket")),
        least=3,
        most=None,
        flags=(FORMAT, PARSE_FORMAT, _BUCKET_FORMAT, JSON_BYTES, TIMEOUT, LIVE),
        examples=(
            ("boltpy get app.db users ada", "its value, and the end of a line"),
            ("boltpy get app.db users --parse-format hex 616461 --format bytes", "the same key; the value as it is"),
        ),
    ),
    Command(
        name="inspect",
        run=_inspect,
        about="print the tree of buckets as JSON, with the number of pairs in each",
        words=(FILE,),
        least=1,
        most=1,
        flags=(
            JSON_BYTES._replace(about='keep names that are no printable UTF-8, as {"hex": "ff00"}; else they are lost'),
            TIMEOUT,
            LIVE,
        ),
        examples=(("boltpy inspect app.db", '{"name": "root", "keyN": 0, "buckets": [...]}'),),
    ),
)
