"""An error names the file, and the bucket, that is at fault, and no other."""

from __future__ import annotations

import io
import os
import shlex
import subprocess
from pathlib import Path

import pytest

import boltpy
from boltpy.cli import main
from tests.cli.command import COMMAND, ROOT, environment, printed


def error_of(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What a command that must fail says."""
    assert main([str(argument) for argument in arguments]) > 0
    return capsys.readouterr().err


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A bucket of many pages."""
    path = tmp_path / "a.db"
    with boltpy.open(path, page_size=4096) as db, db.update() as tx:
        tx.create_bucket(b"b").put_many({b"%06d" % number: bytes(100) for number in range(1000)})
    return path


def on_a_full_disk(blocks: int, *arguments: object) -> str:
    """What a command says that may write no file of more blocks than that."""
    line = f"ulimit -f {blocks}; exec {shlex.join([*COMMAND, *map(str, arguments)])}"
    told = subprocess.run(
        ["sh", "-c", line], cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert told.returncode == 1
    return told.stderr


def test_a_full_disk_is_told_with_the_sqlite_file(path: Path, tmp_path: Path) -> None:
    made = tmp_path / "new"
    told = on_a_full_disk(16, "export", path, "--sqlite", made)
    assert told.startswith(f"Error: {made}: cannot write the SQLite file: ")
    assert str(path) not in told


def test_what_is_no_database_is_not_called_one(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seal = f"{path}.seal"
    assert on_a_full_disk(0, "scrub", "--seal", path) == f"Error: {seal}: cannot write the file: File too large\n"
    os.mkfifo(seal)
    assert error_of(capsys, "scrub", path) == f"Error: {path}: {seal}: is no regular file, and so no seal\n"


@pytest.mark.parametrize("command", ["copy {} -o new", "backup {} -o new", "mkbucket --create new b"])
def test_a_deleted_current_folder_is_told(
    path: Path, tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    told = error_of(capsys, *command.format(path).split())
    monkeypatch.chdir(tmp_path)  # pytest asks for it
    assert told == "Error: new: the current folder was deleted\n"


class TestDiff:
    """Of two files, the one that is damaged."""

    def test_a_damaged_page_is_told_with_its_file(
        self, path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        bad = tmp_path / "bad.db"
        data = bytearray(path.read_bytes())
        data[10 * 4096 : 11 * 4096] = b"\xff" * 4096
        bad.write_bytes(data)
        for pair in ((path, bad), (bad, path), (bad, bad)):
            assert error_of(capsys, "diff", *pair).startswith(f"Error: {bad}: page 10: ")

    def test_a_folder_is_told(self, path: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        assert error_of(capsys, "diff", path, tmp_path) == f"Error: {tmp_path} is a directory\n"


HOSTILE = "\x1b[2J a\udcff  b.db"


@pytest.mark.parametrize("command", ["info", "tree", "diff {}", "", "keys {} b --parse-format"])
def test_a_terminal_obeys_no_name_in_an_error(path: Path, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = error_of(capsys, *command.format(path).split(), HOSTILE)
    assert "\x1b" not in told
    assert "\\x1b[2J a\\xff  b.db" in told


def test_a_terminal_obeys_no_name_in_the_output(path: Path, tmp_path: Path) -> None:
    hostile, shown = tmp_path / HOSTILE, rf"{tmp_path}/\x1b[2J a\xff  b.db"
    with boltpy.open(hostile):
        pass
    assert printed("tree", hostile) == f"{shown}  (0 keys)\n"
    assert printed("copy", path, "-o", hostile).endswith(f" to {shown}\n")
    printed("put", path, "b", "k", "v")
    out = io.StringIO()
    assert main(["diff", str(path), str(hostile)], out) == main(["diff", "-q", str(path), str(hostile)], out) == 1
    assert out.getvalue().splitlines() == [
        f"--- {path}", f"+++ {shown}", '- "b"/"k" = "v"', f"{path} and {shown} differ"
    ]  # fmt: skip


@pytest.mark.parametrize("command", ["stats {}", "inspect {}", "export {} -o {}.x", "diff {} {}"])
def test_buckets_nested_too_deeply_are_told_with_file_and_bucket(
    tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "deep.db"
    with boltpy.open(path) as db, db.update() as tx, monkeypatch.context() as patch:
        patch.setattr("boltpy.bucket_state.MAX_NESTING", 301)  # bbolt has no limit
        bucket = tx.create_bucket(b"top")
        for _ in range(300):
            bucket = bucket.create_bucket(b"n")
    told = error_of(capsys, *command.format(path, path).split())
    assert told == f'Error: {path}: bucket "top": buckets in it are nested deeper than 300 levels\n'
    assert os.listdir(tmp_path) == ["deep.db"]
