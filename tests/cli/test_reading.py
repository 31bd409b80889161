"""The command `boltpy`: what each reading command answers, and one clear line where it can not."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

import boltpy
from boltpy.cli import main
from tests.boltpy.rawfile import HEADER
from tests.cli.command import printed, printed_json, run

REPORT = """\
Aggregate statistics for {} buckets

Page count statistics
	Number of logical branch pages: {}
	Number of physical branch overflow pages: {}
	Number of logical leaf pages: {}
	Number of physical leaf overflow pages: {}
Tree statistics
	Number of keys/value pairs: {}
	Number of levels in B+tree: {}
Page size utilization
	Bytes allocated for physical branch pages: {}
	Bytes actually used for branch data: {} ({}%)
	Bytes allocated for physical leaf pages: {}
	Bytes actually used for leaf data: {} ({}%)
Bucket statistics
	Total number of buckets: {}
	Total number on inlined buckets: {} ({}%)
	Bytes used for inlined buckets: {} (0%)
"""
HOLDER = "this process" if Path("/proc/locks").exists() else "a process that the system does not name"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Buckets `b`, with pairs of every kind and a bucket nested in it, and one whose name is no text."""
    path = tmp_path / "a.db"
    with boltpy.open(path, page_size=4096) as db, db.update() as tx:
        bucket = tx.create_bucket(b"b")
        bucket.put_many({b"\xff": b"\xfe", b"ff": b"fe", "schön".encode(): b"1", b"a\nb": b"2 lines\n", b"-k": b"dash"})
        bucket.create_bucket(b"sub")[b"k"] = b"v"
        tx.create_bucket(b"\x00\x01")
    return path


