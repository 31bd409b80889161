"""Forks processes that commit until they are killed; a process of its own, so that a fork costs no start of Python.

Usage: python -m tests.crash.nursery

Standard input has one order a line, as JSON: the arguments of `commit_forever`. For each, standard output tells the
pid of a new process, then the number of each of its commits as soon as it is on the disk, and "reaped" when it has
died.
"""

from __future__ import annotations

import json
import os
import random
import sys
from typing import Any

import boltpy
from boltpy import DB  # noqa: F401  loads the database here, once, and not in each child that has a moment to live
from tests.crash.workload import change
from tests.models import BucketModel, read_all

COUNT = b"count"


def numbered_change(tx: boltpy.Tx, model: BucketModel, number: int) -> None:
    """Commit number `number`, made to both: the same for every process, whatever happened before."""
    change(tx, model, random.Random(number))
    tx.create_bucket_if_not_exists(COUNT).put(b"number", b"%d" % number)
    model.entries[COUNT] = BucketModel({b"number": b"%d" % number})


def stored_number(tx: boltpy.Tx) -> int:
    """The number of the last commit; 0 before the first."""
    bucket = tx.bucket(COUNT)
    return int(bucket.get(b"number") or 0) if bucket else 0


def commit_forever(path: str, options: dict[str, Any]) -> None:
    """Go on from whatever the file holds, and tell of each commit."""
    with boltpy.open(path, timeout=20, **options) as db:
        with db.view() as tx:
            model, number = read_all(tx), stored_number(tx)
        while True:
            number += 1
            with db.update() as tx:
                numbered_change(tx, model, number)
            os.write(1, b"%d\n" % number)


def main() -> None:
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            try:
                os.write(1, b"%d\n" % os.getpid())
                commit_forever(**json.loads(line))
            finally:
                os._exit(1)
        os.waitpid(pid, 0)
        os.write(1, b"reaped\n")


if __name__ == "__main__":
    main()
