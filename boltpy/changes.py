"""The uncommitted changes of a bucket: a dict, and the order of its keys when somebody walks over it.

A put is a dict insert and nothing else. A key never leaves the dict while the transaction lives (a delete leaves a
mark), so new keys are always the last ones of the dict, and the order can be brought up to date from its end. The
order leaves out what is deleted: whoever takes one item after the other from a bucket would walk over it each time.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from enum import Enum
from itertools import islice

_CHUNK = 512


class Mark(Enum):
    """What stands in a dict of changes where there is no value."""

    DELETED = "deleted"
    ERASED = "deleted after it was put by the same transaction"
    NESTED = "a nested bucket"


Changes = dict[bytes, bytes | Mark]


def is_there(value: bytes | Mark) -> bool:
    """Return whether a change leaves an item, a pair or a nested bucket."""
    return isinstance(value, bytes) or value is Mark.NESTED


class KeyOrder:
    """The keys that changes leave items at, in order, in chunks so that adding one is cheap.

    It finds new keys by itself, and must be told when one that it may know is deleted or comes back.
    """

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._chunks: list[list[bytes]] = []
        self._lasts: list[bytes] = []
        self._count = 0

    def _bring_up_to_date(self) -> None:
        new = len(self._changes) - self._count
        if not new:
            return
        if new * 4 > self._count:
            keys = sorted([key for key, value in self._changes.items() if is_there(value)])
            self._chunks = [keys[i : i + _CHUNK] for i in range(0, len(keys), _CHUNK)]
            self._lasts = [chunk[-1] for chunk in self._chunks]
        else:
            for key in islice(reversed(self._changes), new):
                if is_there(self._changes[key]):
                    self._insert(key)
        self._count += new

    def come_back(self, key: bytes) -> None:
        """Take note that a deleted key is about to get a value."""
        self._bring_up_to_date()
        self._insert(key)

    def go(self, key: bytes) -> None:
        """Take note that a key is deleted."""
        i = bisect_left(self._lasts, key)
        if i == len(self._chunks):
            return
        chunk = self._chunks[i]
        j = bisect_left(chunk, key)
        if chunk[j] != key:
            return
        del chunk[j]
        if chunk:
            self._lasts[i] = chunk[-1]
        else:
            del self._chunks[i], self._lasts[i]

    def _insert(self, key: bytes) -> None:
        if not self._chunks:
            self._chunks, self._lasts = [[key]], [key]
            return
        i = min(bisect_left(self._lasts, key), len(self._chunks) - 1)
        chunk = self._chunks[i]
        insort(chunk, key)
        if len(chunk) > 2 * _CHUNK:
            self._chunks[i : i + 1] = [chunk[:_CHUNK], chunk[_CHUNK:]]
            self._lasts[i : i + 1] = [chunk[_CHUNK - 1], chunk[-1]]
        else:
            self._lasts[i] = chunk[-1]

    def _place(self, key: bytes, *, behind: bool) -> tuple[int, int]:
        """Return the chunk and the index in it of the first key that is not below `key`, or that is behind it."""
        i = bisect_left(self._lasts, key)
        if i == len(self._chunks):
            return i, 0
        return i, (bisect_right if behind else bisect_left)(self._chunks[i], key)

    def upward(self, start: bytes | None) -> Iterator[bytes]:
        """Yield keys in ascending order from `start` on (None: from the first)."""
        self._bring_up_to_date()
        i, j = (0, 0) if start is None else self._place(start, behind=False)
        for chunk in islice(self._chunks, i, None):
            yield from chunk[j:]
            j = 0

    def downward(self, stop: bytes | None) -> Iterator[bytes]:
        """Yield keys in descending order from below `stop` on (None: from the last)."""
        self._bring_up_to_date()
        i, j = (len(self._chunks), 0) if stop is None else self._place(stop, behind=False)
        if j:
            yield from reversed(self._chunks[i][:j])
        for chunk in reversed(self._chunks[:i]):
            yield from reversed(chunk)

    def beside(self, key: bytes | None, *, inclusive: bool, reverse: bool) -> bytes | None:
        """Return the first key from `key` on (None: from the end) in either direction; None if there is none."""
        self._bring_up_to_date()
        chunks = self._chunks
        if not chunks:
            return None
        if key is None:
            return chunks[-1][-1] if reverse else chunks[0][0]
        i, j = self._place(key, behind=inclusive is reverse)
        if reverse:
            i, j = (i, j - 1) if j else (i - 1, -1)
        elif i < len(chunks) and j == len(chunks[i]):
            i, j = i + 1, 0
        return chunks[i][j] if 0 <= i < len(chunks) else None
