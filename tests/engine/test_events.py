"""The event log of files of 2022, in both tempers. (Answers of Go's engine about it are in `test_answers`.)"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import boltpy
import engine
from engine import Engine, EngineError, EntityExists, EntityNotFound, Event, PreconditionFailed

from .gofer_files import SMALL
from .making import bolt_database, int_key


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return bolt_database(tmp_path / "late.db", {b"events": {}})


@pytest.fixture
def storage(path: Path) -> Iterator[Engine]:
    with engine.open_engine(path, no_sync=True) as storage:
        yield storage


@pytest.fixture
def exact(path: Path) -> Iterator[Engine]:
    with engine.open_engine(path, no_sync=True, compat="gofer") as storage:
        yield storage


def numbers(found: list[Event]) -> list[int]:
    return [event.event_id for event in found]


def test_events_are_numbered_and_kept_whole(path: Path, storage: Engine) -> None:
    first = Event(kind="STARTED_RUN", emitted=5, unknown={"NamespaceID": '"ns"', "RunID": "7"})
    second = Event(kind="OF_TOMORROW")
    storage.add_event(first)
    storage.add_event(second)
    assert numbers([first, second]) == [1, 2]
    assert storage.get_all_events() == [first, second]
    assert storage.get_event(id=2) == second
    storage.close()
    with boltpy.open(path, read_only=True) as db, db.view() as tx:
        bucket = tx.bucket(b"events")
        assert bucket is not None
        assert bucket.sequence == 2
        text = b'{"event_id":1,"kind":"STARTED_RUN","emitted":5,"NamespaceID":"ns","RunID":7}'
        assert bucket.get(int_key(1)) == text


def test_pages_by_default_count_events(storage: Engine) -> None:
    for kind in "STARTED_RUN", "ABANDONED_PIPELINE", "OF_TOMORROW", "STARTED_RUN", "STARTED_RUN":
        storage.add_event(Event(kind=kind))
    storage.delete_event(id=4)
    assert numbers(storage.get_all_events()) == [1, 2, 3, 5]
    assert numbers(storage.get_all_events(reverse=True)) == [5, 3, 2, 1]
    assert numbers(storage.get_all_events(offset=1, limit=2)) == [2, 3]
    assert numbers(storage.get_all_events(offset=1, limit=2, reverse=True)) == [3, 2]


def test_gofer_counts_numbers_and_skips_kinds(exact: Engine) -> None:
    for kind in "STARTED_RUN", "ABANDONED_PIPELINE", "OF_TOMORROW", "STARTED_RUN", "STARTED_RUN":
        exact.add_event(Event(kind=kind, event_id=40))
    assert numbers(exact.get_all_events()) == [1, 4, 5]
    assert numbers(exact.get_all_events(offset=1)) == [4, 5]
    assert numbers(exact.get_all_events(offset=1, reverse=True)) == [4, 1]
    assert exact.get_event(id=2) is None
    exact.add_event(Event())
    for ask in exact.get_all_events, lambda: exact.get_event(id=6):
        with pytest.raises(EngineError, match="^could not find type in event: <nil>$"):
            ask()


def test_a_deleted_number_is_not_given_again(storage: Engine) -> None:
    storage.add_event(Event(kind="STARTED_RUN"))
    storage.delete_event(id=1)
    for missing in storage.delete_event, storage.get_event:
        for number in 1, 0, -1, 2**70:
            with pytest.raises(EntityNotFound):
                missing(id=number)
    event = Event(kind="STARTED_RUN")
    storage.add_event(event)
    assert event.event_id == 2


def test_a_number_of_its_own_moves_the_sequence(storage: Engine) -> None:
    storage.add_event(Event(kind="a", event_id=7))
    with pytest.raises(EntityExists):
        storage.add_event(Event(kind="b", event_id=7))
    event = Event(kind="c")
    storage.add_event(event)
    assert event.event_id == 8
    storage.add_event(Event(kind="d", event_id=2**63 - 1))
    with pytest.raises(EngineError, match="there is no number left"):
        storage.add_event(Event(kind="e"))


def test_what_can_not_be_stored(storage: Engine) -> None:
    event = Event(kind=5)
    with pytest.raises(PreconditionFailed) as caught:
        storage.add_event(event)
    assert caught.value.field == "Event.kind"
    with pytest.raises(PreconditionFailed):
        storage.add_event(Event(event_id=2**63))
    with pytest.raises(TypeError):
        storage.add_event(None)
    with pytest.raises(TypeError):
        storage.get_event(id="1")
    assert storage.get_all_events() == []
    with storage.transaction():
        storage.add_event(Event(kind="first"))
        for refused in lambda: storage.add_event(None), lambda: storage.delete_event(id="1"):
            with pytest.raises(TypeError):
                refused()
    assert numbers(storage.get_all_events()) == [1]


def test_a_file_of_the_older_schema_has_no_log(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    path.write_bytes(SMALL.read_bytes())
    with engine.open_engine(path) as storage:
        assert storage.get_all_events() == []
        with pytest.raises(EntityNotFound):
            storage.get_event(id=1)
        with pytest.raises(EntityNotFound):
            storage.delete_event(id=1)
        with pytest.raises(EngineError, match="has no bucket events"):
            storage.add_event(Event(kind="STARTED_RUN"))


def test_a_damaged_event_says_where_it_is(tmp_path: Path) -> None:
    path = bolt_database(tmp_path / "x.db", {b"events": {int_key(3): b"["}})
    with engine.open_engine(path) as storage, pytest.raises(EngineError, match="^events / 3: unexpected end"):
        storage.get_all_events()
