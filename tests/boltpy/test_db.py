"""The DB object: begin and close, and what closing waits for."""

from __future__ import annotations

import gc
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import boltpy
from tests.boltpy.background import Background, run_all
from tests.boltpy.sizes import sized
from tests.conftest import OpenDB
from tests.models import bucket_at

CALLS: dict[str, Callable[[boltpy.DB], object]] = {
    "begin a read": lambda db: db.begin(),
    "begin a write": lambda db: db.begin(writable=True),
    "view": lambda db: db.view().__enter__(),
    "update": lambda db: db.update().__enter__(),
    "batch": lambda db: db.batch(lambda tx: None),
    "sync": lambda db: db.sync(),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_closed_database_refuses_everything(db: boltpy.DB, call: str) -> None:
    db.close()
    with pytest.raises(boltpy.DatabaseNotOpenError):
        CALLS[call](db)


def test_closing_twice_is_fine(db: boltpy.DB) -> None:
    db.close()
    db.close()


def test_a_with_block_closes_the_database_and_frees_its_lock(tmp_path: Path) -> None:
    with boltpy.open(tmp_path / "a.db") as db, db.update() as tx:
        tx.create_bucket(b"b")
    with pytest.raises(boltpy.DatabaseNotOpenError):
        db.begin()
    with boltpy.open(tmp_path / "a.db", timeout=1) as db, db.view() as tx:
        assert tx.bucket(b"b") is not None


def test_a_with_block_left_by_an_exception_closes_too(tmp_path: Path) -> None:
    def fail() -> None:
        with boltpy.open(tmp_path / "a.db") as db, db.update() as tx:
            tx.create_bucket(b"b")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with boltpy.open(tmp_path / "a.db", timeout=1) as db, db.view() as tx:
        assert tx.bucket(b"b") is None


@pytest.mark.parametrize("writable", [False, True])
def test_close_waits_for_a_transaction_of_another_thread(db: boltpy.DB, writable: bool) -> None:
    begun, finish = threading.Event(), threading.Event()

    def work() -> None:
        tx = db.begin(writable=writable)
        begun.set()
        finish.wait()
        if writable:
            tx.create_bucket(b"late")
            tx.commit()
        else:
            tx.rollback()

    worker = Background(work)
    assert begun.wait(10)
    closing = Background(db.close)
    assert closing.is_waiting()
    finish.set()
    worker.result()
    closing.result()
    with boltpy.open(db.path, timeout=1) as again, again.view() as tx:
        assert (tx.bucket(b"late") is not None) == writable


@pytest.mark.parametrize("writable", [False, True])
def test_close_rolls_back_what_the_same_thread_began(db: boltpy.DB, writable: bool) -> None:
    def begin_and_close() -> boltpy.Tx:
        tx = db.begin(writable=writable)
        if writable:
            tx.create_bucket(b"never committed")
        db.close()
        return tx

    tx = Background(begin_and_close).result(10)
    with pytest.raises(boltpy.TxClosedError):
        tx.bucket(b"never committed")
    with boltpy.open(db.path, timeout=1) as again, again.view() as view:
        assert view.bucket(b"never committed") is None


@pytest.mark.parametrize("writable", [False, True])
def test_a_forgotten_transaction_keeps_the_database_neither_open_nor_locked(db: boltpy.DB, writable: bool) -> None:
    def forget() -> None:
        tx = db.begin(writable=writable)
        if writable:
            tx.create_bucket(b"forgotten")
        del tx
        gc.collect()

    with pytest.warns(ResourceWarning, match="never committed or rolled back"):
        forget()
    Background(db.close).result(10)
    with boltpy.open(db.path, timeout=1) as again, again.update() as tx:
        assert tx.bucket(b"forgotten") is None


FORGET = """
import gc, sys, boltpy
db = boltpy.open(sys.argv[1])
db.begin(writable=True).create_bucket(b"forgotten")
gc.collect()
with db.update() as tx:
    tx.create_bucket(b"kept")
db.close()
print("closed")
"""


@pytest.mark.parametrize("warnings", ["error", "default", "ignore"])
def test_a_forgotten_transaction_is_ended_whatever_is_done_with_warnings(tmp_path: Path, warnings: str) -> None:
    path = tmp_path / "a.db"
    command = [sys.executable, "-W", warnings, "-c", FORGET, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert done.stdout == "closed\n", done.stderr
    assert ("never committed" in done.stderr) == (warnings != "ignore")
    with boltpy.open(path, timeout=1) as db, db.view() as tx:
        assert [name for name, _ in tx.buckets()] == [b"kept"]


def test_threads_may_open_and_close_one_file_all_the_time(tmp_path: Path) -> None:
    rounds = sized(c=8, py=5, deep=30)

    def open_and_close() -> int:
        for _ in range(rounds):
            with boltpy.open(tmp_path / "a.db", timeout=60) as db, db.update() as tx:
                tx.create_bucket_if_not_exists(b"b").next_sequence()
        return rounds

    workers = sized(c=8, py=6, deep=30)
    assert run_all([open_and_close] * workers, timeout=120) == [rounds] * workers
    with boltpy.open(tmp_path / "a.db") as db, db.view() as tx:
        assert bucket_at(tx, b"b").sequence == rounds * workers
        assert list(tx.check()) == []


def test_many_databases_may_be_written_at_the_same_time(open_db: OpenDB) -> None:
    count, rounds = sized(c=20, py=10, deep=100), sized(c=20, py=10, deep=100)
    databases = [open_db(f"{number}.db", no_sync=True) for number in range(count)]

    def writer(number: int) -> Callable[[], None]:
        def work() -> None:
            for i in range(rounds):
                with databases[number].update() as tx:
                    tx.create_bucket_if_not_exists(b"bucket").put(b"%d" % i, b"%d of %d" % (i, number))

        return work

    run_all([writer(number) for number in range(count)])
    for number, db in enumerate(databases):
        with db.view() as tx:
            assert dict(bucket_at(tx, b"bucket").items()) == {
                b"%d" % i: b"%d of %d" % (i, number) for i in range(rounds)
            }


def test_info_tells_the_page_size(open_db: OpenDB) -> None:
    assert open_db(page_size=8192).info().page_size == 8192


def test_sync_may_be_called_at_any_time(open_db: OpenDB) -> None:
    db = open_db(no_sync=True)
    db.sync()
    with db.update() as tx:
        tx.create_bucket(b"b")
        db.sync()
    db.sync()
    with db.view() as tx:
        assert tx.bucket(b"b") is not None


def test_the_database_object_shows_its_path(db: boltpy.DB) -> None:
    assert "test.db" in repr(db)


def test_a_closed_database_leaves_neither_a_descriptor_nor_a_mapping(open_db: OpenDB) -> None:
    db = open_db("unique name.db")
    with db.update() as tx:
        tx.create_bucket(b"b").put(b"large", bytes(200_000))
    with db.view() as tx, db.update() as writer:
        bucket_at(writer, b"b").put(b"larger", bytes(2_000_000))
        assert bucket_at(tx, b"b").get(b"large") == bytes(200_000)

    def open_files() -> list[str]:
        links = [os.path.join("/proc/self/fd", name) for name in os.listdir("/proc/self/fd")]
        return [os.readlink(link) for link in links if os.path.lexists(link)]

    assert db.path in open_files()
    assert "unique name.db" in Path("/proc/self/maps").read_text()
    db.close()
    assert db.path not in open_files()
    gc.collect()
    assert "unique name.db" not in Path("/proc/self/maps").read_text()


def test_a_logger_hears_of_openings_and_failures(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("test of boltpy")
    with (
        caplog.at_level(logging.DEBUG, logger.name),
        boltpy.open(tmp_path / "a.db", logger=logger, max_size=100_000) as db,
    ):
        assert any(record.levelno == logging.INFO and "a.db" in record.getMessage() for record in caplog.records)
        caplog.clear()
        tx = db.begin(writable=True)
        tx.create_bucket(b"b").put(b"k", bytes(200_000))
        with pytest.raises(boltpy.MaxSizeReachedError):
            tx.commit()
        assert any(record.levelno == logging.ERROR for record in caplog.records)


def test_without_a_logger_nothing_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), boltpy.open(tmp_path / "a.db") as db, db.update() as tx:
        tx.create_bucket(b"b")
    assert caplog.records == []
