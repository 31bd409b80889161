"""Transactions begun by hand: commit, rollback, top-level buckets, hooks, and use after the end."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import boltpy
from tests.conftest import OpenDB
from tests.models import BucketModel, assert_holds, bucket_at


def test_a_writing_transaction_knows_its_database_and_its_number(db: boltpy.DB) -> None:
    tx = db.begin(writable=True)
    assert tx.db is db
    assert tx.writable
    assert tx.id == 2
    tx.commit()
    tx = db.begin()
    assert (tx.id, tx.writable) == (2, False)
    tx.rollback()


def test_txids_count_commits_and_not_rollbacks(db: boltpy.DB) -> None:
    for expected in (2, 3, 4):
        tx = db.begin(writable=True)
        tx.rollback()
        tx = db.begin(writable=True)
        assert tx.id == expected
        tx.commit()


def test_the_size_is_the_bytes_of_all_pages_in_use(open_db: OpenDB) -> None:
    db = open_db(page_size=4096)
    with db.view() as tx:
        assert tx.size == 4 * 4096
    with db.update() as tx:
        tx.create_bucket(b"b").put(b"k", bytes(100_000))
    with db.view() as tx:
        pages = dict.fromkeys(("meta", "leaf", "freelist", "free"), 0)
        pgid = 0
        while (page := tx.page(pgid)) is not None:
            pages[page.type] += 1
            pgid += 1 + page.overflow_count
        assert tx.size == pgid * 4096
        assert pages["meta"] == 2


def test_a_second_commit_or_rollback_raises_tx_closed(db: boltpy.DB) -> None:
    tx = db.begin(writable=True)
    tx.create_bucket(b"foo")
    tx.commit()
    for end in (tx.commit, tx.rollback):
        with pytest.raises(boltpy.TxClosedError):
            end()
    tx = db.begin(writable=True)
    tx.rollback()
    for end in (tx.commit, tx.rollback):
        with pytest.raises(boltpy.TxClosedError):
            end()
    tx = db.begin()
    tx.rollback()
    with pytest.raises(boltpy.TxClosedError):
        tx.rollback()


def test_committing_a_read_transaction_is_refused_and_leaves_it_open(db: boltpy.DB) -> None:
    with db.update() as tx:
        tx.create_bucket(b"foo")
    tx = db.begin()
    with pytest.raises(boltpy.TxNotWritableError):
        tx.commit()
    assert tx.bucket(b"foo") is not None
    tx.rollback()


def test_a_created_bucket_is_found_at_once_and_by_later_transactions(db: boltpy.DB) -> None:
    with db.update() as tx:
        created = tx.create_bucket(b"widgets")
        assert created.tx is tx
        assert created.writable
        doomed = tx.create_bucket(b"doomed")
        tx.delete_bucket(b"doomed")
        assert doomed.tx is tx
        assert tx.bucket(b"widgets") is not None
    with db.view() as tx:
        found = bucket_at(tx, b"widgets")
        assert found.tx is tx
        assert not found.writable


def test_create_bucket_if_not_exists_may_be_called_again(db: boltpy.DB) -> None:
    with db.update() as tx:
        tx.create_bucket_if_not_exists(b"widgets").put(b"k", b"v")
        assert tx.create_bucket_if_not_exists(b"widgets").get(b"k") == b"v"
    with db.update() as tx:
        assert tx.create_bucket_if_not_exists(b"widgets").get(b"k") == b"v"
    with db.view() as tx:
        assert_holds(tx, BucketModel({b"widgets": BucketModel({b"k": b"v"})}))


def test_a_top_level_bucket_needs_a_name(db: boltpy.DB) -> None:
    with db.update() as tx:
        with pytest.raises(boltpy.BucketNameRequiredError):
            tx.create_bucket(b"")
        with pytest.raises(boltpy.BucketNameRequiredError):
            tx.create_bucket_if_not_exists(b"")
        with pytest.raises(boltpy.BucketNotFoundError):
            tx.delete_bucket(b"")


def test_creating_a_top_level_bucket_twice_is_refused(db: boltpy.DB) -> None:
    with db.update() as tx:
        tx.create_bucket(b"widgets")
    with db.update() as tx:
        with pytest.raises(boltpy.BucketExistsError) as caught:
            tx.create_bucket(b"widgets")
        assert caught.value.name == b"widgets"


def test_a_deleted_bucket_comes_back_without_its_old_data(db: boltpy.DB) -> None:
    with db.update() as tx:
        tx.create_bucket(b"widgets").put(b"foo", b"bar")
    with db.update() as tx:
        tx.delete_bucket(b"widgets")
        assert tx.bucket(b"widgets") is None
    with db.update() as tx:
        assert tx.create_bucket(b"widgets").get(b"foo") is None
    with db.view() as tx:
        assert_holds(tx, BucketModel({b"widgets": BucketModel()}))


def test_deleting_a_bucket_that_is_not_there_is_refused(db: boltpy.DB) -> None:
    with db.update() as tx, pytest.raises(boltpy.BucketNotFoundError):
        tx.delete_bucket(b"widgets")


def test_buckets_gives_the_top_level_buckets_in_order(db: boltpy.DB) -> None:
    with db.view() as tx:
        assert list(tx.buckets()) == []
    with db.update() as tx:
        for name in (b"c", b"a", b"b"):
            tx.create_bucket(name).put(b"name", name)
        assert [(name, bucket.get(b"name")) for name, bucket in tx.buckets()] == [(n, n) for n in (b"a", b"b", b"c")]
    with db.view() as tx:
        assert [(name, bucket.get(b"name")) for name, bucket in tx.buckets()] == [(n, n) for n in (b"a", b"b", b"c")]


def test_commit_hooks_run_in_order_after_the_commit_is_visible(db: boltpy.DB) -> None:
    ran: list[object] = []

    def look() -> None:
        with db.view() as tx:
            ran.append(tx.bucket(b"widgets") is not None)
        with db.update() as tx:  # the locks are free again
            tx.create_bucket_if_not_exists(b"from the hook")

    with db.update() as tx:
        tx.on_commit(lambda: ran.append("first"))
        tx.on_commit(look)
        tx.on_commit(lambda: ran.append("last"))
        tx.create_bucket(b"widgets")
        assert ran == []
    assert ran == ["first", True, "last"]
    with db.view() as tx:
        assert tx.bucket(b"from the hook") is not None


def test_commit_hooks_do_not_run_after_a_rollback(db: boltpy.DB) -> None:
    ran: list[str] = []
    tx = db.begin(writable=True)
    tx.on_commit(lambda: ran.append("manual"))
    tx.rollback()

    def fail() -> None:
        with db.update() as tx:
            tx.on_commit(lambda: ran.append("managed"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert ran == []


@pytest.mark.parametrize("no_freelist_sync", [False, True])
def test_a_rollback_leaves_everything_as_it_was(open_db: OpenDB, no_freelist_sync: bool) -> None:
    db = open_db(no_freelist_sync=no_freelist_sync)
    with db.update() as tx:
        tx.create_bucket(b"mybucket").put_many((b"%04d" % i, bytes(20)) for i in range(1000))
    model = BucketModel({b"mybucket": BucketModel({b"%04d" % i: bytes(20) for i in range(1000)})})
    for _ in range(3):
        tx = db.begin(writable=True)
        bucket = bucket_at(tx, b"mybucket")
        bucket.delete_many(b"%04d" % i for i in range(500))
        bucket.put(b"k", b"v")
        bucket.next_sequence()
        tx.create_bucket(b"other").put(b"large", bytes(100_000))
        tx.rollback()
        with db.view() as view:
            assert_holds(view, model)
            assert list(view.check()) == []
    with db.update() as tx:
        bucket_at(tx, b"mybucket").put(b"k", b"v")
    model.nested(b"mybucket").entries[b"k"] = b"v"
    with db.view() as view:
        assert_holds(view, model)


def test_an_empty_commit_is_a_commit(db: boltpy.DB) -> None:
    with db.update():
        pass
    with db.view() as tx:
        assert tx.id == 2
        assert list(tx.check()) == []


USES: dict[str, Callable[[boltpy.Tx, boltpy.Bucket], object]] = {
    "tx.bucket": lambda tx, bucket: tx.bucket(b"b"),
    "tx.buckets": lambda tx, bucket: list(tx.buckets()),
    "tx.create_bucket": lambda tx, bucket: tx.create_bucket(b"c"),
    "tx.create_bucket_if_not_exists": lambda tx, bucket: tx.create_bucket_if_not_exists(b"b"),
    "tx.delete_bucket": lambda tx, bucket: tx.delete_bucket(b"b"),
    "tx.move_bucket": lambda tx, bucket: tx.move_bucket(b"b", None, bucket),
    "tx.cursor": lambda tx, bucket: tx.cursor().first(),
    "tx.page": lambda tx, bucket: tx.page(3),
    "tx.check": lambda tx, bucket: list(tx.check()),
    "tx.inspect": lambda tx, bucket: tx.inspect(),
    "tx.commit": lambda tx, bucket: tx.commit(),
    "tx.rollback": lambda tx, bucket: tx.rollback(),
    "tx.on_commit": lambda tx, bucket: tx.on_commit(print),
    "tx.copy_file": lambda tx, bucket: tx.copy_file("never written"),
    "get": lambda tx, bucket: bucket.get(b"k"),
    "brackets": lambda tx, bucket: bucket[b"k"],
    "in": lambda tx, bucket: b"k" in bucket,
    "put": lambda tx, bucket: bucket.put(b"k", b"v"),
    "delete": lambda tx, bucket: bucket.delete(b"k"),
    "iteration": lambda tx, bucket: list(bucket.items()),
    "buckets": lambda tx, bucket: list(bucket.buckets()),
    "bucket": lambda tx, bucket: bucket.bucket(b"nested"),
    "create_bucket": lambda tx, bucket: bucket.create_bucket(b"new"),
    "create_bucket_if_not_exists": lambda tx, bucket: bucket.create_bucket_if_not_exists(b"nested"),
    "delete_bucket": lambda tx, bucket: bucket.delete_bucket(b"nested"),
    "next_sequence": lambda tx, bucket: bucket.next_sequence(),
    "cursor": lambda tx, bucket: bucket.cursor().first(),
    "stats": lambda tx, bucket: bucket.stats(),
    "inspect": lambda tx, bucket: bucket.inspect(),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("end", ["commit", "rollback", "view"])
def test_any_use_after_the_end_raises_tx_closed(db: boltpy.DB, use: str, end: str) -> None:
    with db.update() as tx:
        bucket = tx.create_bucket(b"b")
        bucket.put(b"k", b"v")
        bucket.create_bucket(b"nested")
    tx = db.begin(writable=end != "view")
    bucket = bucket_at(tx, b"b")
    if end == "commit":
        tx.commit()
    else:
        tx.rollback()
    with pytest.raises(boltpy.TxClosedError):
        USES[use](tx, bucket)


CHANGES: dict[str, Callable[[boltpy.Tx], object]] = {
    "create_bucket": lambda tx: tx.create_bucket(b"new"),
    "create_bucket_if_not_exists": lambda tx: tx.create_bucket_if_not_exists(b"new"),
    "create_bucket_if_not_exists of an existing": lambda tx: tx.create_bucket_if_not_exists(b"b"),
    "delete_bucket": lambda tx: tx.delete_bucket(b"b"),
    "move_bucket": lambda tx: tx.move_bucket(b"nested", tx.bucket(b"b"), None),
    "nested create_bucket": lambda tx: bucket_at(tx, b"b").create_bucket(b"new"),
    "nested delete_bucket": lambda tx: bucket_at(tx, b"b").delete_bucket(b"nested"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_read_transaction_refuses_to_change_buckets(db: boltpy.DB, change: str) -> None:
    with db.update() as tx:
        tx.create_bucket(b"b").create_bucket(b"nested")
    with db.view() as tx, pytest.raises(boltpy.TxNotWritableError):
        CHANGES[change](tx)
    with db.view() as tx:
        assert_holds(tx, BucketModel({b"b": BucketModel({b"nested": BucketModel()})}))
