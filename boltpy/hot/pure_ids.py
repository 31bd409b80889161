"""Lists of pages: the kernels that a freelist needs, in Python."""

from __future__ import annotations

import sys
from array import array
from itertools import islice, pairwise

from ..errors import CorruptError, InvariantError


def marked(marks: bytearray, count: int) -> array[int]:
    """Return the numbers of the first `count` bits that are set, ascending. Bit 0 is the lowest of the first byte.

    Raises:
        InvariantError: There are fewer.
    """
    found = (8 * i + bit for i, byte in enumerate(marks) if byte for bit in range(8) if byte >> bit & 1)
    numbers = array("Q", islice(found, count))
    if len(numbers) < count:
        raise InvariantError(f"{len(numbers)} bits are set, not {count}")
    return numbers


def find_run(ids: array[int], need: int) -> int:
    """Return the index of the lowest id of the lowest run of `need` neighbours among descending ids, or -1."""
    length = 0
    for i in range(len(ids) - 1, -1, -1):
        length = length + 1 if length and ids[i] == ids[i + 1] + 1 else 1
        if length == need:
            return i + need - 1
    return -1


def merge_ids(a: array[int], b: array[int]) -> array[int]:
    """Return two descending lists of pgids as one.

    Raises:
        CorruptError: An id is in there twice.
    """
    merged = sorted([*a, *b], reverse=True)
    for above, below in pairwise(merged):
        if above == below:
            raise CorruptError(below, "already freed")
    return array("Q", merged)


def store_ids(a: array[int], b: array[int]) -> bytes | bytearray:
    """Return two descending lists of pgids as they are stored: together, ascending, 8 little-endian bytes each.

    Raises:
        CorruptError: An id is in there twice.
    """
    ids = merge_ids(a, b)[::-1]
    if sys.byteorder == "big":
        ids.byteswap()
    return ids.tobytes()
