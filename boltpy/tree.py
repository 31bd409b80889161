"""The committed tree of a bucket as one transaction sees it: looking up, scanning, walking its pages.

A Snapshot is a mapped file at one meta. Nothing in it changes while the transaction lives, not even when a writer
makes the file longer: growth makes a new mapping, and this one goes with its last user.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from mmap import mmap

from . import hot
from .errors import CorruptError
from .hot import pure_read, raw_page
from .hot.raw_page import BucketRef, RawPage, bucket_ref
from .meta import Meta

# Items: what a few steps behind a seek need, and costs hardly more than one.
FIRST_BATCH = 16
LARGEST_BATCH = 4096  # four times as many as the runs that a scan has room for


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

    def new_marks(self) -> bytearray:
        """Return a bit for each page, none of them set: for `hot.mark_pages`."""
        return bytearray(min(self.meta.hwm, len(self.map) // self.meta.page_size) // 8 + 1)

    def tree_pages(self, ref: BucketRef, marks: bytearray) -> Iterator[tuple[RawPage, int]]:
        """Yield the pages of one bucket as `pure_read.tree_pages` does; not those of nested buckets."""
        return pure_read.tree_pages(raw_page.Tree(self.pages, *ref), marks)

    def nested_buckets(self, tree: hot.Tree) -> Iterator[tuple[bytes, BucketRef]]:
        """Yield (name, bucket) of each bucket nested directly in one, in key order.

        Raises:
            CorruptError: A page breaks the format, or an inline bucket holds a nested one, which bolt never writes:
                its pages could be another bucket's.
        """
        last, how, done, count = None, hot.SCAN_BUCKETS, False, FIRST_BATCH
        while not done:
            runs, last, done = hot.scan(tree, self.map, last, None, how, count)
            how |= hot.SCAN_EXCLUSIVE
            count = min(4 * count, LARGEST_BATCH)
            for at, count, ksize, vsize, _ in runs:
                if not tree.root:
                    raise CorruptError(None, "an inline bucket holds a nested bucket")
                for item in range(at, at + count * (ksize + vsize), ksize + vsize):
                    yield self.map[item : item + ksize], bucket_ref(self.map, item + ksize, vsize)

    def tree_marks(self) -> bytearray:
        """Return a bit for each page, set for the metas and for the pages of all trees; those of the freelist are not.

        Raises:
            CorruptError: A page breaks the format, or two trees share one.
        """
        marks = self.new_marks()
        marks[0] |= 0b11
        waiting = [self.root]
        while waiting:
            ref = waiting.pop()
            tree = self.tree(ref)
            hot.mark_pages(tree, marks)
            waiting.extend(nested for _, nested in self.nested_buckets(tree))
        return marks

    def free_pages(self) -> array[int]:
        """Return, ascending, the pages below the high-water mark that no tree and no meta uses.

        Raises:
            CorruptError: As `tree_marks`.
        """
        marks = self.tree_marks()
        every_page = (1 << min(self.meta.hwm, len(self.map) // self.meta.page_size)) - 1
        free = every_page & ~int.from_bytes(marks, "little")
        return hot.marked(bytearray(free.to_bytes(len(marks), "little")), free.bit_count())
