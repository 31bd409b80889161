"""Chains of backups: each of their points comes back as it was."""

from __future__ import annotations

import io
import os
import stat
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import boltpy
from boltpy import snapshot
from tests.boltpy.sizes import sized
from tests.models import read_all

from .states import PAGE_SIZE, Chain, Growing, assert_sound, open_small


@given(
    steps=st.lists(st.integers(0, 6), min_size=1, max_size=5),
    seed=st.integers(0, 2**32),
    page_size=st.sampled_from([1024, 4096]),
)
@settings(max_examples=sized(c=40, py=12, deep=1000))
def test_each_point_of_a_chain_comes_back_byte_for_byte(steps: list[int], seed: int, page_size: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        chain = Chain(folder)
        with boltpy.open(folder / "a.db", page_size=page_size, no_sync=True) as db:
            growing = Growing(db, seed)
            for number, step in enumerate(steps):
                growing.commit(step)
                made = chain.add(growing)
                assert made.number == number
        for point in range(len(steps)):
            backups = chain.paths[: point + 1]
            assert [made.number for made in snapshot.verify(backups)] == list(range(point + 1))
            snapshot.restore(backups[::-1], folder / "back.db")
            assert (folder / "back.db").read_bytes() == chain.images[point]
            assert_sound(folder / "back.db", chain.models[point])


def test_a_restored_file_can_be_written_and_backed_up_again(tmp_path: Path) -> None:
    chain = Chain(tmp_path)
    with open_small(tmp_path / "a.db") as db:
        growing = Growing(db)
        for _ in range(3):
            growing.commit(4)
            chain.add(growing)
    snapshot.restore(chain.paths, tmp_path / "back.db")
    with open_small(tmp_path / "back.db") as db:
        growing.db = db
        growing.commit(4)
        made = chain.add(growing)
    assert made.number == 3
    snapshot.restore(chain.paths, tmp_path / "again.db")
    assert_sound(tmp_path / "again.db", growing.model)


def test_either_meta_of_a_restored_file_is_enough(tmp_path: Path) -> None:
    chain = Chain(tmp_path)
    with open_small(tmp_path / "a.db") as db:
        growing = Growing(db)
        growing.commit(5)
        chain.add(growing)
    for slot in (0, 1):
        snapshot.restore(chain.paths, tmp_path / "back.db")
        with (tmp_path / "back.db").open("r+b") as file:
            file.seek(slot * PAGE_SIZE)
            file.write(bytes(PAGE_SIZE))
        assert_sound(tmp_path / "back.db", growing.model)


def test_a_database_whose_freelist_is_not_stored_comes_back(tmp_path: Path) -> None:
    with open_small(tmp_path / "a.db", no_freelist_sync=True) as db:
        growing = Growing(db)
        growing.commit(9)
        with db.view() as tx:
            made = snapshot.backup_file(tx, tmp_path / "full")
            assert made.state_pages == tx.size // PAGE_SIZE - 2 - len(tx._snapshot.free_pages())
    snapshot.restore([tmp_path / "full"], tmp_path / "back.db")
    assert_sound(tmp_path / "back.db", growing.model)


def test_free_pages_are_left_out_and_take_no_room(tmp_path: Path) -> None:
    with open_small(tmp_path / "a.db") as db:
        with db.update() as tx:
            tx.create_bucket(b"b").put_many({b"%06d" % i: bytes(100) for i in range(20_000)})
        with db.update() as tx:
            tx.delete_bucket(b"b")
        with db.view() as tx:
            size = tx.size
            made = snapshot.backup_file(tx, tmp_path / "full")
    # The freelist itself is what is left, and the index has 8 bytes for each page.
    assert made.state_pages < size // PAGE_SIZE / 50
    assert made.size < size / 20
    snapshot.restore([tmp_path / "full"], tmp_path / "back.db")
    found = (tmp_path / "back.db").stat()
    assert found.st_size == size
    assert found.st_blocks * 512 < size / 5


def test_an_incremental_backup_has_only_the_pages_that_changed(tmp_path: Path) -> None:
    chain = Chain(tmp_path)
    with open_small(tmp_path / "a.db") as db:
        growing = Growing(db)
        with db.update() as tx:
            tx.create_bucket(b"large").put_many({b"%06d" % i: bytes(100) for i in range(10_000)})
        full = chain.add(growing)
        nothing = chain.add(growing)
        with db.update() as tx:
            bucket = tx.bucket(b"large")
            assert bucket is not None
            bucket.put(b"005000", b"changed")
        one = chain.add(growing)
    assert (full.page_count, nothing.page_count) == (full.state_pages, 0)
    assert 0 < one.page_count < 12
    assert one.size < full.size / 50
    for point, expected in enumerate(chain.images):
        snapshot.restore(chain.paths[: point + 1], tmp_path / "back.db")
        assert (tmp_path / "back.db").read_bytes() == expected


def test_a_page_id_that_was_used_again_is_not_taken_for_unchanged(tmp_path: Path) -> None:
    chain = Chain(tmp_path)
    with open_small(tmp_path / "a.db") as db:
        growing = Growing(db)
        for round_ in range(8):  # the pages of one small tree take turns
            with db.update() as tx:
                tx.create_bucket_if_not_exists(b"b").put(b"key", b"%d" % round_ * 100)
            chain.add(growing)
    for point, expected in enumerate(chain.images):
        snapshot.restore(chain.paths[: point + 1], tmp_path / "back.db")
        assert (tmp_path / "back.db").read_bytes() == expected


def test_a_backup_taken_while_a_writer_commits_is_one_state(tmp_path: Path) -> None:
    with open_small(tmp_path / "a.db") as db:
        growing = Growing(db)
        growing.commit(20)
        done = threading.Event()

        def write() -> None:
            while not done.is_set():
                growing.commit()

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for number in range(sized(c=30, py=6, deep=300)):
                since = tmp_path / str(number - 1) if number % 3 else None
                with db.view() as tx:
                    expected = read_all(tx)
                    made = snapshot.backup_file(tx, tmp_path / str(number), since=since)
                    assert made.txid == tx.id
                chain = [tmp_path / str(i) for i in range(number - number % 3, number + 1)]
                snapshot.restore(chain, tmp_path / "back.db")
                assert_sound(tmp_path / "back.db", expected)
        finally:
            done.set()
            writer.join()


def test_a_backup_goes_through_a_pipe_and_comes_back_through_one(tmp_path: Path) -> None:
    with open_small(tmp_path / "a.db") as db:
        growing = Growing(db)
        growing.commit(10)
        reading, writing = os.pipe()

        def send() -> None:
            with open(writing, "wb", buffering=0) as file, db.view() as tx:
                snapshot.backup(tx, file)

        sender = threading.Thread(target=send)
        sender.start()
        with open(reading, "rb", buffering=0) as file:
            snapshot.restore([file], tmp_path / "back.db")
        sender.join()
    assert_sound(tmp_path / "back.db", growing.model)


def test_a_restored_file_has_the_mode_of_the_one_that_was_backed_up(tmp_path: Path) -> None:
    with boltpy.open(tmp_path / "a.db", mode=0o640) as db:
        os.chmod(tmp_path / "a.db", 0o604)
        with db.view() as tx:
            snapshot.backup_file(tx, tmp_path / "full")
    old = os.umask(0o077)
    try:
        snapshot.restore([tmp_path / "full"], tmp_path / "back.db")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "full").stat().st_mode) & ~0o604 == 0
    assert stat.S_IMODE((tmp_path / "back.db").stat().st_mode) == 0o604


