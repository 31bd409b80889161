"""How the changes of buckets reach pages: children first, then the parent's run with their new headers.

One bucket's changes become one sorted run that the merge kernel works into the committed tree. A bucket that then
fits a quarter of a page, as one leaf without nested buckets, is stored inline in its parent.
"""

from __future__ import annotations

from functools import partial
from time import perf_counter

from . import hot, rebalance
from .bucket_state import BucketState
from .changes import Mark
from .format import BUCKET_HEADER
from .hot import CHANGE_BUCKET, CHANGE_DELETE, CHANGE_ERASE, CHANGE_FORCE
from .hot.raw_page import load_page
from .options import MAX_FILL_PERCENT, MIN_FILL_PERCENT
from .tree import BucketRef


def spill(bucket: BucketState, merger: hot.Merger, *, is_root: bool = False) -> bytes | None:
    """Write a bucket's changes and those of all buckets below it.

    Returns:
        The bucket's new value for its parent's leaf; None if nothing changed.

    Raises:
        CorruptError: A page breaks the format.
        IncompatibleValueError: A plain put met a nested bucket.
        MaxSizeReachedError, StorageError: From allocating and writing pages.
    """
    nested: dict[bytes, bytes] = {}
    for name in sorted(bucket._children):
        value = spill(bucket._children[name], merger)
        if value is not None:
            nested[name] = value
    if not nested and not bucket._is_changed():
        return None
    tx = bucket._tx
    keys, values, bits = _collect(bucket, nested)
    changes = hot.sorted_changes(keys, values, bits)
    page_size = merger.page_size
    tree, overrides, joined = bucket._tree, {}, False
    if bucket._marked and bucket._ref.root:  # only deletes make pages join
        started = perf_counter()
        limit = int(page_size * bucket.fill_percent) // 2
        weak = merger.weak(tree, changes, limit)
        if weak:
            snapshot = bucket._snapshot
            load, join = partial(load_page, snapshot.pages), partial(hot.join_leaves, snapshot.source)
            plan = rebalance.plan(bucket._ref.root, weak, load, join, limit)
            tree, overrides, joined = snapshot.tree(BucketRef(plan.root)), plan.overrides, True
            tx._freed.extend(plan.freed)
            tx._stats.rebalance += plan.joined
            tx._stats.rebalance_time += perf_counter() - started
    fill = min(max(bucket.fill_percent, MIN_FILL_PERCENT), MAX_FILL_PERCENT)
    outcome = merger.merge(
        tree,
        changes,
        threshold=int(page_size * fill),
        inline_max=0 if is_root else page_size // 4,
        touch=bucket._touched or (joined and not plan.root),
        overrides=overrides,
    )
    tx._freed.extend(outcome.freed)
    stats = tx._stats
    stats.spill += outcome.pages
    stats.node_count += outcome.pages
    stats.page_count += outcome.pages
    stats.page_alloc += outcome.pages * page_size
    stats.split += outcome.splits
    if not outcome.changed and not joined:
        return None
    return BUCKET_HEADER.pack(outcome.root, bucket._sequence) + (outcome.inline or b"")


def stored_value(bucket: BucketState) -> bytes:
    """Return the value of a bucket that was moved without being changed."""
    ref = bucket._ref
    return BUCKET_HEADER.pack(ref.root, ref.sequence) + bucket._map[ref.inline_at : ref.inline_at + ref.inline_len]


def _collect(bucket: BucketState, nested: dict[bytes, bytes]) -> tuple[list[bytes], list[bytes], list[int] | None]:
    """Return a bucket's changes as keys, values and bits; bits is None if all are plain puts."""
    changes = bucket._changes
    keys = list(changes)
    if not bucket._marked and not nested:
        return keys, list(changes.values()), None  # type: ignore[arg-type]  # no marks: all are bytes
    deleted, erased = Mark.DELETED, Mark.ERASED
    values = [value if isinstance(value, bytes) else b"" for value in changes.values()]
    bits = [
        CHANGE_DELETE if value is deleted
        else 0 if isinstance(value, bytes)
        else CHANGE_ERASE if value is erased
        else CHANGE_BUCKET | CHANGE_FORCE
        for value in changes.values()
    ]  # fmt: skip
    for i, key in enumerate(keys) if bucket._children else ():
        if changes[key] is Mark.NESTED:
            values[i] = nested.pop(key, b"") or stored_value(bucket._children[key])
    if bucket._retyped:
        bits = [old | (CHANGE_FORCE if key in bucket._retyped else 0) for key, old in zip(keys, bits, strict=True)]
    keys += nested
    values += nested.values()
    bits += [CHANGE_BUCKET] * len(nested)
    return keys, values, bits
