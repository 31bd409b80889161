"""`tree`, `du` and `pages --map`: the buckets, their room, and a picture of the file."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import subprocess
from pathlib import Path

import pytest

import boltpy
from boltpy.cli.shapes import _human
from boltpy.page_map import KINDS, cells, page_kinds, runs
from tests.cli.command import COMMAND, ROOT, environment, printed, printed_json, run
from tests.cli.databases import random_database
from tests.real.files import REAL_FILES, unpack


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return random_database(tmp_path / "a.db")


def json_lines(*arguments: object) -> list[dict[str, object]]:
    return [json.loads(line) for line in printed(*arguments, "--json").splitlines()]


class TestTree:
    def test_the_buckets_are_drawn_with_their_numbers(self, path: Path) -> None:
        keys = {bucket.name: bucket.key_n for bucket in inspected(path).buckets}
        assert printed("tree", path).splitlines() == [
            f"{path}  (0 keys, 3 buckets)",
            "├── inline  (3 keys)",
            f"├── users  ({keys[b'users']:,} keys, 1 bucket, sequence 43)",
            "│   └── old  (300 keys)",
            r'└── "\xfe\x00empty"  (0 keys)',
        ]

    def test_no_name_looks_like_another(self, tmp_path: Path) -> None:
        with boltpy.open(tmp_path / "a.db") as db, db.update() as tx:
            for name in (b"\x00", b"00", b'"\\x00"'):
                tx.create_bucket(name)
        assert [line[4:-10] for line in printed("tree", tmp_path / "a.db").splitlines()[1:]] == [
            r'"\x00"', r'"\"\\x00\""', "00",
        ]  # fmt: skip

    def test_from_a_bucket_and_not_deeper_than_asked(self, path: Path) -> None:
        assert [line.split("  (")[0] for line in printed("tree", path, "users").splitlines()] == ['"users"', "└── old"]
        assert len(printed("tree", path, "-d", "0").splitlines()) == 1
        assert len(printed("tree", path, "-d", "1").splitlines()) == 4

    def test_where_lines_cannot_be_shown_others_are_drawn(self, path: Path) -> None:
        out = run("tree", path, PYTHONUTF8="0", PYTHONIOENCODING="ascii").stdout
        assert "|-- inline" in out
        assert "|   `-- old" in out

    @pytest.mark.parametrize("name", REAL_FILES)
    def test_json_has_each_bucket_with_the_numbers_that_inspect_has(self, tmp_path: Path, name: str) -> None:
        file = unpack(name, tmp_path)
        told = json_lines("tree", file)

        def lines(bucket: boltpy.BucketStructure) -> list[tuple[int, int]]:
            below = [line for nested in bucket.buckets for line in lines(nested)]
            return [(bucket.key_n, len(bucket.buckets)), *below]

        assert [(line["keys"], line["buckets"]) for line in told] == lines(inspected(file))


def inspected(path: Path) -> boltpy.BucketStructure:
    with boltpy.open(path, read_only=True) as db, db.view() as tx:
        return tx.inspect()


class TestRoom:
    @pytest.mark.parametrize("name", REAL_FILES)
    def test_each_page_below_the_high_water_mark_is_counted_once(self, tmp_path: Path, name: str) -> None:
        file = unpack(name, tmp_path)
        *buckets, around = json_lines("du", file)
        with boltpy.open(file, read_only=True) as db, db.view() as tx:
            high_water_mark = tx.size // db.info().page_size
            stats = [bucket.stats() for _, bucket in tx.buckets()]
        own = sum(line["own"]["pages"] for line in buckets)  # type: ignore[index]
        assert buckets[-1]["path"] == []
        assert buckets[-1]["total"]["pages"] == own  # type: ignore[index]
        assert own + sum(around["pages"].values()) == high_water_mark  # type: ignore[attr-defined]
        pages = sum(it.branch_page_n + it.branch_overflow_n + it.leaf_page_n + it.leaf_overflow_n for it in stats)
        used = sum(it.branch_inuse + it.leaf_inuse for it in stats)
        root = buckets[-1]
        assert root["total"]["pages"] - root["own"]["pages"] == pages  # type: ignore[index]
        assert root["total"]["used"] - root["own"]["used"] == used  # type: ignore[index]
        assert sum(it.inline_bucket_n for it in stats) == sum(bool(line["inline"]) for line in buckets)

    def test_nested_buckets_come_before_the_one_they_are_in(self, path: Path) -> None:
        names = [line.split("  ")[-1] for line in printed("du", path).splitlines()]
        assert names[1:6] == ["(inline)", '"users"/"old"', '"users"', "(inline)", "/"] or '"users"/"old"' in names
        assert names.index('"users"/"old"') < names.index('"users"') < names.index("/")

    def test_depth_and_human_sizes(self, path: Path) -> None:
        lines = printed("du", path, "users", "-d", "0", "--human").splitlines()
        assert len(lines) == 2
        assert re.match(r" +\d+K +\d+K +\d+ +[\d,]+  \"users\"$", lines[1])

    def test_the_metas_are_two_pages_of_the_file(self, path: Path) -> None:
        assert json_lines("du", path)[-1]["pages"]["meta"] == 2  # type: ignore[index]
        assert re.search(r"^ +8,192 +2 +\(meta\)$", printed("du", path), flags=re.MULTILINE)

    @pytest.mark.parametrize(
        ("size", "shown"),
        [
            (0, "0B"), (1023, "1023B"), (1024, "1.0K"), (9 * 1024 + 512, "9.5K"), (10 * 1024, "10K"),
            (1023 * 1024, "1023K"), (1024**2, "1.0M"), (1024**3, "1.0G"), (1024**4, "1.0T"), (-4096, "-4.0K"),
        ],
    )  # fmt: skip
    def test_a_size_as_people_read_it(self, size: int, shown: str) -> None:
        assert _human(size) == shown

    def test_the_name_of_the_file_need_not_be_text(self, path: Path) -> None:
        odd = os.fsencode(path) + b"\xff"
        os.rename(path, odd)
        told = run("du", odd)
        assert (told.returncode, told.stderr) == (0, "")
        assert told.stdout.endswith(f'= "{path}\\xff"\n')


class TestPicture:
    @pytest.mark.parametrize("name", REAL_FILES)
    def test_it_agrees_with_the_list_of_pages(self, tmp_path: Path, name: str) -> None:
        file = unpack(name, tmp_path)
        told = printed_json("pages", "--map", file)
        expected: list[str] = []
        for page in printed_json("pages", file):
            expected.append(page["type"])
            if page["type"] != "free":
                expected += ["overflow"] * page["overflow_count"]
        assert [kind for kind, _, count in told["runs"] for _ in range(count)] == expected
        assert told["counts"] == {kind: expected.count(kind) for kind in KINDS}
        assert told["pages"] == len(expected)

    def test_without_a_terminal_it_is_letters_and_no_colours(self, path: Path) -> None:
        picture = printed("pages", "--map", path)
        assert "\x1b" not in picture
        assert re.match(" +0  MM", picture)
        assert re.search(r"^L  leaf +\d+ +[\d.]+% +[\d,]+ bytes$", picture, flags=re.MULTILINE)

    def test_a_large_file_is_scaled_to_the_width_and_shows_what_is_rare(self) -> None:
        kinds = bytearray([KINDS.index("leaf")]) * 100_000
        kinds[:2] = bytes(2)
        kinds[77_777] = KINDS.index("freelist")
        shown = list(cells(kinds, 100))
        assert len(shown) == 1000
        assert shown[0] == ("meta", False)
        assert shown[777] == ("freelist", False)
        assert {cell for i, cell in enumerate(shown) if i not in (0, 777)} == {("leaf", True)}
        assert list(runs(kinds)) == [
            ("meta", 0, 2), ("leaf", 2, 77_775), ("freelist", 77_777, 1), ("leaf", 77_778, 22_222),
        ]  # fmt: skip

    def test_a_header_that_lies_about_its_overflow_does_no_harm(self, path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[3 * 4096 + 12 : 3 * 4096 + 16] = b"\xff" * 4
        path.write_bytes(data)
        with boltpy.open(path, read_only=True) as db, db.view() as tx:
            assert len(page_kinds(tx)) == tx.size // 4096

    @pytest.mark.parametrize("environ", [{}, {"NO_COLOR": "1"}, {"TERM": "dumb"}])
    def test_a_terminal_gets_colours_unless_its_user_wants_none(self, path: Path, environ: dict[str, str]) -> None:
        picture = in_a_terminal("pages", "--map", path, **environ)
        assert ("\x1b[30;42mL\x1b[0m" in picture) == (not environ)
        assert "leaf" in picture


def in_a_terminal(*arguments: object, **changes: str) -> str:
    """What a command prints on a terminal of 60 columns."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        cwd=ROOT,
        env=environment(**{"TERM": "xterm", "COLUMNS": "60", **changes}),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as child:
        os.close(theirs)
        shown = io.BytesIO()
        try:
            while part := os.read(ours, 65536):
                shown.write(part)
        except OSError:  # so Linux says that the other end is closed
            pass
        assert child.wait(60) == 0
    os.close(ours)
    return shown.getvalue().decode()


