"""The event log, of the engines that have one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import engine
from engine import Counter, Engine, EngineError, EntityExists, EntityNotFound, Event, PreconditionFailed
from tests.etcd.running import new_url


@pytest.fixture(params=["bolt", "etcd"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    options = {"event_log": True} if request.param == "bolt" else {}
    with engine.open_engine(new_url() if request.param == "etcd" else tmp_path / "late.db", **options) as storage:
        yield storage


@pytest.mark.parametrize("number", [-(2**63), -1, 1, 2**63 - 1])
def test_each_number_of_64_bits_is_one_event(storage: Engine, number: int) -> None:
    storage.add_event(Event(event_id=number, kind="first"))
    with pytest.raises(EntityExists):
        storage.add_event(Event(event_id=number, kind="second"))
    assert storage.get_event(id=number) == Event(event_id=number, kind="first")
    storage.delete_event(id=number)
    with pytest.raises(EntityNotFound):
        storage.get_event(id=number)
    assert storage.get_all_events() == []


@pytest.mark.parametrize("number", [None, True, "1", 1.0, 2**63, -(2**63) - 1])
def test_what_is_no_number_is_refused_and_stays(storage: Engine, number: Any) -> None:
    event = Event(event_id=number, kind="x")
    with pytest.raises(PreconditionFailed, match=r"Event\.event_id must be ") as caught:
        storage.add_event(event)
    assert caught.value.field == "Event.event_id"
    assert event.event_id is number
    with pytest.raises(TypeError, match="this takes an Event, not NoneType"):
        storage.add_event(None)


@pytest.mark.parametrize("odd", [None, True, "1"])
@pytest.mark.parametrize("argument", ["offset", "limit"])
def test_a_page_is_given_by_ints(storage: Engine, argument: str, odd: Any) -> None:
    with pytest.raises(TypeError, match=f"^{argument} is of type int, not {type(odd).__name__}$"):
        storage.get_all_events(**{argument: odd})


def test_where_no_number_is_left_that_is_told_first(storage: Engine) -> None:
    storage.raise_counter(Counter(Event, (), 2**63 - 1))
    event = Event(kind=None)  # type: ignore[arg-type]
    with pytest.raises(EngineError, match=r"^Event\.event_id: there is no number left$"):
        storage.add_event(event)
    assert event.event_id == 0


def test_an_event_that_can_not_be_stored_takes_no_number(storage: Engine) -> None:
    event = Event(kind=None)  # type: ignore[arg-type]
    with storage.transaction():
        with pytest.raises(PreconditionFailed):
            storage.add_event(event)
        assert event.event_id == 0
        storage.add_event(Event(kind="x"))
    assert [it.event_id for it in storage.get_all_events()] == [1]
