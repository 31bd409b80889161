"""One of several processes that fight for a database, with several threads in each, until somebody kills it.

Usage: python -m tests.concurrency.soaking FILE NAME SEED SECONDS

Accounts hold a fixed sum between them, and each value carries its own digest: whoever reads can tell whether what it
sees is one state. `C THREAD COUNT` on standard output says that so many transactions of a thread are committed;
`R COUNT` how many reads a session made. Anything that goes wrong is a traceback on standard error.
"""

from __future__ import annotations

import hashlib
import os
import random
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import boltpy

ACCOUNTS, SUM = 40, 40_000
WRITERS, BATCHERS, READERS = 2, 2, 3


def sealed(payload: bytes) -> bytes:
    return hashlib.blake2b(payload, digest_size=16).digest() + payload


def bucket_of(tx: boltpy.Tx, name: bytes) -> boltpy.Bucket:
    bucket = tx.bucket(name)
    assert bucket is not None
    return bucket


def prepare(path: Path) -> None:
    """Make the database."""
    with boltpy.open(path, page_size=1024) as db, db.update() as tx:
        tx.create_bucket(b"accounts").put_many((b"%03d" % i, b"%d" % (SUM // ACCOUNTS)) for i in range(ACCOUNTS))
        tx.create_bucket(b"values").create_bucket(b"nested")
        tx.create_bucket(b"counts")


def assert_sound(tx: boltpy.Tx) -> int:
    """Fail unless everything fits together; how many values there are."""
    assert sum(int(value) for value in bucket_of(tx, b"accounts").values() if value is not None) == SUM
    values = bucket_of(tx, b"values")
    nested = values.bucket(b"nested")
    assert nested is not None
    count = 0
    for bucket in (values, nested):
        for value in bucket.values():
            assert value is None or value == sealed(value[16:])
            count += 1
    return count


def counts(tx: boltpy.Tx) -> dict[str, int]:
    """How often each thread of each process committed."""
    return {key.decode(): int(value or b"0") for key, value in bucket_of(tx, b"counts").items()}


class Session:
    """The threads of this process while it has the file open."""

    def __init__(self, db: boltpy.DB, name: str, rng: random.Random, end: float) -> None:
        self._db = db
        self._name = name
        self._seed = rng.randrange(2**32)
        self._end = end
        self._reads = 0
        self.failed = False

    def change(self, tx: boltpy.Tx, thread: str, rng: random.Random) -> int:
        """Move money, replace values, and count."""
        accounts = bucket_of(tx, b"accounts")
        source, target = rng.sample(range(ACCOUNTS), 2)
        amount = rng.randrange(50)
        for account, by in ((source, -amount), (target, amount)):
            accounts.put(b"%03d" % account, b"%d" % (int(accounts[b"%03d" % account]) + by))
        values: boltpy.Bucket | None = bucket_of(tx, b"values")
        if rng.random() < 0.3 and values is not None:
            values = values.bucket(b"nested")
        assert values is not None
        for _ in range(rng.randrange(1, 6)):
            key = b"key %02d" % rng.randrange(60)
            if rng.random() < 0.3:
                values.delete(key)
            else:
                values.put(key, sealed(rng.randbytes(rng.choice([10, 100, 1_000, 9_000]))))
        bucket = bucket_of(tx, b"counts")
        key = f"{self._name} {thread}".encode()
        count = int(bucket.get(key) or b"0") + 1
        bucket.put(key, b"%d" % count)
        return count

    def write(self, thread: str, rng: random.Random) -> None:
        with self._db.update() as tx:
            count = self.change(tx, thread, rng)
        os.write(1, f"C {thread} {count}\n".encode())

    def batch(self, thread: str, rng: random.Random) -> None:
        count = self._db.batch(lambda tx: self.change(tx, thread, rng))
        os.write(1, f"C {thread} {count}\n".encode())

    def read(self, thread: str, rng: random.Random) -> None:
        with self._db.view() as tx:
            first = assert_sound(tx)
            time.sleep(rng.random() * 0.02)
            assert assert_sound(tx) == first
        self._reads += 1

    def fork(self) -> None:
        """Leave a child behind that lives longer than this session, and can not use what it inherits."""
        tx = self._db.begin()
        if not os.fork():
            try:
                tx.bucket(b"accounts")
                os.write(2, b"a forked child reads on")
            except boltpy.TxClosedError:
                time.sleep(0.3)
            finally:
                os._exit(0)
        tx.rollback()

    def run(self) -> None:
        acts: list[tuple[str, Callable[[str, random.Random], None]]] = [(f"r{i}", self.read) for i in range(READERS)]
        if not self._db.read_only:
            acts += [(f"w{i}", self.write) for i in range(WRITERS)] + [(f"b{i}", self.batch) for i in range(BATCHERS)]
        threads = [threading.Thread(target=self._work, args=act) for act in acts]
        for thread in threads:
            thread.start()
        if self._seed % 4 == 0:
            self.fork()
        for thread in threads:
            thread.join()
        os.write(1, f"R {self._reads}\n".encode())

    def _work(self, thread: str, act: Callable[[str, random.Random], None]) -> None:
        rng = random.Random(f"{self._seed} {thread}")
        try:
            while time.monotonic() < self._end and not self.failed:
                act(thread, rng)
        except BaseException:  # noqa: BLE001  it must be seen, whatever it is
            self.failed = True
            traceback.print_exc()


def main() -> None:
    path, name, rng, end = sys.argv[1], sys.argv[2], random.Random(sys.argv[3]), time.monotonic() + float(sys.argv[4])
    while time.monotonic() < end:
        options = {"freelist_type": rng.choice(["array", "hashmap"]), "no_freelist_sync": rng.random() < 0.3}
        options |= {"no_sync": rng.random() < 0.7, "read_only": rng.random() < 0.2, "max_batch_delay": 0.002}
        with boltpy.open(path, timeout=120, **options) as db:
            session = Session(db, name, rng, min(end, time.monotonic() + rng.uniform(0.02, 0.4)))
            session.run()
            if session.failed:
                sys.exit(1)
        time.sleep(rng.random() * 0.05)  # a lock that is taken again at once would starve the others


if __name__ == "__main__":
    main()
