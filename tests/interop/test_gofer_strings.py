"""Strings are written as Go's encoding/json writes them, to the byte: values, and keys in their order."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import engine

from .peer import GoPeer

# What Go escapes, what it might, and what is next to either.
AWKWARD = [chr(code) for code in range(0x21)] + [
    *"\"\\/<>&'",
    "\x7f",
    "\x80",
    *"\u2027\u2028\u2029\u202a\ufeff\ufffd\ufffe\U0010ffff",
]

_ESCAPE = re.compile(rb"\\(?:u[0-9a-f]{4}|.)", re.DOTALL)

texts = st.one_of(
    st.text(st.one_of(st.sampled_from(AWKWARD), st.characters(codec="utf-8"))).map(str.encode),
    st.binary(),
    st.lists(st.sampled_from([b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80", b"\xe2\x80", b"\\u0008", b"a"])).map(
        b"".join
    ),
)


@pytest.fixture(scope="module")
def go(gofer_binary: Path) -> Iterator[Encoder]:
    with GoPeer(gofer_binary) as running:
        yield Encoder(running)


class Encoder:
    """Go's encoder, and how it spells what we spell as Go 1.21 did: backspace, form feed, a byte that is no UTF-8."""

    def __init__(self, peer: GoPeer) -> None:
        self._peer = peer
        shown = self([b"\b", b"\f", b"\xff"])
        self._spelling = {
            here(chr(code))["value"][1:-1]: one["value"][1:-1] for code, one in zip((8, 12, 0xDCFF), shown, strict=True)
        }

    def __call__(self, data: list[bytes]) -> list[dict[str, bytes]]:
        """Each text as a value, and as the one key of a map."""
        answer = self._peer.request("encode", texts=[base64.b64encode(one).decode() for one in data])
        return [{form: base64.b64decode(text) for form, text in one.items()} for one in answer["encoded"]]

    def respelled(self, encoded: bytes) -> bytes:
        """What we encoded, in the spelling of this Go."""
        return _ESCAPE.sub(lambda match: self._spelling.get(match[0], match[0]), encoded)


def here(text: str) -> dict[str, bytes]:
    value = engine.encode(engine.TriggerResult(details=text, state=engine.TriggerResultState("")))
    key = engine.encode(engine.PipelineTriggerConfig(config={text: ""}))
    return {
        "value": value.removeprefix(b'{"Details":').removesuffix(b',"State":""}'),
        "key": key.removeprefix(b'{"Kind":"","Label":"","Config":').removesuffix(b'""}}') + b"0}",
    }


def assert_equal(go: Encoder, data: list[bytes]) -> None:
    for one, theirs in zip(data, go(data), strict=True):
        ours = here(one.decode("utf-8", "surrogateescape"))
        assert {form: go.respelled(text) for form, text in ours.items()} == theirs, one


def test_each_character_of_the_first_plane_is_encoded_as_by_go(go: Encoder) -> None:
    characters = [chr(code) for code in range(0x10000) if not 0xD800 <= code < 0xE000]
    assert_equal(go, [character.encode() for character in characters if ord(character) < 0x3000])
    assert_equal(go, ["".join(characters[at : at + 256]).encode() for at in range(0, len(characters), 256)])


def test_each_pair_of_awkward_characters_is_encoded_as_by_go(go: Encoder) -> None:
    assert_equal(go, [(first + second).encode() for first in AWKWARD for second in AWKWARD])


def test_each_single_byte_and_each_pair_with_one_that_is_no_utf_8_is_encoded_as_by_go(go: Encoder) -> None:
    assert_equal(go, [bytes([byte]) for byte in range(256)])
    assert_equal(go, [bytes(pair) for byte in range(0x80, 256) for pair in ((byte, 0x61), (byte, 0xBF), (0xE2, byte))])


@given(st.lists(texts, min_size=1, max_size=20))
def test_any_text_is_encoded_as_by_go(go: Encoder, data: list[bytes]) -> None:
    assert_equal(go, data)


@given(st.lists(texts, min_size=1, max_size=20))
def test_what_go_encoded_is_read_as_go_reads_it(go: Encoder, data: list[bytes]) -> None:
    for one, encoded in zip(data, go(data), strict=True):
        read = engine.decode("TriggerResult", b'{"Details":%b,"State":""}' % encoded["value"])
        # Each byte that is no UTF-8 was written as U+FFFD.
        assert read.details == re.sub("[\udc80-\udcff]", "\ufffd", one.decode("utf-8", "surrogateescape"))
        assert read.details == json.loads(encoded["value"])
