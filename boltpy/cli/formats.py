"""Bytes as people and programs read them: the formats of bbolt's command, JSON, and back from a command line."""

from __future__ import annotations

import os
from hashlib import sha256

from ..printing import visible_rune
from .command import CommandError


def printable(data: bytes) -> str | None:
    """Return bytes as text if they are UTF-8 and a terminal can show all of it, else None."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    return text if text.isprintable() else None


def named(name: bytes) -> str:
    """Return a name as it is where it can be seen, else in quotes, as what begins with a quote itself."""
    text = printable(name)
    return text if text and not text.startswith('"') else quoted(name)


def plural(count: int, noun: str) -> str:
    """Return a noun in the form that goes with a number of things."""
    return noun if count == 1 else f"{noun}s"


def shown(data: bytes) -> str:
    """Return bytes as text where they are printable UTF-8, else as lower-case hex: the format `auto`."""
    text = printable(data)
    return data.hex() if text is None else text


def quoted(data: bytes) -> str:
    """Return bytes as a string literal of Go: the format `ascii-encoded`."""
    return '"' + "".join(map(_quoted_rune, data.decode("utf-8", "surrogateescape"))) + '"'


def quoted_path(path: str) -> str:
    """Return a path of the system the same way: its bytes need not be UTF-8."""
    return quoted(os.fsencode(path))


def _quoted_rune(rune: str) -> str:
    return f"\\{rune}" if rune in '"\\' else visible_rune(rune)


def in_format(data: bytes, name: str) -> str | bytes:
    """Return bytes in one of bbolt's formats; `name` is one of FORMATS."""
    if name == "auto":
        return shown(data)
    if name == "ascii-encoded":
        return quoted(data)
    if name == "hex":
        return data.hex()
    if name == "bytes":
        return data
    return f"<redacted len:{len(data)} sha256:{sha256(data).hexdigest()}>"


def parsed(word: str, name: str) -> bytes:
    """Return the bytes that a word of the command line stands for.

    Args:
        word: As the process got it.
        name: "ascii-encoded" takes it as it is, "hex" as two digits for each byte.

    Raises:
        CommandError: The word is not in this format.
    """
    if name == "ascii-encoded":
        return os.fsencode(word)
    for byte in os.fsencode(word):
        if chr(byte) not in "0123456789abcdefABCDEF":
            raise CommandError(f"encoding/hex: invalid byte: U+{byte:04X} {_rune_literal(byte)}")
    if len(word) % 2:
        raise CommandError("encoding/hex: odd length hex string")
    return bytes.fromhex(word)


def _rune_literal(byte: int) -> str:
    """Return a byte as Go shows a rune, quotes and all; nothing where it is no character that can be shown."""
    return f"'{chr(byte)}'" if chr(byte).isprintable() else ""


def as_json(data: bytes) -> str | dict[str, str]:
    """Return bytes as JSON shows them: text where they are printable UTF-8, else an object that no text equals."""
    text = printable(data)
    return {"hex": data.hex()} if text is None else text
