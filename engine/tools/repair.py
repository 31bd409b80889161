"""Writes a mended copy of a Gofer database.

The copy has all that the source has, in the same places, but for this: indexes are made anew from the records, metadata
and counters are put right, and what can not be read as the entity that it should be is moved into a bucket of its own,
under its old path. So no bytes get lost but those of indexes, and one bad record no longer hides all others from Gofer.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from os import PathLike

import boltpy

from ..errors import EngineError
from ..forms import with_fields
from ..models import Event, RunRegistryKey, decode
from ..places import REGISTRY
from ..storm import key_of, read_version
from ..storm.files import VERSION
from ..storm.layout import DATABASE, IDS, METADATA, VERSION_KEY, Mark
from ..wire import encode
from .checking import counter_of, highest_number, id_differs, id_text, in_use, registration_fault
from .filling import Filler, new_file
from .indexes import readable
from .kinds import ASIDE, Kind, Path, kind_at
from .pieces import CODEC, CODEC_KEY, BucketPiece, PairPiece, Piece, go_name_of
from .walking import Walk, is_late

Tick = Callable[[], object]


def repair(tx: boltpy.Tx, path: str | PathLike[str], tick: Tick) -> None:
    """Write a mended copy of the file that `tx` reads; the source stays as it is.

    Args:
        tx: A read transaction on Gofer's main database.
        path: The new file: no file yet, an empty file, or a bolt file without buckets.
        tick: Is called once for each piece.

    Raises:
        EngineError, boltpy.BoltError: Pages of the source are damaged, or it holds what can not be mended.
        FileExistsError: The target holds something.
        OSError: The file can not be written.

    After an error the target is as it was.
    """
    with new_file(path) as filler:
        for piece in _mended(tx):
            filler.put(piece)
            tick()
        _set_aside(tx, filler)


def _mended(tx: boltpy.Tx) -> Iterator[Piece]:
    walk = Walk(tx)
    late = is_late(tx)
    for path, bucket in walk:
        kind = kind_at(path)
        if path == (DATABASE,):
            nested = yield from _own(tx, bucket)
        elif kind is None or not in_use(bucket, kind):
            nested = yield from _as_it_is(path, bucket)
        else:
            nested = yield from _records(path, bucket, kind, kind.index_marks(late=late), walk)
        walk.enter(path, nested)
    if tx.bucket(DATABASE) is None:
        yield from _new_own()
    if tx.bucket(REGISTRY.encode()) is None and not late:
        yield BucketPiece((REGISTRY.encode(),))


def _as_it_is(path: Path, bucket: boltpy.Bucket) -> Generator[Piece, None, list[bytes]]:
    """A bucket and its pairs; the generator's value are the names of those nested in it."""
    yield BucketPiece(path, bucket.sequence)
    nested = []
    for key, value in bucket.items():
        if value is None:
            nested.append(key)
        else:
            yield PairPiece(path, key, value)
    return nested


def _own(tx: boltpy.Tx, bucket: boltpy.Bucket) -> Generator[Piece, None, list[bytes]]:
    """Storm's own bucket, with a version that can be read."""
    if _has_version(tx):
        return (yield from _as_it_is((DATABASE,), bucket))
    yield BucketPiece((DATABASE,), bucket.sequence)
    for key, value in bucket.items():
        if value is not None and key != VERSION_KEY:
            yield PairPiece((DATABASE,), key, value)
    yield PairPiece((DATABASE,), VERSION_KEY, VERSION)
    return [name for name, _ in bucket.buckets() if name != VERSION_KEY]


def _new_own() -> Iterator[Piece]:
    yield BucketPiece((DATABASE,), has_metadata=True)
    yield PairPiece((DATABASE,), VERSION_KEY, VERSION)


def _has_version(tx: boltpy.Tx) -> bool:
    try:
        return read_version(tx) != ""
    except EngineError:
        return False


