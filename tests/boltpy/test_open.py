"""Opening a sound file: where it may be, what a new one holds, which page size counts, and the options."""

from __future__ import annotations

import mmap
import os
import stat
from dataclasses import FrozenInstanceError, fields
from pathlib import Path
from typing import Any

import pytest

import boltpy
from boltpy.options import OptionChanges
from tests.boltpy.rawfile import NO_FREELIST, RawFile
from tests.conftest import OpenDB
from tests.models import bucket_at


def test_a_path_may_be_text_or_path_like_and_the_db_tells_it(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with boltpy.open(path) as db:
        assert Path(db.path) == path
    with boltpy.open(str(path)) as db:
        assert Path(db.path) == path
        assert not db.read_only
        assert str(path) in repr(db)


def test_a_missing_folder_is_a_file_not_found_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        boltpy.open(tmp_path / "missing" / "a.db")


def test_an_empty_path_is_refused() -> None:
    with pytest.raises((FileNotFoundError, ValueError)):
        boltpy.open("")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"(?i)directory"):
        boltpy.open(tmp_path)


@pytest.mark.parametrize(("mode", "expected"), [(None, 0o600), (0o640, 0o640), (0o600, 0o600)])
def test_a_new_file_gets_the_mode_asked_for(tmp_path: Path, mode: int | None, expected: int) -> None:
    path = tmp_path / "a.db"
    old = os.umask(0)
    try:
        boltpy.open(path, **({} if mode is None else {"mode": mode})).close()
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == expected


@pytest.mark.parametrize("page_size", [1024, 4096, 65536])
def test_a_new_file_has_two_metas_a_freelist_and_an_empty_root(tmp_path: Path, page_size: int) -> None:
    path = tmp_path / "a.db"
    boltpy.open(path, page_size=page_size).close()
    raw = RawFile(path)
    assert len(raw.data) == 4 * page_size
    for index in (0, 1):
        meta = raw.meta(index)
        assert (meta.root, meta.sequence, meta.freelist, meta.high_water_mark, meta.txid) == (3, 0, 2, 4, index)
        assert (meta.version, meta.page_size, meta.flags) == (2, page_size, 0)
        assert meta.checksum == meta.expected_checksum()
    assert [(raw.page(i).id, raw.page(i).flags, raw.page(i).count) for i in range(4)] == [
        (0, 4, 0),
        (1, 4, 0),
        (2, 16, 0),
        (3, 2, 0),
    ]


