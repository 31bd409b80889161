"""`diff`: exactly where two databases differ, and diff(1)'s exit codes."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path

import pytest
from hypothesis import given

import boltpy
from boltpy.difference import BucketDifference, Difference, PairDifference, differences
from tests.cli.command import COMMAND, ROOT, environment, printed, run
from tests.cli.databases import build, models, random_database
from tests.models import BucketModel
from tests.real.files import REAL_FILES, unpack

Names = tuple[bytes, ...]


def found_between(a: Path, b: Path) -> list[Difference]:
    with (
        boltpy.open(a, read_only=True) as left,
        boltpy.open(b, read_only=True) as right,
        left.view() as before,
        right.view() as after,
    ):
        return list(differences(before, after))


def expected_between(a: BucketModel | None, b: BucketModel | None, path: Names = ()) -> set[Difference]:
    """What a model of dicts says."""
    found: set[Difference] = set()
    sequences = (a.sequence if a else None, b.sequence if b else None)
    if sequences[0] != sequences[1]:
        found.add(BucketDifference(path, *sequences))
    left, right = a.entries if a else {}, b.entries if b else {}
    for key in left.keys() | right.keys():
        old, new = left.get(key), right.get(key)
        values = (old if isinstance(old, bytes) else None, new if isinstance(new, bytes) else None)
        if values[0] != values[1]:
            found.add(PairDifference(path, key, *values))
        buckets = (old if isinstance(old, BucketModel) else None, new if isinstance(new, BucketModel) else None)
        if buckets != (None, None):
            found |= expected_between(*buckets, (*path, key))
    return found


@given(models, models)
def test_it_tells_each_difference_once_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, a: BucketModel, b: BucketModel
) -> None:
    folder = tmp_path_factory.mktemp("diff")
    found = found_between(build(folder / "a.db", a), build(folder / "b.db", b))
    assert len(found) == len(set(found))
    assert set(found) == expected_between(a, b)
    turned = found_between(folder / "b.db", folder / "a.db")
    assert turned == [difference._replace(a=difference.b, b=difference.a) for difference in found]


@given(models)
def test_a_database_does_not_differ_from_itself_nor_from_the_same_made_anew(
    tmp_path_factory: pytest.TempPathFactory, model: BucketModel
) -> None:
    folder = tmp_path_factory.mktemp("diff")
    path = build(folder / "a.db", model)
    with boltpy.open(folder / "b.db") as target, boltpy.open(path, read_only=True) as source:
        boltpy.compact(source, target)
    assert found_between(path, path) == found_between(path, folder / "b.db") == []


@pytest.mark.parametrize("name", REAL_FILES)
def test_a_real_file_comes_back_from_its_export_without_a_difference(tmp_path: Path, name: str) -> None:
    path = unpack(name, tmp_path)
    printed("export", path, "-o", tmp_path / "lines")
    printed("import", tmp_path / "new.db", "-i", tmp_path / "lines")
    assert found_between(path, tmp_path / "new.db") == []
    inspected = [printed("inspect", it) for it in (path, tmp_path / "new.db")]
    assert inspected[0] == inspected[1]


class TestTheCommand:
    """What its user sees."""

    @pytest.fixture
    def pair(self, tmp_path: Path) -> tuple[Path, Path]:
        a = BucketModel(
            {b"b": BucketModel({b"k": b"v", b"same": b"1", b"turns": BucketModel({})}), b"old": BucketModel()}
        )
        b = BucketModel({b"b": BucketModel({b"k": b"w\n" * 200, b"same": b"1", b"turns": b""}, 7)})
        return build(tmp_path / "a.db", a), build(tmp_path / "b.db", b)

    def test_a_line_for_each_side_of_each_difference(self, pair: tuple[Path, Path]) -> None:
        a, b = pair
        told = run("diff", a, b)
        assert (told.returncode, told.stderr) == (1, "")
        cut = "w\\n" * 100
        assert told.stdout.splitlines() == [
            f"--- {a}",
            f"+++ {b}",
            '- "b" bucket, sequence 0',
            '+ "b" bucket, sequence 7',
            '- "b"/"k" = "v"',
            f'+ "b"/"k" = "{cut}"... (400 bytes)',
            '+ "b"/"turns" = ""',
            '- "b"/"turns" bucket, sequence 0',
            '- "old" bucket, sequence 0',
        ]

    def test_only_what_is_longer_than_200_bytes_is_cut(self, tmp_path: Path) -> None:
        a = build(tmp_path / "a.db", BucketModel({b"b": BucketModel({b"k": b"v" * 200})}))
        b = build(tmp_path / "b.db", BucketModel({b"b": BucketModel({b"k": b"v" * 201})}))
        whole = '"' + "v" * 200 + '"'
        told = run("diff", a, b).stdout.splitlines()[2:]
        assert told == [f'- "b"/"k" = {whole}', f'+ "b"/"k" = {whole}... (201 bytes)']

    def test_json_is_an_object_a_line_with_whole_values(self, pair: tuple[Path, Path]) -> None:
        told = [json.loads(line) for line in run("diff", "--json", *pair).stdout.splitlines()]
        assert told[:2] == [
            {"bucket": ["b"], "a": 0, "b": 7},
            {"bucket": ["b"], "key": "k", "a": "v", "b": {"hex": (b"w\n" * 200).hex()}},
        ]
        assert told[2:] == [
            {"bucket": ["b"], "key": "turns", "a": None, "b": ""},
            {"bucket": ["b", "turns"], "a": 0, "b": None},
            {"bucket": ["old"], "a": 0, "b": None},
        ]

    def test_brief_tells_only_that_they_differ(self, pair: tuple[Path, Path]) -> None:
        a, b = pair
        told = run("diff", "-q", a, b)
        assert (told.returncode, told.stdout) == (1, f"{a} and {b} differ\n")
        assert json.loads(run("diff", "-q", "--json", a, b).stdout) == {"same": False}
        same = run("diff", "-q", a, a)
        assert (same.returncode, same.stdout) == (0, "")

    def test_trouble_is_2_as_wrong_usage_is(self, tmp_path: Path) -> None:
        path = random_database(tmp_path / "a.db")
        assert run("diff", path, tmp_path / "missing.db").returncode == 2
        assert run("diff", path).returncode == 2
        damaged = tmp_path / "damaged.db"
        damaged.write_bytes(path.read_bytes()[: 4096 * 2] + bytes(path.stat().st_size - 4096 * 2))
        told = run("diff", path, damaged)
        assert told.returncode == 2
        assert told.stderr.startswith("Error: ")
        assert len(told.stderr.splitlines()) == 1

    @pytest.mark.parametrize("unbuffered", ["", "1"])
    @pytest.mark.parametrize(("reader", "told"), [("| true", ""), (">/dev/full", "No space left on device")])
    def test_an_output_that_fails_is_2(
        self, pair: tuple[Path, Path], tmp_path: Path, unbuffered: str, reader: str, told: str
    ) -> None:
        left, _, right = reader.partition("|")  # `exec true` has left before Python has started
        line = f"({shlex.join(COMMAND)} diff {pair[0]} {pair[1]} {left} 2>{tmp_path}/told; echo $? >{tmp_path}/code)"
        line += f" | exec {right}" if right else ""
        subprocess.run(
            ["sh", "-c", line], cwd=ROOT, env=environment(PYTHONUNBUFFERED=unbuffered), timeout=60, check=True
        )
        assert (tmp_path / "code").read_text() == "2\n"
        assert told in (tmp_path / "told").read_text()

    def test_it_changes_no_byte(self, pair: tuple[Path, Path]) -> None:
        a, b = pair
        before = a.read_bytes(), b.read_bytes()
        run("diff", a, b)
        assert (a.read_bytes(), b.read_bytes()) == before
