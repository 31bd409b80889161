"""What a database should hold, as plain dicts, and how to compare it with what a database does hold.

A `BucketModel` is one bucket: values and nested buckets by key, and a sequence. The model of a whole file is the
model of its root bucket. Nothing here knows pages.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

import boltpy

Item = tuple[bytes, bytes | None]


@dataclass
class BucketModel:
    """One bucket: `entries` maps a key to its value, or a name to the model of a nested bucket."""

    entries: dict[bytes, bytes | BucketModel] = field(default_factory=dict)
    sequence: int = 0

    def copy(self) -> BucketModel:
        """A snapshot that shares only bytes with the original."""
        copied = {key: entry.copy() if isinstance(entry, BucketModel) else entry for key, entry in self.entries.items()}
        return BucketModel(copied, self.sequence)

    def nested(self, *path: bytes) -> BucketModel:
        """The model of the bucket at `path`, which must exist."""
        model = self
        for name in path:
            entry = model.entries[name]
            assert isinstance(entry, BucketModel), f"{name!r} of {path!r} is a pair, not a bucket"
            model = entry
        return model

    def names(self) -> list[bytes]:
        """Names of nested buckets in order."""
        return sorted(key for key, entry in self.entries.items() if isinstance(entry, BucketModel))

    def pairs(self) -> dict[bytes, bytes]:
        """The plain pairs, without nested buckets, in key order."""
        return {key: value for key, value in sorted(self.entries.items()) if isinstance(value, bytes)}

    def items(self, start: bytes | None = None, stop: bytes | None = None, prefix: bytes | None = None) -> list[Item]:
        """What iteration must give, in order: nested buckets with None; the half-open range [start, stop)."""
        keys = sorted(self.entries)
        low = 0 if start is None else bisect_left(keys, start)
        high = len(keys) if stop is None else bisect_left(keys, stop)
        return [self.item(key) for key in keys[low:high] if prefix is None or key.startswith(prefix)]

    def item(self, key: bytes) -> Item:
        """(key, value), with None for a nested bucket."""
        entry = self.entries[key]
        return key, (None if isinstance(entry, BucketModel) else entry)

    def at_or_after(self, key: bytes) -> Item | None:
        """The first item whose key is `key` or greater: where a cursor's seek lands."""
        keys = sorted(self.entries)
        at = bisect_left(keys, key)
        return self.item(keys[at]) if at < len(keys) else None

    def after(self, key: bytes) -> Item | None:
        """The first item whose key is greater than `key`."""
        keys = sorted(self.entries)
        at = bisect_right(keys, key)
        return self.item(keys[at]) if at < len(keys) else None

    def before(self, key: bytes) -> Item | None:
        """The last item whose key is smaller than `key`."""
        keys = sorted(self.entries)
        at = bisect_left(keys, key)
        return self.item(keys[at - 1]) if at > 0 else None

    def key_count(self) -> int:
        """Entries of this bucket and of all below it, as `stats().key_n` counts them."""
        return len(self.entries) + sum(self.nested(name).key_count() for name in self.names())

    def paths(self) -> list[tuple[bytes, ...]]:
        """The paths of all buckets below this one, parents before children."""
        found: list[tuple[bytes, ...]] = []
        for name in self.names():
            found.append((name,))
            found += [(name, *rest) for rest in self.nested(name).paths()]
        return found


def bucket_at(tx: boltpy.Tx, *path: bytes) -> boltpy.Bucket:
    """The bucket at `path`, which must exist."""
    bucket = tx.bucket(*path)
    assert bucket is not None, f"no bucket at {path!r}"
    return bucket


def read_bucket(bucket: boltpy.Bucket) -> BucketModel:
    """Everything a bucket holds, read through iteration."""
    model = BucketModel(sequence=bucket.sequence)
    for key, value in bucket.items():
        if value is None:
            nested = bucket.bucket(key)
            assert nested is not None, f"iteration gives {key!r} as a bucket, but bucket() does not find it"
            model.entries[key] = read_bucket(nested)
        else:
            model.entries[key] = value
    return model


def read_all(tx: boltpy.Tx) -> BucketModel:
    """Everything a transaction sees, as the model of the root bucket."""
    return BucketModel({name: read_bucket(bucket) for name, bucket in tx.buckets()})


def difference(expected: BucketModel, actual: BucketModel, path: tuple[bytes, ...] = ()) -> str | None:
    """The first difference in words (short even for huge contents), or None if both hold the same."""
    if list(actual.entries) != sorted(actual.entries):
        return f"{path}: keys come out of order"
    if expected.sequence != actual.sequence:
        return f"{path}: sequence {actual.sequence}, expected {expected.sequence}"
    for key in sorted(expected.entries.keys() | actual.entries.keys()):
        want, got = expected.entries.get(key), actual.entries.get(key)
        if isinstance(want, BucketModel) and isinstance(got, BucketModel):
            nested = difference(want, got, (*path, key))
            if nested is not None:
                return nested
        elif want != got:
            return f"{path}: at {_short(key)} found {_short(got)}, expected {_short(want)}"
    return None


def assert_holds(tx: boltpy.Tx, expected: BucketModel) -> None:
    """Fail, with the first difference, unless `tx` sees exactly what the model of the root bucket holds."""
    found = difference(expected, read_all(tx))
    assert found is None, found


def fill(bucket: boltpy.Bucket, pairs: Iterable[tuple[bytes, bytes]]) -> None:
    """Put pairs one by one, the way that does not depend on `put_many`."""
    for key, value in pairs:
        bucket.put(key, value)


def _short(entry: bytes | BucketModel | None) -> str:
    if isinstance(entry, BucketModel):
        return f"<bucket of {len(entry.entries)}>"
    if entry is not None and len(entry) > 40:
        return f"<{len(entry)} bytes {entry[:16]!r}...>"
    return repr(entry)
