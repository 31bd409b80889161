"""Each kind of entity: stored, listed in its order, changed as a whole, and missed where it is not."""

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
    PipelineState,
    PipelineTriggerConfig,
    Run,
    RunFailure,
    RunFailureKind,
    RunRegistryKey,
    RunState,
    Task,
    TaskRun,
    Token,
    TokenKind,
    TriggerEvent,
    TriggerResult,
)

from .engines import Opener

PLACE = {"namespace_id": "ns", "pipeline_id": "p"}
TRIGGER = {**PLACE, "pipeline_trigger_label": "cron"}


def with_pipeline(storage: Engine) -> Engine:
    storage.add_pipeline(Pipeline(id="p", namespace="ns", created=1))
    return storage


def with_run(storage: Engine) -> Engine:
    with_pipeline(storage).add_run(Run(**PLACE))
    return storage


def test_a_new_engine_is_empty(storage: Engine) -> None:
    assert storage.get_all_namespaces() == []
    assert storage.get_all_tokens() == []
    assert storage.get_all_pipelines(namespace_id="ns") == []
    assert storage.get_all_runs(**PLACE) == []
    assert storage.get_all_task_runs(**PLACE, run_id=1) == []
    assert storage.get_all_trigger_events(**TRIGGER) == []
    assert storage.get_all_run_registrations() == set()
    assert storage.get_all_docker_registry_auths() == []


class TestNamespaces:
    def test_they_are_stored_and_listed_by_the_bytes_of_their_ids(self, storage: Engine) -> None:
        names = ["b", "a", "B", "é", "😀", "a/b", "\x00", "<&>"]
        for name in names:
            storage.add_namespace(Namespace(id=name, name=f"name of {name}", created=5))
        assert [it.id for it in storage.get_all_namespaces()] == sorted(names, key=str.encode)
        assert storage.get_namespace(id="é") == Namespace(id="é", name="name of é", created=5)

    def test_pages(self, open_storage: Opener) -> None:
        with open_storage(max_results_limit=3) as storage:
            for name in "abcde":
                storage.add_namespace(Namespace(id=name))

            def page(**arguments: int) -> str:
                return "".join(it.id for it in storage.get_all_namespaces(**arguments))

            assert page() == page(limit=9) == page(offset=-1) == "abc"
            assert page(limit=2) == "ab"
            assert page(offset=1, limit=2) == "bc"
            assert page(offset=4) == "e"
            assert page(offset=5) == ""
            assert page(limit=-1) == "abcde"
            assert page(offset=1, limit=-7) == "bcde"

    def test_pages_of_nothing(self, open_storage: Opener) -> None:
        with open_storage(max_results_limit=0) as storage:
            storage.add_namespace(Namespace(id="a"))
            with storage.transaction():
                storage.add_namespace(Namespace(id="b"))
                assert storage.get_all_namespaces() == storage.get_all_namespaces(limit=1) == []
            assert storage.get_all_namespaces() == []
            assert len(storage.get_all_namespaces(limit=-1)) == 2

    def test_an_id_is_there_once(self, storage: Engine) -> None:
        storage.add_namespace(Namespace(id="a", name="first"))
        with pytest.raises(EntityExists):
            storage.add_namespace(Namespace(id="a", name="second"))
        assert storage.get_namespace(id="a").name == "first"

    def test_an_update_stores_every_field(self, storage: Engine) -> None:
        storage.add_namespace(Namespace(id="a", name="name", description="text", created=5, deleted=6))
        storage.update_namespace(Namespace(id="a", name="other"))
        assert storage.get_namespace(id="a") == Namespace(id="a", name="other")
        with pytest.raises(EntityNotFound):
            storage.update_namespace(Namespace(id="b"))
        with pytest.raises(EntityNotFound):
            storage.get_namespace(id="b")


