"""Whole runs, in processes as they are: small ones, beside sqlite3 and our own pure mode, and beside Go where it is."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import cli, peers
from benchmarks.building import ROOT
from benchmarks.catalogue import WORKLOADS
from benchmarks.job import MEASURE, Job
from benchmarks.peers import PEERS
from benchmarks.process import FailedError, Watch, work
from benchmarks.progress import Progress
from benchmarks.results import Results
from benchmarks.runner import Runner

TINY = {
    it.name: replace(it, count=200, ops=min(it.ops, 20), batch=min(it.batch, 50), values=min(it.values, 40))
    for it in WORKLOADS
}


def quiet() -> Progress:
    return Progress(0, io.StringIO())


def needs_go() -> None:
    reason = peers.missing("go")
    if reason and os.environ.get("BOLTPY_REQUIRE_GO") == "1":
        pytest.fail(f"BOLTPY_REQUIRE_GO=1, but {reason}")
    if reason:
        pytest.skip(reason)


@pytest.mark.parametrize("name", [it.name for it in WORKLOADS if not it.large])
def test_go_reads_what_boltpy_reads(name: str, tmp_path: Path) -> None:
    needs_go()
    found = Runner(tmp_path, [PEERS["boltpy"], PEERS["go"]], 1).measure(TINY[name], quiet())
    assert [series.problem for series in found.series.values()] == ["", ""]
    assert found.series["boltpy"].reads == found.series["go"].reads


@pytest.mark.parametrize("name", ["put-ordered", "get-random", "delete-random", "commit-sync"])
def test_peers_in_python_take_part(name: str, tmp_path: Path) -> None:
    others = [PEERS["boltpy"], PEERS["sqlite3"], PEERS["lmdb"], PEERS["pure"]]
    runner = Runner(tmp_path, others, 2)
    found = runner.measure(TINY[name], quiet())
    assert runner.steps(TINY[name]) == 7
    assert {peer: series.problem for peer, series in found.series.items()} == dict.fromkeys(found.series, "")
    assert [len(series.values) for series in found.series.values()] == [2, 2, 2, 1]
    assert found.series["pure"].versions["HOT"] == "py"


def test_memory_is_watched_from_outside(tmp_path: Path) -> None:
    runner = Runner(tmp_path, [PEERS["boltpy"]], 3)
    found = runner.measure(TINY["memory-tx"], quiet())
    if Path("/proc/self/status").exists():
        assert len(found.series["boltpy"].values) == runner.steps(TINY["memory-tx"]) == 1  # it is the same each time
        assert 2**20 < found.series["boltpy"].median < 2**30
    else:
        assert found.series["boltpy"].problem == "the system does not tell how much memory a process has"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells of a process's memory")
def test_a_process_that_has_ended_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it stays in /proc, without memory
    monkeypatch.setattr("benchmarks.process.time.sleep", lambda _: pytest.fail("waits for what has ended"))
    watching = Watch(process.pid)
    watching.end()
    process.wait()
    assert watching.peak == 0


def test_a_run_keeps_its_results_and_prints_a_table(tmp_path: Path) -> None:
    out, kept = io.StringIO(), tmp_path / "results.json"
    words = ["--quick", "--only", "scan", "--only", "commit-no-sync", "--count", "500", "--values", "50"]
    code = cli.main(["run", *words, "--peers", "sqlite3", "--folder", str(tmp_path), "--output", str(kept)], out)
    assert code == 0
    assert "| scan of all pairs |" in out.getvalue()
    results = Results.read(str(kept))
    assert list(results.peers) == ["boltpy", "sqlite3"]
    assert [it.name for it in results.measured] == ["commit-no-sync", "scan"]
    assert results.measured[0].sizes["values"] == 50
    assert results.versions()["boltpy"]["HOT"] in {"c", "py"}
    assert results.machine["rounds"] == "1, of a tenth of each: ratios are rough"
    assert {"processor", "load at the start", "load at the end"} <= set(results.machine)
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]


def test_a_missing_peer_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    out = io.StringIO()
    words = ["run", "--quick", "--only", "get-tx", "--count", "100", "--peers", "go", "--folder", str(tmp_path)]
    assert cli.main(words, out) == 0
    assert "* missing: go: go is not on PATH" in out.getvalue()


@pytest.mark.parametrize(
    ("program", "text"),
    [
        ("#!/bin/sh\nexit 1\n", "go build failed: it said nothing"),
        ("#!/bin/sh\necho 'no' >&2\necho 'way' >&2\nexit 1\n", "go build failed: no way"),
        ("no program", "Exec format error"),
    ],
)
def test_a_go_that_does_not_build_is_a_failure(
    program: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    go = tmp_path / "go"
    go.write_text(program)
    go.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    out, kept = io.StringIO(), tmp_path / "results.json"
    words = ["run", "--quick", "--only", "get-tx", "--count", "100", "--peers", "go", "--output", str(kept)]
    assert cli.main(words, out) == 1
    (line,) = [line for line in out.getvalue().splitlines() if line.startswith("* failed: go: ")]
    assert text in line
    assert "| one get a tx |" in out.getvalue()
    assert capsys.readouterr().err == f"{line.removeprefix('* ')}\n"
    assert Results.read(str(kept)).failed


def test_a_limit_of_a_peer_is_no_failure(tmp_path: Path) -> None:
    words = ["--only", "get-random", "--only", "put-random", "--keys", "512", "--count", "100"]
    out = io.StringIO()
    assert cli.main(["run", *words, "--peers", "lmdb", "--rounds", "1", "--folder", str(tmp_path)], out) == 0
    for title in "get, random", "put, random":
        assert f"* {title}: py-lmdb unsupported: keys of more than 511 bytes" in out.getvalue()


@pytest.mark.parametrize(
    ("words", "sizes", "goals"),
    [
        (["--keys", "8", "--count", "2000"], None, True),
        (["--count", "1000", "--keys", "20"], "20 bytes of a key, 1,000 pairs in the file", False),
        (["--quick"], None, False),
    ],
)
def test_goals_are_for_the_usual_sizes_and_others_are_told(
    words: list[str], sizes: str | None, goals: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = replace(TINY["get-random"], count=2000, ops=20)
    monkeypatch.setattr("benchmarks.cli.chosen", lambda *_names, large: [usual])
    out = io.StringIO()
    assert cli.main(["run", *words, "--peers", "sqlite3", "--rounds", "1", "--folder", str(tmp_path)], out) == 0
    head = out.getvalue().splitlines()[0]
    assert ("sizes: " in head) == (sizes is not None)
    assert sizes is None or f"; sizes: {sizes} in rows whose name says none; " in head
    assert ("goals: for whole runs of the usual sizes" in head) != goals
    assert ("(goal 0.15)" in out.getvalue()) == goals
    assert goals or "**" not in out.getvalue()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--peers", "oracle"], "no peer is called 'oracle'"),
        (["--only", "juggle"], "no workload is called 'juggle'"),
        (["--only", ""], "no workload is called ''; they are put-ordered, "),
        (["--only", " "], "no workload is called ''"),
        (["--peers", "go, oracle"], "no peer is called 'oracle'; they are boltpy, go, lmdb, sqlite3, pure"),
        (["--keys", "4"], "keys is 4"),
        (["--output", "/nowhere/results.json"], "/nowhere/results.json can not be written: No such file"),
        (["--output", "/"], "/ is a folder"),
        (["--output", ""], "is a folder"),
        (["--folder", "/nowhere"], "/nowhere is no folder"),
    ],
)
def test_wrong_names_and_sizes_are_one_line_before_anything_is_run(
    words: list[str], text: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.cli.Runner", None)
    assert cli.main(["run", *words]) == 1
    said = capsys.readouterr().err
    assert text in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(("size", "text"), [("abc", "'abc' is no whole number"), ("0", "0 is less than 1")])
def test_a_size_is_a_number(size: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(["run", "--keys", size])
    assert f"argument --keys: {text}" in capsys.readouterr().err


def test_blanks_between_names_do_not_matter(tmp_path: Path) -> None:
    out = io.StringIO()
    words = ["--quick", "--only", " scan ", "--count", "100", "--peers", "sqlite3, boltpy , sqlite3,"]
    assert cli.main(["run", *words, "--folder", str(tmp_path)], out) == 0
    assert "| work | boltpy | of sqlite3 |" in out.getvalue()


def test_a_process_that_fails_says_why(tmp_path: Path) -> None:
    path = tmp_path / "test.db"
    path.write_bytes(bytes(8192))
    job = Job(TINY["scan"], str(path), MEASURE, "boltpy")
    with pytest.raises(FailedError, match="InvalidDatabaseError"):
        work(job, peers.command(PEERS["boltpy"], job.workload), peers.environment(PEERS["boltpy"]), watch=False)


def test_a_peer_that_fails_is_left_out_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.runner.command", lambda *_: [sys.executable, "-c", "raise SystemExit('no time')"])
    found = Runner(tmp_path, [PEERS["boltpy"]], 2).measure(TINY["put-random"], quiet())
    assert found.series["boltpy"].problem == "failed: exit code 1: no time"
    assert found.series["boltpy"].failed


def test_a_peer_that_fails_makes_the_run_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = peers.command
    monkeypatch.setattr(
        "benchmarks.runner.command",
        lambda peer, workload: (
            [sys.executable, "-c", "raise SystemExit('no time')"] if peer.name == "sqlite3" else right(peer, workload)
        ),
    )
    out, kept = io.StringIO(), tmp_path / "results.json"
    words = ["run", "--quick", "--only", "put-random", "--count", "100", "--peers", "sqlite3", "--output", str(kept)]
    assert cli.main(words, out) == 1
    assert "| put, random |" in out.getvalue()
    assert "sqlite3 failed: exit code 1: no time" in out.getvalue()
    assert Results.read(str(kept)).failed


def test_a_peer_without_a_call_for_it_does_not_make_the_run_fail(tmp_path: Path) -> None:
    words = ["run", "--quick", "--only", "nested", "--count", "100", "--peers", "sqlite3", "--folder", str(tmp_path)]
    out = io.StringIO()
    assert cli.main(words, out) == 0
    assert "sqlite3 has no nested buckets" in out.getvalue()


@pytest.mark.parametrize(
    ("program", "text"),
    [
        ("import os; os.kill(os.getpid(), 7)", f"killed by {signal.Signals(7).name}: it said nothing"),
        ("print('no JSON')", "it gave no answer that can be read: "),
        ("print('[]')", "it gave no answer that can be read: "),
        ("""print('{"seconds": 1, "colour": 2}')""", "it gave no answer that can be read: "),
    ],
)
def test_how_a_process_failed_is_said_in_words(program: str, text: str, tmp_path: Path) -> None:
    job = Job(TINY["scan"], str(tmp_path / "test.db"), MEASURE, "boltpy")
    with pytest.raises(FailedError, match=text):
        work(job, [sys.executable, "-c", program], os.environ, watch=False)


def test_the_engines_peer_tells_what_it_was_built_of(tmp_path: Path) -> None:
    needs_go()
    found = Runner(tmp_path, [PEERS["go"]], 1).measure(TINY["gofer-replay"], quiet())
    required = (ROOT / "tests/interop/go/gofer/go.mod").read_text()
    versions = found.series["go"].versions
    assert f"storm/v3 v{versions['storm']}\n" in required
    assert "bbolt v" + versions["storm's bbolt"] + "\n" in required


def test_a_wrong_peer_makes_the_run_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = json.dumps({"seconds": 1.0, "operations": 1, "pairs": 1, "checksum": 1})
    right = peers.command
    monkeypatch.setattr(
        "benchmarks.runner.command",
        lambda peer, workload: (
            [sys.executable, "-c", f"print('{wrong}')"] if peer.name == "sqlite3" else right(peer, workload)
        ),
    )
    out = io.StringIO()
    words = ["run", "--quick", "--only", "put-random", "--count", "100", "--peers", "sqlite3,lmdb"]
    assert cli.main([*words, "--folder", str(tmp_path)], out) == 1
    assert "sqlite3 the answer differs" in out.getvalue()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_bar_that_goes_away() -> None:
    stream = Terminal()
    with Progress(2, stream) as progress:
        progress.step("first")
        progress.step("second")
    assert "0/2 first" in stream.getvalue()
    assert "1/2 second" in stream.getvalue()
    assert stream.getvalue().endswith("\r\x1b[K")


def test_nothing_else_gets_a_bar() -> None:
    stream = io.StringIO()
    with Progress(1, stream) as progress:
        progress.step("first")
    assert stream.getvalue() == ""


def test_the_workloads_are_listed() -> None:
    out = io.StringIO()
    assert cli.main(["list"], out) == 0
    assert all(it.name in out.getvalue() for it in WORKLOADS)
