"""check(): silent on sound files, and what it says about each kind of damage."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

import boltpy
from tests.boltpy.background import Background
from tests.boltpy.rawfile import BRANCH_PAGE, LEAF, LEAF_PAGE, RawFile
from tests.conftest import OpenDB
from tests.models import bucket_at


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database with the bucket "data" of two levels (one branch, many leaves) and some free pages."""
    path = tmp_path / "a.db"
    with boltpy.open(path, page_size=4096) as db:
        with db.update() as tx:
            bucket = tx.create_bucket(b"data")
            for i in range(1000):
                bucket.put(b"%04d" % i, bytes(100))
        for _ in range(2):
            with db.update() as tx:
                bucket_at(tx, b"data").put(b"0000", bytes(100))
    return path


def check(path: Path, from_page: int | None = None) -> list[str]:
    """What check says, as text; in bounded time."""

    def work() -> list[str]:
        with boltpy.open(path, read_only=True) as db, db.view() as tx:
            problems = tx.check() if from_page is None else tx.check(from_page=from_page)
            return [str(problem) for problem in problems]

    return Background(work).result(20)


def test_a_sound_file_has_no_problems(path: Path) -> None:
    assert check(path) == []
    raw = RawFile(path)
    root = raw.bucket_root(b"data")
    assert raw.page(root).flags == BRANCH_PAGE
    for pgid in (raw.newest().root, root, *raw.leaves(root)):
        assert check(path, from_page=pgid) == []


def test_a_key_that_is_greater_than_its_right_neighbours_breaks_two_rules(path: Path) -> None:
    raw = RawFile(path)
    root = raw.bucket_root(b"data")
    victim = raw.leaves(root)[3]
    raw.data[raw.key_span(victim, 5)] = b"zzzz"
    raw.save()
    problems = check(path)
    assert len(problems) == 2
    assert all(f"page({victim})" in problem for problem in problems)
    assert any(
        "needs to be > (found <)" in problem or "> (found <) than previous element" in problem for problem in problems
    )
    assert any("needs to be < than key of the next element in ancestor" in problem for problem in problems)
    assert all("7a7a7a7a" in problem for problem in problems)


def test_a_leaf_in_the_wrong_place_is_told_by_its_first_key(path: Path) -> None:
    raw = RawFile(path)
    root = raw.bucket_root(b"data")
    leaves = raw.leaves(root)
    source, target = leaves[1], leaves[4]
    copied = bytearray(raw.page_bytes(source))
    copied[:8] = target.to_bytes(8, "little")
    raw.data[raw.offset(target) : raw.offset(target + 1)] = copied
    raw.save()
    problems = [problem for problem in check(path) if "ancestor" in problem]
    assert any(
        f"on leaf page({target}) needs to be >= the key in the ancestor" in problem and "the first key[0]" in problem
        for problem in problems
    )


def test_only_the_damaged_leaf_has_problems_when_each_is_checked_alone(path: Path) -> None:
    raw = RawFile(path)
    root = raw.bucket_root(b"data")
    leaves = raw.leaves(root)
    victim = leaves[2]
    raw.data[raw.key_span(victim, 3)] = b"\0\0\0\0"
    raw.save()
    assert check(path, from_page=victim) != []
    for leaf in leaves:
        if leaf != victim:
            assert check(path, from_page=leaf) == []


def test_a_page_without_flags_is_a_problem_and_no_crash(path: Path) -> None:
    raw = RawFile(path)
    root = raw.bucket_root(b"data")
    victim = raw.leaves(root)[2]
    raw.set_page(victim, flags=0)
    raw.save()
    problems = check(path)
    assert any(str(victim) in problem for problem in problems)
    assert any("unexpected type/flags: 0" in problem or "invalid type" in problem for problem in problems)


def test_a_page_that_two_parents_share_is_told(path: Path) -> None:
    raw = RawFile(path)
    root = raw.bucket_root(b"data")
    leaves = raw.leaves(root)
    raw.set_child(root, 5, leaves[4])
    raw.save()
    problems = check(path)
    assert any(f"page {leaves[4]}: multiple references" in problem for problem in problems)
    assert f"page {leaves[5]}: unreachable unfreed" in problems


def test_a_child_beyond_the_high_water_mark_is_told(path: Path) -> None:
    raw = RawFile(path)
    root = raw.bucket_root(b"data")
    leaf = raw.leaves(root)[5]
    mark = raw.newest().high_water_mark
    raw.set_child(root, 5, mark + 7)
    raw.save()
    problems = check(path)
    assert any(f"page {mark + 7}: " in problem and str(mark) in problem for problem in problems)
    assert f"page {leaf}: unreachable unfreed" in problems


def test_a_page_that_is_in_use_and_listed_as_free_is_told(path: Path) -> None:
    raw = RawFile(path)
    leaf = raw.leaves(raw.bucket_root(b"data"))[5]
    freelist = raw.newest().freelist
    free = raw.free_ids()
    at = raw.offset(freelist) + 16
    ids = sorted([*free, leaf])
    raw.data[at : at + 8 * len(ids)] = b"".join(pgid.to_bytes(8, "little") for pgid in ids)
    raw.set_page(freelist, count=len(ids))
    raw.save()
    assert any(f"page {leaf}: reachable freed" in problem for problem in check(path))


def test_a_page_that_is_neither_used_nor_free_is_told(path: Path) -> None:
    raw = RawFile(path)
    freelist = raw.newest().freelist
    lost = raw.free_ids()[-1]
    raw.set_page(freelist, count=raw.page(freelist).count - 1)
    raw.save()
    assert check(path) == [f"page {lost}: unreachable unfreed"]


