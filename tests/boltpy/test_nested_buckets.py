"""Nested buckets: create, find, list, delete, inline and not, and what is refused."""

from __future__ import annotations

import pytest

import boltpy
from tests.boltpy.rawfile import RawFile, leaf_entries
from tests.boltpy.sizes import sized
from tests.conftest import OpenDB
from tests.models import BucketModel, assert_holds, bucket_at, read_all


def test_a_nested_bucket_survives_updates_and_splits_of_its_parent(open_db: OpenDB) -> None:
    db = open_db(no_sync=True)
    with db.update() as tx:
        parent = tx.create_bucket(b"widgets")
        parent.create_bucket(b"foo")
        parent.put(b"bar", b"0000")
    for value in (b"0000", b"1111"):
        with db.update() as tx:
            bucket_at(tx, b"widgets").put(b"bar", value)
    many = [b"%d" % i for i in range(sized(c=10_000, py=3000, deep=100_000))]
    with db.update() as tx:
        for key in many:
            bucket_at(tx, b"widgets").put(key, key)
    with db.update() as tx:
        bucket_at(tx, b"widgets", b"foo").put(b"baz", b"yyyy")
    with db.view() as tx:
        widgets = bucket_at(tx, b"widgets")
        assert bucket_at(tx, b"widgets", b"foo").get(b"baz") == b"yyyy"
        assert widgets.get(b"bar") == b"1111"
        assert [widgets.get(key) for key in many] == many


def test_a_path_of_names_walks_down_and_none_means_missing(db: boltpy.DB) -> None:
    with db.update() as tx:
        tx.create_bucket(b"a").create_bucket(b"b").create_bucket(b"c").put(b"k", b"v")
        tx.bucket(b"a", b"b").put(b"plain", b"pair")  # type: ignore[union-attr]
    with db.view() as tx:
        assert bucket_at(tx, b"a", b"b", b"c").get(b"k") == b"v"
        assert tx.bucket(b"a", b"x", b"c") is None
        assert tx.bucket(b"x") is None
        assert tx.bucket(b"a", b"b", b"plain") is None
        assert tx.bucket(b"") is None
        assert bucket_at(tx, b"a").bucket(b"b") is not None
        assert bucket_at(tx, b"a").bucket(b"c") is None
        assert bucket_at(tx, b"a").bucket(b"") is None


def test_a_plain_key_is_not_found_as_a_bucket(db: boltpy.DB) -> None:
    with db.update() as tx:
        widgets = tx.create_bucket(b"widgets")
        widgets.put(b"foo", b"bar")
        assert widgets.bucket(b"foo") is None
    with db.view() as tx:
        assert bucket_at(tx, b"widgets").bucket(b"foo") is None


@pytest.mark.parametrize("committed", [False, True])
def test_creating_a_bucket_over_a_plain_key_is_refused(db: boltpy.DB, committed: bool) -> None:
    tx = db.begin(writable=True)
    tx.create_bucket(b"widgets").put(b"foo", b"bar")
    if committed:
        tx.commit()
        tx = db.begin(writable=True)
    widgets = bucket_at(tx, b"widgets")
    with pytest.raises(boltpy.IncompatibleValueError):
        widgets.create_bucket(b"foo")
    with pytest.raises(boltpy.IncompatibleValueError):
        widgets.create_bucket_if_not_exists(b"foo")
    assert widgets.get(b"foo") == b"bar"
    tx.rollback()


@pytest.mark.parametrize("committed", [False, True])
def test_creating_a_bucket_that_exists_is_refused_but_can_be_asked_for(db: boltpy.DB, committed: bool) -> None:
    tx = db.begin(writable=True)
    tx.create_bucket(b"widgets").create_bucket(b"foo").put(b"k", b"v")
    if committed:
        tx.commit()
        tx = db.begin(writable=True)
    with pytest.raises(boltpy.BucketExistsError) as caught:
        bucket_at(tx, b"widgets").create_bucket(b"foo")
    assert caught.value.name == b"foo"
    assert bucket_at(tx, b"widgets").create_bucket_if_not_exists(b"foo").get(b"k") == b"v"
    tx.rollback()


def test_deleting_a_plain_key_as_a_bucket_is_refused(db: boltpy.DB) -> None:
    with db.update() as tx:
        tx.create_bucket(b"widgets").put(b"foo", b"bar")
        with pytest.raises(boltpy.IncompatibleValueError):
            bucket_at(tx, b"widgets").delete_bucket(b"foo")
        assert bucket_at(tx, b"widgets").get(b"foo") == b"bar"


@pytest.mark.parametrize("name", [b"missing", b""])
def test_deleting_a_missing_bucket_is_a_lookup_error(db: boltpy.DB, name: bytes) -> None:
    with db.update() as tx:
        widgets = tx.create_bucket(b"widgets")
        with pytest.raises(boltpy.BucketNotFoundError) as caught:
            widgets.delete_bucket(name)
        assert isinstance(caught.value, LookupError)
        assert caught.value.name == name