def test_a_new_file_of_4096_byte_pages_has_the_known_checksums(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    boltpy.open(path, page_size=4096).close()
    raw = RawFile(path)
    assert raw.meta(0).checksum == 0x07516E114689FDEE
    assert raw.meta(1).checksum == 0x264C351A5179480F


def test_the_first_commit_leaves_the_known_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with boltpy.open(path, page_size=4096) as db, db.update() as tx:
        assert tx.id == 2
        bucket = tx.create_bucket(b"w")
        bucket.sequence = 7
        bucket.put(b"foo", b"bar")
        bucket.put(b"z", b"")
    raw = RawFile(path)
    leaf = bytes.fromhex(
        "0400000000000000 0200 0100 00000000"
        "01000000 10000000 01000000 47000000"
        "77 0000000000000000 0700000000000000"
        "0000000000000000 0200 0200 00000000"
        "00000000 20000000 03000000 03000000"
        "00000000 16000000 01000000 00000000"
        "666f6f626172 7a"
    )
    assert len(raw.data) == 32768
    assert raw.page_bytes(4) == leaf.ljust(4096, b"\0")
    assert raw.free_ids() == [2, 3]
    meta = raw.meta(0)
    assert (meta.root, meta.freelist, meta.high_water_mark, meta.txid) == (4, 5, 6, 2)


def test_an_empty_file_is_made_a_database(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    path.touch()
    with boltpy.open(path) as db, db.update() as tx:
        tx.create_bucket(b"b")
    with boltpy.open(path) as db, db.view() as tx:
        assert tx.bucket(b"b") is not None


def test_a_new_and_a_reopened_database_pass_check(open_db: OpenDB) -> None:
    db = open_db("a.db")
    with db.view() as tx:
        assert list(tx.check()) == []
    db.close()
    with open_db("a.db").view() as tx:
        assert list(tx.check()) == []


@pytest.mark.parametrize("damaged", [None, 0, 1])
@pytest.mark.parametrize("exponent", range(15))
def test_the_page_size_is_found_with_either_meta(tmp_path: Path, exponent: int, damaged: int | None) -> None:
    path, page_size = tmp_path / "a.db", 1024 << exponent
    with boltpy.open(path, page_size=page_size, no_grow_sync=True) as db, db.update() as tx:
        tx.create_bucket(b"b").put(b"k", b"v")
    if damaged is not None:
        with open(path, "r+b") as file:  # in place: the larger files are mostly holes
            file.seek(damaged * page_size + 16)
            file.write(b"\xff" * 64)
    newest_is_damaged = damaged == 0  # the first commit, number 2, went to slot 0
    with boltpy.open(path, page_size=2048) as db:
        assert db.info().page_size == page_size
        with db.view() as tx:
            assert (tx.bucket(b"b") is None) == newest_is_damaged
            assert list(tx.check()) == []


def test_a_page_size_need_not_be_a_power_of_two(open_db: OpenDB) -> None:
    db = open_db("a.db", page_size=3000)
    with db.update() as tx:
        tx.create_bucket(b"b").put_many((b"%04d" % i, bytes(50)) for i in range(500))
    db.close()
    db = open_db("a.db")
    assert db.info().page_size == 3000
    with db.view() as tx:
        assert bucket_at(tx, b"b").stats().key_n == 500


def test_a_page_size_that_is_no_power_of_two_is_given_again_when_the_first_meta_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    boltpy.open(path, page_size=3000).close()
    with path.open("r+b") as file:
        file.write(b"\xff" * 80)
    with pytest.raises(boltpy.DatabaseError):
        boltpy.open(path)
    with boltpy.open(path, page_size=3000) as db, db.view() as tx:
        assert list(tx.check()) == []


def test_the_page_size_of_an_existing_file_wins_over_the_option(open_db: OpenDB) -> None:
    open_db("a.db", page_size=16384).close()
    assert open_db("a.db", page_size=4096).info().page_size == 16384


def test_the_default_page_size_is_the_systems(db: boltpy.DB) -> None:
    assert db.info().page_size == os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("page_size", [1, 80, 512, 1023, 2**24 + 1, 2**30, -4096])
def test_page_sizes_that_could_not_be_reopened_are_refused_and_nothing_is_created(
    tmp_path: Path, page_size: int
) -> None:
    path = tmp_path / "a.db"
    with pytest.raises(ValueError, match="page_size"):
        boltpy.open(path, page_size=page_size)
    assert not path.exists()


def test_larger_pages_make_a_larger_file(open_db: OpenDB) -> None:
    sizes = []
    for factor in (2, 4):
        db = open_db(f"{factor}.db", page_size=factor * 4096)
        sizes.append(os.path.getsize(db.path))
    assert sizes == [4 * 2 * 4096, 4 * 4 * 4096]


@pytest.mark.parametrize("reopen_synced", [True, False])
def test_a_freelist_that_was_not_stored_is_found_again(open_db: OpenDB, reopen_synced: bool) -> None:
    db = open_db("a.db", no_freelist_sync=True, page_size=1024)
    with db.update() as tx:
        for i in range(50):
            tx.create_bucket(b"%02d" % i).put(b"large", bytes(2000))
    with db.update() as tx:
        for i in range(0, 50, 2):
            tx.delete_bucket(b"%02d" % i)
    with db.update():
        pass
    free = db.stats().free_page_n + db.stats().pending_page_n
    assert free > 50
    txid = RawFile(db.path).newest().txid
    db.close()
    assert RawFile(db.path).newest().freelist == NO_FREELIST
    db = open_db("a.db", no_freelist_sync=not reopen_synced)
    raw = RawFile(db.path)
    if reopen_synced:  # the freelist is stored at once, by one commit
        assert raw.newest().txid == txid + 1
        assert raw.newest().freelist != NO_FREELIST
        assert abs(db.stats().free_page_n + db.stats().pending_page_n - free) <= 2
    else:
        assert raw.newest().txid == txid
        assert db.stats().free_page_n == free


def test_options_may_come_as_an_object_with_single_changes(tmp_path: Path) -> None:
    options = boltpy.Options(page_size=2048, max_batch_size=7)
    with boltpy.open(tmp_path / "a.db", options=options, no_sync=True) as db:
        assert db.info().page_size == 2048
        assert (db.options.max_batch_size, db.options.no_sync, options.no_sync) == (7, True, False)


def test_options_are_frozen_and_unknown_ones_refused(tmp_path: Path) -> None:
    with pytest.raises(FrozenInstanceError):
        boltpy.Options().read_only = True  # type: ignore[misc]
    with pytest.raises(TypeError):
        boltpy.open(tmp_path / "a.db", pagesize=4096)
    with pytest.raises(ValueError, match="freelist_type"):
        boltpy.open(tmp_path / "a.db", freelist_type="tree")
    assert not (tmp_path / "a.db").exists()


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("timeout", "1", TypeError),
        ("timeout", -1, ValueError),
        ("timeout", float("nan"), ValueError),
        ("timeout", 1e300, ValueError),
        ("read_only", 1, TypeError),
        ("strict", "no", TypeError),
        ("page_size", 4096.0, TypeError),
        ("page_size", True, TypeError),
        ("max_size", 1.5, TypeError),
        ("max_size", -1, ValueError),
        ("alloc_size", None, TypeError),
        ("mmap_flags", 2**70, ValueError),
        ("max_batch_size", "many", TypeError),
        ("max_batch_delay", "x", TypeError),
        ("max_batch_delay", float("inf"), ValueError),
        ("logger", 5, TypeError),
        ("opener", "open", TypeError),
        ("freelist_type", None, ValueError),
    ],
)
def test_an_option_with_a_value_that_makes_no_sense_is_named_and_nothing_is_created(
    tmp_path: Path, name: str, value: object, error: type[Exception]
) -> None:
    with pytest.raises(error, match=name):
        boltpy.open(tmp_path / "a.db", **{name: value})
    with pytest.raises(error, match=name):
        boltpy.Options(**{name: value})
    assert not (tmp_path / "a.db").exists()


