"""Two writers, one file: they alternate, and after each turn both see what the model says."""

from __future__ import annotations

from pathlib import Path

import pytest

import boltpy
from tests.models import assert_holds, difference

from .changes import update
from .contents import check
from .history import History
from .peer import GoPeer

ROUNDS = 8


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    "options",
    [
        {"page_size": 1024},
        {"page_size": 4096, "freelist_type": "hashmap"},
        {"page_size": 1024, "no_freelist_sync": True},
    ],
    ids=["array", "hashmap", "no-freelist"],
)
def test_alternating_writers_keep_to_the_model(
    peer: GoPeer, tmp_path: Path, seed: int, options: dict[str, object]
) -> None:
    path = tmp_path / "shared.db"
    history = History(seed)
    for _ in range(ROUNDS):
        with peer.open(path, no_sync=True, **options) as go:
            for _ in range(2):
                changes, outcomes = history.transaction(50, careful=True)
                assert go.update(changes) == outcomes
            go.update(history_aside(history), discard=True)
            assert go.check() == []
            assert difference(history.model, go.contents()) is None
        with boltpy.open(path, no_sync=True, **options) as db:
            with db.view() as tx:
                assert_holds(tx, history.model)
            for _ in range(2):
                changes, outcomes = history.transaction(50, careful=False)
                assert update(db, changes) == outcomes
            tx = db.begin(writable=True)
            for change in history_aside(history):
                change.apply(tx)
            tx.rollback()
            assert check(db) == []
            with db.view() as tx:
                assert_holds(tx, history.model)


def history_aside(history: History) -> list:
    """Changes that a rolled-back transaction makes: drawn from a copy, so that the model does not see them."""
    aside = History(seed=99)
    aside.model = history.model.copy()
    return aside.transaction(20, careful=True)[0]


@pytest.mark.parametrize("freelist_type", ["array", "hashmap"])
def test_each_side_takes_the_file_over_with_its_own_options(peer: GoPeer, tmp_path: Path, freelist_type: str) -> None:
    """The freelist comes and goes: one side stores it, the other does not, and neither loses a page."""
    path = tmp_path / "shared.db"
    history = History(seed=41)
    for no_freelist_sync in (True, False, True, True, False, False):
        with peer.open(path, no_sync=True, no_freelist_sync=no_freelist_sync) as go:
            changes, outcomes = history.transaction(40, careful=True)
            assert go.update(changes) == outcomes
            assert go.check() == []
        ours = {"no_freelist_sync": not no_freelist_sync, "freelist_type": freelist_type}
        with boltpy.open(path, no_sync=True, **ours) as db:
            changes, outcomes = history.transaction(40, careful=False)
            assert update(db, changes) == outcomes
            assert check(db) == []
    with peer.open(path) as go:
        assert go.check() == []
        assert difference(history.model, go.contents()) is None
