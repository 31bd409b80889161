"""JSON is read and written as Go's encoding/json does it. The expected texts were printed by Go itself."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine import gojson
from engine.gojson import SyntaxProblem, parse, quick, text_of, write

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


def value_of(node: gojson.Node) -> object:
    """A parsed value as Python values; numbers as their literals."""
    if node.kind == "object":
        return {key: value_of(item) for key, item in node.value}
    if node.kind == "array":
        return [value_of(item) for item in node.value]
    return node.value


class TestWriting:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("", '""'),
            ('quote " backslash \\ slash /', r'"quote \" backslash \\ slash /"'),
            ("\n\r\t", r'"\n\r\t"'),
            ("\b\f", r'"\u0008\u000c"'),
            ("\\b \\f \\\\b", r'"\\b \\f \\\\b"'),
            ("\x00\x1f\x7f", '"\\u0000\\u001f\x7f"'),
            ("<a href='x'>&amp;</a>", "\"\\u003ca href='x'\\u003e\\u0026amp;\\u003c/a\\u003e\""),
            ("\u2028\u2029\u00a0\ufeff", '"\\u2028\\u2029\u00a0\ufeff"'),
            ("é 名 😀 \U0010ffff", '"é 名 😀 \U0010ffff"'),
            ("\ud800 \udcff", r'"\ufffd \ufffd"'),
        ],
    )
    def test_strings(self, text: str, expected: str) -> None:
        assert write(text) == expected.encode()

    def test_values_have_no_spaces_and_keys_are_escaped_too(self) -> None:
        value: dict[str, object] = {"<k>": [1, -(2**63), True, False, None, {}, []], "b": {"c": ""}}
        assert write(value) == rb'{"\u003ck\u003e":[1,-9223372036854775808,true,false,null,{},[]],"b":{"c":""}}'

    def test_raw_pieces_are_written_as_they_are(self) -> None:
        value = {"a": gojson.Raw("[1.50, <]"), "b": [gojson.Raw("1e3"), "<"]}
        assert gojson.write_with_raw(value) == rb'{"a":[1.50, <],"b":[1e3,"\u003c"]}'

    @given(JSON)
    def test_what_is_written_reads_back(self, value: object) -> None:
        data = write(value)
        assert json.loads(data) == value
        assert quick(data) == value
        assert write(json.loads(data)) == data

    @given(st.text())
    @example("\ud83d\ude00 as two surrogates")
    def test_any_text_becomes_ascii_safe_for_html(self, text: str) -> None:
        written = write(text).decode()
        assert not set("<>&\u2028\u2029") & set(written)
        assert not any(character < " " for character in written)


class TestReading:
    @given(JSON, st.integers(0, 3))
    def test_both_readers_agree(self, value: object, indent: int) -> None:
        text = json.dumps(value, indent=indent or None)

        def with_literals(item: object) -> object:
            if isinstance(item, dict):
                return {key: with_literals(inner) for key, inner in item.items()}
            if isinstance(item, list):
                return [with_literals(inner) for inner in item]
            return str(item) if isinstance(item, int) and not isinstance(item, bool) else item

        assert value_of(parse(text)) == with_literals(value)

    @given(st.binary(max_size=60) | st.text('{}[]",:\\u0123 \n-.eE+truefalsnl\udcff', max_size=40).map(gojson.bytes_of))
    def test_any_bytes_parse_or_are_a_syntax_problem(self, data: bytes) -> None:
        text = text_of(data)
        try:
            # Python alone takes NaN and Infinity for numbers.
            json.loads(text, parse_constant=lambda name: int(f"no {name}"))
        except ValueError:
            with pytest.raises(SyntaxProblem):
                parse(text)
        else:
            node = parse(text)
            assert 0 <= node.start < node.end <= len(text)

    @pytest.mark.parametrize(
        ("literal", "expected"),
        [
            (rb'"\u0041\n\/\b\f"', "A\n/\b\f"),
            (rb'"\ud83d\ude00"', "😀"),
            (rb'"\uD83D\uDE00"', "😀"),
            (rb'"\ud800"', "\ufffd"),
            (rb'"\ude00\ud83d"', "\ufffd\ufffd"),
            (rb'"\ud800\ud83d\ude00"', "\ufffd😀"),
            (rb'"\ud800x\udc00"', "\ufffdx\ufffd"),
            (b'"\xff"', "\ufffd"),
            (b'"\xe2\x82"', "\ufffd\ufffd"),
            (b'"\xed\xa0\x80"', "\ufffd\ufffd\ufffd"),
            (b'"\\ud83d\xff"', "\ufffd\ufffd"),
            (b'"\xf0\x9f\x98\x80"', "😀"),
        ],
    )
    def test_strings_that_are_not_quite_text(self, literal: bytes, expected: str) -> None:
        assert parse(text_of(literal)).value == expected

    @pytest.mark.parametrize(
        ("literal", "expected"),
        [
            ("0", 0),
            ("-0", 0),
            ("9223372036854775807", 2**63 - 1),
            ("-9223372036854775808", -(2**63)),
            ("1.0", None),
            ("1e3", None),
            ("1" * 5000, None),
        ],
    )
    def test_integers(self, literal: str, expected: int | None) -> None:
        assert gojson.integer(literal) == expected

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "unexpected end of JSON input"),
            (" \n", "unexpected end of JSON input"),
            ("{", "unexpected end of JSON input"),
            ('{"a":1', "unexpected end of JSON input"),
            ('"abc', "unexpected end of JSON input"),
            ("x", "invalid character 'x' looking for beginning of value"),
            ("[1,]", "invalid character ']' looking for beginning of value"),
            ("{1:2}", "invalid character '1' looking for beginning of object key string"),
            ('{"a":1,}', "invalid character '}' looking for beginning of object key string"),
            ('{"a" 1}', "invalid character '1' after object key"),
            ('{"a":1 "b"}', "invalid character '\"' after object key:value pair"),
            ("[1 2]", "invalid character '2' after array element"),
            ("{} {}", "invalid character '{' after top-level value"),
            ("1 é", "invalid character 'Ã' after top-level value"),
            ("nul", "invalid character ' ' in literal null (expecting 'l')"),
            ("trUe", "invalid character 'U' in literal true (expecting 'u')"),
            ("-", "invalid character ' ' in numeric literal"),
            ("-x", "invalid character 'x' in numeric literal"),
            ("01", "invalid character '1' after top-level value"),
            ("1.x", "invalid character 'x' after decimal point in numeric literal"),
            ("1e+x", "invalid character 'x' in exponent of numeric literal"),
            ('"\x01"', r"invalid character '\x01' in string literal"),
            ('"\n"', r"invalid character '\n' in string literal"),
            (r'"\x"', "invalid character 'x' in string escape code"),
            (r'"\u12g4"', "invalid character 'g' in \\u hexadecimal character escape"),
            ("\ufeff{}", "invalid character 'ï' looking for beginning of value"),
            ("'a'", r"invalid character '\'' looking for beginning of value"),
            ("NaN", "invalid character 'N' looking for beginning of value"),
        ],
    )
    def test_errors_are_worded_as_in_go(self, text: str, message: str) -> None:
        with pytest.raises(SyntaxProblem) as caught:
            parse(text)
        assert str(caught.value) == message

    @pytest.mark.parametrize("opening", ["[", '{"a":'])
    def test_depth_ends_where_it_ends_in_go(self, opening: str) -> None:
        closing = "]" if opening == "[" else "}"
        parse(opening * 9_999 + "[]" + closing * 9_999)
        for text in opening * 10_001, opening * 500_000:
            with pytest.raises(SyntaxProblem, match="exceeded max depth"):
                parse(text)

    def test_long_strings_take_no_time(self) -> None:
        for text in '"' + "a" * 1_000_000, '"' + "\\n" * 500_000, '"' + "a" * 1_000_000 + "\\q":
            with pytest.raises(SyntaxProblem):
                parse(text)

    def test_nodes_know_their_place(self) -> None:
        text = ' {"a" : [1, {"b":"\\u0041"}] , "c":-1.5e3}'
        node = parse(text)
        assert [(key, text[item.start : item.end]) for key, item in node.value] == [
            ("a", '[1, {"b":"\\u0041"}]'),
            ("c", "-1.5e3"),
        ]
