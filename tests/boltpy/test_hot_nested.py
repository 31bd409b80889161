"""Merging buckets together with those nested in them: values find their entries, and both twins agree."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boltpy.errors import CorruptError
from boltpy.format import BUCKET_HEADER
from boltpy.hot.pure_changes import (
    CHANGE_BUCKET,
    CHANGE_CHILD,
    CHANGE_DELETE,
    CHANGE_FORCE,
    HOW_TELL,
    HOW_TOUCH,
    BucketChanges,
)
from tests.boltpy.merging import Marked, Merged, Pages, buffers, deletes, merge_all, puts
from tests.boltpy.rawfile import leaf_entries
from tests.boltpy.test_hot_merge import BUFFERS, TINY
from tests.boltpy.twins import (
    NATIVE,
    PURE,
    Entry,
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
    walk,
)

PAGE = 1024
NEW = Image(PAGE, bytes(2 * PAGE), 0)


@dataclass
class Forest:
    """Buckets in the order in which they are merged, in one image; the first has the image's own tree."""

    image: Image
    changes: list[Marked]
    hows: list[int] = field(default_factory=list)

    def merged(self, twin: Twin) -> Merged:
        specs, first = [], 0
        for i, changes in enumerate(self.changes):
            own = (self.image.root, *self.image.inline) if i == 0 else (0, 0, 0)
            how = self.hows[i] if self.hows else 0
            inline_max = PAGE // 4 if i + 1 < len(self.changes) else 0
            specs.append(BucketChanges(*own, first, len(changes), PAGE // 2, inline_max, 100 + i, how))
            first += len(changes)
        merged = [(key, *change) for changes in self.changes for key, change in changes.items()]
        items = twin.sorted_changes(
            [key for key, _, _ in merged],
            [value for _, value, _ in merged],
            bytes([bits for _, _, bits in merged]),
            [len(changes) for changes in self.changes],
        )
        found = merge_all(twin, self.image, specs, items, Pages([], self.image.hwm, 2**63, 2**63))
        found.result = found.result._replace(freed=list(found.result.freed))
        return found


def child(name: bytes, place: int, bits: int = 0) -> Marked:
    """The entry of the bucket at that place."""
    return {name: (place.to_bytes(8, "little"), CHANGE_BUCKET | CHANGE_CHILD | bits)}


def content(data: bytes, value: bytes) -> list[Entry]:
    """The entries of the bucket with that value."""
    root, _ = BUCKET_HEADER.unpack_from(value)
    if root:
        return walk(data, PAGE, root)[0]
    return leaf_entries(value[16:]) if value[16:] else []  # one that never had a page


def entries_of(merged: Merged, image: Image) -> list[Entry]:
    """The entries of the last bucket."""
    return content(merged.file(image), merged.result.value)


@each_twin
def test_the_value_of_a_nested_bucket_is_in_its_parent(twin: Twin) -> None:
    forest = Forest(NEW, [puts(b"a"), puts(b"b", value=bytes(300)), child(b"one", 0) | puts(b"p") | child(b"two", 1)])
    merged = forest.merged(twin)
    data = merged.file(NEW)
    one, plain, two = entries_of(merged, NEW)
    assert (one[0], one[1], content(data, one[2])) == (1, b"one", [(0, b"a", b"new")])
    assert plain == (0, b"p", b"new")
    assert (two[0], two[1], content(data, two[2])) == (1, b"two", [(0, b"b", bytes(300))])
    assert [BUCKET_HEADER.unpack_from(value)[1] for _, _, value in (one, two)] == [100, 101]
    assert BUCKET_HEADER.unpack(merged.result.value)[1] == 102


@each_twin
def test_three_levels_are_merged_in_one_go(twin: Twin) -> None:
    forest = Forest(NEW, [puts(b"deep"), child(b"lower", 0), child(b"upper", 1)])
    merged = forest.merged(twin)
    data = merged.file(NEW)
    (upper,) = entries_of(merged, NEW)
    (lower,) = content(data, upper[2])
    assert content(data, lower[2]) == [(0, b"deep", b"new")]
    assert BUCKET_HEADER.unpack_from(upper[2])[0] != 0  # a bucket with a nested one is never inline
    assert BUCKET_HEADER.unpack_from(lower[2])[0] == 0


@each_twin
def test_a_nested_bucket_in_which_nothing_changes_leaves_its_parent_alone(twin: Twin) -> None:
    image = make_tree(numbered(40), PAGE, per_leaf=5)
    forest = Forest(image, [deletes(b"none"), child(b"x", 0)])
    merged = forest.merged(twin)
    assert (merged.result.value, merged.written, merged.result.freed) == (None, {}, [])
    also = Forest(image, [deletes(b"none"), child(b"x", 0) | puts(b"p")]).merged(twin)
    assert entries_of(also, image) == [(0, b"p", b"new")]


@each_twin
@pytest.mark.parametrize("image", [make_tree(numbered(40), PAGE, 5), make_inline(numbered(4)), NEW])
def test_a_value_is_told_on_demand_though_nothing_changed(twin: Twin, image: Image) -> None:
    forest = Forest(image, [deletes(b"none"), child(b"moved", 0, CHANGE_FORCE)], [HOW_TELL, 0])
    merged = forest.merged(twin)
    at, size = image.inline
    ((flags, name, value),) = entries_of(merged, image)
    assert (flags, name) == (1, b"moved")
    assert value == BUCKET_HEADER.pack(image.root, 100) + image.data[at : at + size]


@each_twin
def test_weak_leaves_are_weighed_with_the_old_sizes_of_nested_buckets(twin: Twin) -> None:
    entries = [(1, b"%02d" % i, bytes(70)) if i % 5 == 0 else (0, b"%02d" % i, b"v") for i in range(20)]
    image = make_tree(entries, PAGE, per_leaf=5)
    changes = deletes(b"01") | child(b"00", 0) | deletes(b"16") | child(b"18+", 0)
    spec = BucketChanges(image.root, 0, 0, 0, len(changes), 512, 0, 0, 0)
    items = twin.sorted_changes(
        list(changes),
        [value for value, _ in changes.values()],
        bytes([bits for _, bits in changes.values()]),
        [len(changes)],
    )
    found = twin.Merger(PAGE).weak(View(twin, image).source, spec, items, PAGE)
    old = 16 + 4 * (16 + 3) + (16 + 2 + 70)
    assert [(leaf.size, leaf.item_count) for leaf in found] == [(old - 19, 4), (old - 19 + (16 + 3 + 8), 5)]


@each_twin
def test_a_damaged_nested_bucket_ends_the_merge(twin: Twin) -> None:
    image = make_tree(numbered(40), PAGE, per_leaf=5).patched(2 * PAGE, bytes(8))
    with pytest.raises(CorruptError, match="identifies itself as page 0"):
        Forest(image, [puts(b"0000"), child(b"x", 0)]).merged(twin)
    cut = Image(PAGE, bytes(3 * PAGE), 0, (2 * PAGE, 15))
    with pytest.raises(CorruptError, match="cut short"):
        Forest(cut, [puts(b"0000"), child(b"x", 0)]).merged(twin)


@st.composite
def forests(draw: st.DrawFn) -> Forest:
    image = draw(
        st.sampled_from([make_tree(numbered(60), PAGE, 6), make_inline(numbered(5)), make_inline([]), NEW])
        | st.just(Image(PAGE, bytes(PAGE) + leaf_image(0, numbered(3)), 0, (PAGE, 60)))
    )
    count = draw(st.integers(2, 9))
    sizes = st.integers(0, 40) | st.sampled_from([100, 230, 300, 900])
    keys = st.integers(0, 70).map(lambda i: b"%04d" % i)
    forest = Forest(image, [])
    orphans: list[int] = []
    for i in range(count):
        changes: dict[bytes, tuple[bytes, int]] = {
            key: (b"", CHANGE_DELETE) if size == 7 else (b"v" * size, 0)
            for key, size in draw(st.dictionaries(keys, sizes, max_size=draw(st.sampled_from([2, 12])))).items()
        }
        taken = orphans if i == count - 1 else [place for place in orphans if draw(st.booleans())]
        for place in taken:
            changes |= child(b"child %d" % place, place, draw(st.sampled_from([0, CHANGE_FORCE])))
        orphans = [place for place in orphans if place not in taken] + [i]
        forest.changes.append(dict(draw(st.permutations(list(changes.items())))))
        forest.hows.append(draw(st.sampled_from([0, 0, HOW_TOUCH, HOW_TELL, HOW_TOUCH | HOW_TELL])))
    return forest


@needs_native
@given(forests(), BUFFERS)
def test_both_twins_leave_the_same_bytes_of_nested_buckets(forest: Forest, sizes: dict[str, int]) -> None:
    expected = outcome(partial(forest.merged, PURE))
    for buffer_sizes in (sizes, TINY):
        with buffers(**buffer_sizes):
            assert outcome(partial(forest.merged, NATIVE)) == expected


@each_twin
@given(forests())
def test_each_nested_bucket_holds_what_its_changes_ask_for(twin: Twin, forest: Forest) -> None:
    answer = outcome(partial(forest.merged, twin))
    if answer[0] == "corrupt":  # the image that is cut off
        assert forest.image.inline == (PAGE, 60)
        return
    merged = answer[1]
    if merged.result.value is None:
        assert not any(
            bits & ~CHANGE_DELETE == 0 and value for changes in forest.changes for value, bits in changes.values()
        )
        return
    data = merged.file(forest.image)

    def compare(place: int, value: bytes) -> None:
        entries = content(data, value)
        found = {key: (flags, stored) for flags, key, stored in entries}
        for key, (wanted, bits) in forest.changes[place].items():
            if bits & CHANGE_CHILD:
                if key in found:
                    compare(int.from_bytes(wanted, "little"), found[key][1])
            elif bits & CHANGE_DELETE:
                assert key not in found
            else:
                assert found[key] == (0, wanted)

    compare(len(forest.changes) - 1, merged.result.value)
