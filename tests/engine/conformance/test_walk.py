"""A walk finds all entities of a class, wherever they are."""

from __future__ import annotations

from typing import Any

import pytest

from engine import (
    DockerRegistryAuth,
    Engine,
    Namespace,
    Pipeline,
    PipelineTriggerConfig,
    Run,
    RunRegistryKey,
    TaskRun,
    Token,
    TriggerEvent,
    encode,
)


def everything() -> list[Any]:
    """Entities of two namespaces, with the same names on several levels."""
    entities: list[Any] = [Token(hash="a"), Token(hash="b"), DockerRegistryAuth(registry="r", pass_=b"x")]
    for namespace in "ns", "é\x00":
        entities.append(Namespace(id=namespace))
        for pipeline in "p", "Run":
            place = {"namespace_id": namespace, "pipeline_id": pipeline}
            triggers = {label: PipelineTriggerConfig(label=label) for label in ("cron", "1")}
            entities.append(Pipeline(id=pipeline, namespace=namespace, created=3, triggers=triggers))
            for number in 1, 7:
                entities.append(Run(**place, id=number, task_runs=["t", "u"]))
                entities += [TaskRun(**place, run_id=number, id=name) for name in "tu"]
            entities += [TriggerEvent(**place, pipeline_trigger_label=label, id=4) for label in ("cron", "1")]
    return entities


def store(storage: Engine, entity: Any) -> None:
    kind = type(entity)
    method = {DockerRegistryAuth: "docker_registry_auth", TaskRun: "task_run", TriggerEvent: "trigger_event"}
    getattr(storage, f"add_{method.get(kind, kind.__name__.lower())}")(entity)


def test_all_are_found(storage: Engine) -> None:
    entities = everything()
    for entity in entities:
        store(storage, entity)
    storage.register_run(namespace="ns", pipeline="p", run=-1)
    for kind in Namespace, Token, DockerRegistryAuth, TriggerEvent, TaskRun:
        expected = sorted(encode(it) for it in entities if type(it) is kind)
        assert sorted(encode(it) for it in storage.walk(kind)) == expected
    assert len(list(storage.walk(Run))) == 8
    assert {(it.namespace, it.id, it.last_run_id) for it in storage.walk(Pipeline)} == {
        (namespace, pipeline, 7) for namespace in ("ns", "é\x00") for pipeline in ("p", "Run")
    }
    assert list(storage.walk(RunRegistryKey)) == [RunRegistryKey("ns", "p", -1)]


def test_a_block_may_change_what_it_walks_over(storage: Engine) -> None:
    place = {"namespace_id": "ns", "pipeline_id": "p"}
    storage.add_namespace(Namespace(id="ns"))
    storage.add_pipeline(Pipeline(id="p", namespace="ns"))
    for number in range(1, 6):
        storage.add_run(Run(**place, id=number))
    with storage.transaction():
        storage.update_run(Run(**place, id=3, started=1))
        seen = []
        for run in storage.walk(Run):
            seen.append((run.id, run.started))
            for number in 6 - run.id, run.id:
                storage.update_run(Run(**place, id=number, started=2))
            if run.id == 4:
                storage.add_run(Run(**place))
    assert sorted(seen) == [(1, 0), (2, 0), (3, 1), (4, 0), (5, 0)]
    assert [(it.id, it.started) for it in storage.get_all_runs(**place)] == [
        (6, 0),
        *((it, 2) for it in (5, 4, 3, 2, 1)),
    ]


def test_nothing_is_found_in_nothing(storage: Engine) -> None:
    assert list(storage.walk(TaskRun)) == list(storage.walk(RunRegistryKey)) == []


def test_another_class_is_a_type_error(storage: Engine) -> None:
    with pytest.raises(TypeError, match="class of entities"):
        list(storage.walk(str))
