"""The writing kernels: both twins sort alike, and make the same pages of the same tree and the same changes."""

from __future__ import annotations

import random
import struct
from array import array
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boltpy.errors import CorruptError, IncompatibleValueError, InvariantError, MaxSizeReachedError
from boltpy.hot.pure_changes import CHANGE_BUCKET, CHANGE_DELETE, CHANGE_ERASE, CHANGE_FORCE
from tests.boltpy.merging import applied, deletes, merge, puts, weak
from tests.boltpy.twins import (
    NATIVE,
    PURE,
    Image,
    Twin,
    View,
    each_twin,
    leaf_image,
    make_inline,
    make_tree,
    needs_native,
    numbered,
    outcome,
    page_of,
    walk,
)

# Sorting.

PREFIXED = st.builds(lambda prefix, rest: prefix + rest, st.sampled_from([b"", b"x" * 20, b"\xff" * 9]), st.binary())
PLAIN_KEYS = st.lists(
    st.one_of(st.binary(min_size=1, max_size=3), PREFIXED, st.integers(1, 12).map(lambda n: b"\x00" * n)).filter(bool),
    unique=True,
    max_size=200,
)


def in_order(twin: Twin, keys: list[bytes]) -> list[bytes]:
    changes = twin.sorted_changes(keys, keys, bytes(len(keys)), [len(keys)])
    if twin is PURE:
        assert all(change.key == change.value for change in changes)
        return [change.key for change in changes]
    return [changes.key(i) for i in range(len(keys))]


@each_twin
@given(PLAIN_KEYS)
def test_changes_are_sorted_as_python_sorts_bytes(twin: Twin, keys: list[bytes]) -> None:
    assert in_order(twin, keys) == sorted(keys)


@each_twin
@pytest.mark.parametrize("count", [0, 1, 2, 63, 64, 65, 5000])
@pytest.mark.parametrize(
    "make",
    [
        lambda rng, i: b"%06d" % i,
        lambda rng, i: b"a common prefix of many bytes" + b"%06d" % i,
        lambda rng, i: b"\x00" * (i % 40 + 1) + rng.randbytes(i % 3),
        lambda rng, i: b"\xff" * (i % 40 + 1) + rng.randbytes(i % 3),
        lambda rng, i: b"k" * (i + 1),
        lambda rng, i: rng.randbytes(1 + i % 30),
        lambda rng, i: b"12345678" * (1 + i % 3) + rng.choice([b"", b"\x00", b"\x01", b"\xff"]) * (i % 5),
    ],
    ids=["numbers", "common prefix", "zeros", "ones", "prefixes of each other", "random", "equal first bytes"],
)
def test_large_and_awkward_sets_of_keys_are_sorted(twin: Twin, make: Any, count: int) -> None:
    rng = random.Random(count)
    keys = list({make(rng, i) for i in range(min(count, 600) if make(rng, 1) == b"kk" else count)})
    rng.shuffle(keys)
    assert in_order(twin, keys) == sorted(keys)
    assert in_order(twin, sorted(keys)) == sorted(keys)
    assert in_order(twin, sorted(keys, reverse=True)) == sorted(keys)


# Lists of pages.


@each_twin
@pytest.mark.parametrize(
    ("ids", "need", "index"),
    [
        ([], 1, -1), ([5], 1, 0), ([5], 2, -1), ([9, 8, 6, 5, 4, 2], 1, 5), ([9, 8, 6, 5, 4, 2], 2, 4),
        ([9, 8, 6, 5, 4, 2], 3, 4), ([9, 8, 6, 5, 4, 2], 4, -1), ([12, 11, 10, 9, 4, 3], 3, 3),
    ],
)  # fmt: skip
def test_the_lowest_run_that_is_long_enough_is_found(twin: Twin, ids: list[int], need: int, index: int) -> None:
    assert twin.find_run(array("Q", ids), need) == index


@each_twin
def test_an_id_in_both_lists_or_twice_in_one_is_already_freed(twin: Twin) -> None:
    assert twin.merge_ids(array("Q", [9, 4]), array("Q", [7, 2])) == array("Q", [9, 7, 4, 2])
    assert twin.merge_ids(array("Q"), array("Q")) == array("Q")
    for a, b in (([9, 4], [4]), ([9, 4, 4], [2]), ([3], [8, 8])):
        with pytest.raises(CorruptError, match="already freed") as caught:
            twin.merge_ids(array("Q", a), array("Q", b))
        assert caught.value.pgid in (4, 8)


