"""What the reader of an export says of lines that are none."""

from __future__ import annotations

import io

import pytest

from boltpy import jsonl
from boltpy.errors import ImportLineError
from boltpy.jsonl import HEADER, lines_of, parse_line, require_header

PIECE = 1 << 20


class Source(io.BytesIO):
    """A file that notes how much is asked for at once, and how often."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.asked: list[int | None] = []

    def readline(self, size: int | None = -1) -> bytes:
        """As the file's."""
        self.asked.append(size)
        return super().readline(size)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"\n", "line 2: no JSON: Expecting value at character 1 of the line"),
        (b'{"note": }\n', "line 2: no JSON: Expecting value at character 10 of the line"),
        (b'{"bucket":[],"sequence":%s}\n' % (b"1" * 6000), "line 2: a number of too many digits"),
    ],
)
def test_the_reason_is_told_by_its_place_in_the_line(line: bytes, said: str) -> None:
    with pytest.raises(ImportLineError) as told:
        parse_line(2, line)
    assert str(told.value) == said


def test_long_lines_are_read_in_pieces_and_come_whole() -> None:
    lines = [HEADER, b"x" * (PIECE - 1) + b"\n", b"x" * PIECE + b"\n", b"\n", b"x" * (3 * PIECE), b""]
    source = Source(b"".join(lines))
    assert list(lines_of(source)) == lines[:-1]
    assert {size for size in source.asked if size is None or not 0 < size <= PIECE} == set()


def test_of_a_first_line_no_more_is_read_than_a_header_can_have() -> None:
    source = Source(b"x" * (3 * PIECE))
    first = next(lines_of(source))
    assert len(first) == source.tell() == 1000
    with pytest.raises(ImportLineError, match="^line 1: this is no export of boltpy"):
        require_header(first)


def test_a_line_longer_than_any_is_refused_before_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl, "_LINE_BYTES", 2 * PIECE)
    source = Source(HEADER + b"x" * (9 * PIECE))
    with pytest.raises(ImportLineError, match="^line 2: more than 2097152 bytes, the most that a line"):
        list(lines_of(source))
    assert source.tell() <= 4 * PIECE


def test_zeros_without_end_are_refused_at_once() -> None:
    source = Source(HEADER + b'{"note":1}\n' + bytes(9 * PIECE))
    with pytest.raises(ImportLineError, match="^line 3: no JSON: it has a zero byte"):
        list(lines_of(source))
    assert source.tell() <= 2 * PIECE


def test_the_bound_holds_the_largest_pair_however_it_is_written() -> None:
    largest = len(b'{"key":"","value":""}\n') + len(rb"\u0000") * (32768 + 2**31 - 2)
    assert largest <= jsonl._LINE_BYTES < largest + 1000
