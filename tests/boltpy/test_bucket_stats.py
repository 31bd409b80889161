"""Bucket statistics: golden figures that Go's bbolt gives for the same work, and inspect.

The page counts pin down where pages split, so they fail when the tree takes another shape than bbolt's.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

import boltpy
from tests.boltpy.gorand import GoRand
from tests.boltpy.sizes import sized
from tests.conftest import OpenDB
from tests.models import bucket_at


def stats_of(db: boltpy.DB, *path: bytes) -> dict[str, int]:
    """The statistics of a bucket, without the fields that are zero."""
    with db.view() as tx:
        return {name: value for name, value in asdict(bucket_at(tx, *path).stats()).items() if value}


@pytest.mark.parametrize(
    ("freelist_type", "page_size", "branch_inuse", "leaf_pages"),
    [
        ("array", 1024, 472, 24),
        ("hashmap", 1024, 472, 24),
        ("array", 4096, 149, 7),
        ("hashmap", 4096, 149, 7),
        ("array", 16384, 73, 3),
        ("hashmap", 65536, 54, 2),
    ],
)
def test_five_hundred_small_pairs_and_one_value_of_ten_pages(
    open_db: OpenDB, page_size: int, branch_inuse: int, leaf_pages: int
) -> None:
    db = open_db(page_size=page_size, no_sync=True)
    for i in range(500):
        with db.update() as tx:
            tx.create_bucket_if_not_exists(b"woojits").put(b"%03d" % i, b"%d" % i)
    large = 10 * page_size + 17
    with db.update() as tx:
        bucket_at(tx, b"woojits").put(b"really-big-value", b"*" * large)
    key_bytes, value_bytes = 500 * 3 + len(b"really-big-value"), 10 * 1 + 90 * 2 + 400 * 3
    assert stats_of(db, b"woojits") == {
        "branch_page_n": 1,
        "leaf_page_n": leaf_pages,
        "leaf_overflow_n": 10,
        "key_n": 501,
        "depth": 2,
        "branch_alloc": page_size,
        "branch_inuse": branch_inuse,
        "leaf_alloc": (leaf_pages + 10) * page_size,
        "leaf_inuse": 16 * leaf_pages + 501 * 16 + key_bytes + value_bytes + large,
        "bucket_n": 1,
    }


# pages and bytes in use of branches and leaves, depth; by page size and number of transactions
LARGE = {
    (1024, 10): (19, 9706, 455, 245_060, 3),
    (4096, 10): (1, 2193, 110, 239_540, 2),
    (16384, 10): (1, 570, 28, 238_228, 2),
    (65536, 10): (1, 153, 7, 237_892, 2),
    (1024, 100): (219, 112_875, 5039, 2_658_404, 4),
    (4096, 100): (13, 25_257, 1196, 2_596_916, 3),
    (16384, 100): (1, 6094, 292, 2_582_452, 2),
    (65536, 100): (1, 1534, 73, 2_578_948, 2),
}


@pytest.mark.parametrize("page_size", [1024, 4096, 16384, 65536])
def test_transactions_of_a_thousand_decimal_counters(open_db: OpenDB, freelist_type: str, page_size: int) -> None:
    db = open_db(page_size=page_size, no_sync=True)
    transactions = sized(c=100 if freelist_type == "array" else 10, py=10, deep=100)
    for first in range(0, 1000 * transactions, 1000):
        with db.update() as tx:
            bucket = tx.create_bucket_if_not_exists(b"widgets")
            for i in range(first, first + 1000):
                bucket.put(b"%d" % i, b"%d" % i)
    branches, branch_inuse, leaves, leaf_inuse, depth = LARGE[page_size, transactions]
    assert stats_of(db, b"widgets") == {
        "branch_page_n": branches,
        "leaf_page_n": leaves,
        "key_n": 1000 * transactions,
        "depth": depth,
        "branch_alloc": branches * page_size,
        "branch_inuse": branch_inuse,
        "leaf_alloc": leaves * page_size,
        "leaf_inuse": leaf_inuse,
        "bucket_n": 1,
    }


# the same for random keys with a fill percent of 0.9 on 4096-byte pages, by number of transactions
RANDOM_FILL = {
    30: (1, 3391, 92, 142_072, 2),
    100: (12, 13_458, 349, 474_274, 3),
    1000: (98, 130_984, 3412, 4_742_482, 3),
}


def test_random_keys_with_a_fill_percent_of_ninety(open_db: OpenDB, freelist_type: str) -> None:
    db = open_db(page_size=4096, no_sync=True, strict=False)  # a thousand checks of all pages would take minutes
    if freelist_type == "array":
        transactions = sized(c=1000, py=100, deep=1000)
    else:
        transactions = sized(c=100, py=30, deep=1000)
    rng = GoRand(Path(__file__).with_name("go_rand_seed_42.txt"))
    for i in rng.permutation(transactions):
        with db.update() as tx:
            bucket = tx.create_bucket_if_not_exists(b"woojits")
            bucket.fill_percent = 0.9
            for j in rng.permutation(100):
                bucket.put(b"%d000000000000000" % (j * 10_000 + i), b"0000000000")
    branches, branch_inuse, leaves, leaf_inuse, depth = RANDOM_FILL[transactions]
    assert stats_of(db, b"woojits") == {
        "branch_page_n": branches,
        "leaf_page_n": leaves,
        "key_n": 100 * transactions,
        "depth": depth,
        "branch_alloc": branches * 4096,
        "branch_inuse": branch_inuse,
        "leaf_alloc": leaves * 4096,
        "leaf_inuse": leaf_inuse,
        "bucket_n": 1,
    }


def test_a_small_bucket_is_inline_and_has_no_pages(db: boltpy.DB) -> None:
    with db.update() as tx:
        tx.create_bucket(b"whozawhats").put(b"foo", b"bar")
    assert stats_of(db, b"whozawhats") == {
        "key_n": 1,
        "depth": 1,
        "bucket_n": 1,
        "inline_bucket_n": 1,
        "inline_bucket_inuse": 38,
    }


def test_an_empty_bucket_uses_one_page_header(db: boltpy.DB) -> None:
    with db.update() as tx:
        tx.create_bucket(b"whozawhats")
    assert stats_of(db, b"whozawhats") == {
        "depth": 1,
        "bucket_n": 1,
        "inline_bucket_n": 1,
        "inline_bucket_inuse": 16,
    }


def test_nested_buckets_count_into_their_parent(open_db: OpenDB) -> None:
    db = open_db(page_size=4096)
    with db.update() as tx:
        foo = tx.create_bucket(b"foo")
        foo.put_many((b"%02d" % i, b"%02d" % i) for i in range(100))
        bar = foo.create_bucket(b"bar")
        bar.put_many((b"%d" % i, b"%d" % i) for i in range(10))
        baz = bar.create_bucket(b"baz")
        baz.put_many((b"%d" % i, b"%d" % i) for i in range(10))
    inline = 16 + 10 * 16 + 20
    foo_page = 16 + 101 * 16 + 100 * 4 + 3 + 16
    bar_page = 16 + 11 * 16 + 10 * 2 + 3 + 16 + inline
    assert (inline, foo_page + bar_page) == (196, 2478)
    assert stats_of(db, b"foo") == {
        "leaf_page_n": 2,
        "key_n": 122,
        "depth": 3,
        "leaf_alloc": 2 * 4096,
        "leaf_inuse": foo_page + bar_page,
        "bucket_n": 3,
        "inline_bucket_n": 1,
        "inline_bucket_inuse": inline,
    }


def test_statistics_show_the_last_commit_and_not_the_changes_of_this_transaction(db: boltpy.DB) -> None:
    with db.update() as tx:
        tx.create_bucket(b"b").put_many((b"%04d" % i, b"v") for i in range(1000))
    with db.update() as tx:
        before = bucket_at(tx, b"b").stats()
        bucket_at(tx, b"b").delete_many(b"%04d" % i for i in range(500))
        assert bucket_at(tx, b"b").stats() == before
    assert stats_of(db, b"b")["key_n"] == 500


def test_statistics_of_two_buckets_add_up_with_the_greater_depth(open_db: OpenDB) -> None:
    db = open_db(page_size=1024)
    with db.update() as tx:
        tx.create_bucket(b"flat").put(b"k", b"v")
        tx.create_bucket(b"tall").put_many((b"%05d" % i, bytes(50)) for i in range(1000))
    with db.view() as tx:
        flat, tall = bucket_at(tx, b"flat").stats(), bucket_at(tx, b"tall").stats()
        total = flat + tall
    assert (flat.depth, tall.depth, total.depth) == (1, 3, 3)
    for name, value in asdict(total).items():
        if name != "depth":
            assert value == getattr(flat, name) + getattr(tall, name), name


def test_inspect_tells_names_and_counts_of_the_whole_tree(db: boltpy.DB) -> None:
    with db.update() as tx:
        first = tx.create_bucket(b"b1")
        first.put_many((b"%d" % i, b"") for i in range(3))
        first.create_bucket(b"b1b").create_bucket(b"b1ba").put(b"x", b"y")
        first.create_bucket(b"b1a").put_many((b"%d" % i, b"") for i in range(500))
        tx.create_bucket(b"b0")
        expected = boltpy.BucketStructure(
            b"root",
            0,
            [
                boltpy.BucketStructure(b"b0", 0, []),
                boltpy.BucketStructure(
                    b"b1",
                    3,
                    [
                        boltpy.BucketStructure(b"b1a", 500, []),
                        boltpy.BucketStructure(b"b1b", 0, [boltpy.BucketStructure(b"b1ba", 1, [])]),
                    ],
                ),
            ],
        )
        assert tx.inspect() == expected
    with db.view() as tx:
        assert tx.inspect() == expected
        assert bucket_at(tx, b"b1").inspect().buckets == expected.buckets[1].buckets
        assert bucket_at(tx, b"b1").inspect().key_n == 3
