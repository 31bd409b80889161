"""What is known of a bucket without nested ones is found out bit by bit, across transactions, and never wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import boltpy
from boltpy import hot
from tests.conftest import OpenDB
from tests.models import bucket_at

KEYS = [b"%05d" % i for i in range(9000)]
FEW = dict.fromkeys(KEYS[40:80], b"new")


@pytest.fixture
def big(open_db: OpenDB) -> boltpy.DB:
    """A reopened database, which knows nothing yet of its bucket "b" of 9000 pairs."""
    with open_db() as db, db.update() as tx:
        tx.create_bucket(b"b").put_many(dict.fromkeys(KEYS, b"old"))
    return open_db()


def look_through(db: boltpy.DB, txs: int) -> None:
    """Make so many transactions that each look through a part of the bucket."""
    for _ in range(txs):
        with db.update() as tx:
            bucket_at(tx, b"b").put_many(FEW)


def refuse(bucket: boltpy.Bucket, name: bytes) -> None:
    changes: list[Callable[[], Any]] = [
        lambda: bucket.put(name, b"x"),
        lambda: bucket.put_many({KEYS[0]: b"x", name: b"x"}),
        lambda: bucket.delete(name),
        lambda: bucket.delete_many([KEYS[0], name]),
    ]
    for change in changes:
        with pytest.raises(boltpy.IncompatibleValueError):
            change()
    assert bucket.get(KEYS[0]) == b"old"
    assert bucket.bucket(name) is not None


def test_each_item_is_looked_at_once_however_many_transactions_it_takes(
    big: boltpy.DB, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []
    scan = hot.scan

    def counted(tree: Any, mapped: Any, key: Any, bound: Any, how: int, most: int) -> Any:
        looked.append(most)
        return scan(tree, mapped, key, bound, how, most)

    monkeypatch.setattr(hot, "scan", counted)
    look_through(big, 4)
    assert 0 < sum(looked) < len(KEYS)
    look_through(big, 10)
    in_all = sum(looked)
    assert len(KEYS) <= in_all <= len(KEYS) + 2 * looked[0]
    look_through(big, 10)
    assert sum(looked) == in_all


@pytest.mark.parametrize("txs", [0, 1, 5, 20])
@pytest.mark.parametrize("name", [b"00000-", b"04000-", b"99999"])
def test_a_nested_bucket_is_never_taken_for_a_pair(big: boltpy.DB, open_db: OpenDB, txs: int, name: bytes) -> None:
    with big.update() as tx:
        bucket_at(tx, b"b").create_bucket(name)
    big.close()
    again = open_db()
    look_through(again, txs)
    with again.update() as tx:
        refuse(bucket_at(tx, b"b"), name)


@pytest.mark.parametrize("txs", [1, 5, 20])
def test_a_nested_bucket_made_where_was_none_is_noticed(big: boltpy.DB, txs: int) -> None:
    look_through(big, txs)
    with big.update() as tx:
        bucket = bucket_at(tx, b"b")
        bucket.create_bucket(b"00000-")
        bucket.put_many(FEW)
        refuse(bucket, b"00000-")
    with big.update() as tx:
        bucket_at(tx, b"b").put_many(FEW)
        refuse(bucket_at(tx, b"b"), b"00000-")


@pytest.fixture
def two(big: boltpy.DB) -> boltpy.DB:
    """With a second bucket "b", in the bucket "o"; it has the nested bucket "00000-"."""
    with big.update() as tx:
        other = tx.create_bucket(b"o").create_bucket(b"b")
        other.put_many(dict.fromkeys(KEYS, b"old"))
        other.create_bucket(b"00000-")
    return big


def replace(tx: boltpy.Tx) -> boltpy.Bucket:
    tx.delete_bucket(b"b")
    tx.move_bucket(b"b", tx.bucket(b"o"), None)
    return bucket_at(tx, b"b")


@pytest.mark.parametrize("txs", [1, 20])
def test_what_was_learnt_of_a_bucket_goes_when_another_takes_its_place(two: boltpy.DB, txs: int) -> None:
    look_through(two, txs)
    with two.update() as tx:
        refuse(replace(tx), b"00000-")
    look_through(two, 20)
    with two.update() as tx:
        refuse(bucket_at(tx, b"b"), b"00000-")


def test_what_was_learnt_in_a_transaction_that_is_rolled_back_is_forgotten(two: boltpy.DB) -> None:
    tx = two.begin(writable=True)
    tx.move_bucket(b"b", None, tx.create_bucket(b"elsewhere"))
    bucket_at(tx, b"elsewhere", b"b").put_many(dict.fromkeys(KEYS, b"new"))
    tx.rollback()
    with two.update() as tx:
        tx.move_bucket(b"b", tx.bucket(b"o"), tx.create_bucket(b"elsewhere"))
    with two.update() as tx:
        refuse(bucket_at(tx, b"elsewhere", b"b"), b"00000-")