class TestTokens:
    def test_they_go_by_hash_and_by_namespace(self, storage: Engine) -> None:
        opened = {"c": ["one"], "a": ["two", "one"], "b": ["two"], "d": [], "e": None}
        for name, namespaces in opened.items():
            storage.add_token(Token(hash=name, kind=TokenKind.CLIENT, namespaces=namespaces, metadata={"k": "v"}))

        def hashes(**arguments: Any) -> str:
            return "".join(it.hash for it in storage.get_all_tokens(**arguments))

        assert hashes() == hashes(namespaces=[]) == hashes(namespaces=None) == "abcde"
        assert hashes(namespaces=["one"]) == "ac"
        assert hashes(namespaces=("one", "two"), limit=2) == "ab"
        assert hashes(namespaces={"two"}, offset=1) == "b"
        assert storage.get_token(hash="d").namespaces == []
        assert storage.get_token(hash="e").namespaces is None

    def test_a_deleted_token_is_gone_and_can_come_back(self, storage: Engine) -> None:
        storage.add_token(Token(hash="a"))
        with pytest.raises(EntityExists):
            storage.add_token(Token(hash="a"))
        storage.delete_token(hash="a")
        for method in storage.get_token, storage.delete_token:
            with pytest.raises(EntityNotFound):
                method(hash="a")
        assert storage.get_all_tokens() == []
        storage.add_token(Token(hash="a", created=2))
        assert storage.get_token(hash="a").created == 2


class TestPipelines:
    def test_the_latest_comes_first_and_zero_last(self, storage: Engine) -> None:
        for name, created in [("old", 5), ("zero", 0), ("new", 9), ("same_a", 7), ("same_b", 7)]:
            storage.add_pipeline(Pipeline(id=name, namespace="ns", created=created))
        storage.add_pipeline(Pipeline(id="elsewhere", namespace="other", created=8))
        listed = [it.id for it in storage.get_all_pipelines(namespace_id="ns")]
        assert listed == ["new", "same_b", "same_a", "old", "zero"]
        assert [it.id for it in storage.get_all_pipelines(namespace_id="ns", offset=1, limit=2)] == listed[1:3]

    def test_one_with_everything_in_it(self, storage: Engine) -> None:
        pipeline = Pipeline(
            id="p",
            namespace="ns",
            state=PipelineState.ACTIVE,
            sequential=True,
            tasks={"b": Task(id="b", image_name="alpine", depends_on={}, env_vars={"<": "&"}), "a": Task()},
            triggers={"t": PipelineTriggerConfig(kind="cron", label="t", config=None)},
            objects=[],
        )
        storage.add_pipeline(pipeline)
        assert storage.get_pipeline(namespace_id="ns", id="p") == pipeline
        for place in {"namespace_id": "other", "id": "p"}, {"namespace_id": "ns", "id": "q"}:
            with pytest.raises(EntityNotFound):
                storage.get_pipeline(**place)

    def test_an_update_can_take_back(self, storage: Engine) -> None:
        storage.add_pipeline(Pipeline(id="p", namespace="ns", created=5, sequential=True, objects=["x"]))
        storage.add_pipeline(Pipeline(id="q", namespace="ns", created=4))
        storage.update_pipeline(Pipeline(id="p", namespace="ns", created=3))
        assert storage.get_pipeline(namespace_id="ns", id="p") == Pipeline(id="p", namespace="ns", created=3)
        assert [it.id for it in storage.get_all_pipelines(namespace_id="ns")] == ["q", "p"]
        with pytest.raises(EntityNotFound):
            storage.update_pipeline(Pipeline(id="p", namespace="elsewhere"))
        with pytest.raises(EntityExists):
            storage.add_pipeline(Pipeline(id="p", namespace="ns"))


