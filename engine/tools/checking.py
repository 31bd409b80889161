"""Checks a Gofer database: its pages, what storm keeps beside the records, the records, and how they fit together.

Nothing stops at the first fault; a bucket whose pages can not be read is one finding, and the others are looked at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import boltpy

from ..errors import EngineError, RecordError
from ..models import Event, Run, RunRegistryKey, decode
from ..places import EVENTS, REGISTRY
from ..storm import key_of, read_version, text_of_key
from ..storm.layout import CODEC, CODEC_KEY, DATABASE, INDEX, METADATA
from ..validation import MAX_KEY
from .claims import Claims, is_storms
from .findings import Finding, finding
from .indexes import Comparison, Fault, index_faults, key_problem
from .kinds import ASIDE, Kind, Path, kind_at
from .relations import Relations
from .walking import Walk, is_late

COUNTED_AT_MOST: Final = 2**53
"""No counter comes farther: a higher number was given by hand."""

# Go has two spellings of these, by its version: each pair becomes one.
_ESCAPES: Final = re.compile(rb"\\(u0008|u000c|ufffd|.)", re.DOTALL)
_SPELLING: Final = {b"u0008": b"\\b", b"u000c": b"\\f", b"ufffd": "\ufffd".encode()}

Tick = Callable[[], object]


def check(tx: boltpy.Tx, tick: Tick) -> Iterator[Finding]:
    """Check a whole file.

    Args:
        tx: A read transaction on Gofer's main database.
        tick: Is called once for each pair, for those who wait.

    Yields:
        What is wrong or odd, as it is found.
    """
    for problem in tx.check():
        yield Finding("page", "the file", str(problem))
    try:
        yield from _file(tx)
        walk = Walk(tx)
        for path, bucket in walk:
            try:
                yield from _Checked(tx, path, bucket, walk).everything(tick)
            except boltpy.BoltError as error:
                yield finding("page", path, f"can not be read any further: {error}")
    except (boltpy.BoltError, EngineError) as error:
        yield Finding("page", "the file", f"can not be read any further: {error}")


def metadata_faults(bucket: boltpy.Bucket, kind: Kind, highest: int) -> Iterator[tuple[str, str]]:
    """What is wrong with storm's metadata of a bucket. Args: `highest`, the highest number that is given out in it."""
    metadata = bucket.bucket(METADATA)
    if metadata is None:
        yield "metadata-missing", f"there is no bucket {METADATA.decode()}"
    elif metadata.get(CODEC_KEY) != CODEC:
        yield "codec", f"the codec is {metadata.get(CODEC_KEY)!r}, not {CODEC!r}"
    if kind.marks is None or not kind.marks.increment:
        return
    stored = metadata.get(kind.marks.id.counter_name) if metadata is not None else None
    if stored is not None and len(stored) != 8:
        yield "counter-damaged", f"the counter has {len(stored)} bytes, not 8"
    elif highest > counter_of(stored):
        yield "counter-behind", f"the counter is {counter_of(stored)}, and there is a number {highest}"


def counter_of(stored: bytes | None) -> int:
    """The number in a counter; 0 if there is none."""
    return int.from_bytes(stored[:8], "big", signed=True) if stored and len(stored) >= 8 else 0


def in_use(bucket: boltpy.Bucket, kind: Kind | None) -> bool:
    """Whether storm has stored something in a bucket. Others are levels that have the name of a class by chance."""
    return any(
        value is not None or (kind is not None and kind.marks is not None and _is_storms(key))
        for key, value in bucket.items()
    )


def _is_storms(name: bytes) -> bool:
    return name == METADATA or name.startswith(INDEX)


def highest_number(bucket: boltpy.Bucket, kind: Kind) -> int:
    """The highest number that was given out in a bucket; 0 where none was, or keys are no numbers."""
    if not kind.is_numbered:
        return 0
    keys = bucket.items(stop=key_of(COUNTED_AT_MOST + 1), reverse=True)
    return next((int.from_bytes(key, "big") for key, value in keys if value is not None and len(key) == 8), 0)


def id_differs(kind: Kind, key: bytes, record: Any) -> bool:
    """Whether a record's JSON says another id than the key under which it is stored."""
    told = getattr(record, kind.id_field)
    if kind.is_numbered:
        return key_of(told) != key
    return bool(told != id_text(key))


def id_text(key: bytes) -> str:
    """The id that JSON has for a key of text: a byte that is not UTF-8 is U+FFFD there."""
    return "".join("\ufffd" if "\ud800" <= character <= "\udfff" else character for character in text_of_key(key))


def registration_fault(key: bytes) -> tuple[str, str] | None:
    """What is wrong with a key of the registry."""
    try:
        expected = key_of(decode(RunRegistryKey, key))
    except RecordError as error:
        return "registration-unreadable", error.reason
    if len(expected) > MAX_KEY:
        return "registration-unreadable", f"as Go writes it, it has {len(expected)} bytes: too many for a key"
    if _one_spelling(key) != _one_spelling(expected):
        return "registration-spelling", f"Go writes {expected.decode(errors='replace')}, and finds no other"
    return None


