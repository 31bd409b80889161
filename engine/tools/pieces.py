"""What a file is made of, in a form that can be taken out and put back: buckets, and the pairs in them.

Where storm's own buckets (metadata, indexes) say nothing that the records do not say, a `BucketPiece` just notes that
they are there. All else is a piece of its own, whatever it may be, so that nothing is lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import boltpy

from ..storm.layout import CODEC, CODEC_KEY, INDEX, METADATA, Mark
from .indexes import index_faults
from .kinds import Kind, Path, kind_at
from .walking import Walk


@dataclass(frozen=True, slots=True)
class BucketPiece:
    """A bucket.

    Attributes:
        path: The names down to it; empty for the root bucket.
        sequence: Its sequence.
        has_metadata: Whether it has storm's metadata, as storm makes it.
        counter: The last number that was given out, in that metadata.
        indexes: The indexes that say what the records say, by Go's names of the fields ("Created").
    """

    path: Path
    sequence: int = 0
    has_metadata: bool = False
    counter: int | None = None
    indexes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PairPiece:
    """A key and its value in the bucket at `path`."""

    path: Path
    key: bytes
    value: bytes


Piece = BucketPiece | PairPiece


def pieces_of(tx: boltpy.Tx) -> Iterator[Piece]:
    """Everything in a file: each bucket, its pairs in the order of their keys, then the buckets nested in it.

    Raises:
        EngineError, boltpy.BoltError: The file is damaged.
    """
    walk = Walk(tx)
    for path, bucket in walk:
        kind = kind_at(path)
        has_metadata, counter = _metadata(bucket, kind)
        marks = _right_indexes(bucket, kind)
        yield BucketPiece(path, bucket.sequence, has_metadata, counter, tuple(map(go_name_of, marks)))
        said = {mark.index_name for mark in marks} | ({METADATA} if has_metadata else set())
        nested = []
        for key, value in bucket.items():
            if value is not None:
                yield PairPiece(path, key, value)
            elif key not in said:
                nested.append(key)
        walk.enter(path, nested)


def go_name_of(mark: Mark) -> str:
    """Go's name of a field with an index."""
    return mark.index_name.removeprefix(INDEX).decode()


def _metadata(bucket: boltpy.Bucket, kind: Kind | None) -> tuple[bool, int | None]:
    """Whether the bucket has metadata as storm makes it, and the counter in it."""
    metadata = bucket.bucket(METADATA)
    if metadata is None or metadata.sequence:
        return False, None
    counter: int | None = None
    for key, value in metadata.items():
        if key == CODEC_KEY and value == CODEC:
            continue
        marks = kind.marks if kind else None
        if value is None or len(value) != 8 or not marks or not marks.increment or key != marks.id.counter_name:
            return False, None
        counter = int.from_bytes(value, "big", signed=True)
    return (True, counter) if metadata.get(CODEC_KEY) is not None else (False, None)


def _right_indexes(bucket: boltpy.Bucket, kind: Kind | None) -> list[Mark]:
    if kind is None or kind.marks is None:
        return []
    marks = kind.marks.indexed
    wrong = {fault.mark for fault in index_faults(bucket, kind, marks)}
    return [mark for mark in marks if mark not in wrong]
