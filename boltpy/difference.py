"""Where two databases differ: buckets, keys, values, sequences. Both are walked once, side by side, in key order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .bucket import Bucket
from .format import Pgid
from .hot import Pair
from .known_plain import Path
from .tx import Tx


class BucketDifference(NamedTuple):
    """A bucket that one side lacks, or whose sequences differ. `a` and `b` are its sequences, None where it is not."""

    path: Path
    a: int | None
    b: int | None


class PairDifference(NamedTuple):
    """A pair that one side lacks, or whose values differ. `a` and `b` are its values, None where it is not."""

    path: Path
    key: bytes
    a: bytes | None
    b: bytes | None


Difference = BucketDifference | PairDifference


def differences(a: Tx, b: Tx) -> Iterator[Difference]:
    """Yield each difference of two transactions, in the order of the paths and keys; nothing where both are the same.

    A bucket that one side lacks is told with everything in it. Where a key is a pair on one side and a bucket on the
    other, both are told. Memory grows with how deep buckets are nested, and by a
    number for each bucket that has pages of its own.

    Raises:
        CorruptError: A page breaks the format, or a bucket has the tree of another one.
        BucketError: Buckets are nested deeper than MAX_NESTING levels.
    """
    sides = _Side(a), _Side(b)
    waiting = [_bucket((), sides, here=(True, True))]
    while waiting:
        for found in waiting[-1]:
            if isinstance(found, _Nested):
                waiting.append(_bucket(found.path, sides, found.here))
                break
            yield found
        else:
            waiting.pop()


class _Nested(NamedTuple):
    """A bucket to go into, and which sides have it."""

    path: Path
    here: tuple[bool, bool]


class _Side:
    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self._seen: set[Pgid] = set()

    def bucket(self, path: Path) -> Bucket | None:
        bucket = self._tx.bucket(*path)
        if bucket is not None:
            bucket._require_new(self._seen)
        return bucket


def _bucket(path: Path, sides: tuple[_Side, _Side], here: tuple[bool, bool]) -> Iterator[Difference | _Nested]:
    a, b = (side.bucket(path) if is_here else None for side, is_here in zip(sides, here, strict=True))
    before, after = a.sequence if a else None, b.sequence if b else None
    if before != after:
        yield BucketDifference(path, before, after)
    no_items: Iterator[Pair] = iter(())
    for left, right in _side_by_side(a.items() if a else no_items, b.items() if b else no_items):
        key = (left or right or (b"",))[0]
        old, new = left and left[1], right and right[1]
        if old is not None or new is not None:
            yield PairDifference(path, key, old, new)
        nested = left is not None and old is None, right is not None and new is None
        if any(nested):
            yield _Nested((*path, key), nested)


def _side_by_side(a: Iterator[Pair], b: Iterator[Pair]) -> Iterator[tuple[Pair | None, Pair | None]]:
    """Yield items of the same key together; pairs that are the same are left out."""
    left, right = next(a, None), next(b, None)
    while left is not None and right is not None:
        if left[0] == right[0]:
            if left[1] != right[1] or left[1] is None:
                yield left, right
            left, right = next(a, None), next(b, None)
        elif left[0] < right[0]:
            yield left, None
            left = next(a, None)
        else:
            yield None, right
            right = next(b, None)
    while left is not None:
        yield left, None
        left = next(a, None)
    while right is not None:
        yield None, right
        right = next(b, None)
