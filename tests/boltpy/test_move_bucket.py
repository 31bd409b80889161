"""Moving buckets: contents, sequence and uncommitted changes go along, and what cannot be moved is refused."""

from __future__ import annotations

import pytest

import boltpy
from tests.conftest import OpenDB
from tests.models import BucketModel, assert_holds, bucket_at, read_all

Path = tuple[bytes, ...]


def build(pages: bool) -> BucketModel:
    """A tree with the same few names at several depths; `pages` makes its buckets too large to be inline."""

    def pairs(tag: bytes) -> dict[bytes, bytes | BucketModel]:
        count = 200 if pages else 2
        return {b"%s %04d" % (tag, i): b"value %d of %s" % (i, tag) for i in range(count)}

    return BucketModel(
        {
            b"a": BucketModel(
                pairs(b"a")
                | {
                    b"b": BucketModel(
                        pairs(b"a/b") | {b"c": BucketModel(pairs(b"a/b/c"), 7), b"d": BucketModel()}, sequence=3
                    ),
                    b"e": BucketModel({b"f": BucketModel(pairs(b"a/e/f"))}),
                }
            ),
            b"other": BucketModel(pairs(b"other") | {b"x": BucketModel(), b"pair": b"plain"}),
        }
    )


def store(bucket: boltpy.Bucket, model: BucketModel) -> None:
    """Make `bucket` hold what the model holds."""
    bucket.sequence = model.sequence
    bucket.put_many(model.pairs())
    for name in model.names():
        store(bucket.create_bucket(name), model.nested(name))


def store_all(db: boltpy.DB, model: BucketModel) -> None:
    with db.update() as tx:
        for name in model.names():
            store(tx.create_bucket(name), model.nested(name))


def handle(tx: boltpy.Tx, path: Path) -> boltpy.Bucket | None:
    """The bucket at `path`; None for the root, as move_bucket wants it."""
    return bucket_at(tx, *path) if path else None


def move(tx: boltpy.Tx, name: bytes, source: Path, target: Path) -> None:
    tx.move_bucket(name, handle(tx, source), handle(tx, target))


def move_in_model(model: BucketModel, name: bytes, source: Path, target: Path) -> None:
    model.nested(*target).entries[name] = model.nested(*source).entries.pop(name)


MOVES: dict[str, tuple[bytes, Path, Path]] = {
    "deep to deep": (b"c", (b"a", b"b"), (b"other", b"x")),
    "to an aunt": (b"c", (b"a", b"b"), (b"a", b"e")),
    "to a grandparent": (b"c", (b"a", b"b"), (b"a",)),
    "to a nephew's place": (b"b", (b"a",), (b"a", b"e", b"f")),
    "root to deep": (b"other", (), (b"a", b"b", b"d")),
    "deep to root": (b"c", (b"a", b"b"), ()),
    "with its children": (b"b", (b"a",), (b"other",)),
    "an empty bucket": (b"d", (b"a", b"b"), (b"other",)),
    "a top-level bucket into its neighbour": (b"a", (), (b"other",)),
}


@pytest.mark.parametrize("pages", [False, True], ids=["inline", "pages"])
@pytest.mark.parametrize("case", MOVES)
def test_a_moved_bucket_is_the_same_in_its_new_place(db: boltpy.DB, case: str, pages: bool) -> None:
    model = build(pages)
    store_all(db, model)
    with db.update() as tx:
        move(tx, *MOVES[case])
        move_in_model(model, *MOVES[case])
        assert_holds(tx, model)
    with db.view() as tx:
        assert_holds(tx, model)


@pytest.mark.parametrize("pages", [False, True], ids=["inline", "pages"])
@pytest.mark.parametrize("case", MOVES)
def test_a_bucket_made_and_filled_in_the_same_transaction_moves_whole(db: boltpy.DB, case: str, pages: bool) -> None:
    model = build(pages)
    with db.update() as tx:
        for top in model.names():
            store(tx.create_bucket(top), model.nested(top))
        move(tx, *MOVES[case])
        move_in_model(model, *MOVES[case])
        assert_holds(tx, model)
    with db.view() as tx:
        assert_holds(tx, model)


@pytest.mark.parametrize("pages", [False, True], ids=["inline", "pages"])
@pytest.mark.parametrize("case", MOVES)
def test_changes_before_and_after_a_move_are_kept(db: boltpy.DB, case: str, pages: bool) -> None:
    name, source, target = MOVES[case]
    model = build(pages)
    store_all(db, model)
    with db.update() as tx:
        moving = bucket_at(tx, *source, name)
        moving.put(b"before", b"the move")
        moving.sequence = 99
        moving.create_bucket(b"made before").put(b"k", b"v")
        move(tx, name, source, target)
        moved = bucket_at(tx, *target, name)
        assert moved.get(b"before") == b"the move"
        moved.put(b"after", b"the move")
        moved.create_bucket(b"made after").put(b"k", b"v")
        bucket_at(tx, *target, name, b"made before").put(b"k", b"changed")
    expected = model.nested(*source, name)
    expected.entries |= {
        b"before": b"the move",
        b"after": b"the move",
        b"made before": BucketModel({b"k": b"changed"}),
        b"made after": BucketModel({b"k": b"v"}),
    }
    expected.sequence = 99
    move_in_model(model, name, source, target)
    with db.view() as tx:
        assert_holds(tx, model)