def _records(
    path: Path, bucket: boltpy.Bucket, kind: Kind, marks: tuple[Mark, ...], walk: Walk
) -> Generator[Piece, None, list[bytes]]:
    """A bucket of entities, with indexes made anew and metadata put right."""
    highest = highest_number(bucket, kind)
    sequence = max(bucket.sequence, highest) if kind.entity is Event else bucket.sequence
    yield BucketPiece(path, sequence, indexes=tuple(map(go_name_of, marks)))
    nested = []
    respelled: set[bytes] = set()
    for key, value in bucket.items():
        if value is None:
            nested.append(key)
        elif _is_lost(kind, key, value):
            continue
        elif kind.id_field:
            yield PairPiece(path, key, _with_id(kind, key, value))
        else:
            proper = _spelled(key)
            if proper == key or not (proper in bucket or proper in respelled):
                yield PairPiece(path, proper, value)
            if proper != key:
                respelled.add(proper)
    if kind.entity is not Event:
        yield from _metadata(path, bucket, kind, highest, walk)
    for mark in marks:
        for place in ((*path, mark.index_name), (*path, mark.index_name, IDS)):
            walk.enter(place, _foreign(bucket, place[len(path) :]))
    made = {METADATA} if kind.entity is not Event else set()
    return [name for name in nested if name not in made | {mark.index_name for mark in marks}]


def _with_id(kind: Kind, key: bytes, value: bytes) -> bytes:
    """The record in a pair, with the id that it is stored under."""
    record = decode(kind.entity, value)
    if not id_differs(kind, key, record):
        return value
    own = int.from_bytes(key, "big", signed=True) if kind.is_numbered else id_text(key)
    return encode(with_fields(record, {kind.id_field: own}))


def _spelled(key: bytes) -> bytes:
    """A key of the registry as Go writes it."""
    if key.startswith(b"__") or registration_fault(key) is None:
        return key
    return key_of(decode(RunRegistryKey, key))


def _metadata(path: Path, bucket: boltpy.Bucket, kind: Kind, highest: int, walk: Walk) -> Iterator[Piece]:
    place = (*path, METADATA)
    found = bucket.bucket(METADATA)
    pairs = {key: value for key, value in found.items() if value is not None} if found is not None else {}
    pairs[CODEC_KEY] = CODEC
    if kind.marks is not None and kind.marks.increment:
        name = kind.marks.id.counter_name
        counter = max(counter_of(pairs.get(name)), highest)
        if counter or name in pairs:
            pairs[name] = key_of(counter)
    yield BucketPiece(place, found.sequence if found is not None else 0)
    for key, value in sorted(pairs.items()):
        yield PairPiece(place, key, value)
    walk.enter(place, _foreign(bucket, (METADATA,)))


def _foreign(bucket: boltpy.Bucket, path: Path) -> list[bytes]:
    """The names of buckets that storm did not make in one of its own."""
    own = bucket.bucket(*path)
    return [name for name, _ in own.buckets() if name != IDS] if own is not None else []


def _is_lost(kind: Kind, key: bytes, value: bytes) -> bool:
    """Whether a pair can not be read as the entity that it should be."""
    if kind.entity is RunRegistryKey:
        fault = None if key.startswith(b"__") else registration_fault(key)
        return fault is not None and fault[0] == "registration-unreadable"
    return readable(kind, key, value) is None


def _lost(tx: boltpy.Tx) -> Iterator[tuple[Path, bytes, bytes]]:
    """All pairs that are to be set aside: their buckets, keys and values."""
    walk = Walk(tx)
    for path, bucket in walk:
        kind = kind_at(path)
        nested = []
        for key, value in bucket.items():
            if value is None:
                nested.append(key)
            elif kind is not None and _is_lost(kind, key, value):
                yield path, key, value
        walk.enter(path, nested)
    own = tx.bucket(DATABASE)
    version = own.get(VERSION_KEY) if own is not None else None
    if version is not None and not _has_version(tx):
        yield (DATABASE,), VERSION_KEY, version


def _set_aside(tx: boltpy.Tx, filler: Filler) -> None:
    """Keep what can not be mended in a bucket of its own, which has a new name if an earlier repair made one."""
    root = ASIDE
    while tx.bucket(root) is not None:
        root += b"_"
    made: Path = ()
    for path, key, value in _lost(tx):
        place = (root, *path)
        if place != made:
            common = 0
            while common < min(len(made), len(place)) and made[common] == place[common]:
                common += 1
            for depth in range(common, len(place)):
                filler.put(BucketPiece(place[: depth + 1]))
            made = place
        filler.put(PairPiece(place, key, value))
