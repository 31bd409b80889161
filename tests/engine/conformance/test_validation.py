"""What can not be stored, or not be found again, is refused by the name of its field, and nothing changes."""

from __future__ import annotations

from typing import Any

import pytest

from engine import (
    DockerRegistryAuth,
    Engine,
    EntityExists,
    EntityNotFound,
    Namespace,
    Pipeline,
    PreconditionFailed,
    Run,
    Task,
    TaskRun,
    Token,
    TriggerEvent,
)

LONG = "x" * 32768
PLACE: dict[str, Any] = {"namespace_id": "ns", "pipeline_id": "p"}


def wrong(value: Any) -> Any:
    """A value of another type than the field's."""
    return value


@pytest.fixture
def prepared(storage: Engine) -> Engine:
    storage.add_pipeline(Pipeline(id="p", namespace="ns"))
    storage.add_run(Run(**PLACE))
    return storage


def everything(storage: Engine) -> object:
    return (
        storage.get_all_namespaces(),
        storage.get_all_tokens(),
        storage.get_all_docker_registry_auths(),
        storage.get_all_run_registrations(),
        storage.get_all_pipelines(namespace_id="ns"),
        storage.get_all_runs(**PLACE),
        storage.get_all_task_runs(**PLACE, run_id=1),
        storage.get_all_trigger_events(**PLACE, pipeline_trigger_label="cron"),
    )


ADDED = [
    ("add_namespace", Namespace(), "Namespace.id"),
    ("add_namespace", Namespace(id=LONG), "Namespace.id"),
    ("add_namespace", Namespace(id=7), "Namespace.id"),
    ("add_namespace", Namespace(id=None), "Namespace.id"),
    ("add_namespace", Namespace(id="\ud800"), "Namespace.id"),
    ("add_namespace", Namespace(id="a", name=b"bytes"), "Namespace.name"),
    ("add_namespace", Namespace(id="a", created=1.5), "Namespace.created"),
    ("add_namespace", Namespace(id="a", created=2**63), "Namespace.created"),
    ("add_namespace", Namespace(id="a", created=True), "Namespace.created"),
    ("add_namespace", Namespace(id="a", unknown={"x": "no json"}), "Namespace.unknown"),
    *(
        ("add_namespace", Namespace(id=name), "Namespace.id")
        for name in ("Namespace", "Token", "DockerRegistryAuth", "runRegistry", "events", "__storm_db", "__storm_x")
    ),
    ("add_token", Token(), "Token.hash"),
    ("add_token", Token(hash="__storm_metadata"), "Token.hash"),
    ("add_token", Token(hash="a", namespaces="ns"), "Token.namespaces"),
    ("add_token", Token(hash="a", metadata=wrong({1: "x"})), "Token.metadata"),
    ("add_docker_registry_auth", DockerRegistryAuth(), "DockerRegistryAuth.registry"),
    ("add_docker_registry_auth", DockerRegistryAuth(registry="a", pass_="text"), "DockerRegistryAuth.pass_"),
    ("add_pipeline", Pipeline(namespace="ns"), "Pipeline.id"),
    ("add_pipeline", Pipeline(id="q"), "Pipeline.namespace"),
    ("add_pipeline", Pipeline(id="q", namespace=3), "Pipeline.namespace"),
    ("add_pipeline", Pipeline(id="q", namespace="Token"), "Pipeline.namespace"),
    ("add_pipeline", Pipeline(id="q", namespace=LONG), "Pipeline.namespace"),
    ("add_pipeline", Pipeline(id="Pipeline", namespace="ns"), "Pipeline.id"),
    ("add_pipeline", Pipeline(id="__storm_index_ID", namespace="ns"), "Pipeline.id"),
    ("add_pipeline", Pipeline(id="q", namespace="ns", tasks=[Task()]), "Pipeline.tasks"),
    ("add_pipeline", Pipeline(id="q", namespace="ns", tasks=wrong({"t": "x"})), "Pipeline.tasks"),
    ("add_pipeline", Pipeline(id="q", namespace="ns", tasks={"t": Task(id=1)}), "Pipeline.tasks.id"),
    ("add_run", Run(namespace_id="ns"), "Run.pipeline_id"),
    ("add_run", Run(pipeline_id="p"), "Run.namespace_id"),
    ("add_run", Run(**PLACE, id="1"), "Run.id"),
    ("add_run", Run(**PLACE, id=2**63), "Run.id"),
    ("add_run", Run(**PLACE, only=wrong({"t": 1})), "Run.only"),
    ("add_run", Run(**PLACE, failure=None), "Run.failure"),
    ("add_task_run", TaskRun(**PLACE, run_id=1), "TaskRun.id"),
    ("add_task_run", TaskRun(**PLACE, run_id="1", id="t"), "TaskRun.run_id"),
    ("add_task_run", TaskRun(**PLACE, run_id=1, id="__storm_metadata"), "TaskRun.id"),
    ("add_task_run", TaskRun(**PLACE, run_id=1, id=LONG), "TaskRun.id"),
    ("add_task_run", TaskRun(**PLACE, run_id=1, id="t", exit_code=None), "TaskRun.exit_code"),
    ("add_trigger_event", TriggerEvent(**PLACE), "TriggerEvent.pipeline_trigger_label"),
    ("add_trigger_event", TriggerEvent(**PLACE, pipeline_trigger_label="Run"), "TriggerEvent.pipeline_trigger_label"),
    ("add_trigger_event", TriggerEvent(pipeline_id="p", pipeline_trigger_label="cron"), "TriggerEvent.namespace_id"),
    (
        "add_trigger_event",
        TriggerEvent(**PLACE, pipeline_trigger_label="cron", received="now"),
        "TriggerEvent.received",
    ),
]