IDS = st.sets(st.integers(2, 60) | st.integers(2, 2**64 - 1) | st.just(2**64 - 1)).map(
    lambda ids: array("Q", sorted(ids, reverse=True))
)


@each_twin
def test_the_largest_number_is_an_id_like_any_other(twin: Twin) -> None:
    largest = 2**64 - 1
    assert twin.merge_ids(array("Q", [largest, 3]), array("Q", [5])) == array("Q", [largest, 5, 3])
    with pytest.raises(CorruptError, match="already freed"):
        twin.merge_ids(array("Q", [largest, 3]), array("Q", [largest]))


@needs_native
@given(IDS, IDS, st.integers(1, 6))
def test_both_twins_merge_and_search_lists_of_pages_alike(a: array[int], b: array[int], need: int) -> None:
    assert outcome(lambda: PURE.merge_ids(a, b)) == outcome(lambda: NATIVE.merge_ids(a, b))
    assert outcome(lambda: bytes(PURE.store_ids(a, b))) == outcome(lambda: bytes(NATIVE.store_ids(a, b)))
    assert PURE.find_run(a, need) == NATIVE.find_run(a, need)


@each_twin
def test_ids_are_stored_ascending_with_8_bytes_each(twin: Twin) -> None:
    assert bytes(twin.store_ids(array("Q", [9, 4]), array("Q", [2**64 - 1, 2]))) == struct.pack(
        "<4Q", 2, 4, 9, 2**64 - 1
    )
    assert bytes(twin.store_ids(array("Q"), array("Q"))) == b""
    with pytest.raises(CorruptError, match="already freed"):
        twin.store_ids(array("Q", [9, 4]), array("Q", [4]))


# Merging, case by case.


@each_twin
def test_a_put_rewrites_its_leaf_and_the_branches_above(twin: Twin) -> None:
    image = make_tree(numbered(40), 1024, per_leaf=5)
    changes = puts(b"0017", b"0017+")
    merged = merge(twin, image, changes)
    assert walk(merged.file(image), 1024, merged.result.root)[0] == applied(numbered(40), changes)
    assert (merged.result.changed, merged.result.pages, merged.result.splits) == (True, 3, 0)
    assert len(merged.written) == 3
    old, new = walk(image.data, 1024, image.root)[1], walk(merged.file(image), 1024, merged.result.root)[1]
    assert set(merged.result.freed) == old - new


@each_twin
def test_what_changes_nothing_writes_nothing(twin: Twin) -> None:
    image = make_tree(numbered(40), 1024, per_leaf=5)
    for changes in ({}, deletes(b"none", b"0017+")):
        merged = merge(twin, image, changes)
        assert (merged.result.changed, merged.result.root, merged.result.freed) == (False, image.root, [])
        assert merged.written == {}
    erased = merge(twin, image, deletes(b"0017+", bits=CHANGE_ERASE))
    assert (erased.result.changed, len(erased.written)) == (True, 3)
    assert walk(erased.file(image), 1024, erased.result.root)[0] == numbered(40)


@each_twin
def test_touch_writes_the_root_anew(twin: Twin) -> None:
    for image, written in ((make_tree(numbered(3), 1024, 5), 1), (make_tree(numbered(40), 1024, 5), 1)):
        merged = merge(twin, image, {}, touch=True)
        assert (merged.result.changed, len(merged.written)) == (True, written)
        assert merged.result.freed == [image.root]
    empty = merge(twin, Image(1024, bytes(2048), 0), {}, touch=True)
    assert page_of(empty.file(Image(1024, bytes(2048), 0)), 1024, empty.result.root) == (2, [], 1)


@each_twin
@pytest.mark.parametrize(
    ("bits", "kind"), [(0, "a nested bucket"), (CHANGE_DELETE, "a nested bucket"), (CHANGE_BUCKET, "a plain key")]
)
def test_a_change_that_meets_the_other_kind_is_refused_unless_forced(twin: Twin, bits: int, kind: str) -> None:
    entries = [(i % 2 * (kind != "a plain key"), b"%02d" % i, bytes(16)) for i in range(20)]
    image = make_tree(entries, 1024, per_leaf=4)
    key = b"11"
    with pytest.raises(IncompatibleValueError, match=kind) as caught:
        merge(twin, image, {b"01+": (b"", 0), key: (bytes(16), bits)})
    assert caught.value.key == key
    forced = {key: (bytes(16), bits | CHANGE_FORCE)}
    merged = merge(twin, image, forced)
    assert walk(merged.file(image), 1024, merged.result.root)[0] == applied(entries, forced)


