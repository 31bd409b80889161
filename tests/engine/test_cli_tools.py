"""gofer-db's commands beside show, as their users run them."""

from __future__ import annotations

import io
import json
import os
import re
import resource
import shlex
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

import boltpy
from engine.cli import main

from .gofer_files import SMALL, unpack
from .hostile import raw
from .making import gofer_database, int_key
from .test_cli import COMMAND, ROOT, run, seen_on_a_terminal

SH_COMMAND = shlex.join(COMMAND)


def printed(*arguments: str | Path, code: int = 0) -> str:
    out = io.StringIO()
    assert main([str(argument) for argument in arguments], out) == code
    return out.getvalue()


def shell(command: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, timeout=60, check=False, **options)


class TestGet:
    @pytest.mark.parametrize(
        ("kind", "key", "member"),
        [
            ("namespace", ["ünï-名前😀"], '"id":"ünï-名前😀"'),
            ("pipeline", ["default", "simple"], '"id":"simple"'),
            ("run", ["default", "simple", "3"], '"id":3'),
            ("task_run", ["default", "simple", "1", "build"], '"id":"build"'),
            ("trigger_event", ["default", "simple", "every_minute", "2"], '"id":2'),
            ("registration", ["default", "simple", "2"], '{"Namespace":"default","Pipeline":"simple","Run":2}'),
            ("token", ["fa14a4b3f266cc89a77778925eca8f49a3f28bab88194102a04d6f181878c178"], '"kind":"MANAGEMENT"'),
            ("docker_registry", ["https://index.docker.io/v1/"], '"user":"obama"'),
        ],
    )
    def test_every_kind_is_found(self, kind: str, key: list[str], member: str) -> None:
        stored = printed("get", SMALL, kind, *key, "--json")
        assert stored.count("\n") == 1
        assert json.loads(stored)
        assert member in stored
        assert printed("get", SMALL, kind, *key)

    def test_an_event(self, tmp_path: Path) -> None:
        text = printed("get", unpack("late", tmp_path), "event", "3")
        assert text.splitlines() == [
            "event_id     3",
            "kind         CREATED_NAMESPACE",
            "emitted      2022-01-29 23:46:40 UTC (1643500000425)",
            "NamespaceID  default",
        ]

    def test_passwords_and_hashes_are_for_json_only(self) -> None:
        registry = ("docker_registry", "https://index.docker.io/v1/")
        assert "pass" not in printed("get", SMALL, *registry)
        assert '"pass":"tMA67wBnlt6WcP2q' in printed("get", SMALL, *registry, "--json")
        token = "fa14a4b3f266cc89a77778925eca8f49a3f28bab88194102a04d6f181878c178"
        assert token not in printed("get", SMALL, "token", token)

    @pytest.mark.parametrize(
        ("kind", "key"),
        [
            ("run", ["default", "simple", "9"]),
            ("run", ["default", "simple", "-9223372036854775808"]),
            ("namespace", ["x" * 40_000]),
            ("namespace", [""]),
            ("pipeline", ["", "simple"]),
            ("pipeline", ["default", "__storm_metadata"]),
            ("token", ["\x1b[1m"]),
            ("event", ["1"]),
            ("registration", ["default", "simple", "3"]),
        ],
    )
    def test_what_is_not_there_is_told_in_one_line(
        self, kind: str, key: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert printed("get", SMALL, kind, *key, code=1) == ""
        told = capsys.readouterr().err.replace("\\x1b", "\x1b")
        assert "\x1b" not in told or "\x1b" in key[0]
        assert told == f"gofer-db: {SMALL}: there is no {' '.join(' '.join([kind, *key]).split())}\n"

    @pytest.mark.parametrize(
        ("kind", "key", "text"),
        [
            ("run", ["default", "simple"], "a run is named by NAMESPACE_ID PIPELINE_ID ID, not by 2 words"),
            ("run", ["default", "simple", "x"], "ID is a whole number of 64 bits, not 'x'"),
            ("run", ["default", "simple", "007"], "ID is a whole number of 64 bits, not '007'"),
            ("task_run", ["default", "simple", "9223372036854775808", "x"], "RUN_ID is a whole number"),
            ("song", ["x"], "invalid choice: 'song'"),
        ],
    )
    def test_a_key_of_another_form_is_a_wrong_command_line(
        self, kind: str, key: list[str], text: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert printed("get", SMALL, kind, *key, code=2) == ""
        assert text in capsys.readouterr().err

    def test_names_that_are_no_text_and_records_that_can_not_be_read(self, tmp_path: Path) -> None:
        tree = {b"Namespace": {b"\xff\x1b": b'{"id":"\xff\\u001b[1m","\\u202e":1}', b"bad": b"{"}}
        path = gofer_database(tmp_path / "gofer.db", tree)
        text = printed("get", path, "namespace", "\udcff\x1b")
        assert "\\x1b[1m" in text
        assert "\\u202e" in text
        assert "\x1b" not in text
        broken = run("get", path, "namespace", "bad")
        assert (broken.returncode, broken.stderr.count("\n")) == (1, 1)
        assert "unexpected end of JSON input" in broken.stderr
        assert printed("get", path, "namespace", "bad", "--json") == "{\n"


class TestStats:
    def test_the_small_database(self) -> None:
        lines = [line.split() for line in printed("stats", SMALL).splitlines()]
        assert lines[3][:3] == ["run", "4", "1486"]
        assert lines[3][-6:] == ["(none)", "1,", "FAILED", "2,", "WAITING", "1"]
        found = json.loads(printed("stats", SMALL, "--json"))
        assert {name: kind["count"] for name, kind in found["kinds"].items()} == {
            "namespace": 2,
            "pipeline": 3,
            "run": 4,
            "task_run": 3,
            "trigger_event": 3,
            "registration": 2,
            "token": 2,
            "docker_registry": 2,
            "event": 0,
        }
        run_facts = found["kinds"]["run"]
        assert (run_facts["oldest"], run_facts["newest"]) == (1625814216500, 1625814223000)
        assert run_facts["states"] == {"": 1, "FAILED": 2, "WAITING": 1}
        everything = sum(kind["bytes"] for kind in found["kinds"].values()) + found["other"]["bytes"]
        pairs = [line for line in raw(SMALL) if not line["bucket"]]
        assert everything == sum(len(line["key"] + line["value"]) // 2 for line in pairs)
        assert found["buckets"] == sum(line["bucket"] for line in raw(SMALL))

    def test_what_can_not_be_read_is_counted(self, tmp_path: Path) -> None:
        path = gofer_database(tmp_path / "gofer.db", {b"events": {int_key(1): b"{", b"x": b"{}", int_key(2): b"{}"}})
        counted = json.loads(printed("stats", path, "--json"))["kinds"]["event"]
        assert (counted["count"], counted["unreadable"], counted["oldest"]) == (3, 2, None)
        assert "(unreadable) 2" in printed("stats", path)


class TestExportAndImport:
    def test_through_a_pipe(self, tmp_path: Path) -> None:
        path = tmp_path / "copy.db"
        result = shell(f"{SH_COMMAND} export {SMALL} | {SH_COMMAND} import {path}")
        assert (result.returncode, result.stdout, result.stderr) == (0, b"46 lines\n", b"")
        assert raw(path) == raw(SMALL)

    def test_through_a_file(self, tmp_path: Path) -> None:
        export = tmp_path / "export.jsonl"
        export.write_text(printed("export", SMALL), encoding="utf-8")
        assert json.loads(printed("import", tmp_path / "copy.db", "-i", export, "--json")) == {"lines": 46}
        assert raw(tmp_path / "copy.db") == raw(SMALL)

    def test_through_a_pipe_that_has_a_name(self, tmp_path: Path) -> None:
        copy, pipe = tmp_path / "copy.db", tmp_path / "pipe"
        os.mkfifo(pipe)
        result = shell(f"{SH_COMMAND} export {SMALL} > {pipe} & {SH_COMMAND} import {copy} -i {pipe}")
        assert (result.returncode, result.stdout, result.stderr) == (0, b"46 lines\n", b"")
        assert raw(copy) == raw(SMALL)

    @pytest.mark.parametrize("command", [f"export {SMALL} | {SH_COMMAND} import", f"check {SMALL} --repair"])
    def test_a_link_to_itself_is_told_in_one_line(self, tmp_path: Path, command: str) -> None:
        (tmp_path / "loop").symlink_to("loop")
        result = shell(f"{SH_COMMAND} {command} {tmp_path}/loop")
        assert result.returncode == 1
        assert re.fullmatch(rb"gofer-db: .*loop.*: [Tt]oo many levels of symbolic links\n", result.stderr)

    def test_an_export_is_utf_8_whatever_the_output_is(self) -> None:
        command = [*COMMAND, "export", str(SMALL)]
        environment = os.environ | {"PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
        result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, timeout=60, check=True)
        assert result.stdout.decode("utf-8") == printed("export", SMALL)

    def test_memory_is_bounded(self, tmp_path: Path) -> None:
        large, copy, mended = (tmp_path / name for name in ("large.db", "copy.db", "mended.db"))
        with boltpy.open(large, no_sync=True) as db:
            for number in range(1, 61):
                with db.update() as tx:
                    stored = b'{"event_id":%d,"kind":"x","emitted":0,"more":"%s"}' % (number, b"y" * 1_000_000)
                    tx.create_bucket_if_not_exists(b"events").put(int_key(number), stored)
                    tx.create_bucket_if_not_exists(b"__storm_db").put(b"version", b'"2.0.0"')

        def limit() -> None:
            # The process's own memory; the mapped file is the system's.
            resource.setrlimit(resource.RLIMIT_DATA, (60 << 20, 60 << 20))

        for command in (
            f"export {large} > {tmp_path}/e",
            f"import {copy} < {tmp_path}/e",
            f"check {copy} --repair {mended}",
        ):
            result = shell(f"exec {SH_COMMAND} {command}", preexec_fn=limit)
            assert (result.returncode, result.stderr) == (0, b"")
        assert copy.stat().st_size > mended.stat().st_size * 0.9 > 50 << 20

    @pytest.mark.parametrize(
        ("command", "told"),
        [
            ("import {new} -i {tmp}/none", "{tmp}/none: No such file or directory"),
            ("import {tmp}/none/new.db -i {export}", "{tmp}/none/new.db: No such file or directory"),
            ("import {new} < /dev/null", "{new}: line 1: the export is empty"),
            ("import {new} <&-", "{new}: there is no input"),
            ("import {export} -i {export}", "{export}: exists and is no empty database"),
            ("import {tmp} -i {export}", "{tmp}: exists and is not empty"),
            ("import {new} -i {tmp}", "{tmp}: Is a directory"),
            ("import /dev/full -i {export}", "/dev/full: "),
            ("export {export}", "{export}: "),
            ("check {export}", "{export}: "),
            ("check {tmp}/none", "{tmp}/none: No such file or directory"),
            ("check {small} --repair {export}", "{export}: exists and is no empty database"),
            ("check {small} --repair {small}", "{small}: exists and is not empty"),
            ("stats {tmp}", "{tmp} is a directory"),
            ("get {export} namespace x", "{export}: "),
            ("export {small} > /dev/full", "output: No space left on device"),
            ("get {small} namespace default > /dev/full", "output: No space left on device"),
            ("get {small} namespace default --json > /dev/full", "output: No space left on device"),
            ("--help > /dev/full", "output: No space left on device"),
            ("get --help > /dev/full", "output: No space left on device"),
        ],
    )
    def test_what_goes_wrong_is_one_line(self, tmp_path: Path, command: str, told: str) -> None:
        export = tmp_path / "export.jsonl"
        export.write_text(printed("export", SMALL), encoding="utf-8")
        names = {"tmp": tmp_path, "new": tmp_path / "new.db", "export": export, "small": SMALL}
        result = shell(f"exec {SH_COMMAND} {command.format(**names)}")
        assert result.returncode == 1
        assert result.stderr.decode().startswith(f"gofer-db: {told.format(**names)}")
        assert result.stderr.count(b"\n") == 1
        assert list(tmp_path.iterdir()) == [export]

    def test_an_interrupt_leaves_nothing(self, tmp_path: Path) -> None:
        command = [*COMMAND, "import", str(tmp_path / "new.db")]
        with subprocess.Popen(command, cwd=ROOT, stdin=-1, stdout=-1, stderr=-1) as process:
            assert process.stdin
            assert process.stderr
            process.stdin.write(printed("export", SMALL).encode()[:5000])
            process.stdin.flush()
            while not list(tmp_path.glob("new.db.*/new.db")):
                assert process.poll() is None
                time.sleep(0.01)
            time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 130
            assert process.stderr.read() == b""
        assert list(tmp_path.iterdir()) == []

    def test_what_a_killed_import_left_is_gone_after_the_next(self, tmp_path: Path) -> None:
        command = [*COMMAND, "import", str(tmp_path / "new.db")]
        with subprocess.Popen(command, cwd=ROOT, stdin=-1, stdout=-1) as process:
            while not list(tmp_path.glob("new.db.*/new.db")):
                assert process.poll() is None
                time.sleep(0.01)
            process.kill()
            process.wait(60)
        assert len(list(tmp_path.iterdir())) == 1
        result = shell(f"{SH_COMMAND} export {SMALL} | {SH_COMMAND} import {tmp_path / 'new.db'}")
        assert (result.returncode, result.stderr) == (0, b"")
        assert list(tmp_path.iterdir()) == [tmp_path / "new.db"]

    def test_too_little_memory_is_one_line(self, tmp_path: Path) -> None:
        export = tmp_path / "export.jsonl"
        with export.open("wb") as file:
            file.write(b'{"format":"gofer-db export","version":1}\n')
            file.truncate(600 << 20)

        def limit() -> None:
            resource.setrlimit(resource.RLIMIT_AS, (300 << 20, 300 << 20))

        command = f"exec {SH_COMMAND} import {tmp_path / 'new.db'} -i {export}"
        result = shell(command, preexec_fn=limit)
        assert (result.returncode, result.stderr.decode()) == (1, f"gofer-db: {tmp_path / 'new.db'}: out of memory\n")
        assert list(tmp_path.iterdir()) == [export]

    def test_without_an_output_it_is_done_all_the_same(self, tmp_path: Path) -> None:
        result = shell(f"{SH_COMMAND} export {SMALL} | {SH_COMMAND} import {tmp_path / 'new.db'} >&-")
        assert (result.returncode, result.stderr) == (0, b"")
        assert raw(tmp_path / "new.db") == raw(SMALL)
        assert shell(f"exec {SH_COMMAND} export {SMALL} >&-").returncode == 0


class TestCheck:
    def broken(self, folder: Path) -> Path:
        path = unpack("small", folder)
        with boltpy.open(path) as db, db.update() as tx:
            runs = tx.bucket(b"default", b"simple", b"Run")
            assert runs is not None
            metadata = runs.bucket(b"__storm_metadata")
            assert metadata is not None
            metadata[b"IDcounter"] = int_key(1)
            runs[int_key(1)] = b"{\x1b"
        return path

    def test_a_sound_file(self) -> None:
        assert printed("check", SMALL) == "OK\n"
        assert json.loads(printed("check", SMALL, "--json")) == {"errors": 0, "notes": 0, "findings": []}

    def test_errors_are_told_and_are_the_exit_code(self, tmp_path: Path) -> None:
        path = self.broken(tmp_path)
        lines = printed("check", path, code=1).splitlines()
        assert "error record-unreadable: default / simple / Run / 1: invalid character '\\x1b' looking" in lines[0]
        assert lines[-1] == "5 errors, 0 notes"
        found = json.loads(printed("check", path, "--json", code=1))
        assert (found["errors"], len(found["findings"])) == (5, 5)
        assert found["findings"][-1] == {
            "level": "error",
            "name": "counter-behind",
            "place": "default / simple / Run",
            "text": "the counter is 1, and there is a number 3",
        }

    def test_notes_are_no_errors(self, tmp_path: Path) -> None:
        path = gofer_database(tmp_path / "gofer.db", {b"mine": {b"x\x1b": b"y"}})
        assert printed("check", path) == (
            "note not-understood: mine / x\\x1b: a pair that is no entity\n0 errors, 1 note\n"
        )

    def test_repair_tells_what_it_did(self, tmp_path: Path) -> None:
        path, copy = self.broken(tmp_path), tmp_path / "mended.db"
        before = path.read_bytes()
        lines = printed("check", path, "--repair", copy).splitlines()
        assert any(line.startswith("error record-unreadable:") and line.endswith("-> set aside") for line in lines)
        assert any(line.startswith("error counter-behind:") and line.endswith("-> raised") for line in lines)
        assert lines[-1] == f"{copy}: a copy without errors"
        assert path.read_bytes() == before
        assert printed("check", copy, code=0).startswith("note set-aside")
        told = json.loads(printed("check", path, "--repair", tmp_path / "again.db", "--json"))
        assert (told["copy"], told["left"]) == (str(tmp_path / "again.db"), [])
        assert {it.get("mended") for it in told["findings"]} >= {"set aside", "raised", "dropped from the index"}

    def test_a_repair_that_fails_tells_what_was_found_and_then_why(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = self.broken(tmp_path)
        told = json.loads(printed("check", path, "--repair", SMALL, "--json", code=1))
        assert (told["errors"], len(told["findings"]), told["copy"]) == (5, 5, None)
        assert not {"left", "mended"} & (told.keys() | told["findings"][0].keys())
        lines = printed("check", path, "--repair", SMALL, code=1).splitlines()
        assert lines[-1] == "5 errors, 0 notes"
        assert capsys.readouterr().err == 2 * f"gofer-db: {SMALL}: exists and is not empty; a new file is wanted\n"

    def test_a_reader_that_leaves_early_does_not_change_the_answer(self, tmp_path: Path) -> None:
        path = self.broken(tmp_path)
        result = shell(f"({SH_COMMAND} check {path}; echo $? >&2) | true")
        assert result.stderr == b"1\n"

    def test_a_file_that_gofer_has_open_is_a_timeout(self, tmp_path: Path) -> None:
        path = unpack("small", tmp_path)
        with boltpy.open(path):
            result = run("check", path)
        assert (result.returncode, result.stderr.count("\n")) == (1, 1)
        assert "timeout" in result.stderr


class TestProgress:
    @pytest.mark.parametrize("command", ["check {medium}", "export {medium} > {tmp}/export.jsonl", "stats {medium}"])
    def test_it_is_on_a_terminal_and_goes(self, tmp_path: Path, command: str) -> None:
        names = {"medium": unpack("medium", tmp_path), "tmp": tmp_path}
        found = seen_on_a_terminal(["sh", "-c", f"exec {SH_COMMAND} {command.format(**names)}"], "stderr")
        assert found.startswith(b"\r%s: " % command.split()[0].encode())
        assert found.endswith(b"\r\x1b[K")
        assert b"\n" not in found

    def test_it_is_a_share_where_the_whole_is_known(self, tmp_path: Path) -> None:
        export = tmp_path / "export.jsonl"
        export.write_text(printed("export", unpack("medium", tmp_path)), encoding="utf-8")
        found = seen_on_a_terminal([*COMMAND, "import", str(tmp_path / "new.db"), "-i", str(export)], "stderr")
        assert b"[###" in found
        assert b"%" in found
