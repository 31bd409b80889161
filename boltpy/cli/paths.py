"""Paths of names on a command line, and the buckets that they lead to."""

from __future__ import annotations

from collections.abc import Iterable

import boltpy

from .command import PARSE_FORMAT, CommandError
from .formats import parsed, quoted

NAMES_FORMAT = PARSE_FORMAT._replace(about="how names and keys are given: as they are, or as hex")


class NoBucketError(CommandError):
    """There is no bucket of a name, nor a key."""


def names(words: Iterable[str], form: str) -> list[bytes]:
    """Return the names that words of a command line stand for.

    Raises:
        CommandError: A word is not in this format, or it is empty.
    """
    found = [parsed(word, form) for word in words]
    if b"" in found:
        raise CommandError("a name or key of no bytes")
    return found


def shown_path(path: Iterable[bytes]) -> str:
    """Return a path as people read it: quoted names with slashes between them."""
    return "/".join(map(quoted, path)) or "/"


def bucket_of(tx: boltpy.Tx, path: list[bytes], *, make: bool = False) -> boltpy.Bucket:
    """Return the bucket at a path, the root bucket for none; `make` makes those that are missing.

    Raises:
        NoBucketError: There is none; it tells the first that is missing.
        CommandError: One of the names is that of a key.
    """
    bucket = tx.bucket()
    for depth, name in enumerate(path):
        parent, bucket = bucket, None if bucket is None else bucket.bucket(name)
        if bucket is not None or parent is None:
            continue
        if name in parent:
            raise CommandError(f"this is a key, not a bucket: {shown_path(path[: depth + 1])}")
        if not make:
            raise NoBucketError(f"bucket not found: {shown_path(path[: depth + 1])}")
        bucket = parent.create_bucket(name)
    if bucket is None:
        raise NoBucketError("bucket not found")
    return bucket