def test_the_method_of_a_bucket_moves_out_of_it(db: boltpy.DB) -> None:
    model = build(pages=False)
    store_all(db, model)
    with db.update() as tx:
        bucket_at(tx, b"a", b"b").move_bucket(b"c", bucket_at(tx, b"other"))
    move_in_model(model, b"c", (b"a", b"b"), (b"other",))
    with db.view() as tx:
        assert_holds(tx, model)


def test_a_bucket_may_move_there_and_back_and_leave_its_name_free(db: boltpy.DB) -> None:
    model = build(pages=True)
    store_all(db, model)
    with db.update() as tx:
        move(tx, b"b", (b"a",), (b"other",))
        bucket_at(tx, b"a").create_bucket(b"b").put(b"new", b"here")
        bucket_at(tx, b"a").delete_bucket(b"b")
        move(tx, b"b", (b"other",), (b"a",))
        assert_holds(tx, model)
        bucket_at(tx, b"a", b"b", b"c").put(b"last", b"word")
    model.nested(b"a", b"b", b"c").entries[b"last"] = b"word"
    with db.view() as tx:
        assert_holds(tx, model)


def test_a_moved_bucket_can_be_deleted_in_its_new_place(db: boltpy.DB) -> None:
    model = build(pages=True)
    store_all(db, model)
    with db.update() as tx:
        move(tx, b"b", (b"a",), (b"other",))
        bucket_at(tx, b"other").delete_bucket(b"b")
        del model.nested(b"a").entries[b"b"]
        assert_holds(tx, model)
    with db.view() as tx:
        assert_holds(tx, model)


def test_a_move_that_is_rolled_back_did_not_happen(db: boltpy.DB) -> None:
    model = build(pages=True)
    store_all(db, model)
    tx = db.begin(writable=True)
    move(tx, b"b", (b"a",), ())
    tx.rollback()
    with db.view() as view:
        assert_holds(view, model)


REFUSED: dict[str, tuple[bytes, Path, Path, type[boltpy.BucketError]]] = {
    "missing": (b"nope", (b"a",), (b"other",), boltpy.BucketNotFoundError),
    "missing in the root": (b"nope", (), (b"other",), boltpy.BucketNotFoundError),
    "exists in the target": (b"x", (b"other",), (b"taken",), boltpy.BucketExistsError),
    "a plain key in the source": (b"pair", (b"other",), (b"a",), boltpy.IncompatibleValueError),
    "a plain key in the target": (b"x", (b"other",), (b"plain",), boltpy.IncompatibleValueError),
    "the same bucket": (b"b", (b"a",), (b"a",), boltpy.SameBucketError),
    "both the root": (b"a", (), (), boltpy.SameBucketError),
    "into itself": (b"b", (b"a",), (b"a", b"b"), boltpy.SameBucketError),
    "into its child": (b"b", (b"a",), (b"a", b"b", b"c"), boltpy.SameBucketError),
    "from the root into a grandchild": (b"a", (), (b"a", b"b", b"c"), boltpy.SameBucketError),
}


@pytest.mark.parametrize("pages", [False, True], ids=["inline", "pages"])
@pytest.mark.parametrize("case", REFUSED)
def test_a_refused_move_changes_nothing(db: boltpy.DB, case: str, pages: bool) -> None:
    name, source, target, error = REFUSED[case]
    model = build(pages)
    model.entries[b"taken"] = BucketModel({b"x": BucketModel({b"k": b"v"})})
    model.entries[b"plain"] = BucketModel({b"x": b"a pair"})
    store_all(db, model)
    with db.update() as tx:
        with pytest.raises(error):
            move(tx, name, source, target)
        assert_holds(tx, model)
        bucket_at(tx, b"a", b"b", b"c").put(b"still", b"writable")
    model.nested(b"a", b"b", b"c").entries[b"still"] = b"writable"
    with db.view() as tx:
        assert_holds(tx, model)


def test_a_move_into_a_descendant_made_in_this_transaction_is_refused(db: boltpy.DB) -> None:
    with db.update() as tx:
        inner = tx.create_bucket(b"a").create_bucket(b"b").create_bucket(b"c")
        with pytest.raises(boltpy.SameBucketError):
            tx.move_bucket(b"a", None, inner)
    with db.view() as tx:
        assert tx.bucket(b"a", b"b", b"c") is not None


def test_a_move_to_another_database_is_refused(open_db: OpenDB) -> None:
    one, other = open_db("one.db"), open_db("other.db")
    model = build(pages=False)
    for db in (one, other):
        store_all(db, model)
    with one.update() as source, other.update() as target:
        with pytest.raises(boltpy.DifferentDatabaseError):
            source.move_bucket(b"c", bucket_at(source, b"a", b"b"), bucket_at(target, b"other"))
        with pytest.raises(boltpy.DifferentDatabaseError):
            bucket_at(source, b"a", b"b").move_bucket(b"c", bucket_at(target, b"a"))
    for db in (one, other):
        with db.view() as tx:
            assert_holds(tx, model)


