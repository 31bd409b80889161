"""Arguments of another type, of more than 64 bits, or no text: all engines say the same of them, in the same words."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from functools import partial
from typing import Any

import pytest

from engine import (
    DockerRegistryAuth,
    Engine,
    EngineError,
    EntityNotFound,
    Namespace,
    Pipeline,
    PreconditionFailed,
    Run,
    RunRegistryKey,
    TaskRun,
    Token,
    TriggerEvent,
)

from .test_transactions import given_up

PLACE = {"namespace_id": "ns", "pipeline_id": "p"}
EVENTS = {**PLACE, "pipeline_trigger_label": "cron"}
RUN = {"namespace": "ns", "pipeline": "p", "run": 1}

# Each call that takes names, with one of each argument's type.
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("get_namespace", {"id": "a"}),
    ("get_token", {"hash": "a"}),
    ("delete_token", {"hash": "a"}),
    ("get_all_pipelines", {"namespace_id": "a"}),
    ("get_pipeline", {"namespace_id": "a", "id": "a"}),
    ("get_all_runs", PLACE),
    ("get_run", {**PLACE, "id": 1}),
    ("get_all_task_runs", {**PLACE, "run_id": 1}),
    ("get_task_run", {**PLACE, "run_id": 1, "id": "a"}),
    ("get_all_trigger_events", EVENTS),
    ("get_trigger_event", {**EVENTS, "id": 1}),
    ("register_run", RUN),
    ("registration_exists", RUN),
    ("unregister_run", RUN),
    ("get_docker_registry_auth", {"registry": "a"}),
    ("remove_docker_registry_auth", {"registry": "a"}),
]


@pytest.mark.parametrize("method", [name for name, _ in CALLS])
def test_another_type_is_a_type_error_that_names_the_argument(storage: Engine, method: str) -> None:
    arguments = dict(CALLS)[method]
    with given_up(storage):
        for name, value in arguments.items():
            for odd in None, True, 1.0, b"x", ("1" if isinstance(value, int) else 1):
                with pytest.raises(TypeError) as caught:
                    getattr(storage, method)(**{**arguments, name: odd})
                said = f"{name} is of type {type(value).__name__}, not {type(odd).__name__}"
                assert str(caught.value) == said
        storage.add_namespace(Namespace(id="a"))  # nothing was broken


@pytest.mark.parametrize("odd", [None, True, 1.0, "1"])
@pytest.mark.parametrize("argument", ["offset", "limit"])
def test_a_page_is_given_by_ints_whether_there_is_anything_or_not(storage: Engine, argument: str, odd: Any) -> None:
    for ask in (
        storage.get_all_namespaces,
        storage.get_all_tokens,
        partial(storage.get_all_tokens, namespaces=["a"]),
        partial(storage.get_all_pipelines, namespace_id="a"),
        partial(storage.get_all_runs, **PLACE),
        partial(storage.get_all_trigger_events, **EVENTS),
    ):
        with pytest.raises(TypeError, match=f"^{argument} is of type int, not {type(odd).__name__}$"):
            ask(**{argument: odd})


class Name(StrEnum):
    """Names that somebody keeps in an enum."""

    A = "a"


def test_a_member_of_an_enum_of_texts_is_its_text(storage: Engine) -> None:
    place, enum_place = {"namespace_id": "a", "pipeline_id": "a"}, {"namespace_id": Name.A, "pipeline_id": Name.A}
    storage.add_namespace(Namespace(id="a"))
    storage.add_token(Token(hash="a"))
    storage.add_docker_registry_auth(DockerRegistryAuth(registry="a"))
    storage.add_pipeline(Pipeline(id="a", namespace="a"))
    storage.add_run(Run(**place))
    storage.add_task_run(TaskRun(**place, run_id=1, id="a"))
    storage.add_trigger_event(TriggerEvent(**place, pipeline_trigger_label="a"))
    assert storage.get_namespace(id=Name.A).id == "a"
    assert storage.get_pipeline(namespace_id=Name.A, id=Name.A).id == "a"
    assert storage.get_docker_registry_auth(registry=Name.A).registry == "a"
    assert storage.get_task_run(**enum_place, run_id=1, id=Name.A).id == "a"
    for found in (
        storage.get_all_pipelines(namespace_id=Name.A),
        storage.get_all_runs(**enum_place),
        storage.get_all_task_runs(**enum_place, run_id=1),
        storage.get_all_trigger_events(**enum_place, pipeline_trigger_label=Name.A),
    ):
        assert len(found) == 1
    storage.delete_token(hash=Name.A)
    assert storage.get_all_tokens() == []
    storage.register_run(namespace=Name.A, pipeline=Name.A, run=1)
    assert storage.get_all_run_registrations() == {RunRegistryKey("a", "a", 1)}
    assert storage.registration_exists(namespace="a", pipeline="a", run=1)
    storage.unregister_run(namespace=Name.A, pipeline=Name.A, run=1)
    assert storage.get_all_run_registrations() == set()


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 2**70])
def test_a_number_of_more_bits_names_nothing_and_can_not_be_stored(storage: Engine, number: int) -> None:
    storage.add_pipeline(Pipeline(id="p", namespace="ns"))
    for ask in (
        lambda: storage.get_run(**PLACE, id=number),
        lambda: storage.get_task_run(**PLACE, run_id=number, id="a"),
        lambda: storage.get_trigger_event(**EVENTS, id=number),
    ):
        with pytest.raises(EntityNotFound):
            ask()
    assert storage.get_all_task_runs(**PLACE, run_id=number) == []
    entities: list[tuple[str, Callable[[Any], None], Any]] = [
        ("Run.id", storage.add_run, Run(**PLACE, id=number)),
        ("Run.id", storage.update_run, Run(**PLACE, id=number)),
        ("TaskRun.run_id", storage.add_task_run, TaskRun(**PLACE, run_id=number, id="a")),
        ("TaskRun.run_id", storage.update_task_run, TaskRun(**PLACE, run_id=number, id="a")),
        ("TriggerEvent.id", storage.add_trigger_event, TriggerEvent(**EVENTS, id=number)),
        ("TriggerEvent.id", storage.update_trigger_event, TriggerEvent(**EVENTS, id=number)),
    ]
    for field, store, entity in entities:
        with pytest.raises(PreconditionFailed, match=f"{field} must be an int from -9223372036854775808 to"):
            store(entity)


@pytest.mark.parametrize("odd", [{"namespace": "\ud800"}, {"pipeline": "\udcff"}, {"run": 2**63}])
def test_what_can_not_be_registered_is_not_there(storage: Engine, odd: dict[str, Any]) -> None:
    key = {**RUN, **odd}
    # This is what JSON would make of the first two.
    storage.register_run(namespace="\ufffd", pipeline="\ufffd", run=1)
    with pytest.raises(PreconditionFailed, match="UTF-8 can hold and a number of 64 bits"):
        storage.register_run(**key)
    assert not storage.registration_exists(**key)
    storage.unregister_run(**key)
    assert len(storage.get_all_run_registrations()) == 1


def test_numbers_of_events_too(storage: Engine) -> None:
    try:
        storage.get_all_events()
    except EngineError:
        return
    for ask in storage.get_event, storage.delete_event:
        with pytest.raises(TypeError, match="^id is of type int, not str$"):
            ask(id="1")
        with pytest.raises(EntityNotFound):
            ask(id=2**63)
