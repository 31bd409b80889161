"""Bytes as text, as Go's literals, as hex and as JSON."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boltpy.cli.command import CommandError
from boltpy.cli.formats import as_json, in_format, named, parsed, plural, quoted, shown


@pytest.mark.parametrize(
    ("data", "literal"),
    [
        (b"", '""'),
        (b"plain", '"plain"'),
        (b'"\\', r'"\"\\"'),
        (b"\a\b\f\n\r\t\v", r'"\a\b\f\n\r\t\v"'),
        (b"\0\x1b\x7f", r'"\x00\x1b\x7f"'),
        ("schön 名前😀".encode(), '"schön 名前😀"'),
        (b"\xff\xc3", r'"\xff\xc3"'),
        ("\u00a0\u2028\ue000\U000e0001".encode(), r'"\u00a0\u2028\ue000\U000e0001"'),
        (b"\xed\xb2\x80", r'"\xed\xb2\x80"'),  # half of a surrogate pair is no UTF-8
    ],
)
def test_a_literal_of_go(data: bytes, literal: str) -> None:
    assert quoted(data) == in_format(data, "ascii-encoded") == literal


def test_one_thing_is_singular() -> None:
    assert [plural(count, "pair") for count in (0, 1, 2)] == ["pairs", "pair", "pairs"]


def test_text_is_shown_where_it_can_be_seen() -> None:
    assert shown("schön".encode()) == "schön"
    assert [shown(data) for data in (b"\n", b"\xff", "\u00a0".encode(), b"")] == ["0a", "ff", "c2a0", ""]


@given(st.binary(max_size=40))
def test_the_other_formats(data: bytes) -> None:
    assert in_format(data, "hex") == data.hex()
    assert in_format(data, "bytes") == data
    assert in_format(data, "redacted") == f"<redacted len:{len(data)} sha256:{sha256(data).hexdigest()}>"
    assert in_format(data, "auto") == shown(data)
    assert parsed(data.hex().upper(), "hex") == data


@given(st.binary(max_size=40))
def test_json_tells_bytes_from_text(data: bytes) -> None:
    found = as_json(data)
    assert (bytes.fromhex(found["hex"]) if isinstance(found, dict) else found.encode()) == data


def test_words_as_bytes() -> None:
    assert parsed("a\\n", "ascii-encoded") == b"a\\n"
    for word, form, error in (
        ("0", "hex", "encoding/hex: odd length hex string"),
        ("0g", "hex", "encoding/hex: invalid byte: U+0067 'g'"),
    ):
        with pytest.raises(CommandError) as caught:
            parsed(word, form)
        assert str(caught.value) == error


def test_a_name_that_cannot_be_seen_is_quoted() -> None:
    assert [named(name) for name in (b"a", b"", b'"', b"a b", b"\0")] == ["a", '""', r'"\""', "a b", r'"\x00"']
