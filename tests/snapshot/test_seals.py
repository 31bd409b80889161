"""Seals that the option `seal` keeps up to date: always of a commit that the file has, whatever cut it short."""

from __future__ import annotations

import logging
import os
import random
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import boltpy
from boltpy import snapshot
from boltpy.snapshot.sealing import _sealed
from boltpy.snapshot.seals import read_seal
from tests.boltpy.sizes import sized
from tests.crash.disk import KilledError, recording

from .states import PAGE_SIZE, Growing, flip, open_small


def assert_up_to_date(db: boltpy.DB) -> None:
    """The seal is what sealing the last commit anew would give."""
    kept = read_seal(db.path)
    with db.view() as tx:
        anew = _sealed(tx._snapshot)
    assert (kept.meta, kept.prints, kept.damage) == (anew.meta, anew.prints, "")


def assert_never_wrong(path: Path) -> None:
    """A scrub of a file that nothing has damaged may know too little, but finds no change."""
    try:
        found = snapshot.scrub(path)
    except boltpy.DatabaseError as error:
        assert "seal" in str(error)  # noqa: PT017  that there is none, or that it is damaged, is a good answer
        return
    assert found.changed == []
    assert found.ok or found.notes


STEPS = st.lists(
    st.sampled_from(["commit", "empty", "large", "reader", "rollback", "reopen", "elsewhere"]), max_size=12
)


@given(
    steps=STEPS,
    seed=st.integers(0, 2**32),
    options=st.sampled_from([{}, {"no_freelist_sync": True}, {"freelist_type": "hashmap"}]),
)
@settings(max_examples=sized(c=60, py=15, deep=1500))
def test_the_seal_is_that_of_the_last_commit(steps: list[str], seed: int, options: dict[str, bool]) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "a.db"
        growing = Growing(open_small(path, seal=True, **options), seed)
        reader = growing.db.begin()
        for step in steps:
            if step == "reader":
                reader.rollback()
                reader = growing.db.begin()
            elif step == "large":
                with growing.db.update() as tx:
                    tx.create_bucket_if_not_exists(b"large").put(b"key", bytes(seed % 100_000))
            elif step == "rollback":
                tx = growing.db.begin(writable=True)
                tx.create_bucket_if_not_exists(b"not there")
                tx.rollback()
            elif step == "empty":
                growing.db.begin(writable=True).commit()
            elif step == "commit":
                growing.commit()
            else:
                reader.rollback()
                growing.db.close()
                assert snapshot.scrub(path).ok
                if step == "elsewhere":
                    with open_small(path) as growing.db:
                        growing.commit(2)
                    assert not snapshot.scrub(path).ok
                growing.db = open_small(path, seal=True, **options)
                reader = growing.db.begin()
            assert_up_to_date(growing.db)
        reader.rollback()
        growing.db.close()
        assert snapshot.scrub(path).ok


def test_the_seal_is_written_anew_before_it_grows_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("boltpy.snapshot.sealing._SMALLEST_ROOM", 20_000)
    sizes = []
    with open_small(tmp_path / "a.db", seal=True) as db:
        growing = Growing(db)
        for _ in range(120):
            growing.commit()
            assert_up_to_date(db)
            sizes.append((tmp_path / "a.db.seal").stat().st_size)
    assert any(after < before for before, after in zip(sizes, sizes[1:], strict=False))
    assert max(sizes) < 60_000


def test_a_seal_that_is_up_to_date_is_not_made_anew_at_opening(tmp_path: Path) -> None:
    with open_small(tmp_path / "a.db", seal=True) as db:
        Growing(db).commit(3)
    before = os.stat(tmp_path / "a.db.seal")
    open_small(tmp_path / "a.db", seal=True).close()
    assert os.stat(tmp_path / "a.db.seal") == before


def test_a_failed_commit_is_not_in_the_seal(tmp_path: Path) -> None:
    with boltpy.open(tmp_path / "a.db", page_size=PAGE_SIZE, max_size=200_000, seal=True) as db:
        growing = Growing(db)
        growing.commit(3)
        with pytest.raises(boltpy.MaxSizeReachedError), db.update() as tx:
            tx.create_bucket_if_not_exists(b"large").put(b"key", bytes(300_000))
        assert_up_to_date(db)
        growing.commit(3)
        assert_up_to_date(db)