def error_of(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The line on stderr of a command that must fail and print nothing."""
    assert main([str(argument) for argument in arguments]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Error: ")
    assert err.endswith("\n")
    assert err.count("\n") == 1
    return err.removeprefix("Error: ").rstrip("\n")


class TestAnswers:
    def test_a_check_from_a_page_of_no_tree_tells_its_type(
        self, path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        page = next(page["id"] for page in printed_json("pages", path) if page["type"] == "freelist")
        assert main(["check", str(path), "--from-page", str(page)]) == 1
        out = capsys.readouterr().out.splitlines()
        assert out == [f"page {page}: has unexpected type/flags: 10 (stack: [{page}])", "1 errors found"]

    def test_info_is_the_one_line_of_bbolt(self, path: Path) -> None:
        assert printed("info", path) == "Page Size: 4096\n"

    def test_info_as_json_tells_more(self, path: Path) -> None:
        with boltpy.open(path, read_only=True) as db, db.view() as tx:
            size, txid = tx.size, tx.id
        assert printed_json("info", path) == {"page_size": 4096, "size": size, "txid": txid, "kernels": boltpy.HOT}

    def test_keys_are_text_where_they_are_printable_and_else_hex(self, path: Path) -> None:
        assert printed("keys", path, "b").splitlines() == ["-k", "610a62", "ff", "schön", "sub", "ff"]

    def test_json_tells_bytes_from_text_that_looks_like_their_hex(self, path: Path) -> None:
        assert printed_json("keys", path, "b") == ["-k", {"hex": "610a62"}, "ff", "schön", "sub", {"hex": "ff"}]
        assert printed_json("get", path, "b", "ff") == "fe"
        assert printed_json("get", path, "b", os.fsdecode(b"\xff")) == {"hex": "fe"}
        assert printed_json("buckets", path) == [{"hex": "0001"}, "b"]

    @pytest.mark.parametrize("command", ["buckets", "keys", "get", "inspect"])
    def test_the_help_says_how_json_shows_bytes(self, command: str) -> None:
        assert '{"hex": "ff00"}' in " ".join(run(command, "--help").stdout.split())

    def test_buckets_are_listed(self, path: Path) -> None:
        assert printed("buckets", path) == "\0\1\nb\n"

    def test_keys_of_a_nested_bucket(self, path: Path) -> None:
        assert printed("keys", path, "b", "sub") == "k\n"

    def test_values_are_shown_like_keys(self, path: Path) -> None:
        assert printed("get", path, "b", "sub", "k") == "v\n"
        assert printed("get", path, "b", os.fsdecode(b"\xff")) == "fe\n"

    def test_names_that_begin_with_a_dash_come_after_two(self, path: Path) -> None:
        assert printed("get", path, "b", "--", "-k") == "dash\n"

    def test_inspect_is_json_with_or_without_asking(self, path: Path) -> None:
        inner = {"name": "sub", "keyN": 1}
        first, second = {"name": {"hex": "0001"}, "keyN": 0}, {"name": "b", "keyN": 5, "buckets": [inner]}
        assert printed_json("inspect", path) == {"name": "root", "keyN": 0, "buckets": [first, second]}
        assert json.loads(printed("inspect", path))["buckets"] == [{**first, "name": "\0\1"}, second]

    def test_a_sound_file_is_ok(self, path: Path) -> None:
        assert printed("check", path) == "OK\n"
        assert printed_json("check", path) == []

    def test_any_bucket_and_key_can_be_named_in_hex(self, tmp_path: Path) -> None:
        path = tmp_path / "bytes.db"
        with boltpy.open(path) as db, db.update() as tx:
            tx.create_bucket(b"\x00\xff").create_bucket(b"n\x00")[b"\x00k"] = b"v"
        assert printed("keys", path, "--parse-format", "hex", "00ff", "6e00") == "006b\n"
        hexed = ("--bucket-format", "hex", "--parse-format", "hex")
        assert printed("get", path, *hexed, "00ff", "6e00", "006b") == "v\n"
        assert printed_json("stats", path, "--parse-format", "hex", "00")["buckets"] == 1
        assert printed_json("stats", path, "--parse-format", "hex", "01")["buckets"] == 0

    def test_no_command_changes_the_file(self, path: Path) -> None:
        before = path.read_bytes()
        for command in ("info", "buckets", "inspect", "check"):
            printed(command, path)
        printed("keys", path, "b")
        printed("get", path, "b", "ff")
        assert path.read_bytes() == before


class TestStats:
    """bbolt's own reports, for the databases of its tests."""

    def test_of_nothing(self, tmp_path: Path) -> None:
        path = tmp_path / "empty.db"
        boltpy.open(path, page_size=4096).close()
        assert printed("stats", path) == REPORT.format(*[0] * 17)

    def test_of_three_buckets_of_which_two_are_inline(self, tmp_path: Path) -> None:
        path = tmp_path / "three.db"
        with boltpy.open(path, page_size=4096) as db:
            for name, count in ((b"foo", 10), (b"bar", 100), (b"baz", 0)):
                with db.update() as tx:
                    bucket = tx.create_bucket(name)
                    for number in range(count):
                        bucket[b"%d" % number] = b"%d" % number
                    if not count:
                        bucket[b"key"] = b"value"
        numbers = (3, 0, 0, 1, 0, 111, 1, 0, 0, 0, 4096, 1996, 48, 3, 2, 66, 236)
        assert printed("stats", path) == REPORT.format(*numbers).replace("236 (0%)", "236 (11%)")
        assert printed_json("stats", path, "f") == {
            "buckets": 1, "branch_page_n": 0, "branch_overflow_n": 0, "leaf_page_n": 0, "leaf_overflow_n": 0,
            "key_n": 10, "depth": 1, "branch_alloc": 0, "branch_inuse": 0, "leaf_alloc": 0, "leaf_inuse": 0,
            "bucket_n": 1, "inline_bucket_n": 1, "inline_bucket_inuse": 196,
        }  # fmt: skip


class TestProblems:
    @pytest.fixture
    def damaged(self, path: Path) -> Path:
        """The file with a free page that claims to be used: sound to read, wrong to `check`."""
        with boltpy.open(path) as db:
            for _ in range(3):
                with db.update() as tx:
                    tx.create_bucket_if_not_exists(b"b")[b"more"] = bytes(9000)
            with db.view() as tx:
                infos = [tx.page(pgid) for pgid in range(tx.size // 4096)]
        freelist = next(info.id for info in infos if info is not None and info.type == "freelist")
        data = bytearray(path.read_bytes())
        data[freelist * 4096 : freelist * 4096 + HEADER.size] = HEADER.pack(freelist, 0x10, 0, 0)
        path.write_bytes(data)
        return path

    def test_problems_are_listed_and_counted_and_the_exit_code_is_1(self, damaged: Path) -> None:
        result = run("check", damaged)
        *problems, last = result.stdout.splitlines()
        assert problems
        assert last == f"{len(problems)} errors found"
        assert (result.returncode, result.stderr) == (1, "Error: invalid value\n")

    def test_problems_as_json(self, damaged: Path) -> None:
        result = run("check", damaged, "--json")
        assert re.match(r'\["page \d+: ', result.stdout)
        assert (result.returncode, result.stderr) == (1, "Error: invalid value\n")


class TestErrors:
    def test_a_missing_key_is_named(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        start = "Error key not found for key: "  # bbolt says it twice
        assert error_of(capsys, "get", path, "b", "sub", "no") == start + '"no" hex: "6e6f"'
        assert error_of(capsys, "get", path, "b", os.fsdecode(b"\xfe")) == start + '"\\xfe" hex: "fe"'
        assert error_of(capsys, "get", path, "b", "") == "key is required: key required"

    def test_a_bucket_is_no_key(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert error_of(capsys, "get", path, "b", "sub") == 'Error key not found for key: "sub" hex: "737562"'

    @pytest.mark.parametrize("names", [["nope"], [""], ["b", "nope", "further"], ["b", "ff"], ["b", "ff", "further"]])
    def test_a_path_that_leads_to_no_bucket(
        self, path: Path, capsys: pytest.CaptureFixture[str], names: list[str]
    ) -> None:
        assert error_of(capsys, "keys", path, *names) == "bucket not found"
        assert error_of(capsys, "get", path, *names, "k") == "bucket not found"

    @pytest.mark.parametrize("command", [["info"], ["check"], ["keys", "b"], ["compact", "-o", "new.db"]])
    def test_a_missing_file_is_named_and_not_made(
        self, tmp_path: Path, command: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        name, *rest = command
        assert error_of(capsys, name, "none.db", *rest) == 'source database file "none.db" doesn\'t exist'
        assert os.listdir(tmp_path) == []

    @pytest.mark.parametrize("make", [Path.mkdir, Path.touch, lambda path: path.write_text("text\n" * 5000)])
    def test_what_is_no_database_is_named(
        self, tmp_path: Path, make: Callable[[Path], object], capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = tmp_path / "some.db"
        make(path)
        assert error_of(capsys, "info", path).count(str(path)) == 1

    def test_a_damaged_page_is_told_with_the_file(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        data = bytearray(path.read_bytes())
        data[2 * 4096 :] = b"\xa5" * (len(data) - 2 * 4096)
        path.write_bytes(data)
        assert re.match(rf"{re.escape(str(path))}: page \d+: ", error_of(capsys, "buckets", path))

    def test_a_locked_file_is_one_line(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        with boltpy.open(path):
            error = error_of(capsys, "info", path, "--timeout", "0.01")
        assert error == f"timeout: {path} is locked by {HOLDER} (waited 0.01 s)"

    def test_no_memory_left_is_one_line(
        self, path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object, **__: object) -> None:
            raise MemoryError

        monkeypatch.setattr(boltpy, "open", fail)
        assert error_of(capsys, "buckets", path) == "out of memory"

    @pytest.mark.parametrize("timeout", ["nan", "-1", "-inf", "inf", "1e999", "soon", ""])
    def test_a_timeout_is_a_number_of_seconds(
        self, path: Path, timeout: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["info", str(path), f"--timeout={timeout}"]) == 2
        assert f'invalid argument "{timeout}" for "--timeout" flag: it must be' in capsys.readouterr().err

    @pytest.mark.parametrize("arguments", [["info"], ["keys", "f"], ["get", "f", "b"], ["compact", "f"]])
    def test_a_wrong_command_line_is_told_how_it_goes(self, arguments: list[str]) -> None:
        result = run(*arguments)
        assert (result.returncode, result.stdout) == (2, "")
        assert f"usage: boltpy {arguments[0]} " in result.stderr

    def test_an_unknown_command_is_named(self) -> None:
        result = run("sing")
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr.splitlines()[0] == 'Error: unknown command "sing" for "boltpy"'

    def test_help_and_version(self) -> None:
        assert "compact" in run("--help").stdout
        assert run().stdout == run("--help").stdout == run("help").stdout
        assert run("--version").stdout == f"boltpy version {boltpy.__version__}\n"
