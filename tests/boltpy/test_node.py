"""Nodes: where bolt cuts them, how they lie on a page, and what is refused of a page that was not laid out so."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boltpy.errors import CorruptError
from boltpy.format import MAX_PAGE_ITEMS
from boltpy.hot.pure_node import Item, encode_page, page_items, split, used_size
from boltpy.hot.raw_page import RawPage, raw_page
from tests.boltpy.twins import branch_image, leaf_image, outcome


def item(key: bytes, value: bytes = b"0123456701234567") -> Item:
    return Item(key, value, 0, 0)


def items(count: int, value_size: int = 16) -> list[Item]:
    """Items with keys of 8 bytes: each takes 24 bytes and its value."""
    return [item(b"%08d" % i, bytes(value_size)) for i in range(count)]


def part_sizes(node: list[Item], page_size: int, threshold: int) -> list[int]:
    return [len(part) for part, _ in split(node, page_size, threshold)]


def page(raw: bytes) -> RawPage:
    return raw_page(raw, 0, 7, len(raw), 1)


# Splitting.


def test_five_items_on_a_page_of_100_bytes_become_two_and_three() -> None:
    assert split(items(5), 100, 50) == [(items(5)[:2], 16 + 2 * 40), (items(5)[2:], 16 + 3 * 40)]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4])
def test_up_to_four_items_are_never_split(count: int) -> None:
    assert part_sizes(items(count), 20, 10) == [count]
    assert part_sizes(items(count, 100_000), 4096, 2048) == [count]


def test_what_fits_the_page_is_not_split() -> None:
    assert part_sizes(items(5), 4096, 2048) == [5]


def test_a_node_of_exactly_a_page_is_split_and_one_byte_less_is_not() -> None:
    node = items(9)
    size = 16 + 9 * 40
    assert part_sizes(node, size, size // 2) == [4, 5]
    assert part_sizes(node, size + 1, size // 2) == [9]


def test_the_left_part_may_reach_the_threshold_to_the_byte() -> None:
    assert part_sizes(items(10), 300, 16 + 5 * 40) == [5, 5]
    assert part_sizes(items(10), 300, 16 + 5 * 40 - 1) == [4, 6]


def test_two_items_stay_left_and_three_right_however_large_they_are() -> None:
    assert part_sizes(items(5, 100_000), 4096, 2048) == [2, 3]
    assert part_sizes(items(6, 100_000), 4096, 2048) == [2, 4]
    assert part_sizes(items(7, 100_000), 4096, 2048) == [2, 2, 3]
    assert part_sizes([*items(5), item(b"9", bytes(4096))], 4096, 4096) == [3, 3]


def test_a_full_fill_fills_pages_and_a_small_one_leaves_room() -> None:
    assert part_sizes(items(300), 4096, 4096)[:2] == [102, 102]
    assert part_sizes(items(300), 4096, 409)[:2] == [9, 9]


def test_no_part_has_more_items_than_a_page_can_count() -> None:
    node = [item(b"k", b"")] * (MAX_PAGE_ITEMS + 1)
    assert part_sizes(node, 2**30, 2**30) == [MAX_PAGE_ITEMS - 2, 3]
    assert part_sizes(node[1:], 2**30, 2**30) == [MAX_PAGE_ITEMS]


def split_index(node: list[Item], threshold: int) -> int:
    """bbolt's node.splitIndex, line by line."""
    size, index = 16, 0
    for i in range(len(node) - 2):
        index = i
        item_size = 16 + len(node[i].key) + len(node[i].value)
        if index >= 2 and size + item_size > threshold:
            break
        size += item_size
    return index


def split_by_twos(node: list[Item], page_size: int, threshold: int) -> list[int]:
    """bbolt's node.split: splitTwo again and again."""
    parts = []
    while len(node) > 4 and 16 + sum(16 + len(i.key) + len(i.value) for i in node) >= page_size:
        index = split_index(node, threshold)
        parts.append(index)
        node = node[index:]
    return [*parts, len(node)]


SIZES = st.lists(st.integers(0, 50) | st.integers(0, 3000), max_size=60)


