"""Whose a database is: it is not copied, and a forked child does no harm to its parent's file and lock."""

from __future__ import annotations

import copy
import io
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


def refused_in_a_child(acts: list[Callable[[], object]], error: type[Exception]) -> int:
    """Fork, and count in the child which of these are refused."""
    child = os.fork()
    if not child:
        refused = 0
        try:
            for act in acts:
                try:
                    act()
                except error as reason:
                    refused += "forked" in str(reason) and "open the file anew" in str(reason)
        finally:
            os._exit(refused)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("writable", [False, True])
def test_a_forked_child_reads_nothing_of_a_transaction_that_its_parent_began(db: boltpy.DB, writable: bool) -> None:
    """The parent's writer does not know of a reader in the child, and would write over its pages."""
    with db.update() as tx:
        nest = tx.create_bucket(b"b").create_bucket(b"n")
        nest.put_many((b"%05d" % i, bytes(50)) for i in range(2000))
    tx = db.begin(writable=writable)
    bucket = bucket_at(tx, b"b", b"n")
    view, cursor, items = bucket.get_view(b"00000"), bucket.cursor(), bucket.items()
    assert view is not None
    cursor.first()
    next(items)
    acts: list[Callable[[], object]] = [
        lambda: tx.bucket(b"b"),
        tx.inspect,
        lambda: list(tx.check()),
        lambda: tx.write_to(io.BytesIO()),
        lambda: bucket.get(b"00001"),
        lambda: bucket[b"00001"],
        lambda: b"00001" in bucket,
        lambda: bucket.get_many([b"00001"]),
        lambda: list(bucket),
        lambda: bucket.bucket(b"c"),
        lambda: list(items),
        cursor.last,
        lambda: cursor.seek(b"01000"),
        cursor.prev,
    ]
    assert refused_in_a_child(acts, boltpy.TxClosedError) == len(acts)
    child = os.fork()
    if not child:
        try:
            bytes(view)
        except ValueError:  # it was released
            os._exit(7)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert [bucket.get(b"00001"), cursor.next(), len(list(items)), len(view)] == [
        bytes(50),
        (b"00001", bytes(50)),
        1999,
        50,
    ]
    view.release()
    tx.rollback()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_can_neither_begin_nor_commit(db: boltpy.DB) -> None:
    with db.update() as tx:
        tx.create_bucket(b"b").put(b"k", b"parent")
    tx = db.begin(writable=True)
    bucket_at(tx, b"b").put(b"k", b"child")
    acts: list[Callable[[], object]] = [db.begin, lambda: db.begin(writable=True), db.sync]
    assert refused_in_a_child(acts, boltpy.DatabaseNotOpenError) == len(acts)
    assert refused_in_a_child([tx.commit, tx.rollback], boltpy.TxClosedError) == 2
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
    if sys.argv[2] == "drop":
        del tx, reader, db
    elif sys.argv[2] == "roll back":
        for each in (tx, reader):
            try:
                each.rollback()
            except boltpy.TxClosedError:
                continue
            os._exit(1)
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


OUTLIVED = """
import os, sys, time, boltpy
db = boltpy.open(sys.argv[1], timeout=1, read_only=sys.argv[2] == "shared")
old = db.begin()
if not db.read_only:
    with db.update() as tx:
        tx.create_bucket(b"large").put(b"k", bytes(5_000_000))
new = db.begin()
if not os.fork():
    print(os.getpid(), flush=True)
    time.sleep(60)
time.sleep(60)
"""


@pytest.mark.parametrize("kind", ["exclusive", "shared"])
def test_the_lock_of_a_killed_process_is_free_although_its_forked_child_lives(db: boltpy.DB, kind: str) -> None:
    with db.update() as tx:
        tx.create_bucket(b"b")
    db.close()
    command = [sys.executable, "-W", "ignore", "-c", OUTLIVED, db.path, kind]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        try:
            with pytest.raises(boltpy.LockTimeoutError):
                boltpy.open(db.path, timeout=0.05)
            parent.kill()
            parent.wait()
            boltpy.open(db.path, timeout=5).close()
        finally:
            parent.kill()
            os.kill(child, signal.SIGKILL)


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


def in_a_thread_with_the_number(number: int, work: Callable[[], None]) -> bool:
    """Run in a new thread, if the system gives it that number; whether it did."""
    hit = []

    def run() -> None:
        if threading.get_ident() == number:
            hit.append(True)
            work()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return bool(hit)


@contextmanager
def left_by_a_thread(db: boltpy.DB, writable: bool) -> Iterator[tuple[boltpy.Tx, int]]:
    """A transaction that a thread began and nobody ended, and the number that the thread had."""
    left: list[tuple[boltpy.Tx, int]] = []
    thread = threading.Thread(target=lambda: left.append((db.begin(writable), threading.get_ident())))
    thread.start()
    thread.join()
    yield left[0]
    if left[0][0]._open:
        left[0][0].rollback()


def test_a_thread_does_not_own_what_an_ended_thread_with_its_number_left_open(db: boltpy.DB) -> None:
    outcome: list[object] = []

    def come() -> None:
        ending.start()
        try:
            with db.update() as tx:
                outcome.append(tx.id)
        except boltpy.TxError as error:
            outcome.append(error)

    with left_by_a_thread(db, writable=True) as (tx, number):
        ending = threading.Timer(1, tx.rollback)  # whoever has it now may end it: to wait for that is no deadlock
        reused = any(in_a_thread_with_the_number(number, come) for _ in range(100))
        ending.join()
    assert reused, "the system gives each number once"
    assert outcome == [tx.id]


def test_close_waits_for_what_an_ended_thread_left_open_whatever_its_number(db: boltpy.DB) -> None:
    seen: list[bool] = []

    def close() -> None:
        ending.start()
        db.close()

    with left_by_a_thread(db, writable=False) as (tx, number):

        def end() -> None:
            seen.append(tx._open)
            if tx._open:
                tx.rollback()

        ending = threading.Timer(0.5, end)
        reused = any(in_a_thread_with_the_number(number, close) for _ in range(100))
        ending.join()
    assert reused, "the system gives each number once"
    assert seen == [True]


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
