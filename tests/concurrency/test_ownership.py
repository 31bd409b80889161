"""Whose a database is: it is not copied, and a forked child does no harm to its parent's file and lock."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import boltpy
from tests.models import bucket_at


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_database_and_a_transaction_cannot_be_copied(db: boltpy.DB, duplicate: Callable[[Any], Any]) -> None:
    with db.update() as tx:
        tx.create_bucket(b"b").put(b"k", b"v")
        for owner in (db, tx, {"db": db}, [tx]):
            if duplicate is copy.copy and isinstance(owner, dict | list):
                continue  # a shallow copy of a container copies no database
            with pytest.raises(TypeError, match="cannot be copied"):
                duplicate(owner)
    with db.view() as tx:
        assert bucket_at(tx, b"b").get(b"k") == b"v"


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_that_closes_the_database_leaves_the_parent_its_lock(db: boltpy.DB) -> None:
    child = os.fork()
    if not child:
        try:
            db.close()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    with pytest.raises(boltpy.LockTimeoutError):
        boltpy.open(db.path, timeout=0.1)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_can_neither_begin_nor_commit(db: boltpy.DB) -> None:
    with db.update() as tx:
        tx.create_bucket(b"b").put(b"k", b"parent")
    tx = db.begin(writable=True)
    bucket_at(tx, b"b").put(b"k", b"child")
    acts: list[Callable[[], object]] = [db.begin, tx.commit, lambda: db.begin(writable=True), db.sync]
    child = os.fork()
    if not child:
        refused = 0
        try:
            for act in acts:
                with pytest.raises(boltpy.DatabaseNotOpenError, match="forked; open the file anew"):
                    act()
                refused += 1
        finally:
            os._exit(refused)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == len(acts)
    tx.rollback()
    with db.view() as tx:
        assert bucket_at(tx, b"b").get(b"k") == b"parent"


FORK_IN_A_TRANSACTION = """
import os, sys, boltpy
db = boltpy.open(sys.argv[1], timeout=1)
reader = db.begin()
tx = db.begin(writable=True)
tx.bucket(b"b").put(b"k", b"parent")
child = os.fork()
if not child:
    assert reader.bucket(b"b").get(b"k") == b"old"
    if sys.argv[2] == "drop":
        del tx, reader, db
    elif sys.argv[2] == "roll back":
        tx.rollback()
        reader.rollback()
    sys.exit(7)  # and all that an interpreter does at its end
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
try:
    boltpy.open(sys.argv[1], timeout=0.05)
except boltpy.LockTimeoutError:
    tx.commit()
assert reader.bucket(b"b").get(b"k") == b"old"
reader.rollback()
db.close()
boltpy.open(sys.argv[1], timeout=0.05).close()
"""


FORK_BESIDE_THREADS = """
import os, signal, sys, threading, boltpy
db = boltpy.open(sys.argv[1], timeout=1)
begun, end = threading.Event(), threading.Event()
def work():
    with db.update() as tx, db._txs.lock:
        begun.set()
        end.wait()
thread = threading.Thread(target=work)
thread.start()
begun.wait()
child = os.fork()
if not child:
    signal.alarm(20)  # who waits for a thread that is not here waits for ever
    for act in (db.begin, lambda: db.begin(writable=True), lambda: db.batch(lambda tx: None)):
        try:
            act()
        except boltpy.DatabaseNotOpenError:
            continue
        os._exit(1)
    db.close()
    db.close()
    os._exit(7)
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
end.set()
thread.join()
db.close()
assert code == 7, code
"""


def test_a_forked_child_waits_for_no_thread_of_its_parent(db: boltpy.DB) -> None:
    db.close()
    command = [sys.executable, "-W", "ignore", "-c", FORK_BESIDE_THREADS, db.path]
    subprocess.run(command, check=True, cwd=Path(__file__).parents[2], timeout=60)


@pytest.mark.parametrize("what", ["exit", "drop", "roll back"])
def test_a_fork_in_the_middle_of_a_transaction_leaves_the_parent_its_transaction_and_its_lock(
    db: boltpy.DB, what: str
) -> None:
    with db.update() as tx:
        tx.create_bucket(b"b").put(b"k", b"old")
    db.close()
    command = [sys.executable, "-c", FORK_IN_A_TRANSACTION, db.path, what]
    subprocess.run(command, check=True, cwd=Path(__file__).parents[2], timeout=60)
    with boltpy.open(db.path, timeout=1) as again, again.view() as tx:
        assert bucket_at(tx, b"b").get(b"k") == b"parent"
