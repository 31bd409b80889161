"""Copies a database densely into a new file: bolt files never shrink by themselves."""

from __future__ import annotations

from collections.abc import Callable

from .bucket import Bucket
from .db import DB
from .errors import DatabaseError
from .files import same_file
from .format import Pgid
from .tx import Tx


class _Target:
    """Write transactions on the target, one after the other, each of about tx_max_size bytes."""

    def __init__(self, db: DB, tx_max_size: int, progress: Callable[[int], object] | None) -> None:
        self._db = db
        self._tx_max_size = tx_max_size
        self._progress = progress
        self._size = self._items = 0
        self.tx = db.begin(writable=True)

    def make_room(self, size: int) -> bool:
        """Count an item of `size` bytes; commit and begin anew if the transaction gets too large. True if it did."""
        self._size += size
        self._items += 1
        if not self._tx_max_size or self._size <= self._tx_max_size:
            return False
        if self._progress is not None:
            self._progress(self._items)
        self._size = size
        self.tx.commit()
        self.tx = self._db.begin(writable=True)
        return True

    def bucket(self, path: tuple[bytes, ...]) -> Bucket:
        """Return the bucket at `path` in the transaction of now."""
        bucket = self.tx.bucket(*path)
        if bucket is None:
            raise DatabaseError(f"bucket {path!r} went from the target while it was filled")
        bucket.fill_percent = 1.0
        return bucket


def compact(source: DB, target: DB, tx_max_size: int = 65536, progress: Callable[[int], object] | None = None) -> None:
    """Copy all buckets, sequences and pairs of `source` into `target`, with full pages.

    Args:
        source: Any open DB; it is read in one transaction.
        target: Another DB, open for writing, without the buckets of the source.
        tx_max_size: Bytes of keys and values that one transaction on the target may hold; 0 is no limit.
        progress: Called after each of those with the number of pairs and buckets that were copied by then.

    Raises:
        BucketExistsError: The target has one of the buckets. What was committed before stays in the target.
        DatabaseError: Both are one file.
        CorruptError: The source is damaged.
    """
    if source is target or same_file(source.path, target.path):
        raise DatabaseError(f"cannot compact {source.path} onto itself")
    with source.view() as tx:
        writer = _Target(target, tx_max_size, progress)
        try:
            _copy_all(tx, writer)
            writer.tx.commit()
        except BaseException:
            if writer.tx._open:
                writer.tx.rollback()
            raise


def _copy_all(tx: Tx, writer: _Target) -> None:
    # Buckets wait here instead of on Python's stack: bolt sets no limit to nesting.
    waiting: list[tuple[bytes, ...]] = [()]  # the root bucket
    seen: set[Pgid] = set()
    while waiting:
        path = waiting.pop()
        source = tx.bucket(*path)
        if source is None:
            continue
        source._require_new(seen)
        if path:
            writer.make_room(len(path[-1]))
            writer.bucket(path[:-1]).create_bucket(path[-1])
        if source.sequence:
            writer.bucket(path).sequence = source.sequence
        nested = _copy_pairs(source, writer, path)
        waiting += reversed(nested)


def _copy_pairs(source: Bucket, writer: _Target, path: tuple[bytes, ...]) -> list[tuple[bytes, ...]]:
    """Copy the pairs of one bucket and return the paths of those nested in it."""
    nested = []
    target = writer.bucket(path)
    for key, value in source.items():
        if value is None:
            nested.append((*path, key))
            continue
        if writer.make_room(len(key) + len(value)):
            target = writer.bucket(path)
        target.put(key, value)
    return nested
