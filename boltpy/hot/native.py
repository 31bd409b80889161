"""The kernels of `kernels.c` through cffi, under the names and with the meaning of pure_read and pure_write.

Policy stays in Python: the C code fills buffers that are made here, and answers with what it needs next.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from itertools import chain
from struct import Struct, iter_unpack
from typing import Any, Final, cast

from ..errors import CorruptError, IncompatibleValueError, InvariantError
from ..format import Pgid
from . import pure_ids
from ._kernels import ffi, lib
from .pure_changes import BucketChanges
from .pure_node import node_too_large
from .pure_read import Found, Run, values_at
from .pure_write import Allocator, Outcome, WeakLeaf, Write
from .raw_page import Map, Source, Tree, bucket_ref, corrupt

# What bp_merge_run answers (enum BP_...).
_DONE, _OUT, _ALLOC, _STACK, _CORRUPT, _BUCKET, _EMPTY, _UNCHANGED, _TOO_LARGE, _VALUES, _MISMATCH = range(11)

_OUT_BYTES: Final = 512 * 1024  # stays in the processor's cache while pages are made
_STACK_ITEMS: Final = 4096
_FREED_SPANS: Final = 2048
_WRITES: Final = 512
_WEAK_LEAVES: Final = 512
_VALUE_BYTES: Final = 16 * 1024
_SCAN_RUNS: Final = 512

_RUN = Struct("<QIIII")
_SPAN = Struct("<QQ")
_WEAK = Struct("<QQII")
_WRITE = Struct("<QQQ")
_not_cleared = ffi.new_allocator(should_clear_after_alloc=False)

if array("I").itemsize != 4 or ffi.sizeof("bp_run") != _RUN.size or ffi.sizeof("bp_weak_leaf") != _WEAK.size:
    raise ImportError("the C kernels do not fit this platform")

get = cast("Any", lib.bp_get)


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


def _error(err: Any) -> CorruptError:
    return corrupt(err.code, err.pgid, err.info)


def find(tree: Tree, key: bytes) -> Found | None:
    out = ffi.new("bp_found *")
    answer = lib.bp_find(tree, key, len(key), out)
    if answer < 0:
        raise _error(out.err)
    return Found(out.key_at, out.value_at, out.ksize, out.vsize, out.flags) if answer else None


def nested(tree: Tree, name: bytes) -> Tree | None:
    out = ffi.new("bp_tree *")
    answer = lib.bp_nested(tree, name, len(name), out)
    if answer > 0:
        return cast(Tree, out)
    if answer < 0 and (found := find(tree, name)) is not None:
        bucket_ref(b"", found.value_at, found.vsize)  # says what is wrong
    return None


def get_many(tree: Tree, mapped: Map, keys: list[bytes]) -> list[bytes | None]:
    n = len(keys)
    blob = b"".join(keys)
    out = _not_cleared("int64_t[]", n)
    sum_ = ffi.new("bp_together *")
    if lib.bp_get_many(tree, blob, len(blob), ffi.from_buffer("uint32_t[]", _lengths(keys)), n, out, sum_):
        raise InvariantError("the lengths of the keys do not add up")
    if not n or not sum_.same or sum_.size < 1:
        return values_at(mapped, ffi.unpack(out, n) if n else [])
    size, values = sum_.size, _not_cleared("uint8_t[]", n * sum_.size)
    if lib.bp_gather(cast("Any", tree).src, out, n, values, size):
        raise InvariantError("the values changed while they were read")
    found: list[bytes | None] = [*chain.from_iterable(iter_unpack(f"{size}s", ffi.buffer(values)))]
    if sum_.found < n:
        for i, at in enumerate(ffi.unpack(out, n)):
            if at < 0:
                found[i] = None
    return found


def scan(
    tree: Tree, key: bytes | None, bound: bytes | None, how: int, max_items: int
) -> tuple[list[Run], bytes | None, bool]:
    capacity = min(max_items, _SCAN_RUNS)
    runs = _not_cleared("bp_run[]", capacity)
    out = ffi.new("bp_scanned *")
    n = lib.bp_scan(
        tree,
        ffi.NULL if key is None else key,
        len(key or b""),
        ffi.NULL if bound is None else bound,
        len(bound or b""),
        how,
        max_items,
        runs,
        capacity,
        out,
    )
    if n < 0:
        raise _error(out.err)
    found = cast("list[Run]", list(_RUN.iter_unpack(ffi.buffer(runs, n * _RUN.size)))) if n else []
    last = None
    if out.last_ksize:
        last = cast(bytes, ffi.unpack(ffi.cast("char *", cast("Any", tree).src.map) + out.last_at, out.last_ksize))
    return found, last, bool(out.done)


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


def join_leaves(source: Source, pgids: Sequence[Pgid]) -> bytes:
    ids = array("Q", pgids)
    err = ffi.new("bp_error *")
    capacity = len(pgids) * cast("Any", source).page_size
    while True:
        out = _not_cleared("uint8_t[]", capacity)
        size = lib.bp_join(source, ffi.from_buffer("uint64_t[]", ids), len(ids), out, capacity, err)
        if size < 0:
            raise _error(err)
        if size <= capacity:
            return bytes(ffi.buffer(out, size))
        capacity = size


class Changes:
    """The changes of buckets, those of each in key order, as C reads them. Keeps alive what the items point to."""

    def __init__(
        self, keys: Sequence[bytes], values: Sequence[bytes], bits: bytes | bytearray, counts: Sequence[int]
    ) -> None:
        n = len(keys)
        # C keeps the addresses of what is in these two.
        self._keep = key_blob, value_blob = b"".join(keys), b"".join(values)
        self.items = _not_cleared("bp_item[]", 3 * n)
        sizes = _lengths(keys).tobytes(), _lengths(values).tobytes()
        if len(bits) != n or lib.bp_changes(
            self.items,
            n,
            ffi.from_buffer("uint32_t[]", array("I", counts)),
            len(counts),
            key_blob,
            len(key_blob),
            sizes[0],
            value_blob,
            len(value_blob),
            sizes[1],
            ffi.from_buffer("uint8_t[]", bits),
        ):
            raise InvariantError("the numbers of the changes do not add up")

    def key(self, i: int) -> bytes:
        """Return the key of change i."""
        item = self.items[i]
        return bytes(ffi.buffer(item.key, item.klen))


sorted_changes = Changes


class Merger:
    """Merges changes into trees and writes the pages, for one commit at a time."""

    def __init__(self, page_size: int) -> None:
        self.page_size = page_size
        self._stack: Any = None
        self._m = m = ffi.new("bp_merge *")
        self._freed = ffi.new("bp_span[]", _FREED_SPANS)
        self._writes = ffi.new("bp_write[]", _WRITES)
        m.freed, m.freed_cap = self._freed, _FREED_SPANS
        m.writes, m.writes_cap = self._writes, _WRITES
        self._values = _not_cleared("uint8_t[]", _VALUE_BYTES)
        self._set_out(_OUT_BYTES)
        self._set_stack(_STACK_ITEMS)

    def _set_out(self, size: int) -> None:
        self._out = bytearray(size)
        self._out_view = memoryview(self._out)
        self._out_buffer = ffi.from_buffer("uint8_t[]", self._out, require_writable=True)
        self._m.out, self._m.out_cap = self._out_buffer, size

    def _set_stack(self, count: int) -> None:
        stack = _not_cleared("bp_item[]", count)
        if self._m.sp:
            ffi.memmove(stack, self._stack, self._m.sp * ffi.sizeof("bp_item"))
        self._stack = stack
        self._m.stack, self._m.stack_cap = stack, count

    def begin(self, allocator: Allocator, write: Write) -> None:
        self._allocator = allocator
        self._write = write
        if self._m.out_cap > _OUT_BYTES:  # the last commit had a very large value
            self._set_out(_OUT_BYTES)
        self._m.out_len = self._m.writes_n = 0

    def put(self, pgid: Pgid, image: bytes) -> None:
        m = self._m
        if len(image) > m.out_cap:
            self.flush()
            self._write(pgid, image)
            return
        if len(image) > m.out_cap - m.out_len or m.writes_n == m.writes_cap:
            self.flush()
        self._out_view[m.out_len : m.out_len + len(image)] = image
        last = m.writes[m.writes_n - 1] if m.writes_n else None
        if last is not None and last.pgid + last.len // self.page_size == pgid:
            last.len += len(image)
        else:
            m.writes[m.writes_n] = (m.out_len, len(image), pgid)
            m.writes_n += 1
        m.out_len += len(image)

    def flush(self) -> None:
        m = self._m
        for at, length, pgid in _WRITE.iter_unpack(ffi.buffer(self._writes, m.writes_n * _WRITE.size)):
            self._write(pgid, self._out_view[at : at + length])
        m.out_len = m.writes_n = 0

    def weak(self, source: Source, bucket: BucketChanges, changes: Changes, limit: int) -> list[WeakLeaf]:
        m = self._m
        m.over_n = 0
        found: list[WeakLeaf] = []
        out = ffi.new("bp_weak_leaf[]", _WEAK_LEAVES)
        if lib.bp_start(m, source, ffi.new("bp_bucket *", bucket)):
            raise _error(m.err)
        while m.depth >= 0:
            n = lib.bp_weak(m, changes.items, limit, out, _WEAK_LEAVES)
            if n < 0:
                self._fail(-n, changes)
            records = _WEAK.iter_unpack(ffi.buffer(out, n * _WEAK.size)) if n else ()
            found.extend(WeakLeaf(pgid, size, count, changes.key(first)) for pgid, size, count, first in records)
        return found

    def merge(
        self,
        source: Source,
        buckets: Sequence[BucketChanges],
        changes: Changes,
        overrides: Mapping[Pgid, bytes],
    ) -> Outcome:
        m, count = self._m, len(buckets)
        m.over_n = len(overrides)
        if overrides:
            images = [(pgid, ffi.from_buffer("uint8_t[]", overrides[pgid])) for pgid in sorted(overrides)]
            m.over = table = ffi.new("bp_override[]", [(pgid, image, len(image)) for pgid, image in images])  # noqa: F841
        freed = array("Q")
        work = array("Q", chain.from_iterable(buckets))
        m.results = results = ffi.new("bp_value[]", count)
        m.at = m.stage = m.pages = m.splits = m.freed_n = 0
        m.values, m.values_cap, m.values_len = self._values, len(self._values), 0
        more: list[Any] = []
        with ffi.from_buffer("bp_bucket[]", work, require_writable=True) as places:
            while answer := self._run(source, places, count, changes):
                if answer == _OUT:
                    self._take_freed(freed)
                    self.flush()
                    if m.need > m.out_cap:
                        self._set_out(m.need)
                elif answer == _STACK:
                    self._set_stack(2 * m.stack_cap)
                elif answer == _ALLOC:
                    m.given = self._allocator.allocate(m.need)
                elif answer == _VALUES:
                    more.append(self._more_values(m.need))  # results point to the older ones
                else:
                    self._fail(answer, changes)
        self._take_freed(freed)
        last = results[count - 1]
        value = bytes(ffi.buffer(last.at, last.len)) if last.len else None
        return Outcome(value, freed, m.pages, m.splits)

    def _more_values(self, need: int) -> Any:
        m = self._m
        m.values_cap, m.values_len = max(need, _VALUE_BYTES), 0
        m.values = values = _not_cleared("uint8_t[]", m.values_cap)
        return values

    def _run(self, source: Source, buckets: Any, count: int, changes: Changes) -> int:
        """Let C go on with the pool until it needs something; what it took is gone from the allocator."""
        m, allocator = self._m, self._allocator
        pool = allocator.pool
        with ffi.from_buffer("uint64_t[]", pool) as ids:
            m.pool, m.pool_n = ids, len(pool)
            m.hwm, m.hwm_limit = allocator.hwm, allocator.hwm_limit
            answer: int = lib.bp_merge_run(m, source, buckets, count, changes.items)
        left = m.pool_n
        if left < len(pool):
            allocator.taken.extend(pool[left:])
            del pool[left:]
        allocator.hwm = m.hwm
        return answer

    def _take_freed(self, freed: array[int]) -> None:
        n = self._m.freed_n
        if n == 1 and self._freed[0].count == 1:  # the usual case of a small commit
            freed.append(self._freed[0].pgid)
        elif n:
            spans = array("Q", ffi.buffer(self._freed, n * _SPAN.size)[:])
            counts = spans[1::2]
            if counts.count(1) == n:
                freed.extend(spans[::2])
            else:
                for pgid, count in zip(spans[::2], counts, strict=True):
                    freed.extend(range(pgid, pgid + count))
        self._m.freed_n = 0

    def _fail(self, answer: int, changes: Changes) -> None:
        m = self._m
        if answer == _CORRUPT:
            raise _error(m.err)
        if answer == _BUCKET:
            i = m.err.info
            is_put = not changes.items[i].flags & 1
            raise IncompatibleValueError(changes.key(i), "a nested bucket" if is_put else "a plain key")
        if answer == _TOO_LARGE:
            raise node_too_large()
        if answer == _MISMATCH:
            raise InvariantError("a bucket comes before one that is nested in it")
        raise InvariantError(f"page {m.frame[m.depth].pgid} lost all its items and was not taken out of the tree")


def _lengths(items: Sequence[bytes]) -> array[int]:
    return array("I", list(map(len, items)))