def test_a_kill_at_any_call_of_a_commit_leaves_a_seal_that_is_never_wrong(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    kills, number, stale = 0, 0, 0
    killed = True
    while killed:
        for name in os.listdir(tmp_path):
            os.unlink(tmp_path / name)
        with open_small(path, seal=True) as db:
            Growing(db).commit(3)
        killed = False
        with recording(path) as journal:
            db = boltpy.open(path, seal=True)
            journal.kill_at = number
            try:
                Growing(db, seed=1).commit(2)
            except KilledError:
                killed = True
            journal.kill_at = None
            db._in_doubt = False
            db.close()
        found = snapshot.scrub(path)
        assert found.changed == []
        assert found.sealed_txid <= (found.file_txid or 0)
        stale += not found.ok
        kills += killed
        number += 1
    assert kills > 8
    assert stale < kills / 2


def test_a_cut_or_changed_seal_is_never_believed(tmp_path: Path) -> None:
    path, seal = tmp_path / "a.db", tmp_path / "a.db.seal"
    with open_small(path, seal=True) as db:
        Growing(db).commit(6)
    whole = seal.read_bytes()
    rng = random.Random(3)
    damages = [whole[:cut] for cut in sorted(rng.sample(range(len(whole)), sized(c=200, py=60, deep=5000)))]
    for place in rng.sample(range(len(whole)), sized(c=400, py=100, deep=20_000)):
        changed = bytearray(whole)
        changed[place] ^= 1 << rng.randrange(8)
        damages.append(bytes(changed))
    for damaged in damages:
        seal.write_bytes(damaged)
        assert_never_wrong(path)
    with open_small(path, seal=True) as db:
        assert_up_to_date(db)


def take_away(seal: Path) -> None:
    os.unlink(seal)


def put_a_pipe_there(seal: Path) -> None:
    os.unlink(seal)
    os.mkfifo(seal)


def link_to_a_full_disk(seal: Path) -> None:
    os.unlink(seal)
    os.symlink("/dev/full", seal)


def put_another_there(seal: Path) -> None:
    seal.rename(seal.with_name("before"))
    shutil.copy(seal.with_name("before"), seal)


def write_to_it(seal: Path) -> None:
    with open(seal, "ab") as file:
        file.write(b"more")


def move_the_database(seal: Path) -> None:
    seal.with_name("a.db").rename(seal.with_name("b.db"))


@pytest.mark.parametrize(
    "harm",
    [take_away, put_a_pipe_there, link_to_a_full_disk, put_another_there, write_to_it, move_the_database],
)
def test_a_seal_that_cannot_be_written_does_not_hurt_the_commit_and_others_seals_stay_as_they_are(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, harm: Callable[[Path], None]
) -> None:
    seal = tmp_path / "a.db.seal"
    with open_small(tmp_path / "a.db", seal=True, logger=logging.getLogger("test")) as db:
        growing = Growing(db)
        growing.commit(2)
        assert db.sealed_txid == 3
        harm(seal)
        left = seal.read_bytes() if seal.is_file() else None
        growing.commit(2)
        with db.view() as tx:
            assert tx.id == 5
        assert db.sealed_txid == 3
    assert "the seal stays at txid 3" in caplog.text
    assert (seal.read_bytes() if seal.is_file() else None) == left


def test_what_was_sealed_once_is_not_read_again_and_taken_for_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("boltpy.snapshot.sealing._SMALLEST_ROOM", 2_000)
    path = tmp_path / "a.db"
    with open_small(path, seal=True) as db:
        with db.update() as tx:
            tx.create_bucket(b"cold").put_many({b"%04d" % i: bytes(20) for i in range(1000)})
            tx.create_bucket(b"hot")
        place = path.read_bytes().index(b"0500")
        sizes = []
        flip(path, place, 0)
        for i in range(60):
            with db.update() as tx:
                bucket = tx.bucket(b"hot")
                assert bucket is not None
                bucket.put(b"key", b"%d" % i)
            sizes.append(os.path.getsize(f"{path}.seal"))
        assert sizes != sorted(sizes)  # it was written anew
    assert snapshot.scrub(path).changed == [place // PAGE_SIZE]


def test_a_seal_of_a_file_that_took_the_place_of_another_is_its_own(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with open_small(path, seal=True) as old:
        Growing(old).commit(2)
        path.rename(tmp_path / "old.db")
        with open_small(path, seal=True) as new:
            there, here = Growing(old, seed=1), Growing(new, seed=2)
            for _ in range(4):
                there.commit()
                here.commit()
            assert_up_to_date(new)
        assert snapshot.scrub(path).ok


def test_a_record_of_another_seal_is_not_believed(tmp_path: Path) -> None:
    """Both have a record at the same place, with the txid that is due there."""
    seals, sizes = [], []
    for name in ("a.db", "b.db"):
        with open_small(tmp_path / name, seal=True) as db:
            with db.update() as tx:
                tx.create_bucket(b"b").put(b"name", name.encode())
            sizes.append(os.path.getsize(tmp_path / f"{name}.seal"))
            with db.update() as tx:
                bucket = tx.bucket(b"b")
                assert bucket is not None
                bucket.put(b"more", name.encode())
        seals.append((tmp_path / f"{name}.seal").read_bytes())
    assert sizes[0] == sizes[1]
    assert len(seals[0]) == len(seals[1])
    (tmp_path / "a.db.seal").write_bytes(seals[0][: sizes[0]] + seals[1][sizes[0] :])
    read = read_seal(tmp_path / "a.db")
    assert (read.meta.txid, read.size) == (2, sizes[0])
    assert read.damage
    assert snapshot.scrub(tmp_path / "a.db").changed == []


def test_the_seal_is_kept_when_the_program_goes_to_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.db").write_bytes(b"somebody else's")
    monkeypatch.chdir(tmp_path)
    with open_small(Path("a.db"), seal=True) as db, open_small(Path("b.db")) as unsealed:
        monkeypatch.chdir("elsewhere")
        Growing(db).commit(2)
        assert db.sealed_txid == 3
        with unsealed.view() as tx, pytest.raises(boltpy.DatabaseError, match=r"b\.db is not, or no longer"):
            snapshot.seal(tx)
    assert snapshot.scrub(tmp_path / "a.db").ok
    assert os.listdir() == ["a.db"]


def test_who_keeps_a_seal_lets_nobody_else_make_one(tmp_path: Path) -> None:
    with open_small(tmp_path / "a.db", seal=True) as db:
        with db.view() as tx, pytest.raises(boltpy.DatabaseError, match="keeps its seal itself"):
            snapshot.seal(tx)
        Growing(db).commit(2)
        assert_up_to_date(db)


def test_a_file_that_is_at_no_path_gets_no_seal(tmp_path: Path) -> None:
    def opener(path: str, flags: int, mode: int) -> int:
        return os.open(tmp_path / "hidden", flags, mode)

    with pytest.raises(boltpy.DatabaseError, match="its seal has no place"):
        boltpy.open(tmp_path / "a.db", seal=True, opener=opener)
    assert os.listdir(tmp_path) == ["hidden"]


def test_a_seal_has_the_permissions_of_its_file_and_follows_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    boltpy.open(tmp_path / "elsewhere" / "a.db", mode=0o640).close()
    os.symlink(tmp_path / "elsewhere" / "a.db", tmp_path / "link.db")
    with boltpy.open(tmp_path / "link.db", seal=True) as db:
        Growing(db).commit()
    assert stat.S_IMODE((tmp_path / "elsewhere" / "a.db.seal").stat().st_mode) == 0o640
    assert snapshot.scrub(tmp_path / "link.db").ok
    assert sorted(os.listdir(tmp_path)) == ["elsewhere", "link.db"]


def test_a_read_only_db_keeps_no_seal(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="seal"):
        boltpy.open(tmp_path / "a.db", read_only=True, seal=True)


def test_a_write_transaction_cannot_be_sealed(tmp_path: Path) -> None:
    with open_small(tmp_path / "a.db") as db, db.update() as tx, pytest.raises(boltpy.DatabaseError, match="read tr"):
        snapshot.seal(tx)


def test_who_asks_for_no_seal_does_not_load_the_checksums(tmp_path: Path) -> None:
    program = (
        "import sys, boltpy\n"
        "with boltpy.open(sys.argv[1]) as db, db.update() as tx: tx.create_bucket(b'b')\n"
        "assert 'crc32c' not in sys.modules\n"
        "boltpy.open(sys.argv[1], seal=True).close()\n"
        "assert 'crc32c' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program, tmp_path / "a.db"], check=True, timeout=60)
