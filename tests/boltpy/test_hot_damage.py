"""The kernels on damaged pages: each reason has its words, and both twins say the same of any bytes."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boltpy.errors import CorruptError, IncompatibleValueError
from boltpy.hot import pure_read
from boltpy.hot.pure_changes import CHANGE_BUCKET, CHANGE_ERASE
from tests.boltpy.hostile import KEYS, PAGE, hostile_images, reads, with_one_number_changed
from tests.boltpy.merging import deletes, merge, puts
from tests.boltpy.rawfile import BRANCH, HEADER, LEAF
from tests.boltpy.sizes import sized
from tests.boltpy.twins import (
    NATIVE,
    PURE,
    Image,
    Twin,
    View,
    branch_image,
    each_twin,
    leaf_image,
    make_tree,
    needs_native,
    numbered,
)

REVERSE = pure_read.SCAN_REVERSE


def tall_tree(levels: int) -> Image:
    """A branch above a branch above ... a leaf: one page a level."""
    pages = [branch_image(2 + i, [(b"a", 3 + i)], PAGE) for i in range(levels - 1)]
    return Image(PAGE, bytes(2 * PAGE) + b"".join(pages) + leaf_image(levels + 1, numbered(1), PAGE), 2)


def two_levels() -> Image:
    """Leaves 2 and 3 of three items below branch 4."""
    return make_tree(numbered(6), PAGE, per_leaf=3)


def with_leaf_element(flags: int, pos: int, ksize: int, vsize: int) -> Image:
    """`two_levels` with another middle element of leaf 2, the first that a search looks at."""
    return two_levels().patched(2 * PAGE + HEADER.size + 16, LEAF.pack(flags, pos, ksize, vsize))


def with_header(pgid: int, *header: int) -> Image:
    return two_levels().patched(pgid * PAGE, HEADER.pack(*header))


def with_child(child: int) -> Image:
    return two_levels().patched(4 * PAGE + HEADER.size + 8, child.to_bytes(8, "little"))


BAD_IMAGES: dict[str, tuple[Image, int, str]] = {
    "child is a meta page": (with_child(1), 1, "pgid is not between 2 and the high-water mark 5"),
    "child beyond the high-water mark": (with_child(5), 5, "pgid is not between 2 and the high-water mark 5"),
    "child number of 64 bits": (with_child(2**64 - 1), 2**64 - 1, "not between 2 and the high-water mark 5"),
    "child beyond the file": (
        Image(PAGE, with_child(7).data, 4, hwm=9), 7, "lies beyond the end of the file (1280 bytes are mapped)",
    ),
    "child is the branch itself": (
        Image(PAGE, bytes(2 * PAGE) + branch_image(2, [(b"a", 2)], PAGE), 2), 2, "lies deeper than 64 levels",
    ),
    "wrong id": (with_header(2, 3, 2, 3, 0), 2, "identifies itself as page 3"),
    "freelist page": (with_header(2, 2, 16, 3, 0), 2, "has unexpected type/flags: 10"),
    "both branch and leaf": (with_header(2, 2, 3, 3, 0), 2, "has unexpected type/flags: 3"),
    "overflow up to the high-water mark": (with_header(2, 2, 2, 3, 3), 2, "says it has 3 overflow pages"),
    "overflow of 32 bits": (with_header(2, 2, 2, 3, 2**32 - 1), 2, "says it has 4294967295 overflow pages"),
    "overflow past the end of the file": (
        Image(PAGE, with_header(2, 2, 2, 3, 3).data, 4, hwm=9), 2, "says it has 3 overflow pages",
    ),
    "more elements than fit": (with_header(2, 2, 2, 16, 0), 2, "says it has 16 elements, more than fit"),
    "leaf without elements below a branch": (with_header(2, 2, 2, 0, 0), 2, "has no elements"),
    "branch without elements": (with_header(4, 4, 1, 0, 0), 4, "has no elements"),
    "value past the end": (with_leaf_element(0, 32, 4, 189), 2, "element 1 reaches past the end of the page"),
    "key past the end": (with_leaf_element(0, 225, 0xFFFF_FFFF, 0), 2, "element 1 reaches past the end"),
    "position past the end": (with_leaf_element(0, 0xFFFF_FFFF, 1, 1), 2, "element 1 reaches past the end"),
    "sizes that wrap around": (
        with_leaf_element(0, 0xFFFF_FFFF, 0xFFFF_FFFF, 0xFFFF_FFFF), 2, "element 1 reaches past the end",
    ),
    "key of no bytes": (with_leaf_element(0, 32, 0, 4), 2, "element 1 has a key of no bytes"),
    "65 levels": (tall_tree(65), 66, "lies deeper than 64 levels"),
}  # fmt: skip


@each_twin
@pytest.mark.parametrize("name", BAD_IMAGES)
def test_a_damaged_page_is_named_with_the_reason(twin: Twin, name: str) -> None:
    image, pgid, reason = BAD_IMAGES[name]
    calls: list[Callable[[Any], Any]] = [
        lambda tree: twin.find(tree, b"0001"),
        lambda tree: twin.scan(tree, image.data, b"0001", None, 0, 99),
        lambda tree: twin.scan(tree, image.data, None, None, 0, 99),
        lambda tree: twin.scan(tree, image.data, None, None, REVERSE, 99),
    ]
    view = View(twin, image)
    for call in calls:
        with pytest.raises(CorruptError) as caught:
            call(view.tree)
        assert caught.value.pgid == pgid
        assert reason in caught.value.reason
    assert twin.get_many(view.tree, image.data, [b"0001"]) == ([None], False)
    assert twin.get(view.tree, b"0001", 4) == pure_read.ASK_FIND


@each_twin
def test_an_item_may_reach_to_the_last_byte_of_its_page(twin: Twin) -> None:
    image = with_leaf_element(0, 32, 4, 188)
    view = View(twin, image)
    key = image.data[2 * PAGE + HEADER.size + 16 + 32 :][:4]
    found = twin.find(view.tree, key)
    assert (found.value_at + found.vsize, found.vsize) == (3 * PAGE, 188)


@each_twin
def test_64_levels_are_not_too_many(twin: Twin) -> None:
    image = tall_tree(64)
    view = View(twin, image)
    assert twin.find(view.tree, b"0000") is not None
    assert twin.get_many(view.tree, image.data, [b"0000"]) == ([b"value"], True)
    assert twin.mark_pages(view.tree, bytearray(9)) == 64
    assert twin.scan(view.tree, image.data, None, None, 0, 9)[1] == b"0000"


@each_twin
@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (Image(PAGE, bytes(100), 0, (50, 51)), "inline bucket of 51 bytes is cut short"),
        (Image(PAGE, bytes(100), 0, (101, 20)), "inline bucket of 20 bytes is cut short"),
        (Image(PAGE, bytes(100), 0, (50, 15)), "inline bucket of 15 bytes is cut short"),
        (Image(PAGE, branch_image(0, [(b"a", 2)]), 0, (0, 33)), "inline bucket is no leaf but has flags 1"),
        (Image(PAGE, bytes(40), 0, (0, 40)), "has unexpected type/flags: 0"),
        (Image(PAGE, leaf_image(0, numbered(2)), 0, (0, 40)), "says it has 2 elements, more than fit"),
    ],
)
def test_a_damaged_inline_bucket_is_refused(twin: Twin, image: Image, reason: str) -> None:
    view = View(twin, image)
    with pytest.raises(CorruptError) as caught:
        twin.find(view.tree, b"a")
    assert (caught.value.pgid, caught.value.reason.startswith(reason)) == (0, True)


@each_twin
@pytest.mark.parametrize("how", [0, REVERSE])
def test_a_scan_notices_keys_out_of_order_and_pages_met_twice(twin: Twin, how: int) -> None:
    swapped = [(0, b"b", b""), (0, b"a", b"")]
    equal = [(0, b"a", b""), (0, b"a", b"")]
    twice = two_levels().patched(4 * PAGE + HEADER.size, BRANCH.pack(32, 4, 3))
    images = [make_tree(swapped, PAGE, per_leaf=2), make_tree(equal, PAGE, per_leaf=2), twice]
    for image, pgid in zip(images, (2, 2, 3), strict=True):
        view = View(twin, image)
        with pytest.raises(CorruptError, match="out of key order") as caught:
            twin.scan(view.tree, image.data, None, None, how, 99)
        assert caught.value.pgid == pgid


@each_twin
def test_a_merge_checks_what_it_searches_and_all_of_a_leaf_that_it_rewrites(twin: Twin) -> None:
    entries = numbered(9)
    bad_element = 2 * 1024 + HEADER.size + 7 * LEAF.size
    image = make_tree(entries, 1024, per_leaf=9).patched(bad_element, LEAF.pack(0, 0, 0, 0))
    assert not merge(twin, image, deletes(b"0000+")).result.changed
    with pytest.raises(IncompatibleValueError):
        merge(twin, image, {b"0000": (bytes(16), CHANGE_BUCKET)})
    for changes in (puts(b"0000"), deletes(b"0000"), deletes(b"0000+", bits=CHANGE_ERASE)):
        with pytest.raises(CorruptError, match="element 7 has a key of no bytes"):
            merge(twin, image, changes)


@each_twin
def test_items_that_share_bytes_are_refused_before_they_fill_a_disk(twin: Twin) -> None:
    size, count = 64 * 1024, 2000
    key_at = HEADER.size + count * LEAF.size
    page = bytearray(HEADER.pack(2, 2, count, size // 1024 - 1))
    for i in range(count):
        at = HEADER.size + i * LEAF.size
        page += LEAF.pack(0, key_at - at, 1, size - key_at - 1)
    image = Image(1024, bytes(2 * 1024) + bytes(page.ljust(size, b"a")), 2)
    with pytest.raises(CorruptError, match="shares bytes with another"):
        merge(twin, image, puts(b"b"))


@needs_native
@given(hostile_images(), st.lists(KEYS, min_size=1, max_size=4), st.integers(0, 8 * PAGE))
def test_both_twins_read_the_same_from_hostile_pages(image: Image, probes: list[bytes], length: int) -> None:
    for mapped in (len(image.data), min(length, len(image.data))):
        assert reads(PURE, image, probes, mapped) == reads(NATIVE, image, probes, mapped)


@needs_native
@given(st.binary(max_size=200), st.integers(0, 40), st.integers(0, 200))
def test_both_twins_read_the_same_from_a_hostile_inline_bucket(raw: bytes, at: int, size: int) -> None:
    for data in (raw, bytes(8) + b"\2\0" + raw):
        image = Image(PAGE, data, 0, (at, size))
        assert reads(PURE, image, [b"a", b"\x00"]) == reads(NATIVE, image, [b"a", b"\x00"])


@needs_native
def test_both_twins_read_the_same_from_real_pages_with_one_number_changed() -> None:
    rng = random.Random(7)
    image = make_tree([(i % 5 == 0, b"%03d" % i, bytes(i % 30)) for i in range(70)], PAGE, per_leaf=4)
    for _ in range(sized(c=250, py=250, deep=50_000)):
        damaged = with_one_number_changed(rng, image)
        probes = [b"%03d" % rng.randrange(70), b"%03d" % rng.randrange(70)]
        assert reads(PURE, damaged, probes) == reads(NATIVE, damaged, probes)
