"""Short kernels keep the interpreter's lock: a reader does not wait for a thread that computes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import islice
from threading import Lock, Thread

import pytest

import boltpy
from tests.models import bucket_at

READS: dict[str, Callable[[boltpy.Bucket], object]] = {
    "get": lambda bucket: bucket.get(b"0500"),
    "missing": lambda bucket: bucket.get(b"none"),
    "range": lambda bucket: list(islice(bucket.items(b"0500"), 10)),
    "cursor": lambda bucket: bucket.cursor().seek(b"0500"),
    "nested bucket": lambda bucket: bucket.bucket(b"nested"),
}


@pytest.mark.skipif(not getattr(sys, "_is_gil_enabled", lambda: True)(), reason="there is no such lock here")
@pytest.mark.parametrize("read", READS)
def test_a_thread_that_waits_for_its_turn_does_not_get_it_during_a_read(db: boltpy.DB, read: str) -> None:
    with db.update() as tx:
        tx.create_bucket(b"b").put_many({b"%04d" % i: bytes(20) for i in range(1000)})
        bucket_at(tx, b"b").create_bucket(b"nested")
    begin, ran = Lock(), []

    def wait() -> None:
        with begin:
            ran.append(True)

    begin.acquire()
    waiting = Thread(target=wait)
    waiting.start()
    interval = sys.getswitchinterval()
    try:
        with db.view() as tx:
            bucket, perform = bucket_at(tx, b"b"), READS[read]
            sys.setswitchinterval(60)  # seconds: from here on a thread runs when another one lets it
            begin.release()
            for _ in range(5000):
                perform(bucket)
            ran_meanwhile = bool(ran)
    finally:
        sys.setswitchinterval(interval)
        waiting.join()
    assert (ran_meanwhile, ran) == (False, [True])
