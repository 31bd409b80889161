"""gofer-db as its users run it: what it prints, and one clear line when it can not."""

from __future__ import annotations

import errno
import io
import json
import lzma
import os
import pty
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import boltpy
from engine import DockerRegistryAuth, Namespace, Run, TaskRun, encode
from engine.cli import main

from .gofer_files import FOLDER, SMALL, unpack
from .making import bolt_database, gofer_database, int_key

ROOT = FOLDER.parents[1]
COMMAND = [sys.executable, "-W", "error", "-m", "engine"]


def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | {"PYTHONUTF8": "1"} | environment,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def shown(path: Path) -> str:
    out = io.StringIO()
    assert main(["show", str(path)], out) == 0
    return out.getvalue()


def shown_json(path: Path) -> dict[str, Any]:
    out = io.StringIO()
    assert main(["show", str(path), "--json"], out) == 0
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


class TestShow:
    def test_the_small_database_as_text(self) -> None:
        result = run("show", "tests/data/gofer_small.db")
        assert (result.returncode, result.stderr) == (0, "")
        lines = [line.split() for line in result.stdout.splitlines()]
        assert "namespace default  created 2021-07-09 07:03:34 UTC" in result.stdout
        assert "pipeline simple  ACTIVE" in result.stdout
        # A run, its task run, an event of its trigger, a registered run, a token and a registry.
        assert ["2", "WAITING", "2021-07-09", "07:03:36", "-", "-", "-"] in lines
        assert ["deploy", "RUNNING", "2021-07-09", "07:03:37", "-", "-", "-"] in lines
        assert [line[:3] for line in lines if line[:1] == ["every_minute"]] == [
            ["every_minute", "2", "SKIPPED"],
            ["every_minute", "1", "SUCCESS"],
        ]
        assert ["default", "simple", "2"] in lines
        assert ["fa14a4b3f266...", "MANAGEMENT", "2021-07-09", "07:03:34", "-"] in lines
        assert ["https://index.docker.io/v1/", "obama", "2021-07-09", "07:03:34"] in lines

    def test_nothing_secret_is_shown(self) -> None:
        for result in run("show", SMALL), run("show", SMALL, "--json"):
            assert "fa14a4b3f266" in result.stdout
            assert "fa14a4b3f266cc89" not in result.stdout
            assert "tMA67wBnlt6WcP2q" not in result.stdout
            assert '"pass"' not in result.stdout

    def test_a_login_within_a_task_is_left_out(self, tmp_path: Path) -> None:
        late = run("show", unpack("late", tmp_path), "--json").stdout
        assert '"registry_auth"' in late
        assert '"secret{{pass}}"' not in late

    def test_the_small_database_as_json(self) -> None:
        found = shown_json(SMALL)
        assert {name: len(entities) for name, entities in found.items()} == {
            "namespaces": 2,
            "pipelines": 3,
            "runs": 4,
            "task_runs": 3,
            "trigger_events": 3,
            "registrations": 2,
            "tokens": 2,
            "docker_registries": 2,
            "events": 0,
            "without_record": 0,
        }
        assert [namespace["id"] for namespace in found["namespaces"]] == ["default", "ünï-名前😀"]
        assert [(it["pipeline_id"], it["id"], it["status"], it["started"]) for it in found["runs"]] == [
            ("simple", 3, "", 1625814223000),
            ("simple", 2, "WAITING", 1625814216500),
            ("simple", 1, "FAILED", 1625814217000),
            ("パイプ<&>", 1, "FAILED", 1625814218000),
        ]
        assert found["registrations"][0] == {"Namespace": "default", "Pipeline": "simple", "Run": 2}
        assert found["tokens"][1]["hash"] == "fa14a4b3f266..."
        assert [it["registry"] for it in found["docker_registries"]] == [
            "ghcr.io/<org>&名",
            "https://index.docker.io/v1/",
        ]

    def test_the_event_log_of_late_files_is_listed(self, tmp_path: Path) -> None:
        path = unpack("late", tmp_path)
        assert 'CREATED_NAMESPACE   2022-01-29 23:46:40  NamespaceID="default"' in shown(path)
        assert shown_json(path)["events"][0] == {
            "event_id": 3,
            "kind": "CREATED_NAMESPACE",
            "emitted": 1643500000425,
            "NamespaceID": "default",
        }

    def test_every_entity_of_the_edge_cases_is_found(self, tmp_path: Path) -> None:
        found = shown_json(unpack("edge", tmp_path))
        assert ["ghost"] in found["without_record"]
        assert ["only_events", "p"] in found["without_record"]
        assert {"in_namespace", "in_token", "no_namespace_record", "Run", "TaskRun"} <= {
            it["id"] for it in found["pipelines"]
        }
        assert {-5, 2**63 - 1} <= {it["id"] for it in found["runs"]}

    def test_the_large_database_is_complete(self, tmp_path: Path) -> None:
        found = shown_json(unpack("medium", tmp_path))
        counts = {name: len(found[name]) for name in ("namespaces", "pipelines", "runs", "task_runs", "trigger_events")}
        assert counts == {"namespaces": 3, "pipelines": 40, "runs": 2000, "task_runs": 6000, "trigger_events": 500}

    def test_what_a_terminal_would_obey_is_escaped(self, tmp_path: Path) -> None:
        evil = Namespace(id="a\x1b[31m\nb", name="\u202egnp", created=2**62)
        path = gofer_database(tmp_path / "gofer.db", {b"Namespace": {evil.id.encode(): encode(evil)}})
        assert shown(path).startswith('namespace a\\x1b[31m\\nb  "\\u202egnp"  created 4611686018427387904 UTC\n')

    def test_what_lost_its_record_is_shown_all_the_same(self, tmp_path: Path) -> None:
        tree = {
            b"ns": {
                b"p": {b"7": {b"TaskRun": {b"t": encode(TaskRun(id="t"))}}, b"Run": {int_key(8): encode(Run(id=8))}}
            }
        }
        path = gofer_database(tmp_path / "gofer.db", tree)
        text = shown(path)
        assert "namespace ns  (no record)" in text
        assert "pipeline p  (no record)" in text
        assert [line.split()[0] for line in text.splitlines() if line.startswith("    ")] == ["RUN", "8", "7", "t"]
        assert shown_json(path)["without_record"] == [["ns"], ["ns", "p"], ["ns", "p", 7]]

    def test_names_that_are_no_text_are_shown(self, tmp_path: Path) -> None:
        path = gofer_database(tmp_path / "gofer.db", {b"\xff": {b"Pipeline": {b"\xfe": b'{"id":"\xfe"}'}}})
        assert "namespace \\udcff  (no record)" in shown(path)
        assert run("show", path, PYTHONUTF8="0", PYTHONIOENCODING="ascii").returncode == 0

    @pytest.mark.parametrize(
        ("member", "shown_as"),
        [
            (b'{"pass":"x","a":[1.5]}', {"a": [1.5]}),
            (b'"\xff"', "\udcff"),
            (b"9" * 5000, "9" * 5000),
            (b"[" * 9000 + b"]" * 9000, "[" * 9000 + "]" * 9000),
        ],
    )
    def test_members_that_nobody_knows_are_shown(self, tmp_path: Path, member: bytes, shown_as: object) -> None:
        stored = b'{"event_id":1,"more":' + member + b"}"
        path = gofer_database(tmp_path / "gofer.db", {b"events": {int_key(1): stored}})
        assert shown_json(path)["events"] == [{"event_id": 1, "kind": "", "emitted": 0, "more": shown_as}]
        assert "more=" in shown(path)

    def test_an_empty_database_shows_nothing(self, tmp_path: Path) -> None:
        assert shown(gofer_database(tmp_path / "gofer.db", {})) == "nothing is stored\n"

    def test_long_text_is_cut(self, tmp_path: Path) -> None:
        auth = DockerRegistryAuth(registry="名" * 100, user="u")
        path = gofer_database(tmp_path / "gofer.db", {b"DockerRegistryAuth": {b"r": encode(auth)}})
        assert f"  {'名' * 28}..." in shown(path)
        assert "名" * 29 not in shown(path)


