"""What the engine here writes Gofer goes on with, and the other way round; the same calls do the same on both sides."""

from __future__ import annotations

from pathlib import Path

import pytest

from .gofer_engine import opened_here
from .gofer_history import GoferHistory, questions
from .gofer_peer import FIRST, LAST, Call, Outcome, opened, raw_lines
from .peer import GoPeer

schemas = pytest.mark.parametrize("schema", [FIRST, LAST])


def begin(gofer: GoPeer, path: Path, schema: str) -> None:
    """Make the file as a Gofer of that schema makes it."""
    with opened(gofer, path, schema=schema):
        pass


def assert_same(calls: list[Call], ours: list[Outcome], theirs: list[Outcome]) -> None:
    for call, our, their in zip(calls, ours, theirs, strict=True):
        assert our == their, f"{call['op']} {call['req']}"


def test_a_new_file_is_that_of_gofer(gofer: GoPeer, tmp_path: Path) -> None:
    begin(gofer, tmp_path / "theirs.db", FIRST)
    with opened_here(tmp_path / "ours.db"):
        pass
    assert raw_lines(tmp_path / "ours.db") == raw_lines(tmp_path / "theirs.db")


@schemas
@pytest.mark.parametrize("seed", range(3))
def test_the_same_calls_have_the_same_outcomes_and_leave_the_same_contents(
    gofer: GoPeer, tmp_path: Path, schema: str, seed: int
) -> None:
    ours, theirs = tmp_path / "ours.db", tmp_path / "theirs.db"
    history = GoferHistory(10 + seed, schema)
    calls, asked = history.founding() + history.calls(400), questions(schema)
    begin(gofer, ours, schema)
    with opened_here(ours) as here:
        outcomes = here.run(calls)
        answers = here.run(asked)
    with opened(gofer, theirs, schema=schema) as go:
        assert_same(calls, outcomes, go.run(calls))
        assert_same(asked, answers, go.run(asked))
    assert raw_lines(ours) == raw_lines(theirs)
    with opened(gofer, ours, schema=schema) as go:
        assert_same(asked, answers, go.run(asked))


@schemas
def test_both_sides_write_to_one_file_in_turns(gofer: GoPeer, tmp_path: Path, schema: str) -> None:
    shared, alone = tmp_path / "shared.db", tmp_path / "alone.db"
    history, asked = GoferHistory(20, schema), questions(schema)
    turns = [history.founding(), *(history.calls(60) for _ in range(12))]
    outcomes, answers = [], []
    for number, calls in enumerate(turns):
        if number % 2 == 0:
            with opened(gofer, shared, schema=schema) as go:
                outcomes += go.run(calls)
                answers = go.run(asked)
        else:
            with opened_here(shared) as here:
                assert_same(asked, here.run(asked), answers)  # all of it, before anything is changed
                outcomes += here.run(calls)
    with opened(gofer, alone, schema=schema) as go:
        calls = [call for turn in turns for call in turn]
        assert_same(calls, outcomes, go.run(calls))
    assert raw_lines(shared) == raw_lines(alone)


def test_a_file_of_the_first_schema_is_continued_in_the_last_one_by_both(gofer: GoPeer, tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours.db", tmp_path / "theirs.db"
    early, late = GoferHistory(30, FIRST), GoferHistory(30, LAST)
    calls = early.founding() + early.calls(300)
    with opened_here(ours) as here:
        here.run(calls)
    with opened(gofer, theirs) as go:
        go.run(calls)
    begin(gofer, ours, LAST)
    begin(gofer, theirs, LAST)
    calls, asked = late.calls(300), questions(LAST)
    with opened_here(ours) as here:
        outcomes = here.run(calls)
        answers = here.run(asked)
    with opened(gofer, theirs, schema=LAST) as go:
        assert_same(calls, outcomes, go.run(calls))
        assert_same(asked, answers, go.run(asked))
    assert raw_lines(ours) == raw_lines(theirs)


@schemas
def test_what_the_default_temper_writes_go_reads_in_full_and_changes(
    gofer: GoPeer, tmp_path: Path, schema: str
) -> None:
    path = tmp_path / "gofer.db"
    history, asked = GoferHistory(40, schema), questions(schema)
    begin(gofer, path, schema)
    with opened_here(path, compat="python") as here:
        here.run(history.founding() + history.calls(400))
    with opened_here(path) as here:
        answers = here.run(asked)
    updates = [update for call, outcome in zip(asked, answers, strict=True) for update in updates_of(call, outcome)]
    assert len(updates) > 40
    with opened(gofer, path, schema=schema) as go:
        assert_same(asked, go.run(asked), answers)
        assert [outcome["error"] for outcome in go.run(updates)] == [None] * len(updates)
        expected = go.run(asked)
    with opened_here(path) as here:
        assert_same(asked, here.run(asked), expected)


def updates_of(call: Call, outcome: Outcome) -> list[Call]:
    """What changes the entity that an answer gave: as it is, with a new value in one of its fields."""
    changed = {
        "GetNamespace": ("UpdateNamespace", "Namespace", "description"),
        "GetPipeline": ("UpdatePipeline", "Pipeline", "location"),
        "GetRun": ("UpdateRun", "Run", "trigger_name"),
        "GetTaskRun": ("UpdateTaskRun", "TaskRun", "scheduler_id"),
        "GetTriggerEvent": ("UpdateTriggerEvent", "Event", "metadata"),
    }
    entity = outcome["result"]
    if entity and call["op"] in changed:
        op, name, field = changed[call["op"]]
        value = {"changed": "in <Go>"} if field == "metadata" else "changed in <Go>"
        return [{"op": op, "req": {name: entity | {field: value}}}]
    if entity and call["op"] == "GetToken":
        return [{"op": "DeleteToken", "req": {"Hash": entity["hash"]}}]
    if entity and call["op"] == "GetDockerRegistryAuth":
        return [{"op": "RemoveDockerRegistryAuth", "req": {"Registry": entity["registry"]}}]
    if entity and call["op"] == "GetAllRunRegistrations":
        return [{"op": "UnregisterRun", "req": key} for key in entity]
    return []
