"""The writing kernels in Python: a sorted run of changes and a committed tree in, finished pages out.

What a commit leaves depends only on the old tree and the net change, so a bucket's changes are merged once. Nodes
leave in post-order (children in key order, then their parent), which is the order in which bolt allocates pages.
This module is the specification of the second half of `kernels.c`.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from time import perf_counter
from typing import Final, NamedTuple, Protocol

from ..errors import IncompatibleValueError, InvariantError
from ..format import BUCKET_ENTRY, BUCKET_HEADER, HEADER_SIZE, MAX_DEPTH, PAGE_HEADER, Pgid
from .pure_changes import (
    CHANGE_BUCKET,
    CHANGE_CHILD,
    CHANGE_DELETE,
    CHANGE_ERASE,
    CHANGE_FORCE,
    HOW_TELL,
    HOW_TOUCH,
    BucketChanges,
    Changes,
    tree_of,
    with_values,
)
from .pure_node import Item, encode_page, node_too_large, page_items, split
from .raw_page import BAD_INLINE, EMPTY, TOO_DEEP, RawPage, Source, Tree, corrupt, load_page, load_root, raw_page

# An element tells the distance to its key in 32 bits.
_MAX_NODE_SIZE: Final = 2**32 - 1


class Allocator(Protocol):
    """Where the pages of a commit come from.

    Single pages are taken from the end of `pool` and noted in `taken`, then upward from `hwm` while that is below
    `hwm_limit`; everything else is asked of `allocate`.
    """

    taken: array[int]
    hwm: Pgid
    hwm_limit: Pgid

    @property
    def pool(self) -> array[int]:
        """Free pages, the next one last."""

    def allocate(self, count: int) -> Pgid:
        """Return the first of `count` neighbouring pages."""


Write = Callable[[int, "bytes | memoryview"], None]
"""Write bytes from an offset in the file on."""


class WeakLeaf(NamedTuple):
    """A leaf that lost items to the changes and is now too small to stand alone."""

    pgid: Pgid
    size: int
    item_count: int
    key: bytes  # of its first change


class Outcome(NamedTuple):
    """What a merge left.

    `value` is the new value of the last bucket (header and inline image); None if nothing changed in it. `freed` are
    the pages that are no longer part of any tree, `pages` and `splits` count what was written.
    """

    value: bytes | None
    freed: array[int]
    pages: int
    splits: int


class Merger:
    """Merges changes into trees and writes the pages, for one commit at a time.

    Attributes:
        writes: How many writes the commit took.
        write_time: Seconds that they took.
    """

    def __init__(self, page_size: int) -> None:
        self.page_size = page_size
        self._run: list[bytes] = []
        self._run_at = self._run_end = 0
        self.writes, self.write_time = 0, 0.0

    def begin(self, allocator: Allocator, write: Write) -> None:
        """Start a commit: pages come from `allocator` and go to `write`."""
        self.writes, self.write_time = 0, 0.0
        self._allocator = allocator
        self._write = write
        self._run = []
        self._run_at = self._run_end = 0

    def put(self, pgid: Pgid, image: bytes) -> None:
        """Write finished pages; neighbours are gathered into one write."""
        if pgid != self._run_end or len(self._run) >= 128:
            self.flush()
            self._run_at = pgid
        self._run.append(image)
        self._run_end = pgid + len(image) // self.page_size

    def flush(self) -> None:
        """Write what is still held back."""
        if self._run:
            begun = perf_counter()
            self._write(self._run_at * self.page_size, b"".join(self._run))
            self.writes += 1
            self.write_time += perf_counter() - begun
        self._run = []
        self._run_end = 0

    def weak(self, source: Source, bucket: BucketChanges, changes: Changes, limit: int) -> list[WeakLeaf]:
        """Return the leaves, the root left aside, that deletes leave with `limit` bytes or less, or one item or less.

        Entries of nested buckets count with the size that they have, as bolt rebalances before it spills; new ones
        with a few bytes, as their values are not made yet.

        Raises:
            CorruptError: A page of the tree breaks the format.
        """
        tree = tree_of(source, bucket)
        root = load_root(tree)
        span = (bucket.first, bucket.first + bucket.change_count)
        return [] if root is None else list(_weak_leaves(tree, changes, limit, root, span, 0))

    def merge(
        self,
        source: Source,
        buckets: Sequence[BucketChanges],
        changes: Changes,
        overrides: Mapping[Pgid, bytes],
    ) -> Outcome:
        """Merge changes into their buckets' trees and write the new pages.

        Args:
            buckets: Those nested in one come before it.
            changes: Of all of them, from `sorted_changes`.
            overrides: Page images that stand in for committed pages. Those visited are always written anew.

        Raises:
            CorruptError: A page of a tree breaks the format.
            IncompatibleValueError: A change without CHANGE_FORCE meets an entry of the other kind.
        """
        freed = array("Q")
        pages = splits = 0
        values: list[bytes | None] = []
        for bucket in buckets:
            own = with_values(changes[bucket.first : bucket.first + bucket.change_count], values)
            if not own and not bucket.how:
                values.append(None)
                continue
            merge = _Merge(self, self._allocator, source, bucket, own, overrides)
            values.append(merge.run())
            freed.extend(merge.freed)
            pages += merge.pages
            splits += merge.splits
        return Outcome(values[-1], freed, pages, splits)


class _Merge:
    """The merge of one bucket."""

    def __init__(
        self,
        merger: Merger,
        allocator: Allocator,
        source: Source,
        bucket: BucketChanges,
        changes: Changes,
        overrides: Mapping[Pgid, bytes],
    ) -> None:
        self._merger = merger
        self._allocator = allocator
        self._bucket = bucket
        self._tree = tree_of(source, bucket)
        self._changes = changes
        self._overrides = overrides
        self.freed = array("Q")
        self.pages = self.splits = 0

    def run(self) -> bytes | None:
        """Return the bucket's new value."""
        root = self._tree.root
        if root:
            page, dirty = _base(self._tree, self._overrides, root)
        else:
            page, dirty = load_root(self._tree) or _EMPTY_LEAF, False
        dirty = dirty or bool(self._bucket.how & HOW_TOUCH)
        items = self._node(page, 0, len(self._changes), 0, dirty)
        if items is None:
            return self._old_value() if self._bucket.how & HOW_TELL else None
        is_leaf = page.is_leaf
        size = HEADER_SIZE + sum(item.size for item in items)
        if is_leaf and size <= self._bucket.inline_max and not any(item.flags & BUCKET_ENTRY for item in items):
            self._free(page)
            return self._value(0) + encode_page(0, True, items, size)
        entries = self._spill(page, items)
        while len(entries) > 1:
            entries = self._spill(_EMPTY_LEAF._replace(is_leaf=False), entries)
        return self._value(entries[0].child)

    def _value(self, root: Pgid) -> bytes:
        return BUCKET_HEADER.pack(root, self._bucket.sequence)

    def _old_value(self) -> bytes:
        tree = self._tree
        image = b"" if tree.root else bytes(tree.source.map[tree.inline_at : tree.inline_at + tree.inline_len])
        return self._value(tree.root) + image

    def _node(self, page: RawPage, lo: int, hi: int, depth: int, dirty: bool) -> list[Item] | None:
        """Return the node's new items, its children spilled; None if nothing changes."""
        if page.is_leaf:
            own = self._changes[lo:hi]
            plan = _plan_leaf(page, own)
            return _merge_leaf(page, own, plan) if plan.changed or dirty else None
        entries: dict[int, list[Item]] = {}
        for slot, pgid, start, end in _children(page, self._changes, lo, hi):
            child, child_dirty = _child(self._tree, self._overrides, pgid, depth + 1)
            new = self._node(child, start, end, depth + 1, child_dirty)
            if new is None:
                continue
            if not new:
                raise InvariantError(f"page {pgid} lost all its items and was not taken out of the tree")
            entries[slot] = self._spill(child, new)
        if not entries and not dirty:
            return None
        items: list[Item] = []
        for slot, item in enumerate(page_items(page)):
            items.extend(entries.get(slot, (item,)))
        return items

    def _spill(self, page: RawPage, items: list[Item]) -> list[Item]:
        """Split the items and write the parts; return an entry for each."""
        self._free(page)
        entries = []
        for part, size in split(items, self._merger.page_size, self._bucket.threshold):
            if size > _MAX_NODE_SIZE:
                raise node_too_large()
            count = -(-size // self._merger.page_size)
            pgid = self._allocate(count)
            image = encode_page(pgid, page.is_leaf, part, count * self._merger.page_size, count - 1)
            self._merger.put(pgid, image)
            entries.append(Item(part[0].key if part else b"", b"", 0, pgid))
            self.pages += count
        self.splits += len(entries) - 1
        return entries

    def _allocate(self, count: int) -> Pgid:
        allocator = self._allocator
        if count == 1 and allocator.pool:
            pgid = allocator.pool.pop()
            allocator.taken.append(pgid)
            return pgid
        if count == 1 and allocator.hwm < allocator.hwm_limit:
            allocator.hwm += 1
            return allocator.hwm - 1
        return allocator.allocate(count)

    def _free(self, page: RawPage) -> None:
        if page.pgid:
            self.freed.extend(range(page.pgid, page.pgid + page.pages))


_EMPTY_LEAF: Final = RawPage(b"", 0, 0, 0, True, 0, 0)


def _base(tree: Tree, overrides: Mapping[Pgid, bytes], pgid: Pgid) -> tuple[RawPage, bool]:
    """Return a page of the tree to be merged, and whether it is an image that stands in for the committed one."""
    image = overrides.get(pgid)
    if image is None:
        return load_page(tree.source, pgid), False
    if len(image) < HEADER_SIZE:
        raise corrupt(BAD_INLINE, pgid, len(image))
    overflow = PAGE_HEADER.unpack_from(image)[3]
    return raw_page(image, 0, pgid, len(image), overflow + 1), True


def _child(tree: Tree, overrides: Mapping[Pgid, bytes], pgid: Pgid, depth: int) -> tuple[RawPage, bool]:
    if depth >= MAX_DEPTH:
        raise corrupt(TOO_DEEP, pgid, MAX_DEPTH)
    page, dirty = _base(tree, overrides, pgid)
    if not page.item_count:
        raise corrupt(EMPTY, pgid, 0)
    return page, dirty


def _children(page: RawPage, changes: Changes, lo: int, hi: int) -> list[tuple[int, Pgid, int, int]]:
    """Return (slot, pgid, first change, end of changes) of each child that a change belongs to."""
    if lo < hi and not page.item_count:
        raise corrupt(EMPTY, page.pgid, 0)
    children = []
    following = 0
    while lo < hi:
        slot = page.child_slot(changes[lo].key, following)
        pgid = page.element(slot).child
        end = lo + 1
        if slot + 1 < page.item_count:
            next_key = page.key(slot + 1)
            while end < hi and changes[end].key < next_key:
                end += 1
        else:
            end = hi
        children.append((slot, pgid, lo, end))
        lo, following = end, slot + 1
    return children


class _LeafPlan(NamedTuple):
    """What the changes do to a leaf: for each its position among the old items, and whether its key is there."""

    places: list[tuple[int, bool]]
    changed: bool
    shrunk: bool


def _plan_leaf(page: RawPage, changes: Changes) -> _LeafPlan:
    """Look up where the changes of a leaf belong. Only what the search meets is checked."""
    places: list[tuple[int, bool]] = []
    changed = shrunk = False
    done = 0
    for change in changes:
        pos, found = page.lower_bound(change.key, done)
        places.append((pos, found))
        done = pos + found
        was_bucket = found and bool(page.element(pos).flags & BUCKET_ENTRY)
        if found and was_bucket != bool(change.bits & CHANGE_BUCKET) and not change.bits & CHANGE_FORCE:
            raise IncompatibleValueError(change.key, "a nested bucket" if was_bucket else "a plain key")
        if change.bits & (CHANGE_DELETE | CHANGE_ERASE):
            effective = found or bool(change.bits & CHANGE_ERASE)
            changed |= effective
            shrunk |= effective
        else:
            changed = True
    return _LeafPlan(places, changed, shrunk)


def _weak_leaves(
    tree: Tree, changes: Changes, limit: int, page: RawPage, span: tuple[int, int], depth: int
) -> Iterator[WeakLeaf]:
    """Yield the weak leaves at and below a page; `span` are its changes."""
    if not page.is_leaf:
        for _, pgid, start, end in _children(page, changes, *span):
            child = _child(tree, {}, pgid, depth + 1)[0]
            yield from _weak_leaves(tree, changes, limit, child, (start, end), depth + 1)
        return
    own = changes[slice(*span)]
    plan = _plan_leaf(page, own)
    if not plan.shrunk or not depth:
        return
    items = _merge_leaf(page, own, plan)
    size = HEADER_SIZE + sum(item.size for item in items)
    if size <= limit or len(items) <= 1:
        yield WeakLeaf(page.pgid, size, len(items), own[0].key)


def _merge_leaf(page: RawPage, changes: Changes, plan: _LeafPlan) -> list[Item]:
    """Return a leaf's items with its changes."""
    old = page_items(page)
    items: list[Item] = []
    done = 0
    for change, (pos, found) in zip(changes, plan.places, strict=True):
        if found and change.bits & CHANGE_CHILD:
            continue
        items += old[done:pos]
        done = pos + found
        if not change.bits & (CHANGE_DELETE | CHANGE_ERASE):
            items.append(Item(change.key, change.value, change.bits & CHANGE_BUCKET, 0))
    return items + old[done:]
