"""Who can read what: the modes of files and of temporary ones, links, and what reprs, errors and logs tell."""

from __future__ import annotations

import logging
import os
import signal
import stat
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import boltpy
from boltpy.compact_file import compact_file
from tests.conftest import OpenDB
from tests.models import bucket_at

SECRET = "hunter2-plaintext"


@pytest.fixture
def no_umask() -> Iterator[None]:
    """Nothing but the program itself keeps others out."""
    old = os.umask(0)
    yield
    os.umask(old)


@pytest.fixture
def created(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """The mode that each file had right after it was opened."""
    modes: dict[str, int] = {}
    real = os.open

    def opened(path: str, flags: int, mode: int = 0o777, **more: Any) -> int:
        descriptor = real(path, flags, mode, **more)
        if flags & os.O_CREAT:
            modes[os.fsdecode(path)] = stat.S_IMODE(os.fstat(descriptor).st_mode)
        return descriptor

    monkeypatch.setattr(os, "open", opened)
    return modes


@pytest.mark.usefixtures("no_umask")
def test_no_file_can_be_read_by_others_at_any_time(tmp_path: Path, created: dict[str, int]) -> None:
    with boltpy.open(tmp_path / "a.db") as db:
        with db.update() as tx:
            tx.create_bucket(b"b").put(b"k", SECRET.encode())
        with db.view() as tx:
            tx.copy_file(tmp_path / "copy.db")
    compact_file(str(tmp_path / "a.db"), str(tmp_path / "dense.db"), timeout=1)
    assert len(created) == 3  # the database, and the copies under the names that they have until they are whole
    assert set(created.values()) == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


@pytest.mark.usefixtures("no_umask")
def test_a_copy_is_as_private_as_it_is_asked_to_be_whatever_was_there(tmp_path: Path, created: dict[str, int]) -> None:
    old = tmp_path / "copy.db"
    old.touch(0o666)
    created.clear()
    with boltpy.open(tmp_path / "a.db", mode=0o640) as db, db.view() as tx:
        tx.copy_file(old)
    assert stat.S_IMODE(old.stat().st_mode) == 0o600
    compact_file(str(tmp_path / "a.db"), str(tmp_path / "dense.db"), timeout=1)
    assert stat.S_IMODE((tmp_path / "dense.db").stat().st_mode) == 0o640  # the source's
    assert sorted(created.values()) == [0o600, 0o640, 0o640]


def test_an_existing_file_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    boltpy.open(path, mode=0o640).close()
    with boltpy.open(path, mode=0o666) as db, db.update() as tx:
        tx.create_bucket(b"b")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_link_is_followed_as_bbolt_follows_it(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    link, target = tmp_path / "link.db", tmp_path / "elsewhere" / "a.db"
    link.symlink_to(target)
    with boltpy.open(link) as db, db.update() as tx:  # to a file that is not there yet
        tx.create_bucket(b"b")
    assert link.is_symlink()
    assert target.is_file()
    with boltpy.open(target) as db, pytest.raises(boltpy.LockTimeoutError):  # one file, one lock
        boltpy.open(link, timeout=0.02)
    with boltpy.open(link, read_only=True) as db, db.view() as tx:
        with pytest.raises(boltpy.DatabaseError, match="onto itself"):
            tx.copy_file(target)
        tx.copy_file(tmp_path / "copy.db")
    loop = tmp_path / "loop.db"
    loop.symlink_to(loop)
    with pytest.raises(OSError, match="symbolic links"):
        boltpy.open(loop)


def test_a_copy_never_writes_through_a_link_that_somebody_put_beside_its_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim, copy = tmp_path / "victim", tmp_path / "copy.db"
    victim.touch()
    monkeypatch.setattr("boltpy.storage.time.monotonic_ns", lambda: 7)
    Path(f"{copy}.{os.getpid()}.7.tmp").symlink_to(victim)
    with boltpy.open(tmp_path / "a.db") as db, db.view() as tx, pytest.raises(FileExistsError):
        tx.copy_file(copy)
    assert victim.read_bytes() == b""
    assert not copy.exists()


def test_no_value_is_told_by_a_repr_an_error_or_a_log(
    open_db: OpenDB, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    db = open_db("a.db", logger=logging.getLogger("private"))
    secret: Any = SECRET.encode()
    with db.update() as tx:
        bucket = tx.create_bucket(b"b")
        bucket.put(b"k", secret)
        bucket.create_bucket(b"nested").put(b"k", secret)
    tx = db.begin(writable=True)
    bucket = bucket_at(tx, b"b")
    bucket.put(b"more", secret)
    cursor = bucket.cursor()
    assert cursor.seek(b"k") == (b"k", secret)
    said = [repr(thing) for thing in (db, tx, bucket, cursor, bucket.items(), bucket.values(), tx.inspect())]
    said += [repr(db.stats()), repr(bucket.stats()), repr(tx.page(3)), repr(db.options)]
    fails: list[Callable[[], object]] = [
        lambda: bucket.put(b"nested", secret),
        lambda: bucket.put(b"", secret),
        lambda: bucket.put(b"k" * 40_000, secret),
        lambda: bucket.put(b"k", SECRET),
        lambda: bucket.put_many({b"k": SECRET}),
        lambda: bucket.put_many([(b"k", secret, secret)]),
        lambda: bucket.put(b"k", [SECRET]),
        lambda: bucket.create_bucket(b"k"),
        lambda: bucket.put_many({b"nested": secret}),
    ]
    for fail in fails:
        with pytest.raises((boltpy.BoltError, TypeError, ValueError)) as caught:
            fail()
        # The lines of source that a whole traceback shows are this test's own.
        said += [*traceback.format_exception_only(caught.value), repr(vars(caught.value))]
    monkeypatch.setattr(os, "pwrite", lambda *_: 1 / 0)
    with suppress(ZeroDivisionError):
        tx.commit()
    monkeypatch.undo()
    said += [record.getMessage() for record in caplog.records]
    assert len(said) > 25
    assert SECRET not in "\n".join(said)


CUT_SHORT = """
import os, sys, boltpy
db = boltpy.open(sys.argv[1])
tx = db.begin()
os.truncate(sys.argv[1], 4096)
try:
    db.begin()
except boltpy.CorruptError as error:
    print(error, flush=True)
tx.bucket(b"b").get(b"9")
print("read", flush=True)
"""


def test_a_file_that_is_cut_short_while_it_is_open_is_noticed_by_the_next_transaction(open_db: OpenDB) -> None:
    """The one that is open is beyond help: the system ends a process that reads what is not there."""
    db = open_db("a.db")
    with db.update() as tx:
        tx.create_bucket(b"b").put_many((b"%d" % i, bytes(3000)) for i in range(10))
    db.close()
    whole = Path(db.path).read_bytes()
    child = subprocess.run(
        [sys.executable, "-c", CUT_SHORT, db.path],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert child.stdout.splitlines() == [f"{db.path} was cut short while it was open"]
    assert child.returncode == -signal.SIGBUS
    Path(db.path).write_bytes(whole)
