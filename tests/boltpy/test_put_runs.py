"""Pairs that a put_many hands on as one run: whatever comes next, all is as if each had been put on its own."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

import boltpy
from tests.models import bucket_at

PAIRS = {b"%04d" % (i * 7919 % 10000): b"value %d" % i for i in range(1000)}
FIRST, LAST = min(PAIRS), max(PAIRS)

Step = Callable[[boltpy.Bucket], object]


def all_of(*calls: Callable[[], object]) -> list[object]:
    return [call() for call in calls]


def refused(call: Callable[..., object], *args: object) -> str:
    with pytest.raises(boltpy.BoltError) as caught:
        call(*args)
    return str(caught.value)


STEPS: dict[str, Step] = {
    "nothing": lambda b: None,
    "get": lambda b: b.get(FIRST),
    "get of a missing key": lambda b: b.get(b"missing"),
    "get_view": lambda b: bytes(b.get_view(LAST) or b"none"),
    "get_many": lambda b: list(b.get_many([LAST, b"missing", FIRST])),
    "in": lambda b: (FIRST in b, b"missing" in b),
    "put of a new key": lambda b: b.put(b"new", b"1"),
    "put of an old key": lambda b: b.put(FIRST, b"1"),
    "put_many of a few": lambda b: b.put_many({FIRST: b"1", b"new": b"2"}),
    "put_many of many": lambda b: b.put_many([(b"%04d" % i, b"again") for i in range(500)]),
    "delete": lambda b: b.delete(FIRST),
    "delete and put": lambda b: all_of(lambda: b.delete(LAST), lambda: b.put(LAST, b"back")),
    "delete_many": lambda b: b.delete_many([FIRST, LAST, b"missing"]),
    "items": lambda b: list(b.items()),
    "items downward": lambda b: list(b.items(start=b"2", reverse=True)),
    "keys by a prefix": lambda b: list(b.keys(prefix=b"12")),
    "cursor first": lambda b: b.cursor().first(),
    "cursor seek and next": lambda b: all_of((c := b.cursor()).last, lambda: c.seek(b"5000"), c.next, c.prev),
    "cursor delete": lambda b: all_of((c := b.cursor()).last, c.delete, c.prev),
    "create_bucket": lambda b: b.create_bucket(b"new").put(b"x", b"y"),
    "create_bucket over a pair": lambda b: refused(b.create_bucket, FIRST),
    "bucket": lambda b: b.bucket(FIRST),
    "buckets": lambda b: list(b.buckets()),
    "stats": lambda b: b.stats().key_n,
    "fill_percent": lambda b: setattr(b, "fill_percent", 0.9),
    "sequence": lambda b: b.next_sequence(),
}


def steps_on(path: Path, step: Step, put: Callable[[boltpy.Bucket], object]) -> tuple[object, list[object], bytes]:
    """What a step returned after the puts, what is there then, and the file that is left."""
    with boltpy.open(path, page_size=4096) as db:
        with db.update() as tx:
            fresh = tx.create_bucket(b"b")
            fresh.put(b"before", b"0")
            fresh.put(FIRST, b"older")
        with db.update() as tx:
            bucket = bucket_at(tx, b"b")
            put(bucket)
            answer = step(bucket)
        with db.view() as tx:
            assert not list(tx.check())
            left: list[object] = list(bucket_at(tx, b"b").items())
    return answer, left, path.read_bytes()


def put_each(bucket: boltpy.Bucket) -> None:
    for key, value in PAIRS.items():
        bucket.put(key, value)


@pytest.mark.parametrize("step", [pytest.param(step, id=name) for name, step in STEPS.items()])
@pytest.mark.parametrize("form", [dict, lambda pairs: list(pairs.items())], ids=["mapping", "pairs"])
def test_a_run_is_as_if_each_pair_had_been_put(
    tmp_path: Path, step: Step, form: Callable[[dict[bytes, bytes]], dict[bytes, bytes]]
) -> None:
    many = steps_on(tmp_path / "many", step, lambda bucket: bucket.put_many(form(PAIRS)))
    each = steps_on(tmp_path / "each", step, put_each)
    assert many == each


def test_what_is_changed_after_put_many_is_not_what_was_put(db: boltpy.DB) -> None:
    keys = [bytearray(key) for key in PAIRS]
    values = [bytearray(value) for value in PAIRS.values()]
    with db.update() as tx:
        bucket = tx.create_bucket(b"b")
        bucket.put_many(zip(keys, values, strict=True))
        for data in keys + values:
            data[:] = b"other"
        assert bucket.get(FIRST) == PAIRS[FIRST]
        other = tx.create_bucket(b"c")
        values = [bytearray(value) for value in PAIRS.values()]
        other.put_many(zip(PAIRS, values, strict=True))
        for data in values:
            data[:] = b"other"
    with db.view() as tx:
        assert dict(bucket_at(tx, b"b").items()) == dict(bucket_at(tx, b"c").items()) == PAIRS


def test_runs_single_changes_and_nested_buckets_meet_in_one_commit(db: boltpy.DB) -> None:
    rng = random.Random(1)
    expected: dict[bytes, dict[bytes, bytes]] = {}
    for number in range(4):
        with db.update() as tx:
            for name in (b"a", b"b", b"c", b"d", b"e"):
                bucket = tx.create_bucket_if_not_exists(b"top").create_bucket_if_not_exists(name)
                own = expected.setdefault(name, {})
                new = {rng.randbytes(3): b"%d" % number for _ in range(rng.choice([3, 100, 700]))}
                if own and rng.random() < 0.4:
                    gone = rng.choice(sorted(own))
                    bucket.delete(gone)
                    del own[gone]
                bucket.put_many(new)
                own |= new
        with db.view() as tx:
            assert not list(tx.check())
            assert {name: dict(bucket_at(tx, b"top", name).items()) for name in expected} == expected


def test_a_run_goes_with_its_bucket(db: boltpy.DB) -> None:
    with db.update() as tx:
        for name in (b"from", b"to", b"doomed"):
            tx.create_bucket(name)
    with db.update() as tx:
        moved = bucket_at(tx, b"from").create_bucket(b"m")
        moved.put_many(PAIRS)
        bucket_at(tx, b"from").move_bucket(b"m", bucket_at(tx, b"to"))
        bucket_at(tx, b"doomed").put_many(PAIRS)
        tx.delete_bucket(b"doomed")
        assert tx.bucket(b"doomed") is None
    undone = db.begin(writable=True)
    bucket_at(undone, b"to").create_bucket(b"n").put_many(PAIRS)
    undone.rollback()
    with db.view() as tx:
        assert not list(tx.check())
        assert dict(bucket_at(tx, b"to", b"m").items()) == PAIRS
        assert list(bucket_at(tx, b"from").keys()) == []
        assert list(bucket_at(tx, b"to").keys()) == [b"m"]


def test_an_iteration_notices_a_run(db: boltpy.DB) -> None:
    with db.update() as tx:
        bucket = tx.create_bucket(b"b")
        bucket.put_many(PAIRS)
    with db.update() as tx:
        bucket = bucket_at(tx, b"b")
        walk = bucket.items()
        next(walk)
        bucket.put_many(dict.fromkeys(PAIRS, b"2"))
        with pytest.raises(RuntimeError, match="changed"):
            list(walk)
        bucket.put(FIRST, b"3")
        assert bucket.get(FIRST) == b"3"


def test_a_handle_of_an_ended_transaction_keeps_no_run(db: boltpy.DB) -> None:
    tx = db.begin(writable=True)
    bucket = tx.create_bucket(b"b")
    tracemalloc.start()
    try:
        bucket.put_many((b"%03d" % i, bytes(20_000)) for i in range(100))
        assert tracemalloc.get_traced_memory()[0] > 2_000_000
        tx.rollback()
        assert tracemalloc.get_traced_memory()[0] < 100_000
    finally:
        tracemalloc.stop()
    with pytest.raises(boltpy.TxClosedError):
        bucket.get(b"000")
