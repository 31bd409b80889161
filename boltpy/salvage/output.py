"""What was recovered, as the lines of an export: buckets, pairs, and notes of what is to be doubted."""

from __future__ import annotations

from typing import Final

from ..format import Pgid
from ..jsonl import HEADER, Path, bucket_line, end_line, note_line, pair_line
from .report import Quality

_BLOCK_CHARACTERS = 1 << 16
_ASIDE: Final = ("lost", "doubtful")


class Place:
    """A bucket to put things in.

    Attributes:
        path: The names down to it.
        sequence: Its sequence.
        quality: How sure it is that what comes here belongs here.
        last: The last key that was put there: what comes must be greater, so that nothing meets anything.
        high: A key that all must stay below; None if there is none.
        gap: The place where something is missing, if nothing was put behind it yet.
    """

    __slots__ = ("gap", "high", "last", "path", "quality", "sequence")

    def __init__(self, path: Path, sequence: int, quality: Quality) -> None:
        self.path = path
        self.sequence = sequence
        self.quality = quality
        self.last = b""
        self.high: bytes | None = None
        self.gap: Gap | None = None

    def nested(self, name: bytes, sequence: int) -> Place:
        """Return a bucket in this one."""
        return Place((*self.path, name), sequence, self.quality)

    def takes(self, key: bytes, high: bytes | None = None) -> bool:
        """Return whether a key can still come, which must also be below `high`."""
        return key > self.last and (high is None or key < high) and (self.high is None or key < self.high)


class Gap:
    """Where something is missing in a bucket: between the keys `low` and `high` (None: to the end)."""

    __slots__ = ("high", "low", "place")

    def __init__(self, place: Place) -> None:
        self.place = place
        self.low = place.last
        self.high = place.high


class Output:
    """Lines, until they are taken.

    Attributes:
        size: How many characters wait to be taken.
        buckets: Lines of buckets so far.
        pairs: Lines of pairs so far.
    """

    def __init__(self, lost_name: str) -> None:
        """Begin with the root bucket.

        Args:
            lost_name: What to call the bucket of what is lost; no bucket has that name.
        """
        self._lost = lost_name.encode()
        self._lines = [HEADER.decode()]
        self._current: Place | None = None
        self._has_lost = False
        self.size = 0
        self.buckets = 0
        self.pairs = 0

    def enter(self, place: Place) -> None:
        """Make sure that a bucket is there, even if nothing comes into it."""
        if place is self._current:
            return
        if place.quality in _ASIDE and not self._has_lost:
            self._has_lost = True
            self._bucket((self._lost,), 0)
        self._bucket(place.path, place.sequence)
        self._current = place

    def _bucket(self, path: Path, sequence: int) -> None:
        self._add(bucket_line(path, sequence))
        self.buckets += 1

    def pair(self, place: Place, key: bytes, value: bytes) -> None:
        """Put a pair."""
        if place is not self._current:
            self.enter(place)
        self._add(pair_line(key, value))
        self.pairs += 1

    def note(self, text: str) -> None:
        """Say something beside."""
        self._add(note_line(text))

    def lost(self, pgid: Pgid) -> Place:
        """Return the bucket for what is in the tree at a page and belongs nobody knows where."""
        return Place((self._lost, b"page %d" % pgid), 0, "lost")

    def doubtful(self, pgid: Pgid) -> Place:
        """Return the bucket for what is on a damaged page and can not be relied on."""
        return Place((self._lost, b"page %d doubtful" % pgid), 0, "doubtful")

    def _add(self, line: str) -> None:
        self._lines.append(line)
        self.size += len(line)

    def take(self) -> bytes:
        """Return the lines that wait, as one block."""
        block = "".join(self._lines).encode()
        self._lines, self.size = [], 0
        return block

    @property
    def is_full(self) -> bool:
        """Whether there is enough to be taken."""
        return self.size >= _BLOCK_CHARACTERS

    def end(self) -> None:
        """Add the last line."""
        self._add(end_line(self.buckets, self.pairs))