def test_progress_is_told_up_to_the_end(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    with open_small(tmp_path / "a.db") as db:
        with db.update() as tx:
            tx.create_bucket(b"b").put_many({b"%06d" % i: bytes(100) for i in range(30_000)})
        with db.view() as tx:
            made = snapshot.backup(tx, io.BytesIO(), progress=lambda *how_far: told.append(how_far))
    assert len(told) > 2
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    assert told[-1] == (made.state_pages, made.state_pages)


class TestWhatIsRefused:
    def test_an_earlier_backup_of_another_database(self, tmp_path: Path) -> None:
        with open_small(tmp_path / "a.db") as db, db.view() as tx:
            snapshot.backup_file(tx, tmp_path / "small")
        with (
            boltpy.open(tmp_path / "b.db", page_size=4096) as db,
            db.view() as tx,
            pytest.raises(boltpy.DatabaseError, match="another database"),
        ):
            snapshot.backup(tx, io.BytesIO(), since=tmp_path / "small")

    def test_an_earlier_backup_that_is_later(self, tmp_path: Path) -> None:
        with open_small(tmp_path / "a.db") as db:
            growing = Growing(db)
            with db.view() as old:
                growing.commit(2)
                with db.view() as tx:
                    snapshot.backup_file(tx, tmp_path / "later")
                with pytest.raises(boltpy.DatabaseError, match="earlier"):
                    snapshot.backup(old, io.BytesIO(), since=tmp_path / "later")

    def test_a_chain_without_its_beginning_or_its_middle(self, tmp_path: Path) -> None:
        chain = Chain(tmp_path)
        with open_small(tmp_path / "a.db") as db:
            growing = Growing(db)
            for _ in range(3):
                growing.commit(2)
                chain.add(growing)
        for backups in ([chain.paths[1]], [chain.paths[0], chain.paths[2]], [chain.paths[0], chain.paths[0]]):
            with pytest.raises(boltpy.BackupError, match="number"):
                snapshot.restore(backups, tmp_path / "back.db")
        assert not (tmp_path / "back.db").exists()

    def test_a_backup_twice_and_two_branches_are_told_apart(self, tmp_path: Path) -> None:
        chain = Chain(tmp_path)
        with open_small(tmp_path / "a.db") as db:
            growing = Growing(db)
            for _ in range(2):
                growing.commit(2)
                chain.add(growing)
            with db.view() as tx:
                snapshot.backup_file(tx, tmp_path / "right", since=chain.paths[0])
        with pytest.raises(boltpy.BackupError, match="is number 1 of its chain, .*: the same backup twice"):
            snapshot.verify([*chain.paths, chain.paths[1]])
        with pytest.raises(boltpy.BackupError, match="is number 1 of its chain, .*: they are of two branches"):
            snapshot.verify([*chain.paths, tmp_path / "right"])

    def test_a_backup_that_builds_on_another_branch(self, tmp_path: Path) -> None:
        left = Chain(tmp_path)
        with open_small(tmp_path / "a.db") as db:
            growing = Growing(db)
            growing.commit(2)
            left.add(growing)
            growing.commit(2)
            left.add(growing)
            growing.commit(1)
            with db.view() as tx:
                snapshot.backup_file(tx, tmp_path / "right", since=left.paths[0])
            growing.commit(1)
            left.add(growing)
        backups = [left.paths[0], tmp_path / "right", left.paths[2]]
        for work in (snapshot.verify, lambda sources: snapshot.restore(sources, tmp_path / "back.db")):
            with pytest.raises(boltpy.BackupError, match="does not build on") as caught:
                work(backups)
            assert caught.value.path == str(left.paths[2])

    def test_the_database_and_the_backups_as_targets(self, tmp_path: Path) -> None:
        with open_small(tmp_path / "a.db") as db, db.view() as tx:
            snapshot.backup_file(tx, tmp_path / "full")
            for target in ("a.db", "full"):
                with pytest.raises(boltpy.DatabaseError, match="onto"):
                    snapshot.backup_file(tx, tmp_path / target, since=tmp_path / "full")
            with pytest.raises(boltpy.LockTimeoutError):
                snapshot.restore([tmp_path / "full"], tmp_path / "a.db")
        with pytest.raises(boltpy.DatabaseError, match="onto"):
            snapshot.restore([tmp_path / "full"], tmp_path / "full")

    def test_no_backup_at_all(self, tmp_path: Path) -> None:
        for work in (snapshot.verify, lambda sources: snapshot.restore(sources, tmp_path / "back.db")):
            with pytest.raises(ValueError, match="no backup"):
                work([])

    def test_a_transaction_that_has_ended(self, tmp_path: Path) -> None:
        with open_small(tmp_path / "a.db") as db:
            tx = db.begin()
            tx.rollback()
            with pytest.raises(boltpy.TxClosedError):
                snapshot.backup(tx, io.BytesIO())
            with pytest.raises(boltpy.TxClosedError):
                snapshot.backup_file(tx, tmp_path / "full")
