"""What `bench` writes and reads, and how long it takes: the workloads of bbolt's `bench`.

Keys are a number from a source, in four bytes and zeros behind them; values are zeros. The nested workloads put each
batch into a bucket of its own. Reads go over everything that was written, again and again, for a second at least.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from itertools import count, islice
from typing import NamedTuple

from ..bucket import Bucket
from ..db import DB
from .command import CommandError

WRITE_MODES = ("seq", "rnd", "seq-nest", "rnd-nest")
READ_MODES = ("seq", "rnd")
SMALLEST_KEY = 4
"""Bytes: what a number takes."""

_TOP = b"bench"
_READ_SECONDS = 1.0
_SECONDS_BETWEEN = 1.0

Key = tuple[bytes, bytes]
"""The name of the nested bucket that it is in (empty: none), and the key."""


class Plan(NamedTuple):
    """What to write.

    Attributes:
        mode: One of WRITE_MODES.
        pairs: In all; a multiple of `batch`.
        batch: Pairs in a transaction.
        key_size, value_size: Bytes.
        fill_percent: Of each bucket.
    """

    mode: str
    pairs: int
    batch: int
    key_size: int
    value_size: int
    fill_percent: float


class Measured(NamedTuple):
    """Operations, and the nanoseconds they took together."""

    ops: int
    nanoseconds: int

    @property
    def each(self) -> int:
        """Nanoseconds for one of them, cut to a whole number."""
        return self.nanoseconds // self.ops

    @property
    def per_second(self) -> int:
        """How many of them go into a second."""
        return 10**9 // self.each if self.each else 0


class Ticker:
    """Tells once a second how far a workload is."""

    def __init__(self, tell: Callable[[str], object]) -> None:
        """Tell through `tell`, a line at a time."""
        self._tell = tell
        self._ops = 0
        self._since = time.monotonic()

    def at(self, ops: int) -> None:
        """So many operations are done."""
        now = time.monotonic()
        if now - self._since >= _SECONDS_BETWEEN:
            self._tell(f"Completed {ops} requests, {int((ops - self._ops) / (now - self._since))}/s ")
            self._ops, self._since = ops, now


def _numbers(mode: str) -> Iterator[int]:
    return iter(lambda: random.getrandbits(32), None) if mode.startswith("rnd") else count(1)


def write(db: DB, plan: Plan, tell: Callable[[str], object]) -> tuple[Measured, list[Key]]:
    """Write what a plan says.

    Args:
        db: Where to.
        plan: What.
        tell: Hears how far it is.

    Returns:
        What it took, and the keys in the order in which they were written.
    """
    keys: list[Key] = []
    ticker = Ticker(tell)
    value = bytes(plan.value_size)
    names = (number.to_bytes(4, "big").ljust(plan.key_size, b"\0") for number in _numbers(plan.mode))
    start = time.perf_counter_ns()
    for at in range(0, plan.pairs, plan.batch):
        tell(f"Starting write iteration {at}")
        with db.update() as tx:
            bucket, nest = tx.create_bucket_if_not_exists(_TOP), b""
            bucket.fill_percent = plan.fill_percent
            if plan.mode.endswith("-nest"):
                nest = next(names)
                bucket = bucket.create_bucket_if_not_exists(nest)
                bucket.fill_percent = plan.fill_percent
            for key in islice(names, plan.batch):
                bucket.put(key, value)
                keys.append((nest, key))
        tell(f"Finished write iteration {at}")
        ticker.at(at + plan.batch)
    return Measured(plan.pairs, time.perf_counter_ns() - start), keys


def read(db: DB, plan: Plan, mode: str, keys: list[Key], tell: Callable[[str], object]) -> Measured:
    """Read all that was written, for a second at least.

    Args:
        db: Where from.
        plan: What was written.
        mode: "seq" goes over all buckets in order, "rnd" looks up `keys`.
        keys: As `write` returned them, in any order.
        tell: Hears how far it is.

    Raises:
        CommandError: Something is not there.
    """
    ticker = Ticker(tell)
    nested = plan.mode.endswith("-nest")
    start = time.perf_counter_ns()
    ops, spent = 0, 0
    with db.view() as tx:
        top = tx.bucket(_TOP)
        if top is None:
            raise CommandError("bench: read: there is nothing to read")
        while spent < _READ_SECONDS * 10**9:
            if mode == "rnd":
                found = _look_up(top, keys)
            else:
                found = sum(map(_walk, (bucket for _, bucket in top.buckets()) if nested else [top]))
                if plan.mode == "seq" and found != plan.pairs:
                    raise CommandError(f"bench: read: read seq: iter mismatch: expected {plan.pairs}, got {found}")
            ops += found
            ticker.at(ops)
            spent = time.perf_counter_ns() - start
    return Measured(ops, spent)


def _walk(bucket: Bucket) -> int:
    """Go over a bucket with a cursor and return the number of its pairs."""
    cursor, found = bucket.cursor(), 0
    item = cursor.first()
    while item is not None:
        if item[1] is None:
            raise CommandError("bench: read: invalid value")
        found += 1
        item = cursor.next()
    return found


def _look_up(top: Bucket, keys: list[Key]) -> int:
    """Get each key, from its bucket anew, and return how many there are."""
    for nest, key in keys:
        bucket = top.bucket(nest) if nest else top
        if bucket is None or bucket.get(key) is None:
            raise CommandError("bench: read: invalid value")
    return len(keys)