UPDATED = [
    ("update_namespace", Namespace(), "Namespace.id"),
    ("update_pipeline", Pipeline(id="p"), "Pipeline.namespace"),
    ("update_pipeline", Pipeline(id="p", namespace="ns", name=1), "Pipeline.name"),
    ("update_run", Run(**PLACE), "Run.id"),
    ("update_run", Run(**PLACE, id=1, started=2**63), "Run.started"),
    ("update_task_run", TaskRun(**PLACE, run_id=1), "TaskRun.id"),
    ("update_trigger_event", TriggerEvent(**PLACE, pipeline_trigger_label="cron"), "TriggerEvent.id"),
]


@pytest.mark.parametrize(
    ("method", "entity", "field"),
    [*ADDED, *UPDATED],
    ids=[f"{it[0]}-{it[2]}-{i}" for i, it in enumerate(ADDED + UPDATED)],
)
def test_the_field_is_named_and_nothing_is_written(prepared: Engine, method: str, entity: Any, field: str) -> None:
    before = everything(prepared)
    number = getattr(entity, "id", None)
    with pytest.raises(PreconditionFailed, match=rf"^storage: parameters did not pass validation: {field}") as caught:
        getattr(prepared, method)(entity)
    assert caught.value.field == field
    assert everything(prepared) == before
    assert getattr(entity, "id", None) == number


def test_a_wrong_field_is_told_after_what_is_missing_or_there(prepared: Engine) -> None:
    calls: list[tuple[type[Exception], str, Any]] = [
        (EntityNotFound, "update_pipeline", Pipeline(id="none", namespace="ns", name=wrong(1))),
        (EntityExists, "add_pipeline", Pipeline(id="p", namespace="ns", name=wrong(1))),
        (EntityNotFound, "add_run", Run(namespace_id="ns", pipeline_id="none", failure=wrong(None))),
        (PreconditionFailed, "add_run", Run(**PLACE, id=1, failure=wrong(None))),
        (PreconditionFailed, "add_run", Run(**PLACE, failure=wrong(None))),
        (EntityNotFound, "add_task_run", TaskRun(**PLACE, run_id=2, id="t", exit_code=wrong(None))),
    ]
    with prepared.transaction():
        for error, method, entity in calls:
            number = entity.id
            with pytest.raises(error):
                getattr(prepared, method)(entity)
            assert entity.id == number
        prepared.add_namespace(Namespace(id="a"))  # nothing was broken
    assert [it.id for it in prepared.get_all_runs(**PLACE)] == [1]
    assert prepared.get_pipeline(namespace_id="ns", id="p").last_run_id == 1


def test_a_registration_that_is_too_long_for_a_key_is_refused(storage: Engine) -> None:
    with pytest.raises(PreconditionFailed) as caught:
        storage.register_run(namespace=LONG, pipeline="p", run=1)
    assert caught.value.field == "RunRegistryKey"
    assert storage.get_all_run_registrations() == set()


def test_another_class_is_a_type_error(storage: Engine) -> None:
    with pytest.raises(TypeError, match="takes a Run, not Pipeline"):
        storage.add_run(Pipeline(id="p", namespace="ns"))
    with pytest.raises(TypeError):
        storage.update_namespace(None)
    with pytest.raises(TypeError):
        storage.delete_token(hash=5)


def test_the_longest_names_fit(storage: Engine) -> None:
    longest = "x" * 32758
    storage.add_pipeline(Pipeline(id=longest, namespace="ns", created=5))
    assert [it.id for it in storage.get_all_pipelines(namespace_id="ns")] == [longest]
