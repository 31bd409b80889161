"""What a repair can not leave where it is: what can not be read as the entity that it should be, and what has a name
that is needed for something else. It is kept in a bucket of its own, under its old path.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import boltpy

from ..errors import EngineError
from ..models import RunRegistryKey
from ..storm import read_version
from ..storm.layout import DATABASE, VERSION_KEY
from .checking import registration_fault
from .claims import Claims
from .indexes import key_problem, readable
from .kinds import ASIDE, Kind, Path
from .pieces import BucketPiece, PairPiece, Piece
from .walking import Walk, is_late


class Misfits:
    """What in the bucket at a path can not stay there."""

    def __init__(self, tx: boltpy.Tx, path: Path, *, late: bool) -> None:
        """Args: `late`, whether the file has an event log."""
        self._claims = Claims(tx, path, late=late)
        self._kind = self._claims.kind
        self._version = VERSION_KEY if path == (DATABASE,) and not has_version(tx) else None

    def has(self, key: bytes, value: bytes | None) -> bool:
        """Whether a pair, or a bucket if `value` is None, is one of them."""
        if self._claims.problem(key, value):
            return True
        if value is None or self._kind is None:
            return key == self._version
        return _is_unreadable(self._kind, key, value)


def has_version(tx: boltpy.Tx) -> bool:
    """Whether storm's note of its version can be read."""
    try:
        return read_version(tx) != ""
    except EngineError:
        return False


def _is_unreadable(kind: Kind, key: bytes, value: bytes) -> bool:
    if kind.entity is RunRegistryKey:
        fault = None if key.startswith(b"__") else registration_fault(key)
        return fault is not None and fault[0] == "registration-unreadable"
    record = readable(kind, key, value)
    return record is None or bool(key_problem(kind, key, record))


def pieces_aside(tx: boltpy.Tx) -> Iterator[Piece]:
    """All misfits of a file, where they are kept: in a bucket of another name than earlier repairs gave theirs."""
    root = ASIDE
    top = tx.bucket()
    while tx.bucket(root) is not None or (top is not None and root in top):
        root += b"_"
    made: Path = ()
    for piece in _misfits(tx):
        place = (root, *piece.path)
        around = place if isinstance(piece, PairPiece) else place[:-1]
        common = 0
        while common < min(len(made), len(around)) and made[common] == around[common]:
            common += 1
        for depth in range(common, len(around)):
            yield BucketPiece(around[: depth + 1])
        made = place
        yield replace(piece, path=place)


def _misfits(tx: boltpy.Tx) -> Iterator[Piece]:
    """The same in their old places: single pairs, and buckets with all that is in them."""
    walk = Walk(tx)
    late = is_late(tx)
    waiting: set[Path] = set()
    within: Path = ()
    for path, bucket in walk:
        if path in waiting:
            within = path
        is_whole = bool(within) and path[: len(within)] == within
        if is_whole:
            yield BucketPiece(path, bucket.sequence)
        misfits = Misfits(tx, path, late=late)
        nested = []
        for key, value in bucket.items():
            if value is None:
                nested.append(key)
            if is_whole or misfits.has(key, value):
                if value is None:
                    waiting.add((*path, key))
                else:
                    yield PairPiece(path, key, value)
        walk.enter(path, nested)
