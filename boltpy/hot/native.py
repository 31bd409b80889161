"""The writing kernels of `kernels.c` through cffi, under the names and with the meaning of pure_write and its floor.

Policy stays in Python: the C code fills buffers that are made here, and answers with what it needs next.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from itertools import chain
from struct import Struct
from time import perf_counter
from typing import Any, Final, cast

from ..errors import IncompatibleValueError, InvariantError
from ..format import MAX_KEY_SIZE, MAX_VALUE_SIZE, Pgid
from ._kernels import ffi, lib
from .native_read import error, not_cleared
from .packing import pack, unpack
from .pure_changes import BucketChanges
from .pure_node import node_too_large
from .pure_write import Allocator, Outcome, WeakLeaf, Write
from .raw_page import Source

# What bp_merge_run answers (enum BP_...).
_DONE, _OUT, _ALLOC, _STACK, _CORRUPT, _BUCKET, _EMPTY, _UNCHANGED, _TOO_LARGE, _VALUES, _MISMATCH = range(11)

_OUT_BYTES: Final = 512 * 1024  # stays in the processor's cache while pages are made
_STACK_ITEMS: Final = 4096
_FREED_SPANS: Final = 2048
_WRITES: Final = 512
_WEAK_LEAVES: Final = 512
_VALUE_BYTES: Final = 16 * 1024

_SPAN = Struct("<QQ")
_WEAK = Struct("<QQII")
_WRITE = Struct("<QQQ")
_ITEM_SIZE: Final = ffi.sizeof("bp_item")

if ffi.sizeof("bp_weak_leaf") != _WEAK.size:
    raise ImportError("the C kernels do not fit this platform")


def join_leaves(source: Source, pgids: Sequence[Pgid]) -> bytes:
    ids = array("Q", pgids)
    err = ffi.new("bp_error *")
    capacity = len(pgids) * cast("Any", source).page_size
    while True:
        out = not_cleared("uint8_t[]", capacity)
        size = lib.bp_join(source, ffi.from_buffer("uint64_t[]", ids), len(ids), out, capacity, err)
        if size < 0:
            raise error(err)
        if size <= capacity:
            return bytes(ffi.buffer(out, size))
        capacity = size


class Changes:
    """The changes of buckets, those of each in key order, as C reads them; behind them those of `runs`."""

    def __init__(
        self,
        keys: list[bytes],
        values: list[bytes],
        bits: bytes | bytearray,
        counts: Sequence[int],
        runs: Sequence[Changes] = (),
    ) -> None:
        n = len(keys)
        self._count = n + sum(map(len, runs)) if runs else n
        self.packed = packed = pack([keys, values])
        self._keep = [run.packed for run in runs]  # the items have addresses of what is in there
        self.items = items = not_cleared("bp_item[]", self._count)
        scratch = not_cleared("bp_item[]", 2 * n)
        places = ffi.from_buffer("uint32_t[]", array("I", counts))
        marks = ffi.from_buffer("uint8_t[]", bits)
        if len(bits) != n or lib.bp_changes(items, scratch, n, places, len(counts), packed, len(packed), marks):
            raise ValueError("the changes are not of bytes, or their numbers do not add up")
        for run in runs:
            ffi.memmove(items + n, run.items, len(run) * _ITEM_SIZE)
            n += len(run)

    def __len__(self) -> int:
        return self._count

    def key(self, i: int) -> bytes:
        """Return the key of change i."""
        item = self.items[i]
        return bytes(ffi.buffer(item.key, item.klen))


def sorted_changes(
    keys: list[bytes],
    values: list[bytes],
    bits: bytes | bytearray,
    counts: Sequence[int],
    runs: Sequence[Changes] = (),
) -> Changes:
    try:
        return Changes(keys, values, bits, counts, runs)
    except ValueError as fault:
        raise InvariantError(str(fault)) from None


def plain_puts(keys: list[bytes], values: list[bytes]) -> Changes | None:
    try:
        changes = Changes(keys, values, bytes(len(keys)), [len(keys)])
    except ValueError:
        return None
    return changes if lib.bp_are_sound(changes.items, len(changes), MAX_KEY_SIZE, MAX_VALUE_SIZE) else None


def unfold(puts: Changes) -> dict[bytes, bytes]:
    return dict(zip(*unpack(puts.packed), strict=True))


class Merger:
    """Merges changes into trees and writes the pages, for one commit at a time."""

    def __init__(self, page_size: int) -> None:
        self.page_size = page_size
        self.writes, self.write_time = 0, 0.0
        self._stack: Any = None
        self._m = m = ffi.new("bp_merge *")
        self._freed = ffi.new("bp_span[]", _FREED_SPANS)
        self._writes = ffi.new("bp_write[]", _WRITES)
        m.freed, m.freed_cap = self._freed, _FREED_SPANS
        m.writes, m.writes_cap = self._writes, _WRITES
        self._values = not_cleared("uint8_t[]", _VALUE_BYTES)
        self._set_out(_OUT_BYTES)
        self._set_stack(_STACK_ITEMS)

    def _set_out(self, size: int) -> None:
        self._out = bytearray(size)
        self._out_view = memoryview(self._out)
        self._out_buffer = ffi.from_buffer("uint8_t[]", self._out, require_writable=True)
        self._m.out, self._m.out_cap = self._out_buffer, size

    def _set_stack(self, count: int) -> None:
        stack = not_cleared("bp_item[]", count)
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
        self.writes, self.write_time = 0, 0.0

    def put(self, pgid: Pgid, image: bytes) -> None:
        m = self._m
        if len(image) > m.out_cap:
            self.flush()
            self._write_all([(pgid, image)])
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
        m, view = self._m, self._out_view
        if m.writes_n:
            places = _WRITE.iter_unpack(ffi.buffer(self._writes, m.writes_n * _WRITE.size))
            self._write_all([(pgid, view[at : at + length]) for at, length, pgid in places])
            m.out_len = m.writes_n = 0

    def _write_all(self, pieces: list[tuple[Pgid, Any]]) -> None:
        write, page_size, begun = self._write, self.page_size, perf_counter()
        for pgid, data in pieces:
            write(pgid * page_size, data)
        self.writes += len(pieces)
        self.write_time += perf_counter() - begun

    def weak(self, source: Source, bucket: BucketChanges, changes: Changes, limit: int) -> list[WeakLeaf]:
        m = self._m
        m.over_n = 0
        found: list[WeakLeaf] = []
        out = ffi.new("bp_weak_leaf[]", _WEAK_LEAVES)
        if lib.bp_start(m, source, ffi.new("bp_bucket *", bucket)):
            raise error(m.err)
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
        m.values = values = not_cleared("uint8_t[]", m.values_cap)
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
            raise error(m.err)
        if answer == _BUCKET:
            i = m.err.info
            is_put = not changes.items[i].flags & 1
            raise IncompatibleValueError(changes.key(i), "a nested bucket" if is_put else "a plain key")
        if answer == _TOO_LARGE:
            raise node_too_large()
        if answer == _MISMATCH:
            raise InvariantError("a bucket comes before one that is nested in it")
        raise InvariantError(f"page {m.frame[m.depth].pgid} lost all its items and was not taken out of the tree")
