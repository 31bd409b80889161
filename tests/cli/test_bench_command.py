"""`boltpy bench`: bbolt's workloads and output; what makes bbolt crash, count wrong or delete a file is mended."""

from __future__ import annotations

import json
import os
import pstats
import re
from pathlib import Path

import pytest

import boltpy
from boltpy.cli import workloads
from boltpy.cli.bench import go_duration
from tests.cli.beside import Bbolt, run_here


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Read for a moment and not for a second, with temporary files in a folder of the test's own."""
    monkeypatch.setattr(workloads, "_READ_SECONDS", 1e-9)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def bench(*flags: str) -> tuple[str, list[str]]:
    """stdout, and the lines of stderr, of a run that must succeed."""
    code, out, errors = run_here("bench", *flags)
    assert code == 0, errors
    return out.decode(), errors.splitlines()


LINES = re.compile(
    r"# Write\t(\d+)\(ops\)\t[\d.]+(?:ns|µs|ms|s)\t\([\d.]+(?:ns|µs|ms|s)/op\)\t\(\d+ op/sec\)\n"
    r"# Read\t(\d+)\(ops\)\t[\d.]+(?:ns|µs|ms|s)\t\([\d.]+(?:ns|µs|ms|s)/op\)\t\(\d+ op/sec\)\n\n"
)


def test_the_output_has_the_form_of_bbolts(bbolt: Bbolt, tmp_path: Path) -> None:
    out, errors = bench("--count", "200", "--batch-size", "100")
    found = LINES.fullmatch(out)
    assert found is not None
    assert found.groups() == ("200", "200")
    assert errors == [
        "starting write benchmark.", "Starting write iteration 0", "Finished write iteration 0",
        "Starting write iteration 100", "Finished write iteration 100", "starting read benchmark.",
    ]  # fmt: skip
    theirs = bbolt("bench", "--count", "200", "--batch-size", "100", "--path", tmp_path / "theirs")
    assert LINES.fullmatch(theirs.out.decode())
    assert errors[0] == theirs.error


@pytest.mark.parametrize("mode", ["seq", "rnd", "seq-nest", "rnd-nest"])
@pytest.mark.parametrize("read_mode", ["seq", "rnd"])
def test_each_pair_is_read_once_in_each_pass(mode: str, read_mode: str) -> None:
    out, _ = bench("--count=300", "--batch-size=30", "--write-mode", mode, "--read-mode", read_mode, "--json")
    found = json.loads(out)
    assert found["write"]["ops"] == 300
    assert found["read"]["ops"] == 300  # bbolt counts 1650 of them for seq-nest
    assert found["read"]["ns_per_op"] * 300 == pytest.approx(found["read"]["seconds"] * 1e9)


@pytest.mark.parametrize("mode", ["seq", "seq-nest"])
def test_the_file_is_bbolts_to_the_byte(bbolt: Bbolt, tmp_path: Path, mode: str) -> None:
    flags = ["--count=60", "--batch-size=20", "--write-mode", mode, "--work", "--key-size=9", "--value-size=50"]
    files = [tmp_path / "theirs", tmp_path / "ours"]
    bbolt("bench", *flags, "--path", files[0])
    bench(*flags, "--path", str(files[1]))
    assert files[0].read_bytes() == files[1].read_bytes()


def test_the_file_goes_unless_it_is_to_be_kept(tmp_path: Path) -> None:
    bench("--count", "5")
    bench("--count", "5", "--path", str(tmp_path / "here"))
    assert os.listdir(tmp_path) == []
    _, errors = bench("--count", "5", "--work", "--page-size", "8192", "--no-sync", "--fill-percent", "0.9")
    assert errors[0].startswith("work: ")
    with boltpy.open(errors[0].removeprefix("work: "), read_only=True) as db, db.view() as tx:
        bucket = tx.bucket(b"bench")
        assert bucket is not None
        assert list(bucket) == [bytes([0, 0, 0, number, 0, 0, 0, 0]) for number in range(1, 6)]
        assert set(bucket.values()) == {bytes(32)}
        assert db.info().page_size == 8192


def test_a_file_that_is_there_is_not_deleted(tmp_path: Path) -> None:
    path = tmp_path / "mine.db"
    boltpy.open(path).close()
    code, out, errors = run_here("bench", "--count", "5", "--path", path)
    assert (code, out) == (1, b"")
    assert errors == f"Error: bench: {path} exists; it would be deleted in the end. --work keeps it\n"
    assert path.exists()
    bench("--count", "5", "--path", str(path), "--work")