def test_a_nested_bucket_needs_a_name(db: boltpy.DB) -> None:
    with db.update() as tx:
        widgets = tx.create_bucket(b"widgets")
        with pytest.raises(boltpy.BucketNameRequiredError):
            widgets.create_bucket(b"")
        with pytest.raises(ValueError, match="name"):
            widgets.create_bucket_if_not_exists(b"")
        assert list(widgets) == []


def test_a_bucket_name_may_be_longer_than_a_key(db: boltpy.DB) -> None:
    with db.update() as tx:
        tx.create_bucket(b"n" * 100_000).put(b"k", b"v")
    with db.view() as tx:
        assert bucket_at(tx, b"n" * 100_000).get(b"k") == b"v"


def test_a_tree_made_in_this_transaction_can_be_deleted_in_it(db: boltpy.DB) -> None:
    with db.update() as tx:
        widgets = tx.create_bucket(b"widgets")
        foo = widgets.create_bucket(b"foo")
        foo.create_bucket(b"bar").put(b"baz", b"bat")
        widgets.delete_bucket(b"foo")
        assert widgets.bucket(b"foo") is None
    with db.view() as tx:
        assert list(bucket_at(tx, b"widgets")) == []


def test_a_committed_tree_can_be_deleted(db: boltpy.DB) -> None:
    with db.update() as tx:
        tx.create_bucket(b"widgets").create_bucket(b"foo").create_bucket(b"bar").put(b"baz", b"bat")
    with db.update() as tx:
        assert bucket_at(tx, b"widgets", b"foo", b"bar").get(b"baz") == b"bat"
        bucket_at(tx, b"widgets").delete_bucket(b"foo")
        assert tx.bucket(b"widgets", b"foo") is None
    with db.view() as tx:
        assert tx.bucket(b"widgets", b"foo") is None
        assert list(bucket_at(tx, b"widgets")) == []


def test_deleting_a_large_bucket_gives_all_its_pages_back(db: boltpy.DB) -> None:
    with db.update() as tx:
        foo = tx.create_bucket(b"widgets").create_bucket(b"foo")
        for i in range(1000):
            foo.put(b"%d" % i, b"%0100d" % i)
        foo.create_bucket(b"below").put(b"large", bytes(50_000))
    with db.view() as tx:
        stats = bucket_at(tx, b"widgets", b"foo").stats()
    pages = stats.branch_page_n + stats.leaf_page_n + stats.branch_overflow_n + stats.leaf_overflow_n
    assert pages > 40
    with db.update() as tx:
        bucket_at(tx, b"widgets").delete_bucket(b"foo")
    given_back = db.stats().free_page_n + db.stats().pending_page_n
    assert given_back >= pages


def test_a_bucket_made_again_after_its_deletion_is_empty(db: boltpy.DB) -> None:
    with db.update() as tx:
        old = tx.create_bucket(b"p").create_bucket(b"x")
        old.put_many((b"%04d" % i, bytes(100)) for i in range(500))
        old.sequence = 77
    with db.update() as tx:
        bucket_at(tx, b"p").delete_bucket(b"x")
        new = bucket_at(tx, b"p").create_bucket(b"x")
        assert (list(new), new.sequence) == ([], 0)
        new.put(b"only", b"this")
    with db.view() as tx:
        assert list(bucket_at(tx, b"p", b"x").items()) == [(b"only", b"this")]
        assert bucket_at(tx, b"p", b"x").sequence == 0


def test_handles_of_a_deleted_bucket_do_not_bring_it_back(db: boltpy.DB) -> None:
    with db.update() as tx:
        tx.create_bucket(b"p").create_bucket(b"x").create_bucket(b"y").put(b"k", b"v")
    with db.update() as tx:
        handles = [bucket_at(tx, b"p", b"x"), bucket_at(tx, b"p", b"x", b"y")]
        bucket_at(tx, b"p").delete_bucket(b"x")
        for handle in handles:
            try:
                handle.put(b"late", b"change")
            except boltpy.BoltError:
                continue  # refusing is as good as forgetting
    with db.view() as tx:
        assert_holds(tx, BucketModel({b"p": BucketModel()}))


def test_the_same_name_gives_the_same_contents_through_every_handle_of_a_transaction(db: boltpy.DB) -> None:
    with db.update() as tx:
        first = tx.create_bucket(b"b")
        second = bucket_at(tx, b"b")
        first.put(b"a", b"1")
        second.put(b"b", b"2")
        assert list(first.items()) == list(second.items()) == [(b"a", b"1"), (b"b", b"2")]
        assert first.next_sequence() == 1
        assert second.next_sequence() == 2


