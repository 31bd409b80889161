"""A walk over all buckets of a transaction, in memory that grows with how deep they are nested."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .bucket import Bucket
from .errors import BucketNotFoundError
from .format import Pgid
from .tx import Tx


def required_bucket(tx: Tx, path: Sequence[bytes]) -> Bucket:
    """Return the bucket at a path.

    Raises:
        BucketNotFoundError: There is none.
    """
    bucket = tx.bucket(*path)
    if bucket is None:
        raise BucketNotFoundError(path[-1])
    return bucket


def every_bucket(tx: Tx, *path: bytes) -> Iterator[Bucket]:
    """Yield the bucket at a path and all that are nested in it, each before those in it, in the order of their names.

    Raises:
        BucketNotFoundError: There is no bucket at the path.
        CorruptError: A page breaks the format, or a bucket has the tree of another one.
        BucketError: They are nested deeper than MAX_NESTING levels.
    """
    top = required_bucket(tx, path)
    seen: set[Pgid] = set()
    top._require_new(seen)
    yield top
    waiting = [top.buckets()]
    while waiting:
        for _, bucket in waiting[-1]:
            bucket._require_new(seen)
            yield bucket
            waiting.append(bucket.buckets())
            break
        else:
            waiting.pop()
