"""Entities are written at two speeds, and both write the same."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import DockerRegistryAuth, Exec, Namespace, Pipeline, PreconditionFailed, Run, Task, decode, encode, gojson
from engine.gojson import Unusual
from engine.models import ENTITIES
from engine.wire import encode_value, struct_of

# With what Go spells in its own way, and what no UTF-8 can hold.
TEXTS = st.text(st.sampled_from('aé名😀<>&\b\f\n\r\t"\\/\u2028\u2029\ud800\udcff\x00\x7f%'), max_size=8)
NUMBERS = st.integers(-(2**63), 2**63 - 1)


def wrong(value: Any) -> Any:
    """A value of another type than the field's."""
    return value


def values(codec: Any) -> st.SearchStrategy[Any]:
    """All that a field with that codec can hold."""
    kind = type(codec).__name__
    if kind == "Struct":
        return entities(codec)
    simple = {
        "Text": TEXTS,
        "Enum": TEXTS,
        "Integer": NUMBERS,
        "Flag": st.booleans(),
        "Binary": st.none() | st.binary(max_size=5),
        "Nothing": st.just({}),
    }
    if kind in simple:
        return simple[kind]
    if kind == "List":
        return st.none() | st.lists(values(codec.item), max_size=3)
    return st.none() | st.dictionaries(TEXTS, values(codec.item), max_size=3)


def entities(struct: Any) -> st.SearchStrategy[Any]:
    # Fields of other shapes stay zero half of the time, so that a shape fits.
    fields = {field.name: values(field.codec) for field in struct.fields}
    return st.builds(type(struct.zero()), **fields) | st.just(struct.zero())


@pytest.mark.parametrize("name", ENTITIES)
@given(data=st.data())
def test_both_speeds_write_the_same_and_it_reads_back(name: str, data: st.DataObject) -> None:
    struct = struct_of(ENTITIES[name])
    entity = data.draw(entities(struct))
    slow = gojson.write(struct.plain(entity, []))
    try:
        fast = gojson.go_escapes(struct.text(entity))
    except Unusual:
        # Values of more than one shape.
        assert name in ("Task", "Pipeline", "TaskRun")
    else:
        assert fast == slow
    assert encode(entity) == slow
    # What UTF-8 can not hold has become U+FFFD, which from then on is written as itself.
    again = encode(decode(name, slow))
    assert encode(decode(name, again)) == again


@pytest.mark.parametrize(
    ("entity", "text"),
    [
        (Namespace(id="100%s %d"), b'"id":"100%s %d"'),
        (Run(only={"%": {}}, variables={"b": "2", "a": "1"}), b'"only":{"%":{}}'),
        (Run(variables={"b": "2", "a": "1"}), b'"variables":{"a":"1","b":"2"}'),
        (DockerRegistryAuth(pass_=bytearray(b"\xff")), b'"pass":"/w=="'),
        (Task(image="x"), b'"image":"x","registry_auth":{"user":"","pass":""},"depends_on":null,"env_vars":null}'),
        (Task(exec=Exec(shell="sh")), b'"exec":{"shell":"sh","script":""}}'),
        (Task(image="x", image_name="y"), b'"image_name":"y","image":"x"'),
        (
            Namespace(unknown={"x": '"<"'}, name="<"),
            b'"name":"\\u003c","description":"","created":0,"deleted":0,"x":"<"}',
        ),
        (Run(task_runs=("a", "b")), b'"task_runs":["a","b"]'),
    ],
)
def test_what_is_written_by_hand(entity: Any, text: bytes) -> None:
    assert text in encode(entity)


@pytest.mark.parametrize(
    ("entity", "field"),
    [
        (Run(started=True), "Run.started"),
        (Run(objects_expired=1), "Run.objects_expired"),
        (Pipeline(tasks=wrong({"t": None})), "Pipeline.tasks"),
        (Pipeline(tasks={"t": Task(env_vars=wrong({"a": 1}))}), "Pipeline.tasks.env_vars"),
        (Run(task_runs={"a"}), "Run.task_runs"),
        (Run(only=wrong({"a": None})), "Run.only"),
        (Run(variables=wrong({1: "a"})), "Run.variables"),
        (Run(variables=wrong({1: "a", "b": "c"})), "Run.variables"),
        (DockerRegistryAuth(pass_="text"), "DockerRegistryAuth.pass_"),
    ],
)
def test_what_does_not_fit_is_named(entity: Any, field: str) -> None:
    with pytest.raises(PreconditionFailed) as caught:
        encode(entity)
    assert caught.value.field == field


def test_values_without_a_class() -> None:
    value = {"b": [1, True, None, b"\xff"], "a": Namespace(id="<")}
    nested = encode(Namespace(id="<"))
    assert encode_value(value) == b'{"a":' + nested + b',"b":[1,true,null,"/w=="]}'
    assert encode_value({"x": Namespace(unknown={"y": "1.50"})}).endswith(b'"y":1.50}}')