@each_twin
def test_a_small_leaf_without_buckets_comes_back_inline(twin: Twin) -> None:
    image = make_tree(numbered(4), 1024, per_leaf=4)
    merged = merge(twin, image, puts(b"0001"), inline_max=256)
    assert merged.result.inline == leaf_image(0, applied(numbered(4), puts(b"0001")))
    assert (merged.result.root, merged.result.freed, merged.written) == (0, [2], {})
    size = len(merged.result.inline)
    assert merge(twin, image, puts(b"0001"), inline_max=size).result.inline == merged.result.inline
    assert merge(twin, image, puts(b"0001"), inline_max=size - 1).result.inline is None
    bucket = {b"b": (bytes(16), CHANGE_BUCKET)}
    assert merge(twin, image, bucket, inline_max=256).result.inline is None
    replaced = {b"b": (b"", CHANGE_DELETE | CHANGE_FORCE)}
    with_bucket = make_tree([*numbered(3), (1, b"b", bytes(16))], 1024, per_leaf=4)
    assert merge(twin, with_bucket, replaced, inline_max=256).result.inline == leaf_image(0, numbered(3))


@each_twin
def test_an_inline_bucket_grows_into_a_page(twin: Twin) -> None:
    image = make_inline(numbered(4))
    again = merge(twin, image, puts(b"0002"), inline_max=256)
    assert again.result.inline == leaf_image(0, applied(numbered(4), puts(b"0002")))
    grown = merge(twin, image, puts(b"large", value=bytes(300)), inline_max=256)
    expected = applied(numbered(4), puts(b"large", value=bytes(300)))
    assert walk(grown.file(image), 1024, grown.result.root)[0] == expected
    assert (grown.result.freed, grown.result.inline) == ([], None)


@each_twin
def test_pages_come_from_the_pool_then_from_the_high_water_mark_then_from_the_allocator(twin: Twin) -> None:
    changes = {b"%04d" % i: (bytes(100), 0) for i in range(40)} | {b"x": (bytes(3000), 0)}
    image = Image(1024, bytes(30 * 1024), 0)
    merged = merge(twin, image, changes, pool=[29, 17, 16, 9], hwm_limit=33)
    assert merged.taken == [9, 16, 17, 29]
    assert merged.pool == []
    assert set(merged.asked) == {1, 4}
    assert walk(merged.file(image), 1024, merged.result.root)[0] == applied([], changes)
    assert merge(twin, image, changes, hwm_limit=0).asked.count(1) == merged.result.pages - 4


@each_twin
def test_an_allocator_that_refuses_ends_the_merge_with_its_error(twin: Twin) -> None:
    changes = {b"%04d" % i: (bytes(100), 0) for i in range(40)}
    with pytest.raises(MaxSizeReachedError):
        merge(twin, Image(1024, bytes(2048), 0), changes, hwm_limit=5, last=6)


@each_twin
def test_a_merger_works_on_after_an_error(twin: Twin) -> None:
    image = make_tree(numbered(40), 1024, per_leaf=5)
    merger = twin.Merger(1024)
    with pytest.raises(MaxSizeReachedError):
        merge(twin, image, puts(b"0001"), hwm_limit=0, last=image.hwm, merger=merger)
    with pytest.raises(CorruptError):
        merge(twin, image.patched(2 * 1024, bytes(8)), puts(b"0039", b"0001"), merger=merger)
    merged = merge(twin, image, puts(b"0001"), merger=merger)
    assert walk(merged.file(image), 1024, merged.result.root)[0] == applied(numbered(40), puts(b"0001"))


@each_twin
def test_a_leaf_that_loses_all_items_must_have_been_taken_out_before(twin: Twin) -> None:
    image = make_tree(numbered(10), 1024, per_leaf=5)
    with pytest.raises(InvariantError, match="page 3 lost all its items"):
        merge(twin, image, deletes(*[b"%04d" % i for i in range(5, 10)]))
    single = make_tree(numbered(3), 1024, per_leaf=5)
    merged = merge(twin, single, deletes(b"0000", b"0001", b"0002"))
    assert page_of(merged.file(single), 1024, merged.result.root) == (2, [], 1)


@each_twin
def test_images_stand_in_for_committed_pages(twin: Twin) -> None:
    image = make_tree(numbered(15), 1024, per_leaf=5)
    joined = leaf_image(2, numbered(10))
    root = image.data[image.root * 1024 :][: 16 + 48 + 12]
    merged = merge(twin, image, puts(b"0007"), overrides={2: joined}, root=2)
    assert walk(merged.file(image), 1024, merged.result.root)[0] == applied(numbered(10), puts(b"0007"))
    assert merged.result.freed == [2]
    unchanged = merge(twin, image, deletes(b"none"), overrides={image.root: root})
    assert (unchanged.result.changed, unchanged.result.freed) == (True, [image.root])


