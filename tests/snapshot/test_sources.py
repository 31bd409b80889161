"""What a caller names as backups: paths, streams and pipes in any order, and what is none of these."""

from __future__ import annotations

import errno
import io
import os
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import boltpy
from boltpy import snapshot

from .states import Chain, Growing, assert_sound, open_small

Work = Callable[..., Any]


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    """A chain of a full backup and four incremental ones."""
    made = Chain(tmp_path)
    with open_small(tmp_path / "a.db") as db:
        growing = Growing(db)
        for _ in range(5):
            growing.commit(2)
            made.add(growing)
    return made


@pytest.fixture(params=["verify", "restore"])
def work(request: pytest.FixtureRequest, tmp_path: Path) -> Work:
    """`verify` or `restore`, which take the same sources."""
    target = tmp_path / "back.db"
    works: dict[str, Work] = {
        "verify": snapshot.verify,
        "restore": lambda sources, **options: snapshot.restore(sources, target, **options),
    }
    return works[request.param]


def test_one_backup_is_open_at_a_time(chain: Chain, work: Work, tmp_path: Path) -> None:
    open_files: list[int] = []
    for paths in (chain.paths[:1], chain.paths):
        (tmp_path / "back.db").unlink(missing_ok=True)  # a target that is there is open, too
        work(paths, progress=lambda *_: open_files.append(len(os.listdir("/dev/fd"))))
    assert len(open_files) > len(chain.paths)
    assert len(set(open_files)) == 1


def test_a_long_chain_takes_no_more_memory_than_a_short_one(tmp_path: Path, work: Work) -> None:
    made = Chain(tmp_path)
    with open_small(tmp_path / "a.db") as db:
        growing = Growing(db)
        with db.update() as tx:
            tx.create_bucket(b"large").put_many({b"%06d" % i: bytes(700) for i in range(20_000)})
        with db.update() as tx:
            tx.delete_bucket(b"large")
        for _ in range(24):
            growing.commit()
            made.add(growing)

    def peak(paths: list[Path]) -> int:
        tracemalloc.start()
        work(paths)
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return highest

    one_index = 8 * 20_000
    assert peak(made.paths) < peak(made.paths[:4]) + 2 * one_index


def test_a_backup_that_takes_the_place_of_another_meanwhile_is_found(chain: Chain, tmp_path: Path, work: Work) -> None:
    with boltpy.open(tmp_path / "a.db") as db, db.view() as tx:
        snapshot.backup_file(tx, tmp_path / "branch", since=chain.paths[1])
    seen: list[int] = []

    def meanwhile(*_: int) -> None:
        if not seen:
            os.replace(tmp_path / "branch", chain.paths[2])
        seen.append(0)

    with pytest.raises(boltpy.BackupError, match="another backup took its place") as caught:
        work(chain.paths, progress=meanwhile)
    assert caught.value.path == str(chain.paths[2])


def test_pipes_with_names_are_read_in_any_order(chain: Chain, tmp_path: Path, work: Work) -> None:
    pipes = [tmp_path / f"pipe {i}" for i in range(3)]
    for pipe in pipes:
        os.mkfifo(pipe)
    writers = [threading.Thread(target=_send, args=each, daemon=True) for each in zip(chain.paths, pipes, strict=False)]
    for writer in writers:
        writer.start()
    work([pipes[2], pipes[0], pipes[1]])
    for writer in writers:
        writer.join()
    if (tmp_path / "back.db").exists():
        assert_sound(tmp_path / "back.db", chain.models[2])


def _send(source: Path, pipe: Path) -> None:
    with pipe.open("wb") as file:
        file.write(source.read_bytes())


def test_sources_may_come_from_a_generator(chain: Chain, work: Work) -> None:
    work(path for path in chain.paths)


def test_one_source_in_the_place_of_a_list_is_told(chain: Chain, work: Work) -> None:
    full = chain.paths[0]
    with full.open("rb") as stream:
        for source in (str(full), full, os.fsencode(full), stream):
            with pytest.raises(TypeError, match="expected a list of backups"):
                work(source)


