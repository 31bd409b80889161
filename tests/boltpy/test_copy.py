"""Copies of a snapshot: write_to a stream and copy_file, while the database is in use."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import stat
from pathlib import Path

import pytest

import boltpy
from tests.boltpy.background import Background, run_all
from tests.boltpy.rawfile import RawFile
from tests.boltpy.sizes import sized
from tests.conftest import OpenDB
from tests.models import BucketModel, assert_holds, bucket_at, read_all


@pytest.fixture
def model() -> BucketModel:
    return BucketModel(
        {
            b"inline": BucketModel({b"foo": b"bar"}, 5),
            b"pages": BucketModel({b"%04d" % i: bytes(100) for i in range(500)}),
            b"overflow": BucketModel({b"large": bytes(50_000)}),
        }
    )


@pytest.fixture
def db(db: boltpy.DB, model: BucketModel) -> boltpy.DB:
    with db.update() as tx:
        for name in model.names():
            bucket = tx.create_bucket(name)
            bucket.put_many(model.nested(name).pairs())
            bucket.sequence = model.nested(name).sequence
    with db.update() as tx:
        bucket_at(tx, b"pages").put(b"0000", bytes(100))
    return db


def assert_is_copy(path: Path, model: BucketModel) -> None:
    with boltpy.open(path) as copy, copy.view() as tx:
        assert_holds(tx, model)
        assert list(tx.check()) == []
    with boltpy.open(path) as copy, copy.update() as tx:
        tx.create_bucket(b"the copy can be written")


def test_a_copied_file_is_a_database_of_its_own(db: boltpy.DB, model: BucketModel, tmp_path: Path) -> None:
    with db.view() as tx:
        tx.copy_file(tmp_path / "copy.db")
        size = tx.size
    assert os.path.getsize(tmp_path / "copy.db") == size
    assert_is_copy(tmp_path / "copy.db", model)
    with db.view() as tx:
        assert_holds(tx, model)


def test_a_copy_gets_the_mode_asked_for(db: boltpy.DB, tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        with db.view() as tx:
            tx.copy_file(tmp_path / "default.db")
            tx.copy_file(tmp_path / "given.db", mode=0o640)
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "default.db").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "given.db").stat().st_mode) == 0o640


def test_a_stream_gets_exactly_the_bytes_of_the_snapshot(db: boltpy.DB, model: BucketModel, tmp_path: Path) -> None:
    stream = io.BytesIO()
    with db.view() as tx:
        assert tx.write_to(stream) == tx.size == len(stream.getvalue())
        txid = tx.id
    (tmp_path / "copy.db").write_bytes(stream.getvalue())
    raw = RawFile(tmp_path / "copy.db")
    one, other = raw.meta(0), raw.meta(1)
    assert (one.txid, other.txid) == (txid, txid - 1)
    assert (one.root, one.freelist, one.high_water_mark) == (other.root, other.freelist, other.high_water_mark)
    assert one.checksum == one.expected_checksum()
    assert other.checksum == other.expected_checksum()
    assert (raw.page(0).id, raw.page(1).id) == (0, 1)
    assert_is_copy(tmp_path / "copy.db", model)


def test_a_copy_from_a_writing_transaction_holds_the_last_commit(
    db: boltpy.DB, model: BucketModel, tmp_path: Path
) -> None:
    with db.update() as tx:
        bucket_at(tx, b"pages").put(b"uncommitted", b"change")
        tx.create_bucket(b"uncommitted")
        tx.copy_file(tmp_path / "copy.db")
        txid = tx.id
    assert RawFile(tmp_path / "copy.db").newest().txid == txid
    assert_is_copy(tmp_path / "copy.db", model)


def test_a_copy_overwrites_an_older_and_longer_file(db: boltpy.DB, model: BucketModel, tmp_path: Path) -> None:
    (tmp_path / "copy.db").write_bytes(b"x" * 10_000_000)
    with db.view() as tx:
        tx.copy_file(tmp_path / "copy.db")
    assert_is_copy(tmp_path / "copy.db", model)


def test_a_copy_onto_the_database_itself_is_refused(db: boltpy.DB, model: BucketModel, tmp_path: Path) -> None:
    os.link(db.path, tmp_path / "link.db")
    with db.view() as tx:
        for target in (db.path, tmp_path / "link.db"):
            with pytest.raises((boltpy.BoltError, OSError, ValueError)):
                tx.copy_file(target)
        assert_holds(tx, model)


def test_a_copy_into_a_missing_folder_is_a_file_not_found_error(db: boltpy.DB, tmp_path: Path) -> None:
    with db.view() as tx:
        with pytest.raises(FileNotFoundError):
            tx.copy_file(tmp_path / "missing" / "copy.db")
        assert tx.bucket(b"inline") is not None


class FailingStream(io.RawIOBase):
    """Takes `room` bytes, then fails."""

    def __init__(self, room: int) -> None:
        self.room = room

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        size = memoryview(data).nbytes  # type: ignore[arg-type]
        if size > self.room:
            raise OSError(28, "stream is full")
        self.room -= size
        return size


@pytest.mark.parametrize("room", [0, 100, 4096, 3 * 4096, 70_000])
def test_the_error_of_a_failing_stream_comes_out(db: boltpy.DB, model: BucketModel, room: int) -> None:
    with db.view() as tx:
        with pytest.raises(OSError, match="stream is full"):
            tx.write_to(FailingStream(room))
        assert_holds(tx, model)


class ShortStream(io.RawIOBase):
    """Takes at most a thousand bytes a call, as raw streams may."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        part = bytes(memoryview(data)[:1000])  # type: ignore[arg-type]
        self.data += part
        return len(part)


