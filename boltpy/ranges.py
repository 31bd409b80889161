"""Walking over a range of a bucket: keys, values or items, both ways, with uncommitted changes merged in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from mmap import mmap
from operator import itemgetter
from typing import Protocol, TypeVar

from . import hot
from .cursor import Steps, Walked, bytes_of
from .format import BUCKET_ENTRY, ReadableBuffer
from .hot import LARGEST_SCAN, Pair
from .tree import FIRST_BATCH, LARGEST_BATCH

T = TypeVar("T")
Scan = Callable[[hot.Tree, mmap, bytes | None, bytes | None, int, int], tuple[Iterator[T], bytes | None, bool]]
"""hot.scan_pairs or hot.scan_keys."""

# The keys from the first (None: from the first of all) up to, not including, the second (None: to the end).
Range = tuple[bytes | None, bytes | None]


def make_range(start: ReadableBuffer | None, stop: ReadableBuffer | None, prefix: ReadableBuffer | None) -> Range:
    """Return the range of keys from `start` up to `stop` that begin with `prefix`."""
    if stop is None and prefix is None and type(start) is bytes:  # a seek, which this is a part of
        return start or None, None
    low = None if start is None else bytes_of(start, "start")
    high = None if stop is None else bytes_of(stop, "stop")
    if prefix is not None:
        first = bytes_of(prefix, "prefix")
        behind = _behind_prefix(first)
        low = first if low is None else max(low, first)
        if behind is not None:
            high = behind if high is None else min(high, behind)
    return low or None, high


def _behind_prefix(prefix: bytes) -> bytes | None:
    """Return the first key behind all that begin with `prefix`; None if there is none."""
    stem = prefix.rstrip(b"\xff")
    return stem[:-1] + bytes([stem[-1] + 1]) if stem else None


class Iterated(Walked, Protocol):
    """What a walk over a range needs of its bucket."""

    _edits: int
    writable: bool

    def _walk(self, by: int) -> None:
        """Note that one more (1) or one less (-1) walk is on: changes are counted in `_edits` meanwhile."""


def walk(bucket: Iterated, keys: Range, reverse: bool) -> Iterator[Pair]:
    """Yield each item in the range.

    In a read transaction the items go through C from end to end. In a write transaction each one is checked: a walk
    over a bucket that changes raises RuntimeError, as a walk over a dict does.
    """
    if not bucket._tx._open:
        bucket._require_open()
    if bucket.writable:
        return _checked(bucket, keys, reverse)
    return chain.from_iterable(_committed(bucket, keys, reverse, hot.scan_pairs))


def walk_keys(bucket: Iterated, keys: Range, reverse: bool) -> Iterator[bytes]:
    """Yield the key of each item in the range, and make no value if the transaction reads."""
    if bucket.writable:
        return map(itemgetter(0), walk(bucket, keys, reverse))
    bucket._require_open()
    return chain.from_iterable(_committed(bucket, keys, reverse, hot.scan_keys))


def pair_count(bucket: Iterated) -> int:
    """Return how many pairs there are, nested buckets left out. No value is made, unless there are changes."""
    if bucket._pending:
        return sum(value is not None for _, value in walk(bucket, (None, None), False))
    total, key, how, done = 0, None, 0, False
    while not done:
        runs, key, done = hot.scan(bucket._tree, bucket._map, key, None, how, LARGEST_BATCH)
        total += sum(count for _, count, _, _, flags in runs if not flags & BUCKET_ENTRY)
        how = hot.SCAN_EXCLUSIVE
    return total


def _committed(bucket: Walked, keys: Range, reverse: bool, scan: Scan[T]) -> Iterator[Iterator[T]]:
    """Yield what `scan` finds, many at a time, until the transaction ends: then others may write over its pages."""
    mapped, tx, how = bucket._map, bucket._tx, 0
    key, bound = keys
    if reverse:
        key, bound, how = bound, key, hot.SCAN_REVERSE | hot.SCAN_EXCLUSIVE
    count, done = FIRST_BATCH, False
    while not done:
        if not tx._open:
            bucket._require_open()
        try:
            found, key, done = scan(bucket._tree, mapped, key, bound, how, count)
        except Exception:
            bucket._require_open()
            raise
        yield found  # outside of the `try`: leaving a generator in the middle costs more inside
        how |= hot.SCAN_EXCLUSIVE
        count = min(count * 4, LARGEST_SCAN)
    bucket._require_open()


def _checked(bucket: Iterated, keys: Range, reverse: bool) -> Iterator[Pair]:
    bucket._walk(1)
    edits = bucket._edits
    try:
        for pair in _merged(bucket, keys, reverse):
            yield pair
            bucket._require_open()
            if bucket._edits != edits:
                raise RuntimeError("the bucket changed during iteration; use a cursor, or collect the keys first")
    finally:
        bucket._walk(-1)


def _merged(bucket: Walked, keys: Range, reverse: bool) -> Iterator[Pair]:
    """Yield committed items and changes in one order; a change hides the committed item of its key."""
    changes = bucket._changes
    if not changes:
        yield from chain.from_iterable(_committed(bucket, keys, reverse, hot.scan_pairs))
        return
    changed = _changed(bucket, keys, reverse)
    next_change = next(changed, None)
    for item in chain.from_iterable(_visible(bucket, keys, reverse)):
        key = item[0]
        while next_change is not None and (next_change[0] > key if reverse else next_change[0] < key):
            yield next_change
            next_change = next(changed, None)
        yield item
    while next_change is not None:
        yield next_change
        next_change = next(changed, None)


def _changed(bucket: Walked, keys: Range, reverse: bool) -> Iterator[Pair]:
    """Yield the items that changes leave, in order."""
    changes = bucket._changes
    order = bucket._key_order()
    start, stop = keys
    found = order.downward(stop) if reverse else order.upward(start)
    for key in found:
        if (start is not None and key < start) if reverse else (stop is not None and key >= stop):
            return
        value = changes[key]
        yield key, value if isinstance(value, bytes) else None


def _visible(bucket: Walked, keys: Range, reverse: bool) -> Iterator[list[Pair]]:
    """Yield the committed items that no change hides, a list at a time; leap over many neighbours that are hidden."""
    changes, steps = bucket._changes, Steps(bucket)
    start, stop = keys
    leap = True
    while leap:
        leap = False
        first = steps.visible(stop if reverse else start, inclusive=not reverse, reverse=reverse)
        if first is None:
            return
        if reverse:
            stop = first[0] + b"\0"
        else:
            start = first[0]
        for part in _committed(bucket, (start, stop), reverse, hot.scan_pairs):
            pairs = list(part)
            visible = [pair for pair in pairs if pair[0] not in changes]
            if visible:
                yield visible
            elif pairs:
                leap = True
                start, stop = (start, pairs[-1][0]) if reverse else (pairs[-1][0], stop)
                break
