"""Opens damaged copies of one database and uses them in every way; run as a process of its own by test_damage.

Usage: python -m tests.corrupt.damage_worker FILE SCRATCH

FILE is a sound database. Standard input has one damage a line: "flip OFFSET MASK" changes the bits of MASK in one byte,
"cut SIZE" ends the file there, "meta FIELD VALUE" sets a field of both metas with a fitting checksum.
Each damage is announced on standard output before it is tried, so that the parent knows which one was fatal.
Anything but a sound result or a BoltError ends the process with a traceback.
"""

from __future__ import annotations

import contextlib
import io
import resource
import sys
from pathlib import Path

import boltpy
from tests.boltpy.rawfile import RawFile

ADDRESS_SPACE = 4 << 30
MOST_ITEMS = 100_000


def damage(path: Path, order: str) -> None:
    """Apply one damage to the file."""
    kind, *arguments = order.split()
    if kind == "flip":
        offset, mask = map(int, arguments)
        with open(path, "r+b") as file:
            file.seek(offset)
            (byte,) = file.read(1)
            file.seek(offset)
            file.write(bytes([byte ^ mask]))
    elif kind == "cut":
        with open(path, "r+b") as file:
            file.truncate(int(arguments[0]))
    else:
        raw = RawFile(path)
        for index in (0, 1):
            raw.set_meta(index, **{arguments[0]: int(arguments[1])})
        raw.save()


def walk(bucket: boltpy.Bucket, depth: int = 0) -> None:
    """Read a bucket in all ways and everything nested in it."""
    count = 0
    with contextlib.suppress(boltpy.BoltError):
        for key, value in bucket.items():
            count += 1
            assert count < MOST_ITEMS, "a small file gives no end of items"
            if value is not None:
                with contextlib.suppress(boltpy.BoltError):
                    bucket.get(key)
                    view = bucket.get_view(key)
                    assert view is None or len(bytes(view)) >= 0
            elif depth < 20:
                nested = bucket.bucket(key)
                if nested is not None:
                    walk(nested, depth + 1)
    with contextlib.suppress(boltpy.BoltError):
        for count, _ in enumerate(bucket.items(reverse=True)):
            assert count < MOST_ITEMS, "a small file gives no end of items backwards"
    for move in ("first", "last", "next", "prev"):
        with contextlib.suppress(boltpy.BoltError):
            cursor = bucket.cursor()
            cursor.seek(b"key 0100")
            getattr(cursor, move)()
    with contextlib.suppress(boltpy.BoltError):
        list(bucket.get_many([b"key 0000", b"key 0150", b"zzz", b"\0"]))
    with contextlib.suppress(boltpy.BoltError):
        bucket.stats()
    with contextlib.suppress(boltpy.BoltError):
        bucket.inspect()


def read(path: Path) -> None:
    with boltpy.open(path, read_only=True, preload_freelist=True, timeout=5) as db, db.view() as tx:
        with contextlib.suppress(boltpy.BoltError):
            for count, problem in enumerate(tx.check()):
                assert str(problem)
                assert count < MOST_ITEMS, "check does not end"
        with contextlib.suppress(boltpy.BoltError):
            for _, bucket in tx.buckets():
                walk(bucket)
        with contextlib.suppress(boltpy.BoltError):
            tx.inspect()
        for pgid in range(40):
            with contextlib.suppress(boltpy.BoltError):
                tx.page(pgid)
        with contextlib.suppress(boltpy.BoltError):
            tx.write_to(io.BytesIO())


def write(path: Path) -> None:
    with boltpy.open(path, timeout=5, no_sync=True, max_size=64 << 20) as db:
        for step in range(4):
            with contextlib.suppress(boltpy.BoltError), db.update() as tx:
                bucket = tx.create_bucket_if_not_exists(b"data")
                bucket.put(b"key 0100", bytes(100))
                bucket.put_many((b"new %d %d" % (step, i), b"v" * 50) for i in range(30))
                if step == 1:
                    bucket.delete_many([b"key %04d" % i for i in range(0, 300, 2)])
                    bucket.next_sequence()
                if step == 2:
                    tx.delete_bucket(b"data")
        with contextlib.suppress(boltpy.BoltError), db.update() as tx:
            tx.create_bucket_if_not_exists(b"nest").delete_bucket(b"inner")


def main() -> None:
    source, scratch = Path(sys.argv[1]), Path(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    sound = source.read_bytes()
    for order in sys.stdin.read().splitlines():
        print(order, flush=True)
        for use in (read, write):
            scratch.write_bytes(sound)
            damage(scratch, order)
            with contextlib.suppress(boltpy.BoltError):
                use(scratch)
    print("done", flush=True)


if __name__ == "__main__":
    main()
