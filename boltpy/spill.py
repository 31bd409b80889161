"""How the changes of all buckets reach pages: gathered in one pass, nested buckets first, merged by one kernel call.

A bucket's changes become one sorted run that is worked into its committed tree. A bucket that then fits a quarter of a
page, as one leaf without nested buckets, is stored inline in its parent. The entries of nested buckets get their values
on the way (see hot/pure_changes.py).
"""

from __future__ import annotations

from functools import partial
from time import perf_counter

from . import hot, rebalance
from .bucket_state import BucketState
from .changes import Mark
from .format import BUCKET_HEADER, Pgid
from .hot import (
    CHANGE_BUCKET,
    CHANGE_CHILD,
    CHANGE_DELETE,
    CHANGE_ERASE,
    CHANGE_FORCE,
    HOW_TELL,
    HOW_TOUCH,
    BucketChanges,
)
from .hot.raw_page import load_page
from .options import DEFAULT_FILL_PERCENT, MAX_FILL_PERCENT, MIN_FILL_PERCENT
from .tree import Snapshot

_CHILD = bytes([CHANGE_BUCKET | CHANGE_CHILD])


def spill(root: BucketState, merger: hot.Merger) -> bytes | None:
    """Write the changes of the root bucket and of all below it.

    Returns:
        The root bucket's new header; None if nothing changed.

    Raises:
        CorruptError: A page breaks the format.
        IncompatibleValueError: A plain put met a nested bucket.
        MaxSizeReachedError, StorageError: From allocating and writing pages.
    """
    gathered = _Gathered(merger.page_size)
    if gathered.add(root) < 0:
        return None
    specs = gathered.specs
    changes = gathered.changes()
    overrides: dict[Pgid, bytes] = {}
    source = root._snapshot.source
    for i, bucket in enumerate(gathered.buckets):
        if bucket._marked and bucket._tree.root:  # only deletes make pages join
            started = perf_counter()
            limit = specs[i].threshold // 2
            weak = merger.weak(source, specs[i], changes, limit)
            if weak:
                specs[i] = _join(bucket, specs[i], weak, limit, overrides)
                bucket._tx._stats.rebalance_time += perf_counter() - started
    outcome = merger.merge(source, specs, changes, overrides)
    tx, stats = root._tx, root._tx._stats
    tx._freed.extend(outcome.freed)
    stats.spill += outcome.pages
    stats.node_count += outcome.pages
    stats.page_count += outcome.pages
    stats.page_alloc += outcome.pages * merger.page_size
    stats.split += outcome.splits
    return outcome.value


def _join(
    bucket: BucketState, spec: BucketChanges, weak: list[hot.WeakLeaf], limit: int, overrides: dict[Pgid, bytes]
) -> BucketChanges:
    """Join leaves that became too small; return what to merge in place of the committed tree."""
    snapshot: Snapshot = bucket._snapshot
    load, join = partial(load_page, snapshot.pages), partial(hot.join_leaves, snapshot.source)
    plan = rebalance.plan(bucket._tree.root, weak, load, join, limit)
    overrides |= plan.overrides
    bucket._tx._freed.extend(plan.freed)
    bucket._tx._stats.rebalance += plan.joined
    return spec._replace(root=plan.root, how=spec.how | HOW_TELL | (0 if plan.root else HOW_TOUCH))


class _Gathered:
    """The changes of buckets: those of each side by side, nested buckets before the one they are in."""

    def __init__(self, page_size: int) -> None:
        self._page_size = page_size
        self._default_threshold = int(page_size * DEFAULT_FILL_PERCENT)
        self.buckets: list[BucketState] = []
        self.specs: list[BucketChanges] = []
        self.keys: list[bytes] = []
        self.values: list[bytes] = []
        self.bits = bytearray()
        self.runs: list[hot.Changes] = []  # all changes of a bucket each, at
        self.places_of_runs: list[int] = []  # these places

    def changes(self) -> hot.Changes:
        """Return all changes, those of each bucket in key order, and have the specs say where they are."""
        counts = [spec.change_count for spec in self.specs]
        first = len(self.keys)
        for place, run in zip(self.places_of_runs, self.runs, strict=True):
            self.specs[place] = self.specs[place]._replace(first=first, change_count=len(run))
            first += len(run)
        return hot.sorted_changes(self.keys, self.values, self.bits, counts, self.runs)

    def add(self, bucket: BucketState) -> int:
        """Add a bucket and those below it; return its place, or -1 if nothing changed in it."""
        children, changes, keys = bucket._children, bucket._pending, self.keys
        nested: dict[bytes, bytes] = {}
        for name in sorted(children) if len(children) > 1 else children:
            place = self.add(children[name])
            if place >= 0:
                nested[name] = place.to_bytes(8, "little")
        if not changes and not nested and not bucket._touched:
            return -1
        first = len(keys)
        if bucket._run is not None:  # and nothing nested: that would have unfolded it
            self.runs.append(bucket._run)
            self.places_of_runs.append(len(self.specs))
        elif bucket._marked:
            keys += changes
            self._add_marked(bucket, nested)
        elif changes:
            keys += changes
            self.values += changes.values()  # type: ignore[arg-type]  # no marks: all are bytes
            self.bits += bytes(len(changes))
        if nested:
            keys += nested
            self.values += nested.values()
            self.bits += _CHILD * len(nested)
        tree, fill = bucket._tree, bucket._fill_percent
        threshold = self._default_threshold
        if fill != DEFAULT_FILL_PERCENT:
            threshold = int(self._page_size * min(max(fill, MIN_FILL_PERCENT), MAX_FILL_PERCENT))
        self.buckets.append(bucket)
        self.specs.append(
            BucketChanges(
                tree.root,
                tree.inline_at,
                tree.inline_len,
                first,
                len(keys) - first,
                threshold,
                self._page_size // 4 if bucket._path else 0,  # the root bucket is in no other
                bucket._sequence,
                HOW_TOUCH if bucket._touched else 0,
            )
        )
        return len(self.specs) - 1

    def _add_marked(self, bucket: BucketState, nested: dict[bytes, bytes]) -> None:
        """Add the values of a bucket with marks among its changes; those of new nested buckets leave `nested`."""
        changes, retyped = bucket._changes, bucket._retyped
        deleted, erased = Mark.DELETED, Mark.ERASED
        at = len(self.bits)
        self.values += [value if isinstance(value, bytes) else b"" for value in changes.values()]
        self.bits += bytes([
            CHANGE_DELETE if value is deleted
            else 0 if isinstance(value, bytes)
            else CHANGE_ERASE if value is erased
            else CHANGE_BUCKET | CHANGE_FORCE
            for value in changes.values()
        ])  # fmt: skip
        for i, key in enumerate(changes, at) if bucket._children or retyped else ():
            if changes[key] is Mark.NESTED:
                place = nested.pop(key, None)
                if place is not None:
                    self._tell(int.from_bytes(place, "little"))
                    self.bits[i] |= CHANGE_CHILD
                self.values[i] = place or _stored_value(bucket._children[key])
            if key in retyped:
                self.bits[i] |= CHANGE_FORCE

    def _tell(self, place: int) -> None:
        """Have the value of a bucket told whatever becomes of its changes: it is new where it is."""
        spec = self.specs[place]
        self.specs[place] = spec._replace(how=spec.how | HOW_TELL)


def _stored_value(bucket: BucketState) -> bytes:
    """Return the value of a bucket that was moved without being changed."""
    ref = bucket._ref
    return BUCKET_HEADER.pack(ref.root, ref.sequence) + bucket._map[ref.inline_at : ref.inline_at + ref.inline_len]
