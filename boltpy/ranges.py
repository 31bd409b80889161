"""Walking over a range of a bucket: keys, values or items, both ways, with uncommitted changes merged in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any, NamedTuple, Protocol

from . import hot
from .cursor import Steps, Walked, bytes_of
from .format import ReadableBuffer
from .tree import Pair, pairs, runs


class Range(NamedTuple):
    """The keys from `start` (None: the first) up to, not including, `stop` (None: the end)."""

    start: bytes | None
    stop: bytes | None

    @property
    def is_empty(self) -> bool:
        """Whether no key can lie in it."""
        return self.start is not None and self.stop is not None and self.start >= self.stop


def make_range(start: ReadableBuffer | None, stop: ReadableBuffer | None, prefix: ReadableBuffer | None) -> Range:
    """Return the range of keys from `start` up to `stop` that begin with `prefix`."""
    low = None if start is None else bytes_of(start, "start")
    high = None if stop is None else bytes_of(stop, "stop")
    if prefix is not None:
        first = bytes_of(prefix, "prefix")
        behind = _behind_prefix(first)
        low = first if low is None else max(low, first)
        if behind is not None:
            high = behind if high is None else min(high, behind)
    return Range(low or None, high)


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


def walk(
    bucket: Iterated, keys: Range, reverse: bool, part: Callable[[Iterable[Pair]], Iterable[Any]]
) -> Iterator[Any]:
    """Yield `part` of each item in the range.

    In a read transaction the items go through C from end to end. In a write transaction each one is checked: a walk
    over a bucket that changes raises RuntimeError, as a walk over a dict does.
    """
    bucket._require_open()
    if keys.is_empty:
        return iter(())
    if bucket.writable:
        return iter(part(_checked(bucket, keys, reverse)))
    return iter(part(chain.from_iterable(_committed(bucket, keys, reverse))))


def _committed(bucket: Walked, keys: Range, reverse: bool) -> Iterator[Iterable[Pair]]:
    """Yield the committed items, run by run, until the transaction ends: then others may write over its pages."""
    mapped, tx = bucket._map, bucket._tx
    if reverse:
        found = runs(bucket._tree, keys.stop, keys.start, hot.SCAN_REVERSE | hot.SCAN_EXCLUSIVE)
    else:
        found = runs(bucket._tree, keys.start, keys.stop, 0)
    try:
        for run in found:
            if not tx._open:
                break
            yield pairs(mapped, run, reverse)
        bucket._require_open()
    except Exception:
        bucket._require_open()
        raise


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
        yield from chain.from_iterable(_committed(bucket, keys, reverse))
        return
    committed = chain.from_iterable(_committed(bucket, _without_hidden_end(bucket, keys, reverse), reverse))
    changed = _changed(bucket, keys, reverse)
    next_change = next(changed, None)
    for item in committed:
        key = item[0]
        while next_change is not None and (next_change[0] > key if reverse else next_change[0] < key):
            yield next_change
            next_change = next(changed, None)
        if key not in changes:
            yield item
    while next_change is not None:
        yield next_change
        next_change = next(changed, None)


def _changed(bucket: Walked, keys: Range, reverse: bool) -> Iterator[Pair]:
    """Yield the items that changes leave, in order."""
    changes = bucket._changes
    order = bucket._key_order()
    start, stop = keys
    found = order.downward(stop, inclusive=False) if reverse else order.upward(start, inclusive=True)
    for key in found:
        if (start is not None and key < start) if reverse else (stop is not None and key >= stop):
            return
        value = changes[key]
        yield key, value if isinstance(value, bytes) else None


def _without_hidden_end(bucket: Walked, keys: Range, reverse: bool) -> Range:
    """Return the range from its first committed item on that no change hides."""
    start, stop = keys
    first = Steps(bucket).visible(stop if reverse else start, inclusive=not reverse, reverse=reverse)
    if first is None:
        return Range(b"", b"")
    return Range(start, first[0] + b"\0") if reverse else Range(first[0], stop)