def test_a_terminal_sees_how_far_a_long_command_is(tmp_path: Path) -> None:
    source = tmp_path / "large.db"
    with boltpy.open(source, no_sync=True) as db, db.update() as tx:
        tx.create_bucket(b"b").put_many((b"%08d" % i, bytes(60)) for i in range(120_000))
    seen = in_a_terminal("export", source, "-o", tmp_path / "lines")
    assert re.search(r"export: \[[#.]{30}\] +\d+%", seen)
    assert seen.rstrip().endswith("2 buckets, 120000 pairs")
    assert "import: [" in in_a_terminal("import", tmp_path / "new.db", "-i", tmp_path / "lines")
    assert "recover: [" in in_a_terminal("recover", source, "-o", tmp_path / "recovered")


@pytest.mark.parametrize("line", ["tree {}", "du {}", "seq {}", "export {}", "diff {} {}", "pages --map {}"])
def test_a_file_that_somebody_writes_to_is_read_from_a_copy(path: Path, line: str) -> None:
    expected = printed(*line.format(path, path).split())
    with boltpy.open(path):
        assert run(*line.format(path, path).split()).returncode in (1, 2)
        told = printed(*line.format(path, path).split(), "--live")
        assert told.splitlines()[:3] == expected.splitlines()[:3]


def test_what_changes_a_file_takes_no_copy_of_it(path: Path) -> None:
    assert run("seq", path, "--next", "--live").returncode == 2
