"""Writes a mended copy of a Gofer database.

The copy has all that the source has, in the same places, but for this: indexes are made anew from the records, metadata
and counters are put right, and what can not stay in its place (see `aside`) is moved into a bucket of its own. So no
bytes get lost but those of indexes, and one bad record no longer hides all others from Gofer.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator
from itertools import chain
from os import PathLike

import boltpy

from ..forms import with_fields
from ..models import Event, RunRegistryKey, decode
from ..places import REGISTRY
from ..storm import key_of
from ..storm.files import VERSION
from ..storm.layout import CODEC, CODEC_KEY, DATABASE, METADATA, VERSION_KEY, Mark
from ..wire import encode
from .aside import Misfits, has_version, pieces_aside
from .checking import counter_of, highest_number, id_differs, id_text, in_use, registration_fault
from .claims import storms_own
from .filling import new_file
from .kinds import Kind, Path, kind_at
from .pieces import BucketPiece, PairPiece, Piece, go_name_of
from .walking import Walk, is_late

Tick = Callable[[], object]


def repair(tx: boltpy.Tx, path: str | PathLike[str], tick: Tick) -> None:
    """Write a mended copy of the file that `tx` reads; the source stays as it is.

    Args:
        tx: A read transaction on Gofer's main database.
        path: The new file: no file yet, an empty file, or a bolt file without buckets.
        tick: Is called once for each piece.

    Raises:
        EngineError, boltpy.BoltError: Pages of the source are damaged, or its buckets are nested too deeply.
        FileExistsError: The target holds something.
        OSError: The file can not be written.

    After an error the target is as it was.
    """
    with new_file(path) as filler:
        for piece in chain(_mended(tx), pieces_aside(tx)):
            filler.put(piece)
            tick()


def _mended(tx: boltpy.Tx) -> Iterator[Piece]:
    walk = Walk(tx)
    late = is_late(tx)
    for path, bucket in walk:
        kind = kind_at(path)
        misfits = Misfits(tx, path, late=late)
        if kind is None or not in_use(bucket, kind):
            nested = yield from _as_it_is(path, bucket, misfits)
            if path == (DATABASE,) and not has_version(tx):
                yield PairPiece(path, VERSION_KEY, VERSION)
        else:
            nested = yield from _records(path, bucket, kind, kind.index_marks(late=late), misfits)
            own = storms_own(kind, late=late)
            nested = [name for name in nested if (name,) not in own]
            for inner in own:
                walk.enter((*path, *inner), _foreign(tx, path, inner, own, late=late))
        walk.enter(path, nested)
    if tx.bucket(DATABASE) is None:
        yield from _new_own()
    if tx.bucket(REGISTRY.encode()) is None and not late:
        yield BucketPiece((REGISTRY.encode(),))


def _as_it_is(path: Path, bucket: boltpy.Bucket, misfits: Misfits) -> Generator[Piece, None, list[bytes]]:
    """A bucket and the pairs that can stay in it; the generator's value are the names of those nested in it."""
    yield BucketPiece(path, bucket.sequence)
    nested = []
    for key, value in bucket.items():
        if misfits.has(key, value):
            continue
        if value is None:
            nested.append(key)
        else:
            yield PairPiece(path, key, value)
    return nested


def _new_own() -> Iterator[Piece]:
    yield BucketPiece((DATABASE,), has_metadata=True)
    yield PairPiece((DATABASE,), VERSION_KEY, VERSION)


def _records(
    path: Path, bucket: boltpy.Bucket, kind: Kind, marks: tuple[Mark, ...], misfits: Misfits
) -> Generator[Piece, None, list[bytes]]:
    """A bucket of entities, with indexes made anew and metadata put right."""
    highest = highest_number(bucket, kind)
    sequence = max(bucket.sequence, highest) if kind.entity is Event else bucket.sequence
    yield BucketPiece(path, sequence, indexes=tuple(map(go_name_of, marks)))
    nested = []
    respelled: set[bytes] = set()
    for key, value in bucket.items():
        if misfits.has(key, value):
            continue
        if value is None:
            nested.append(key)
        elif kind.id_field:
            yield PairPiece(path, key, _with_id(kind, key, value))
        else:
            proper = _spelled(key)
            if proper == key or not (proper in bucket or proper in respelled):
                yield PairPiece(path, proper, value)
            if proper != key:
                respelled.add(proper)
    if kind.entity is not Event:
        yield from _metadata(path, bucket, kind, highest)
    return nested


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


def _metadata(path: Path, bucket: boltpy.Bucket, kind: Kind, highest: int) -> Iterator[Piece]:
    found = bucket.bucket(METADATA)
    pairs = {key: value for key, value in found.items() if value is not None} if found is not None else {}
    pairs[CODEC_KEY] = CODEC
    if kind.marks is not None and kind.marks.increment:
        name = kind.marks.id.counter_name
        counter = max(counter_of(pairs.get(name)), highest)
        if counter or name in pairs:
            pairs[name] = key_of(counter)
    place = (*path, METADATA)
    yield BucketPiece(place, found.sequence if found is not None else 0)
    for key, value in sorted(pairs.items()):
        yield PairPiece(place, key, value)


def _foreign(tx: boltpy.Tx, path: Path, inner: Path, own: Collection[Path], *, late: bool) -> list[bytes]:
    """The names of buckets that storm did not make in one of its own, and that can stay there."""
    bucket = tx.bucket(*path, *inner)
    nested = bucket.buckets() if bucket is not None else ()
    names = [name for name, _ in nested if (*inner, name) not in own]
    misfits = Misfits(tx, (*path, *inner), late=late) if names else None
    return [name for name in names if misfits is not None and not misfits.has(name, None)]
