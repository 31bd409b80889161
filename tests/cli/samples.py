"""Databases made for the command: overflow, odd keys, page sizes, a stale first meta, a freelist that is not stored."""

from __future__ import annotations

from pathlib import Path

import boltpy

SAMPLES = ("empty", "rich", "newer meta 1", "small pages", "large pages", "no freelist", "many free")


def make_samples(folder: Path) -> dict[str, Path]:
    """Make all SAMPLES in a folder."""
    paths = {name: folder / f"{name.replace(' ', '_')}.db" for name in SAMPLES}
    boltpy.open(paths["empty"], page_size=4096).close()
    _rich(paths["rich"], 4096, 4)
    _rich(paths["newer meta 1"], 4096, 1)
    _rich(paths["small pages"], 1024, 3)
    _rich(paths["large pages"], 16384, 2)
    _rich(paths["no freelist"], 4096, 2, no_freelist_sync=True)
    with boltpy.open(paths["many free"], page_size=4096) as db:
        with db.update() as tx:
            tx.create_bucket(b"gone").put_many((b"%06d" % number, bytes(300)) for number in range(4000))
        with db.update() as tx:
            tx.delete_bucket(b"gone")
    return paths


def _rich(path: Path, page_size: int, commits: int, *, no_freelist_sync: bool = False) -> None:
    """Make buckets with everything that a command may have to show; the last of `commits` changes little."""
    with boltpy.open(path, page_size=page_size, no_freelist_sync=no_freelist_sync) as db:
        with db.update() as tx:
            bucket = tx.create_bucket(b"b")
            bucket.put(b"big", bytes(3 * page_size))
            bucket.put_many((b"key %04d" % number, b"value %d" % number) for number in range(400))
            bucket.put_many({b"\xff\x00": b"\xfe", b"lines": b"a\nb\r\n\t", b"quotes": b"\"\\'", b"none": b""})
            bucket.put_many({"schön".encode(): "名前😀".encode(), b"zero": b"\0", b"del": b"\x7f\xc2\xa0\xe2\x80\xa8"})
            nested = bucket.create_bucket(b"nested")
            nested.sequence = 7
            nested.create_bucket(b"deeper").put(b"k", b"<&>")
            tx.create_bucket(b"\x00\xff")
            tx.create_bucket(b"<&>").put_many((b"%d" % number, bytes(40)) for number in range(200))
            tx.create_bucket("ünï".encode())
        for number in range(commits):
            with db.update() as tx:
                bucket = tx.create_bucket_if_not_exists(b"b")
                bucket.put(b"key 0000", b"changed %d" % number)
                bucket.delete(b"key 0%d00" % number)
