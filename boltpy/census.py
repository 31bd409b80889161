"""Counts the pages of a bucket, as they were last committed (bbolt: Bucket.Stats)."""

from __future__ import annotations

from .bucket_state import MAX_NESTING, too_deep
from .format import HEADER_SIZE
from .hot.raw_page import BucketRef, RawPage
from .known_plain import Path
from .stats import BucketStats
from .tree import Snapshot


def bucket_stats(snapshot: Snapshot, ref: BucketRef, path: Path) -> BucketStats:
    """Return the statistics of a bucket with all buckets nested in it.

    Args:
        snapshot: Where it is.
        ref: The bucket.
        path: The names down to it.

    Raises:
        CorruptError: A page breaks the format, or is in the tree twice.
        BucketError: Buckets are nested deeper than MAX_NESTING levels.
    """
    return _stats(snapshot, ref, path, snapshot.new_marks())


def _stats(snapshot: Snapshot, ref: BucketRef, path: Path, marks: bytearray) -> BucketStats:
    # Each level of nesting is a level of Python's stack; bolt sets no limit, a cycle is found through `marks`.
    if len(path) > MAX_NESTING:
        raise too_deep(path)
    stats = BucketStats(bucket_n=1)
    nested = BucketStats()
    page_size = snapshot.meta.page_size
    for page, depth in snapshot.tree_pages(ref, marks):
        used = used_bytes(page)
        stats.depth = max(stats.depth, depth + 1)
        if not page.is_leaf:
            stats.branch_page_n += 1
            stats.branch_overflow_n += page.pages - 1
            stats.branch_inuse += used
            continue
        stats.key_n += page.item_count
        if not ref.root:
            stats.inline_bucket_inuse += used
            continue
        stats.leaf_page_n += 1
        stats.leaf_overflow_n += page.pages - 1
        stats.leaf_inuse += used
    if not ref.root:
        if not ref.inline_len:  # made by this transaction and not written yet
            stats.depth, stats.inline_bucket_inuse = 1, HEADER_SIZE
        stats.inline_bucket_n = 1
    else:
        for name, child in snapshot.nested_buckets(snapshot.tree(ref)):
            nested += _stats(snapshot, child, (*path, name), marks)
    stats.branch_alloc = (stats.branch_page_n + stats.branch_overflow_n) * page_size
    stats.leaf_alloc = (stats.leaf_page_n + stats.leaf_overflow_n) * page_size
    stats.depth += nested.depth
    nested.depth = 0
    return stats + nested


def used_bytes(page: RawPage) -> int:
    """Return the bytes of a page up to the end of its last item."""
    if not page.item_count:
        return HEADER_SIZE
    last = page.element(page.item_count - 1)
    return last.value_at + last.vsize - page.at