@pytest.mark.parametrize("read", ["source", "target", "both"])
def test_a_move_from_or_to_a_read_transaction_is_refused(db: boltpy.DB, read: str) -> None:
    model = build(pages=False)
    store_all(db, model)
    with db.view() as view, db.update() as update:
        source = view if read in ("source", "both") else update
        target = view if read in ("target", "both") else update
        with pytest.raises((boltpy.TxNotWritableError, boltpy.DifferentDatabaseError)):
            bucket_at(source, b"a", b"b").move_bucket(b"c", bucket_at(target, b"other"))
    with db.view() as tx:
        assert_holds(tx, model)


def test_moves_after_the_transaction_ended_raise_tx_closed(db: boltpy.DB) -> None:
    store_all(db, build(pages=False))
    tx = db.begin(writable=True)
    source, target = bucket_at(tx, b"a"), bucket_at(tx, b"other")
    tx.rollback()
    with pytest.raises(boltpy.TxClosedError):
        source.move_bucket(b"b", target)


def test_a_bucket_is_no_home_for_the_top_level(db: boltpy.DB) -> None:
    with db.update() as tx:
        outer = tx.create_bucket(b"outer")
        outer.create_bucket(b"inner")
        with pytest.raises(TypeError, match=r"Tx\.move_bucket"):
            outer.move_bucket(b"inner", None)
        assert outer.bucket(b"inner") is not None


def chain(bucket: boltpy.Bucket, levels: int) -> None:
    """Nest so many buckets in each other below `bucket`."""
    for _ in range(levels):
        bucket = bucket.create_bucket(b"x")


@pytest.mark.parametrize("committed", [True, False])
def test_a_move_counts_the_levels_of_what_it_moves(db: boltpy.DB, committed: bool) -> None:
    tx = db.begin(writable=True)
    for name, levels in ((b"a", 149), (b"b", 149), (b"flat", 0)):
        chain(tx.create_bucket(name), levels)
    if committed:
        tx.commit()
        tx = db.begin(writable=True)
    tx.move_bucket(b"a", None, bucket_at(tx, b"b", *[b"x"] * 149))
    deepest = bucket_at(tx, b"b", *[b"x"] * 149, b"a", *[b"x"] * 149)
    with pytest.raises(boltpy.BucketError, match="deeper than 300 levels"):
        tx.move_bucket(b"flat", None, deepest)
    tx.create_bucket(b"top")
    with pytest.raises(boltpy.BucketError, match="cannot move bucket b'b': it would be nested deeper"):
        tx.move_bucket(b"b", None, bucket_at(tx, b"top"))
    tx.commit()
    with db.view() as tx:
        assert tx.inspect().key_n == 0
        bucket_at(tx, b"b", *[b"x"] * 149, b"a", *[b"x"] * 149)


@pytest.mark.parametrize("pages", [True, False])
@pytest.mark.parametrize("target", [(b"a", b"b"), (b"a", b"e"), ()])
def test_a_bucket_gets_a_new_name_on_the_way_or_in_its_place(db: boltpy.DB, pages: bool, target: Path) -> None:
    model = build(pages)
    store_all(db, model)
    with db.update() as tx:
        bucket_at(tx, b"a", b"b", b"c").put(b"fresh", b"1")
        tx.move_bucket(b"c", bucket_at(tx, b"a", b"b"), handle(tx, target), b"renamed")
        bucket_at(tx, *target, b"renamed").put(b"later", b"2")
        moved = model.nested(b"a", b"b").entries.pop(b"c")
        assert isinstance(moved, BucketModel)
        moved.entries |= {b"fresh": b"1", b"later": b"2"}
        model.nested(*target).entries[b"renamed"] = moved
        assert_holds(tx, model)
    with db.view() as tx:
        assert_holds(tx, model)


def test_two_buckets_change_names_within_a_transaction(db: boltpy.DB) -> None:
    store_all(db, build(pages=True))
    with db.update() as tx:
        before = read_all(tx)
        for name, new_name in ((b"a", b"third"), (b"other", b"a"), (b"third", b"other")):
            tx.move_bucket(name, None, None, new_name)
    entries = before.entries
    entries[b"a"], entries[b"other"] = entries[b"other"], entries[b"a"]
    with db.view() as tx:
        assert_holds(tx, before)


def test_a_new_name_that_cannot_be_is_refused(db: boltpy.DB) -> None:
    model = build(pages=False)
    store_all(db, model)
    with db.update() as tx:
        for new_name, error in (
            (b"", boltpy.BucketNameRequiredError),
            (b"a", boltpy.SameBucketError),
            (b"other", boltpy.BucketExistsError),
        ):
            with pytest.raises(error):
                tx.move_bucket(b"a", None, None, new_name)
        with pytest.raises(boltpy.IncompatibleValueError):
            tx.move_bucket(b"a", None, bucket_at(tx, b"other"), b"pair")
        assert_holds(tx, model)
