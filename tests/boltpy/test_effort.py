"""Work that many small steps of one transaction take: not more for the last than for the first."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from itertools import islice
from types import FrameType
from typing import Any

import pytest

import boltpy
from boltpy.cursor import Steps
from tests.models import bucket_at

STEPS = 150


def lines_of(step: Callable[[int], object], numbers: range) -> int:
    """Return how many lines of Python some steps take."""
    lines = Counter[str]()

    def count_lines(frame: FrameType, event: str, value: object) -> Any:
        lines[event] += 1
        return count_lines

    before = sys.gettrace()
    sys.settrace(count_lines)
    try:
        for number in numbers:
            step(number)
    finally:
        sys.settrace(before)
    return lines["line"]


def assert_no_step_takes_longer(step: Callable[[int], object]) -> None:
    """Compare the second share of the steps with the last one, which is four times as far."""
    effort = [lines_of(step, range(i * STEPS, (i + 1) * STEPS)) for i in range(6)]
    assert effort[5] < 1.5 * effort[1]


@pytest.mark.parametrize("how", ["first", "last", "seek", "iterator", "reversed"])
def test_taking_item_after_item_from_one_end_walks_over_none_of_them_twice(db: boltpy.DB, how: str) -> None:
    count = 4 * STEPS
    with db.update() as tx:
        tx.create_bucket(b"b").put_many((b"%05d" % i, b"v") for i in range(count))
    with db.update() as tx:
        bucket = bucket_at(tx, b"b")
        bucket.put_many((b"%05d+" % i, b"new") for i in range(0, count, 2))
        cursor = bucket.cursor()
        looks: dict[str, Callable[[], bytes | None]] = {
            "first": lambda: (cursor.first() or (None,))[0],
            "last": lambda: (cursor.last() or (None,))[0],
            "seek": lambda: (cursor.seek(b"0") or (None,))[0],
            "iterator": lambda: next(iter(bucket), None),
            "reversed": lambda: next(reversed(bucket), None),
        }
        everything = sorted(bucket)
        taken: list[bytes] = []

        def take(number: int) -> None:
            key = looks[how]()
            assert key is not None
            taken.append(key)
            bucket.delete(key)

        assert_no_step_takes_longer(take)
        assert looks[how]() is None
    assert taken == (everything[::-1] if how in ("last", "reversed") else everything)


def test_looks_between_small_changes_put_nothing_in_order_anew(db: boltpy.DB) -> None:
    count = 7 * STEPS
    with db.update() as tx:
        tx.create_bucket(b"b").put_many((b"%05d" % i, b"v") for i in range(count))
        for i in range(count):
            tx.create_bucket(b"n%05d" % i)
    with db.update() as tx:
        bucket, root = bucket_at(tx, b"b"), tx.cursor()

        def make_a_bucket(number: int) -> None:
            root.last()
            tx.create_bucket(b"z%05d" % number)

        def delete_a_bucket(number: int) -> None:
            root.seek(b"n")
            tx.delete_bucket(b"n%05d" % number)

        def put_back(number: int) -> None:
            bucket.put_many({b"%05d" % number: b"new"})
            assert bucket.cursor().seek(b"%05d" % number) == (b"%05d" % number, b"new")

        assert_no_step_takes_longer(make_a_bucket)
        assert_no_step_takes_longer(delete_a_bucket)
        bucket.delete_many(b"%05d" % i for i in range(count))
        assert_no_step_takes_longer(put_back)


@pytest.mark.parametrize("reverse", [False, True])
def test_a_walk_leaps_over_what_its_transaction_deleted(db: boltpy.DB, reverse: bool) -> None:
    pairs = {b"%06d" % i: b"v" for i in range(200 * STEPS)}
    with db.update() as tx:
        tx.create_bucket(b"b").put_many(pairs)
    with db.update() as tx:
        bucket = bucket_at(tx, b"b")
        order = sorted(pairs, reverse=reverse)
        bucket.delete_many(order[20:-20])

        def across(number: int) -> None:
            walk = bucket.keys(stop=order[9], reverse=True) if reverse else bucket.keys(start=order[10])
            assert list(islice(walk, 15)) == order[10:20] + order[-20:-15]

        across(0)  # finds out how far to leap
        assert lines_of(across, range(10)) < 4 * len(pairs)  # more than twice as many if each walk looked at all


def test_a_walk_over_what_its_transaction_replaced_looks_at_each_committed_item_a_few_times(
    db: boltpy.DB, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = {b"%04d" % i: b"old" for i in range(1000)}
    with db.update() as tx:
        tx.create_bucket(b"b").put_many(pairs)
    looked: list[object] = []
    committed = Steps._committed

    def counted(steps: Steps, key: bytes | None, inclusive: bool, reverse: bool) -> object:
        looked.append(key)
        return committed(steps, key, inclusive, reverse)

    monkeypatch.setattr(Steps, "_committed", counted)
    with db.update() as tx:
        bucket = bucket_at(tx, b"b")
        for key in pairs:
            bucket.put(key, b"new")
        cursor = bucket.cursor()
        seen, item = [], cursor.first()
        while item is not None:
            seen.append(item)
            item = cursor.next()
        assert seen == [(key, b"new") for key in pairs]
    assert len(looked) < 5 * len(pairs)


def test_deleting_and_moving_buckets_that_hold_buckets_looks_at_no_others(db: boltpy.DB) -> None:
    count = 7 * STEPS
    with db.update() as tx:
        for i in range(count):
            tx.create_bucket(b"%05d" % i).create_bucket(b"nested").put(b"key", b"value")
            tx.create_bucket(b"m%05d" % i).create_bucket(b"nested").put(b"key", b"value")
        target = tx.create_bucket(b"target")
    with db.update() as tx:
        target = bucket_at(tx, b"target")
        assert_no_step_takes_longer(lambda i: tx.delete_bucket(b"%05d" % i))
        assert_no_step_takes_longer(lambda i: tx.move_bucket(b"m%05d" % i, None, target))


def test_a_bucket_that_moves_no_deeper_is_not_looked_through(db: boltpy.DB) -> None:
    with db.update() as tx:
        tx.create_bucket(b"b").put_many({b"%06d" % i: b"" for i in range(20_000)})
        tx.create_bucket(b"deep").create_bucket(b"b").put_many({b"%06d" % i: b"" for i in range(20_000)})
    with db.update() as tx:
        deep = bucket_at(tx, b"deep")
        assert lines_of(lambda _: tx.move_bucket(b"b", None, None, b"c"), range(1)) < 1000
        assert lines_of(lambda _: tx.move_bucket(b"b", deep, None), range(1)) < 1000


def test_the_first_nested_bucket_is_told_before_the_others_are_looked_for(db: boltpy.DB) -> None:
    with db.update() as tx:
        for i in range(5000):
            tx.create_bucket(b"%05d" % i)
    with db.update() as tx:
        assert lines_of(lambda _: next(tx.buckets()), range(1)) < 5000
    with db.view() as tx:
        assert lines_of(lambda _: next(tx.buckets()), range(1)) < 5000