def test_an_opener_opens_the_file_instead_of_the_system(tmp_path: Path) -> None:
    calls: list[tuple[str, int]] = []

    def opener(path: str, flags: int, mode: int) -> int:
        calls.append((path, mode))
        return os.open(path, flags, mode)

    with boltpy.open(tmp_path / "a.db", mode=0o640, opener=opener) as db, db.update() as tx:
        tx.create_bucket(b"b")
    assert calls[0] == (str(tmp_path / "a.db"), 0o640)


def test_a_failing_opener_shows_its_own_error(tmp_path: Path) -> None:
    def opener(path: str, flags: int, mode: int) -> int:
        raise PermissionError(13, "not today", path)

    with pytest.raises(PermissionError, match="not today"):
        boltpy.open(tmp_path / "a.db", opener=opener)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"no_sync": True},
        {"no_grow_sync": True},
        {"no_freelist_sync": True},
        {"mmap_flags": mmap.MAP_POPULATE},
        {"initial_mmap_size": 1 << 20},
        {"alloc_size": 1 << 15},
        {"strict": True},
    ],
    ids=str,
)
def test_no_way_to_sync_or_grow_loses_data(open_db: OpenDB, options: dict[str, Any]) -> None:
    db = open_db("a.db", **options)
    for round_number in range(10):
        with db.update() as tx:
            tx.create_bucket_if_not_exists(b"b").put(b"%d" % round_number, bytes(10_000))
    db.sync()
    db.close()
    with open_db("a.db", **options).view() as tx:
        assert dict(bucket_at(tx, b"b").items()) == {b"%d" % i: bytes(10_000) for i in range(10)}


def test_the_keywords_known_to_type_checkers_are_the_options() -> None:
    assert list(OptionChanges.__annotations__) == [field.name for field in fields(boltpy.Options)]


def test_options_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"options is .*Options\("):
        boltpy.open(tmp_path / "a.db", options={"page_size": 4096})  # type: ignore[arg-type]


@pytest.mark.parametrize("length", [80, 4096, 10_000, 3 * 4096, 4 * 4096 - 1])
def test_a_file_whose_making_was_cut_short_is_made_anew(open_db: OpenDB, tmp_path: Path, length: int) -> None:
    path = tmp_path / "a.db"
    boltpy.open(path, page_size=4096).close()
    os.truncate(path, length)
    db = open_db("a.db")
    with db.update() as tx:
        tx.create_bucket(b"b")


def test_a_file_that_holds_a_commit_is_never_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with boltpy.open(path, page_size=4096) as db, db.update():
        pass
    os.truncate(path, 3 * 4096)
    cut = path.read_bytes()
    with pytest.raises(boltpy.DatabaseError):
        boltpy.open(path)
    assert path.read_bytes() == cut
