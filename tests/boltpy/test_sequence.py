"""The sequence: a counter in every bucket that is stored even when nothing else changes."""

from __future__ import annotations

import pytest

import boltpy
from tests.conftest import OpenDB
from tests.models import bucket_at


@pytest.fixture
def db(db: boltpy.DB) -> boltpy.DB:
    """A database with the buckets "a" and "a/b"."""
    with db.update() as tx:
        tx.create_bucket(b"a").create_bucket(b"b")
    return db


def test_a_sequence_starts_at_zero_and_what_is_set_stays(db: boltpy.DB) -> None:
    with db.update() as tx:
        assert bucket_at(tx, b"a").sequence == 0
        bucket_at(tx, b"a").sequence = 1000
        assert bucket_at(tx, b"a").sequence == 1000
    with db.view() as tx:
        assert bucket_at(tx, b"a").sequence == 1000


def test_next_sequence_counts_from_one_in_each_bucket_alone(db: boltpy.DB) -> None:
    with db.update() as tx:
        a, b = bucket_at(tx, b"a"), bucket_at(tx, b"a", b"b")
        assert [a.next_sequence(), a.next_sequence()] == [1, 2]
        assert [b.next_sequence()] == [1]
        assert a.next_sequence() == a.sequence == 3
    with db.view() as tx:
        assert bucket_at(tx, b"a").sequence == 3
        assert bucket_at(tx, b"a", b"b").sequence == 1


@pytest.mark.parametrize("path", [(b"a",), (b"a", b"b")])
@pytest.mark.parametrize("fill", [0, 2000], ids=["empty", "many pages"])
def test_a_sequence_is_stored_when_nothing_else_changed(db: boltpy.DB, path: tuple[bytes, ...], fill: int) -> None:
    with db.update() as tx:
        bucket_at(tx, *path).put_many((b"%05d" % i, b"value") for i in range(fill))
    for expected in (1, 2):
        with db.update() as tx:
            assert bucket_at(tx, *path).next_sequence() == expected
        with db.view() as tx:
            assert bucket_at(tx, *path).sequence == expected


def test_a_sequence_survives_a_reopen(open_db: OpenDB) -> None:
    db = open_db("again.db")
    with db.update() as tx:
        tx.create_bucket(b"a").sequence = 41
    db.close()
    db = open_db("again.db")
    with db.update() as tx:
        assert bucket_at(tx, b"a").next_sequence() == 42


def test_a_rolled_back_sequence_was_never_counted(db: boltpy.DB) -> None:
    tx = db.begin(writable=True)
    assert bucket_at(tx, b"a").next_sequence() == 1
    tx.rollback()
    with db.update() as tx:
        assert bucket_at(tx, b"a").next_sequence() == 1


def test_a_sequence_wraps_after_64_bits(db: boltpy.DB) -> None:
    with db.update() as tx:
        bucket_at(tx, b"a").sequence = 2**64 - 1
    with db.update() as tx:
        assert bucket_at(tx, b"a").sequence == 2**64 - 1
        assert bucket_at(tx, b"a").next_sequence() == 0


@pytest.mark.parametrize("wrong", [-1, 2**64])
def test_a_sequence_that_does_not_fit_is_refused(db: boltpy.DB, wrong: int) -> None:
    with db.update() as tx:
        bucket_at(tx, b"a").sequence = 5
        with pytest.raises((ValueError, OverflowError)):
            bucket_at(tx, b"a").sequence = wrong
    with db.view() as tx:
        assert bucket_at(tx, b"a").sequence == 5


def test_a_read_transaction_cannot_count(db: boltpy.DB) -> None:
    with db.view() as tx:
        with pytest.raises(boltpy.TxNotWritableError):
            bucket_at(tx, b"a").next_sequence()
        with pytest.raises(boltpy.TxNotWritableError):
            bucket_at(tx, b"a").sequence = 5
        assert bucket_at(tx, b"a").sequence == 0


def test_an_ended_transaction_cannot_count(db: boltpy.DB) -> None:
    tx = db.begin(writable=True)
    bucket = bucket_at(tx, b"a")
    tx.rollback()
    with pytest.raises(boltpy.TxClosedError):
        bucket.next_sequence()
    with pytest.raises(boltpy.TxClosedError):
        bucket.sequence = 5


def test_sequences_are_no_keys(db: boltpy.DB) -> None:
    with db.update() as tx:
        bucket_at(tx, b"a", b"b").sequence = 9
    with db.view() as tx:
        assert list(bucket_at(tx, b"a", b"b")) == []
        assert bucket_at(tx, b"a").stats().key_n == 1


def test_the_root_bucket_keeps_its_sequence_which_bbolt_loses(db: boltpy.DB) -> None:
    with db.update() as tx:
        tx.cursor().bucket.sequence = 7
    with db.update() as tx:
        assert tx.cursor().bucket.next_sequence() == 8
    with db.view() as tx:
        assert tx.cursor().bucket.sequence == 8


@pytest.mark.parametrize("value", [1.5, "1", None, b"1"])
def test_a_sequence_that_is_no_whole_number_is_refused_at_once(db: boltpy.DB, value: object) -> None:
    with db.update() as tx:
        bucket = tx.create_bucket(b"b")
        bucket.sequence = 7
        with pytest.raises(TypeError, match="whole number"):
            bucket.sequence = value  # type: ignore[assignment]
        assert bucket.sequence == 7
