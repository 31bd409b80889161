"""What becomes of a file where a command is to write: replaced, refused or changed, as the manual says."""

from __future__ import annotations

from pathlib import Path

import pytest

import boltpy
from tests.cli.beside import run_here
from tests.cli.command import printed


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.db"
    with boltpy.open(path) as db, db.update() as tx:
        tx.create_bucket(b"b")[b"k"] = b"v"
    return path


@pytest.mark.parametrize("command", ["copy {} -o", "backup {} -o", "bench --count 1 --cpuprofile"])
def test_replaced(path: Path, tmp_path: Path, command: str) -> None:
    there = tmp_path / "there"
    there.write_bytes(b"something")
    assert run_here(*command.format(path).split(), there)[0] == 0
    assert there.read_bytes()[:9] != b"something"


def test_a_restored_file_replaces_another(path: Path, tmp_path: Path) -> None:
    printed("backup", path, "-o", tmp_path / "backup")
    path.write_bytes(b"something")
    printed("restore", tmp_path / "backup", "-o", path)
    assert printed("get", path, "b", "k") == "v\n"


@pytest.mark.parametrize("command", ["export {} -o", "export {} --sqlite", "recover {} -o", "compact {} -o"])
def test_refused_if_it_holds_something(path: Path, tmp_path: Path, command: str) -> None:
    there = tmp_path / "there"
    there.touch()
    printed(*command.format(path).split(), there)
    there.write_bytes(b"something")
    assert run_here(*command.format(path).split(), there)[0] == 1
    assert there.read_bytes() == b"something"


@pytest.mark.parametrize("command", ["surgery freelist abandon {} --output", "bench --count 1 --path"])
def test_refused_whatever_it_holds(path: Path, tmp_path: Path, command: str) -> None:
    there = tmp_path / "there"
    there.touch()
    assert run_here(*command.format(path).split(), there)[0] == 1
    assert there.read_bytes() == b""


@pytest.mark.parametrize("command", ["export {} --sqlite", "copy {} -o", "restore {} -o"])
def test_a_database_is_no_stream(path: Path, tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, errors = run_here(*command.format(path).split(), "-")
    assert (code, out) == (2, b"")
    assert "can not be written to standard output; a file of this name is ./-\n" in errors
    assert not (tmp_path / "-").exists()
