"""Every answer that Go's engine gave is given here, and every file holds what bbolt found in it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

import boltpy
import engine

from .gofer_files import ANSWERED, FOLDER, answer, dump, read_text, sessions, unpack


@pytest.mark.parametrize("name", ANSWERED)
def test_each_answer_is_that_of_gofer(name: str, tmp_path: Path) -> None:
    path = unpack(name, tmp_path)
    compared = 0
    for session in sessions(name):
        limit = session["max_results_limit"]
        with engine.open_engine(path, read_only=True, compat="gofer", max_results_limit=limit) as storage:
            for call in session["calls"]:
                assert answer(storage, call) == (call["result"], call["error"]), (
                    f"limit {limit}: {call['op']} {call['req']}"
                )
                compared += 1
    assert compared > 100


@pytest.mark.parametrize("name", ANSWERED)
def test_the_default_temper_gives_the_same_entities(name: str, tmp_path: Path) -> None:
    path = unpack(name, tmp_path)
    by_key = ("GetNamespace", "GetToken", "GetPipeline", "GetRun", "GetTriggerEvent", "GetDockerRegistryAuth")
    with engine.open_engine(path, read_only=True) as storage:
        for session in sessions(name):
            for call in session["calls"]:
                # A file of both schemas shows tasks as they are stored, where Go shows them in its latest form.
                if call["op"] in by_key and not (name == "upgraded" and call["op"] == "GetPipeline"):
                    result, error = answer(storage, call)
                    assert result == call["result"]
                    assert (error or "").startswith(call["error"] or "")


@pytest.mark.parametrize("name", ["small", "edge", "late", "upgraded"])
def test_a_file_walks_equal_to_its_dump(name: str, tmp_path: Path) -> None:
    with boltpy.open(unpack(name, tmp_path), read_only=True) as db, db.view() as tx:
        found = list(dump(tx))
        assert list(tx.check()) == []
    assert found == [json.loads(line) for line in read_text(f"gofer_{name}.raw.jsonl").splitlines()]


@pytest.mark.parametrize("name", ["medium", "objects", "secrets"])
def test_a_large_file_walks_equal_to_the_digest_of_its_dump(name: str, tmp_path: Path) -> None:
    digest = hashlib.sha256()
    with boltpy.open(unpack(name, tmp_path), read_only=True) as db, db.view() as tx:
        for line in dump(tx):
            digest.update(json.dumps(line, separators=(",", ":")).encode() + b"\n")
    assert f"{digest.hexdigest()}  gofer_{name}.raw.jsonl" in (FOLDER / "gofer_raw.sha256").read_text().splitlines()


def test_reading_leaves_the_file_as_it_is(tmp_path: Path) -> None:
    path = unpack("small", tmp_path)
    before = path.read_bytes()
    path.chmod(0o400)
    with engine.open_engine(path, read_only=True) as storage:
        assert storage.get_all_namespaces()
    assert path.read_bytes() == before
