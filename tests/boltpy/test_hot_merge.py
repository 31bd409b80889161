"""Whole merges on drawn trees: both twins leave the same bytes, and the tree that the changes ask for.

Trees, changes, page sizes, thresholds and free pages are drawn, and so are the buffers of the C kernels: with small
ones they stop at every place where they can, ask for what they need and go on.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boltpy import rebalance
from boltpy.errors import IncompatibleValueError
from boltpy.format import MAX_PAGE_ITEMS
from boltpy.hot.pure_changes import CHANGE_BUCKET, CHANGE_DELETE, CHANGE_ERASE, CHANGE_FORCE
from boltpy.hot.pure_write import WeakLeaf
from boltpy.hot.raw_page import load_page
from tests.boltpy.hostile import hostile_images, with_one_number_changed
from tests.boltpy.merging import Marked, Merged, applied, buffers, deletes, merge, puts, weak
from tests.boltpy.rawfile import leaf_entries
from tests.boltpy.sizes import sized
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
    outcome,
    page_of,
    walk,
)

TINY = {"_OUT_BYTES": 1, "_STACK_ITEMS": 1, "_FREED_SPANS": 1, "_WRITES": 1, "_WEAK_LEAVES": 1, "_VALUE_BYTES": 1}
BUFFERS = st.fixed_dictionaries(
    {
        "_OUT_BYTES": st.sampled_from([1, 1024, 5000, 70_000, 512 * 1024]),
        "_STACK_ITEMS": st.sampled_from([1, 2, 3, 8, 4096]),
        "_FREED_SPANS": st.sampled_from([1, 2, 5, 2048]),
        "_WRITES": st.sampled_from([1, 2, 512]),
        "_WEAK_LEAVES": st.sampled_from([1, 2, 512]),
        "_VALUE_BYTES": st.sampled_from([1, 40, 600, 16 * 1024]),
    }
)


@dataclass(frozen=True)
class Case:
    """One merge: a tree, changes, and how to write."""

    entries: list[Entry]
    image: Image
    changes: Marked
    how: dict[str, Any]


def commit(twin: Twin, image: Image, changes: Marked, **how: Any) -> tuple[Merged, list[int], bool]:
    """Merge as a commit does, weak leaves joined first: (merged, pages freed in all, anything joined)."""
    limit = how["threshold"] // 2
    leaves = [WeakLeaf(*leaf) for leaf in weak(twin, image, changes, limit)]
    if not leaves:
        merged = merge(twin, image, changes, **how)
        return merged, merged.result.freed, False
    source = View(PURE, image).source
    join = partial(twin.join_leaves, View(twin, image).source)
    plan = rebalance.plan(image.root, leaves, lambda pgid: load_page(source, pgid), join, limit)
    touch = how.pop("touch") or not plan.root
    merged = merge(twin, image, changes, root=plan.root, overrides=plan.overrides, touch=touch, **how)
    return merged, [*merged.result.freed, *plan.freed], True


SIZES = st.integers(0, 60) | st.sampled_from([100, 300, 500, 1000, 1100, 3000, 5000])


@st.composite
def cases(draw: st.DrawFn) -> Case:
    page_size = draw(st.sampled_from([1024, 1024, 1024, 4096, 65536]))
    count = draw(st.integers(0, 30) | st.integers(0, 300))
    width = draw(st.integers(0, 60))
    odd = draw(st.dictionaries(st.integers(0, 299), st.tuples(st.sampled_from([0, 1]), SIZES), max_size=8))
    entries = []
    for i in range(count):
        flags, size = odd.get(i, (0, width))
        entries.append((flags, b"%03d" % i, b"o" * size))
    per_leaf, per_branch = draw(st.integers(2, 12)), draw(st.integers(2, 8))
    if count <= 12 and draw(st.booleans()):
        image = make_inline(entries) if entries else Image(page_size, bytes(page_size), 0)
    else:
        image = make_tree(entries, page_size, per_leaf, per_branch)
    changes: dict[bytes, tuple[bytes, int]] = {}
    for start, length, bits in draw(
        st.lists(st.tuples(st.integers(0, 299), st.integers(1, 90), st.sampled_from([4, 4, 8])), max_size=3)
    ):
        changes |= deletes(*[b"%03d" % i for i in range(start, start + length) if not odd.get(i, (0,))[0]], bits=bits)
    kinds = st.sampled_from(
        [0, 0, 0, CHANGE_FORCE, CHANGE_DELETE, CHANGE_ERASE, CHANGE_BUCKET, CHANGE_BUCKET | CHANGE_FORCE, 6, 10]
    )
    suffixes = st.sampled_from([b"", b"", b"+", b"\x00", b"\xff\xff", b"-" * 200])
    for number, suffix, bits, size in draw(
        st.lists(st.tuples(st.integers(0, 310), suffixes, kinds, SIZES), max_size=draw(st.sampled_from([3, 40])))
    ):
        changes[b"%03d" % number + suffix] = (b"" if bits & (CHANGE_DELETE | CHANGE_ERASE) else b"n" * size, bits)
    used = image.hwm
    free = draw(st.lists(st.booleans(), max_size=30))
    image = Image(image.page_size, image.data, image.root, image.inline, used + len(free))
    how = {
        "pool": [used + i for i, is_free in enumerate(free) if is_free][::-1],
        "hwm_limit": image.hwm + draw(st.sampled_from([0, 1, 5, 2**40])),
        "threshold": int(image.page_size * draw(st.sampled_from([0.1, 0.25, 0.5, 0.9, 1.0]))),
        "inline_max": draw(st.sampled_from([0, image.page_size // 4])),
        "touch": draw(st.booleans()),
    }
    return Case(entries, image, changes, how)


def conflicts(case: Case) -> list[bytes]:
    """Keys whose change meets an entry of the other kind."""
    flags = {key: entry_flags for entry_flags, key, _ in case.entries}
    return [
        key
        for key, (_, bits) in sorted(case.changes.items())
        if key in flags and flags[key] != bits & CHANGE_BUCKET and not bits & CHANGE_FORCE
    ]


def check(case: Case, merged: Merged, freed: list[int]) -> None:
    """Fail unless the file holds what the changes ask for, and each page is accounted for."""
    image, result = case.image, merged.result
    data = merged.file(image)
    before = walk(image.data, image.page_size, image.root)[1] if image.root else set()
    after: set[int] = set()
    expected = applied(case.entries, case.changes)
    if result.inline is not None:
        assert leaf_entries(result.inline) == expected
        assert len(result.inline) <= case.how["inline_max"]
        assert not any(flags for flags, _, _ in expected)
    elif result.root:
        found, after = walk(data, image.page_size, result.root)
        assert found == expected
    else:
        assert case.image.root == 0
        assert not result.changed
    assert set(freed) == before - after
    assert len(freed) == len(set(freed))
    assert set(merged.written) == after - before
    assert set(merged.written) <= {*case.how["pool"], *range(image.hwm, merged.hwm)}
    assert {*merged.taken, *merged.pool} == set(case.how["pool"])
    assert set(merged.taken) <= set(merged.written)
    for pgid in after - before:
        if pgid in merged.written and int.from_bytes(merged.written[pgid][:8], "little") == pgid:
            _, items, pages = page_of(data, image.page_size, pgid)
            assert pages == 1 or len(items) <= 4, f"page {pgid} should have been split"


@each_twin
@given(cases())
def test_a_merge_leaves_the_tree_that_the_changes_ask_for(twin: Twin, case: Case) -> None:
    refused = conflicts(case)
    if refused:
        with pytest.raises(IncompatibleValueError) as caught:
            commit(twin, case.image, case.changes, **case.how)
        assert caught.value.key in refused
        return
    merged, freed, _ = commit(twin, case.image, case.changes, **case.how)
    check(case, merged, freed)


@needs_native
@given(cases(), BUFFERS)
def test_both_twins_leave_the_same_bytes_whatever_the_buffers(case: Case, sizes: dict[str, int]) -> None:
    expected = outcome(lambda: commit(PURE, case.image, case.changes, **case.how))
    for buffer_sizes in (sizes, TINY):
        with buffers(**buffer_sizes):
            assert outcome(lambda: commit(NATIVE, case.image, case.changes, **case.how)) == expected


@needs_native
@pytest.mark.parametrize("page_size", [1024, 4096, 65536])
def test_a_large_merge_stops_and_goes_on_at_every_place_it_can(page_size: int) -> None:
    entries = [(0, b"%06d" % i, b"old %d" % i) for i in range(0, 6000, 2)]
    image = make_tree(entries, page_size, per_leaf=12, per_branch=9)
    changes = {b"%06d" % i: (b"new" * (i % 50), 0) for i in range(0, 6000, 7)} | puts(b"large", value=bytes(100_000))
    changes |= deletes(*[b"%06d" % i for i in range(1000, 1400, 2)])
    how = {"pool": list(range(image.hwm + 60, image.hwm, -2)), "hwm_limit": 0, "threshold": page_size // 2}
    image.hwm += 61
    expected = commit(PURE, image, changes, touch=False, **how)
    with buffers(**TINY):
        merger = NATIVE.Merger(page_size)
        merged = merge(NATIVE, image, puts(b"000001"), merger=merger, **how)
        assert merger._m.stack_cap > 1
        assert merger._m.out_cap >= page_size
        assert merged == merge(PURE, image, puts(b"000001"), **how)
        assert commit(NATIVE, image, changes, touch=False, **how) == expected
    assert commit(NATIVE, image, changes, touch=False, **how) == expected
    assert walk(expected[0].file(image), page_size, expected[0].result.root)[0] == applied(entries, changes)


@needs_native
@pytest.mark.parametrize("sizes", [{}, TINY, {"_OUT_BYTES": 2048, "_WRITES": 3}], ids=["usual", "tiny", "small"])
@pytest.mark.parametrize("twin", [PURE, NATIVE], ids=repr)
def test_pages_put_from_outside_are_written_in_their_places(twin: Twin, sizes: dict[str, int]) -> None:
    put = [(5, b"a", 1), (6, b"b", 1), (9, b"c", 2), (11, b"d", 4), (3, b"e", 1)]
    file = bytearray(15 * 1024)

    writes = 0

    def write(offset: int, raw: bytes | memoryview) -> None:
        nonlocal writes
        assert not any(file[offset : offset + len(raw)])
        file[offset : offset + len(raw)] = raw
        writes += 1

    with buffers(**sizes):
        merger = twin.Merger(1024)
        merger.begin(None, write)
        for pgid, fill, pages in put:
            merger.put(pgid, fill * 1024 * pages)
        merger.flush()
        merger.flush()
    expected = bytearray(15 * 1024)
    for pgid, fill, pages in put:
        expected[pgid * 1024 : (pgid + pages) * 1024] = fill * 1024 * pages
    assert file == expected
    assert merger.writes == writes


@each_twin
def test_a_page_has_at_most_65534_items_however_much_room_it_has(twin: Twin) -> None:
    page_size = 4 * 1024 * 1024
    image = Image(page_size, bytes(2 * page_size), 0)
    count = MAX_PAGE_ITEMS + 5000
    changes = {i.to_bytes(3, "big"): (b"", 0) for i in range(count)}
    merged = merge(twin, image, changes, threshold=page_size)
    data = merged.file(image)
    assert [len(page_of(data, page_size, pgid)[1]) for pgid in (2, 3)] == [MAX_PAGE_ITEMS, 5000]
    assert page_of(data, page_size, merged.result.root)[1] == [(bytes(3), 2), (MAX_PAGE_ITEMS.to_bytes(3, "big"), 3)]
    assert merged.result.splits == 1
    exact = merge(twin, image, dict(list(changes.items())[:MAX_PAGE_ITEMS]), threshold=page_size)
    assert (exact.result.pages, exact.result.splits) == (1, 0)


@needs_native
@given(hostile_images(), cases(), BUFFERS)
def test_both_twins_merge_alike_into_hostile_pages(image: Image, case: Case, sizes: dict[str, int]) -> None:
    compare_on_damage(image, case.changes, {**case.how, "hwm_limit": 2**40, "pool": []}, sizes)


@needs_native
def test_both_twins_merge_alike_into_real_pages_with_one_number_changed() -> None:
    rng = random.Random(11)
    entries = [(i % 9 == 0, b"%03d" % i, bytes(i % 30)) for i in range(90)]
    image = make_tree(entries, 1024, per_leaf=6, per_branch=4)
    how = {"threshold": 512, "inline_max": 256, "touch": False}
    corrupt = 0
    rounds = sized(c=600, py=300, deep=50_000)
    for i in range(rounds):
        plain = [key for flags, key, _ in entries if not flags]
        changes = puts(*rng.sample(plain, 3)) | deletes(*rng.sample(plain, rng.choice([0, 1, 60])))
        sizes = TINY if i % 2 else {}
        corrupt += compare_on_damage(with_one_number_changed(rng, image), changes, dict(how), sizes)
    assert corrupt > rounds // 20


def compare_on_damage(image: Image, changes: Marked, how: dict[str, Any], sizes: dict[str, int]) -> bool:
    """Fail unless both twins give the same, or both find the tree corrupt, which is the answer."""
    answers = []
    for twin in (PURE, NATIVE):
        with buffers(**sizes):
            answer = outcome(partial(commit, twin, image, changes, **how))
        answers.append(answer[:1] if answer[0] == "corrupt" else answer)
    assert answers[0] == answers[1]
    return answers[0] == ("corrupt",)
