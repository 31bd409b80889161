"""The reading kernels: both twins find the same, say the same of damaged pages, and trust nothing."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import boltpy.hot
from boltpy.errors import CorruptError, InvariantError
from boltpy.format import MAX_DEPTH, MAX_PAGE_ITEMS
from boltpy.hot import pure_changes, pure_read, raw_page
from tests.boltpy.twins import (
    NATIVE,
    PURE,
    Entry,
    Image,
    Twin,
    View,
    each_twin,
    make_inline,
    make_tree,
    needs_native,
    numbered,
    walk,
)

PAGE = 256
REVERSE, EXCLUSIVE, BUCKETS = pure_read.SCAN_REVERSE, pure_read.SCAN_EXCLUSIVE, pure_read.SCAN_BUCKETS

KEYS = st.one_of(st.binary(min_size=1, max_size=4), st.sampled_from([b"\x00", b"\xff" * 9, b"k" * 100, b"k" * 101]))
ENTRIES = st.dictionaries(
    KEYS | st.integers(0, 40).map(lambda i: b"%02d" % i),
    st.tuples(st.sampled_from([0, 0, 0, 0, 1]), st.sampled_from([0, 3, 3, 3, 3, 20, 600])),
    max_size=60,
).map(lambda drawn: [(flags, key, key[-1:] * size) for key, (flags, size) in sorted(drawn.items())])


def c_enums() -> dict[str, int]:
    """The constants of kernels.c."""
    text = (Path(boltpy.hot.__file__).parent / "kernels.c").read_text("utf-8")
    found: dict[str, int] = {}
    for body in re.findall(r"enum \{([^}]*)\}", text):
        following = 0
        for name, number in re.findall(r"(\w+)(?: = (\w+))?", body):
            following = int(number, 0) if number else following
            found[name] = following
            following += 1
    return found


def test_c_and_python_number_reasons_marks_and_ways_to_scan_alike() -> None:
    c = c_enums()
    reasons = {
        "E_BEYOND_HWM": raw_page.BEYOND_HWM, "E_BEYOND_FILE": raw_page.BEYOND_FILE, "E_WRONG_ID": raw_page.WRONG_ID,
        "E_WRONG_TYPE": raw_page.WRONG_TYPE, "E_OVERFLOW": raw_page.BAD_OVERFLOW, "E_COUNT": raw_page.BAD_COUNT,
        "E_ELEMENT": raw_page.BAD_ELEMENT, "E_NO_KEY": raw_page.NO_KEY, "E_DEPTH": raw_page.TOO_DEEP,
        "E_EMPTY": raw_page.EMPTY, "E_ORDER": raw_page.OUT_OF_ORDER, "E_INLINE": raw_page.BAD_INLINE,
        "E_INLINE_TYPE": raw_page.INLINE_TYPE, "E_OVERLAP": raw_page.OVERLAP, "E_TWICE": raw_page.MET_TWICE,
    }  # fmt: skip
    assert {name: number for name, number in c.items() if name.startswith("E_")} == reasons
    assert len(reasons) == len(raw_page.REASONS) - 1
    marks = {name: number for name, number in c.items() if name.startswith(("CHANGE_", "HOW_"))}
    bits = marks.pop("CHANGE_BITS")
    assert bits == sum(number for name, number in marks.items() if name.startswith("CHANGE_"))
    for name, number in marks.items():
        assert number == getattr(pure_changes, name)
    for name in ("SCAN_REVERSE", "SCAN_EXCLUSIVE", "SCAN_BUCKETS"):
        assert c[name] == getattr(pure_read, name)
    assert (c["MAX_DEPTH"], c["MAX_ITEMS"]) == (MAX_DEPTH, MAX_PAGE_ITEMS)


@needs_native
def test_the_caller_of_the_merge_knows_its_answers_by_the_numbers_of_c() -> None:
    c = c_enums()
    answers = [name for name in c if name.startswith("BP_")]
    assert len(answers) >= 8
    for name in answers:
        assert getattr(NATIVE, name.removeprefix("BP")) == c[name]


@each_twin
@pytest.mark.parametrize(
    ("data", "expected"),
    [(b"", 0xCBF29CE484222325), (b"a", 0xAF63DC4C8601EC8C), (b"foobar", 0x85944171F73967E8)],
)
def test_the_hash_is_fnv_1a(twin: Twin, data: bytes, expected: int) -> None:
    assert twin.fnv1a(data) == expected


@each_twin
def test_find_tells_where_an_item_lies(twin: Twin) -> None:
    image = make_tree(numbered(50), PAGE, per_leaf=4)
    view = View(twin, image)
    for _, key, value in numbered(50):
        found = twin.find(view.tree, key)
        assert image.data[found.key_at : found.key_at + found.ksize] == key
        assert image.data[found.value_at : found.value_at + found.vsize] == value
        assert found.flags == 0
    for missing in (b"", b"!", b"0000!", b"0049!", b"~"):
        assert twin.find(view.tree, missing) is None


@each_twin
def test_get_packs_place_and_size_or_says_why_not(twin: Twin) -> None:
    entries = [(1, b"bucket", bytes(16)), (0, b"empty", b""), (0, b"huge", bytes(1 << 24)), (0, b"k", b"v")]
    image = make_tree(entries, 4096, per_leaf=4)
    view = View(twin, image)
    packed = twin.get(view.tree, b"k", 1)
    assert packed % pure_read.SIZE_LIMIT == 1
    assert image.data[packed // pure_read.SIZE_LIMIT :][:1] == b"v"
    assert twin.get(view.tree, b"empty", 5) % pure_read.SIZE_LIMIT == 0
    keys = [b"bucket", b"huge", b"none", b"k"]
    expected = [pure_read.IS_BUCKET, pure_read.ASK_FIND, pure_read.MISSING, packed]
    assert [twin.get(view.tree, key, len(key)) for key in keys] == expected
    assert twin.places(view.tree, keys) == expected
    assert twin.places(view.tree, []) == []
    assert twin.get_many(view.tree, image.data, [*keys, b"empty"]) == ([None, None, None, b"v", b""], False)
    assert twin.get_many(view.tree, image.data, [b"bucket", b"none", b"k"]) == ([None, None, b"v"], True)
    assert twin.get_many(view.tree, image.data, [b"k", b"empty"]) == ([b"v", b""], True)


@each_twin
@pytest.mark.parametrize("sizes", [[0], [1], [40], [1, 2], [0, 40, 40, 40]])
@pytest.mark.parametrize("missing", [False, True])
def test_get_many_gives_the_values_in_the_order_asked(twin: Twin, sizes: list[int], missing: bool) -> None:
    rng = random.Random(3)
    entries = [(0, b"%04d" % i, rng.randbytes(sizes[i % len(sizes)])) for i in range(300)]
    image = make_tree(entries, 1024, per_leaf=7)
    values = {key: value for _, key, value in entries}
    asked = [b"%04d" % rng.randrange(300) + b"+" * (missing and i % 9 == 4) for i in range(1000)]
    view = View(twin, image)
    for count in (0, 1, 31, 32, 33, 63, 64, 65, 127, 128, 1000):
        expected = [values.get(key) for key in asked[:count]]
        assert twin.get_many(view.tree, image.data, asked[:count]) == (expected, True)


@each_twin
def test_a_bucket_without_any_page_is_empty(twin: Twin) -> None:
    view = View(twin, Image(PAGE, bytes(PAGE), 0))
    assert twin.find(view.tree, b"k") is None
    assert twin.get_many(view.tree, bytes(PAGE), [b"k"]) == ([None], True)
    assert twin.scan(view.tree, bytes(PAGE), None, None, 0, 10) == ([], None, True)


@each_twin
def test_an_inline_bucket_is_read_where_it_lies(twin: Twin) -> None:
    image = make_inline(numbered(5), before=37)
    view = View(twin, image)
    found = twin.find(view.tree, b"0003")
    assert image.data[found.value_at : found.value_at + found.vsize] == b"value"
    runs, last, done = twin.scan(view.tree, image.data, None, None, 0, 10)
    assert [run[1] for run in runs] == [5]
    assert (last, done) == (b"0004", True)


@each_twin
def test_nothing_is_read_after_the_transaction_has_ended(twin: Twin) -> None:
    image = make_tree(numbered(5), PAGE, per_leaf=5)
    view = View(twin, image)
    assert twin.find(view.tree, b"0003") is not None
    twin.detach(view.source)
    with pytest.raises(CorruptError, match="beyond the end"):
        twin.find(view.tree, b"0003")
    with pytest.raises(CorruptError):
        twin.scan(view.tree, image.data, None, None, 0, 10)
    assert twin.get(view.tree, b"0003", 4) == pure_read.ASK_FIND


# Whole trees.


@each_twin
@given(entries=ENTRIES, per_leaf=st.integers(1, 7))
def test_the_marked_pages_are_those_of_the_tree(twin: Twin, entries: list[Entry], per_leaf: int) -> None:
    image = make_tree(entries, PAGE, per_leaf)
    pages = walk(image.data, PAGE, image.root)[1]
    marks = bytearray(image.hwm // 8 + 1)
    marks[0] |= 1
    view = View(twin, image)
    assert twin.mark_pages(view.tree, marks) == len(pages)
    assert list(twin.marked(marks, 1 + len(pages))) == [0, *sorted(pages)]
    inline = View(twin, make_inline(entries))
    assert twin.mark_pages(inline.tree, marks) == 0
    assert list(twin.marked(marks, 1 + len(pages))) == [0, *sorted(pages)]


@each_twin
def test_a_page_that_was_marked_before_is_met_twice(twin: Twin) -> None:
    image = make_tree([(0, b"%02d" % i, bytes(600)) for i in range(9)], PAGE, per_leaf=1)
    view = View(twin, image)
    for pgid in walk(image.data, PAGE, image.root)[1]:
        marks = bytearray(image.hwm // 8 + 1)
        marks[pgid // 8] |= 1 << pgid % 8
        with pytest.raises(CorruptError, match="multiple references") as caught:
            twin.mark_pages(view.tree, marks)
        assert caught.value.pgid == pgid


@needs_native
def test_marks_that_are_too_few_are_refused_before_one_is_set() -> None:
    image = make_tree(numbered(99), PAGE, per_leaf=2)
    view = View(NATIVE, image)
    marks = bytearray(image.hwm // 8)
    with pytest.raises(InvariantError):
        NATIVE.mark_pages(view.tree, marks)
    assert not any(marks)


@needs_native
@given(st.lists(st.sampled_from([b"", bytes(7), bytes(9), b"\x01", b"\x80", b"\xff\x00"])).map(b"".join), st.data())
def test_both_twins_list_the_same_marks(marks: bytes, data: st.DataObject) -> None:
    there = int.from_bytes(marks, "little").bit_count()
    count = data.draw(st.integers(0, there))
    assert NATIVE.marked(bytearray(marks), count) == PURE.marked(bytearray(marks), count)
    for twin in (NATIVE, PURE):
        with pytest.raises(InvariantError):
            twin.marked(bytearray(marks), there + 1)


# Scanning.


def scanned(twin: Twin, image: Image, key: bytes | None, bound: bytes | None, how: int, step: int) -> list[Entry]:
    """All entries of a range, `step` at a time."""
    view = View(twin, image)
    entries: list[Entry] = []
    done = False
    while not done:
        runs, key, done = twin.scan(view.tree, image.data, key, bound, how, step)
        how |= EXCLUSIVE
        for at, count, ksize, vsize, flags in runs:
            places = range(at, at + count * (ksize + vsize), ksize + vsize)
            for place in reversed(places) if how & REVERSE else places:
                raw = image.data[place : place + ksize + vsize]
                entries.append((flags, raw[:ksize], raw[ksize:]))
    return entries


def expected_range(entries: list[Entry], key: bytes | None, bound: bytes | None, how: int) -> list[Entry]:
    """The range by its definition."""

    def belongs(found: bytes) -> bool:
        if how & REVERSE:
            low_enough = key is None or found < key or (found == key and not how & EXCLUSIVE)
            return low_enough and (bound is None or found >= bound)
        high_enough = key is None or found > key or (found == key and not how & EXCLUSIVE)
        return high_enough and (bound is None or found < bound)

    found = [entry for entry in entries if belongs(entry[1]) and (entry[0] & 1 or not how & BUCKETS)]
    return found[::-1] if how & REVERSE else found


@each_twin
def test_a_scan_gathers_neighbours_of_equal_size_into_runs(twin: Twin) -> None:
    entries = [(0, b"a", b"1"), (0, b"b", b"2"), (0, b"c", b"333"), (1, b"d", bytes(20)), (0, b"e", b"5")]
    image = make_tree(entries, PAGE, per_leaf=5)
    view = View(twin, image)
    sizes = [(2, 1, 1, 0), (1, 1, 3, 0), (1, 1, 20, 1), (1, 1, 1, 0)]
    runs, last, done = twin.scan(view.tree, image.data, None, None, 0, 10)
    assert [tuple(run[1:]) for run in runs] == sizes
    assert (last, done) == (b"e", True)
    runs, last, done = twin.scan(view.tree, image.data, None, None, REVERSE, 10)
    assert [tuple(run[1:]) for run in runs] == sizes[::-1]
    assert (last, done) == (b"a", True)


@each_twin
def test_a_scan_stops_after_the_items_it_may_look_at(twin: Twin) -> None:
    image = make_tree(numbered(30), PAGE, per_leaf=4)
    view = View(twin, image)
    assert [run[1] for run in twin.scan(view.tree, image.data, None, None, 0, 6)[0]] == [4, 2]
    assert twin.scan(view.tree, image.data, None, None, 0, 6)[1:] == (b"0005", False)
    assert twin.scan(view.tree, image.data, None, None, BUCKETS, 6) == ([], b"0005", False)
    assert twin.scan(view.tree, image.data, b"0029", None, 0, 1)[1:] == (b"0029", True)
    for key in (None, b"0003"):
        assert twin.scan(view.tree, image.data, key, None, 0, 0) == ([], None, False)


@each_twin
def test_a_scan_of_very_many_items_is_taken_up_again(twin: Twin) -> None:
    for sizes in (1, 3, 7):
        entries = [(0, b"%05d" % i, b"%d" % i * (i // 5 % sizes)) for i in range(2000)]
        image = make_tree(entries, 1024, per_leaf=21, per_branch=20)
        for step in (100, 4096):
            assert scanned(twin, image, None, None, 0, step) == entries
            assert scanned(twin, image, None, None, REVERSE, step) == entries[::-1]


@each_twin
@given(
    entries=ENTRIES,
    per_leaf=st.integers(1, 7),
    probe=st.none() | KEYS,
    bound=st.none() | KEYS,
    how=st.integers(0, 7),
    step=st.integers(1, 50),
)
def test_find_and_scan_give_what_the_tree_holds(
    twin: Twin, entries: list[Entry], per_leaf: int, probe: bytes | None, bound: bytes | None, how: int, step: int
) -> None:
    for image in (make_tree(entries, PAGE, per_leaf), make_inline(entries)):
        assert scanned(twin, image, probe, bound, how, step) == expected_range(entries, probe, bound, how)
        view = View(twin, image)
        for flags, key, value in entries:
            found = twin.find(view.tree, key)
            assert (found.flags, image.data[found.value_at : found.value_at + found.vsize]) == (flags, value)
        if probe not in [key for _, key, _ in entries] and probe is not None:
            assert twin.find(view.tree, probe) is None
