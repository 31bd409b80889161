"""Many byte strings as one: both twins take the same as plain puts, and C reads nothing but what is packed."""

from __future__ import annotations

import marshal
import struct
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from boltpy.errors import InvariantError
from boltpy.format import MAX_KEY_SIZE
from boltpy.hot.pure_changes import CHANGE_DELETE
from tests.boltpy.twins import NATIVE, PURE, Twin, View, each_twin, make_tree, needs_native

SOUND = st.binary(max_size=40)
BYTES_LIKE = st.one_of(SOUND, SOUND.map(bytearray), SOUND.map(memoryview))
ANYTHING = st.one_of(
    BYTES_LIKE,
    st.sampled_from(
        [None, "text", 5, 2.5, [b"x"], (b"x",), {b"x": b"y"}, object(), range(3), b"k" * (MAX_KEY_SIZE + 1)]
    ),
    st.lists(SOUND),
)


def told(twin: Twin, keys: list[Any], values: list[Any]) -> list[tuple[bytes, bytes]] | None:
    """The pairs of a run, in its order; None if a closer look is needed."""
    run = twin.plain_puts(keys, values)
    if run is None:
        return None
    pairs: dict[bytes, bytes] = twin.unfold(run)
    ordered = [change.key for change in run] if twin is PURE else [run.key(i) for i in range(len(run))]
    return [(key, pairs[key]) for key in ordered]


@each_twin
@given(st.dictionaries(SOUND.filter(bool), BYTES_LIKE, max_size=150))
def test_plain_puts_come_in_key_order(twin: Twin, pairs: dict[bytes, Any]) -> None:
    expected = [(key, bytes(value)) for key, value in sorted(pairs.items())]
    assert told(twin, list(pairs), list(pairs.values())) == expected


@needs_native
@given(st.lists(st.tuples(ANYTHING, ANYTHING), max_size=12))
@example([(b"", b"v")])
@example([(b"k", b"v"), (bytearray(b"k"), b"w")])
@example([(b"k" * MAX_KEY_SIZE, b"v")])
@example([(b"k" * (MAX_KEY_SIZE + 1), b"v")])
@example([(b"k", memoryview(b"123456")), (memoryview(b"12345678").cast("I"), b"v")])
def test_what_the_twins_take_is_the_same(pairs: list[tuple[Any, Any]]) -> None:
    keys, values = [key for key, _ in pairs], [value for _, value in pairs]
    assert told(NATIVE, keys, values) == told(PURE, keys, values)


class _NotItsLength(bytes):
    """Bytes that lie about their length."""

    def __len__(self) -> int:
        return 10**6


@each_twin
def test_the_length_of_bytes_is_not_asked_of_their_class(twin: Twin) -> None:
    assert told(twin, [_NotItsLength(b"key")], [_NotItsLength(b"value")]) == [(b"key", b"value")]


@each_twin
def test_runs_come_behind_the_changes_of_buckets(twin: Twin) -> None:
    runs = [twin.plain_puts([b"z", b"y"], [b"1", b"2"]), twin.plain_puts([b"a"], [b"3"])]
    bits = bytes([0, CHANGE_DELETE, 0])
    changes = twin.sorted_changes([b"n", b"m", b"l"], [b"4", b"", b"5"], bits, [2, 1], runs)
    keys = [change.key for change in changes] if twin is PURE else [changes.key(i) for i in range(len(changes))]
    assert keys == [b"m", b"n", b"l", b"y", b"z", b"a"]


@needs_native
def test_changes_that_do_not_add_up_are_told() -> None:
    for keys, values, bits, counts in (
        ([b"k"], [b"v"], b"", [1]),
        ([b"k"], [b"v"], b"\0", [2]),
        ([b"k"], [b"v"], b"\0", []),
        ([b"k"], [b"v", b"w"], b"\0", [1]),
        (["k"], [b"v"], b"\0", [1]),
        ([object()], [b"v"], b"\0", [1]),
    ):
        with pytest.raises(InvariantError):
            NATIVE.sorted_changes(keys, values, bits, counts)