class TestRuns:
    def test_they_are_numbered_and_noted_in_their_pipeline(self, open_storage: Opener) -> None:
        now = 100
        with open_storage(clock=lambda: now) as storage:
            with_pipeline(storage)
            for expected in 1, 2, 3:
                run = Run(**PLACE, started=expected)
                assert storage.add_run(run) is None
                assert run.id == expected
                now += 1
            pipeline = storage.get_pipeline(namespace_id="ns", id="p")
            assert (pipeline.last_run_id, pipeline.last_run_time) == (3, 102)
            assert [it.id for it in storage.get_all_runs(**PLACE)] == [3, 2, 1]
            assert [it.id for it in storage.get_all_runs(**PLACE, offset=1, limit=1)] == [2]
            assert storage.get_run(**PLACE, id=2) == Run(**PLACE, id=2, started=2)

    def test_each_pipeline_counts_for_itself(self, storage: Engine) -> None:
        with_run(storage)
        storage.add_pipeline(Pipeline(id="q", namespace="ns"))
        run = Run(namespace_id="ns", pipeline_id="q")
        storage.add_run(run)
        assert run.id == 1

    def test_a_number_of_its_own_is_kept_and_never_given_again(self, storage: Engine) -> None:
        with_pipeline(storage).add_run(Run(**PLACE, id=7))
        with pytest.raises(EntityExists):
            storage.add_run(Run(**PLACE, id=7, started=9))
        assert storage.get_run(**PLACE, id=7).started == 0
        storage.add_run(Run(**PLACE, id=3))
        following = Run(**PLACE)
        storage.add_run(following)
        assert following.id == 8
        storage.add_run(Run(**PLACE, id=-2))
        # Negative numbers count as the greatest.
        assert [it.id for it in storage.get_all_runs(**PLACE)] == [-2, 8, 7, 3]

    def test_without_a_pipeline_there_is_no_run(self, storage: Engine) -> None:
        run = Run(**PLACE)
        with pytest.raises(EntityNotFound):
            storage.add_run(run)
        assert run.id == 0
        assert storage.get_all_runs(**PLACE) == []

    def test_an_update_can_take_back(self, storage: Engine) -> None:
        with_run(storage)
        failure = RunFailure(kind=RunFailureKind.CANCELLED, description="by hand")
        full = Run(
            **PLACE, id=1, ended=9, failure=failure, status=RunState.FAILED, only={"t": {}}, objects_expired=True
        )
        storage.update_run(full)
        assert storage.get_run(**PLACE, id=1) == full
        storage.update_run(Run(**PLACE, id=1))
        assert storage.get_run(**PLACE, id=1) == Run(**PLACE, id=1)
        with pytest.raises(EntityNotFound):
            storage.update_run(Run(**PLACE, id=2))
        for number in 0, 2, -1, 2**70:
            with pytest.raises(EntityNotFound):
                storage.get_run(**PLACE, id=number)


class TestTaskRuns:
    def test_they_are_listed_by_creation_and_noted_in_their_run(self, storage: Engine) -> None:
        with_run(storage)
        for name, created in [("late", 9), ("zero", 0), ("b", 5), ("a", 5)]:
            storage.add_task_run(TaskRun(**PLACE, run_id=1, id=name, created=created, task=Task(id="build")))
        listed = storage.get_all_task_runs(**PLACE, run_id=1)
        assert [it.id for it in listed] == ["zero", "a", "b", "late"]
        assert listed[0].task == Task(id="build")
        assert storage.get_run(**PLACE, id=1).task_runs == ["late", "zero", "b", "a"]
        assert storage.get_all_task_runs(**PLACE, run_id=2) == []

    def test_one_that_is_there_changes_nothing(self, storage: Engine) -> None:
        with_run(storage).add_task_run(TaskRun(**PLACE, run_id=1, id="t", created=5))
        with pytest.raises(EntityExists):
            storage.add_task_run(TaskRun(**PLACE, run_id=1, id="t", created=6))
        assert storage.get_run(**PLACE, id=1).task_runs == ["t"]
        assert storage.get_task_run(**PLACE, run_id=1, id="t").created == 5

    def test_what_is_not_there(self, storage: Engine) -> None:
        with_run(storage)
        for run_id in 2, 0, -1:
            with pytest.raises(EntityNotFound):
                storage.add_task_run(TaskRun(**PLACE, run_id=run_id, id="t"))
        with pytest.raises(EntityNotFound):
            storage.update_task_run(TaskRun(**PLACE, run_id=1, id="t"))
        with pytest.raises(EntityNotFound):
            storage.get_task_run(**PLACE, run_id=1, id="t")

    def test_an_update_can_take_back(self, storage: Engine) -> None:
        with_run(storage).add_task_run(TaskRun(**PLACE, run_id=1, id="t", created=5, exit_code=1, logs_expired=True))
        storage.update_task_run(TaskRun(**PLACE, run_id=1, id="t"))
        assert storage.get_all_task_runs(**PLACE, run_id=1) == [TaskRun(**PLACE, run_id=1, id="t")]


