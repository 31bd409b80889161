"""The reading kernels of `kernels.c` through cffi, under the names and with the meaning of pure_read and pure_ids."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from functools import lru_cache
from struct import Struct
from typing import Any, Final, cast

from ..errors import CorruptError, InvariantError
from ..format import BUCKET_ENTRY, Pgid
from . import pure_ids
from ._kernels import ffi, lib
from .packing import PACKED_HEAD, pack, unpack
from .pure_read import BYTES_PER_ITEM, LARGEST_SCAN, NO_LIMIT, SCAN_KEYS, SCAN_REVERSE, Found, Pair, Run, values_at
from .raw_page import Map, Source, Tree, bucket_ref, corrupt

_PACKED_VALUE: Final = 4096  # bytes on average: to copy more than these twice costs more than to look at each
# Bytes for packed keys, and for packed values, with what stands before each list.
_ROOM: Final = LARGEST_SCAN * BYTES_PER_ITEM + PACKED_HEAD


_NULL = ffi.NULL
_RUN = Struct("<QIIII")
_RUNS_AT: Final = 64
_unpack_scanned = Struct("<QI?51x" + "QIIII").unpack_from  # up to and with the first run
not_cleared = ffi.new_allocator(should_clear_after_alloc=False)

if array("I").itemsize != 4 or ffi.sizeof("bp_run") != _RUN.size or ffi.offsetof("bp_scanned", "runs") != _RUNS_AT:
    raise ImportError("the C kernels do not fit this platform")

get = cast("Any", lib.bp_get)
_scan_pairs = lib.bp_scan_pairs


def fnv1a(data: bytes) -> int:
    return cast(int, lib.bp_fnv1a(data, len(data)))


def attach(buffer: Map) -> Any:
    return ffi.from_buffer("uint8_t[]", buffer)


def source(handle: Any, length: int, hwm: Pgid, page_size: int) -> Source:
    return cast(Source, ffi.new("bp_source *", (handle, length, hwm, page_size)))


def detach(source: Source) -> None:
    cast("Any", source).len = 0


def tree(source: Source, root: Pgid, sequence: int, inline_at: int, inline_len: int) -> Tree:
    return cast(Tree, ffi.new("bp_tree *", (source, root, sequence, inline_at, inline_len)))


def error(err: Any) -> CorruptError:
    """Return what a kernel says of a damaged page."""
    return corrupt(err.code, err.pgid, err.info)


def find(tree: Tree, key: bytes) -> Found | None:
    out = ffi.new("bp_found *")
    answer = lib.bp_find(tree, key, len(key), out)
    if answer < 0:
        raise error(out.err)
    return Found(out.key_at, out.value_at, out.ksize, out.vsize, out.flags) if answer else None


def nested(tree: Tree, name: bytes) -> Tree | None:
    out = ffi.new("bp_tree *")
    answer = lib.bp_nested(tree, name, len(name), out)
    if answer > 0:
        return cast(Tree, out)
    if answer < 0 and (found := find(tree, name)) is not None:
        bucket_ref(b"", found.value_at, found.vsize)  # says what is wrong
    return None


def _get_each(tree: Tree, keys: list[bytes]) -> tuple[Any, Any]:
    n, packed = len(keys), pack(keys)
    out = not_cleared("int64_t[]", n)
    sum_ = ffi.new("bp_together *")
    if lib.bp_get_many(tree, packed, len(packed), n, out, sum_):
        raise ValueError("a key is not bytes-like")
    return out, sum_


def places(tree: Tree, keys: list[bytes]) -> list[int]:
    return cast("list[int]", ffi.unpack(_get_each(tree, keys)[0], len(keys))) if keys else []


def get_many(tree: Tree, mapped: Map, keys: list[bytes]) -> tuple[list[bytes | None], bool]:
    n = len(keys)
    places, sum_ = _get_each(tree, keys)
    complete = not sum_.asked
    if sum_.bytes > n * _PACKED_VALUE:
        return values_at(mapped, ffi.unpack(places, n)), complete
    room = sum_.bytes + PACKED_HEAD * (n + 1)
    packed = not_cleared("uint8_t[]", room)
    if lib.bp_pack_values(cast("Any", tree).src, places, n, packed, room):
        raise InvariantError("the values changed while they were read")
    return unpack(ffi.buffer(packed)), complete


class _Scanned:
    """Room for what a scan answers."""

    __slots__ = ("_keep", "bytes", "keys", "out", "runs", "values")

    def __init__(self) -> None:
        self.out = out = not_cleared("bp_scanned *")
        self._keep = out.keys, out.values = not_cleared("uint8_t[]", _ROOM), not_cleared("uint8_t[]", _ROOM)
        out.room = _ROOM
        self.keys, self.values = map(ffi.buffer, self._keep)
        self.bytes = memoryview(ffi.buffer(out))
        self.runs = self.bytes[ffi.offsetof("bp_scanned", "runs") :]


_idle: list[_Scanned] = []


def _scan(
    kernel: Any, tree: Tree, key: bytes | None, bound: bytes | None, how: int, max_items: int, max_bytes: int
) -> tuple[_Scanned, int]:
    """Return the answer of a kernel that scans, and the number of runs. Who is done with it lays it back to _idle."""
    try:
        scanned = _idle.pop()  # one that no thread uses now
    except IndexError:
        scanned = _Scanned()
    n = kernel(
        tree,
        _NULL if key is None else key,
        0 if key is None else len(key),
        _NULL if bound is None else bound,
        0 if bound is None else len(bound),
        how,
        max_items,
        max_bytes,
        scanned.out,
    )
    if n == -1:
        raise error(scanned.out.err)
    if n < 0:
        raise InvariantError("the items changed while they were read")
    return scanned, n


def scan(
    tree: Tree, mapped: Map, key: bytes | None, bound: bytes | None, how: int, max_items: int
) -> tuple[list[Run], bytes | None, bool]:
    scanned, n = _scan(lib.bp_scan, tree, key, bound, how, max_items, NO_LIMIT)
    last_at, last_size, done, *_ = _unpack_scanned(scanned.bytes)
    runs: list[Any] = list(_RUN.iter_unpack(scanned.runs[: n * _RUN.size]))
    _idle.append(scanned)
    last: Any = mapped[last_at : last_at + last_size] if last_size else None
    return runs, last, done


@lru_cache(maxsize=1024)
def _pairs_of(ksize: int, vsize: int) -> Callable[[bytes], Iterator[tuple[bytes, bytes]]]:
    """Return what cuts keys and values of these sizes that lie side by side."""
    return Struct(f"{ksize}s{vsize}s").iter_unpack


def scan_pairs(
    tree: Tree, mapped: Any, key: bytes | None, bound: bytes | None, how: int, max_items: int
) -> tuple[Iterator[Pair], bytes | None, bool]:
    scanned, n = _scan(_scan_pairs, tree, key, bound, how, max_items, max_items * BYTES_PER_ITEM)
    last_at, last_size, done, at, count, ksize, vsize, flags = _unpack_scanned(scanned.bytes)
    pairs: Iterator[Pair]
    if n == 1 and count == 1:  # of any size
        middle = at + ksize
        pairs = iter(((mapped[at:middle], None if flags & BUCKET_ENTRY else mapped[middle : middle + vsize]),))
    elif n == 1 and not flags & BUCKET_ENTRY:
        pairs = _pairs_of(ksize, vsize)(mapped[at : at + count * (ksize + vsize)])
        if how & SCAN_REVERSE:
            pairs = reversed(list(pairs))
    else:
        pairs = zip(unpack(scanned.keys), unpack(scanned.values), strict=True)
    _idle.append(scanned)
    return pairs, mapped[last_at : last_at + last_size] if last_size else None, done


def scan_keys(
    tree: Tree, mapped: Any, key: bytes | None, bound: bytes | None, how: int, max_items: int
) -> tuple[Iterator[bytes], bytes | None, bool]:
    scanned, n = _scan(_scan_pairs, tree, key, bound, how | SCAN_KEYS, max_items, max_items * BYTES_PER_ITEM)
    _, _, done, at, count, ksize, *_ = _unpack_scanned(scanned.bytes)
    keys: list[bytes] = [mapped[at : at + ksize]] if n == 1 and count == 1 else unpack(scanned.keys)
    _idle.append(scanned)
    return iter(keys), keys[-1] if keys else None, done


def mark_pages(tree: Tree, marks: bytearray) -> int:
    err = ffi.new("bp_error *")
    count = cast(int, lib.bp_mark_pages(tree, ffi.from_buffer("uint8_t[]", marks), len(marks), err))
    if count == -1:
        raise error(err)
    if count < 0:
        raise InvariantError(f"{len(marks)} bytes of marks are too few for the pages of the file")
    return count


def marked(marks: bytearray, count: int) -> array[int]:
    found = array("Q", bytes(8 * count))
    number = lib.bp_marked(ffi.from_buffer("uint8_t[]", marks), len(marks), *_ids(found))
    if number < count:
        raise InvariantError(f"{number} bits are set, not {count}")
    return found


def find_run(ids: array[int], need: int) -> int:
    return cast(int, lib.bp_find_run(ffi.from_buffer("uint64_t[]", ids), len(ids), need))


def merge_ids(a: array[int], b: array[int]) -> array[int]:
    merged = a + b
    if lib.bp_merge_ids(*_ids(a), *_ids(b), ffi.from_buffer("uint64_t[]", merged)):
        return pure_ids.merge_ids(a, b)  # says which id is wrong
    return merged


def store_ids(a: array[int], b: array[int]) -> bytes | bytearray:
    out = bytearray(8 * (len(a) + len(b)))
    if lib.bp_store_ids(*_ids(a), *_ids(b), ffi.from_buffer("uint8_t[]", out)):
        return pure_ids.store_ids(a, b)
    return out


def _ids(ids: array[int]) -> tuple[Any, int]:
    return ffi.from_buffer("uint64_t[]", ids), len(ids)
