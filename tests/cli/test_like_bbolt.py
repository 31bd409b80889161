"""Each reading command prints, and ends, as Go's `bbolt` does: on all fixtures and on generated files."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

import boltpy
from tests.boltpy.rawfile import RawFile
from tests.cli.beside import Bbolt, ours, unchanged
from tests.cli.conftest import FIXTURES
from tests.cli.samples import SAMPLES

FORMATS = ["auto", "ascii-encoded", "hex", "bytes", "redacted"]


@pytest.fixture(params=[*FIXTURES, *SAMPLES])
def file(request: pytest.FixtureRequest, unpacked: dict[str, Path], samples: dict[str, Path]) -> Path:
    """One database after the other."""
    return (unpacked | samples)[request.param]


def buckets_of(path: Path) -> Iterator[tuple[list[str], list[bytes]]]:
    """Some of the buckets, nested ones too, as (path, some of the keys); none with a zero, which no process can get."""
    with boltpy.open(path, read_only=True) as db, db.view() as tx:
        waiting = [[name] for name, _ in tx.buckets()][:5]
        found = 0
        while waiting and found < 9:
            names = waiting.pop(0)
            bucket = tx.bucket(*names)
            assert bucket is not None
            if any(b"\0" in name for name in names):
                continue
            found += 1
            waiting += [[*names, name] for name, _ in zip((name for name, _ in bucket.buckets()), "12", strict=False)]
            keys = list(bucket.keys())
            yield [os.fsdecode(name) for name in names], [*keys[:2], *keys[-2:]]


@pytest.mark.parametrize("command", ["info", "buckets", "check", "stats", "inspect", "pages"])
def test_a_command_for_the_whole_file(bbolt: Bbolt, file: Path, command: str) -> None:
    with unchanged(file):
        bbolt.agrees(command, file)


def test_keys_and_values_in_all_formats(bbolt: Bbolt, file: Path) -> None:
    tried = 0
    with unchanged(file):
        for number, (names, keys) in enumerate(buckets_of(file)):
            form = FORMATS[number % len(FORMATS)]
            bbolt.agrees("keys", file, *names)
            bbolt.agrees("keys", "-f", form, file, *names)
            bbolt.agrees("stats", file, names[0][:2])
            for shift, key in enumerate(keys):
                form = FORMATS[(number + shift) % len(FORMATS)]
                bbolt.agrees("get", file, *names, "--parse-format=hex", key.hex(), "--format", form)
                if b"\0" not in key:
                    bbolt.agrees("get", file, *names, "--", os.fsdecode(key))
                    bbolt.agrees("keys", file, *names, "--", os.fsdecode(key))
                tried += 1
    assert tried or not list(buckets_of(file))


def has_newer_characters(line: bytes) -> bool:
    """Whether there is a character in a line that Go's Unicode tables have and Python's do not yet."""
    return any(unicodedata.category(character) == "Cn" for character in line.decode(errors="replace"))


@pytest.mark.parametrize("form", FORMATS)
def test_all_pages(bbolt: Bbolt, file: Path, form: str) -> None:
    arguments = ["page", "--all", file, "--format-value", form]
    with unchanged(file):
        theirs, mine = bbolt(*arguments), ours(*arguments)
    assert (mine.code, mine.error) == (theirs.code, theirs.error)
    lines, expected = (outcome.out.removesuffix(b"\n").split(b"\n") for outcome in (mine, theirs))
    differing = [pair for pair in zip(lines, expected, strict=False) if pair[0] != pair[1]]
    assert not [pair for pair in differing if not has_newer_characters(pair[1])]
    raw = RawFile(file)
    if raw.meta(0).high_water_mark < raw.newest().high_water_mark:
        assert len(lines) > len(expected)  # bbolt takes the number of pages from meta 0, which is older here
    else:
        assert len(lines) == len(expected)


def test_single_pages_items_and_bytes(bbolt: Bbolt, file: Path) -> None:
    with unchanged(file):
        bbolt.agrees("page", file, "0", "1")
        bbolt.agrees("dump", file, "0", "1", "2", "3")
        for pgid in range(12):
            bbolt.agrees("dump", file, str(pgid))
            for index in ("0", "1", "63", "65535"):
                bbolt.agrees("page-item", file, str(pgid), index)
            bbolt.agrees("page-item", file, str(pgid), "0", "--key-only", "--format", "hex")
            bbolt.agrees("page-item", "--value-only", "--format=ascii-encoded", file, str(pgid), "0")


def test_the_trees_below_a_page(bbolt: Bbolt, file: Path) -> None:
    with boltpy.open(file, read_only=True, preload_freelist=True) as db, db.view() as tx:
        infos = [tx.page(pgid) for pgid in range(2, min(tx.size // db.info().page_size, 40))]
    trees = [info.id for info in infos if info is not None and info.type in ("leaf", "branch")]
    for pgid in (0, 1, 10**6, 2**64 - 1, *trees):
        bbolt.agrees("check", file, "--from-page", str(pgid))


def test_compact_says_the_same_and_makes_the_same_file(bbolt: Bbolt, file: Path, tmp_path: Path) -> None:
    with unchanged(file):
        theirs = bbolt("compact", "-o", tmp_path / "theirs.db", file)
        mine = ours("compact", file, "--output", tmp_path / "ours.db")
    assert mine.code == theirs.code == 0
    assert mine.out == theirs.out
    assert (tmp_path / "ours.db").stat().st_mode == (tmp_path / "theirs.db").stat().st_mode == file.stat().st_mode
    bbolt.agrees("check", tmp_path / "ours.db")
    assert ours("inspect", tmp_path / "ours.db") == bbolt("inspect", tmp_path / "theirs.db")
