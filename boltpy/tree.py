"""The committed tree of a bucket as one transaction sees it: looking up, scanning, walking its pages.

A Snapshot is a mapped file at one meta. Nothing in it changes while the transaction lives, not even when a writer
makes the file longer: growth makes a new mapping, and this one goes with its last user.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from mmap import mmap
from struct import Struct

from . import hot
from .errors import CorruptError
from .format import BUCKET_ENTRY, MAX_DEPTH, Pgid
from .hot import raw_page
from .hot.raw_page import BucketRef, RawPage, bucket_ref
from .meta import Meta

Pair = tuple[bytes, bytes | None]

_FIRST_BATCH = 64
_LARGEST_BATCH = 4096


class Mapping:
    """A mapped file; it is unmapped when its last user is gone."""

    def __init__(self, mapped: mmap) -> None:
        self.map = mapped
        self.size = len(mapped)
        self.handle = hot.attach(mapped)


class Snapshot:
    """A mapping at one meta.

    Attributes:
        map: The mapped bytes.
        meta: The state of the database.
        source: What the hot kernels read; closed when the transaction ends.
        pages: The same for the checks in Python, which outlives the transaction.
    """

    __slots__ = ("_mapping", "map", "meta", "pages", "source")

    def __init__(self, mapping: Mapping, meta: Meta) -> None:
        self._mapping = mapping
        self.map = mapping.map
        self.meta = meta
        self.source = hot.source(mapping.handle, mapping.size, meta.hwm, meta.page_size)
        self.pages = raw_page.Source(mapping.map, mapping.size, meta.hwm, meta.page_size)

    def close(self) -> None:
        """Make every later look-up of the kernels fail."""
        hot.detach(self.source)

    @property
    def root(self) -> BucketRef:
        """The root bucket."""
        return BucketRef(self.meta.root, self.meta.sequence)

    def tree(self, ref: BucketRef) -> hot.Tree:
        """Return a bucket's tree for the kernels."""
        return hot.tree(self.source, *ref)

    def tree_pages(self, ref: BucketRef, seen: set[Pgid]) -> Iterator[tuple[RawPage, int]]:
        """Yield each page of one bucket with its depth (the root's is 0), parents first; not those of nested buckets.

        Args:
            seen: Pages met before; those met now are added.

        Raises:
            CorruptError: A page breaks the format or is met twice.
        """
        if not ref.root:
            page = raw_page.load_root(raw_page.Tree(self.pages, *ref))
            if page is not None:
                yield page, 0
            return
        waiting = [(ref.root, 0)]
        while waiting:
            pgid, depth = waiting.pop()
            if pgid in seen:
                raise CorruptError(pgid, "multiple references")
            seen.add(pgid)
            if depth >= MAX_DEPTH:
                raise raw_page.corrupt(raw_page.TOO_DEEP, pgid, MAX_DEPTH)
            page = raw_page.load_page(self.pages, pgid)
            yield page, depth
            if not page.is_leaf:
                waiting += [(page.element(i).child, depth + 1) for i in reversed(range(page.item_count))]

    def nested_buckets(self, tree: hot.Tree) -> Iterator[tuple[bytes, BucketRef]]:
        """Yield (name, bucket) of each bucket nested directly in one, in key order.

        Raises:
            CorruptError: A page breaks the format, or an inline bucket holds a nested one, which bolt never writes:
                its pages could be another bucket's.
        """
        for run in runs(tree, None, None, hot.SCAN_BUCKETS):
            if not tree.root:
                raise CorruptError(None, "an inline bucket holds a nested bucket")
            at, count, ksize, vsize, _ = run
            for item in range(at, at + count * (ksize + vsize), ksize + vsize):
                yield self.map[item : item + ksize], bucket_ref(self.map, item + ksize, vsize)

    def used_pages(self) -> bytearray:
        """Return a byte for each page below the high-water mark: 1 if a tree or a meta uses it.

        Raises:
            CorruptError: A page breaks the format, or two trees share one.
        """
        limit = min(self.meta.hwm, len(self.map) // self.meta.page_size)
        used = bytearray(b"\1\1".ljust(limit, b"\0"))
        seen: set[Pgid] = set()
        waiting = [self.root]
        while waiting:
            ref = waiting.pop()
            for page, _ in self.tree_pages(ref, seen):
                for pgid in range(page.pgid, page.pgid + page.pages):
                    if used[pgid]:
                        raise CorruptError(pgid, "multiple references")
                    used[pgid] = 1
            waiting.extend(nested for _, nested in self.nested_buckets(self.tree(ref)))
        return used


def runs(tree: hot.Tree, key: bytes | None, bound: bytes | None, how: int) -> Iterator[hot.Run]:
    """Yield all runs of a range, fetched in growing batches."""
    for batch in _batches(tree, key, bound, how):
        yield from batch


def _batches(tree: hot.Tree, key: bytes | None, bound: bytes | None, how: int) -> Iterator[list[hot.Run]]:
    count = _FIRST_BATCH
    done = False
    while not done:
        batch, last, done = hot.scan(tree, key, bound, how, count)
        yield batch
        key, how = last, how | hot.SCAN_EXCLUSIVE
        count = min(count * 4, _LARGEST_BATCH)


@lru_cache(maxsize=1024)
def _layout(text: str) -> Struct:
    return Struct(text)


def _slices(mapped: mmap, run: hot.Run, reverse: bool) -> Iterator[tuple[bytes, bytes]]:
    at, count, ksize, vsize, _ = run
    size = ksize + vsize
    places = range(at, at + count * size, size)
    for item in places[::-1] if reverse else places:
        yield mapped[item : item + ksize], mapped[item + ksize : item + size]


# Below this many neighbours of equal size, slicing is cheaper than a Struct.
_UNPACK_FROM = 4


def pairs(mapped: mmap, run: hot.Run, reverse: bool) -> Iterable[Pair]:
    """Return the items of a run as (key, value); the value of a nested bucket is None."""
    at, count, ksize, vsize, flags = run
    if flags & BUCKET_ENTRY:
        return [(key, None) for key, _ in _slices(mapped, run, reverse)]
    if count == 1:
        middle = at + ksize
        return ((mapped[at:middle], mapped[middle : middle + vsize]),)
    if count < _UNPACK_FROM:
        return _slices(mapped, run, reverse)
    found = _layout(f"{ksize}s{vsize}s").iter_unpack(mapped[at : at + count * (ksize + vsize)])
    return reversed(list(found)) if reverse else found


def find_pairs(tree: hot.Tree, mapped: mmap, key: bytes | None, how: int, count: int) -> tuple[list[Pair], bool]:
    """Return up to `count` items in key order from `key` on, and whether there are no more."""
    batch, _, done = hot.scan(tree, key, None, how, count)
    found: list[Pair] = []
    for run in batch:
        found += pairs(mapped, run, bool(how & hot.SCAN_REVERSE))
    return found, done
