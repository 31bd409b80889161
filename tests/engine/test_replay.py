"""The calls that Go's engine logged, made again here: the same numbers and errors, and at the end the same bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import boltpy
import engine

from .gofer_files import FOLDER, dump, read_text, unpack
from .replay import calls


def replay(name: str, path: Path) -> None:
    """Make the logged calls of a file, and compare what each says."""
    time = 0
    with engine.open_engine(path, compat="gofer", max_results_limit=100, clock=lambda: time, no_sync=True) as storage:
        for call in calls(name):
            time = call.now
            assert call.make(storage) == call.error, f"{call.name} {call.entity or call.arguments}"
            if call.number is not None and call.error is None:
                assert call.number_given() == call.number


def dumped(path: Path) -> Iterator[str]:
    with boltpy.open(path, read_only=True) as db, db.view() as tx:
        assert list(tx.check()) == []
        for line in dump(tx):
            yield json.dumps(line, separators=(",", ":")) + "\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gofer.db"


@pytest.mark.parametrize("name", ["small", "edge"])
def test_the_same_calls_make_the_same_file(name: str, path: Path) -> None:
    replay(name, path)
    assert "".join(dumped(path)) == read_text(f"gofer_{name}.raw.jsonl")


def test_twenty_thousand_calls_make_the_same_file(path: Path) -> None:
    replay("medium", path)
    digest = hashlib.sha256()
    for line in dumped(path):
        digest.update(line.encode())
    assert f"{digest.hexdigest()}  gofer_medium.raw.jsonl" in (FOLDER / "gofer_raw.sha256").read_text().splitlines()


def test_a_file_of_the_last_schema_is_written_in_it(path: Path) -> None:
    with boltpy.open(path) as db, db.update() as tx:
        tx.create_bucket(b"events")
    replay("late", path)
    assert "".join(dumped(path)) == read_text("gofer_late.raw.jsonl")


def test_a_file_that_was_upgraded_is_continued_in_the_last_schema(tmp_path: Path) -> None:
    path = unpack("small", tmp_path)
    with boltpy.open(path) as db, db.update() as tx:
        tx.create_bucket(b"events")
    replay("upgraded", path)
    assert "".join(dumped(path)) == read_text("gofer_upgraded.raw.jsonl")


def test_the_same_calls_make_the_same_bytes(tmp_path: Path) -> None:
    first, second = tmp_path / "first.db", tmp_path / "second.db"
    for path in first, second:
        replay("edge", path)
    assert first.read_bytes() == second.read_bytes()
