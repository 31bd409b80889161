"""Entities and their JSON: byte for byte what Gofer stores, and as lenient as Go where it reads."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import engine
from engine import (
    DockerRegistryAuth,
    EngineError,
    Namespace,
    Pipeline,
    PipelineTriggerConfig,
    PreconditionFailed,
    Run,
    RunFailure,
    RunRegistryKey,
    Task,
    TaskRun,
    TriggerEvent,
    decode,
    encode,
)
from engine.models import ENTITIES, Exec, OpenEnum, RegistryAuth, RunState
from engine.wire import Entity, struct_of

from .gofer_files import records

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
LEAVES = {
    "string": TEXT,
    "int64": st.integers(-(2**63), 2**63 - 1),
    "bool": st.booleans(),
    "[]uint8": st.none() | st.binary(max_size=8),
    "[]string": st.none() | st.lists(TEXT, max_size=3),
    "map[string]string": st.none() | st.dictionaries(TEXT, TEXT, max_size=3),
    "map[string]struct {}": st.none() | st.dictionaries(TEXT, st.just({}), max_size=3),
    "map[string]models.RequiredParentState": st.none() | st.dictionaries(TEXT, st.just("ANY"), max_size=3),
}


def values(go: str) -> st.SearchStrategy[Any]:
    """Values of a Go type, by its name."""
    if go in LEAVES:
        return LEAVES[go]
    if go.startswith("map[string]models."):
        return st.none() | st.dictionaries(TEXT, values(go.removeprefix("map[string]")), max_size=2)
    name = go.removeprefix("models.")
    if name in ENTITIES:
        return entities(ENTITIES[name])
    members = next(it for it in OpenEnum.__subclasses__() if it.__name__ == name)
    return st.sampled_from(list(members)) | TEXT.map(members)


def entities(entity: type[Any]) -> st.SearchStrategy[Any]:
    fields = {field.name: values(field.codec.go) for field in struct_of(entity).fields}
    if issubclass(entity, Entity):
        # Names that no field has, in any case.
        fields["unknown"] = st.dictionaries(TEXT.map("~{}".format), st.sampled_from(["1.50", "[ ]", '"x"']), max_size=1)
    return st.builds(entity, **fields)


class TestBytes:
    @pytest.mark.parametrize("name", ["small", "edge", "late", "upgraded"])
    def test_every_stored_record_is_written_back_to_the_byte(self, name: str) -> None:
        stored = list(records(name))
        assert len(stored) > 15
        for kind, data in stored:
            assert encode(decode(kind, data)) == data

    @pytest.mark.parametrize("kind", ENTITIES)
    @given(data=st.data())
    def test_what_is_encoded_decodes_to_the_same(self, kind: str, data: st.DataObject) -> None:
        entity = data.draw(entities(ENTITIES[kind]))
        encoded = encode(entity)
        assert decode(kind, encoded) == entity
        assert decode(ENTITIES[kind], memoryview(encoded)) == entity
        assert encode(decode(kind, encoded)) == encoded
        # However it is written, it is the same: spaces and escapes are read as well.
        assert decode(kind, json.dumps(json.loads(encoded), indent=1).encode()).__class__ is ENTITIES[kind]

    @pytest.mark.parametrize("kind", ENTITIES)
    def test_nothing_and_null_are_the_zero_value(self, kind: str) -> None:
        zero = struct_of(ENTITIES[kind]).zero()
        assert decode(kind, b"{}") == decode(kind, b"null") == zero
        if kind != "RunRegistryKey":
            assert ENTITIES[kind]() == zero

    def test_zero_values_are_written_out(self) -> None:
        assert encode(Run()) == (
            b'{"ended":0,"failure":{"kind":"","description":""},"id":0,"namespace_id":"","pipeline_id":"","started":0,'
            b'"status":"","task_runs":null,"only":null,"trigger_kind":"","trigger_name":"","variables":null,'
            b'"objects":null,"objects_expired":false}'
        )

    def test_nil_and_empty_are_kept_apart(self) -> None:
        nothing = decode("Run", b'{"task_runs":null,"variables":null}')
        empty = decode("Run", b'{"task_runs":[],"variables":{}}')
        assert (nothing.task_runs, nothing.variables) == (None, None)
        assert (empty.task_runs, empty.variables) == ([], {})
        assert nothing != empty

    def test_maps_are_written_by_code_point(self) -> None:
        encoded = encode(Run(variables={"é": "", "a": "", "": "", "Z": "", "😀": "", "\uffff": ""}))
        assert '"variables":{"":"","Z":"","a":"","é":"","\uffff":"","😀":""}'.encode() in encoded

    def test_a_registration_is_the_key_that_go_makes(self) -> None:
        key = RunRegistryKey("<&>", "名\u2028", -1)
        assert encode(key) == r'{"Namespace":"\u003c\u0026\u003e","Pipeline":"名\u2028","Run":-1}'.encode()
        assert {key: 1}[RunRegistryKey("<&>", "名\u2028", -1)] == 1


class TestForms:
    """Task and PipelineTriggerConfig changed while Gofer used bolt; each is written in the form it had."""

    OLD = b'{"id":"t","description":"","image_name":"i","depends_on":null,"env_vars":null,"secrets":null}'
    NEW = (
        b'{"id":"t","description":"","image":"i","registry_auth":{"user":"","pass":""},'
        b'"depends_on":null,"env_vars":null}'
    )
    LATEST = NEW[:-1] + b',"exec":{"shell":"","script":""}}'

    @pytest.mark.parametrize("form", [OLD, NEW, LATEST])
    def test_each_form_is_kept(self, form: bytes) -> None:
        assert encode(decode("Task", form)) == form
        run = decode("TaskRun", b'{"task":' + form + b"}")
        assert b'"task":' + form in encode(run)

    def test_the_name_of_the_image_is_where_it_was(self) -> None:
        old, new = decode("Task", self.OLD), decode("Task", self.NEW)
        assert (old.image_name, old.image) == ("i", "")
        assert (new.image_name, new.image) == ("", "i")

    def test_a_new_task_takes_the_oldest_form_that_holds_it(self) -> None:
        assert encode(Task(id="t", image_name="i")) == self.OLD
        assert encode(Task(id="t", image="i")) == self.NEW
        assert encode(Task(id="t", image="i", exec=Exec(shell="sh"))) == self.LATEST.replace(
            b'"shell":""', b'"shell":"sh"'
        )

    def test_an_old_task_that_is_given_a_new_value_changes_its_form(self) -> None:
        task = decode("Task", self.OLD)
        task.image_name, task.image = "", "i"
        assert encode(task) == self.NEW

    def test_values_of_both_times_are_all_written(self) -> None:
        both = Task(image_name="old", image="new", registry_auth=RegistryAuth(user="u", pass_="p"))
        assert decode("Task", encode(both)) == both
        assert set(json.loads(encode(both))) == {field.key for field in struct_of(Task).fields}

    def test_a_trigger_has_a_state_only_in_later_files(self) -> None:
        old, new = b'{"Kind":"cron","Label":"l","Config":null}', b'{"Kind":"","Label":"","Config":{},"State":""}'
        assert encode(decode("PipelineTriggerConfig", old)) == old
        assert encode(decode("PipelineTriggerConfig", new)) == new
        assert b'"State":"ACTIVE"' in encode(PipelineTriggerConfig(state="ACTIVE"))  # type: ignore[arg-type]


class TestLeniency:
    @pytest.mark.parametrize(
        ("json_text", "expected"),
        [
            (b'{"ID":5}', Run(id=5)),
            (b'{"id":1,"ID":2}', Run(id=2)),
            (b'{"ID":2,"id":1}', Run(id=1)),
            (b'{"id":1,"id":null}', Run(id=1)),
            (b' {"id" : 1 }\n', Run(id=1)),
            (
                '{"ſtarted":1,"failure":{"Kind":"CANCELLED"}}'.encode(),
                Run(started=1, failure=RunFailure(kind="CANCELLED")),
            ),  # type: ignore[arg-type]
            (
                b'{"failure":{"kind":"A"},"failure":{"description":"b"}}',
                Run(failure=RunFailure(kind="A", description="b")),
            ),  # type: ignore[arg-type]
            (b'{"variables":{"a":"1","b":"2"},"variables":{"b":"3"}}', Run(variables={"a": "1", "b": "3"})),
            (b'{"variables":{"a":"1"},"variables":null}', Run(variables=None)),
            (b'{"variables":{"a":null}}', Run(variables={"a": ""})),
            (b'{"task_runs":["a",null],"task_runs":["b"]}', Run(task_runs=["b"])),
            (b'{"only":{"a":{"x":1},"b":null}}', Run(only={"a": {}, "b": {}})),
            (b'{"status":"NEVER_SEEN"}', Run(status=RunState("NEVER_SEEN"))),
            (b'{"namespace_id":"\xff\\ud800"}', Run(namespace_id="\ufffd\ufffd")),
        ],
    )
    def test_runs(self, json_text: bytes, expected: Run) -> None:
        assert decode("Run", json_text) == expected

    @pytest.mark.parametrize(
        ("json_text", "expected"),
        [
            (b'{"pass":null}', None),
            (b'{"pass":""}', b""),
            (b'{"pass":"YQ=="}', b"a"),
            (b'{"pass":"Y\\nQ=\\r="}', b"a"),
            (b'{"pass":[97,0,255]}', b"a\x00\xff"),
        ],
    )
    def test_bytes(self, json_text: bytes, expected: bytes | None) -> None:
        assert decode("DockerRegistryAuth", json_text).pass_ == expected

    @pytest.mark.parametrize(
        ("kind", "json_text", "message"),
        [
            ("Run", b'{"id":"1"}', "json: cannot unmarshal string into Go struct field Run.id of type int64"),
            ("Run", b'{"id":1.0}', "json: cannot unmarshal number 1.0 into Go struct field Run.id of type int64"),
            ("Run", b'{"id":1e3}', "json: cannot unmarshal number 1e3 into Go struct field Run.id of type int64"),
            (
                "Run",
                b'{"id":9223372036854775808}',
                "json: cannot unmarshal number 9223372036854775808 into Go struct field Run.id of type int64",
            ),
            (
                "Run",
                b'{"status":3}',
                "json: cannot unmarshal number into Go struct field Run.status of type models.RunState",
            ),
            (
                "Run",
                b'{"failure":{"kind":true}}',
                "json: cannot unmarshal bool into Go struct field RunFailure.failure.kind of type "
                "models.RunFailureKind",
            ),
            (
                "Run",
                b'{"only":{"a":1}}',
                "json: cannot unmarshal number into Go struct field Run.only of type struct {}",
            ),
            (
                "Run",
                b'{"task_runs":{}}',
                "json: cannot unmarshal object into Go struct field Run.task_runs of type []string",
            ),
            ("Run", b"[]", "json: cannot unmarshal array into Go value of type models.Run"),
            ("Run", b'{"id":1', "unexpected end of JSON input"),
            ("Run", b'{"id":1}x', "invalid character 'x' after top-level value"),
            ("Run", b"", "unexpected end of JSON input"),
            (
                "DockerRegistryAuth",
                b'{"pass":[256]}',
                "json: cannot unmarshal number 256 into Go struct field DockerRegistryAuth.pass of type uint8",
            ),
        ],
    )
    def test_errors_are_worded_as_in_go(self, kind: str, json_text: bytes, message: str) -> None:
        with pytest.raises(EngineError) as caught:
            decode(kind, json_text)
        assert str(caught.value) == message
        assert isinstance(caught.value, ValueError)

    def test_unknown_members_survive(self) -> None:
        stored = (
            b'{"id":"n","name":"","description":"","created":0,"deleted":0,'
            b'"new":[1.50, {"a" : 1e3}],"\\u003cx":"\xff\\b"}'
        )
        namespace = decode("Namespace", stored)
        assert namespace.unknown == {"new": '[1.50, {"a" : 1e3}]', "<x": '"\udcff\\b"'}
        namespace.name = "changed"
        assert encode(namespace) == stored.replace(b'"name":""', b'"name":"changed"')

    @pytest.mark.parametrize("depth", [900, 5_000, 9_999])
    def test_deep_unknown_members_survive(self, depth: int) -> None:
        deep = b"[" * depth + b"]" * depth
        assert encode(decode("Exec", b'{"deep":' + deep + b"}")) == b'{"shell":"","script":"","deep":' + deep + b"}"

    @pytest.mark.parametrize(
        "deep", [b"[" * 100_000, b'{"id":' * 100_000, b'{"x":' + b"[" * 20_000 + b"]" * 20_000 + b"}"]
    )
    def test_too_deep_is_a_clean_error(self, deep: bytes) -> None:
        with pytest.raises(EngineError, match="exceeded max depth"):
            decode("Run", deep)

    @given(st.sampled_from(sorted(ENTITIES)), st.binary(max_size=80))
    def test_any_bytes_decode_or_are_an_engine_error(self, kind: str, data: bytes) -> None:
        try:
            entity = decode(kind, data)
        except EngineError:
            return
        encode(entity)


class TestRefusals:
    @pytest.mark.parametrize(
        ("entity", "field"),
        [
            (Run(id="1"), "Run.id"),  # type: ignore[arg-type]
            (Run(id=True), "Run.id"),
            (Run(id=2**63), "Run.id"),
            (Run(namespace_id=None), "Run.namespace_id"),  # type: ignore[arg-type]
            (Run(objects_expired=1), "Run.objects_expired"),  # type: ignore[arg-type]
            (Run(task_runs="abc"), "Run.task_runs"),  # type: ignore[arg-type]
            (Run(variables={1: "a"}), "Run.variables"),  # type: ignore[dict-item]
            (Run(only={"a": {"b": 1}}), "Run.only"),  # type: ignore[dict-item]
            (Run(failure=None), "Run.failure"),  # type: ignore[arg-type]
            (Run(failure=RunFailure(description=b"x")), "Run.failure.description"),  # type: ignore[arg-type]
            (Pipeline(tasks={"t": Task(env_vars={"a": None})}), "Pipeline.tasks.env_vars"),  # type: ignore[dict-item]
            (DockerRegistryAuth(pass_="text"), "DockerRegistryAuth.pass_"),  # type: ignore[arg-type]
            (TriggerEvent(unknown={"x": "no json"}), "TriggerEvent.unknown"),
        ],
    )
    def test_wrong_values_name_their_field(self, entity: Entity, field: str) -> None:
        with pytest.raises(PreconditionFailed, match="^storage: parameters did not pass validation: ") as caught:
            encode(entity)
        assert caught.value.field == field

    def test_an_unknown_kind_of_entity_is_a_value_error(self) -> None:
        with pytest.raises(ValueError, match="'Pipelin'.*Pipeline"):
            decode("Pipelin", b"{}")

    def test_text_is_not_bytes(self) -> None:
        with pytest.raises(TypeError):
            decode("Run", "{}")  # type: ignore[call-overload]


class TestEnums:
    def test_members_are_text(self) -> None:
        assert RunState.RUNNING == "RUNNING"
        assert f"{RunState.RUNNING}" == "RUNNING"
        assert repr(RunState("RUNNING")) == "RunState('RUNNING')"
        assert {"RUNNING": 1}[RunState.RUNNING] == 1

    @pytest.mark.parametrize("text", ["", "NEVER_SEEN", "running"])
    def test_any_text_is_a_member(self, text: str) -> None:
        state = RunState(text)
        assert isinstance(state, RunState)
        assert state == text == state.value
        assert hash(state) == hash(text)
        assert copy.deepcopy(state) == pickle.loads(pickle.dumps(state)) == state
        assert state not in list(RunState)

    def test_other_types_are_none(self) -> None:
        with pytest.raises(ValueError, match="3"):
            RunState(3)

    def test_decoding_gives_members(self) -> None:
        assert decode("Run", b'{"status":"RUNNING"}').status is RunState.RUNNING


class TestClasses:
    @pytest.mark.parametrize("kind", ENTITIES)
    def test_each_is_a_slotted_documented_dataclass(self, kind: str) -> None:
        entity = ENTITIES[kind]
        assert dataclasses.is_dataclass(entity)
        assert not hasattr(struct_of(entity).zero(), "__dict__")
        assert entity.__doc__
        assert not entity.__doc__.startswith(f"{kind}(")

    def test_entities_can_be_changed_and_registry_keys_can_not(self) -> None:
        task_run = TaskRun()
        task_run.exit_code = 3
        with pytest.raises(dataclasses.FrozenInstanceError):
            RunRegistryKey("a", "b", 1).run = 2  # type: ignore[misc]

    def test_what_differs_in_unknown_members_differs(self) -> None:
        assert Namespace(unknown={"a": "1"}) != Namespace()
        assert "unknown" not in repr(Namespace(unknown={"a": "1"}))

    def test_errors_can_be_pickled(self) -> None:
        for error in engine.EntityNotFound(entity="Run", key={"id": 1}), PreconditionFailed(field="Run.id"):
            again = pickle.loads(pickle.dumps(error))
            assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