def test_a_page_listed_as_free_twice_is_told(path: Path) -> None:
    raw = RawFile(path)
    freelist, free = raw.newest().freelist, raw.free_ids()
    at = raw.offset(freelist) + 16
    raw.data[at : at + 8] = free[1].to_bytes(8, "little")
    raw.save()
    problems = check(path)
    assert any(f"page {free[1]}: already freed" in problem for problem in problems)
    assert any(str(free[0]) in problem for problem in problems)


def test_a_cycle_of_pages_is_a_problem_and_ends(path: Path) -> None:
    raw = RawFile(path)
    root = raw.bucket_root(b"data")
    raw.set_child(root, 5, root)
    raw.save()
    problems = check(path)
    assert problems
    assert any(str(root) in problem for problem in problems)


def test_a_page_under_another_number_is_a_problem(path: Path) -> None:
    raw = RawFile(path)
    leaf = raw.leaves(raw.bucket_root(b"data"))[5]
    raw.set_page(leaf, id=leaf + 1)
    raw.save()
    problems = check(path)
    assert any(str(leaf) in problem for problem in problems)


@pytest.mark.parametrize("field", ["count", "overflow"])
def test_a_page_that_claims_too_much_is_a_problem(path: Path, field: str) -> None:
    raw = RawFile(path)
    leaf = raw.leaves(raw.bucket_root(b"data"))[5]
    raw.set_page(leaf, **{field: 60_000})
    raw.save()
    problems = check(path)
    assert any(str(leaf) in problem for problem in problems)


def test_checking_from_a_page_that_cannot_be_is_told(path: Path) -> None:
    mark = RawFile(path).newest().high_water_mark
    for pgid in (0, 1, mark, mark + 100):
        assert check(path, from_page=pgid) == [f"page ID ({pgid}) out of range [2, {mark})"]


def test_checking_from_the_root_of_a_bucket_with_buckets_inside_is_silent(open_db: OpenDB) -> None:
    db = open_db()
    with db.update() as tx:
        parent = tx.create_bucket(b"parent")
        parent.put_many((b"%04d" % i, bytes(100)) for i in range(300))
        parent.create_bucket(b"large").put_many((b"%04d" % i, bytes(100)) for i in range(300))
        parent.create_bucket(b"inline").put(b"k", b"v")
    with db.view() as tx:
        for path in ((b"parent",), (b"parent", b"large")):
            root = bucket_at(tx, *path).root
            assert root != 0
            assert list(tx.check(from_page=root)) == []


def test_a_writing_transaction_checks_the_committed_state(db: boltpy.DB) -> None:
    with db.update() as tx:
        tx.create_bucket(b"b").put_many((b"%04d" % i, bytes(100)) for i in range(300))
    with db.update() as tx:
        bucket_at(tx, b"b").delete_many(b"%04d" % i for i in range(200))
        assert list(tx.check()) == []
    with db.view() as tx:
        assert list(tx.check()) == []


def test_check_needs_no_reading_to_the_end(path: Path) -> None:
    raw = RawFile(path)
    for leaf in raw.leaves(raw.bucket_root(b"data")):
        raw.set_page(leaf, flags=LEAF_PAGE | 0x40)
    raw.save()
    with boltpy.open(path, read_only=True) as db, db.view() as tx:
        assert next(iter(tx.check()))
        assert tx.bucket(b"data") is not None


def test_strict_mode_lets_sound_commits_through(open_db: OpenDB) -> None:
    db = open_db(strict=True, page_size=1024)
    for i in range(10):
        with db.update() as tx:
            bucket = tx.create_bucket_if_not_exists(b"b")
            bucket.put_many((b"%04d" % j, b"%d" % i * 20) for j in range(i, 300, 3))
            bucket.delete_many(b"%04d" % j for j in range(0, 300, 7))
    with db.view() as tx:
        assert list(tx.check()) == []


def test_strict_mode_stops_the_commit_that_would_build_on_damage(path: Path) -> None:
    raw = RawFile(path)
    root = raw.bucket_root(b"data")
    raw.data[raw.key_span(raw.leaves(root)[5], 3)] = b"zzzz"
    raw.save()
    with boltpy.open(path, strict=True) as db:
        tx = db.begin(writable=True)
        bucket_at(tx, b"data").put(b"0000", b"change")
        with pytest.raises(boltpy.BoltError, match="7a7a7a7a"):
            tx.commit()
        with db.view() as view:
            assert bucket_at(view, b"data").get(b"0000") == bytes(100)
    with boltpy.open(path) as db, db.update() as tx:  # without strict mode bbolt's habit: nobody looks
        bucket_at(tx, b"data").put(b"0000", b"change")


def test_an_inline_bucket_holds_no_nested_one(open_db: OpenDB, tmp_path: Path) -> None:
    path = tmp_path / "hostile.db"
    with boltpy.open(path) as db, db.update() as tx:
        tx.create_bucket(b"victim").put_many((b"%04d" % i, bytes(100)) for i in range(300))
        tx.create_bucket(b"inline").put(b"k", bytes(16))
    raw = RawFile(path)
    at = bytes(raw.data).rindex(b"k" + bytes(16)) - LEAF.size
    assert LEAF.unpack_from(raw.data, at) == (0, 16, 1, 16)
    LEAF.pack_into(raw.data, at, 1, 16, 1, 16)
    struct.pack_into("<Q", raw.data, at + LEAF.size + 1, raw.bucket_root(b"victim"))
    raw.save()
    with boltpy.open(path) as db:
        with db.view() as tx:
            assert any("holds a nested bucket" in problem.text for problem in tx.check())
        with db.update() as tx, pytest.raises(boltpy.CorruptError, match="holds a nested bucket"):
            tx.delete_bucket(b"inline")
        with db.view() as tx:
            assert bucket_at(tx, b"victim").stats().key_n == 300
