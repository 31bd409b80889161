"""Any sequence of calls: each engine and the one in memory say the same and hold the same."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import engine
from engine import (
    Engine,
    EngineError,
    Namespace,
    Pipeline,
    PipelineState,
    Run,
    RunFailure,
    RunFailureKind,
    RunState,
    Task,
    TaskRun,
    Token,
    TriggerEvent,
)

from .engines import ENGINES
from .memory import MemoryEngine

# Few names, so that calls meet; some that Go escapes, and some that are refused.
NAMES = st.sampled_from(["a", "a", "a", "a", "b", "é<", "1", "Run", "Pipeline", ""])
NUMBERS = st.sampled_from([0, 0, 0, 1, 2, 5, -1, 2**63 - 1])
TIMES = st.sampled_from([0, 1, 7, 1625814214000, -3, 2**63 - 1])
TEXTS = st.text(max_size=5)
MAPS = st.none() | st.dictionaries(TEXTS, TEXTS, max_size=2)
LISTS = st.none() | st.lists(TEXTS, max_size=2)
PLACE = {"namespace_id": NAMES, "pipeline_id": NAMES}

TASKS = st.builds(Task, id=TEXTS, image_name=TEXTS, env_vars=MAPS) | st.builds(Task, id=TEXTS, image=TEXTS)
NAMESPACES = st.builds(Namespace, id=NAMES, name=TEXTS, created=TIMES)
TOKENS = st.builds(Token, hash=NAMES, namespaces=st.none() | st.lists(NAMES, max_size=2), metadata=MAPS)
PIPELINES = st.builds(
    Pipeline,
    id=NAMES,
    namespace=NAMES,
    created=TIMES,
    sequential=st.booleans(),
    state=st.sampled_from(PipelineState),
    tasks=st.none() | st.dictionaries(TEXTS, TASKS, max_size=2),
    objects=LISTS,
)
RUNS = st.builds(
    Run,
    id=NUMBERS,
    **PLACE,
    started=TIMES,
    failure=st.builds(RunFailure, kind=st.sampled_from(RunFailureKind)),
    status=st.sampled_from(RunState),
    task_runs=LISTS,
    variables=MAPS,
)
TASK_RUNS = st.builds(TaskRun, **PLACE, run_id=NUMBERS, id=NAMES, created=TIMES, started=TIMES, task=TASKS)
EVENTS = st.builds(TriggerEvent, **PLACE, pipeline_trigger_label=NAMES, id=NUMBERS, received=TIMES, metadata=MAPS)

Call = tuple[str, tuple[Any, ...], dict[str, Any]]


def stored(method: str, entities: st.SearchStrategy[Any]) -> st.SearchStrategy[Call]:
    return st.tuples(st.just(method), st.tuples(entities), st.just({}))


def named(method: str, **arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Call]:
    return st.tuples(st.just(method), st.just(()), st.fixed_dictionaries(arguments))


REGISTERED = {"namespace": NAMES, "pipeline": NAMES, "run": NUMBERS}
CALLS = st.one_of(
    stored("add_namespace", NAMESPACES),
    stored("update_namespace", NAMESPACES),
    stored("add_token", TOKENS),
    named("delete_token", hash=NAMES),
    stored("add_pipeline", PIPELINES),
    stored("update_pipeline", PIPELINES),
    stored("add_run", RUNS),
    stored("update_run", RUNS),
    stored("add_task_run", TASK_RUNS),
    stored("update_task_run", TASK_RUNS),
    stored("add_trigger_event", EVENTS),
    stored("update_trigger_event", EVENTS),
    named("register_run", **REGISTERED),
    named("unregister_run", **REGISTERED),
    named("get_run", **PLACE, id=NUMBERS),
    named("get_all_tokens", namespaces=st.lists(NAMES, max_size=2), offset=NUMBERS, limit=NUMBERS),
    named("get_all_pipelines", namespace_id=NAMES, offset=NUMBERS, limit=NUMBERS),
    named("get_all_runs", **PLACE, offset=NUMBERS, limit=NUMBERS),
    named("get_all_task_runs", **PLACE, run_id=NUMBERS),
    named("get_all_trigger_events", **PLACE, pipeline_trigger_label=NAMES, offset=NUMBERS, limit=NUMBERS),
)
# Calls that are made one by one, or together, where the last may give the others up.
STEPS = st.lists(CALLS | st.tuples(st.lists(CALLS, max_size=5), st.booleans()), max_size=25)


class GivenUpError(Exception):
    """What ends a group of calls that is not to be stored."""


def make(storage: Engine, call: Call) -> object:
    """The outcome of one call; entities as JSON, so that both engines get and give their own."""
    method, entities, arguments = call
    try:
        # What a failed call did to its entity would show in the next engine.
        given = [engine.decode(type(entity), engine.encode(entity)) for entity in entities]
        result = getattr(storage, method)(*given, **arguments)
    except EngineError as error:
        return type(error)
    found = result if isinstance(result, list) else [result]
    return [engine.encode(it) if hasattr(it, "unknown") else it for it in [*found, *given]]


def take(storage: Engine, step: Any) -> object:
    if isinstance(step[0], str):
        return make(storage, step)
    calls, given_up = step
    outcomes = []
    try:
        with storage.transaction():
            outcomes = [make(storage, call) for call in calls]
            if given_up:
                raise GivenUpError
    except (GivenUpError, EngineError) as error:
        outcomes.append(type(error))
    return outcomes


def everything(storage: Engine) -> object:
    """All that is stored, asked for by name."""
    names = ["a", "b", "é<", "1", "Run", "Pipeline"]
    found: list[object] = [
        storage.get_all_namespaces(),
        storage.get_all_tokens(),
        storage.get_all_run_registrations(),
    ]
    for namespace in names:
        found.append(storage.get_all_pipelines(namespace_id=namespace))
        for pipeline in names:
            place = {"namespace_id": namespace, "pipeline_id": pipeline}
            found.append(storage.get_all_runs(**place))
            found.extend(storage.get_all_task_runs(**place, run_id=run) for run in (1, 2, 3, 5, -1, 2**63 - 1))
            found.extend(storage.get_all_trigger_events(**place, pipeline_trigger_label=label) for label in names)
    return found


@pytest.mark.parametrize("opener", ENGINES.values(), ids=ENGINES)
@given(steps=STEPS)
def test_any_calls_have_the_outcome_that_they_have_in_memory(opener: Callable[..., Engine], steps: list[Any]) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        opener(Path(folder), max_results_limit=4, clock=lambda: 77) as storage,
        MemoryEngine(max_results_limit=4, clock=lambda: 77) as model,
    ):
        for step in steps:
            assert take(storage, step) == take(model, step), step
        assert everything(storage) == everything(model)
