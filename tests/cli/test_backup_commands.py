"""`backup`, `verify`, `restore`, `copy` and `scrub` as their users call them, and `--live` for all that read."""

from __future__ import annotations

import io
import json
import os
import shlex
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import boltpy
from boltpy.cli import main
from tests.cli.command import COMMAND, ROOT, environment, printed, printed_json, run


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A small database with free pages."""
    path = tmp_path / "a.db"
    with boltpy.open(path, mode=0o640) as db:
        with db.update() as tx:
            tx.create_bucket(b"users").put_many({b"%04d" % i: bytes(50) for i in range(500)})
        with db.update() as tx:
            tx.create_bucket(b"cities").put(b"paris", b"seine")
    os.chmod(path, 0o640)
    return path


@pytest.fixture
def locked(file: Path) -> Iterator[boltpy.DB]:
    """The same file, open for writing."""
    with boltpy.open(file) as db:
        yield db


def change(path: Path, value: bytes) -> None:
    with boltpy.open(path) as db, db.update() as tx:
        tx.create_bucket_if_not_exists(b"users").put(b"0000", value)


def failure(capfd: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one line on stderr of a command that fails."""
    out = io.StringIO()
    assert main([str(argument) for argument in arguments], out) == 1
    error = capfd.readouterr().err
    assert error.startswith("Error: ")
    assert error.count("\n") == 1
    return error


