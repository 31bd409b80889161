"""The order of uncommitted keys: as sorted() has it, whenever it is asked for and however keys came."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boltpy.changes import Changes, KeyOrder, Mark, is_there
from tests.boltpy.sizes import sized


def expected(changes: Changes, key: bytes | None, *, reverse: bool, inclusive: bool) -> list[bytes]:
    """The keys from `key` on, by definition."""

    def belongs(found: bytes) -> bool:
        if key is None or found == key:
            return key is None or inclusive
        return found < key if reverse else found > key

    return sorted((found for found in changes if is_there(changes[found]) and belongs(found)), reverse=reverse)


def assert_in_order(order: KeyOrder, changes: Changes, keys: list[bytes | None]) -> None:
    for key in keys:
        assert list(order.upward(key)) == expected(changes, key, reverse=False, inclusive=True)
        assert list(order.downward(key)) == expected(changes, key, reverse=True, inclusive=False)
        for inclusive in (False, True):
            for reverse in (False, True):
                there = expected(changes, key, reverse=reverse, inclusive=inclusive)
                assert order.beside(key, inclusive=inclusive, reverse=reverse) == (there[0] if there else None)


@pytest.mark.parametrize("key", [None, b"", b"k"])
@pytest.mark.parametrize("reverse", [False, True])
def test_no_changes_have_no_keys(key: bytes | None, reverse: bool) -> None:
    assert KeyOrder({}).beside(key, reverse=reverse, inclusive=True) is None
    assert list(KeyOrder({}).upward(key)) == list(KeyOrder({}).downward(key)) == []


def test_the_key_beside_one_that_is_there_or_not() -> None:
    changes: Changes = dict.fromkeys([b"c", b"a", b"e"], b"")
    order = KeyOrder(changes)
    assert order.beside(b"c", reverse=False, inclusive=True) == b"c"
    assert order.beside(b"c", reverse=False, inclusive=False) == b"e"
    assert order.beside(b"c", reverse=True, inclusive=True) == b"c"
    assert order.beside(b"c", reverse=True, inclusive=False) == b"a"
    assert order.beside(b"d", reverse=True, inclusive=True) == b"c"
    assert order.beside(b"z", reverse=True, inclusive=True) == b"e"
    assert order.beside(b"z", reverse=False, inclusive=True) is None
    assert order.beside(b"", reverse=True, inclusive=True) is None


def test_what_is_deleted_leaves_the_order_and_may_come_back() -> None:
    changes: Changes = {b"b": b"", b"a": b""}
    order = KeyOrder(changes)
    assert list(order.upward(None)) == [b"a", b"b"]
    changes[b"a"] = Mark.DELETED
    order.go(b"a")
    changes[b"c"] = Mark.NESTED
    changes[b"d"] = Mark.DELETED
    assert list(order.upward(None)) == [b"b", b"c"]
    for key in (b"a", b"d"):
        order.come_back(key)
        changes[key] = b"again"
    assert list(order.upward(None)) == [b"a", b"b", b"c", b"d"]


def test_the_largest_and_the_smallest_key_may_come_last() -> None:
    changes: Changes = {b"%05d" % i: b"" for i in range(1000, 5000)}
    order = KeyOrder(changes)
    assert next(order.upward(None)) == b"01000"
    changes |= {b"99999": b"", b"00000": b""}
    assert next(order.upward(None)) == b"00000"
    assert next(order.downward(None)) == b"99999"
    assert order.beside(b"04999", inclusive=False, reverse=False) == b"99999"


@pytest.mark.parametrize("arrival", ["ascending", "descending", "random", "in one place"])
def test_keys_that_come_a_few_at_a_time_are_all_in_order(arrival: str) -> None:
    rng = random.Random(arrival)
    count = sized(c=6000, py=4000, deep=60_000)
    numbers = list(range(count))
    if arrival == "descending":
        numbers.reverse()
    elif arrival == "random":
        rng.shuffle(numbers)
    keys = [b"%07d" % number for number in numbers]
    if arrival == "in one place":
        keys = [b"a", b"z", *(b"m%07d" % number for number in numbers)]
    changes: Changes = {}
    order = KeyOrder(changes)
    done = 0
    while done < len(keys):
        step = rng.choice([1, 7, 100, 700])
        changes.update(dict.fromkeys(keys[done : done + step], b""))
        done += step
        probe = rng.choice(list(changes)[-50:])
        here = sorted(changes)
        at = here.index(probe)
        assert list(order.upward(probe)) == here[at:]
        assert list(order.downward(probe)) == here[:at][::-1]
    assert list(order.upward(None)) == sorted(keys)
    assert list(order.downward(None)) == sorted(keys, reverse=True)
    for key in keys:
        assert next(order.upward(key)) == key
        assert order.beside(key, inclusive=True, reverse=True) == key


KEYS = st.binary(min_size=1, max_size=3)


@given(st.lists(st.tuples(st.lists(KEYS, max_size=30), st.lists(KEYS, max_size=20), st.none() | KEYS), max_size=12))
def test_the_order_is_that_of_sorted_whatever_comes_and_goes_between(
    steps: list[tuple[list[bytes], list[bytes], bytes | None]],
) -> None:
    changes: Changes = {}
    order = KeyOrder(changes)
    for added, deleted, probe in steps:
        for key in added:
            if isinstance(changes.get(key), Mark):
                order.come_back(key)
            changes[key] = b""
        for key in deleted:
            changes[key] = Mark.DELETED
            order.go(key)
        assert_in_order(order, changes, [probe, *added[:2], *deleted[:2]])
    assert_in_order(order, changes, [None])
