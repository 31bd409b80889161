"""Databases to export, compare and look at: drawn ones, and one with something of everything."""

from __future__ import annotations

import random
from pathlib import Path

from hypothesis import strategies as st

import boltpy
from tests.models import BucketModel

_names = st.sampled_from([b"a", b"b", b"ab", b"\xff", "ü".encode(), b"\x00", b"a\nb"]) | st.binary(
    min_size=1, max_size=4
)
_values = st.binary(max_size=30) | st.sampled_from([b"", b"v" * 300, b"\xc3", b"\xed\xa0\x80", b"\x1b[2J"])
_sequences = st.sampled_from([0, 0, 0, 1, 2**63, 2**64 - 1])


def _bucket(children: st.SearchStrategy[bytes | BucketModel]) -> st.SearchStrategy[BucketModel]:
    return st.builds(
        lambda entries, sequence: BucketModel(dict(sorted(entries.items())), sequence),
        st.dictionaries(_names, children, max_size=5),
        _sequences,
    )


models = _bucket(st.recursive(_values, _bucket, max_leaves=12))
"""A whole file: plain keys in the root bucket, and a sequence of its own, included."""


def build(path: Path, model: BucketModel) -> Path:
    """Make the file that a model describes."""
    with boltpy.open(path, page_size=1024) as db, db.update() as tx:
        root = tx.bucket()
        assert root is not None
        _fill(root, model)
    return path


def _fill(bucket: boltpy.Bucket, model: BucketModel) -> None:
    if model.sequence:
        bucket.sequence = model.sequence
    for key, entry in model.entries.items():
        if isinstance(entry, BucketModel):
            _fill(bucket.create_bucket(key), entry)
        else:
            bucket.put(key, entry)


def random_database(path: Path) -> Path:
    """Trees with branches, overflow, inline and empty buckets, and free pages."""
    rng = random.Random(5)
    with boltpy.open(path) as db:
        for i in range(3):
            with db.update() as tx:
                users = tx.create_bucket_if_not_exists(b"users")
                users.sequence = 41 + i
                users.put_many((b"user %05d" % rng.randrange(5000), rng.randbytes(40)) for _ in range(800))
                users.put(b"photo", rng.randbytes(20_000))
                old = users.create_bucket_if_not_exists(b"old")
                old.put_many((b"%d" % j, b"text %d" % j) for j in range(300))
                tx.create_bucket_if_not_exists(b"inline").put(b"k%d" % i, b"v")
                tx.create_bucket_if_not_exists(b"\xfe\x00empty")
    return path
