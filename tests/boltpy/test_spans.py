"""Both ways to keep free pages: which run is chosen, what is refused, and that nothing is lost or doubled."""

from __future__ import annotations

import random
from array import array
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boltpy.errors import CorruptError
from boltpy.spans import ArraySpans, HashmapSpans, Spans, new_spans, runs_of
from tests.boltpy.sizes import sized

each_type = pytest.mark.parametrize("freelist_type", ["array", "hashmap"])


def down(ids: Iterable[int]) -> array[int]:
    return array("Q", sorted(ids, reverse=True))


def spans_of(freelist_type: str, ids: Iterable[int]) -> Spans:
    spans = new_spans(freelist_type)
    spans.add(down(ids))
    return spans


def test_each_type_has_its_class_and_says_whether_its_pool_is_all() -> None:
    assert isinstance(new_spans("array"), ArraySpans)
    assert isinstance(new_spans("hashmap"), HashmapSpans)
    assert spans_of("array", [3, 9]).direct
    assert list(spans_of("array", [3, 9]).pool) == [9, 3]
    assert not spans_of("hashmap", [3, 9]).direct
    assert list(spans_of("hashmap", [3, 9]).pool) == []


@pytest.mark.parametrize(
    ("ids", "runs"),
    [([], []), ([4], [(4, 1)]), ([9, 8, 5, 4, 3, 1], [(1, 1), (3, 3), (8, 2)]), ([7, 5, 3], [(3, 1), (5, 1), (7, 1)])],
)
def test_descending_ids_are_told_as_runs_upward(ids: list[int], runs: list[tuple[int, int]]) -> None:
    assert runs_of(array("Q", ids)) == runs


# Which run is chosen.


def test_array_takes_the_front_of_the_lowest_run_that_is_long_enough() -> None:
    spans = spans_of("array", [3, 4, 5, 6, 7, 9, 12, 13, 18])
    assert [spans.take(count) for count in (3, 1, 3, 2, 1, 0, 0)] == [3, 6, 0, 12, 7, 0, 0]
    assert list(spans.ids()) == [18, 9]
    assert [spans.take(1) for _ in range(3)] == [9, 18, 0]
    assert len(spans) == 0


def test_hashmap_takes_a_run_of_that_length_or_cuts_the_shortest_longer_one() -> None:
    spans = spans_of("hashmap", [3, 4, 5, 6, 7, 9, 12, 13, 18])
    assert spans.take(2) == 12
    assert spans.take(1) in (9, 18)
    assert spans.take(3) == 3
    assert list(spans.ids())[1:] == [7, 6]
    assert spans.take(3) == 0
    assert spans.take(0) == 0
    assert len(spans) == 3


@each_type
def test_runs_of_seven_five_three_and_two_serve_requests_of_their_length(freelist_type: str) -> None:
    spans = spans_of(freelist_type, [20, 21, 25, 26, 27, *range(35, 42), *range(45, 50)])
    assert [spans.take(count) for count in (7, 5, 3, 2, 1)] == [35, 45, 25, 20, 0]


@each_type
def test_nothing_can_be_taken_of_nothing(freelist_type: str) -> None:
    spans = new_spans(freelist_type)
    assert [spans.take(count) for count in (0, 1, 2)] == [0, 0, 0]
    assert (len(spans), list(spans.ids())) == (0, [])


@pytest.mark.parametrize(
    ("ids", "added", "runs"),
    [
        ([3, 4, 6, 7], [5], [(3, 5)]),
        ([3, 4], [5], [(3, 3)]),
        ([6, 7], [5], [(5, 3)]),
        ([3, 7], [5], [(3, 1), (5, 1), (7, 1)]),
        ([3, 4, 7, 8, 12], [5, 6, 9, 10], [(3, 8), (12, 1)]),
        ([], [2], [(2, 1)]),
        ([10, 11, 12], [2, 3, 13, 14], [(2, 2), (10, 5)]),
    ],
)
@each_type
def test_runs_that_touch_become_one(
    freelist_type: str, ids: list[int], added: list[int], runs: list[tuple[int, int]]
) -> None:
    spans = spans_of(freelist_type, ids)
    spans.add(down(added))
    assert runs_of(spans.ids()) == runs
    assert len(spans) == len(ids) + len(added)
    start, longest = max(runs, key=lambda run: run[1])
    assert spans.take(longest) == start


# What is refused.


@each_type
@pytest.mark.parametrize("added", [[5], [4, 5], [5, 6], [3, 5, 9], [9, 9]])
def test_a_page_that_is_free_already_is_refused_and_nothing_changes(freelist_type: str, added: list[int]) -> None:
    spans = spans_of(freelist_type, [5, 20, 21])
    with pytest.raises(CorruptError, match="already freed") as caught:
        spans.add(down(added))
    assert caught.value.pgid in (5, 9)
    assert list(spans.ids()) == [21, 20, 5]
    assert [spans.take(2), spans.take(1), spans.take(1)] == [20, 5, 0]


# Any order of things.


class Model:
    """A set of free pages, and what each type must choose from it."""

    def __init__(self, freelist_type: str) -> None:
        self._type = freelist_type
        self.free: set[int] = set()

    def starts(self, count: int) -> set[int]:
        """The pages that a request may be answered with; empty: there is no such run."""
        runs = [(start, length) for start, length in runs_of(down(self.free)) if length >= count]
        if not runs or not count:
            return set()
        if self._type == "array":
            return {runs[0][0]}
        best = min(length for _, length in runs)
        return {start for start, length in runs if length == best}


def compare(spans: Spans, model: Model, steps: Iterable[tuple[bool, int, int]]) -> None:
    """Add and take in turn; each step is (add, first page, count)."""
    for is_add, start, count in steps:
        if is_add:
            added = set(range(start, start + count)) - model.free
            spans.add(down(added))
            model.free |= added
        else:
            allowed = model.starts(count)
            taken = spans.take(count)
            assert (taken in allowed) if allowed else taken == 0
            model.free -= set(range(taken, taken + count)) if taken else set()
        assert len(spans) == len(model.free)
    assert list(spans.ids()) == sorted(model.free, reverse=True)


STEPS = st.lists(st.tuples(st.booleans(), st.integers(2, 60), st.integers(0, 8)), max_size=60)


@each_type
@given(STEPS)
def test_pages_are_neither_lost_nor_doubled_and_the_right_run_is_chosen(
    freelist_type: str, steps: list[tuple[bool, int, int]]
) -> None:
    compare(new_spans(freelist_type), Model(freelist_type), steps)


@each_type
def test_a_long_life_of_many_pages_stays_right(freelist_type: str) -> None:
    rng = random.Random(5)
    count = sized(c=400, py=150, deep=20_000)
    steps = [(rng.random() < 0.5, rng.randrange(2, 3000), rng.choice([1, 1, 1, 2, 5, 40])) for _ in range(count)]
    compare(new_spans(freelist_type), Model(freelist_type), steps)


@each_type
def test_a_hundred_thousand_pages_are_told_in_order(freelist_type: str) -> None:
    rng = random.Random(1)
    ids = {rng.randrange(2, 2**40) for _ in range(50_000)} | set(range(100, 50_100))
    spans = spans_of(freelist_type, ids)
    assert list(spans.ids()) == sorted(ids, reverse=True)
    assert len(spans) == len(ids)
    assert spans.take(40_000) == 100
