"""Generated changes: the same workload in Go and here gives the same calls in the same transactions.

The twin is `go/workload.go`; the two must draw the same numbers in the same order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import boltpy

_MASK = (1 << 64) - 1
_GAMMA = 0x9E3779B97F4A7C15


def _mix(z: int) -> int:
    """The output function of splitmix64, a bijection of 64-bit words."""
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    z = (z ^ z >> 27) * 0x94D049BB133111EB & _MASK
    return z ^ z >> 31


def _repeated(word: int, size: int) -> bytes:
    one = word.to_bytes(8, "big")
    return one[8 - size :] if size < 8 else (one * (size // 8 + 1))[:size]


def _between(limits: tuple[int, int], word: int) -> int:
    return limits[0] + word % (limits[1] - limits[0] + 1)


# A step is a put, or a delete where the value is None.
Step = tuple[bytes, bytes | None]


@dataclass(frozen=True)
class Workload:
    """What to do to one bucket. Shares are of a hundred; what they leave goes to puts of new keys."""

    count: int  # operations
    per_tx: int  # operations in a transaction
    load: int = 0  # the first operations, which only put new keys
    keys: Literal["ascending", "descending", "random"] = "random"
    key_size: tuple[int, int] = (8, 8)  # bytes, both ends included
    value_size: tuple[int, int] = (32, 32)
    fill: float = 0.0  # 0.0: leave the fill percent as it is
    overwrite: int = 0  # put to a key that is there
    delete: int = 0  # delete a key that is there
    missing: int = 0  # delete a key that was never there
    transient: int = 0  # put a new key and delete it at once
    seed: int = 1
    bucket: tuple[bytes, ...] = (b"bucket",)

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "bucket": [name.hex() for name in self.bucket]}

    def transactions(self) -> Iterator[list[Step]]:
        """The steps of each transaction, in order."""
        steps = _Steps(self)
        for done in range(0, self.count, self.per_tx):
            transaction: list[Step] = []
            for _ in range(min(self.per_tx, self.count - done)):
                steps.add_to(transaction)
            yield transaction


class _Steps:
    """The state of a workload: the generator, and the keys that are in the bucket."""

    def __init__(self, workload: Workload) -> None:
        self.workload = workload
        self.state = workload.seed
        self.made = 0
        self.live: list[bytes] = []
        self.done = 0

    def _next(self) -> int:
        self.state = (self.state + _GAMMA) & _MASK
        return _mix(self.state)

    def _new_key(self) -> bytes:
        work, word = self.workload, self.made
        self.made += 1
        if work.keys == "descending":
            word ^= _MASK
        elif work.keys == "random":
            word = _mix((work.seed + word * _GAMMA) & _MASK)
        return _repeated(word, _between(work.key_size, _mix(word ^ work.seed)))

    def _value(self) -> bytes:
        word = self._next()
        return _repeated(word, _between(self.workload.value_size, word >> 32))

    def add_to(self, transaction: list[Step]) -> None:
        work, live = self.workload, self.live
        share = self._next() % 100
        loading = self.done < work.load
        self.done += 1
        if not loading and live and share < work.overwrite + work.delete + work.missing:
            at = self._next() % len(live)
            if share < work.overwrite:
                transaction.append((live[at], self._value()))
            elif share < work.overwrite + work.delete:
                transaction.append((live[at], None))
                live[at] = live[-1]
                live.pop()
            else:
                transaction.append((live[at] + b"\0", None))
            return
        key = self._new_key()
        transaction.append((key, self._value()))
        if not loading and share >= 100 - work.transient:
            transaction.append((key, None))
        else:
            live.append(key)


@dataclass(frozen=True)
class Trace:
    """What a file was after each commit: its size, and its sha256 if that was asked for."""

    sizes: list[int]
    hashes: list[str]


def file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def run(db: boltpy.DB, workload: Workload, hashes: bool = False, many: bool = False) -> Trace:
    """Run a workload with boltpy; with `many`, each run of puts or of deletes is one call."""
    path, trace = Path(db.path), Trace([], [])
    for transaction in workload.transactions():
        with db.update() as tx:
            bucket = tx.create_bucket_if_not_exists(workload.bucket[0])
            for name in workload.bucket[1:]:
                bucket = bucket.create_bucket_if_not_exists(name)
            if workload.fill:
                bucket.fill_percent = workload.fill
            (_apply_many if many else _apply)(bucket, transaction)
        trace.sizes.append(path.stat().st_size)
        if hashes:
            trace.hashes.append(file_hash(path))
    return trace


def _apply(bucket: boltpy.Bucket, transaction: list[Step]) -> None:
    for key, value in transaction:
        if value is None:
            bucket.delete(key)
        else:
            bucket.put(key, value)


def _apply_many(bucket: boltpy.Bucket, transaction: list[Step]) -> None:
    puts: dict[bytes, bytes] = {}
    deletes: list[bytes] = []
    for key, value in transaction:
        if value is None:
            bucket.put_many(puts)
            puts = {}
            deletes.append(key)
        else:
            bucket.delete_many(deletes)
            deletes = []
            puts[key] = value
    bucket.put_many(puts)
    bucket.delete_many(deletes)
