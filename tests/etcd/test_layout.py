"""Keys sort as the listings need them, and lead back to what they name."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import EngineError, Event, Pipeline, Run, RunRegistryKey, TaskRun, Token, TriggerEvent
from engine.etcd.layout import Layout
from engine.storm import key_of

LAYOUT = Layout(b"gofer/")
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=4) | st.sampled_from(
    ["", "\x00", "a\x00", "a\x00ÿ", "a\x01"]
)
NUMBERS = st.integers(-(2**63), 2**63 - 1)
TIMES = st.sampled_from([0, 1, 2**62, -1])


def key(kind: type[Any], *parts: Any) -> bytes:
    found = LAYOUT.entity(kind, parts)
    assert found is not None
    return found


@given(TEXTS, TEXTS, TEXTS, TEXTS)
def test_texts_sort_by_their_bytes_part_by_part(a: str, b: str, c: str, d: str) -> None:
    smaller = (a.encode(), b.encode()) < (c.encode(), d.encode())
    assert (key(Pipeline, a, b) < key(Pipeline, c, d)) is smaller


@given(TEXTS, NUMBERS, NUMBERS)
def test_the_greatest_run_comes_first_and_the_first_event(name: str, a: int, b: int) -> None:
    assert (key(Run, name, name, a) < key(Run, name, name, b)) is (a % 2**64 > b % 2**64)
    assert (key(Event, a) < key(Event, b)) is (a % 2**64 < b % 2**64)


@given(TEXTS, TIMES, TEXTS, TIMES)
def test_the_index_has_the_latest_pipeline_first(a: str, created: int, b: str, later: int) -> None:
    first, second = Pipeline(id=a, namespace="n", created=created), Pipeline(id=b, namespace="n", created=later)
    order = (key_of(created), a.encode()) > (key_of(later), b.encode())
    assert (LAYOUT.indexed(first) < LAYOUT.indexed(second)) is order
    assert LAYOUT.indexed(first) in LAYOUT.pipelines("n")
    assert LAYOUT.indexed(first) not in LAYOUT.pipelines("n\x00")


@given(TEXTS, TEXTS, TEXTS, NUMBERS)
def test_a_key_leads_back_to_what_it_names(a: str, b: str, c: str, number: int) -> None:
    place = {"namespace_id": a, "pipeline_id": b}
    for kind, names in (
        (Token, {"hash": a}),
        (Run, {**place, "id": number}),
        (TaskRun, {**place, "run_id": number, "id": c}),
        (TriggerEvent, {**place, "pipeline_trigger_label": c, "id": number}),
        (RunRegistryKey, {"namespace": a, "pipeline": b, "run": number}),
        (Event, {"id": number}),
    ):
        found = key(kind, *names.values())
        assert LAYOUT.kind_and_key(found) == (kind, names)
        assert found in LAYOUT.entities(kind)
        assert found in LAYOUT.entities()
    assert key(TaskRun, a, b, number, c) in LAYOUT.entities(TaskRun, (a, b, number))
    assert key(TaskRun, a, b, number, c) not in LAYOUT.entities(TaskRun, (a, b + "\x00", number))


def test_the_bytes_are_these() -> None:
    assert key(Run, "n\x00", "p", 3) == b"gofer/e/Run/n\x00\xff\x00\x00p\x00\x00" + b"\xff" * 7 + b"\xfc"
    assert key(Event, 3) == b"gofer/e/Event/" + b"\x00" * 7 + b"\x03"
    assert LAYOUT.counter(Run, ("n", "p")) == b"gofer/c/Run/n\x00\x00p\x00\x00"
    assert LAYOUT.counter(Event) == b"gofer/c/Event/"
    assert LAYOUT.deletions(Token) == b"gofer/d/Token"
    assert LAYOUT.indexed(Pipeline(id="p", namespace="n", created=1)) == (
        b"gofer/i/Pipeline/n\x00\x00" + b"\xff" * 7 + b"\xfe" + b"\x8f\xff\xff"
    )
    assert (LAYOUT.format, LAYOUT.writer("x")) == (b"gofer/format", b"gofer/w/x")


@pytest.mark.parametrize(
    "odd", [b"", b"gofer/format", b"gofer/e/Run/", b"gofer/e/Run/a\x00\x00b\x00\x00short", b"gofer/e/Sing/a\x00\x00"]
)
def test_a_key_of_somebody_else_is_an_error(odd: bytes) -> None:
    with pytest.raises(EngineError, match="none of the engine's"):
        LAYOUT.kind_and_key(odd)


def test_a_key_with_something_behind_it_is_one_too() -> None:
    with pytest.raises(EngineError, match="none of the engine's"):
        LAYOUT.kind_and_key(key(Token, "a") + b"x")


@pytest.mark.parametrize("key", [b"c/Namespace/", b"c/Run/", b"c/Run/a\x00\x00", b"c/Event/x", b"c/x/", b"e/Event/"])
def test_a_key_of_no_counter_is_refused(key: bytes) -> None:
    with pytest.raises(EngineError, match="none of the engine's"):
        Layout(b"x/").counted(b"x/" + key)
