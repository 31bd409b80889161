"""What the stand-in for Gofer stored is read here with the answers that it gives itself."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

import engine
from tests.engine.gofer_files import answer

from .gofer_history import GoferHistory, questions
from .gofer_peer import FIRST, LAST, Call, Outcome, opened
from .peer import GoPeer


def answers(storage: engine.Engine, calls: list[Call]) -> list[Outcome]:
    return [dict(zip(("result", "error"), answer(storage, call), strict=True)) for call in calls]


@pytest.mark.parametrize("schema", [FIRST, LAST])
@pytest.mark.parametrize("limit", [1_000_000, 2])
def test_all_questions_are_answered_as_in_go(gofer: GoPeer, tmp_path: Path, schema: str, limit: int) -> None:
    path = tmp_path / "gofer.db"
    history, asked = GoferHistory(1, schema), questions(schema)
    with opened(gofer, path, schema=schema, max_results_limit=limit) as go:
        outcomes = go.run(history.founding() + history.calls(600))
        expected = go.run(asked)
    assert_varied(outcomes, expected)
    with engine.open_engine(path, read_only=True, compat="gofer", max_results_limit=limit) as storage:
        for call, ours, theirs in zip(asked, answers(storage, asked), expected, strict=True):
            assert ours == theirs, call


def test_the_default_temper_reads_all_entities_that_go_stored(gofer: GoPeer, tmp_path: Path) -> None:
    path = tmp_path / "gofer.db"
    history = GoferHistory(2)
    asked = [call for call in questions() if call["op"].startswith("Get") and not call["op"].startswith("GetAll")]
    with opened(gofer, path) as go:
        go.run(history.founding() + history.calls(600))
        expected = go.run(asked)
    with engine.open_engine(path, read_only=True) as storage:
        for call, ours, theirs in zip(asked, answers(storage, asked), expected, strict=True):
            assert ours["result"] == theirs["result"], call
            assert (ours["error"] or "").startswith(theirs["error"] or ""), call


def assert_varied(outcomes: list[Outcome], answered: list[Outcome]) -> None:
    """The history was worth it: calls succeeded and failed in several ways, and left much to be seen."""
    errors = Counter(outcome["error"] for outcome in outcomes)
    assert errors[None] > 200
    assert len(errors) >= 6
    assert sum(1 for outcome in answered if outcome["result"]) > 100