@needs_native
@given(st.lists(SOUND, max_size=6), st.data())
def test_c_reads_no_further_than_what_is_packed(keys: list[bytes], data: st.DataObject) -> None:
    from boltpy.hot._kernels import ffi, lib

    packed = bytearray(marshal.dumps([keys, keys], 2))
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(packed) - 1))
        packed[at] = data.draw(st.integers(0, 255))
    packed = packed[: data.draw(st.integers(0, len(packed)))]
    # A buffer of just that size, for the sanitizers to watch its end.
    given_ = ffi.new("uint8_t[]", bytes(packed)) if packed else ffi.new("uint8_t[]", 1)
    n = len(keys)
    items, scratch = ffi.new("bp_item[]", n), ffi.new("bp_item[]", 2 * n)
    counts, bits = ffi.new("uint32_t[]", [n]), ffi.new("uint8_t[]", n)
    answer = lib.bp_changes(items, scratch, n, counts, 1, given_, len(packed), bits)
    read = _packed_lists(bytes(packed), n)
    assert (answer == 0) == (read is not None)
    if read is not None:
        keys_found = [bytes(ffi.buffer(item.key, item.klen)) for item in items]
        values_found = [bytes(ffi.buffer(ffi.cast("char *", item.val), item.vlen)) for item in items]
        assert keys_found == sorted(read[0])
        assert sorted(zip(keys_found, values_found, strict=True)) == sorted(zip(*read, strict=True))


@needs_native
def test_values_are_packed_from_inside_the_map_and_into_their_room_only() -> None:
    from boltpy.hot._kernels import ffi, lib

    image = make_tree([(0, b"k", b"value"), (0, b"l", b"")], 1024, 2)
    view = View(NATIVE, image)
    source = view.tree.src
    inside = [(1024 << 24) | 100, (len(image.data) << 24) | 0, -1, -2]
    room = 5 * (1 + 2) + 100 + 2
    for places, cap, answer in (
        (inside, room, 0),
        (inside, room - 1, -1),
        ([], 5, 0),
        ([], 4, -1),
        ([(1024 << 24) | 100], 5 + 5 + 100, 0),
        *[([(1024 << 24) | 100], cap, -1) for cap in range(5, 5 + 5 + 100)],
        ([(len(image.data) << 24) | 1], 100, -1),
        ([2**63 - 1], 2**24 + 10, -1),
    ):
        out = ffi.new("uint8_t[]", cap)
        assert lib.bp_pack_values(source, ffi.new("int64_t[]", places), len(places), out, cap) == answer
        if places is inside and not answer:
            assert marshal.loads(ffi.buffer(out)) == [image.data[1024:1124], b"", None, None]


@needs_native
def test_what_stands_behind_packed_bytes_is_refused() -> None:
    from boltpy.hot._kernels import ffi, lib

    view = View(NATIVE, make_tree([(0, b"k", b"value")], 1024, 2))
    keys, changes = marshal.dumps([b"k"], 2), marshal.dumps([[b"k"], [b"v"]], 2)
    items, scratch, out = ffi.new("bp_item[]", 1), ffi.new("bp_item[]", 2), ffi.new("int64_t[]", 1)
    counts, bits, found = ffi.new("uint32_t[]", [1]), ffi.new("uint8_t[]", 1), ffi.new("bp_together *")
    for more, answer in ((b"", 0), (b"x", -1), (b"s", -1)):
        assert lib.bp_get_many(view.tree, keys + more, len(keys + more), 1, out, found) == answer
        packed = changes + more
        assert lib.bp_changes(items, scratch, 1, counts, 1, packed, len(packed), bits) == answer


@needs_native
def test_sound_puts_have_sizes_within_both_limits() -> None:
    from boltpy.hot._kernels import lib

    changes = NATIVE.plain_puts([b"key", b"l"], [b"value", b"w"])
    for max_key, max_value, answer in ((3, 5, 1), (2, 5, 0), (3, 4, 0)):
        assert lib.bp_are_sound(changes.items, 2, max_key, max_value) == answer


def _packed_lists(packed: bytes, n: int) -> list[list[bytes]] | None:
    """Two lists of n byte strings; None if something else is packed."""
    at = 5
    if packed[:5] != b"[" + struct.pack("<I", 2):
        return None
    lists: list[list[bytes]] = []
    for _ in range(2):
        if packed[at : at + 5] != b"[" + struct.pack("<I", n):
            return None
        at += 5
        lists.append([])
        for _ in range(n):
            if packed[at : at + 1] != b"s" or len(packed) < at + 5:
                return None
            (size,) = struct.unpack_from("<I", packed, at + 1)
            at += 5 + size
            if at > len(packed):
                return None
            lists[-1].append(packed[at - size : at])
    return lists if at == len(packed) else None
