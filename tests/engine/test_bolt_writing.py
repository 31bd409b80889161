"""What the engine writes to a bolt file: where the two tempers differ, both schemas, and the file itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import boltpy
import engine
from engine import (
    DockerRegistryAuth,
    Engine,
    EngineError,
    EntityExists,
    EntityNotFound,
    Namespace,
    Pipeline,
    PipelineTriggerConfig,
    PreconditionFailed,
    Run,
    RunFailure,
    Task,
    TaskRun,
    Token,
    TriggerEvent,
)
from engine.errors import RecordError
from engine.storm import Records
from engine.telling import Telling

from .gofer_files import unpack
from .making import Tree, bolt_database, gofer_database, int_key

PLACE: dict[str, Any] = {"namespace_id": "ns", "pipeline_id": "p"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gofer.db"


@pytest.fixture
def default(path: Path) -> Iterator[Engine]:
    with engine.open_engine(path, no_sync=True, clock=lambda: 77) as storage:
        yield storage


@pytest.fixture
def exact(path: Path) -> Iterator[Engine]:
    with engine.open_engine(path, no_sync=True, clock=lambda: 77, compat="gofer") as storage:
        yield storage


def with_run(storage: Engine) -> Engine:
    storage.add_pipeline(Pipeline(id="p", namespace="ns", created=5))
    storage.add_run(Run(**PLACE, started=6))
    return storage


def stored(path: Path, *names: bytes) -> Tree:
    """The pairs of a bucket, without what is nested in it."""
    with boltpy.open(path, read_only=True) as db, db.view() as tx:
        bucket = tx.bucket(*names)
        assert bucket is not None
        return {key: value for key, value in bucket.items() if value is not None}


class TestWhatGoferDoes:
    """Each mistake of the Go code, by `compat="gofer"`; the suite in `conformance` has the other temper."""

    def test_an_update_sets_nothing_to_zero(self, exact: Engine) -> None:
        with_run(exact)
        exact.update_run(Run(**PLACE, id=1, ended=9, failure=RunFailure(description="x"), objects_expired=True))
        exact.update_run(Run(**PLACE, id=1, objects=[]))
        run = exact.get_run(**PLACE, id=1)
        assert (run.started, run.ended, run.failure.description, run.objects_expired) == (6, 9, "x", True)
        assert run.objects == []

    def test_a_struct_is_replaced_as_a_whole(self, exact: Engine) -> None:
        with_run(exact).update_run(Run(**PLACE, id=1, failure=RunFailure(kind="FAILED", description="x")))
        exact.update_run(Run(**PLACE, id=1, failure=RunFailure(description="y")))
        assert exact.get_run(**PLACE, id=1).failure == RunFailure(description="y")

    def test_a_number_of_its_own_replaces_and_is_given_again(self, exact: Engine) -> None:
        with_run(exact).add_run(Run(**PLACE, id=1, started=9))
        exact.add_run(Run(**PLACE, id=2, trigger_name="lost"))
        run = Run(**PLACE)
        exact.add_run(run)
        assert run.id == 2
        assert [(it.id, it.started, it.trigger_name) for it in exact.get_all_runs(**PLACE)] == [(2, 0, ""), (1, 9, "")]

    def test_members_without_a_field_are_lost(self, exact: Engine) -> None:
        exact.add_namespace(Namespace(id="a", unknown={"x": "1"}))
        assert exact.get_namespace(id="a").unknown == {}

    def test_names_are_not_checked(self, exact: Engine) -> None:
        for name in "Token", "events", "__storm_x", "x" * 32768:
            exact.add_namespace(Namespace(id=name))
        exact.add_pipeline(Pipeline(id="p", namespace="Token"))
        exact.add_pipeline(Pipeline(id="Pipeline", namespace="ns"))
        assert exact.get_all_tokens() == []

    @pytest.mark.parametrize(
        ("method", "entity", "text"),
        [
            ("add_namespace", Namespace(), "id field must not be a zero value"),
            ("add_token", Token(), "id field must not be a zero value"),
            ("add_docker_registry_auth", DockerRegistryAuth(), "id field must not be a zero value"),
            ("add_task_run", TaskRun(**PLACE, run_id=1), "id field must not be a zero value"),
            ("add_pipeline", Pipeline(id="p"), "bucket name required"),
            ("add_namespace", Namespace(id="__storm_metadata"), "incompatible value"),
            ("add_token", Token(hash="x" * 32769), "key too large"),
            ("add_pipeline", Pipeline(id="x" * 32759, namespace="ns", created=1), "key too large"),
            ("add_trigger_event", TriggerEvent(**PLACE), "bucket name required"),
            ("add_run", Run(namespace_id="ns"), "storage: entity not found"),
            ("add_task_run", TaskRun(**PLACE, run_id=2, id="t"), "storage: entity not found"),
            ("update_task_run", TaskRun(**PLACE, run_id=1, id="t"), "not found"),
            ("update_task_run", TaskRun(**PLACE, run_id=1), "storage: parameters did not pass validation"),
            ("update_namespace", Namespace(), "storage: parameters did not pass validation"),
            ("update_pipeline", Pipeline(id="p"), "storage: entity not found"),
        ],
    )
    def test_the_words_are_gofers(self, exact: Engine, method: str, entity: Any, text: str) -> None:
        with_run(exact)
        with pytest.raises(EngineError) as caught:
            getattr(exact, method)(entity)
        assert str(caught.value) == text
        assert exact.get_run(**PLACE, id=1).task_runs is None

    def test_runs_beside_a_record_named_run(self, exact: Engine) -> None:
        for name in "Pipeline", "Run":
            exact.add_pipeline(Pipeline(id=name, namespace="ns"))
        with pytest.raises(EngineError, match="^incompatible value$"):
            exact.add_run(Run(namespace_id="ns", pipeline_id="Pipeline"))
        assert exact.get_pipeline(namespace_id="ns", id="Pipeline").last_run_id == 0

    def test_without_the_registry_unregistering_fails(self, path: Path) -> None:
        bolt_database(path, {b"__storm_db": {b"version": b'"2.0.0"'}, b"events": {}})
        where: dict[str, Any] = {"namespace": "ns", "pipeline": "p", "run": 1}
        with engine.open_engine(path, compat="gofer") as storage, pytest.raises(EngineError, match="^not found$"):
            storage.unregister_run(**where)
        with engine.open_engine(path) as storage:
            storage.unregister_run(**where)
            storage.register_run(**where)
            assert storage.registration_exists(**where)


class TestTheFile:
    def test_the_clock_is_the_systems_unless_given(self, path: Path) -> None:
        before = time.time() * 1000
        with engine.open_engine(path) as storage:
            with_run(storage)
            assert before - 1 <= storage.get_pipeline(namespace_id="ns", id="p").last_run_time <= time.time() * 1000

    def test_names_that_meet_others_in_gofers_files_are_refused(self, path: Path) -> None:
        with engine.open_engine(path, compat="gofer") as storage:
            storage.add_pipeline(Pipeline(id="p", namespace="Token"))
            for name in "Pipeline", "Run":
                storage.add_pipeline(Pipeline(id=name, namespace="ns"))
        with engine.open_engine(path) as storage:
            with pytest.raises(PreconditionFailed, match="a nested bucket|is a bucket") as caught:
                storage.add_token(Token(hash="Pipeline"))
            assert caught.value.field == "Token.hash"
            with pytest.raises(PreconditionFailed):
                storage.add_run(Run(namespace_id="ns", pipeline_id="Pipeline"))
            # What Gofer put under a reserved name can be changed all the same.
            storage.update_pipeline(Pipeline(id="Pipeline", namespace="ns", name="kept"))
            assert storage.get_pipeline(namespace_id="ns", id="Pipeline").name == "kept"
            # What bolt refused in the middle of a call can not be saved.
            with pytest.raises(EngineError, match="failed half-way"):
                self._caught_in_a_transaction(storage)
            assert storage.get_all_namespaces() == []

    @staticmethod
    def _caught_in_a_transaction(storage: Engine) -> None:
        with storage.transaction():
            storage.add_namespace(Namespace(id="a"))
            with pytest.raises(PreconditionFailed):
                storage.add_token(Token(hash="Pipeline"))

    def test_a_read_that_fails_leaves_a_transaction_whole(self, path: Path) -> None:
        gofer_database(path, {b"Namespace": {b"bad": b"{"}, b"events": {int_key(1): b"["}})
        with engine.open_engine(path) as storage:
            with storage.transaction():
                storage.add_pipeline(Pipeline(id="p", namespace="ns"))
                for read in (
                    storage.get_all_namespaces,
                    storage.get_all_events,
                    lambda: storage.get_namespace(id="bad"),
                    lambda: storage.get_event(id=1),
                ):
                    with pytest.raises(RecordError):
                        read()
                storage.add_pipeline(Pipeline(id="q", namespace="ns"))
            assert [it.id for it in storage.get_all_pipelines(namespace_id="ns")] == ["q", "p"]
            # A call that was to write does not say how far it came.
            with (
                pytest.raises(EngineError, match="failed half-way"),
                storage.transaction(),
                pytest.raises(RecordError),
            ):
                storage.update_namespace(Namespace(id="bad"))

    def test_a_counter_that_gofer_left_behind_is_made_up_for(self, path: Path) -> None:
        with engine.open_engine(path, compat="gofer") as storage:
            with_run(storage)
            storage.add_run(Run(**PLACE, id=2))
            storage.add_run(Run(**PLACE, id=5))
        with engine.open_engine(path) as storage:
            run = Run(**PLACE)
            storage.add_run(run)
            assert run.id == 6
        metadata = stored(path, b"ns", b"p", b"Run", b"__storm_metadata")
        assert metadata == {b"codec": b"json", b"IDcounter": int_key(6)}

    def test_a_registration_whose_key_is_a_bucket_is_an_error(self, path: Path) -> None:
        where: dict[str, Any] = {"namespace": "ns", "pipeline": "p", "run": 1}
        key = engine.encode(engine.RunRegistryKey(**where))
        gofer_database(path, {b"runRegistry": {key: {}}})
        for compat, words in [("python", "is a bucket|nested bucket"), ("gofer", "^incompatible value$")]:
            with engine.open_engine(path, compat=compat) as storage:  # type: ignore[arg-type]
                for change in storage.register_run, storage.unregister_run:
                    with pytest.raises(EngineError, match=words):
                        change(**where)
                assert not storage.registration_exists(**where)

    def test_a_call_that_is_interrupted_is_not_stored(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupted(records: Records[Any], record: object) -> None:
            raise KeyboardInterrupt

        run = Run(**PLACE)

        def interrupted_within() -> None:
            with storage.transaction():
                storage.add_namespace(Namespace(id="a"))
                with pytest.raises(KeyboardInterrupt):
                    storage.add_run(run)

        with engine.open_engine(path) as storage:
            with_run(storage)
            monkeypatch.setattr(Records, "replace", interrupted)  # the last thing that adding a run does
            with pytest.raises(KeyboardInterrupt):
                storage.add_run(run)
            assert run.id == 0
            with pytest.raises(EngineError, match="failed half-way"):
                interrupted_within()
            assert run.id == 0
            assert storage.get_all_namespaces() == []
            assert len(storage.get_all_runs(**PLACE)) == 1

    def test_an_interrupt_after_the_commit_leaves_the_number(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupted(telling: Telling, changes: object) -> None:
            raise KeyboardInterrupt

        run = Run(**PLACE)
        with engine.open_engine(path) as storage:
            with_run(storage)
            with monkeypatch.context() as patch:
                patch.setattr(Telling, "tell", interrupted)  # the first step behind the commit
                with pytest.raises(KeyboardInterrupt):
                    storage.add_run(run)
            assert run.id == 2
            with pytest.raises(EntityExists):
                storage.add_run(run)
            assert [each.id for each in storage.get_all_runs(**PLACE)] == [2, 1]

    def test_reading_only_refuses_to_write(self, path: Path) -> None:
        with engine.open_engine(path) as storage:
            with_run(storage)
        with engine.open_engine(path, read_only=True) as storage:
            for change in lambda: storage.add_namespace(Namespace(id="a")), lambda: storage.transaction().__enter__():
                with pytest.raises(boltpy.DatabaseReadOnlyError):
                    change()
            assert len(storage.get_all_runs(**PLACE)) == 1

    def test_closing_within_a_transaction_stores_nothing(self, path: Path) -> None:
        def closed_within() -> None:
            with engine.open_engine(path) as storage, storage.transaction():
                storage.add_namespace(Namespace(id="a"))
                storage.close()

        with pytest.raises(boltpy.BoltError):
            closed_within()
        with engine.open_engine(path) as storage:
            assert storage.get_all_namespaces() == []

    def test_a_commit_that_fails_takes_the_number_back(self, path: Path) -> None:
        with engine.open_engine(path) as storage:
            with_run(storage)
        size = path.stat().st_size
        with engine.open_engine(path, max_size=size) as storage:
            run = Run(**PLACE, variables={"large": "x" * 10 * size})
            with pytest.raises(boltpy.MaxSizeReachedError):
                storage.add_run(run)
            assert run.id == 0
            assert len(storage.get_all_runs(**PLACE)) == 1

    def test_another_programs_file_is_left_alone_unless_gofer_would_not(self, path: Path) -> None:
        bolt_database(path, {b"users": {b"ada": b"countess"}})
        before = path.read_bytes()
        with pytest.raises(EngineError, match="none of Gofer's"):
            engine.open_engine(path)
        assert path.read_bytes() == before
        engine.open_engine(path, compat="gofer").close()
        assert stored(path, b"__storm_db") == {b"version": b'"2.0.0"'}
        engine.open_engine(path).close()

    def test_members_of_a_newer_gofer_survive(self, path: Path) -> None:
        record = (
            b'{"id":"p","namespace":"ns","new":{"a":1.50},"tasks":{"t":{"id":"t","gpu":[1, 2]},"gone":{"id":"gone"}}}'
        )
        gofer_database(path, {b"ns": {b"Pipeline": {b"p": record}}})
        with engine.open_engine(path) as storage:
            storage.update_pipeline(Pipeline(id="p", namespace="ns", tasks={"t": Task(id="t", description="new")}))
            storage.add_run(Run(**PLACE))
        text = stored(path, b"ns", b"Pipeline")[b"p"]
        assert text.endswith(b',"objects":null,"new":{"a":1.50}}')
        assert b'"description":"new"' in text
        assert b'"gpu":[1, 2]' in text
        assert b"gone" not in text


class TestTheLastSchema:
    @pytest.fixture
    def late(self, path: Path) -> Path:
        return bolt_database(path, {b"events": {}})

    @pytest.mark.parametrize("compat", ["python", "gofer"])
    def test_a_file_with_an_event_log_stays_without_a_registry(self, late: Path, compat: Any) -> None:
        with engine.open_engine(late, compat=compat) as storage:
            with_run(storage)
        with boltpy.open(late, read_only=True) as db, db.view() as tx:
            assert {name for name, _ in tx.buckets()} == {b"__storm_db", b"events", b"ns"}
            runs = tx.bucket(b"ns", b"p", b"Run")
            assert runs is not None
            assert {name for name, _ in runs.buckets()} == {b"__storm_metadata", b"__storm_index_ID"}

    @pytest.mark.parametrize("compat", ["python", "gofer"])
    def test_new_tasks_have_the_last_shape(self, late: Path, compat: Any) -> None:
        with engine.open_engine(late, compat=compat) as storage:
            tasks, triggers = {"t": Task(id="t")}, {"c": PipelineTriggerConfig(kind="cron")}
            storage.add_pipeline(Pipeline(id="p", namespace="ns", tasks=tasks, triggers=triggers))
            assert tasks["t"].shape == ()
        text = stored(late, b"ns", b"Pipeline")[b"p"]
        assert b'"image":"","registry_auth":{"user":"","pass":""}' in text
        assert b'"exec":{"shell":"","script":""}' in text
        assert b'{"Kind":"cron","Label":"","Config":null,"State":""}' in text

    def test_values_of_the_first_shape_are_kept_or_dropped(self, late: Path) -> None:
        pipeline = Pipeline(id="p", namespace="ns", tasks={"t": Task(image_name="alpine")})
        with engine.open_engine(late) as storage:
            storage.add_pipeline(pipeline)
            assert storage.get_pipeline(namespace_id="ns", id="p") == pipeline
        with engine.open_engine(late, compat="gofer") as storage:
            storage.update_pipeline(Pipeline(id="p", namespace="ns", name="touched"))
        text = stored(late, b"ns", b"Pipeline")[b"p"]
        assert b"alpine" not in text
        assert b'"image":""' in text

    def test_an_upgraded_file_keeps_what_it_has(self, tmp_path: Path) -> None:
        path = unpack("upgraded", tmp_path)
        with engine.open_engine(path) as storage:
            before = storage.get_all_run_registrations()
            namespaces = [it.id for it in storage.get_all_namespaces()]
            for namespace in namespaces:
                for pipeline in storage.get_all_pipelines(namespace_id=namespace):
                    shapes = {name: task.shape for name, task in (pipeline.tasks or {}).items()}
                    storage.update_pipeline(pipeline)
                    found = storage.get_pipeline(namespace_id=namespace, id=pipeline.id)
                    assert found == pipeline
                    assert {name: task.shape for name, task in (found.tasks or {}).items()} == shapes
            assert storage.get_all_run_registrations() == before != set()
            assert storage.get_all_events() != []
        with boltpy.open(path, read_only=True) as db, db.view() as tx:
            assert list(tx.check()) == []


def test_facts_of_errors(default: Engine) -> None:
    with_run(default)
    with pytest.raises(EntityExists) as exists:
        default.add_pipeline(Pipeline(id="p", namespace="ns"))
    assert (exists.value.entity, exists.value.key) == ("Pipeline", {"namespace_id": "ns", "id": "p"})
    assert str(exists.value) == "storage: entity already exists: Pipeline namespace_id='ns', id='p'"
    with pytest.raises(EntityNotFound) as missing:
        default.add_run(Run(namespace_id="ns", pipeline_id="q"))
    assert (missing.value.entity, missing.value.key) == ("Pipeline", {"namespace_id": "ns", "id": "q"})
    with pytest.raises(EntityNotFound) as missing:
        default.add_task_run(TaskRun(**PLACE, run_id=2, id="t"))
    assert (missing.value.entity, missing.value.key) == ("Run", {**PLACE, "id": 2})