@given(SIZES, st.sampled_from([1024, 4096]), st.sampled_from([0.1, 0.5, 0.73, 1.0]))
def test_nodes_are_cut_where_bbolt_cuts_them(sizes: list[int], page_size: int, fill: float) -> None:
    node = [item(b"%03d" % i, bytes(size)) for i, size in enumerate(sizes)]
    threshold = int(page_size * fill)
    parts = split(node, page_size, threshold)
    assert [len(part) for part, _ in parts] == split_by_twos(node, page_size, threshold)
    assert [each for part, _ in parts for each in part] == node
    assert [size for _, size in parts] == [16 + sum(each.size for each in part) for part, _ in parts]


# Pages.


def test_a_leaf_page_of_two_elements_is_read_by_position_and_sizes() -> None:
    raw = (
        bytes.fromhex(
            "0700000000000000 0200 0200 00000000"  # id 7, leaf, 2 elements
            "00000000 20000000 03000000 04000000"  # pos 32: from this element
            "01000000 17000000 0a000000 03000000"
        )
        + b"barfoozhelloworldbye"
    )
    assert page_items(page(raw)) == [Item(b"bar", b"fooz", 0, 0), Item(b"helloworld", b"bye", 1, 0)]
    assert encode_page(7, True, page_items(page(raw)), len(raw)) == raw


def test_pages_are_laid_out_without_gaps_and_filled_up_with_zeros() -> None:
    entries = [(0, b"john", b"johnson"), (1, b"ricki", b"lake"), (0, b"susy", b"que")]
    node = [Item(key, value, flags, 0) for flags, key, value in entries]
    assert encode_page(7, True, node, 4096) == leaf_image(7, entries, 4096)
    assert encode_page(7, True, node, 8192, overflow=1) == leaf_image(7, entries, 8192, overflow=1)
    children = [Item(b"a", b"", 0, 3), Item(b"long key", b"", 0, 2**64 - 1)]
    assert encode_page(9, False, children, 200) == branch_image(9, [(i.key, i.child) for i in children], 200)
    assert page_items(page(encode_page(7, False, children, 200))) == children
    assert encode_page(2, True, [], 32) == leaf_image(2, [], 32)


LEAF_ITEMS = st.lists(
    st.builds(Item, st.binary(min_size=1, max_size=9), st.binary(max_size=30), st.integers(0, 1), st.just(0)),
    max_size=9,
)
BRANCH_ITEMS = st.lists(
    st.builds(Item, st.binary(min_size=1, max_size=9), st.just(b""), st.just(0), st.integers(0, 2**64 - 1)), max_size=9
)


@given(st.one_of(st.tuples(st.just(True), LEAF_ITEMS), st.tuples(st.just(False), BRANCH_ITEMS)), st.integers(0, 99))
def test_what_is_laid_out_is_read_back(node: tuple[bool, list[Item]], spare: int) -> None:
    is_leaf, expected = node
    size = 16 + sum(each.size for each in expected)
    loaded = page(encode_page(7, is_leaf, expected, size + spare))
    assert page_items(loaded) == expected
    assert used_size(loaded) == size
    assert loaded.is_leaf == is_leaf


def elements(loaded: RawPage) -> list[tuple[bytes, bytes, int, int]]:
    """All items of a page, one checked element at a time."""
    found = [loaded.element(i) for i in range(loaded.item_count)]
    raw = bytes(loaded.map)
    return [(raw[e.key_at : e.value_at], raw[e.value_at : e.value_at + e.vsize], e.flags, e.child) for e in found]


@given(st.sampled_from([1, 2]), st.integers(0, 5), st.binary(min_size=80, max_size=120))
def test_any_bytes_are_the_items_of_checked_elements_or_a_corrupt_page(flags: int, count: int, body: bytes) -> None:
    raw = (7).to_bytes(8, "little") + bytes([flags, 0, count, 0]) + bytes(4) + body
    for data in (raw, raw[:16] + bytes(byte % 40 if i % 4 == 0 else 0 for i, byte in enumerate(body))):
        loaded = page(data)
        expected = outcome(partial(elements, loaded))
        if expected[0] != "corrupt":
            taken = 16 + sum(16 + len(key) + len(value) for key, value, _, _ in expected[1])
            if taken > loaded.size:
                with pytest.raises(CorruptError, match="shares bytes"):
                    page_items(loaded)
                continue
        elif "shares bytes" in str(outcome(partial(page_items, loaded))):
            continue  # an element before the bad one is refused first
        else:
            assert outcome(partial(page_items, loaded)) == expected
            continue
        found = page_items(loaded)
        assert [(each.key, each.value, each.flags, each.child) for each in found] == expected[1]
