"""Names that storm and Gofer need: where a bucket must be and somebody put a pair, or the other way round.

In bolt a name is either a pair or a bucket. So a pair called `__storm_metadata` keeps out the bucket that storm wants
to make, and everything that storm would do there fails. Such things are known by their place and name alone, and what
is in them is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import boltpy

from ..errors import RecordError
from ..models import Event, RunRegistryKey, decode
from ..storm.layout import CODEC_KEY, DATABASE, IDS, INDEX, METADATA, SEPARATOR, VERSION_KEY, Mark
from .indexes import entry_of, readable
from .kinds import KINDS, Kind, Path, kind_at


class Claims:
    """What must be a bucket, and what a pair, in the bucket at a path. `kind` is that of its entities."""

    def __init__(self, tx: boltpy.Tx, path: Path, *, late: bool) -> None:
        """Args: `late`, whether the file has an event log."""
        self._tx = tx
        self._path = path
        self.kind = kind_at(path)
        self._is_level = self.kind is None and not is_storms(path)
        self._buckets = _buckets(path, self.kind, late)
        self._pairs = _pairs(path)
        self._index = _index(path, late)

    def problem(self, key: bytes, value: bytes | None) -> str:
        """What is wrong with a pair, or a bucket if `value` is None, that has the name of the other; "" if nothing."""
        if value is not None:
            is_taken = key in self._buckets or (self._is_level and kind_at((*self._path, key)) is not None)
            return "a pair, where a bucket must be" if is_taken else ""
        is_taken = key in self._pairs or self._is_registration(key) or self._is_entry(key)
        return "a bucket, where a pair must be" if is_taken else ""

    def _is_registration(self, name: bytes) -> bool:
        if self.kind is not KINDS["registration"] or name.startswith(b"__"):
            return False
        try:
            decode(RunRegistryKey, name)
        except RecordError:
            return False
        return True

    def _is_entry(self, name: bytes) -> bool:
        """Whether the index in this bucket must list a record under that name."""
        if self._index is None:
            return False
        owner, kind, mark = self._index
        records = self._tx.bucket(*owner)
        is_id = kind.marks is not None and mark is kind.marks.id
        is_backward = self._path[-1] == IDS
        for key in [name] if mark.unique or is_backward else _ids_in(name):
            stored = records.get(key) if records is not None and key else None
            record = readable(kind, key, stored) if stored is not None else None
            entry = entry_of(mark, is_id, key, record) if record is not None else None
            if entry is not None and (is_backward or entry == name):
                return True
        return False


def is_storms(path: Path) -> bool:
    """Whether a bucket is one of storm's own, whose pairs are no entities."""
    own = path[:-1] if path[-1:] == (IDS,) else path
    return path[:1] == (DATABASE,) or path[-1:] == (METADATA,) or (len(own) > 1 and own[-1].startswith(INDEX))


@cache
def storms_own(kind: Kind, *, late: bool) -> tuple[Path, ...]:
    """The buckets that storm keeps within one of records: metadata, indexes and their halves."""
    if kind.entity is Event:
        return ()
    marks = kind.index_marks(late=late)
    halves = [(mark.index_name, IDS) for mark in marks if not mark.unique]
    return ((METADATA,), *((mark.index_name,) for mark in marks), *halves)


@cache
def _own_names(kind: Kind, *, late: bool) -> frozenset[bytes]:
    return frozenset(place[0] for place in storms_own(kind, late=late))


def _buckets(path: Path, kind: Kind | None, late: bool) -> frozenset[bytes]:
    if kind is not None:
        return _own_names(kind, late=late)
    return {(): frozenset([DATABASE]), (DATABASE,): frozenset([METADATA])}.get(path, frozenset())


def _pairs(path: Path) -> frozenset[bytes]:
    if path == (DATABASE,):
        return frozenset([VERSION_KEY])
    if path[-1:] != (METADATA,):
        return frozenset()
    kind = kind_at(path[:-1])
    if kind is None or kind.entity is Event:
        return frozenset([CODEC_KEY]) if path == (DATABASE, METADATA) else frozenset()
    counters = [kind.marks.id.counter_name] if kind.marks is not None and kind.marks.increment else []
    return frozenset([CODEC_KEY, *counters])


def _index(path: Path, late: bool) -> tuple[Path, Kind, Mark] | None:
    """The index that a bucket is, or is half of: the bucket of its records, their kind and the mark."""
    own = path[:-1] if path[-1:] == (IDS,) else path
    kind = kind_at(own[:-1]) if len(own) > 1 and own[-1].startswith(INDEX) else None
    if kind is not None:
        for mark in kind.index_marks(late=late):
            if own[-1] == mark.index_name and not (mark.unique and own is not path):
                return own[:-1], kind, mark
    return None


def _ids_in(entry: bytes) -> Iterator[bytes]:
    """What may be the id in an entry of a list index: a value may hold the separator too, and so may an id."""
    at = entry.find(SEPARATOR)
    while at >= 0:
        yield entry[at + len(SEPARATOR) :]
        at = entry.find(SEPARATOR, at + 1)