class TestBackups:
    def test_a_chain_is_made_proven_and_restored(self, file: Path, tmp_path: Path) -> None:
        full, more, back = (tmp_path / name for name in ("full", "more", "back.db"))
        made = printed_json("backup", file, "-o", full)
        assert (made["number"], made["txid"], made["page_count"]) == (0, 3, made["state_pages"])
        change(file, b"new")
        assert "incremental backup 1 of chain" in printed("backup", file, "--since", full, "-o", more)
        assert printed("verify", more, full).splitlines()[1].startswith("OK: txid 4, incremental backup 1 of chain")
        assert [each["number"] for each in printed_json("verify", full, more)] == [0, 1]
        assert printed("restore", "-o", back, full, more).startswith("txid 4, ")
        assert printed("get", back, "users", "0000") == "new\n"
        assert printed_json("restore", "-o", back, full)["txid"] == 3
        assert printed("get", back, "cities", "paris") == "seine\n"
        assert printed("check", back) == "OK\n"
        assert stat.S_IMODE(back.stat().st_mode) == 0o640

    def test_a_backup_goes_through_pipes(self, file: Path, tmp_path: Path) -> None:
        backup = subprocess.run(
            [*COMMAND, "backup", "-o", "-", file],
            cwd=ROOT,
            env=environment(),
            capture_output=True,
            timeout=60,
            check=True,
        )
        assert backup.stderr == b""
        for arguments in (["verify", "-"], ["restore", "-o", tmp_path / "back.db", "-"]):
            subprocess.run(
                [*COMMAND, *arguments], cwd=ROOT, env=environment(), input=backup.stdout, capture_output=True,
                timeout=60, check=True,
            )  # fmt: skip
        assert printed("get", tmp_path / "back.db", "cities", "paris") == "seine\n"

    def test_a_whole_chain_comes_through_pipes_of_the_shell(self, file: Path, tmp_path: Path) -> None:
        full, more, back = (tmp_path / name for name in ("full", "more", "back.db"))
        printed("backup", file, "-o", full)
        change(file, b"new")
        printed("backup", file, "--since", full, "-o", more)
        restoring = shlex.join([*COMMAND, "restore", "-o", str(back)])
        subprocess.run(
            ["bash", "-c", f"{restoring} <(cat {more}) - < {full}"], cwd=ROOT, env=environment(), timeout=60, check=True
        )
        assert printed("get", back, "users", "0000") == "new\n"

    def test_a_damaged_backup_is_told_in_one_line_with_its_place(
        self, file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        full, back = tmp_path / "full", tmp_path / "back.db"
        printed("backup", file, "-o", full)
        damaged = bytearray(full.read_bytes())
        damaged[5000] ^= 1
        full.write_bytes(damaged)
        assert f"{full}: frame 1 at byte 152: page 3 was changed" in failure(capfd, "verify", full)
        assert f"{full}: frame 1 at byte 152: page 3 was changed" in failure(capfd, "restore", "-o", back, full)
        assert not back.exists()
        result = subprocess.run(
            [*COMMAND, "verify", "-"], cwd=ROOT, env=environment(), input=damaged, capture_output=True, timeout=60,
            check=False,
        )  # fmt: skip
        assert result.stderr.startswith(b"Error: <stdin>: frame 1 at byte 152: ")
        full.write_bytes(damaged[:-1])
        change(file, b"new")
        assert "cut short or changed" in failure(capfd, "backup", file, "--since", full, "-o", tmp_path / "more")

    def test_the_file_that_is_damaged_is_blamed_and_no_other(
        self, file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        full, more, back = (tmp_path / name for name in ("full", "more", "back.db"))
        printed("backup", file, "-o", full)
        change(file, b"new")
        printed("backup", file, "--since", full, "-o", more)
        damaged = bytearray(more.read_bytes())
        damaged[-1] ^= 1
        more.write_bytes(damaged)
        for arguments in (
            ["verify", full, more],
            ["restore", "-o", back, full, more],
            ["backup", file, "--since", more, "-o", tmp_path / "another"],
        ):
            assert failure(capfd, *arguments).startswith(f"Error: {more}: frame ")
        assert failure(capfd, "restore", "-o", more, full, more) == f"Error: cannot restore onto the backup {more}\n"

    def test_an_earlier_backup_in_a_pipe_is_refused_at_once(
        self, file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        os.mkfifo(tmp_path / "pipe")
        error = failure(capfd, "backup", file, "--since", tmp_path / "pipe", "-o", tmp_path / "more")
        assert error == f"Error: {tmp_path}/pipe: is no regular file, which an earlier backup must be\n"

    def test_an_earlier_backup_without_a_name_makes_no_full_one(
        self, file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        error = failure(capfd, "backup", file, "--since", "", "-o", tmp_path / "made")
        assert error == "Error: (no name): No such file or directory\n"
        assert not (tmp_path / "made").exists()

    @pytest.mark.parametrize("live", [[], ["--live"]], ids=["", "live"])
    @pytest.mark.parametrize("name", ["a.db", "link", "hard"])
    def test_a_backup_onto_its_database_is_refused(
        self, file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str, live: list[str]
    ) -> None:
        os.symlink(file, tmp_path / "link")
        os.link(file, tmp_path / "hard")
        before = file.read_bytes()
        for source in (file, tmp_path / "link"):
            assert "onto" in failure(capfd, "backup", *live, "-o", tmp_path / name, source)
        assert file.read_bytes() == before
        assert sorted(os.listdir(tmp_path)) == ["a.db", "hard", "link"]

    @pytest.mark.parametrize("command", [["compact", "-o"], ["export", "-o"], ["export", "--sqlite"], ["copy", "-o"]])
    def test_no_other_command_writes_over_its_database(
        self, file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], command: list[str]
    ) -> None:
        before = file.read_bytes()
        for live in ([], ["--live"]):
            failure(capfd, *command, file, *live, file)
        assert file.read_bytes() == before
        assert os.listdir(tmp_path) == ["a.db"]

    def test_a_database_that_is_open_is_not_restored_over(
        self, file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        printed("backup", file, "-o", tmp_path / "full")
        with boltpy.open(file):
            assert f"{file} is locked by this process" in failure(capfd, "restore", "-o", file, tmp_path / "full")

    def test_the_backup_that_comes_in_is_not_restored_over(self, file: Path, tmp_path: Path) -> None:
        full = tmp_path / "full"
        printed("backup", file, "-o", full)
        before = full.read_bytes()
        with full.open("rb") as stream:
            result = subprocess.run(
                [*COMMAND, "restore", "-o", full, "-"], cwd=ROOT, env=environment(), stdin=stream, capture_output=True,
                text=True, timeout=60, check=False,
            )  # fmt: skip
        assert (result.returncode, result.stderr) == (1, f"Error: cannot restore onto the backup {full}\n")
        assert full.read_bytes() == before

    @pytest.mark.parametrize("command", ["restore", "copy"])
    def test_a_database_does_not_go_to_the_output(
        self, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
    ) -> None:
        printed("backup", file, "-o", tmp_path / "full")
        monkeypatch.chdir(tmp_path)
        source = {"restore": "full", "copy": "a.db"}[command]
        assert main([command, "-o", "-", source], io.StringIO()) == 2
        assert sorted(os.listdir()) == ["a.db", "full"]
        printed(command, "-o", "./-", source)
        assert sorted(os.listdir()) == ["-", "a.db", "full"]

    def test_what_is_missing_is_told(self, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
        nothing = tmp_path / "nothing"
        for arguments in (["verify", nothing], ["restore", "-o", tmp_path / "back.db", nothing]):
            assert failure(capfd, *arguments) == f"Error: {nothing}: No such file or directory\n"
        for arguments in (["backup", "-o", "x", nothing], ["copy", "-o", "x", nothing], ["scrub", nothing]):
            assert failure(capfd, *arguments) == f'Error: source database file "{nothing}" doesn\'t exist\n'


class TestCopies:
    def test_a_copy_is_one_commit_with_the_mode_of_the_file(self, file: Path, tmp_path: Path) -> None:
        target = tmp_path / "copy.db"
        assert printed("copy", file, "-o", target) == f"copied txid 3 to {target}\n"
        assert printed("get", target, "cities", "paris") == "seine\n"
        assert stat.S_IMODE(target.stat().st_mode) == 0o640

    def test_the_mode_is_less_the_umask_with_live_and_without(self, file: Path, tmp_path: Path) -> None:
        os.chmod(file, 0o664)
        old = os.umask(0o022)
        try:
            printed("copy", file, "-o", tmp_path / "copy.db")
            printed("copy", "--live", file, "-o", tmp_path / "live.db")
        finally:
            os.umask(old)
        modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("copy.db", "live.db")]
        assert modes == [0o644, 0o644]

    def test_a_locked_file_needs_live(
        self, file: Path, locked: boltpy.DB, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        target = tmp_path / "copy.db"
        assert "is locked" in failure(capfd, "copy", file, "-o", target)
        assert not target.exists()
        assert printed_json("copy", "--live", file, "-o", target) == {"txid": 3}
        assert printed("check", target) == "OK\n"

    @pytest.mark.parametrize(
        "arguments",
        [
            ["info", "FILE"],
            ["buckets", "FILE"],
            ["keys", "FILE", "users"],
            ["get", "FILE", "cities", "paris"],
            ["inspect", "FILE"],
            ["check", "FILE"],
            ["stats", "FILE"],
            ["pages", "FILE"],
            ["compact", "FILE", "-o", "NEW"],
            ["backup", "FILE", "-o", "NEW", "--json"],
            ["copy", "FILE", "-o", "NEW"],
        ],
        ids=lambda arguments: arguments[0],
    )
    def test_all_that_read_take_live(
        self, file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], arguments: list[str]
    ) -> None:
        words = [{"FILE": str(file), "NEW": str(tmp_path / "new")}.get(word, word) for word in arguments]
        expected = printed(*words)
        (tmp_path / "new").unlink(missing_ok=True)
        with boltpy.open(file):
            assert "locked" in failure(capfd, *words)
            found = printed(*words, "--live")
        if arguments[0] == "backup":
            assert json.loads(found)["txid"] == json.loads(expected)["txid"] == 3
        elif arguments[0] == "compact":
            assert found.split("->")[1].split()[0] == expected.split("->")[1].split()[0]
        else:
            assert found == expected


class TestScrub:
    def test_a_sealed_file_is_ok_until_a_bit_changes(self, file: Path, capfd: pytest.CaptureFixture[str]) -> None:
        assert printed("scrub", "--seal", file) == "sealed txid 3\n"
        assert printed("scrub", file).startswith("OK: all ")
        assert printed_json("scrub", file)["ok"] is True
        with boltpy.open(file, read_only=True) as db, db.view() as tx:
            root = tx._snapshot.meta.root
        with file.open("r+b") as raw:
            raw.seek(root * 4096 + 4095)
            raw.write(b"\x01")
        out = io.StringIO()
        assert main(["scrub", str(file)], out) == 1
        assert out.getvalue().splitlines()[0] == f"page {root}: changed since it was sealed"
        assert capfd.readouterr().err == "Error: 1 pages changed since they were sealed\n"

    def test_another_commit_is_told_with_what_is_not_proven(
        self, file: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        printed("scrub", "--seal", file)
        change(file, b"new")
        out = io.StringIO()
        assert main(["scrub", str(file)], out) == 1
        lines = out.getvalue().splitlines()
        assert lines[0].startswith("sealed was txid 3, the file is at txid 4")
        assert lines[1].startswith("not verified: pages ")
        assert "pages could not be verified" in capfd.readouterr().err

    def test_a_file_without_a_seal_is_refused(self, file: Path, capfd: pytest.CaptureFixture[str]) -> None:
        assert "there is no seal" in failure(capfd, "scrub", file)

    def test_a_locked_file_is_scrubbed_live(self, file: Path, capfd: pytest.CaptureFixture[str]) -> None:
        with boltpy.open(file, seal=True):
            assert "locked" in failure(capfd, "scrub", file)
            assert printed("scrub", "--live", file).startswith("OK: ")

    def test_sealing_a_locked_file_is_wrong_usage(self, file: Path) -> None:
        assert run("scrub", "--seal", "--live", file).returncode == 2
