"""Copies without the lock, with the writer played by the test: what counts is what happens between two reads."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

import boltpy
from boltpy.live import copy_live
from tests.crash.disk import Write, recording

from .states import PAGE_SIZE, Growing, assert_sound, image, open_small


def test_the_copy_of_an_idle_file_is_its_last_commit(tmp_path: Path) -> None:
    with open_small(tmp_path / "a.db") as db:
        growing = Growing(db)
        growing.commit(9)
        assert copy_live(tmp_path / "a.db", tmp_path / "copy.db") == 10
        with db.view() as tx:
            expected = image(tx)
            free = {i for i in range(2, tx.size // PAGE_SIZE) if (page := tx.page(i)) and page.type == "free"}
        found = (tmp_path / "copy.db").read_bytes()
        assert len(found) == len(expected)
        for pgid in set(range(len(found) // PAGE_SIZE)) - free:
            place = slice(pgid * PAGE_SIZE, (pgid + 1) * PAGE_SIZE)
            assert found[place] == expected[place]
    assert_sound(tmp_path / "copy.db", growing.model)


def test_a_copy_that_a_commit_interrupts_is_begun_anew(tmp_path: Path) -> None:
    with open_small(tmp_path / "a.db") as db:
        growing = Growing(db)
        with db.update() as tx:
            tx.create_bucket(b"large").put_many({b"%06d" % i: bytes(100) for i in range(30_000)})
        left = [3, 2]
        starts = []

        def meanwhile(done: int, total: int) -> None:
            starts.append(done)
            if left and done > 1 << 20:
                growing.commit(left.pop())

        txid = copy_live(tmp_path / "a.db", tmp_path / "copy.db", progress=meanwhile)
        with db.view() as tx:
            assert tx.id == txid
        assert starts.count(starts[0]) == 3


def test_at_any_moment_of_a_commit_a_copy_is_the_state_before_or_behind_it(tmp_path: Path) -> None:
    """The file is taken after each write of several commits, and a copy of it as it stands then must be sound."""
    path = tmp_path / "a.db"
    open_small(path).close()
    with recording(path) as journal, boltpy.open(path) as db:
        growing = Growing(db)
        states = {1: growing.model.copy()}
        then = bytearray(path.read_bytes())
        for _ in range(12):
            growing.commit()
            with db.view() as tx:
                states[tx.id] = growing.model.copy()
    copies = 0
    for event in journal.events:
        if isinstance(event, Write):
            then.extend(bytes(max(event.offset + len(event.data) - len(then), 0)))
            for part in (len(event.data) // 2, len(event.data)):  # torn, then whole
                then[event.offset : event.offset + part] = event.data[:part]
                (tmp_path / "then.db").write_bytes(then)
                txid = copy_live(tmp_path / "then.db", tmp_path / "copy.db")
                assert_sound(tmp_path / "copy.db", states[txid])
                copies += 1
    assert copies > 50


def test_the_mode_is_kept(tmp_path: Path) -> None:
    boltpy.open(tmp_path / "a.db").close()
    os.chmod(tmp_path / "a.db", 0o640)
    copy_live(tmp_path / "a.db", tmp_path / "copy.db")
    assert stat.S_IMODE((tmp_path / "copy.db").stat().st_mode) == 0o640


class TestWhatIsRefused:
    def test_the_file_itself(self, tmp_path: Path) -> None:
        boltpy.open(tmp_path / "a.db").close()
        before = (tmp_path / "a.db").read_bytes()
        os.symlink(tmp_path / "a.db", tmp_path / "link")
        with pytest.raises(boltpy.DatabaseError, match="onto itself"):
            copy_live(tmp_path / "a.db", tmp_path / "link")
        assert (tmp_path / "a.db").read_bytes() == before

    @pytest.mark.parametrize("data", [b"", b"x" * 100, bytes(8192)])
    def test_what_is_no_database(self, tmp_path: Path, data: bytes) -> None:
        (tmp_path / "a.db").write_bytes(data)
        with pytest.raises(boltpy.DatabaseError, match="no valid meta"):
            copy_live(tmp_path / "a.db", tmp_path / "copy.db")
        assert os.listdir(tmp_path) == ["a.db"]

    def test_a_file_that_is_cut_short(self, tmp_path: Path) -> None:
        with open_small(tmp_path / "a.db") as db:
            Growing(db).commit(5)
            with db.view() as tx:
                size = tx.size
        os.truncate(tmp_path / "a.db", size - 1)
        with pytest.raises(boltpy.CorruptError, match="ends at byte"):
            copy_live(tmp_path / "a.db", tmp_path / "copy.db")
        assert os.listdir(tmp_path) == ["a.db"]

    def test_a_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            copy_live(tmp_path / "a.db", tmp_path / "copy.db")

    def test_a_page_that_breaks_the_format(self, tmp_path: Path) -> None:
        with open_small(tmp_path / "a.db") as db:
            Growing(db).commit(5)
            with db.view() as tx:
                root = tx._snapshot.meta.root
        with (tmp_path / "a.db").open("r+b") as file:
            file.seek(root * PAGE_SIZE)
            file.write(b"\xff" * 16)
        with pytest.raises(boltpy.CorruptError):
            copy_live(tmp_path / "a.db", tmp_path / "copy.db")
        assert os.listdir(tmp_path) == ["a.db"]
