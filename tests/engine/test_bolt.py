"""The two tempers of the engine, its limits and its errors."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import boltpy
import engine
from engine import EngineError, EntityNotFound, Namespace, Run, RunRegistryKey, Token, encode

from .gofer_files import SMALL
from .making import Tree, gofer_database, int_key, pipelines, task_runs


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gofer.db"


def default(path: Path) -> engine.Engine:
    return engine.open_engine(path, read_only=True)


def exact(path: Path) -> engine.Engine:
    return engine.open_engine(path, read_only=True, compat="gofer")


class TestWhereTheTempersDiffer:
    def test_a_pipeline_without_a_time_of_creation_is_listed_last(self, path: Path) -> None:
        gofer_database(path, {b"ns": {b"Pipeline": pipelines(("zero", 0), ("old", 5), ("new", 9), ("negative", -1))}})
        with default(path) as storage:
            listed = [it.id for it in storage.get_all_pipelines(namespace_id="ns")]
        with exact(path) as storage:
            indexed = [it.id for it in storage.get_all_pipelines(namespace_id="ns")]
        assert listed == ["negative", "new", "old", "zero"]
        assert indexed == ["negative", "new", "old"]

    def test_pipelines_of_one_moment_go_by_id(self, path: Path) -> None:
        gofer_database(path, {b"ns": {b"Pipeline": pipelines(("a", 5), ("c", 5), ("b", 5))}})
        for open_engine in default, exact:
            with open_engine(path) as storage:
                assert [it.id for it in storage.get_all_pipelines(namespace_id="ns")] == ["c", "b", "a"]

    def test_a_task_run_without_a_time_of_creation_is_listed_first(self, path: Path) -> None:
        gofer_database(path, {b"ns": {b"p": {b"7": {b"TaskRun": task_runs(("zero", 0), ("late", 9), ("early", 5))}}}})
        where = {"namespace_id": "ns", "pipeline_id": "p", "run_id": 7}
        with default(path) as storage:
            assert [it.id for it in storage.get_all_task_runs(**where)] == ["zero", "early", "late"]
        with exact(path) as storage:
            assert [it.id for it in storage.get_all_task_runs(**where)] == ["early", "late"]

    def test_a_run_without_task_runs_has_none_or_is_an_error(self, path: Path) -> None:
        gofer_database(path, {})
        where = {"namespace_id": "ns", "pipeline_id": "p", "run_id": 1}
        with default(path) as storage:
            assert storage.get_all_task_runs(**where) == []
        with exact(path) as storage, pytest.raises(EngineError, match="^not found$"):
            storage.get_all_task_runs(**where)

    def test_tokens_are_filtered_by_namespace_or_the_filter_fails(self, path: Path) -> None:
        tokens = {"a": ["one"], "b": ["two", "one"], "c": ["two"], "d": [], "e": None}
        stored = {key.encode(): encode(Token(hash=key, namespaces=names)) for key, names in tokens.items()}
        gofer_database(path, {b"Token": stored})
        with default(path) as storage:
            assert [it.hash for it in storage.get_all_tokens(namespaces=["one"])] == ["a", "b"]
            assert [it.hash for it in storage.get_all_tokens(namespaces={"one", "two"})] == ["a", "b", "c"]
            assert [it.hash for it in storage.get_all_tokens(namespaces=["two"], offset=1)] == ["c"]
            assert [it.hash for it in storage.get_all_tokens(namespaces=["one", "two"], limit=2)] == ["a", "b"]
            assert storage.get_all_tokens(namespaces=["three"]) == []
            assert len(storage.get_all_tokens(namespaces=[])) == 5
            with pytest.raises(TypeError):
                storage.get_all_tokens(namespaces="one")
        with exact(path) as storage:
            assert len(storage.get_all_tokens(namespaces=[])) == 5
            with pytest.raises(EngineError, match="^provided target must be a pointer to slice$"):
                storage.get_all_tokens(namespaces=["one"])

    def test_an_index_entry_without_its_record_hides_nothing_by_default(self, path: Path) -> None:
        tree = pipelines(("kept", 5), ("lost", 6))
        del tree[b"lost"]
        gofer_database(path, {b"ns": {b"Pipeline": tree}})
        with default(path) as storage:
            assert [it.id for it in storage.get_all_pipelines(namespace_id="ns")] == ["kept"]
        with exact(path) as storage:
            assert storage.get_all_pipelines(namespace_id="ns") == []

    @pytest.mark.parametrize("damage", ["the whole index", "its other half"])
    def test_a_missing_index_is_an_error_only_for_gofer(self, path: Path, damage: str) -> None:
        tree = pipelines(("kept", 5))
        if damage == "the whole index":
            del tree[b"__storm_index_Created"]
        else:
            del tree[b"__storm_index_Created"][b"storm__ids"]
        gofer_database(path, {b"ns": {b"Pipeline": tree}})
        with default(path) as storage:
            assert [it.id for it in storage.get_all_pipelines(namespace_id="ns")] == ["kept"]
        with exact(path) as storage, pytest.raises(EngineError, match="^not found$"):
            storage.get_all_pipelines(namespace_id="ns")

    def test_a_namespace_named_like_the_registry_breaks_gofer_only(self, path: Path) -> None:
        key = encode(RunRegistryKey("ns", "p", 1))
        gofer_database(path, {b"runRegistry": {key: b"{}", b"__storm_metadata": {b"codec": b"json"}, b"Pipeline": {}}})
        with default(path) as storage:
            assert storage.get_all_run_registrations() == {RunRegistryKey("ns", "p", 1)}
        with exact(path) as storage:
            with pytest.raises(EngineError, match="^invalid character 'P' looking for beginning of value$"):
                storage.get_all_run_registrations()
            assert storage.registration_exists(namespace="ns", pipeline="p", run=1)

    def test_unknown_members_are_kept_or_forgotten(self, path: Path) -> None:
        stored = b'{"id":"ns","name":"","description":"","created":0,"deleted":0,"colour":"red"}'
        gofer_database(path, {b"Namespace": {b"ns": stored}})
        with default(path) as storage:
            assert encode(storage.get_namespace(id="ns")) == stored
        with exact(path) as storage:
            assert encode(storage.get_namespace(id="ns")) == encode(Namespace(id="ns"))

    def test_an_undecodable_record_says_where_it_is_unless_gofer_does_not(self, path: Path) -> None:
        gofer_database(path, {b"ns": {b"p": {b"Run": {int_key(3): b'{"id":"3"}'}}}})
        where = {"namespace_id": "ns", "pipeline_id": "p"}
        reason = "json: cannot unmarshal string into Go struct field Run.id of type int64"
        with default(path) as storage, pytest.raises(EngineError, match=f"^ns / p / Run / 3: {reason}$"):
            storage.get_all_runs(**where)
        with exact(path) as storage, pytest.raises(EngineError, match=f"^{reason}$"):
            storage.get_run(**where, id=3)


class TestPages:
    @pytest.fixture
    def runs(self, path: Path) -> Path:
        stored = {int_key(number): encode(Run(id=number)) for number in range(1, 11)}
        return gofer_database(path, {b"ns": {b"p": {b"Run": stored}}})

    @pytest.mark.parametrize(
        ("cap", "arguments", "expected"),
        [
            (None, {}, [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]),
            (None, {"limit": 2}, [10, 9]),
            (None, {"limit": 2, "offset": 3}, [7, 6]),
            (None, {"offset": 9}, [1]),
            (None, {"offset": 10}, []),
            (None, {"offset": 10**30}, []),
            (None, {"offset": -4, "limit": 1}, [10]),
            (None, {"limit": -1, "offset": 8}, [2, 1]),
            (3, {}, [10, 9, 8]),
            (3, {"limit": 2}, [10, 9]),
            (3, {"limit": 4}, [10, 9, 8]),
            (3, {"limit": -1}, [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]),
            (0, {}, []),
            (0, {"limit": 5}, []),
        ],
    )
    @pytest.mark.parametrize("compat", ["python", "gofer"])
    def test_offset_and_limit(
        self, runs: Path, compat: str, cap: int | None, arguments: dict[str, int], expected: list[int]
    ) -> None:
        with engine.open_engine(runs, read_only=True, compat=compat, max_results_limit=cap) as storage:  # type: ignore[arg-type]
            found = storage.get_all_runs(namespace_id="ns", pipeline_id="p", **arguments)
        assert [run.id for run in found] == expected

    def test_negative_numbers_count_as_the_greatest(self, path: Path) -> None:
        numbers = [1, -1, 2**63 - 1, -(2**63), 2]
        stored = {int_key(number): encode(Run(id=number)) for number in numbers}
        gofer_database(path, {b"ns": {b"p": {b"Run": stored}}})
        with default(path) as storage:
            found = [run.id for run in storage.get_all_runs(namespace_id="ns", pipeline_id="p")]
        assert found == [-1, -(2**63), 2**63 - 1, 2, 1]


class TestErrors:
    def test_not_found_has_the_facts(self) -> None:
        with default(SMALL) as storage, pytest.raises(EntityNotFound) as caught:
            storage.get_run(namespace_id="default", pipeline_id="simple", id=99)
        error = caught.value
        assert isinstance(error, LookupError)
        assert error.entity == "Run"
        assert error.key == {"namespace_id": "default", "pipeline_id": "simple", "id": 99}
        assert str(error) == "storage: entity not found: Run namespace_id='default', pipeline_id='simple', id=99"

    @pytest.mark.parametrize(
        ("method", "arguments"),
        [
            ("get_namespace", {"id": "nobody"}),
            ("get_namespace", {"id": ""}),
            ("get_namespace", {"id": "__storm_metadata"}),
            ("get_namespace", {"id": "x" * 100_000}),
            ("get_namespace", {"id": "\ud800"}),
            ("get_token", {"hash": "none"}),
            ("get_docker_registry_auth", {"registry": "none"}),
            ("get_pipeline", {"namespace_id": "default", "id": "none"}),
            ("get_pipeline", {"namespace_id": "", "id": "simple"}),
            ("get_run", {"namespace_id": "default", "pipeline_id": "simple", "id": 0}),
            ("get_run", {"namespace_id": "default", "pipeline_id": "simple", "id": 2**63}),
            ("get_run", {"namespace_id": "x" * 100_000, "pipeline_id": "simple", "id": 1}),
            ("get_task_run", {"namespace_id": "default", "pipeline_id": "simple", "run_id": 2**70, "id": "build"}),
            (
                "get_trigger_event",
                {"namespace_id": "default", "pipeline_id": "simple", "pipeline_trigger_label": "", "id": 1},
            ),
        ],
    )
    def test_what_is_not_there_is_not_found(self, method: str, arguments: dict[str, object]) -> None:
        with exact(SMALL) as storage, pytest.raises(EntityNotFound, match="^storage: entity not found$"):
            getattr(storage, method)(**arguments)

    @pytest.mark.parametrize(
        ("method", "arguments"),
        [
            ("get_namespace", {"id": 1}),
            ("get_namespace", {"id": b"default"}),
            ("get_run", {"namespace_id": "default", "pipeline_id": "simple", "id": "1"}),
            ("get_run", {"namespace_id": "default", "pipeline_id": "simple", "id": True}),
            ("get_run", {"namespace_id": 1, "pipeline_id": "simple", "id": 1}),
            ("get_all_runs", {"namespace_id": "default", "pipeline_id": None}),
            ("get_all_task_runs", {"namespace_id": "default", "pipeline_id": "simple", "run_id": "1"}),
        ],
    )
    def test_wrong_types_are_type_errors(self, method: str, arguments: dict[str, object]) -> None:
        with default(SMALL) as storage, pytest.raises(TypeError):
            getattr(storage, method)(**arguments)

    def test_a_listing_of_what_is_not_there_is_empty(self) -> None:
        with default(SMALL) as storage:
            where = {"namespace_id": "nowhere", "pipeline_id": ""}
            assert storage.get_all_pipelines(namespace_id="nowhere") == []
            assert storage.get_all_runs(**where) == []
            assert storage.get_all_task_runs(**where, run_id=1) == []
            assert storage.get_all_trigger_events(**where, pipeline_trigger_label="x") == []
            assert not storage.registration_exists(namespace="nowhere", pipeline="", run=1)

    def test_a_closed_engine_raises_what_the_database_raises(self) -> None:
        storage = default(SMALL)
        storage.close()
        storage.close()
        with pytest.raises(boltpy.DatabaseNotOpenError):
            storage.get_all_namespaces()

    def test_a_registry_key_that_is_no_json_is_an_error(self, path: Path) -> None:
        gofer_database(path, {b"runRegistry": {b"junk": b"{}"}})
        with default(path) as storage, pytest.raises(EngineError, match="^runRegistry / junk: invalid character 'j'"):
            storage.get_all_run_registrations()

    def test_ids_that_are_no_text_can_be_asked_for(self, path: Path) -> None:
        stored: Tree = {b"\xff\xfe": b'{"id":"\xff\xfe"}'}
        gofer_database(path, {b"Namespace": stored})
        with default(path) as storage:
            assert storage.get_namespace(id=os.fsdecode(b"\xff\xfe")).id == "\ufffd\ufffd"


def test_a_counter_that_is_no_number_is_named_with_its_place(tmp_path: Path) -> None:
    runs = {b"__storm_metadata": {b"codec": b"json", b"IDcounter": b"\x01"}}
    path = gofer_database(tmp_path / "gofer.db", {b"ns": {b"p": {b"Run": runs}}})
    with engine.open_engine(path, read_only=True) as storage, pytest.raises(EngineError) as caught:
        storage.counters()
    assert str(caught.value) == "ns / p / Run: the last number that was given out: unexpected EOF"
