"""What is in a database, in a form that both languages can tell: a model and a digest.

The canonical form that is hashed is described in `go/inspect.go`; it covers
names, sequences, keys and values, not how they lie in pages.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from struct import Struct
from typing import Any

import boltpy
from tests.models import BucketModel

_NUMBER = Struct("<Q")


def model_from_items(items: Iterable[dict[str, Any]]) -> BucketModel:
    """The model of the root bucket, from the items of a dump request."""
    open_buckets = [BucketModel()]
    for item in items:
        if "bucket" in item:
            child = BucketModel(sequence=item["sequence"])
            open_buckets[-1].entries[bytes.fromhex(item["bucket"])] = child
            open_buckets.append(child)
        elif "end" in item:
            open_buckets.pop()
        else:
            open_buckets[-1].entries[bytes.fromhex(item["key"])] = bytes.fromhex(item["value"])
    assert len(open_buckets) == 1, "the dump ended within a bucket"
    return open_buckets[0]


def root_of(tx: boltpy.Tx) -> boltpy.Bucket:
    """The root bucket, whose only public way in is a cursor."""
    root = tx.cursor().bucket
    assert isinstance(root, boltpy.Bucket)
    return root


def digest(tx: boltpy.Tx) -> str:
    """The sha256 of everything that a transaction sees."""
    return hashlib.sha256(b"".join(_records(root_of(tx)))).hexdigest()


def _records(bucket: boltpy.Bucket) -> Iterator[bytes]:
    pack = _NUMBER.pack
    for key, value in bucket.items():
        if value is not None:
            yield b"P%b%b%b%b" % (pack(len(key)), key, pack(len(value)), value)
        else:
            child = bucket.bucket(key)
            assert child is not None, f"{key!r} has no value and is no bucket"
            yield b"B%b%b%b" % (pack(len(key)), key, pack(child.sequence))
            yield from _records(child)
            yield b"E"


def check(db: boltpy.DB) -> list[str]:
    """The problems that our own check finds, as texts."""
    with db.view() as tx:
        return [str(problem) for problem in tx.check()]