@each_twin
def test_an_image_stands_in_for_all_pages_of_its_node(twin: Twin) -> None:
    image = make_tree([(0, b"a", bytes(2500)), (0, b"b", b"")], 1024, per_leaf=2)
    merged = merge(twin, image, puts(b"c"), overrides={2: leaf_image(2, [(0, b"b", b"")], overflow=2)})
    assert merged.result.freed == [2, 3, 4]
    assert walk(merged.file(image), 1024, merged.result.root)[0] == [(0, b"b", b""), (0, b"c", b"new")]


@each_twin
@pytest.mark.parametrize(
    ("item_size", "count", "threshold", "parts"),
    [
        (112, 9, 512, [4, 5]),  # exactly a page
        (111, 9, 512, [9]),
        (84, 20, 16 + 5 * 84, [5, 5, 10]),  # the left part may be as large as the threshold
        (84, 20, 16 + 5 * 84 - 1, [4, 4, 4, 8]),
        (900, 7, 512, [2, 2, 3]),
        (900, 5, 1024, [2, 3]),
        (900, 4, 512, [4]),
    ],
)
def test_nodes_are_split_to_the_byte(twin: Twin, item_size: int, count: int, threshold: int, parts: list[int]) -> None:
    image = Image(1024, bytes(2048), 0)
    changes = puts(*[b"%04d" % i for i in range(count)], value=bytes(item_size - 16 - 4))
    merged = merge(twin, image, changes, threshold=threshold)
    file = merged.file(image)
    _, children, _ = page_of(file, 1024, merged.result.root)
    leaves = [child for _, child in children] if len(parts) > 1 else [merged.result.root]
    assert [len(page_of(file, 1024, leaf)[1]) for leaf in leaves] == parts


@each_twin
@pytest.mark.parametrize(
    ("override", "reason"),
    [(bytes(15), "cut short"), (bytes(16), "type/flags: 0"), (leaf_image(2, numbered(2))[:40], "more than fit")],
)
def test_a_bad_image_is_refused(twin: Twin, override: bytes, reason: str) -> None:
    with pytest.raises(CorruptError, match=reason):
        merge(twin, make_tree(numbered(5), 1024, 5), puts(b"0001"), overrides={2: override})


@each_twin
def test_weak_leaves_are_those_that_deletes_leave_small(twin: Twin) -> None:
    image = make_tree(numbered(25), 1024, per_leaf=5)
    changes = deletes(b"0001") | deletes(*[b"%04d" % i for i in range(5, 9)]) | puts(b"0011")
    changes |= deletes(*[b"%04d" % i for i in range(15, 20)]) | deletes(b"0024+", bits=CHANGE_ERASE) | deletes(b"0010+")
    full = 16 + 5 * (16 + 4 + 5)
    assert weak(twin, image, changes, 0) == [(3, 41, 1, b"0005"), (5, 16, 0, b"0015")]
    assert [leaf[0] for leaf in weak(twin, image, changes, full - 25)] == [2, 3, 5]
    assert [leaf[0] for leaf in weak(twin, image, changes, full)] == [2, 3, 5, 6]
    assert weak(twin, make_tree(numbered(5), 1024, 5), deletes(b"0001"), 900) == []
    assert weak(twin, Image(1024, bytes(2048), 0), deletes(b"0001"), 900) == []


@each_twin
@pytest.mark.parametrize("per_leaf", [1, 3, 7])
def test_joined_leaves_hold_the_items_of_all_side_by_side(twin: Twin, per_leaf: int) -> None:
    entries = [(i % 4 == 0, b"%03d" % i, bytes([i]) * (i * 5 % 80)) for i in range(3 * per_leaf)]
    image = make_tree(entries, 512, per_leaf=per_leaf, per_branch=99)
    pgids = [child for _, child in page_of(image.data, 512, image.root)[1]]
    overflow = page_of(image.data, 512, pgids[0])[2] - 1
    joined = twin.join_leaves(View(twin, image).source, pgids)
    assert joined == leaf_image(pgids[0], entries, overflow=overflow)


@each_twin
def test_only_leaves_are_joined(twin: Twin) -> None:
    image = make_tree(numbered(6), 512, per_leaf=3)
    with pytest.raises(CorruptError, match="flags"):
        twin.join_leaves(View(twin, image).source, [2, image.root])
    with pytest.raises(CorruptError, match="high-water"):
        twin.join_leaves(View(twin, image).source, [2, 99])
