"""How much room each bucket takes: pages, the bytes used in them, and what is inline in the page of another bucket."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .bucket import Bucket
from .census import used_bytes
from .check import page_type
from .format import NO_FREELIST
from .known_plain import Path
from .tx import Tx
from .walking import required_bucket


@dataclass(slots=True)
class Room:
    """What a bucket takes.

    Attributes:
        pages: Its pages, with their overflow; none for an inline bucket.
        used_bytes: Bytes used in those pages, or in the inline image. That of nested inline buckets is in it.
        items: Pairs and nested buckets.
    """

    pages: int = 0
    used_bytes: int = 0
    items: int = 0


@dataclass(slots=True)
class BucketUsage:
    """One bucket.

    Attributes:
        path: The names down to it.
        is_inline: Whether it is stored in its parent's page.
        own: What it takes itself.
        total: The same with all buckets nested in it. No byte is counted twice.
    """

    path: Path
    is_inline: bool
    own: Room
    total: Room


@dataclass(frozen=True, slots=True)
class FileUsage:
    """The file around the buckets.

    Attributes:
        page_size: Bytes a page.
        file_bytes: The file's length, as it is mapped.
        meta_pages: Always 2.
        freelist_pages: Pages of the stored freelist.
        free_pages: Free pages below the high-water mark.
        used_pages: The high-water mark: pages behind it were never used.
    """

    page_size: int
    file_bytes: int
    meta_pages: int
    freelist_pages: int
    free_pages: int
    used_pages: int


def bucket_usages(tx: Tx, *path: bytes) -> Iterator[BucketUsage]:
    """Yield what each bucket takes, nested ones before the one they are in; that at `path` comes last.

    Raises:
        BucketNotFoundError: There is no bucket at the path.
        CorruptError: A page breaks the format, or belongs to two trees.
    """
    marks = tx._snapshot.new_marks()
    top = required_bucket(tx, path)
    waiting = [(_own_usage(top, marks), top.buckets())]
    while waiting:
        usage, nested = waiting[-1]
        for _, bucket in nested:
            waiting.append((_own_usage(bucket, marks), bucket.buckets()))
            break
        else:
            waiting.pop()
            yield usage
            if waiting:
                _add(waiting[-1][0].total, usage)


def _own_usage(bucket: Bucket, marks: bytearray) -> BucketUsage:
    room = Room()
    for page, _ in bucket._snapshot.tree_pages(bucket._ref, marks):
        room.pages += page.pages
        room.used_bytes += used_bytes(page)
        room.items += page.item_count if page.is_leaf else 0
    return BucketUsage(bucket._path, not bucket.root, room, Room(room.pages, room.used_bytes, room.items))


def _add(total: Room, nested: BucketUsage) -> None:
    total.pages += nested.total.pages
    total.items += nested.total.items
    if not nested.is_inline:
        total.used_bytes += nested.total.used_bytes


def file_usage(tx: Tx) -> FileUsage:
    """Return what is around the buckets.

    Raises:
        CorruptError: The freelist breaks the format.
    """
    meta, pages = tx._meta, tx._snapshot.pages
    free = len(tx._free_now())
    stored = 0
    if meta.freelist != NO_FREELIST:
        stored = min(page_type(pages, meta.freelist)[2] + 1, meta.hwm - meta.freelist)
    return FileUsage(meta.page_size, pages.length, 2, stored, free, meta.hwm)


@dataclass(frozen=True, slots=True)
class Counts:
    """What is directly in a bucket."""

    pairs: int
    buckets: int


def counts(bucket: Bucket, marks: bytearray) -> Counts:
    """Return how many pairs and buckets are directly in a bucket, as last committed.

    Args:
        bucket: The bucket.
        marks: The pages met before, as `Snapshot.new_marks` makes them; those of this bucket are added.

    Raises:
        CorruptError: A page breaks the format, or is in the tree twice.
    """
    items = sum(page.item_count for page, _ in bucket._snapshot.tree_pages(bucket._ref, marks) if page.is_leaf)
    nested = sum(1 for _ in bucket.buckets())
    return Counts(items - nested, nested)