def test_the_form_of_gos_benchmarks(bbolt: Bbolt, tmp_path: Path) -> None:
    form = r"BenchmarkWrite\t     100\t *[\d.]+ ns/op\nBenchmarkRead \t *\d+\t *[\d.]+ ns/op\n\n"
    flags = ("--count", "100", "--gobench-output")
    assert re.fullmatch(form, bench(*flags)[0])
    assert re.fullmatch(form, bbolt("bench", *flags, "--path", tmp_path / "bbolt.db").out.decode())


@pytest.mark.parametrize(("mode", "write", "read"), [("rw", True, True), ("w", True, False), ("r", False, True)])
def test_a_profile_of_what_was_asked_for(tmp_path: Path, mode: str, write: bool, read: bool) -> None:
    bench("--count", "50", "--read-mode", "rnd", "--cpuprofile", str(tmp_path / "p"), "--profile-mode", mode)
    seen = {name for _, _, name in pstats.Stats(str(tmp_path / "p")).stats}  # type: ignore[attr-defined]
    assert ("put" in seen) == write
    assert ("_look_up" in seen) == read


def test_no_profile_of_nothing(tmp_path: Path) -> None:
    bench("--count", "5", "--cpuprofile", str(tmp_path / "p"), "--profile-mode", "n")
    assert os.listdir(tmp_path) == []


def test_a_profile_goes_into_no_pipe_and_no_folder(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path / "pipe", tmp_path):
        code, out, errors = run_here("bench", "--count", "5", "--cpuprofile", place)
        assert (code, out, errors) == (1, b"", f"Error: {place}: exists and is no regular file\n")
    assert os.listdir(tmp_path) == ["pipe"]


def test_a_failed_run_leaves_the_profile_that_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("no more")

    monkeypatch.setattr("boltpy.cli.bench.read", fail)
    (tmp_path / "p").write_bytes(b"the last one")
    code, _, _ = run_here("bench", "--count", "5", "--cpuprofile", tmp_path / "p")
    assert code == 1
    assert (tmp_path / "p").read_bytes() == b"the last one"
    assert os.listdir(tmp_path) == ["p"]


def test_a_file_in_use_is_reported_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mine.db"
    monkeypatch.setattr("time.sleep", lambda seconds: pytest.fail(f"waits {seconds} s"))
    with boltpy.open(path):
        code, _, errors = run_here("bench", "--count", "5", "--path", path, "--work")
    assert code == 1
    assert errors.splitlines()[-1].startswith(f"Error: {path}")


def test_a_name_of_two_lines_is_told_on_one(tmp_path: Path) -> None:
    _, errors = bench("--count", "5", "--work", "--path", str(tmp_path / "a\nb"))
    assert errors[0] == f"work: {tmp_path}/a\\nb"


@pytest.mark.parametrize(
    "flags",
    [
        "--count 0", "--count -1", "--count 10 --batch-size 3", "--count 10 --batch-size -5", "--key-size 3",
        "--value-size -1", "--page-size 1000", "--page-size -1", "--write-mode seq-del", "--read-mode backwards",
        "--memprofile m", "--blockprofile b", "--fill-percent nan", "--fill-percent inf", "--fill-percent 1e400",
        "--key-size 32769", "--key-size 9223372036854775807", "--value-size 9223372036854775807",
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_wrong_usage(flags: str, tmp_path: Path) -> None:
    code, out, errors = run_here("bench", *flags.split())
    assert (code, out) == (2, b"")
    assert errors.startswith("Error: ")
    assert os.listdir(tmp_path) == []


def test_a_profile_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    code, _, errors = run_here("bench", "--count", "5", "--cpuprofile", tmp_path / "no" / "where")
    assert code == 1
    assert errors.splitlines()[-1] == f"Error: {tmp_path}/no/where: No such file or directory"
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0s"), (13, "13ns"), (6071, "6.071µs"), (661_166, "661.166µs"), (1_500_000, "1.5ms"), (10**9, "1s"),
        (1_004_816_126, "1.004816126s"), (62_500_000_000, "1m2.5s"), (3_600_000_000_000, "1h0m0s"),
    ],
)  # fmt: skip
def test_times_are_printed_as_go_does(nanoseconds: int, text: str) -> None:
    assert go_duration(nanoseconds) == text
