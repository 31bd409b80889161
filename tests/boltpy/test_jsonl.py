"""What the reader of an export says of lines that are none."""

from __future__ import annotations

import pytest

from boltpy.errors import ImportLineError
from boltpy.jsonl import parse_line


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
