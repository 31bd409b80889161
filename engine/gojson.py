"""JSON text as Go's encoding/json reads and writes it.

Here are the grammar, the strings and the numbers; which fields an entity has is the business of `wire`. Two readers:

* `quick` hands the common case to the standard library and gives up on whatever the two do not share;
* `parse` is the whole grammar, with Go's own words for errors, and knows where each value begins and ends, so that
  what nobody understands can be kept as it is. It uses no recursion: depth is limited as in Go, not by the stack.

Written text is that of Go 1.21 and older, with which Gofer was built: backspace and form feed are `\\u0008` and
`\\u000c` (newer Go: `\\b` and `\\f`), and text that is not UTF-8 becomes the six characters `\\ufffd`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final, Literal

MAX_DEPTH: Final = 10000

_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_INTEGER = re.compile(r"-?[0-9]+\Z")
_STRING = re.compile(r'"([^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*)*)"')
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))")
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_SHORT: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
# Where a text that ends within a token, and not between two, is blamed on that token.
_UNFINISHED: Final = (
    "in numeric literal",
    "after decimal point in numeric literal",
    "in exponent of numeric literal",
    "in string escape code",
    "in \\u hexadecimal character escape",
)
_WORDS: Final = {"t": ("true", True), "f": ("false", False), "n": ("null", None)}

Kind = Literal["object", "array", "string", "number", "bool", "null"]


class SyntaxProblem(ValueError):
    """The bytes are not JSON; the text is what Go says about them."""


class Raw(str):
    """JSON text that is written as it is."""

    __slots__ = ()


class Unusual(Exception):
    """`quick` leaves this text to `parse`. Says nothing about whether it is right."""


@dataclass(slots=True, eq=False)
class Node:
    """One parsed value and its place, `text[start:end]`.

    `value` by `kind`: a list of (key, Node) pairs in written order, duplicates included; a list of Node; a str; the
    literal of a number, as written; a bool; None.
    """

    kind: Kind
    value: Any
    start: int
    end: int


def text_of(data: bytes) -> str:
    """Decode UTF-8; each byte that does not belong to it becomes a lone surrogate, so that nothing is lost."""
    return data.decode("utf-8", "surrogateescape")


def bytes_of(text: str) -> bytes:
    """The inverse of `text_of`."""
    return text.encode("utf-8", "surrogateescape")


def integer(literal: str) -> int | None:
    """The value of a number that is written as an integer of at most 20 characters, as all of 64 bits are.

    None for the others: `1.0`, `1e3`, and those so long that `int` is slow or refuses.
    """
    return int(literal) if len(literal) <= 20 and _INTEGER.match(literal) else None


# --- writing ---------------------------------------------------------------------------------------------------------

quote = json.encoder.encode_basestring
"""A str as JSON, before `go_escapes`."""

_write = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode

# What the standard library writes differently. None of these characters is ever structure, so that the finished text
# can be searched for them; as bytes, because that is faster.
_GO_ESCAPES: Final = (
    (b"<", b"\\u003c"),
    (b">", b"\\u003e"),
    (b"&", b"\\u0026"),
    ("\u2028".encode(), b"\\u2028"),
    ("\u2029".encode(), b"\\u2029"),
)


def write(value: Any) -> bytes:
    """The JSON of `value` (dict with str keys, list, str, int, bool, None), without spaces, as Go writes it.

    Keys stay in the dict's order.
    """
    return go_escapes(_write(value))


def go_escapes(text: str) -> bytes:
    """Spell JSON of the standard library, without spaces, as Go does."""
    try:
        data = text.encode()
    except UnicodeEncodeError:
        data = _SURROGATE.sub(r"\\ufffd", text).encode()
    for character, escape in _GO_ESCAPES:
        if character in data:
            data = data.replace(character, escape)
    if b"\\b" in data or b"\\f" in data:
        # Two backslashes are one of the text's own. Between such pairs each one begins an escape.
        parts = data.split(b"\\\\")
        data = b"\\\\".join(part.replace(b"\\b", b"\\u0008").replace(b"\\f", b"\\u000c") for part in parts)
    return data


def write_with_raw(value: Any) -> bytes:
    """The same for a value with `Raw` pieces in it, which `write` would take for strings."""
    if isinstance(value, Raw):
        return bytes_of(value)
    if isinstance(value, dict):
        return b"{" + b",".join(write(key) + b":" + write_with_raw(item) for key, item in value.items()) + b"}"
    if isinstance(value, list):
        return b"[" + b",".join(map(write_with_raw, value)) + b"]"
    return write(value)


# --- reading ---------------------------------------------------------------------------------------------------------


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Unusual
    return found


_scan = json.JSONDecoder(object_pairs_hook=_unique).raw_decode


def quick(data: bytes) -> Any:
    """Read well-behaved JSON into dicts, lists, str, int, float, bool and None.

    Raises:
        Unusual: The text needs `parse`: it has bad UTF-8, duplicate keys, surrogates in escapes, too much depth, or it
            is no JSON. (What this lets through and Go does not, NaN and Infinity, comes out as a float.)
    """
    if b"\\ud" in data or b"\\uD" in data:
        raise Unusual
    try:
        text = data.decode("utf-8")
        found, end = _scan(text)
    except (ValueError, RecursionError):
        raise Unusual from None
    if end != len(text) and text[end:].strip(" \t\n\r"):
        raise Unusual
    return found


def unquote(literal: str) -> str:
    """The text between the quotes of a valid JSON string; lone surrogates become U+FFFD, as in Go."""
    if "\\" not in literal:
        # No escapes: a surrogate here stands for a byte that was not UTF-8.
        return literal if literal.isascii() else _SURROGATE.sub("\ufffd", literal)

    def unescape(match: re.Match[str]) -> str:
        code, short = match.groups()
        return chr(int(code, 16)) if code else _SHORT.get(short, short)

    # Bytes that are no UTF-8 go first, lest one of them joins a surrogate escape beside it.
    text = _ESCAPE.sub(unescape, _SURROGATE.sub("\ufffd", literal))
    return _SURROGATE.sub("\ufffd", _PAIR.sub(lambda m: m[0].encode("utf-16", "surrogatepass").decode("utf-16"), text))


def parse(text: str) -> Node:
    """Parse a whole document, as `text_of` gave it.

    Raises:
        SyntaxProblem: It is not JSON, or arrays and objects are nested more than 10000 deep.
    """
    # Open arrays and objects from the outside in, each with the key that waits for its value.
    opened: list[tuple[Node, str]] = []
    position = _skip(text, 0)
    while True:
        character = text[position : position + 1]
        if character in ("{", "["):
            if len(opened) >= MAX_DEPTH:
                raise _unexpected(text, position, "exceeded max depth")
            node = Node("object" if character == "{" else "array", [], position, position)
            position = _skip(text, position + 1)
            if text[position : position + 1] != _closing(node):
                key = ""
                if character == "{":
                    key, position = _key(text, position)
                opened.append((node, key))
                continue
            node.end = position + 1
        else:
            node = _scalar(text, position)

        # A value is complete: hand it to what it stands in, which may complete that one too.
        while opened:
            parent, key = opened[-1]
            parent.value.append((key, node) if parent.kind == "object" else node)
            position = _skip(text, node.end)
            character = text[position : position + 1]
            if character == ",":
                position = _skip(text, position + 1)
                if parent.kind == "object":
                    key, position = _key(text, position)
                    opened[-1] = (parent, key)
                break
            if character != _closing(parent):
                after = "object key:value pair" if parent.kind == "object" else "array element"
                raise _unexpected(text, position, f"after {after}")
            parent.end = position + 1
            opened.pop()
            node = parent
        else:
            position = _skip(text, node.end)
            if position != len(text):
                raise _unexpected(text, position, "after top-level value")
            return node


def _closing(node: Node) -> str:
    return "}" if node.kind == "object" else "]"


def _skip(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position


def _key(text: str, position: int) -> tuple[str, int]:
    """Read `"key" :` at `position`; the key, and where its value begins."""
    if text[position : position + 1] != '"':
        raise _unexpected(text, position, "looking for beginning of object key string")
    node = _string(text, position)
    position = _skip(text, node.end)
    if text[position : position + 1] != ":":
        raise _unexpected(text, position, "after object key")
    return str(node.value), _skip(text, position + 1)


def _scalar(text: str, position: int) -> Node:
    character = text[position : position + 1]
    if character == '"':
        return _string(text, position)
    if character in _WORDS:
        word, value = _WORDS[character]
        for index, expected in enumerate(word):
            if text[position + index : position + index + 1] != expected:
                raise _unexpected(text, position + index, f"in literal {word} (expecting '{expected}')")
        return Node("null" if value is None else "bool", value, position, position + len(word))
    if character == "-" or "0" <= character <= "9":
        return _number(text, position)
    raise _unexpected(text, position, "looking for beginning of value")


def _number(text: str, position: int) -> Node:
    match = _NUMBER.match(text, position)
    end = match.end() if match else position + 1
    following = text[end : end + 1]
    if not match:
        raise _unexpected(text, end, "in numeric literal")
    # The longest good number ends before a dot or an exponent that has no digits: Go blames what stands in their place.
    if following == "." and "." not in match[0] and "e" not in match[0].lower():
        raise _unexpected(text, end + 1, "after decimal point in numeric literal")
    if following and following in "eE" and "e" not in match[0].lower():
        signed = text[end + 1 : end + 2] in ("+", "-")
        raise _unexpected(text, end + 1 + signed, "in exponent of numeric literal")
    return Node("number", match[0], position, end)


def _string(text: str, position: int) -> Node:
    match = _STRING.match(text, position)
    if match:
        return Node("string", unquote(match[1]), position, match.end())
    # Walk to the first character that a string can not have.
    at = position + 1
    while (character := text[at : at + 1]) >= " ":
        if character != "\\":
            at += 1
            continue
        if text[at + 1 : at + 2] == "u":
            for digit in range(at + 2, at + 6):
                if not re.match("[0-9a-fA-F]", text[digit : digit + 1]):
                    raise _unexpected(text, digit, "in \\u hexadecimal character escape")
            at += 6
        elif text[at + 1 : at + 2] not in tuple('"\\/bfnrt'):
            raise _unexpected(text, at + 1, "in string escape code")
        else:
            at += 2
    raise _unexpected(text, at, "in string literal")


def _unexpected(text: str, position: int, context: str) -> SyntaxProblem:
    """Go's words about the byte at `position`."""
    if position < len(text):
        # Go looks at bytes and prints each as the character of that number.
        character = chr(text[position].encode("utf-8", "surrogateescape")[0])
    elif context in _UNFINISHED or context.startswith("in literal"):
        # To see whether the text may end here, Go goes on with a space.
        character = " "
    else:
        return SyntaxProblem("unexpected end of JSON input")
    special = {"'": r"\'", "\\": r"\\", "\a": r"\a", "\v": r"\v"} | {value: f"\\{key}" for key, value in _SHORT.items()}
    if character in special:
        shown = special[character]
    elif character.isprintable():
        shown = character
    else:
        shown = f"\\x{ord(character):02x}" if character < "\x80" else f"\\u{ord(character):04x}"
    return SyntaxProblem(f"invalid character '{shown}' {context}")
