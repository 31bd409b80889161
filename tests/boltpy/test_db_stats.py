"""Counters of a database and of transactions, and the pages they speak of."""

from __future__ import annotations

from dataclasses import asdict, fields

import boltpy
from tests.conftest import OpenDB
from tests.models import bucket_at


def test_the_first_bucket_takes_two_pages_and_leaves_two_pending(db: boltpy.DB) -> None:
    with db.update() as tx:
        tx.create_bucket(b"widgets")
    stats = db.stats()
    assert stats.tx_stats.page_count == 2
    assert (stats.free_page_n, stats.pending_page_n) == (0, 2)
    assert stats.free_alloc == 2 * db.info().page_size
    assert stats.freelist_inuse == 16 + 2 * 8


def test_reads_are_counted_and_open_ones_too(db: boltpy.DB) -> None:
    before = db.stats().tx_n
    for _ in range(3):
        with db.view():
            assert db.stats().open_tx_n == 1
    with db.update():
        assert db.stats().open_tx_n == 0
    assert db.stats().tx_n == before + 3
    assert db.stats().open_tx_n == 0


def test_the_difference_of_two_statistics_counts_what_lies_between(db: boltpy.DB) -> None:
    with db.update() as tx:
        tx.create_bucket(b"widgets")
    before = db.stats()
    for i in range(5):
        with db.update() as tx:
            bucket_at(tx, b"widgets").put(b"%d" % i, bytes(5000))
        with db.view():
            pass
    after = db.stats()
    difference = after - before
    assert difference.tx_n == 5
    assert difference.open_tx_n == 0
    for name in ("free_page_n", "pending_page_n", "free_alloc", "freelist_inuse"):
        assert getattr(difference, name) == getattr(after, name)
    assert difference.tx_stats == after.tx_stats - before.tx_stats
    assert difference.tx_stats.page_count > 5
    assert difference.tx_stats.write >= 10


def test_statistics_are_a_snapshot(db: boltpy.DB) -> None:
    before = db.stats()
    copy = asdict(before)
    with db.update() as tx:
        tx.create_bucket(b"widgets")
    assert asdict(before) == copy
    assert db.stats() != before


def test_without_statistics_nothing_is_counted(open_db: OpenDB) -> None:
    db = open_db(statistics=False)
    with db.update() as tx:
        tx.create_bucket(b"widgets")
    with db.view():
        pass
    stats = db.stats()
    assert stats.tx_n == 0
    assert set(asdict(stats.tx_stats).values()) == {0}


def test_a_rolled_back_transaction_counts_its_work(db: boltpy.DB) -> None:
    with db.update() as tx:
        tx.create_bucket(b"b").put(b"k", b"v")
    before = db.stats().tx_stats
    tx = db.begin(writable=True)
    bucket_at(tx, b"b").cursor().first()
    tx.rollback()
    assert db.stats().tx_stats.cursor_count > before.cursor_count


def test_transaction_statistics_add_and_subtract_field_by_field() -> None:
    names = [field.name for field in fields(boltpy.TxStats)]
    assert names == [
        "page_count",
        "page_alloc",
        "cursor_count",
        "node_count",
        "node_deref",
        "rebalance",
        "rebalance_time",
        "split",
        "spill",
        "spill_time",
        "write",
        "write_time",
    ]
    one = boltpy.TxStats(**{name: number for number, name in enumerate(names, 1)})
    other = boltpy.TxStats(**{name: 100 * number for number, name in enumerate(names, 1)})
    assert list(asdict(one + other).values()) == [101 * number for number in range(1, 13)]
    assert list(asdict(other - one).values()) == [99 * number for number in range(1, 13)]
    assert list(asdict(one).values()) == list(range(1, 13))


def test_pages_taken_by_a_commit_are_counted(open_db: OpenDB) -> None:
    db = open_db(page_size=4096)
    with db.update() as tx:
        tx.create_bucket(b"b").put(b"k", b"v")
    before = db.stats().tx_stats
    with db.update() as tx:
        bucket_at(tx, b"b").put(b"large", bytes(10 * 4096))
    taken = db.stats().tx_stats - before
    # the value with its header and key over 11 pages, the root leaf, and the freelist
    assert taken.page_count == 13
    assert taken.page_alloc == 13 * 4096


def test_a_transaction_tells_its_own_counters(db: boltpy.DB) -> None:
    with db.update() as tx:
        tx.create_bucket(b"b").put(b"k", b"v")
    with db.view() as tx:
        before = tx.stats().cursor_count
        bucket_at(tx, b"b").cursor().first()
        assert tx.stats().cursor_count > before
        assert tx.stats().page_count == 0


def test_pages_of_a_file_after_eleven_commits_are_known(db: boltpy.DB) -> None:
    with db.update() as tx:
        tx.create_bucket(b"widgets")
    for _ in range(10):
        with db.update() as tx:
            bucket_at(tx, b"widgets").put(b"foo", b"bar")
    with db.update() as tx:
        pages = [tx.page(pgid) for pgid in range(6)]
        assert [page.type for page in pages if page] == ["meta", "meta", "free", "free", "leaf", "freelist"]
        assert [page.id for page in pages if page] == list(range(6))
        assert tx.page(6) is None
        assert tx.page(10**9) is None


def test_overflow_pages_are_told_with_their_first_page(open_db: OpenDB) -> None:
    db = open_db(page_size=1024)
    with db.update() as tx:
        tx.create_bucket(b"b").put(b"k", bytes(5000))
    with db.view() as tx:
        page = tx.page(bucket_at(tx, b"b").root)
        assert page == boltpy.PageInfo(bucket_at(tx, b"b").root, "leaf", 1, 4)


def test_splits_and_merges_are_counted(open_db: OpenDB) -> None:
    db = open_db(page_size=1024)
    with db.update() as tx:
        tx.create_bucket(b"b").put_many((b"%05d" % i, bytes(20)) for i in range(1000))
    filled = db.stats().tx_stats
    assert filled.split > 0
    assert filled.spill > 20
    assert filled.rebalance == 0
    with db.update() as tx:
        bucket_at(tx, b"b").delete_many(b"%05d" % i for i in range(1000) if i % 10)
    assert (db.stats().tx_stats - filled).rebalance > 0
