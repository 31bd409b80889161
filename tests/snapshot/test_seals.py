"""Seals that the option `seal` keeps up to date: always of a commit that the file has, whatever cut it short."""

from __future__ import annotations

import logging
import os
import random
import stat
import subprocess
import sys
import tempfile
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

from .states import PAGE_SIZE, Growing, open_small


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


def test_a_seal_that_cannot_be_written_does_not_hurt_the_commit(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with open_small(tmp_path / "a.db", seal=True, logger=logging.getLogger("test")) as db:
        growing = Growing(db)
        growing.commit(2)
        os.unlink(tmp_path / "a.db.seal")
        growing.commit(2)
        with db.view() as tx:
            assert tx.id == 5
    assert "the seal stays at txid 3" in caplog.text
    assert not (tmp_path / "a.db.seal").exists()


def test_a_seal_has_the_permissions_of_its_file_and_follows_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    boltpy.open(tmp_path / "elsewhere" / "a.db", mode=0o640).close()
    os.symlink(tmp_path / "elsewhere" / "a.db", tmp_path / "link.db")
    with boltpy.open(tmp_path / "link.db", seal=True) as db:
        Growing(db).commit()
    assert stat.S_IMODE((tmp_path / "elsewhere" / "a.db.seal").stat().st_mode) == 0o640
    assert snapshot.scrub(tmp_path / "link.db").ok
    assert os.listdir(tmp_path) == ["elsewhere", "link.db"] or sorted(os.listdir(tmp_path)) == ["elsewhere", "link.db"]


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
