"""What the commands answer about files that are cut, or lost their newest meta, or the order of their keys."""

from __future__ import annotations

from pathlib import Path

import pytest

import boltpy
from tests.cli.beside import Bbolt, run_here


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A database with one commit, which is in the meta of page 0: 200 pairs."""
    path = tmp_path / "a.db"
    with boltpy.open(path, page_size=4096) as db, db.update() as tx:
        tx.create_bucket(b"b").put_many({b"key%03d" % i: bytes(100) for i in range(200)})
    return path


def change(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


@pytest.mark.parametrize("size", [100, 4096, 8191])
def test_the_first_pages_alone_are_no_database(file: Path, size: int) -> None:
    file.write_bytes(file.read_bytes()[:size])
    code, out, errors = run_here("info", file)
    assert (code, out) == (1, b"")
    assert errors.count("\n") == 1
    assert str(size) in errors


def test_all_pages_of_a_short_file_end_with_a_word_on_where_it_ends(file: Path) -> None:
    code, whole, _ = run_here("page", "--all", file)
    assert code == 0
    file.write_bytes(file.read_bytes()[: 5 * 4096 + 7])
    code, out, errors = run_here("page", "--all", file)
    assert code == 1
    assert out
    assert whole.startswith(out.rstrip(b"\n"))
    assert "ends before page 5" in errors


def test_keys_out_of_order_are_told_as_bbolt_does(file: Path, bbolt: Bbolt) -> None:
    data = file.read_bytes()
    change(file, data.index(b"key007"), b"kez007")
    change(file, data.index(b"key003"), b"\xff\xfe\x00003")
    code, out, _ = run_here("check", file)
    assert code == 1
    assert b"(hex)kez007" in out
    assert b"(hex)fffe00303033" in out
    bbolt.agrees("check", file)


def test_recover_tells_how_to_look_for_what_a_damaged_meta_led_to(file: Path, tmp_path: Path) -> None:
    change(file, 16, bytes(16))
    code, report, _ = run_here("recover", file, "-o", tmp_path / "one.jsonl")
    assert code == 0
    assert b"--meta 0 looks for" in report
    code, report, _ = run_here("recover", file, "--meta", "0", "-o", tmp_path / "two.jsonl")
    assert code == 0
    assert b"200 pairs in their places" in report
    assert run_here("import", tmp_path / "new.db", "-i", tmp_path / "two.jsonl")[0] == 0
    with boltpy.open(tmp_path / "new.db") as db, db.view() as tx:
        bucket = tx.bucket(b"b")
        assert bucket is not None
        assert [key for key, _ in bucket.items()] == [b"key%03d" % i for i in range(200)]
