"""The stand-in for Gofer is faithful: it does again what Gofer did, with the same outcomes and the same file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.gofer_files import sessions, unpack

from .gofer_peer import FIRST, LAST, comparable, opened, raw_lines, recorded_calls, recorded_lines
from .peer import GoError, GoPeer

# Each file's entities, and the file that it was begun with.
FILES = [
    pytest.param("small", FIRST, None, id="small"),
    pytest.param("edge", FIRST, None, id="edge"),
    pytest.param("late", LAST, None, id="late"),
    pytest.param("upgraded", LAST, "small", id="upgraded"),
]


@pytest.mark.parametrize(("name", "schema", "begun"), FILES)
def test_gofers_calls_made_again_have_their_outcomes_and_leave_its_contents(
    gofer: GoPeer, tmp_path: Path, name: str, schema: str, begun: str | None
) -> None:
    path = unpack(begun, tmp_path) if begun else tmp_path / "new.db"
    log = recorded_calls(name)
    with opened(gofer, path, schema=schema) as go:
        outcomes = go.run(log)
    for call, outcome in zip(log, outcomes, strict=True):
        assert outcome == comparable(call), f"{call['op']} {call['req']}"
    assert raw_lines(path) == recorded_lines(name)


@pytest.mark.parametrize(("name", "schema", "begun"), FILES)
def test_gofers_answers_about_its_file_are_given_again(
    gofer: GoPeer, tmp_path: Path, name: str, schema: str, begun: str | None
) -> None:
    path = unpack(name, tmp_path)
    for session in sessions(name):
        with opened(gofer, path, schema=schema, max_results_limit=session["max_results_limit"]) as go:
            outcomes = go.run(session["calls"])
        for call, outcome in zip(session["calls"], outcomes, strict=True):
            assert outcome == comparable(call), f"{call['op']} {call['req']}"


@pytest.mark.parametrize(
    ("op", "fields", "text"),
    [
        ("sing", {}, 'bad request: no operation "sing"'),
        ("open", {"page": 3}, 'bad request: json: unknown field "page"'),
        ("open", {"schema": "third"}, 'bad request: no schema "third"'),
        ("open", {"schema": FIRST, "path": "/nowhere/at/all"}, "no such file"),
        ("run", {}, "bad request: no database is open"),
        ("check", {}, "bad request: no database is open"),
        ("close", {}, "bad request: no database is open"),
    ],
)
def test_a_bad_request_is_answered_with_an_error(gofer: GoPeer, op: str, fields: dict[str, object], text: str) -> None:
    with pytest.raises(GoError, match=text):
        gofer.request(op, **fields)
    assert gofer.request("encode", texts=[]) == {"encoded": []}


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ({"op": "GetEverything", "req": {}}, 'bad request: no method "GetEverything"'),
        ({"op": "AddEvent", "req": {}}, 'bad request: no method "AddEvent"'),
        ({"op": "AddRun", "req": {}}, "bad request: AddRun {}: bad request: one entity is wanted"),
        ({"op": "AddRun", "req": {"Run": None}}, "one entity is wanted"),
        ({"op": "GetRun", "req": {"ID": "1"}}, "bad request: GetRun .*cannot unmarshal string"),
    ],
)
def test_calls_that_are_none_are_refused_before_any_is_made(
    gofer: GoPeer, tmp_path: Path, call: dict[str, object], text: str
) -> None:
    with opened(gofer, tmp_path / "new.db") as go:
        adding = {"op": "AddNamespace", "req": {"Namespace": {"id": "default"}}}
        with pytest.raises(GoError, match=text):
            go.run([adding, call])
        assert go.run([{"op": "GetAllNamespaces", "req": {}}]) == [{"result": [], "error": None}]


def test_one_file_at_a_time_is_open(gofer: GoPeer, tmp_path: Path) -> None:
    with opened(gofer, tmp_path / "a.db"), pytest.raises(GoError, match="bad request: a database is open"):
        gofer.request("open", path=str(tmp_path / "b.db"), schema=FIRST)
    assert not (tmp_path / "b.db").exists()
