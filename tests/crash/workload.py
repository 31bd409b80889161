"""Work of all kinds on a database and on its model: what the crash tests cut short."""

from __future__ import annotations

import random

import boltpy
from tests.models import BucketModel, bucket_at

NAMES = [b"a", b"b", b"c"]


def change(tx: boltpy.Tx, model: BucketModel, rng: random.Random) -> None:
    """Random changes of one transaction, made to both: puts, deletes, nested buckets, large values, sequences."""
    bucket, pairs = _some_bucket(tx, model, rng)
    new = {b"%03d" % rng.randrange(200): rng.randbytes(rng.choice([5, 50, 400])) for _ in range(rng.randrange(1, 40))}
    bucket.put_many(new)
    pairs.entries.update(new)
    plain = sorted(pairs.pairs())
    for key in rng.sample(plain, len(plain) // 3):
        bucket.delete(key)
        del pairs.entries[key]
    pairs.sequence = bucket.next_sequence()
    if rng.random() < 0.3:
        size = rng.choice([3_000, 20_000])
        bucket.put(b"large", bytes(size))
        pairs.entries[b"large"] = bytes(size)


def _some_bucket(tx: boltpy.Tx, model: BucketModel, rng: random.Random) -> tuple[boltpy.Bucket, BucketModel]:
    """A bucket, or one nested in it; now and then it is deleted first, or moved to the top."""
    name, inner = rng.choice(NAMES), b"in " + rng.choice(NAMES)
    if name in model.entries and rng.random() < 0.15:
        tx.delete_bucket(name)
        del model.entries[name]
    bucket = tx.create_bucket_if_not_exists(name)
    outer = model.entries.setdefault(name, BucketModel())
    assert isinstance(outer, BucketModel)
    if rng.random() < 0.5:
        return bucket, outer
    if inner in outer.entries and rng.random() < 0.3:
        if inner in model.entries:
            tx.delete_bucket(inner)
        tx.move_bucket(inner, bucket, None)
        model.entries[inner] = outer.entries.pop(inner)
    nested = outer.entries.setdefault(inner, BucketModel())
    assert isinstance(nested, BucketModel)
    return bucket.create_bucket_if_not_exists(inner), nested


class Readers:
    """Read transactions that come and go beside a workload, so that pages stay pending for a while."""

    def __init__(self, db: boltpy.DB, rng: random.Random) -> None:
        self._db = db
        self._rng = rng
        self._open: list[boltpy.Tx] = []

    def come_and_go(self) -> None:
        """Begin one or end one, now and then."""
        if len(self._open) < 3 and self._rng.random() < 0.4:
            self._open.append(self._db.begin())
        elif self._open and self._rng.random() < 0.5:
            self._open.pop(self._rng.randrange(len(self._open))).rollback()

    def go(self) -> None:
        """End all."""
        while self._open:
            self._open.pop().rollback()


def put_marker(db: boltpy.DB, model: BucketModel) -> None:
    """One further commit, made to both."""
    with db.update() as tx:
        tx.create_bucket_if_not_exists(b"after").put(b"the crash", bytes(2_000))
    model.entries[b"after"] = BucketModel({b"the crash": bytes(2_000)})


def contents(tx: boltpy.Tx, *path: bytes) -> dict[bytes, bytes | None]:
    """The items of a bucket."""
    return dict(bucket_at(tx, *path).items())