def _one_spelling(data: bytes) -> bytes:
    return _ESCAPES.sub(lambda match: _SPELLING.get(match[1], match[0]), data)


def _file(tx: boltpy.Tx) -> Iterator[Finding]:
    try:
        if not read_version(tx):
            yield finding("version", (DATABASE,), "there is no version")
    except EngineError as error:
        yield finding("version", (DATABASE,), str(error))
    if tx.bucket(REGISTRY.encode()) is None and not is_late(tx):
        yield finding("registry-missing", (), f"there is neither a bucket {REGISTRY} nor a bucket {EVENTS}")


class _Checked:
    """One bucket under examination."""

    def __init__(self, tx: boltpy.Tx, path: Path, bucket: boltpy.Bucket, walk: Walk) -> None:
        self._tx = tx
        self._path = path
        self._bucket = bucket
        self._walk = walk
        self._kind = kind_at(path)
        self._late = is_late(tx)
        self._claims = Claims(tx, path, late=self._late)

    def everything(self, tick: Tick) -> Iterator[Finding]:
        """Examine the bucket, and tell the walk where to go on."""
        kind, path, bucket = self._kind, self._path, self._bucket
        if path[:1] and path[0].startswith(ASIDE):
            yield finding("set-aside", path, "what a repair could not mend is kept here")
            return
        if kind is None:
            yield from self._level(tick)
            return
        marks = kind.index_marks(late=self._late) if in_use(bucket, kind) else ()
        comparison = Comparison(bucket, kind, marks)
        relations = Relations(self._tx, path, kind)
        nested: list[bytes] = []
        pairs = 0
        yield from self._told(comparison.begin())
        for key, value in bucket.items():
            if value is not None:
                tick()
            problem = self._claims.problem(key, value)
            if problem:
                yield finding("name-taken", path, problem, key=key)
                continue
            if value is None:
                nested.append(key)
                continue
            if not pairs:
                yield from relations.of_bucket()
            pairs += 1
            record = yield from self._record(kind, key, value)
            if record is not None:
                yield from relations.of_record(key, record)
                yield from self._told(comparison.compare(key, record))
        yield from self._told(comparison.end())
        highest = highest_number(bucket, kind)
        if marks or (pairs and kind.entity is RunRegistryKey):
            for name, text in metadata_faults(bucket, kind, highest):
                yield finding(name, path, text)
        if kind.entity is Event and bucket.sequence < highest:
            text = f"the sequence is {bucket.sequence}, and there is a number {highest}"
            yield finding("sequence-behind", path, text)
        if kind.entity is Run and self._late:
            yield from self._stale(kind)
        if kind.entity is RunRegistryKey and any(not name.startswith(b"__") for name in nested):
            yield finding("name-collision", path, "Gofer can not list registrations: a namespace has this name")
        self._go_on(nested)

    def _record(self, kind: Kind, key: bytes, value: bytes) -> Any:
        """Examine a pair; the generator's value is the entity, None if it is none."""

        def found(name: str, text: str) -> Finding:
            return finding(name, self._path, text, key=key, kind=kind)

        if kind.entity is RunRegistryKey:
            if key.startswith(b"__"):
                yield found("not-understood", "Gofer passes over this key")
                return None
            fault = registration_fault(key)
            if fault is not None:
                yield found(*fault)
            if value != b"{}":
                yield found("registration-value", "the value of a registration is {}")
            return decode(RunRegistryKey, key) if fault is None else None
        if kind.is_numbered and len(key) != 8:
            yield found("key-unusable", f"the key has {len(key)} bytes, and a number has 8")
            return None
        try:
            record = decode(kind.entity, value)
        except RecordError as error:
            yield found("record-unreadable", error.reason)
            return None
        problem = key_problem(kind, key, record)
        if problem:
            yield found("key-unusable", problem)
            return None
        if id_differs(kind, key, record):
            yield found("key-differs", f"the record says {getattr(record, kind.id_field)!r}")
        return record

    def _level(self, tick: Tick) -> Iterator[Finding]:
        """A bucket of buckets. Storm's own ones lie within those of records."""
        nested = []
        of_storm = is_storms(self._path)
        for key, value in self._bucket.items():
            tick()
            problem = self._claims.problem(key, value)
            if problem:
                yield finding("name-taken", self._path, problem, key=key)
            elif value is None:
                nested.append(key)
            elif not of_storm:
                yield finding("not-understood", self._path, "a pair that is no entity", key=key)
        self._go_on(nested)

    def _stale(self, kind: Kind) -> Iterator[Finding]:
        """An index that Gofer left behind when it dropped it."""
        kept = kind.index_marks(late=True)
        for mark in kind.index_marks(late=False):
            is_there = mark not in kept and self._bucket.bucket(mark.index_name) is not None
            if is_there and any(True for _ in index_faults(self._bucket, kind, (mark,))):
                yield finding("index-stale", self._path, f"{mark.index_name.decode()} is no longer kept up to date")

    def _told(self, faults: Iterator[Fault]) -> Iterator[Finding]:
        for fault in faults:
            yield finding(fault.name, self._path, fault.text, key=fault.key, kind=self._kind)

    def _go_on(self, nested: list[bytes]) -> None:
        self._walk.enter(self._path, nested)
