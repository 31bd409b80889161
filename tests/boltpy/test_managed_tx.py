"""with db.update() and with db.view(): who ends the transaction, and what exceptions do."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import boltpy
from tests.boltpy.background import Background
from tests.models import BucketModel, assert_holds, bucket_at


class Stop(BaseException):
    """Neither an Exception nor anything the library could know."""


def test_what_an_update_did_is_visible_after_its_block(db: boltpy.DB) -> None:
    with db.update() as tx:
        bucket = tx.create_bucket(b"widgets")
        bucket.put(b"foo", b"bar")
        bucket.put(b"baz", b"bat")
        bucket.delete(b"foo")
    with db.view() as tx:
        assert_holds(tx, BucketModel({b"widgets": BucketModel({b"baz": b"bat"})}))


@pytest.mark.parametrize("block", [boltpy.DB.update, boltpy.DB.view])
@pytest.mark.parametrize("end", [boltpy.Tx.commit, boltpy.Tx.rollback])
def test_a_managed_transaction_cannot_be_ended_by_hand(
    db: boltpy.DB, block: Callable[[boltpy.DB], object], end: Callable[[boltpy.Tx], None]
) -> None:
    with block(db) as tx:  # type: ignore[attr-defined]
        with pytest.raises(boltpy.TxManagedError) as caught:
            end(tx)
        assert isinstance(caught.value, boltpy.TxError)
        if tx.writable:
            tx.create_bucket(b"still open")
        else:
            assert tx.bucket(b"still open") is None
    with db.view() as tx:
        assert (tx.bucket(b"still open") is not None) == (block is boltpy.DB.update)


@pytest.mark.parametrize("error", [ValueError("mine"), Stop("mine"), KeyboardInterrupt(), SystemExit(3)])
def test_any_exception_rolls_an_update_back_and_comes_out_unchanged(db: boltpy.DB, error: BaseException) -> None:
    with db.update() as tx:
        tx.create_bucket(b"widgets").put(b"k", b"v")

    def fail() -> None:
        with db.update() as tx:
            bucket_at(tx, b"widgets").put(b"k", b"changed")
            tx.create_bucket(b"lost")
            raise error

    with pytest.raises(type(error)) as caught:
        fail()
    assert caught.value is error
    assert caught.value.__cause__ is None
    with db.update() as tx:  # the lock is free
        assert_holds(tx, BucketModel({b"widgets": BucketModel({b"k": b"v"})}))
        assert tx.id == 3


@pytest.mark.parametrize("error", [ValueError("mine"), Stop("mine")])
def test_an_exception_ends_a_view_and_comes_out_unchanged(db: boltpy.DB, error: BaseException) -> None:
    def fail() -> None:
        with db.view():
            assert db.stats().open_tx_n == 1
            raise error

    with pytest.raises(type(error)) as caught:
        fail()
    assert caught.value is error
    assert db.stats().open_tx_n == 0
    db.close()


def test_a_block_may_be_left_by_return_break_or_continue(db: boltpy.DB) -> None:
    def put_and_return() -> str:
        with db.update() as tx:
            tx.create_bucket(b"returned")
            return "value"

    assert put_and_return() == "value"
    for name in (b"one", b"two", b"three"):
        with db.update() as tx:
            tx.create_bucket(name)
            if name == b"one":
                continue
            break
    with db.view() as tx:
        assert [name for name, _ in tx.buckets()] == [b"one", b"returned", b"two"]


def test_the_transaction_is_closed_after_its_block(db: boltpy.DB) -> None:
    with db.update() as update:
        bucket = update.create_bucket(b"b")
    with db.view() as view:
        pass
    for ended in (update, view):
        with pytest.raises(boltpy.TxClosedError):
            ended.bucket(b"b")
    with pytest.raises(boltpy.TxClosedError):
        bucket.get(b"k")


def test_an_update_in_a_thread_waits_for_the_one_that_is_open(db: boltpy.DB) -> None:
    def second() -> int:
        with db.update() as tx:
            return tx.id

    with db.update() as tx:
        first = tx.id
        waiting = Background(second)
        assert waiting.is_waiting()
    assert waiting.result() == first + 1


@pytest.mark.parametrize("managed", [False, True])
def test_a_second_writing_transaction_in_one_thread_is_an_error_and_no_deadlock(db: boltpy.DB, managed: bool) -> None:
    def nest() -> None:
        with db.update() as tx:
            tx.create_bucket(b"outer")
            again = db.update().__enter__ if managed else lambda: db.begin(writable=True)
            with pytest.raises(boltpy.TxError):
                again()

    Background(nest).result(10)
    with db.view() as tx:
        assert tx.bucket(b"outer") is not None


def test_views_may_be_nested_in_each_other_and_in_an_update(db: boltpy.DB) -> None:
    with db.update() as tx:
        tx.create_bucket(b"b")
        with db.view() as outer, db.view() as inner:
            assert outer.bucket(b"b") is None
            assert inner.bucket(b"b") is None
            assert db.stats().open_tx_n == 2
        assert tx.bucket(b"b") is not None
    with db.view() as tx:
        assert tx.bucket(b"b") is not None


def test_a_transaction_can_be_ended_in_another_thread_than_it_began(db: boltpy.DB) -> None:
    tx = db.begin(writable=True)
    tx.create_bucket(b"b")
    Background(tx.commit).result()
    with db.update() as tx:
        assert tx.bucket(b"b") is not None


@pytest.mark.parametrize("writable", [False, True])
def test_a_block_is_entered_once_at_a_time(db: boltpy.DB, writable: bool) -> None:
    block = db.update() if writable else db.view()
    for _ in range(2):
        with block as tx:
            with pytest.raises(boltpy.TxError, match="one block for each transaction"):
                block.__enter__()
            assert tx.id >= 1
    assert db.stats().open_tx_n == 0
    db.begin(writable=True).rollback()