class TestTriggerEvents:
    def test_each_label_counts_for_itself(self, storage: Engine) -> None:
        for label, expected in [("cron", 1), ("cron", 2), ("1", 1)]:
            event = TriggerEvent(**PLACE, pipeline_trigger_label=label, received=7)
            storage.add_trigger_event(event)
            assert event.id == expected
        assert [it.id for it in storage.get_all_trigger_events(**TRIGGER)] == [2, 1]
        assert [it.id for it in storage.get_all_trigger_events(**TRIGGER, offset=1, limit=5)] == [1]
        assert storage.get_trigger_event(**TRIGGER, id=2).received == 7
        with pytest.raises(EntityNotFound):
            storage.get_trigger_event(**TRIGGER, id=3)

    def test_a_label_may_be_the_number_of_a_run(self, storage: Engine) -> None:
        with_run(storage).add_task_run(TaskRun(**PLACE, run_id=1, id="t"))
        storage.add_trigger_event(TriggerEvent(**PLACE, pipeline_trigger_label="1"))
        assert len(storage.get_all_task_runs(**PLACE, run_id=1)) == 1
        assert len(storage.get_all_trigger_events(**PLACE, pipeline_trigger_label="1")) == 1

    def test_numbers_of_their_own_and_updates(self, storage: Engine) -> None:
        storage.add_trigger_event(TriggerEvent(**TRIGGER, id=4, trigger_result=TriggerResult(details="x")))
        with pytest.raises(EntityExists):
            storage.add_trigger_event(TriggerEvent(**TRIGGER, id=4))
        event = TriggerEvent(**TRIGGER)
        storage.add_trigger_event(event)
        assert event.id == 5
        storage.update_trigger_event(TriggerEvent(**TRIGGER, id=4, metadata={}))
        assert storage.get_trigger_event(**TRIGGER, id=4) == TriggerEvent(**TRIGGER, id=4, metadata={})
        with pytest.raises(EntityNotFound):
            storage.update_trigger_event(TriggerEvent(**TRIGGER, id=6))


def test_registrations_are_a_set(storage: Engine) -> None:
    first, second = {"namespace": "ns", "pipeline": "<p>", "run": 1}, {"namespace": "", "pipeline": "é", "run": -2}
    storage.register_run(**first)
    storage.register_run(**first)
    storage.register_run(**second)
    assert storage.get_all_run_registrations() == {RunRegistryKey("ns", "<p>", 1), RunRegistryKey("", "é", -2)}
    assert storage.registration_exists(**first)
    assert not storage.registration_exists(**{**first, "run": 2})
    storage.unregister_run(**first)
    storage.unregister_run(**first)
    assert storage.get_all_run_registrations() == {RunRegistryKey("", "é", -2)}


def test_docker_logins(storage: Engine) -> None:
    for name, secret in [("b.io", b"\x00\xff"), ("a.io", b""), ("c.io", None)]:
        storage.add_docker_registry_auth(DockerRegistryAuth(registry=name, user="u", pass_=secret))
    assert [(it.registry, it.pass_) for it in storage.get_all_docker_registry_auths()] == [
        ("a.io", b""),
        ("b.io", b"\x00\xff"),
        ("c.io", None),
    ]
    with pytest.raises(EntityExists):
        storage.add_docker_registry_auth(DockerRegistryAuth(registry="b.io"))
    storage.remove_docker_registry_auth(registry="b.io")
    with pytest.raises(EntityNotFound):
        storage.remove_docker_registry_auth(registry="b.io")
    with pytest.raises(EntityNotFound):
        storage.get_docker_registry_auth(registry="b.io")


def test_what_is_handed_over_and_given_back_is_nobody_elses(storage: Engine) -> None:
    task = Task(id="t", env_vars={"k": "v"})
    pipeline = Pipeline(id="p", namespace="ns", tasks={"t": task}, objects=["x"])
    storage.add_pipeline(pipeline)
    task.id, pipeline.objects = "changed", None
    given = storage.get_pipeline(namespace_id="ns", id="p")
    assert given.tasks == {"t": Task(id="t", env_vars={"k": "v"})}
    given.tasks["t"].env_vars["k"] = "changed"
    assert storage.get_pipeline(namespace_id="ns", id="p").tasks["t"].env_vars == {"k": "v"}
    assert storage.get_all_pipelines(namespace_id="ns")[0].objects == ["x"]


def test_members_without_a_field_survive_an_update(storage: Engine) -> None:
    stored = Pipeline(id="p", namespace="ns", unknown={"extra": "[1,2]"}, tasks={"t": Task(unknown={"gpu": "true"})})
    storage.add_pipeline(stored)
    storage.update_pipeline(Pipeline(id="p", namespace="ns", name="new", tasks={"t": Task(id="t"), "u": Task()}))
    found = storage.get_pipeline(namespace_id="ns", id="p")
    assert (found.name, found.unknown) == ("new", {"extra": "[1,2]"})
    assert found.tasks == {"t": Task(id="t", unknown={"gpu": "true"}), "u": Task()}
