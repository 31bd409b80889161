"""Small databases with everything in them that can be damaged."""

from __future__ import annotations

import os
from pathlib import Path

import boltpy

PAGE = 1024
LARGE_VALUE = b"large " * 180


def small_database(path: Path) -> Path:
    """On few bytes: two leaves below a branch, overflow pages, an inline and a nested bucket, a freelist."""
    with boltpy.open(path, page_size=PAGE) as db, db.update() as tx:
        tx.create_bucket(b"d").put_many((b"%02d" % i, b"v") for i in range(55))
        nest = tx.create_bucket(b"n")
        nest.put(b"overflow", bytes(1100))
        nest.create_bucket(b"i").put(b"k", b"v")
    return path


def smallest_database(path: Path) -> Path:
    """Of each kind one, on few bytes: a branch with three leaves, an overflow page, an inline bucket, a freelist."""
    with boltpy.open(path, page_size=PAGE) as db:
        with db.update() as tx:
            bucket = tx.create_bucket(b"d")
            bucket.fill_percent = 0.1
            bucket.put_many((b"%02d" % i, bytes([i]) * 20) for i in range(30))
            nest = tx.create_bucket(b"n")
            nest.put(b"overflow", LARGE_VALUE)
            nest.create_bucket(b"i").put(b"k", b"v")
        with db.update() as tx:
            again = tx.bucket(b"d")
            assert again is not None
            again.fill_percent = 0.1
            again.delete_many([b"%02d" % i for i in range(6, 27)])
        with db.view() as tx:
            size = tx.size
    os.truncate(path, size)
    return path


def database(path: Path) -> Path:
    """The same with more of each, after several commits."""
    with boltpy.open(path, page_size=PAGE) as db:
        with db.update() as tx:
            bucket = tx.create_bucket(b"data")
            bucket.put_many((b"key %04d" % i, b"value %d" % i) for i in range(200))
            bucket.put(b"large", bytes(3000))
            nest = tx.create_bucket(b"nest")
            inner = nest.create_bucket(b"inner")
            inner.put_many((b"%03d" % i, bytes(20)) for i in range(100))
            nest.create_bucket(b"inline").put(b"k", b"v")
            tx.create_bucket(b"small").put(b"foo", b"bar")
        for i in range(3):
            with db.update() as tx:
                tx.bucket(b"data").put(b"key 0000", b"%d" % i)  # type: ignore[union-attr]
    return path
