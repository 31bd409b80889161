"""batch(): calls of several threads share one transaction, and one that fails does not spoil the others."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

import boltpy
from tests.boltpy.background import Background, run_all
from tests.boltpy.sizes import sized
from tests.conftest import OpenDB
from tests.models import bucket_at

NEVER = 3600.0
"""Seconds of delay that no test waits for."""


def with_bucket(db: boltpy.DB) -> boltpy.DB:
    with db.update() as tx:
        tx.create_bucket(b"b")
    return db


def put(key: bytes) -> Callable[[boltpy.Tx], bytes]:
    """A callback that puts `key` and returns it."""

    def work(tx: boltpy.Tx) -> bytes:
        bucket_at(tx, b"b").put(key, b"v")
        return key

    return work


def keys(db: boltpy.DB) -> list[bytes]:
    with db.view() as tx:
        return list(bucket_at(tx, b"b"))


def test_a_batch_alone_is_an_update_that_returns_what_the_callback_returned(db: boltpy.DB) -> None:
    with_bucket(db)
    assert db.batch(put(b"k")) == b"k"
    assert keys(db) == [b"k"]


def test_all_of_several_batches_are_applied_in_few_transactions(open_db: OpenDB) -> None:
    db = with_bucket(open_db(max_batch_delay=0.2))
    count = sized(c=40, py=40, deep=500)
    names = [b"%04d" % i for i in range(count)]
    with db.view() as tx:
        before = tx.id
    assert run_all([lambda name=name: db.batch(put(name)) for name in names]) == names  # type: ignore[misc]
    assert keys(db) == names
    with db.view() as tx:
        assert tx.id - before <= 5


def test_a_full_batch_runs_at_once(open_db: OpenDB) -> None:
    db = with_bucket(open_db(max_batch_size=3, max_batch_delay=NEVER))
    first, second = Background(lambda: db.batch(put(b"1"))), Background(lambda: db.batch(put(b"2")))
    assert first.is_waiting()
    assert second.is_waiting()
    assert keys(db) == []
    assert Background(lambda: db.batch(put(b"3"))).result(10) == b"3"
    assert {first.result(10), second.result(10)} == {b"1", b"2"}
    assert keys(db) == [b"1", b"2", b"3"]


def test_a_batch_that_is_not_full_runs_after_the_delay(open_db: OpenDB) -> None:
    db = with_bucket(open_db(max_batch_size=1000, max_batch_delay=0.3))
    start = time.monotonic()
    db.batch(put(b"k"))
    assert 0.29 <= time.monotonic() - start < 5


@pytest.mark.parametrize("options", [{"max_batch_delay": 0.0}, {"max_batch_size": 1}, {"max_batch_size": 0}])
def test_without_delay_or_room_a_batch_does_not_wait(open_db: OpenDB, options: dict[str, float]) -> None:
    db = with_bucket(open_db(**({"max_batch_delay": NEVER} | options)))
    for i in range(3):
        assert Background(lambda name=b"%d" % i: db.batch(put(name))).result(10) == b"%d" % i  # type: ignore[misc]
    assert keys(db) == [b"0", b"1", b"2"]


class Mine(Exception):
    """An error that only its own caller may see."""


class MineToo(BaseException):
    """The same, and not an Exception."""


@pytest.mark.parametrize("error", [Mine, MineToo])
def test_a_failing_callback_fails_alone(open_db: OpenDB, error: type[BaseException]) -> None:
    db = with_bucket(open_db(max_batch_size=5, max_batch_delay=NEVER))
    runs: list[bytes] = []

    def fail(tx: boltpy.Tx) -> None:
        runs.append(b"fail")
        bucket_at(tx, b"b").put(b"never", b"stored")
        raise error("mine")

    def count(name: bytes) -> Callable[[boltpy.Tx], bytes]:
        def work(tx: boltpy.Tx) -> bytes:
            runs.append(name)
            return put(name)(tx)

        return work

    good = [Background(lambda name=b"%d" % i: db.batch(count(name))) for i in range(2)]  # type: ignore[misc]
    assert all(call.is_waiting() for call in good)
    bad = Background(lambda: db.batch(fail))
    assert bad.is_waiting()
    good += [Background(lambda name=b"%d" % i: db.batch(count(name))) for i in range(2, 4)]  # type: ignore[misc]
    assert sorted(call.result(10) for call in good) == [b"0", b"1", b"2", b"3"]
    with pytest.raises(error, match="mine"):
        bad.result(10)
    assert keys(db) == [b"0", b"1", b"2", b"3"]
    assert runs.count(b"fail") == 2  # in the batch, and once more alone
    assert all(runs.count(b"%d" % i) <= 2 for i in range(4))


def test_a_callback_that_fails_only_in_company_succeeds_alone(open_db: OpenDB) -> None:
    db = with_bucket(open_db(max_batch_size=2, max_batch_delay=NEVER))
    attempts: list[int] = []

    def second_time_lucky(tx: boltpy.Tx) -> str:
        attempts.append(tx.id)
        if len(attempts) == 1:
            raise Mine
        bucket_at(tx, b"b").put(b"lucky", b"v")
        return "done"

    lucky = Background(lambda: db.batch(second_time_lucky))
    assert lucky.is_waiting()
    assert Background(lambda: db.batch(put(b"other"))).result(10) == b"other"
    assert lucky.result(10) == "done"
    assert keys(db) == [b"lucky", b"other"]
    assert len(attempts) == 2


def test_a_batch_transaction_is_managed(db: boltpy.DB) -> None:
    with_bucket(db)

    def commit(tx: boltpy.Tx) -> None:
        with pytest.raises(boltpy.TxManagedError):
            tx.commit()
        with pytest.raises(boltpy.TxManagedError):
            tx.rollback()

    db.batch(commit)


def test_a_failing_callback_alone_changes_nothing_and_frees_the_lock(db: boltpy.DB) -> None:
    with_bucket(db)

    def fail(tx: boltpy.Tx) -> None:
        bucket_at(tx, b"b").put(b"k", b"v")
        raise Mine

    for _ in range(2):
        with pytest.raises(Mine):
            db.batch(fail)
    assert keys(db) == []
    db.batch(put(b"after"))
    assert keys(db) == [b"after"]


def test_each_callback_counts_exactly_once_under_load(open_db: OpenDB) -> None:
    db = with_bucket(open_db(max_batch_size=7, max_batch_delay=0.002, no_sync=True))
    threads, rounds = 8, sized(c=40, py=20, deep=500)

    class Add:
        """Adds one; some calls fail once, some of those fail again when they run alone."""

        def __init__(self) -> None:
            self.attempts = 0

        def __call__(self, tx: boltpy.Tx) -> None:
            self.attempts += 1
            bucket = bucket_at(tx, b"b")
            total = int(bucket.get(b"total") or 0) + 1
            bucket.put(b"total", b"%d" % total)
            if total % 11 == 0 or (self.attempts == 2 and total % 2):
                raise Mine

    def worker() -> int:
        done = 0
        for _ in range(rounds):
            try:
                db.batch(Add())
                done += 1
            except Mine:
                continue
        return done

    done = sum(run_all([worker] * threads))
    assert 0 < done <= threads * rounds
    with db.view() as tx:
        assert bucket_at(tx, b"b").get(b"total") == b"%d" % done


def test_a_batch_inside_a_write_transaction_or_a_batch_is_an_error_and_no_deadlock(db: boltpy.DB) -> None:
    with db.update() as tx:
        tx.create_bucket(b"b")
        with pytest.raises(boltpy.TxError, match="wait for itself"):
            db.batch(lambda inner: None)
    with pytest.raises(boltpy.TxError, match="wait for itself"):
        db.batch(lambda outer: db.batch(lambda inner: None))
    db.batch(lambda tx: tx.create_bucket(b"c"))


def test_without_a_thread_to_be_had_a_batch_runs_at_once(db: boltpy.DB, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(timer: object) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr("threading.Timer.start", refuse)
        assert db.batch(lambda tx: tx.create_bucket(b"b").put(b"k", b"v")) is None
    assert db.batch(lambda tx: bucket_at(tx, b"b").get(b"k")) == b"v"
