"""Where free pages are kept and how a run of them is chosen: bolt's two freelist types.

Neither keeps a Python object for each page. `pool` is the array from whose end single pages may be taken directly; it
is empty where each page must be asked for.
"""

from __future__ import annotations

from array import array
from typing import Protocol

from .format import Pgid
from .hot import find_run, merge_ids


def runs_of(ids: array[int]) -> list[tuple[Pgid, int]]:
    """Return descending ids as runs (first pgid, count), the lowest first."""
    runs: list[tuple[Pgid, int]] = []
    for pgid in reversed(ids):
        if runs and runs[-1][0] + runs[-1][1] == pgid:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((pgid, 1))
    return runs


class Spans(Protocol):
    """A set of free pages."""

    pool: array[int]
    direct: bool  # whether the pool holds every free page

    def __len__(self) -> int: ...

    def take(self, count: int) -> Pgid:
        """Take `count` neighbouring pages and return the first; 0 if there is no such run."""

    def add(self, ids: array[int]) -> None:
        """Add descending ids.

        Raises:
            CorruptError: One of them is free already.
        """

    def ids(self) -> array[int]:
        """Return all ids, descending. The array must not be changed."""


class ArraySpans:
    """The array freelist: the lowest run that is long enough (bolt's default)."""

    direct = True

    def __init__(self) -> None:
        # Descending, so that taking the lowest page is a cut at the end.
        self.pool = array("Q")

    def __len__(self) -> int:
        return len(self.pool)

    def take(self, count: int) -> Pgid:
        """Take the first `count` pages of the lowest run of at least that length."""
        if count == 1 and self.pool:
            return self.pool.pop()
        last = find_run(self.pool, count) if count else -1
        if last < 0:
            return 0
        pgid = self.pool[last]
        del self.pool[last - count + 1 : last + 1]
        return pgid

    def add(self, ids: array[int]) -> None:
        """Merge `ids` in."""
        self.pool = merge_ids(self.pool, ids)

    def ids(self) -> array[int]:
        """Return the array itself."""
        return self.pool


class HashmapSpans:
    """The hashmap freelist: a run of exactly the length asked for, else the front of the shortest longer one."""

    direct = False

    def __init__(self) -> None:
        self.pool = array("Q")
        self._size_at: dict[Pgid, int] = {}
        self._start_before: dict[Pgid, Pgid] = {}
        self._starts: dict[int, dict[Pgid, None]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def take(self, count: int) -> Pgid:
        """Take a run of that length, or cut it from the shortest longer one."""
        size = count if count in self._starts else min((s for s in self._starts if s > count), default=0)
        if not size or not count:
            return 0
        start = next(iter(self._starts[size]))
        self._remove(start)
        if size > count:
            self._insert(start + count, size - count)
        return start

    def add(self, ids: array[int]) -> None:
        """Merge `ids` in; runs that touch become one."""
        merge_ids(self.ids(), ids)  # refuses a page that is free already
        for start, size in runs_of(ids):
            if start in self._start_before:
                before = self._start_before[start]
                start, size = before, size + self._remove(before)
            if start + size in self._size_at:
                size += self._remove(start + size)
            self._insert(start, size)

    def ids(self) -> array[int]:
        """Return the ids of all runs."""
        ids = array("Q")
        for start in sorted(self._size_at, reverse=True):
            ids.extend(range(start + self._size_at[start] - 1, start - 1, -1))
        return ids

    def _insert(self, start: Pgid, size: int) -> None:
        self._size_at[start] = size
        self._start_before[start + size] = start
        self._starts.setdefault(size, {})[start] = None
        self._count += size

    def _remove(self, start: Pgid) -> int:
        size = self._size_at.pop(start)
        del self._start_before[start + size]
        del self._starts[size][start]
        if not self._starts[size]:
            del self._starts[size]
        self._count -= size
        return size


def new_spans(freelist_type: str) -> Spans:
    """Return an empty set of the type that `Options.freelist_type` names."""
    return HashmapSpans() if freelist_type == "hashmap" else ArraySpans()