def test_what_is_no_binary_stream_is_told(chain: Chain, work: Work) -> None:
    with pytest.raises(TypeError, match="not 7"):
        work([7])
    with pytest.raises(TypeError, match="in binary mode"):
        work([io.StringIO("boltpyBK")])


def test_a_stream_that_never_waits_is_told(work: Work) -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    with open(reading, "rb", buffering=0) as file, open(writing, "wb"), pytest.raises(BlockingIOError):
        work([file])


def test_an_error_of_the_system_names_the_backup(chain: Chain, work: Work) -> None:
    class Broken(io.BytesIO):
        name = "broken"

        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 1000:
                raise OSError(errno.EIO, "Input/output error")
            return super().read(min(size or 0, 500))

    with pytest.raises(OSError, match="Input/output") as caught:
        work([Broken(chain.paths[0].read_bytes())])
    assert caught.value.filename == "broken"


def test_a_stream_of_the_target_is_refused(chain: Chain) -> None:
    before = chain.paths[0].read_bytes()
    with chain.paths[0].open("rb") as stream, pytest.raises(boltpy.DatabaseError, match="onto the backup"):
        snapshot.restore([stream], chain.paths[0])
    assert chain.paths[0].read_bytes() == before


@pytest.fixture
def tx(tmp_path: Path) -> Iterator[boltpy.Tx]:
    """A transaction on a database with contents."""
    with open_small(tmp_path / "b.db") as db:
        Growing(db).commit(3)
        with db.view() as tx:
            yield tx


class TestTheEarlierBackup:
    def test_a_pipe_or_a_folder_is_refused_at_once(self, tmp_path: Path, tx: boltpy.Tx) -> None:
        os.mkfifo(tmp_path / "pipe")
        for since in (tmp_path / "pipe", tmp_path, "/dev/null"):
            with pytest.raises(OSError, match="no regular file") as caught:
                snapshot.backup_file(tx, tmp_path / "more", since=since)
            assert caught.value.filename == str(since)
        assert not (tmp_path / "more").exists()

    def test_one_that_is_not_there_is_named(self, tmp_path: Path, tx: boltpy.Tx) -> None:
        with pytest.raises(FileNotFoundError) as caught:
            snapshot.backup_file(tx, tmp_path / "more", since=tmp_path / "none")
        assert caught.value.filename in (tmp_path / "none", str(tmp_path / "none"))

    def test_one_of_another_database_is_right_and_large(self, chain: Chain, tmp_path: Path) -> None:
        with open_small(tmp_path / "b.db") as db:
            growing = Growing(db, seed=9)
            growing.commit(30)
            with db.view() as tx:
                snapshot.backup_file(tx, tmp_path / "more", since=chain.paths[-1])
        snapshot.restore([*chain.paths, tmp_path / "more"], tmp_path / "back.db")
        assert_sound(tmp_path / "back.db", growing.model)


class TestAFileThatIsNotAtItsPathAnyMore:
    def test_it_is_backed_up(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        with open_small(Path("a.db")) as db:
            growing = Growing(db)
            growing.commit(3)
            os.mkdir("elsewhere")
            os.chdir("elsewhere")
            with db.view() as tx:
                snapshot.backup_file(tx, tmp_path / "full")
            os.rename(tmp_path / "a.db", tmp_path / "moved.db")
            with db.view() as tx:
                snapshot.backup_file(tx, tmp_path / "more", since=tmp_path / "full")
                for path in (tmp_path / "moved.db", "../moved.db"):
                    with pytest.raises(boltpy.DatabaseError, match="onto"):
                        snapshot.backup_file(tx, path)
                    with pytest.raises(boltpy.DatabaseError, match="onto itself"):
                        tx.copy_file(path)
        snapshot.restore([tmp_path / "full", tmp_path / "more"], tmp_path / "back.db")
        assert_sound(tmp_path / "back.db", growing.model)
