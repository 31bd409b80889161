"""Opening what is no database, or one whose metas are damaged: the right error, or the meta that is still good."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

import boltpy
from tests.boltpy.rawfile import RawFile
from tests.models import BucketModel, assert_holds, bucket_at


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database after four commits: the bucket "b" holds the numbers of commits 1 to 3."""
    path = tmp_path / "a.db"
    with boltpy.open(path, page_size=4096) as db:
        with db.update() as tx:
            tx.create_bucket(b"b")
        for i in range(1, 4):
            with db.update() as tx:
                bucket_at(tx, b"b").put(b"%d" % i, bytes(3000))
    return path


def contents(*numbers: int) -> BucketModel:
    return BucketModel({b"b": BucketModel({b"%d" % i: bytes(3000) for i in numbers})})


@pytest.mark.parametrize(
    "data",
    [b"this is not a bolt database", b"x", b"\0" * 100, b"\0" * 4096, b"\0" * 20_000, bytes(range(256)) * 100],
    ids=["text", "one byte", "100 zeros", "one zero page", "zero pages", "noise"],
)
@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path, data: bytes, read_only: bool) -> None:
    path = tmp_path / "text"
    path.write_bytes(data)
    with pytest.raises(boltpy.DatabaseError, match="invalid database|too small"):
        boltpy.open(path, read_only=read_only)
    assert path.read_bytes() == data


def test_another_version_in_both_metas_is_a_version_mismatch(path: Path) -> None:
    raw = RawFile(path)
    for index in (0, 1):
        raw.set_meta(index, version=3)
    raw.save()
    with pytest.raises(boltpy.VersionMismatchError) as caught:
        boltpy.open(path)
    assert caught.value.version == 3


def test_wrong_checksums_in_both_metas_are_a_checksum_error(path: Path) -> None:
    raw = RawFile(path)
    good = raw.meta(0).checksum
    for index in (0, 1):
        raw.set_meta(index, sign=False, high_water_mark=raw.meta(index).high_water_mark + 1)
    raw.save()
    with pytest.raises(boltpy.ChecksumError) as caught:
        boltpy.open(path)
    assert caught.value.stored == good
    assert caught.value.computed == raw.meta(0).expected_checksum()


def test_a_checksum_of_zero_is_no_excuse(path: Path) -> None:
    raw = RawFile(path)
    for index in (0, 1):
        raw.set_meta(index, sign=False, checksum=0)
    raw.save()
    with pytest.raises(boltpy.ChecksumError):
        boltpy.open(path)


def test_the_error_is_that_of_the_first_meta(path: Path) -> None:
    raw = RawFile(path)
    raw.set_meta(0, version=7)
    raw.set_meta(1, sign=False, txid=99)
    raw.save()
    with pytest.raises(boltpy.VersionMismatchError):
        boltpy.open(path)


@pytest.mark.parametrize("damage", ["magic", "version", "checksum"])
def test_a_damaged_newest_meta_gives_the_commit_before_it(path: Path, damage: str) -> None:
    raw = RawFile(path)
    newest = raw.newest()
    assert newest.txid == 5
    raw.set_meta(1, sign=damage != "checksum", **{damage: 1})
    raw.save()
    with boltpy.open(path) as db:
        with db.view() as tx:
            assert tx.id == 4
            assert_holds(tx, contents(1, 2))
            assert list(tx.check()) == []
        with db.update() as tx:
            assert tx.id == 5
            bucket_at(tx, b"b").put(b"8", bytes(3000))
        with db.view() as tx:
            assert_holds(tx, contents(1, 2, 8))
            assert list(tx.check()) == []
    assert RawFile(path).meta(1).txid == 5


def test_a_damaged_older_meta_changes_nothing(path: Path) -> None:
    raw = RawFile(path)
    raw.set_meta(0, magic=0, sign=False)
    raw.save()
    with boltpy.open(path) as db:
        for txid in (5, 6, 7):
            with db.view() as tx:
                assert tx.id == txid
                assert list(tx.check()) == []
            with db.update():
                pass
        with db.view() as tx:
            assert_holds(tx, contents(1, 2, 3))


def test_the_higher_txid_counts_whatever_slot_it_is_in(path: Path) -> None:
    raw = RawFile(path)
    first, second = asdict(raw.meta(0)), asdict(raw.meta(1))
    raw.set_meta(0, **(second | {"txid": 21}))
    raw.set_meta(1, **(first | {"txid": 20}))
    raw.save()
    with boltpy.open(path) as db, db.view() as tx:
        assert tx.id == 21
        assert_holds(tx, contents(1, 2, 3))


@pytest.mark.parametrize("size", [4096, 4097, 8191])
def test_a_file_of_less_than_two_pages_is_too_small(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(boltpy.DatabaseError, match="too small"):
        boltpy.open(path)


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("pages", [2, 3, 5])
def test_a_file_that_ends_before_its_last_page_is_a_bolt_error(path: Path, pages: int, read_only: bool) -> None:
    path.write_bytes(path.read_bytes()[: pages * 4096])

    def open_and_read() -> None:
        with boltpy.open(path, read_only=read_only) as db, db.view() as tx:
            assert_holds(tx, contents(1, 2, 3))

    with pytest.raises(boltpy.BoltError):
        open_and_read()


def test_a_refused_file_is_not_left_locked(path: Path) -> None:
    good = path.read_bytes()
    path.write_bytes(b"\0" * len(good))
    for _ in range(3):
        with pytest.raises(boltpy.InvalidDatabaseError):
            boltpy.open(path, timeout=1)
    with open(path, "r+b") as file:
        file.write(good)
    with boltpy.open(path, timeout=1) as db, db.view() as tx:
        assert_holds(tx, contents(1, 2, 3))
