"""Scrubbing: each changed bit of a sealed state is found and named; where too little is known, that is said."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

import boltpy
from boltpy import snapshot
from boltpy.snapshot.sealing import Sealer
from tests.boltpy.sizes import sized

from .states import PAGE_SIZE, Growing, flip, open_small


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    """A sealed file with used and free pages, in the state that its last commit left."""
    path = tmp_path / "a.db"
    with open_small(path, seal=True) as db:
        growing = Growing(db)
        growing.commit(12)
        with db.update() as tx:
            bucket = tx.create_bucket(b"large")
            bucket.put_many({b"%04d" % i: bytes(100) for i in range(500)})
        with db.update() as tx:
            tx.delete_bucket(b"large")
    return path


def free_pages(path: Path) -> set[int]:
    with boltpy.open(path, read_only=True, preload_freelist=True) as db, db.view() as tx:
        pages = [tx.page(pgid) for pgid in range(tx.size // PAGE_SIZE)]
        return {page.id for page in pages if page is not None and page.type == "free"}


def test_a_whole_file_is_ok(sealed: Path) -> None:
    found = snapshot.scrub(sealed)
    assert found.ok
    assert found.page_count == found.verified > 20
    assert (found.changed, found.unknown, found.notes) == ([], [], [])


def test_a_flipped_bit_anywhere_is_found_and_named(sealed: Path) -> None:
    free = free_pages(sealed)
    assert free
    size = snapshot.scrub(sealed).page_count + len(free)
    rng = random.Random(1)
    places = {rng.randrange(size * PAGE_SIZE) for _ in range(sized(c=300, py=150, deep=10_000))}
    places |= {pgid * PAGE_SIZE + at for pgid in range(size) for at in (0, PAGE_SIZE - 1)} | set(range(80))
    places |= set(range(PAGE_SIZE, PAGE_SIZE + 80))
    for place in sorted(places):
        bit = rng.randrange(8)
        flip(sealed, place, bit)
        found = snapshot.scrub(sealed)
        pgid = place // PAGE_SIZE
        assert found.changed == ([] if pgid in free else [pgid])
        assert found.unknown == []
        assert found.ok == (pgid in free)
        flip(sealed, place, bit)
    assert snapshot.scrub(sealed).ok


def test_several_changed_pages_are_all_named(sealed: Path) -> None:
    used = sorted(set(range(2, 30)) - free_pages(sealed))
    for pgid in used:
        flip(sealed, pgid * PAGE_SIZE + 500, 3)
    assert snapshot.scrub(sealed).changed == used


def test_two_damaged_metas_do_not_keep_the_pages_from_being_compared(sealed: Path) -> None:
    for slot in (0, 1):
        flip(sealed, slot * PAGE_SIZE + 40, 0)
    found = snapshot.scrub(sealed)
    assert found.changed == [0, 1]
    assert found.file_txid is None
    assert found.notes == ["no meta page of the file is valid"]


def test_a_file_that_was_cut_short_names_the_pages_that_are_gone(sealed: Path) -> None:
    used = set(range(snapshot.scrub(sealed).page_count + len(free_pages(sealed)))) - free_pages(sealed)
    last = max(used)
    os.truncate(sealed, last * PAGE_SIZE + 100)
    assert snapshot.scrub(sealed).changed == [last]


def test_what_another_program_committed_is_not_taken_for_damage_nor_for_proven(sealed: Path) -> None:
    with open_small(sealed) as db:
        Growing(db).commit()
    found = snapshot.scrub(sealed)
    assert not found.ok
    assert found.changed == []
    assert found.unknown
    assert found.verified
    assert found.verified + len(found.unknown) == found.page_count
    assert found.sealed_txid + 1 == found.file_txid
    assert f"sealed was txid {found.sealed_txid}" in found.notes[0]


def test_damage_after_another_commit_is_among_the_pages_that_are_not_proven(sealed: Path) -> None:
    with open_small(sealed) as db, db.update() as tx:
        tx.create_bucket(b"new")
    before = snapshot.scrub(sealed)
    with boltpy.open(sealed, read_only=True) as db, db.view() as tx:
        names = [name for name, _ in tx.buckets()]
        tree = next(bucket.root for name in names if (bucket := tx.bucket(name)) and bucket.root)
    assert tree not in before.unknown
    flip(sealed, tree * PAGE_SIZE + PAGE_SIZE - 1, 0)
    after = snapshot.scrub(sealed)
    assert after.unknown == sorted([*before.unknown, tree])


def test_a_later_state_whose_pages_cannot_be_listed_is_said_to_be_so(sealed: Path) -> None:
    with open_small(sealed) as db, db.update() as tx:
        tx.create_bucket(b"new")
    with boltpy.open(sealed, read_only=True) as db, db.view() as tx:
        root = tx._snapshot.meta.root
    flip(sealed, root * PAGE_SIZE, 3)
    found = snapshot.scrub(sealed)
    assert root in found.unknown
    assert any("could not be listed" in note for note in found.notes)


def test_an_older_file_in_the_place_of_the_sealed_one_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with open_small(path, seal=True) as db:
        growing = Growing(db)
        growing.commit(3)
        with db.view() as tx:
            tx.copy_file(tmp_path / "older.db")
        growing.commit(3)
    os.replace(tmp_path / "older.db", path)
    found = snapshot.scrub(path)
    assert not found.ok
    assert (found.file_txid, found.sealed_txid) == (4, 7)
    assert "an older file was put in the place" in found.notes[0]


def test_a_restored_file_fits_the_seal_of_what_was_backed_up(sealed: Path) -> None:
    with boltpy.open(sealed, read_only=True) as db, db.view() as tx:
        snapshot.backup_file(tx, sealed.with_name("full"))
    snapshot.restore([sealed.with_name("full")], sealed)
    assert snapshot.scrub(sealed).ok


def test_a_seal_made_once_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with open_small(path) as db:
        Growing(db).commit(5)
        with db.view() as tx:
            assert snapshot.seal(tx) == tx.id == 6
    assert snapshot.scrub(path).ok


def test_a_scrub_beside_a_writer_needs_no_lock_but_a_pause(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with open_small(path, seal=True) as db:
        growing = Growing(db)
        growing.commit(5)
        with pytest.raises(boltpy.LockTimeoutError):
            snapshot.scrub(path, timeout=0.05)
        assert snapshot.scrub(path, live=True).ok
        growing.commit()
        told: list[int] = []

        def commit_once(done: int, total: int) -> None:
            told.append(done)
            if len(told) == 1:
                growing.commit()

        assert snapshot.scrub(path, live=True, progress=commit_once).ok
        assert len(told) == 2
        with pytest.raises(boltpy.BusyWriterError):
            snapshot.scrub(path, live=True, patience=0.1, progress=lambda *_: growing.commit())


@pytest.mark.parametrize("comes", [True, False])
def test_a_scrub_between_a_commit_and_its_record_waits_for_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, comes: bool
) -> None:
    late: list[Callable[[], None]] = []
    committed = Sealer.committed
    monkeypatch.setattr(Sealer, "committed", lambda *told: late.append(partial(committed, *told)))
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if comes and late:
            late.pop()()

    monkeypatch.setattr("boltpy.snapshot.scrubbing.sleep", wait)
    with open_small(tmp_path / "a.db", seal=True) as db:
        Growing(db).commit()
        found = snapshot.scrub(tmp_path / "a.db", live=True)
    assert found.ok == comes
    assert bool(found.unknown) != comes
    assert len(waits) == 1


class TestWhatIsRefused:
    def test_a_file_without_a_seal(self, tmp_path: Path) -> None:
        open_small(tmp_path / "a.db").close()
        with pytest.raises(boltpy.DatabaseError, match="there is no seal"):
            snapshot.scrub(tmp_path / "a.db")

    def test_the_seal_of_another_database(self, tmp_path: Path) -> None:
        open_small(tmp_path / "a.db", seal=True).close()
        boltpy.open(tmp_path / "b.db", page_size=4096).close()
        os.replace(tmp_path / "b.db", tmp_path / "a.db")
        with pytest.raises(boltpy.DatabaseError, match="pages of 4096 bytes"):
            snapshot.scrub(tmp_path / "a.db")

    def test_an_empty_file(self, tmp_path: Path) -> None:
        open_small(tmp_path / "a.db", seal=True).close()
        os.truncate(tmp_path / "a.db", 0)
        with pytest.raises(boltpy.DatabaseError, match="empty"):
            snapshot.scrub(tmp_path / "a.db")