def test_changes_at_many_depths_in_one_transaction_are_all_kept(db: boltpy.DB) -> None:
    depth = 40
    with db.update() as tx:
        bucket = tx.create_bucket(b"top")
        for level in range(depth):
            bucket.put(b"level", b"%d" % level)
            bucket = bucket.create_bucket(b"down")
    with db.update() as tx:
        path = [b"top"]
        for level in range(depth):
            bucket_at(tx, *path).put(b"again", b"%d" % level)
            path.append(b"down")
        bucket_at(tx, *path).put_many((b"%05d" % i, bytes(50)) for i in range(300))
    with db.view() as tx:
        path = [b"top"]
        for level in range(depth):
            number = b"%d" % level
            assert list(bucket_at(tx, *path).items()) == [(b"again", number), (b"down", None), (b"level", number)]
            path.append(b"down")
        assert bucket_at(tx, *path).stats().key_n == 300


@pytest.mark.parametrize("depth", [250, 1000, 3000])
def test_deeply_nested_buckets_are_kept_or_refused_with_a_bolt_error(db: boltpy.DB, depth: int) -> None:
    def nest() -> None:
        with db.update() as tx:
            bucket = tx.create_bucket(b"x")
            for level in range(depth):
                bucket.put(b"level", b"%d" % level)
                bucket = bucket.create_bucket(b"x")

    try:
        nest()
    except boltpy.BoltError:
        assert depth > 250
        with db.update() as tx:
            assert tx.bucket(b"x") is None
        return
    with db.view() as tx:
        assert list(tx.check()) == []
        assert bucket_at(tx, *[b"x"] * depth).get(b"level") == b"%d" % (depth - 1)
        assert bucket_at(tx, b"x").stats().bucket_n == depth + 1
        structure = tx.inspect()
    for _ in range(depth):
        structure = structure.buckets[0]
        assert (structure.name, structure.key_n) == (b"x", 1)
    with db.update() as tx:
        tx.delete_bucket(b"x")


def stored_value(db: boltpy.DB, name: bytes) -> bytes:
    """The bytes stored for a top-level bucket, straight from the file."""
    raw = RawFile(db.path)
    return {key: value for _, key, value in raw.leaf_entries(raw.newest().root)}[name]


@pytest.mark.parametrize(("value_size", "inline"), [(991, True), (992, False)])
def test_a_bucket_is_inline_up_to_a_quarter_of_a_page(open_db: OpenDB, value_size: int, inline: bool) -> None:
    db = open_db(page_size=4096)
    with db.update() as tx:
        tx.create_bucket(b"b").put(b"k", bytes(value_size))
    with db.view() as tx:
        assert (bucket_at(tx, b"b").root == 0) == inline
        assert bucket_at(tx, b"b").stats().inline_bucket_n == int(inline)
    stored = stored_value(db, b"b")
    if inline:
        assert leaf_entries(stored, 16) == [(0, b"k", bytes(value_size))]
    else:
        assert len(stored) == 16


def test_a_bucket_becomes_inline_again_when_it_shrinks(open_db: OpenDB) -> None:
    db = open_db(page_size=4096)
    with db.update() as tx:
        tx.create_bucket(b"b").put_many((b"%04d" % i, bytes(100)) for i in range(200))
    assert len(stored_value(db, b"b")) == 16
    with db.update() as tx:
        bucket_at(tx, b"b").delete_many(b"%04d" % i for i in range(1, 200))
    assert leaf_entries(stored_value(db, b"b"), 16) == [(0, b"0000", bytes(100))]
    with db.view() as tx:
        assert list(bucket_at(tx, b"b").items()) == [(b"0000", bytes(100))]


def test_an_inline_bucket_gets_pages_when_a_bucket_is_made_inside_it(db: boltpy.DB) -> None:
    with db.update() as tx:
        tx.create_bucket(b"b").put(b"k", b"v")
    assert len(stored_value(db, b"b")) > 16
    with db.update() as tx:
        bucket_at(tx, b"b").create_bucket(b"inner")
    assert len(stored_value(db, b"b")) == 16
    with db.view() as tx:
        assert list(bucket_at(tx, b"b").items()) == [(b"inner", None), (b"k", b"v")]


def test_a_new_bucket_takes_32_bytes(db: boltpy.DB) -> None:
    with db.update() as tx:
        tx.create_bucket(b"b")
    assert len(stored_value(db, b"b")) == 32


def test_thousands_of_sibling_buckets_keep_their_own_contents(open_db: OpenDB) -> None:
    db = open_db(no_sync=True)
    count = sized(c=3000, py=600, deep=20_000)
    with db.update() as tx:
        parent = tx.create_bucket(b"parent")
        for i in range(count):
            parent.create_bucket(b"%05d" % i).put(b"me", b"%d" % i)
    with db.update() as tx:
        for i in range(0, count, 7):
            bucket_at(tx, b"parent").delete_bucket(b"%05d" % i)
    with db.view() as tx:
        model = BucketModel({b"%05d" % i: BucketModel({b"me": b"%d" % i}) for i in range(count) if i % 7})
        assert read_all(tx) == BucketModel({b"parent": model})