def test_a_stream_that_takes_less_than_offered_gets_everything(
    db: boltpy.DB, model: BucketModel, tmp_path: Path
) -> None:
    stream = ShortStream()
    with db.view() as tx:
        assert tx.write_to(stream) == tx.size
    (tmp_path / "copy.db").write_bytes(stream.data)
    assert_is_copy(tmp_path / "copy.db", model)


def test_a_copy_is_synced_with_its_folder(db: boltpy.DB, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: set[int] = set()

    def recording(real: object) -> object:
        def sync(descriptor: int) -> None:
            synced.add(os.fstat(descriptor).st_ino)
            real(descriptor)  # type: ignore[operator]

        return sync

    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, recording(getattr(os, name)))
    folder = tmp_path / "backup"
    folder.mkdir()
    with db.view() as tx:
        tx.copy_file(folder / "copy.db")
    assert {(folder / "copy.db").stat().st_ino, folder.stat().st_ino} <= synced


def test_a_copy_that_fails_leaves_the_target_as_it_was(
    db: boltpy.DB, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "backup"
    folder.mkdir()
    (folder / "copy.db").write_bytes(b"the copy of yesterday")

    def fail(descriptor: int) -> None:
        raise OSError(28, "no space left")

    with db.view() as tx, monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail)
        patched.setattr(os, "fdatasync", fail)
        with pytest.raises(OSError, match="no space left"):
            tx.copy_file(folder / "copy.db")
    assert (folder / "copy.db").read_bytes() == b"the copy of yesterday"
    assert os.listdir(folder) == ["copy.db"]


def test_snapshots_taken_during_commits_are_whole_and_equal(open_db: OpenDB, tmp_path: Path) -> None:
    db = open_db(no_sync=True)
    rounds, copies = sized(c=10, py=6, deep=50), 4
    with db.update() as tx:
        tx.create_bucket(b"data").put_many((b"%03d" % i, b"000") for i in range(300))
    for round_number in range(rounds):
        begun = [db.begin() for _ in range(copies)]

        def copy(tx: boltpy.Tx, name: str) -> BucketModel:
            tx.copy_file(tmp_path / name)
            tx.rollback()
            with boltpy.open(tmp_path / name, read_only=True) as snapshot, snapshot.view() as copied:
                assert list(copied.check()) == []
                return read_all(copied)

        def commit(number: int) -> None:
            for step in range(5):
                with db.update() as tx:
                    bucket_at(tx, b"data").put_many((b"%03d" % i, b"%03d" % (number * 5 + step)) for i in range(300))

        writer = Background(lambda number=round_number: commit(number))  # type: ignore[misc]
        taken = run_all([lambda tx=tx, i=i: copy(tx, f"{i}.db") for i, tx in enumerate(begun)])  # type: ignore[misc]
        writer.result()
        value = b"%03d" % max(0, round_number * 5 - 1)
        expected = BucketModel({b"data": BucketModel({b"%03d" % i: value for i in range(300)})})
        assert taken == [expected] * copies


def test_a_copy_is_right_when_the_path_now_names_another_file(
    db: boltpy.DB, model: BucketModel, tmp_path: Path
) -> None:
    moved = tmp_path / "moved.db"
    with db.view() as tx:
        os.rename(db.path, moved)
        Path(db.path).write_bytes(b"not the database" * 5000)
        tx.copy_file(tmp_path / "copy.db")
    assert_is_copy(tmp_path / "copy.db", model)
    os.replace(moved, db.path)


def test_a_sink_that_does_not_count_gets_everything_and_ends(db: boltpy.DB) -> None:
    digest = hashlib.sha256()

    class Sink:
        def write(self, data: bytes) -> None:
            digest.update(data)

    with db.view() as tx:
        whole = io.BytesIO()
        assert tx.write_to(Sink()) == tx.write_to(whole)  # type: ignore[arg-type]  # it is what people pass
    assert digest.digest() == hashlib.sha256(whole.getvalue()).digest()


@pytest.mark.parametrize("kind", ["pipe", "folder", "database in use"])
def test_a_copy_takes_the_place_of_nothing_but_a_file_that_nobody_writes_to(
    db: boltpy.DB, tmp_path: Path, kind: str
) -> None:
    target = tmp_path / "target"
    with contextlib.ExitStack() as used:
        if kind == "pipe":
            os.mkfifo(target)
        elif kind == "folder":
            target.mkdir()
        else:
            used.enter_context(boltpy.open(target))
        before = target.stat()
        error = boltpy.LockTimeoutError if kind == "database in use" else FileExistsError
        with db.view() as tx, pytest.raises(error, match="target"):
            tx.copy_file(target)
        after = target.stat()
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
    assert not list(tmp_path.glob("*.tmp"))


def test_a_copy_may_take_the_place_of_a_database_that_is_only_read(db: boltpy.DB, tmp_path: Path) -> None:
    target = tmp_path / "target.db"
    boltpy.open(target).close()
    with db.update() as tx:
        tx.create_bucket(b"b")
    with boltpy.open(target, read_only=True) as reader, db.view() as tx:
        tx.copy_file(target)
        with reader.view() as old:
            assert old.bucket(b"b") is None
    with boltpy.open(target) as copy, copy.view() as tx:
        assert tx.bucket(b"b") is not None
