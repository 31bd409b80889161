"""Random pairs put singly, in bulk and deleted one by one, with everything compared after each commit."""

from __future__ import annotations

import random

import pytest

import boltpy
from tests.boltpy.sizes import sized
from tests.conftest import OpenDB
from tests.models import bucket_at

SEEDS = range(sized(c=3, py=2, deep=20))


def random_pairs(rng: random.Random, count: int, largest: int) -> dict[bytes, bytes]:
    """Up to `count` pairs with keys of 1 and values of 0 up to `largest` bytes."""
    return {rng.randbytes(rng.randint(1, largest)): rng.randbytes(rng.randint(0, largest)) for _ in range(count)}


def assert_equal(db: boltpy.DB, expected: dict[bytes, bytes]) -> None:
    with db.view() as tx:
        assert dict(bucket_at(tx, b"widgets").items()) == expected
        assert list(tx.check()) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_one_put_a_transaction_keeps_all_earlier_ones(open_db: OpenDB, seed: int) -> None:
    db = open_db(no_sync=True, page_size=random.Random(seed).choice([1024, 4096]))
    rng = random.Random(seed)
    expected: dict[bytes, bytes] = {}
    with db.update() as tx:
        tx.create_bucket(b"widgets")
    for number, (key, value) in enumerate(random_pairs(rng, sized(c=150, py=60, deep=1000), 1023).items()):
        with db.update() as tx:
            bucket_at(tx, b"widgets").put(key, value)
        expected[key] = value
        if number % 10 == 0:
            assert_equal(db, expected)
    assert_equal(db, expected)


@pytest.mark.parametrize("seed", SEEDS)
def test_all_pairs_put_in_one_transaction_come_back(open_db: OpenDB, seed: int) -> None:
    rng = random.Random(seed)
    db = open_db(no_sync=True)
    expected = random_pairs(rng, 1000, 1023)
    with db.update() as tx:
        bucket = tx.create_bucket(b"widgets")
        for key, value in expected.items():
            bucket.put(key, value)
    assert_equal(db, expected)
    with db.view() as tx:
        bucket = bucket_at(tx, b"widgets")
        assert [bucket.get(key) for key in expected] == list(expected.values())


@pytest.mark.parametrize("seed", SEEDS)
def test_pairs_deleted_one_a_transaction_until_none_is_left(open_db: OpenDB, seed: int) -> None:
    rng = random.Random(seed)
    db = open_db(no_sync=True, page_size=1024)
    expected = random_pairs(rng, sized(c=200, py=100, deep=1000), 300)
    with db.update() as tx:
        tx.create_bucket(b"widgets").put_many(expected)
    order = list(expected)
    rng.shuffle(order)
    for number, key in enumerate(order):
        with db.update() as tx:
            bucket_at(tx, b"widgets").delete(key)
        del expected[key]
        if number % 10 == 0:
            assert_equal(db, expected)
    assert_equal(db, {})


@pytest.mark.parametrize("fill_percent", [0.0, 0.1, 0.25, 0.9, 1.0, 5.0])
def test_any_fill_percent_keeps_every_pair(open_db: OpenDB, fill_percent: float) -> None:
    rng = random.Random(5)
    db = open_db(no_sync=True, page_size=1024)
    expected: dict[bytes, bytes] = {}
    for _ in range(5):
        batch = random_pairs(rng, 200, 100)
        gone = rng.sample(sorted(expected), len(expected) // 3)
        with db.update() as tx:
            bucket = tx.create_bucket_if_not_exists(b"widgets")
            bucket.fill_percent = fill_percent
            for key in gone:
                bucket.delete(key)
                del expected[key]
            bucket.put_many(batch)
        expected.update(batch)
        assert_equal(db, expected)


def test_a_higher_fill_percent_takes_fewer_leaves(open_db: OpenDB) -> None:
    leaves = []
    for percent in (0.25, 0.5, 0.9):
        db = open_db(f"{percent}.db", page_size=4096)
        with db.update() as tx:
            bucket = tx.create_bucket(b"b")
            assert bucket.fill_percent == 0.5
            bucket.fill_percent = percent
            bucket.put_many((b"%06d" % i, bytes(20)) for i in range(5000))
        with db.view() as tx:
            leaves.append(bucket_at(tx, b"b").stats().leaf_page_n)
            assert bucket_at(tx, b"b").fill_percent == 0.5
    assert leaves[0] > 1.8 * leaves[1] > 1.8 * 1.6 * leaves[2]
