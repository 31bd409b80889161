"""`put`, `delete`, `mkbucket`, `rmbucket`, `mv` and `seq`."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pytest

import boltpy
from tests.cli.command import COMMAND, ROOT, environment, printed, printed_json, run
from tests.models import BucketModel, assert_holds, read_bucket


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.db"
    with boltpy.open(path) as db, db.update() as tx:
        users = tx.create_bucket(b"users")
        users.put(b"ada", b"countess")
        users.create_bucket(b"old").put(b"k", b"v")
        users.create_bucket(b"empty")
    return path


def holds(path: Path, *names: bytes) -> BucketModel:
    with boltpy.open(path) as db, db.view() as tx:
        assert list(tx.check()) == []
        bucket = tx.bucket(*names)
        assert bucket is not None
        return read_bucket(bucket)


def refused(*arguments: str | bytes | Path) -> str:
    """The one line of an error; the file is as it was."""
    file = Path(str(arguments[1]))
    before = file.read_bytes()
    told = run(*arguments)
    assert (told.returncode, told.stdout) == (1, "")
    assert len(told.stderr.splitlines()) == 1
    assert file.read_bytes() == before
    return told.stderr.removeprefix("Error: ").strip()


class TestPut:
    def test_a_value_on_the_line(self, path: Path) -> None:
        assert printed("put", path, "users", "old", "new key", "value") == ""
        assert holds(path, b"users", b"old").entries == {b"k": b"v", b"new key": b"value"}

    def test_hex_and_bytes_that_are_no_text(self, path: Path) -> None:
        printed("put", path, "6f6c64", "--parse-format", "hex", "-p", "00ff", "0a", "--value-format", "hex")
        assert holds(path, b"old").entries == {b"\x00\xff": b"\n"}
        assert run("put", path, "users", b"\xfe", b"\xff").returncode == 0
        assert holds(path, b"users").entries[b"\xfe"] == b"\xff"

    def test_a_value_from_a_file_or_the_input_is_taken_as_it_is(self, path: Path, tmp_path: Path) -> None:
        (tmp_path / "value").write_bytes(bytes(range(256)) * 300)
        printed("put", path, "users", "file", "-i", tmp_path / "value")
        done = subprocess.run(
            [*COMMAND, "put", path, "users", "stdin", "--input", "-"],
            input=b"line\n", cwd=ROOT, env=environment(), capture_output=True, timeout=60, check=True,
        )  # fmt: skip
        assert (done.stdout, done.stderr) == (b"", b"")
        entries = holds(path, b"users").entries
        assert entries[b"file"] == bytes(range(256)) * 300
        assert entries[b"stdin"] == b"line\n"

    def test_no_more_is_read_than_a_value_can_have(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("boltpy.cli.changing.MAX_VALUE_SIZE", 10)
        given = io.TextIOWrapper(io.BytesIO(b"x" * 100))
        monkeypatch.setattr("sys.stdin", given)
        printed("put", path, "users", "ada", "-i", "-")
        assert holds(path, b"users").entries[b"ada"] == b"x" * 11  # one more, which the database refuses
        assert given.buffer.tell() == 11

    def test_json_tells_whether_the_key_is_new(self, path: Path) -> None:
        assert printed_json("put", path, "users", "ada", "queen") == {"created": False}
        assert printed_json("put", path, "users", "bob", "") == {"created": True}

    def test_what_cannot_be_is_one_line(self, path: Path) -> None:
        assert refused("put", path, "nobody", "k", "v") == 'bucket not found: "nobody"'
        assert refused("put", path, "users", "ada", "k", "v") == 'this is a key, not a bucket: "users"/"ada"'
        assert refused("put", path, "users", "old", "v") == 'this is a bucket, not a key: "users"/"old"'
        assert refused("put", path, "users", "", "v") == "a name or key of no bytes"
        assert "hex" in refused("put", path, "users", "k", "abc", "--value-format", "hex")
        assert "No such file" in refused("put", path, "users", "k", "-i", "/nowhere/at/all")

    def test_no_value_is_wrong_usage_and_a_missing_file_is_not_made(self, path: Path, tmp_path: Path) -> None:
        told = run("put", path, "users", "ada")
        assert (told.returncode, told.stdout) == (2, "")
        assert run("put", tmp_path / "none.db", "users", "k", "v").returncode == 1
        assert not (tmp_path / "none.db").exists()


class TestDelete:
    def test_a_key(self, path: Path) -> None:
        printed("delete", path, "users", "old", "k")
        assert holds(path, b"users", b"old").entries == {}

    def test_a_missing_one_is_an_error_unless_forced(self, path: Path) -> None:
        assert refused("delete", path, "users", "bob") == 'key not found: "users"/"bob"'
        assert printed_json("delete", path, "-f", "users", "bob") == {"deleted": False}
        assert refused("delete", path, "nobody", "bob") == 'bucket not found: "nobody"'
        assert printed_json("delete", path, "-f", "nobody", "bob") == {"deleted": False}

    def test_a_bucket_is_not_deleted_by_it(self, path: Path) -> None:
        assert refused("delete", path, "-f", "users", "old") == 'this is a bucket, not a key: "users"/"old"'


class TestBuckets:
    def test_made_and_deleted(self, path: Path) -> None:
        printed("mkbucket", path, "a")
        assert printed_json("mkbucket", path, "-p", "a", "b", "c") == {"created": True}
        assert printed_json("mkbucket", path, "-p", "a", "b", "c") == {"created": False}
        assert refused("mkbucket", path, "a") == 'bucket already exists: "a"'
        assert refused("mkbucket", path, "users", "ada") == 'this is a key, not a bucket: "users"/"ada"'
        assert refused("mkbucket", path, "x", "y") == 'bucket not found: "x"'
        assert refused("rmbucket", path, "a").startswith('the bucket is not empty: "a"')
        printed("rmbucket", path, "a", "b", "c")
        printed("rmbucket", path, "-r", "a")
        printed("rmbucket", path, "users", "empty")
        assert refused("rmbucket", path, "users", "ada") == 'this is a key, not a bucket: "users"/"ada"'
        assert printed_json("rmbucket", path, "-f", "a") == {"deleted": False}
        with boltpy.open(path) as db, db.view() as tx:
            users = BucketModel({b"ada": b"countess", b"old": BucketModel({b"k": b"v"})})
            assert_holds(tx, BucketModel({b"users": users}))

    def test_a_new_file_only_when_asked_for(self, tmp_path: Path) -> None:
        assert run("mkbucket", tmp_path / "new.db", "a").returncode == 1
        assert not (tmp_path / "new.db").exists()
        printed("mkbucket", tmp_path / "new.db", "a", "--create")
        assert list(holds(tmp_path / "new.db").entries) == [b"a"]

    def test_what_cannot_be_makes_no_file_and_leaves_an_empty_one_empty(self, tmp_path: Path) -> None:
        file = tmp_path / "new.db"
        assert run("mkbucket", "--create", file, "a", "b").returncode == 1
        assert list(tmp_path.iterdir()) == []
        file.touch()
        assert run("mkbucket", "--create", file, "a", "b").returncode == 1
        assert list(tmp_path.iterdir()) == [file]
        assert file.stat().st_size == 0
        printed("mkbucket", file, "a", "--create")
        assert list(holds(file).entries) == [b"a"]

    def test_the_bucket_around_a_missing_one_may_be_missing_too_if_forced(self, path: Path) -> None:
        assert refused("rmbucket", path, "nobody", "x") == 'bucket not found: "nobody"'
        assert printed_json("rmbucket", path, "-f", "nobody", "x") == {"deleted": False}
        assert refused("rmbucket", path, "-f", "users", "ada", "x") == 'this is a key, not a bucket: "users"/"ada"'


def test_an_empty_file_is_a_database_if_the_change_succeeds_and_stays_empty_else(tmp_path: Path) -> None:
    file = tmp_path / "a.db"
    file.touch(0o640)
    for command in (("put", file, "a", "b", "c"), ("rmbucket", file, "a"), ("seq", file, "a", "--next")):
        assert refused(*command) == 'bucket not found: "a"'
    printed("put", file, "-p", "a", "b", "c")
    assert holds(file, b"a").entries == {b"b": b"c"}
    assert file.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [file]


class TestMove:
    def test_a_bucket_gets_another_place_and_name_and_keeps_what_it_has(self, path: Path) -> None:
        printed("seq", path, "users", "old", "--set", "9")
        assert printed_json("mv", path, "users", "old", "--to", "archive", "--to", "2020", "-p") == {"moved": "bucket"}
        moved = holds(path, b"archive", b"2020")
        assert (moved.entries, moved.sequence) == ({b"k": b"v"}, 9)
        assert list(holds(path, b"users").entries) == [b"ada", b"empty"]

    def test_a_bucket_is_renamed_in_its_place(self, path: Path) -> None:
        printed("mv", path, "users", "--to", "people")
        assert list(holds(path).entries) == [b"people"]

    def test_a_key(self, path: Path) -> None:
        assert printed_json("mv", path, "users", "ada", "--to", "users", "--to", "old", "--to", "lovelace") == {
            "moved": "pair"
        }
        assert holds(path, b"users", b"old").entries == {b"k": b"v", b"lovelace": b"countess"}

    def test_nothing_is_replaced_and_nothing_moves_into_itself(self, path: Path) -> None:
        assert refused("mv", path, "users", "old", "--to", "users", "--to", "ada").startswith(
            "there is something already"
        )
        assert refused("mv", path, "users", "--to", "users").startswith("there is something already")
        into_itself = refused("mv", path, "users", "--to", "users", "--to", "old", "--to", "users")
        assert into_itself == 'a bucket cannot be moved into itself: "users"'
        assert refused("mv", path, "nobody", "--to", "x") == 'neither a key nor a bucket: "nobody"'

    def test_a_key_stays_out_of_the_root_bucket_as_bbolt_demands(self, path: Path) -> None:
        said = refused("mv", path, "users", "ada", "--to", "ada")
        assert said == 'a key needs a bucket to be in, and this path has none: "ada"'

    def test_nothing_moves_deeper_than_buckets_can_be(self, path: Path) -> None:
        deep = ["a"] * 300
        printed("mkbucket", path, "-p", *deep)
        said = refused("mv", path, "users", *(word for name in [*deep, "users"] for word in ("--to", name)))
        assert said == "would be nested deeper than 300 levels: " + "/".join(['"a"'] * 300 + ['"users"'])


class TestSequence:
    def test_read_set_and_counted_up(self, path: Path) -> None:
        assert printed("seq", path, "users", "old") == "0\n"
        assert printed("seq", path, "users", "old", "--set", str(2**64 - 2)) == f"{2**64 - 2}\n"
        assert printed("seq", path, "users", "old", "--next") == f"{2**64 - 1}\n"
        assert printed_json("seq", path, "users", "old") == {"sequence": 2**64 - 1}
        assert printed("seq", path) == "0\n"

    def test_reading_it_changes_no_byte(self, path: Path) -> None:
        before = path.read_bytes()
        printed("seq", path, "users")
        assert path.read_bytes() == before

    def test_wrong_usage(self, path: Path) -> None:
        assert run("seq", path, "users", "--set", "1", "--next").returncode == 2
        assert run("seq", path, "users", "--set", "-1").returncode == 2