def seen_on_a_terminal(command: list[str], stream: str, **options: Any) -> bytes:
    """What a command, which must succeed, writes to "stdout" or "stderr" where that is a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, cwd=ROOT, **{"stdout": subprocess.DEVNULL, **options, stream: theirs}) as process:
        os.close(theirs)
        found = b""
        try:
            while piece := os.read(ours, 65536):
                found += piece
        except OSError:
            pass  # how Linux says that nobody writes any more
        os.close(ours)
    assert process.returncode == 0
    return found


class TestTerminals:
    def read_from_terminal(self, **environment: str) -> bytes:
        environment = {**os.environ, "TERM": "xterm", "NO_COLOR": "", **environment}
        return seen_on_a_terminal([*COMMAND, "show", str(SMALL)], "stdout", env=environment)

    def test_states_are_coloured_on_a_terminal(self) -> None:
        assert b"\x1b[31mFAILED\x1b[0m" in self.read_from_terminal()

    @pytest.mark.parametrize("wish", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
    def test_but_not_where_that_is_not_wanted(self, wish: dict[str, str]) -> None:
        assert b"\x1b" not in self.read_from_terminal(**wish)

    def test_and_not_on_a_pipe(self) -> None:
        assert "\x1b" not in run("show", SMALL, TERM="xterm").stdout

    def test_a_reader_that_leaves_early_is_no_error(self, tmp_path: Path) -> None:
        path = unpack("medium", tmp_path)
        with subprocess.Popen([*COMMAND, "show", str(path)], cwd=ROOT, stdout=-1, stderr=-1) as process:
            assert process.stdout
            assert process.stderr
            process.stdout.readline()
            process.stdout.close()
            assert process.stderr.read() == b""
        assert process.returncode == 0


def cut_short(path: Path) -> None:
    path.write_bytes(SMALL.read_bytes()[:9000])


def overwritten(path: Path) -> None:
    path.write_bytes(SMALL.read_bytes()[:8192] + b"\xa5" * (SMALL.stat().st_size - 8192))


def text_file(path: Path) -> None:
    path.write_bytes(b"hello\n" * 5000)


def empty_file(path: Path) -> None:
    path.touch()


def folder(path: Path) -> None:
    path.mkdir()


def other_bolt_file(path: Path) -> None:
    bolt_database(path, {b"users": {b"ada": b"countess"}})


def other_storm_file(path: Path) -> None:
    bolt_database(path, {b"__storm_db": {b"version": b'"2.0.0"'}, b"User": {}})


def secret_store(path: Path) -> None:
    path.write_bytes(lzma.decompress((FOLDER / "gofer_secrets.db.xz").read_bytes()))


def broken_record(path: Path) -> None:
    gofer_database(path, {b"Namespace": {b"ns": b'{"id":\n5}'}})


class TestErrors:
    @pytest.mark.parametrize(
        "make",
        [
            cut_short,
            overwritten,
            text_file,
            empty_file,
            folder,
            other_bolt_file,
            other_storm_file,
            secret_store,
            broken_record,
        ],
        ids=lambda make: make.__name__,
    )
    def test_a_file_that_can_not_be_shown_gives_one_line(self, tmp_path: Path, make: Callable[[Path], None]) -> None:
        path = tmp_path / "some.db"
        make(path)
        before = path.read_bytes() if path.is_file() else b""
        result = run("show", path)
        assert (result.returncode, result.stdout) == (1, "")
        assert result.stderr.startswith("gofer-db: ")
        assert str(path) in result.stderr
        assert result.stderr.count("\n") == 1
        assert (path.read_bytes() if path.is_file() else b"") == before

    def test_a_missing_file_is_not_made(self, tmp_path: Path) -> None:
        path = tmp_path / "none.db"
        result = run("show", path)
        assert (result.returncode, result.stderr) == (1, f"gofer-db: {path}: No such file or directory\n")
        assert not path.exists()

    def test_the_secret_store_is_told_from_the_database(self, tmp_path: Path) -> None:
        assert "object or secret store" in run("show", unpack("secrets", tmp_path)).stderr

    def test_a_database_that_gofer_has_open_is_a_timeout(self, tmp_path: Path) -> None:
        path = unpack("small", tmp_path)
        with boltpy.open(path):
            result = run("show", path)
        assert result.returncode == 1
        assert "timeout" in result.stderr
        assert result.stderr.count("\n") == 1

    @pytest.mark.parametrize("arguments", [[], ["show"], ["sing", "x"], ["show", "a", "b"]])
    def test_a_wrong_command_line_is_told_how_it_goes(self, arguments: list[str]) -> None:
        result = run(*arguments)
        assert result.returncode == 2
        assert "usage: gofer-db" in result.stderr

    def test_a_full_disk_is_told_from_a_bad_database(self, capsys: pytest.CaptureFixture[str]) -> None:
        class FullDisk(io.StringIO):
            def write(self, text: str) -> int:
                raise OSError(errno.ENOSPC, "No space left on device")

        assert main(["show", str(SMALL)], FullDisk()) == 1
        assert capsys.readouterr().err == "gofer-db: output: No space left on device\n"

    def test_without_a_stdout_nothing_is_printed(self) -> None:
        command = f"exec {shlex.join(COMMAND)} show {SMALL} >&-"
        result = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, timeout=60, check=False)
        assert (result.returncode, result.stderr) == (0, b"")

    def test_help_and_version(self) -> None:
        assert "show" in run("--help").stdout
        assert "--json" in run("show", "--help").stdout
        assert run("--version").stdout == f"gofer-db {boltpy.__version__}\n"

    @pytest.mark.parametrize("module", ["engine.cli", "engine.cli.output", "engine.errors", "boltpy.bucket", "_socket"])
    def test_ctrl_c_while_modules_are_loaded_ends_it_in_silence(self, module: str) -> None:
        code = f"""
import os, signal, sys
class Interrupting:
    def find_spec(self, name, *rest):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
from engine.__main__ import run
sys.argv = ["gofer-db", "show", "etcd://127.0.0.1:1/x?timeout=0.1"]
run()
"""
        result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, timeout=60, check=False)
        assert (result.returncode, result.stdout, result.stderr) == (130, b"", b"")
