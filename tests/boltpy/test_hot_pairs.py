"""Items as pairs: both twins copy the same ones, no more than fit, and nothing of what lies around them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boltpy.errors import CorruptError
from boltpy.hot.pure_read import BYTES_PER_ITEM, LARGEST_SCAN, SCAN_EXCLUSIVE, SCAN_REVERSE, Pair
from tests.boltpy.test_hot_damage import BAD_IMAGES
from tests.boltpy.twins import NATIVE, PURE, Entry, Image, Twin, View, each_twin, make_tree, needs_native

PAGE = 1024
HOW = st.sampled_from([0, SCAN_REVERSE, SCAN_EXCLUSIVE, SCAN_REVERSE | SCAN_EXCLUSIVE])
# Many of one size and a few others: rows of equal items, and what stands between them.
SIZES = st.sampled_from([0, 4, 4, 4, 30, 500, 3000, 9000])
ENTRIES = st.lists(st.tuples(st.integers(0, 9999), SIZES, st.integers(0, 9)), max_size=40, unique_by=lambda it: it[0])


def tree_of(items: list[tuple[int, int, int]], per_leaf: int) -> tuple[list[Entry], Image]:
    """Entries of (number, size of the value, 0: a nested bucket), and a tree of them."""
    entries = [(0 if kind else 1, b"%04d" % number, bytes([kind]) * size) for number, size, kind in sorted(items)]
    return entries, make_tree(entries, PAGE, per_leaf)


def pairs_of(entries: list[Entry]) -> list[Pair]:
    return [(key, None if flags else value) for flags, key, value in entries]


def all_in_steps(twin: Twin, image: Image, how: int, step: int) -> list[list[Pair]]:
    view, key, done = View(twin, image), None, False
    found: list[list[Pair]] = []
    while not done:
        pairs, key, done = twin.scan_pairs(view.tree, image.data, key, None, how, step)
        found.append(list(pairs))
        how |= SCAN_EXCLUSIVE
    return found


@each_twin
@given(ENTRIES, st.integers(1, 9), HOW, st.integers(1, LARGEST_SCAN))
def test_all_items_come_once_and_in_order(
    twin: Twin, items: list[tuple[int, int, int]], per_leaf: int, how: int, step: int
) -> None:
    entries, image = tree_of(items, per_leaf)
    found = all_in_steps(twin, image, how, step)
    expected = pairs_of(entries[::-1] if how & SCAN_REVERSE else entries)
    assert [pair for part in found for pair in part] == expected
    assert all(len(part) <= step for part in found)


@needs_native
@given(ENTRIES, st.integers(1, 9), HOW, st.integers(1, 50), st.integers(0, 9999), st.none() | st.integers(0, 9999))
def test_both_twins_stop_at_the_same_item(
    items: list[tuple[int, int, int]], per_leaf: int, how: int, step: int, start: int, stop: int | None
) -> None:
    _, image = tree_of(items, per_leaf)
    key, bound = b"%04d" % start, None if stop is None else b"%04d" % stop
    views = View(PURE, image), View(NATIVE, image)
    pure, native = (
        twin.scan_pairs(view.tree, image.data, key, bound, how, step)
        for twin, view in zip((PURE, NATIVE), views, strict=True)
    )
    assert (list(pure[0]), *pure[1:]) == (list(native[0]), *native[1:])


@each_twin
@given(ENTRIES, st.integers(1, 9), HOW, st.integers(1, 50), st.integers(0, 9999), st.none() | st.integers(0, 9999))
def test_keys_are_those_of_the_pairs_and_their_values_do_not_count(
    twin: Twin,
    items: list[tuple[int, int, int]],
    per_leaf: int,
    how: int,
    step: int,
    start: int,
    stop: int | None,
) -> None:
    entries, image = tree_of(items, per_leaf)
    view = View(twin, image)
    key, bound = b"%04d" % start, None if stop is None else b"%04d" % stop
    without = [(flags, name, b"") for flags, name, _ in entries]
    image_without = make_tree(without, PAGE, per_leaf)
    view_without = View(twin, image_without)
    expected = twin.scan_pairs(view_without.tree, image_without.data, key, bound, how, step)
    found = twin.scan_keys(view.tree, image.data, key, bound, how, step)
    assert (list(found[0]), *found[1:]) == ([name for name, _ in expected[0]], *expected[1:])


@each_twin
@pytest.mark.parametrize("how", [0, SCAN_REVERSE])
@pytest.mark.parametrize("size", [BYTES_PER_ITEM, 5000])
def test_only_the_first_item_may_pass_the_bytes_for_all(twin: Twin, size: int, how: int) -> None:
    entries = [(0, b"%04d" % i, bytes(size + i % 2)) for i in range(20)]
    for part, following in pairwise(all_in_steps(twin, make_tree(entries, PAGE, 3), how, 8)):
        taken = sum(len(key) + len(value or b"") + 10 for key, value in part)
        key, value = following[0]
        assert len(part) == 1 or taken <= 8 * BYTES_PER_ITEM
        assert taken + len(key) + len(value or b"") + 10 > 8 * BYTES_PER_ITEM


@each_twin
def test_the_largest_scan_fits_whatever_it_meets(twin: Twin) -> None:
    for size in (0, BYTES_PER_ITEM - 14, BYTES_PER_ITEM - 13, BYTES_PER_ITEM * LARGEST_SCAN, 10**6):
        entries = [(int(i % 3 == 0), b"%04d" % i, bytes(size)) for i in range(LARGEST_SCAN + 2 if size < 10**4 else 4)]
        entries += [(1, b"z" * 30000 + b"%d" % i, b"") for i in range(5)]
        image = make_tree(entries, PAGE, 7)
        for how in (0, SCAN_REVERSE):
            found = [pair for part in all_in_steps(twin, image, how, LARGEST_SCAN) for pair in part]
            assert found == pairs_of(entries[::-1] if how else entries)
            view = View(twin, image)
            keys = twin.scan_keys(view.tree, image.data, None, None, how, LARGEST_SCAN)[0]
            assert next(keys) == found[0][0]


@each_twin
def test_pairs_are_copies(twin: Twin) -> None:
    entries = [(0, b"%04d" % i, b"old") for i in range(30)]
    image = make_tree(entries, PAGE, 10)
    data = bytearray(image.data)
    view = View(twin, Image(image.page_size, data, image.root))  # type: ignore[arg-type]  # to be written over
    pairs, _, _ = twin.scan_pairs(view.tree, data, None, None, 0, 8)
    first = next(pairs)
    data[2 * PAGE :] = bytes(len(data) - 2 * PAGE)
    assert [first, *pairs] == pairs_of(entries[:8])


@each_twin
@pytest.mark.parametrize("name", BAD_IMAGES)
def test_a_damaged_page_is_named_with_the_reason(twin: Twin, name: str) -> None:
    image, pgid, reason = BAD_IMAGES[name]
    view = View(twin, image)
    for how in (0, SCAN_REVERSE):
        for scan in (twin.scan_pairs, twin.scan_keys):
            with pytest.raises(CorruptError) as caught:
                list(scan(view.tree, image.data, None, None, how, 99)[0])
            assert caught.value.pgid == pgid
            assert reason in caught.value.reason
