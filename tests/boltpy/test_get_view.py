"""get_view: the value as it lies in the file, without a copy, until the transaction ends."""

from __future__ import annotations

import pickle

import pytest

import boltpy
from tests.models import bucket_at


@pytest.fixture
def db(db: boltpy.DB) -> boltpy.DB:
    """A database with the bucket "b": a value over many pages, a small one, an empty one, a nested bucket."""
    with db.update() as tx:
        bucket = tx.create_bucket(b"b")
        bucket.put(b"large", bytes(range(256)) * 4000)
        bucket.put(b"small", b"bar")
        bucket.put(b"empty", b"")
        bucket.create_bucket(b"nested").put(b"inline", b"value")
    return db


def test_a_view_shows_the_value_and_cannot_be_written(db: boltpy.DB) -> None:
    with db.view() as tx:
        for key in (b"large", b"small", b"empty"):
            view = bucket_at(tx, b"b").get_view(key)
            assert isinstance(view, memoryview)
            assert view.readonly
            assert view.format == "B"
            assert view == bucket_at(tx, b"b").get(key)
        inline = bucket_at(tx, b"b", b"nested").get_view(b"inline")
        assert inline == b"value"


def test_a_missing_key_and_a_nested_bucket_have_no_view(db: boltpy.DB) -> None:
    with db.view() as tx:
        assert bucket_at(tx, b"b").get_view(b"missing") is None
        assert bucket_at(tx, b"b").get_view(b"nested") is None


def test_a_view_in_a_writing_transaction_shows_its_uncommitted_value(db: boltpy.DB) -> None:
    with db.update() as tx:
        bucket = bucket_at(tx, b"b")
        before = bucket.get_view(b"small")
        bucket.put(b"small", b"changed")
        assert bucket.get_view(b"small") == b"changed"
        assert before == b"bar"
        bucket.delete(b"large")
        assert bucket.get_view(b"large") is None


@pytest.mark.parametrize("writable", [False, True])
def test_a_view_is_released_when_its_transaction_ends(db: boltpy.DB, writable: bool) -> None:
    tx = db.begin(writable=writable)
    views = [bucket_at(tx, b"b").get_view(key) for key in (b"large", b"small", b"empty")]
    tx.rollback()
    for view in views:
        assert view is not None
        with pytest.raises(ValueError, match="released"):
            bytes(view)


def test_slices_taken_from_a_view_do_not_keep_the_database_from_closing(db: boltpy.DB) -> None:
    tx = db.begin()
    view = bucket_at(tx, b"b").get_view(b"large")
    assert view is not None
    part = view[1000:2000]
    expected = bytes(part)
    tx.rollback()
    db.close()
    try:
        late = bytes(part)
    except ValueError:
        return  # released together with the view: as good
    assert late == expected


def test_a_view_stays_valid_while_other_transactions_rewrite_its_page(db: boltpy.DB) -> None:
    with db.view() as tx:
        view = bucket_at(tx, b"b").get_view(b"large")
        for round_number in range(20):
            with db.update() as writer:
                bucket_at(writer, b"b").put(b"large", b"%02d" % round_number * 500_000)
        assert view == bytes(range(256)) * 4000
    with db.view() as tx:
        assert bucket_at(tx, b"b").get(b"large") == b"19" * 500_000


def test_get_view_after_the_transaction_ended_raises_tx_closed(db: boltpy.DB) -> None:
    tx = db.begin()
    bucket = bucket_at(tx, b"b")
    tx.rollback()
    with pytest.raises(boltpy.TxClosedError):
        bucket.get_view(b"small")


@pytest.mark.parametrize("writable", [False, True])
def test_a_view_that_somebody_else_exports_does_not_keep_the_transaction_from_ending(
    db: boltpy.DB, writable: bool
) -> None:
    tx = db.begin(writable)
    view = bucket_at(tx, b"b").get_view(b"small")
    assert view is not None
    exported = pickle.PickleBuffer(view)
    tx.rollback()
    assert bytes(exported) == b"bar"
    assert db.stats().open_tx_n == 0
    with db.update() as tx:
        bucket_at(tx, b"b").put(b"small", b"new")
