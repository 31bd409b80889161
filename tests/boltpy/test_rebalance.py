"""Joining pages after deletes: no page but a root stays small, and the tree is the one that the deletes leave.

Every case goes through a database with pages of 1024 bytes and looks at the file's pages afterwards.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path as FilePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

import boltpy
from tests.boltpy.rawfile import LEAF_PAGE, RawFile, leaf_entries
from tests.boltpy.sizes import sized
from tests.boltpy.twins import page_of, walk
from tests.conftest import OpenDB
from tests.models import bucket_at

PAGE = 1024
COUNT = 1200
VALUE = b"v" * 20
# A page with so many bytes or fewer joins a neighbour, at the default fill percent of a half.
LIMIT = PAGE // 4


@dataclass
class Tree:
    """A bucket's tree as the file has it: page sizes by level, the root's first."""

    levels: list[list[int]]
    keys: list[bytes]

    @property
    def depth(self) -> int:
        return len(self.levels)

    @property
    def leaf_count(self) -> int:
        return len(self.levels[-1])

    def small_pages(self, limit: int = LIMIT) -> list[int]:
        """Sizes of pages, the root left aside, that should have joined another."""
        return [size for level in self.levels[1:] for size in level if size <= limit]


def read_tree(db: boltpy.DB) -> Tree:
    """The tree of bucket b. Fails where it is not sound, and where a branch has one child only."""
    file = RawFile(db.path)
    data = bytes(file.data)
    root = file.bucket_root(b"b")
    if not root:
        inline = next(value for flags, key, value in file.leaf_entries(file.newest().root) if key == b"b")
        return Tree([[len(inline) - 16]], [key for _, key, _ in leaf_entries(inline, 16)])
    levels: list[list[int]] = []
    level: list[int] = [root]
    while level:
        sizes: list[int] = []
        below: list[int] = []
        for pgid in level:
            flags, items, _ = page_of(data, PAGE, pgid)
            is_leaf = flags == LEAF_PAGE
            parts = [item[1:] if is_leaf else item[:1] for item in items]
            sizes.append(16 + sum(16 + len(b"".join(part)) for part in parts))
            if not is_leaf:
                assert len(items) >= 2, f"branch {pgid} has one child"
                below += [item[1] for item in items]
        levels.append(sizes)
        level = below
    entries, _ = walk(data, PAGE, root)
    return Tree(levels, [key for _, key, _ in entries])


def key_of(i: int) -> bytes:
    return b"%08d" % i


def filled(open_db: OpenDB, count: int = COUNT, value: bytes = VALUE) -> boltpy.DB:
    """A database whose bucket b holds `count` keys; three levels at the default count."""
    db = open_db(page_size=PAGE, no_sync=True)
    with db.update() as tx:
        bucket = tx.create_bucket(b"b")
        bucket.put_many((key_of(i), value) for i in range(count))
    return db


def delete(db: boltpy.DB, numbers: Iterable[int]) -> Tree:
    with db.update() as tx:
        bucket_at(tx, b"b").delete_many(key_of(i) for i in numbers)
    with db.view() as tx:
        assert list(tx.check()) == []
    return read_tree(db)


def leaves_of(db: boltpy.DB) -> list[list[int]]:
    """The numbers in each leaf."""
    file = RawFile(db.path)
    return [[int(key) for _, key, _ in file.leaf_entries(leaf)] for leaf in file.leaves(file.bucket_root(b"b"))]


def branches_of(file: RawFile) -> list[int]:
    """All branches of bucket b, level by level from the root down."""
    found: list[int] = []
    level = [file.bucket_root(b"b")]
    while file.page(level[0]).flags != LEAF_PAGE:
        found += level
        level = [child for branch in level for child in file.children(branch)]
    return found


@pytest.fixture
def freelist_type() -> str:
    """How free pages are kept does not matter here."""
    return "array"


def test_the_trees_of_these_tests_are_deep_enough(open_db: OpenDB) -> None:
    tree = read_tree(filled(open_db))
    assert tree.depth == 3
    assert len(tree.levels[1]) >= 3
    assert tree.leaf_count > 80
    assert tree.small_pages() == []


def test_deleting_everything_leaves_an_empty_bucket(open_db: OpenDB) -> None:
    db = filled(open_db)
    tree = delete(db, range(COUNT))
    assert (tree.keys, tree.levels) == ([], [[16]])
    with db.update() as tx:
        bucket_at(tx, b"b").put(b"k", b"v")
    assert read_tree(db).keys == [b"k"]


def test_deleting_everything_and_putting_something_else_in_one_transaction(open_db: OpenDB) -> None:
    db = filled(open_db)
    with db.update() as tx:
        bucket = bucket_at(tx, b"b")
        bucket.delete_many(key_of(i) for i in range(COUNT))
        bucket.put_many((b"new%04d" % i, VALUE) for i in range(300))
    tree = read_tree(db)
    assert tree.keys == [b"new%04d" % i for i in range(300)]
    assert tree.small_pages() == []


CASES: dict[str, Callable[[list[list[int]]], list[list[int]]]] = {
    "the first leaf": lambda leaves: leaves[:1],
    "the last leaf": lambda leaves: leaves[-1:],
    "a leaf in the middle": lambda leaves: leaves[50:51],
    "the first two leaves": lambda leaves: leaves[:2],
    "every second leaf": lambda leaves: leaves[::2],
    "all but the first leaf": lambda leaves: leaves[1:],
    "all but the last leaf": lambda leaves: leaves[:-1],
    "all but one in the middle": lambda leaves: leaves[:40] + leaves[41:],
    "all but both ends": lambda leaves: leaves[1:-1],
    "the first half": lambda leaves: leaves[: len(leaves) // 2],
    "the second half": lambda leaves: leaves[len(leaves) // 2 :],
    "all but one item a leaf": lambda leaves: [leaf[1:] for leaf in leaves],
    "all but the last item a leaf": lambda leaves: [leaf[:-1] for leaf in leaves],
    "all but one item of every third leaf": lambda leaves: [leaf[1:] for leaf in leaves[::3]],
    "nearly all of the first leaf": lambda leaves: [leaves[0][:-1]],
    "nearly all of the last leaf": lambda leaves: [leaves[-1][1:]],
    "the first item of each leaf": lambda leaves: [leaf[:1] for leaf in leaves],
}


@pytest.mark.parametrize("name", CASES)
def test_whole_and_nearly_whole_leaves_go(open_db: OpenDB, name: str) -> None:
    db = filled(open_db)
    gone = {number for leaf in CASES[name](leaves_of(db)) for number in leaf}
    tree = delete(db, gone)
    assert tree.keys == [key_of(i) for i in range(COUNT) if i not in gone]
    assert tree.small_pages() == []
    if len(gone) > COUNT * 0.9:
        assert tree.depth <= 2


@pytest.mark.parametrize("position", [0, 1, -1], ids=["first", "in the middle", "last"])
def test_a_branch_that_loses_all_children_but_one_joins_its_neighbour(open_db: OpenDB, position: int) -> None:
    db = filled(open_db)
    file = RawFile(db.path)
    leaves = file.leaves(file.children(file.bucket_root(b"b"))[position])
    before = read_tree(db)
    tree = delete(db, [int(key) for leaf in leaves[1:] for _, key, _ in file.leaf_entries(leaf)])
    assert len(tree.levels[1]) == len(before.levels[1]) - 1
    assert tree.leaf_count == before.leaf_count - len(leaves) + 1
    assert tree.small_pages() == []


def test_a_root_with_one_child_left_gives_way_to_it(open_db: OpenDB) -> None:
    db = filled(open_db)
    assert read_tree(db).depth == 3
    assert delete(db, range(25, COUNT)).depth == 2
    assert delete(db, range(8, 25)).depth == 1
    assert delete(db, range(1, 8)).keys == [key_of(0)]


def test_a_page_of_a_quarter_joins_and_one_byte_more_stands_alone(open_db: OpenDB) -> None:
    for spare, joins in ((0, True), (1, False)):
        db = open_db(f"{spare}.db", page_size=PAGE, no_sync=True)
        with db.update() as tx:
            bucket = tx.create_bucket(b"b")
            bucket.put_many((key_of(i), VALUE) for i in range(60))
        before = read_tree(db).leaf_count
        leaf = leaves_of(db)[2]
        left = LIMIT + spare - 16 - 2 * (16 + 8)
        with db.update() as tx:
            bucket = bucket_at(tx, b"b")
            bucket.delete_many(key_of(i) for i in leaf[2:])
            bucket.put(key_of(leaf[0]), bytes(left // 2))
            bucket.put(key_of(leaf[1]), bytes(left - left // 2))
        assert read_tree(db).leaf_count == before - joins


@pytest.mark.parametrize(("left", "joined"), [(1, 1), (2, 0)])
def test_a_leaf_of_one_item_joins_however_large_it_is(open_db: OpenDB, left: int, joined: int) -> None:
    db = filled(open_db, 120)
    before = read_tree(db).leaf_count
    leaf = leaves_of(db)[2]
    with db.update() as tx:
        bucket = bucket_at(tx, b"b")
        bucket.delete_many(key_of(i) for i in leaf[left:])
        bucket.put_many((key_of(i), bytes(300 // left)) for i in leaf[:left])
    assert read_tree(db).leaf_count == before - joined


def test_two_leaves_that_make_a_quarter_together_take_a_third_one(open_db: OpenDB) -> None:
    for spare, joined in ((0, 2), (1, 1)):
        db = open_db(f"{spare}.db", page_size=PAGE, no_sync=True)
        with db.update() as tx:
            bucket = tx.create_bucket(b"b")
            bucket.put_many((key_of(i), VALUE) for i in range(120))
        before = read_tree(db).leaf_count
        leaves = leaves_of(db)
        left = LIMIT + spare - 16 - 2 * (16 + 8)
        with db.update() as tx:
            bucket = bucket_at(tx, b"b")
            for leaf, size in ((leaves[0], left // 2), (leaves[1], left - left // 2)):
                bucket.delete_many(key_of(i) for i in leaf[1:])
                bucket.put(key_of(leaf[0]), bytes(size))
        tree = read_tree(db)
        assert tree.leaf_count == before - joined
        assert tree.small_pages() == []


def test_a_branch_of_two_children_joins_its_neighbour_however_long_their_keys_are(open_db: OpenDB) -> None:
    db = open_db(page_size=PAGE, no_sync=True)
    with db.update() as tx:
        tx.create_bucket(b"b").put_many((key_of(i) + b"k" * 112, bytes(20)) for i in range(60))
    file = RawFile(db.path)
    parents = [branch for branch in branches_of(file) if file.page(file.children(branch)[0]).flags == LEAF_PAGE]
    assert {len(file.children(branch)) for branch in parents[:-1]} == {3}
    with db.update() as tx:
        bucket_at(tx, b"b").delete_many(key for _, key, _ in file.leaf_entries(file.children(parents[2])[1]))
    after = RawFile(db.path)
    children = [len(after.children(branch)) for branch in branches_of(after)]
    assert len(children) == len(branches_of(file)) - 1 or min(children) >= 3
    assert len(after.leaves(after.bucket_root(b"b"))) == len(file.leaves(file.bucket_root(b"b"))) - 1


def test_large_values_join_without_losing_a_byte(open_db: OpenDB) -> None:
    db = filled(open_db, 60, bytes(3000))
    rng = random.Random(4)
    gone = set(rng.sample(range(60), 45))
    assert delete(db, gone).keys == [key_of(i) for i in range(60) if i not in gone]
    with db.view() as tx:
        assert set(bucket_at(tx, b"b").values()) == {bytes(3000)}


def test_a_deep_tree_of_long_keys_shrinks_level_by_level(open_db: OpenDB) -> None:
    db = open_db(page_size=PAGE, no_sync=True)
    keys = [b"%04d" % i + b"k" * 150 for i in range(sized(c=1200, py=700, deep=9000))]
    with db.update() as tx:
        tx.create_bucket(b"b").put_many((key, b"") for key in keys)
    tree = read_tree(db)
    depths = [tree.depth]
    assert tree.depth >= 5
    rng = random.Random(8)
    while len(keys) > 4:
        gone = set(rng.sample(keys, len(keys) * 2 // 3))
        keys = [key for key in keys if key not in gone]
        with db.update() as tx:
            bucket_at(tx, b"b").delete_many(gone)
        tree = read_tree(db)
        assert tree.keys == keys
        assert tree.small_pages() == []
        depths.append(tree.depth)
    assert depths == sorted(depths, reverse=True)
    assert depths[-1] == 1


@pytest.mark.parametrize("fill", [0.1, 0.5, 1.0])
def test_random_deletes_leave_no_small_page_at_any_fill(open_db: OpenDB, fill: float) -> None:
    db = filled(open_db)
    rng = random.Random(int(fill * 10))
    left = set(range(COUNT))
    limit = int(PAGE * fill) // 2
    while len(left) > 100:
        gone = set(rng.sample(sorted(left), len(left) // 3))
        left -= gone
        with db.update() as tx:
            bucket = bucket_at(tx, b"b")
            bucket.fill_percent = fill
            bucket.delete_many(key_of(i) for i in gone)
        tree = read_tree(db)
        assert tree.keys == [key_of(i) for i in sorted(left)]
        if fill <= 0.5:  # with a larger one a joined page is split again, into parts below the limit
            assert tree.small_pages(limit) == []


def test_heavy_deletes_with_some_puts_between_leave_no_small_page(open_db: OpenDB) -> None:
    db = filled(open_db)
    rng = random.Random(2)
    left = set(range(COUNT))
    for _ in range(sized(c=25, py=15, deep=400)):
        lo = rng.randrange(COUNT)
        gone = set(rng.sample(range(COUNT), rng.choice([3, 60, 300]))) | set(range(lo, lo + rng.choice([0, 40, 200])))
        put = set(rng.sample(range(COUNT), rng.choice([0, 3, 150])))
        with db.update() as tx:
            bucket = bucket_at(tx, b"b")
            bucket.delete_many(key_of(i) for i in gone if i < COUNT)
            bucket.put_many((key_of(i), VALUE) for i in put)
        left = (left - gone) | put
        tree = read_tree(db)
        assert tree.keys == [key_of(i) for i in sorted(left)]
        assert tree.small_pages() == []
        with db.view() as tx:
            assert list(tx.check()) == []


def test_nested_buckets_move_with_their_leaves(open_db: OpenDB) -> None:
    db = filled(open_db)
    nested = [b"%08d-nest" % i for i in range(0, COUNT, 100)]
    with db.update() as tx:
        bucket = bucket_at(tx, b"b")
        for name in nested:
            bucket.create_bucket(name).put(b"k", name)
            bucket_at(tx, b"b", name).put_many((b"%03d" % i, VALUE) for i in range(50))
    tree = delete(db, range(COUNT))
    assert tree.keys == nested
    with db.view() as tx:
        for name in nested:
            assert bucket_at(tx, b"b", name)[b"k"] == name
            assert len(list(bucket_at(tx, b"b", name))) == 51


@given(st.data())
def test_whatever_is_deleted_the_rest_is_there_on_pages_that_are_not_small(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "drawn.db"
    path.unlink(missing_ok=True)
    count = 500
    left = set(range(count))
    with boltpy.open(path, page_size=PAGE, no_sync=True) as db:
        with db.update() as tx:
            tx.create_bucket(b"b").put_many((key_of(i), VALUE) for i in left)
        ranges = st.lists(st.tuples(st.integers(0, count), st.integers(1, 200), st.integers(1, 3)), max_size=6)
        for _ in range(2):
            gone = {i for start, length, step in data.draw(ranges) for i in range(start, start + length, step)} & left
            left -= gone
            with db.update() as tx:
                bucket_at(tx, b"b").delete_many(key_of(i) for i in gone)
            tree = read_tree(db)
            assert tree.keys == [key_of(i) for i in sorted(left)]
            assert tree.small_pages() == []
            with db.view() as tx:
                assert list(tx.check()) == []


@pytest.mark.parametrize("fill_percent", [-1.0, 0.0, 1e300])
def test_a_fill_percent_beyond_its_range_counts_as_the_nearer_end_for_deletes_too(
    open_db: OpenDB, fill_percent: float
) -> None:
    files = []
    for number, used in enumerate((fill_percent, min(max(fill_percent, 0.1), 1.0))):
        db = open_db(f"{number}.db", page_size=PAGE)
        with db.update() as tx:
            tx.create_bucket(b"b").put_many((b"%06d" % i, VALUE) for i in range(COUNT))
        with db.update() as tx:
            bucket = bucket_at(tx, b"b")
            bucket.fill_percent = used
            bucket.delete_many([b"%06d" % i for i in range(0, COUNT, 3)])
        db.close()
        files.append(FilePath(db.path).read_bytes())
    assert files[0] == files[1]
