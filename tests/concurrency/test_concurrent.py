"""Readers and writers in many threads: reads are repeatable, and each sees exactly the last write before it."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import boltpy
from tests.boltpy.background import Background, run_all
from tests.boltpy.sizes import DEEP, sized
from tests.conftest import OpenDB
from tests.models import bucket_at

BUCKETS = [b"bucket %d" % i for i in range(5)]
KEYS = [b"key %03d" % i for i in range(200)]

DURATION = 30 if DEEP else 0.5
"""Seconds that each history takes."""

Place = tuple[bytes, bytes]


@dataclass
class History:
    """What one worker did: (txid, place, digest of the value or None for a deletion)."""

    writes: list[tuple[int, Place, bytes | None]] = field(default_factory=list)
    reads: list[tuple[int, Place, bytes | None]] = field(default_factory=list)
    txids: list[int] = field(default_factory=list)


def digest(value: bytes | None) -> bytes | None:
    return None if value is None else hashlib.blake2b(value, digest_size=16).digest()


def places(rng: random.Random, count: int) -> list[Place]:
    return [(rng.choice(BUCKETS), rng.choice(KEYS)) for _ in range(count)]


def read(db: boltpy.DB, rng: random.Random, history: History) -> None:
    """Read some places twice in one transaction."""
    with db.view() as tx:
        wanted = places(rng, 5)
        first = [bucket_at(tx, name).get(key) for name, key in wanted]
        if rng.random() < 0.5:
            time.sleep(rng.random() * 0.01)
        again = [bucket_at(tx, name).get(key) for name, key in wanted]
        assert first == again, "a value changed under a reader"
        history.txids.append(tx.id)
        history.reads += [(tx.id, place, digest(value)) for place, value in zip(wanted, first, strict=True)]


def write(db: boltpy.DB, rng: random.Random, history: History) -> None:
    """Change some places; one transaction in five changes nothing."""
    with db.update() as tx:
        changes: dict[Place, bytes | None] = {}
        if rng.random() < 0.8:
            for name, key in places(rng, rng.randrange(1, 6)):
                if rng.random() < 0.2:
                    bucket_at(tx, name).delete(key)
                    changes[name, key] = None
                else:
                    value = rng.randbytes(rng.randrange(200, 16_000))
                    bucket_at(tx, name).put(key, value)
                    changes[name, key] = value
        history.txids.append(tx.id)
        history.writes += [(tx.id, place, digest(value)) for place, value in changes.items()]


def assert_linear(histories: list[History]) -> None:
    """Each read shows the last write of its place with a txid up to its own, and no worker goes back in time."""
    written: dict[Place, list[tuple[int, bytes | None]]] = defaultdict(list)
    for history in histories:
        assert history.txids == sorted(history.txids)
        for txid, place, value in history.writes:
            written[place].append((txid, value))
    for changes in written.values():
        changes.sort(key=lambda change: change[0])
        txids = [txid for txid, _ in changes]
        assert len(set(txids)) == len(txids), "two transactions had one number"
    for history in histories:
        for txid, place, value in history.reads:
            changes = written[place]
            last = bisect_right(changes, txid, key=lambda change: change[0]) - 1
            expected = changes[last][1] if last >= 0 else None
            assert value == expected, f"tx {txid} did not read the last write of {place}"


@pytest.mark.parametrize("workers", [1, 10, 100])
@pytest.mark.parametrize("no_freelist_sync", [False, True])
def test_a_random_history_of_many_threads_is_linear(open_db: OpenDB, workers: int, no_freelist_sync: bool) -> None:
    db = open_db(no_sync=True, no_freelist_sync=no_freelist_sync)
    with db.update() as tx:
        for name in BUCKETS:
            tx.create_bucket(name)
    end = time.monotonic() + DURATION
    early, late = history_of_a_long_reader(db), size_of(db)

    def worker(seed: int) -> Callable[[], History]:
        def work() -> History:
            rng, history = random.Random(seed), History()
            while time.monotonic() < end:
                action = write if rng.random() < 0.2 else read
                action(db, rng, history)
            return history

        return work

    histories = run_all([worker(seed) for seed in range(workers)], timeout=DURATION + 60)
    assert sum(len(history.reads) for history in histories) > 50
    assert sum(len(history.writes) for history in histories) > 3
    assert size_of(db) > late, "the file never grew"
    assert_linear([*histories, early()])
    with db.view() as tx:
        assert list(tx.check()) == []


def size_of(db: boltpy.DB) -> int:
    return Path(db.path).stat().st_size


def history_of_a_long_reader(db: boltpy.DB) -> Callable[[], History]:
    """Begin to read now; what comes back ends it, having read every place as it was then."""
    tx = db.begin()

    def end() -> History:
        places = [(name, key) for name in BUCKETS for key in KEYS]
        reads = [(tx.id, (name, key), digest(bucket_at(tx, name).get(key))) for name, key in places]
        txids = [tx.id]
        tx.rollback()
        return History(reads=reads, txids=txids)

    return end


@pytest.mark.parametrize("no_freelist_sync", [False, True])
@pytest.mark.parametrize("no_sync", [False, True])
def test_long_readers_never_see_a_changed_value_while_pages_are_recycled(
    open_db: OpenDB, no_freelist_sync: bool, no_sync: bool
) -> None:
    db = open_db(no_sync=no_sync, no_freelist_sync=no_freelist_sync, page_size=1024)
    with db.update() as tx:
        for name in BUCKETS[:2]:
            tx.create_bucket(name).put_many((key, bytes(300)) for key in KEYS)
    stop = threading.Event()

    def writer() -> int:
        rng, commits = random.Random(1), 0
        while not stop.is_set():
            with db.update() as tx:
                for name, key in places(rng, 20):
                    if name in BUCKETS[:2]:
                        bucket_at(tx, name).put(key, rng.randbytes(rng.randrange(600)))
            commits += 1
        return commits

    def reader(seed: int) -> Callable[[], int]:
        def work() -> int:
            rng, rounds = random.Random(seed), 0
            while not stop.is_set():
                with db.view() as tx:
                    bucket = bucket_at(tx, rng.choice(BUCKETS[:2]))
                    key = rng.choice(KEYS)
                    first, everything = bucket.get(key), list(bucket.items())
                    for _ in range(rng.randrange(1, 8)):
                        time.sleep(0.005)
                        assert bucket.get(key) == first
                    assert list(bucket.items()) == everything
                rounds += 1
            return rounds

        return work

    readers = [Background(reader(seed)) for seed in range(10)]
    writing = Background(writer)
    time.sleep(DURATION)
    stop.set()
    assert all(call.result() > 0 for call in readers)
    assert writing.result() > 3


def test_writers_of_many_threads_come_one_after_the_other(open_db: OpenDB) -> None:
    db = open_db(no_sync=True)
    with db.update() as tx:
        tx.create_bucket(b"b")
    threads, rounds = 8, sized(c=30, py=15, deep=1000)

    def work() -> list[int]:
        numbers = []
        for _ in range(rounds):
            with db.update() as tx:
                bucket = bucket_at(tx, b"b")
                number = int(bucket.get(b"n") or 0)
                time.sleep(0)  # let others run into the lock
                bucket.put(b"n", b"%d" % (number + 1))
                numbers.append(number)
        return numbers

    numbers = [number for part in run_all([work] * threads) for number in part]
    assert sorted(numbers) == list(range(threads * rounds))


def test_one_read_transaction_may_be_used_by_several_threads_in_turn(open_db: OpenDB) -> None:
    db = open_db()
    with db.update() as tx:
        tx.create_bucket(b"b").put_many((b"%04d" % i, b"%d" % i) for i in range(2000))
    tx = db.begin()
    for _ in range(3):
        assert Background(lambda: list(bucket_at(tx, b"b").keys())[-1]).result() == b"1999"
    Background(tx.rollback).result()
    assert db.stats().open_tx_n == 0


@pytest.mark.parametrize("how", ["update", "batch"])
def test_writers_take_turns_in_the_order_in_which_they_came(open_db: OpenDB, how: str) -> None:
    db = open_db("a.db", no_sync=True, max_batch_delay=0)
    stop = threading.Event()
    turns = [0, 0]

    def take_a_turn(who: int) -> None:
        if how == "batch":
            db.batch(lambda tx: tx.create_bucket_if_not_exists(b"b").put(b"%d" % who, b""))
        else:
            with db.update() as tx:
                tx.create_bucket_if_not_exists(b"b").put(b"%d" % who, b"")
        turns[who] += 1

    def hog() -> None:
        while not stop.is_set():
            take_a_turn(0)

    busy = Background(hog)
    try:
        while not turns[0]:
            time.sleep(0.001)
        before = turns[0]
        for _ in range(50):
            take_a_turn(1)
        between = turns[0] - before
    finally:
        stop.set()
        busy.result()
    assert between < 200  # some go by while a waiter wakes; without turns it would be thousands
