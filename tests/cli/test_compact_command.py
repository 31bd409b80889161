"""`boltpy compact`: the new file is there as a whole or not at all, and nothing is lost for it."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest

import boltpy
from boltpy.cli import main
from tests.boltpy.rawfile import HEADER
from tests.cli.beside import run_here
from tests.cli.command import COMMAND, ROOT, environment, printed, printed_json


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A file with free pages: half of what was in it is gone."""
    path = tmp_path / "a.db"
    with boltpy.open(path) as db:
        with db.update() as tx:
            tx.create_bucket(b"gone").put_many({b"%05d" % number: bytes(100) for number in range(3000)})
            tx.create_bucket(b"kept").put_many({b"%05d" % number: bytes(100) for number in range(3000)})
        with db.update() as tx:
            tx.delete_bucket(b"gone")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the new file goes; nothing else may be left in it."""
    folder = tmp_path / "folder"
    folder.mkdir()
    return folder


def contents(path: Path) -> dict[bytes, dict[bytes, bytes | None]]:
    with boltpy.open(path, read_only=True, timeout=1) as db, db.view() as tx:
        assert list(tx.check()) == []
        return {name: dict(bucket.items()) for name, bucket in tx.buckets()}


def damage_last_leaf(path: Path) -> None:
    """Spoil the leaf that is copied last, so that most of the copy is made before it is found."""
    with boltpy.open(path, read_only=True, preload_freelist=True) as db, db.view() as tx:
        page_size = db.info().page_size
        infos = [tx.page(pgid) for pgid in range(tx.size // page_size)]
    last = max(info.id for info in infos if info is not None and info.type == "leaf" and info.count > 5)
    data = bytearray(path.read_bytes())
    data[last * page_size : last * page_size + HEADER.size] = HEADER.pack(last, 0x7777, 1, 0)
    path.write_bytes(data)


def test_the_new_file_has_all_of_the_old_one_and_is_smaller(source: Path, folder: Path) -> None:
    new = folder / "new.db"
    before = source.read_bytes()
    text = printed("compact", source, "-o", new)
    old_size, new_size = len(before), new.stat().st_size
    assert new_size < old_size
    assert text == f"{old_size} -> {new_size} bytes (gain={old_size / new_size:.2f}x)\n"
    assert contents(new) == contents(source)
    assert source.read_bytes() == before
    assert os.listdir(folder) == ["new.db"]


def test_sizes_as_json(source: Path, folder: Path) -> None:
    sizes = printed_json("compact", source, "-o", folder / "new.db")
    assert sizes == {"before": source.stat().st_size, "after": (folder / "new.db").stat().st_size}


@pytest.mark.parametrize(
    ("mode", "umask", "expected"), [(0o640, 0o022, 0o640), (0o600, 0, 0o600), (0o666, 0o027, 0o640)]
)
def test_the_permissions_are_those_of_the_source_less_the_umask(
    source: Path, folder: Path, mode: int, umask: int, expected: int
) -> None:
    source.chmod(mode)
    before = os.umask(umask)
    try:
        printed("compact", source, "-o", folder / "new.db")
    finally:
        os.umask(before)
    assert (folder / "new.db").stat().st_mode & 0o777 == expected


def test_the_new_file_is_on_the_disk_before_it_takes_its_name(
    source: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def record(name: str) -> None:
        real = getattr(os, name)

        def recording(*arguments: object) -> object:
            calls.append(name)
            return real(*arguments)

        monkeypatch.setattr(os, name, recording)

    for name in ("pwrite", "ftruncate", "fdatasync", "link", "replace", "fsync"):
        record(name)
    printed("compact", source, "-o", folder / "new.db")
    assert calls[-3:] == ["fdatasync", "link", "fsync"]
    assert (calls.count("link"), calls.count("replace")) == (1, 0)
    # Once for the empty database, once each time that it grew and once at the end, but not for each commit.
    assert calls.count("fdatasync") == 2 + calls.count("ftruncate")


def test_a_link_in_the_way_of_the_copy_is_not_written_through(
    source: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim = tmp_path / "victim"
    victim.touch()
    monkeypatch.setattr("boltpy.storage.time.monotonic_ns", lambda: 7)
    (folder / f"new.db.{os.getpid()}.7.tmp").symlink_to(victim)
    assert main(["compact", str(source), "-o", str(folder / "new.db")]) == 1
    assert victim.read_bytes() == b""
    assert os.listdir(folder) == []


@pytest.mark.parametrize("holds", ["nothing", "an empty database"])
def test_a_target_that_holds_nothing_is_replaced(source: Path, folder: Path, holds: str) -> None:
    new = folder / "new.db"
    new.touch()
    if holds == "an empty database":
        boltpy.open(new).close()
    printed("compact", source, "-o", new)
    assert contents(new) == contents(source)
    assert os.listdir(folder) == ["new.db"]


def test_a_link_is_followed(source: Path, folder: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(folder / "new.db")
    printed("compact", source, "-o", link)
    assert link.is_symlink()
    assert contents(folder / "new.db") == contents(source)


def test_less_than_nothing_is_no_size_of_a_transaction(source: Path, folder: Path) -> None:
    code, out, errors = run_here("compact", source, "-o", folder / "new.db", "--tx-max-size", "-5")
    assert (code, out) == (2, b"")
    assert errors.startswith("Error: --tx-max-size is a number of bytes; 0 is no limit\n")
    assert not (folder / "new.db").exists()


def refuse(source: Path, target: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """The error of a compact that must leave the target, and all around it, as it was."""
    files = {path: path.read_bytes() for path in target.parent.iterdir() if path.is_file()}
    assert main(["compact", str(source), "-o", str(target), "--timeout", "0.05"]) == 1
    assert {path: path.read_bytes() for path in target.parent.iterdir() if path.is_file()} == files
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err.removeprefix("Error: ").rstrip("\n")


class TestRefusals:
    def test_a_database_that_holds_a_bucket(
        self, source: Path, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        target = folder / "other.db"
        with boltpy.open(target) as db, db.update() as tx:
            tx.create_bucket(b"theirs")
        assert refuse(source, target, capsys) == f"{target}: exists and is not empty; compact makes a new file"

    def test_a_file_of_another_kind(self, source: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        target = folder / "letter.txt"
        target.write_text("Dear all,\n" * 2000)
        assert refuse(source, target, capsys).startswith(f"{target}: exists and is no empty database (")

    def test_a_damaged_database(self, source: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        target = folder / "damaged.db"
        data = source.read_bytes()
        target.write_bytes(data[: 2 * 4096] + b"\xa5" * (len(data) - 2 * 4096))
        assert refuse(source, target, capsys).startswith(f"{target}: exists and is no empty database (page ")

    @pytest.mark.parametrize("kind", ["pipe", "folder"])
    def test_a_pipe_or_a_folder(
        self, source: Path, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        target = tmp_path / kind
        (os.mkfifo if kind == "pipe" else os.mkdir)(target)
        assert main(["compact", str(source), "-o", str(target)]) == 1
        assert capsys.readouterr().err.startswith(f"Error: {target}: exists and is no empty database (")

    def test_an_empty_database_that_somebody_writes_to(
        self, source: Path, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        target = folder / "theirs.db"
        with boltpy.open(target):
            assert refuse(source, target, capsys).startswith(f"timeout: {target} is locked")

    def test_the_source_itself(self, source: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        other_name = folder / "link.db"
        os.link(source, other_name)
        for target in (source, other_name):
            assert refuse(source, target, capsys) == f"cannot compact {source} onto itself"

    def test_a_folder_that_is_not_there(self, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["compact", str(source), "-o", str(tmp_path / "none" / "new.db")]) == 1
        assert capsys.readouterr().err == f"Error: {tmp_path}/none/new.db: No such file or directory\n"


class TestFailures:
    def test_a_damaged_source_leaves_no_target(
        self, source: Path, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        damage_last_leaf(source)
        assert refuse(source, folder / "new.db", capsys).startswith(f"{source}: page ")
        assert os.listdir(folder) == []

    def test_a_damaged_source_leaves_an_empty_target_as_it_was(
        self, source: Path, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        damage_last_leaf(source)
        boltpy.open(folder / "new.db").close()
        refuse(source, folder / "new.db", capsys)

    def test_a_full_disk_leaves_no_target(self, source: Path, folder: Path) -> None:
        # A limit to the length of files stands for the disk's end. 64 blocks are 32 or 64 KiB.
        command = shlex.join([*COMMAND, "compact", str(source), "-o", str(folder / "new.db")])
        result = subprocess.run(
            ["sh", "-c", f"ulimit -f 64; exec {command}"],
            cwd=ROOT,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (result.returncode, result.stdout) == (1, "")
        assert result.stderr.startswith(f"Error: {folder}/new.db: cannot ")
        assert result.stderr.count("\n") == 1
        assert os.listdir(folder) == []

    def test_ctrl_c_in_the_middle_leaves_no_target(
        self, source: Path, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupted(_: boltpy.DB, target: boltpy.DB, *_more: object) -> None:
            with target.update() as tx:
                tx.create_bucket(b"half")
            assert len(os.listdir(folder)) == 1
            raise KeyboardInterrupt

        monkeypatch.setattr("boltpy.compact_file.compact", interrupted)
        assert main(["compact", str(source), "-o", str(folder / "new.db")]) == 130
        assert capsys.readouterr() == ("", "")
        assert os.listdir(folder) == []
