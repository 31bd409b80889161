"""Files that gofer-db made: Gofer's stand-in in Go opens them, answers as before, and writes on."""

from __future__ import annotations

from pathlib import Path

import pytest

import boltpy
from engine.cli import main
from tests.engine.gofer_files import sessions, unpack
from tests.engine.making import int_key

from .gofer_peer import FIRST, LAST, comparable, opened
from .peer import GoPeer


@pytest.mark.parametrize(("name", "schema"), [("small", FIRST), ("edge", FIRST), ("late", LAST), ("upgraded", LAST)])
@pytest.mark.parametrize("way", ["imported", "mended"])
def test_a_copy_is_answered_from_like_the_file_itself(
    gofer: GoPeer, tmp_path: Path, name: str, schema: str, way: str
) -> None:
    path, export, copy = unpack(name, tmp_path), tmp_path / "export.jsonl", tmp_path / "copy.db"
    if way == "mended":
        assert main(["check", str(path), "--repair", str(copy)]) == 0
    else:
        with export.open("w", encoding="utf-8") as out:
            assert main(["export", str(path)], out) == 0
        assert main(["import", str(copy), "-i", str(export)]) == 0
    for session in sessions(name):
        with opened(gofer, copy, schema=schema, max_results_limit=session["max_results_limit"]) as go:
            outcomes = go.run(session["calls"])
        for call, outcome in zip(session["calls"], outcomes, strict=True):
            assert outcome == comparable(call), f"{call['op']} {call['req']}"


def test_what_was_broken_for_gofer_works_in_a_mended_copy(gofer: GoPeer, tmp_path: Path) -> None:
    path, copy = unpack("small", tmp_path), tmp_path / "copy.db"
    place = {"NamespaceID": "default", "PipelineID": "simple"}
    calls = [
        {"op": "GetAllRuns", "req": place},
        {"op": "GetAllPipelines", "req": {"NamespaceID": "default"}},
        {"op": "AddRun", "req": {"Run": {"namespace_id": "default", "pipeline_id": "simple"}}},
    ]
    break_for_gofer(path)
    with opened(gofer, path) as go:
        broken = go.run(calls)
    assert [outcome["error"] is None for outcome in broken] == [False, False, True]
    # It replaced the first run.
    assert broken[2]["id"] == 1

    path = unpack("small", tmp_path)
    break_for_gofer(path)
    assert main(["check", str(path), "--repair", str(copy)]) == 0
    with opened(gofer, copy) as go:
        listed, pipelines_listed, added = go.run(calls)
    assert [run["id"] for run in listed["result"]] == [3, 2, 1]
    assert len(pipelines_listed["result"]) == 2
    assert added["error"] is None
    assert added["id"] == 8


def break_for_gofer(path: Path) -> None:
    """Take an index, a counter and the end of a record away."""
    with boltpy.open(path) as db, db.update() as tx:
        pipelines, runs = tx.bucket(b"default", b"Pipeline"), tx.bucket(b"default", b"simple", b"Run")
        assert pipelines is not None
        assert runs is not None
        pipelines.delete_bucket(b"__storm_index_Created")
        runs.delete_bucket(b"__storm_metadata")
        runs.put(int_key(7), b"{")
