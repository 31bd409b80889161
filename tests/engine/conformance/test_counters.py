"""The last numbers that were given out: told, and set for a copy."""

from __future__ import annotations

from typing import Any

import pytest

from engine import Counter, Engine, Event, Namespace, Pipeline, PreconditionFailed, Run, TriggerEvent

from .test_transactions import given_up

PLACE = {"namespace_id": "ns", "pipeline_id": "p"}
RUNS, TRIGGER = ("ns", "p"), ("ns", "p", "cron")


@pytest.fixture(autouse=True)
def _pipeline(storage: Engine) -> None:
    storage.add_pipeline(Pipeline(id="p", namespace="ns"))


def test_what_was_given_out_is_told(storage: Engine) -> None:
    assert storage.counters() == []
    storage.add_run(Run(**PLACE))
    storage.add_run(Run(**PLACE, id=7))
    storage.add_trigger_event(TriggerEvent(**PLACE, pipeline_trigger_label="cron"))
    assert set(storage.counters()) == {Counter(Run, RUNS, 7), Counter(TriggerEvent, TRIGGER, 1)}


def test_the_next_number_is_greater(storage: Engine) -> None:
    event = TriggerEvent(**PLACE, pipeline_trigger_label="cron")
    storage.raise_counter(Counter(Run, RUNS, 8))
    storage.raise_counter(Counter(Run, RUNS, 3))
    storage.raise_counter(Counter(TriggerEvent, TRIGGER, 4))
    assert set(storage.counters()) == {Counter(Run, RUNS, 8), Counter(TriggerEvent, TRIGGER, 4)}
    run = Run(**PLACE)
    storage.add_run(run)
    storage.add_trigger_event(event)
    assert (run.id, event.id) == (9, 5)


def test_a_block_that_is_given_up_sets_none(storage: Engine) -> None:
    with given_up(storage):
        storage.raise_counter(Counter(Run, RUNS, 8))
        assert storage.counters() == [Counter(Run, RUNS, 8)]
    assert storage.counters() == []


@pytest.mark.parametrize(
    ("counter", "error"),
    [
        ("x", TypeError),
        (Counter(Namespace, (), 1), TypeError),
        (Counter(Run, ("ns",), 1), TypeError),
        (Counter(Event, ("ns",), 1), TypeError),
        (Counter(Run, ("ns", 1), 1), PreconditionFailed),  # type: ignore[arg-type]
        (Counter(Run, ("ns", ""), 1), PreconditionFailed),
        (Counter(Run, ("Token", "abc"), 1), PreconditionFailed),
        (Counter(Run, ("ns", "Pipeline"), 1), PreconditionFailed),
        (Counter(TriggerEvent, ("ns", "p", "\ud800"), 1), PreconditionFailed),
        (Counter(Event, (), 0), PreconditionFailed),
        (Counter(Run, RUNS, 2**63), PreconditionFailed),
    ],
)
def test_what_is_no_counter_is_refused(storage: Engine, counter: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        storage.raise_counter(counter)
    assert storage.counters() == []
