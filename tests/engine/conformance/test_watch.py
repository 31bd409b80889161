"""Changes are told as they are stored; an engine that can not watch says so."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import boltpy
from engine import (
    Change,
    Engine,
    EngineError,
    EntityExists,
    Event,
    Namespace,
    Pipeline,
    Run,
    RunRegistryKey,
    TaskRun,
    Token,
    Watch,
)

from .test_transactions import given_up

PLACE = {"namespace_id": "ns", "pipeline_id": "p"}
SECONDS = 60


def watching(storage: Engine, *arguments: Any) -> Watch | None:
    """A watch, or None where the engine has said clearly that there is none."""
    if type(storage).watch is not Engine.watch:
        return storage.watch(*arguments)
    with pytest.raises(EngineError, match="^this engine can not watch$"):
        storage.watch(*arguments)
    return None


def taken(watch: Watch, count: int) -> list[Change]:
    """The next changes; fewer would wait too long, and one more must not be there already."""
    found: list[Change] = []
    for _ in range(count):
        change = watch.take(SECONDS)
        assert change is not None, f"only {found} were told"
        found.append(change)
    return found


def facts(changes: list[Change]) -> list[tuple[type[Any], dict[str, Any], Any]]:
    return [(change.kind, dict(change.key), change.entity) for change in changes]


def test_what_is_stored_is_told_in_its_order(storage: Engine) -> None:
    storage.add_namespace(Namespace(id="before"))
    if (watch := watching(storage)) is None:
        return
    with watch:
        pipeline, run, token = Pipeline(id="p", namespace="ns", created=5), Run(**PLACE, started=7), Token(hash="é\x00")
        storage.add_pipeline(pipeline)
        storage.add_run(run)
        storage.add_token(token)
        storage.delete_token(hash="é\x00")
        storage.register_run(namespace="ns", pipeline="p", run=1)
        storage.register_run(namespace="ns", pipeline="p", run=1)
        storage.unregister_run(namespace="ns", pipeline="p", run=1)
        storage.unregister_run(namespace="ns", pipeline="p", run=1)
        found = taken(watch, 7)
        noted = storage.get_pipeline(namespace_id="ns", id="p")
        registration = {"namespace": "ns", "pipeline": "p", "run": 1}
        assert facts(found) == [
            (Pipeline, {"namespace_id": "ns", "id": "p"}, pipeline),
            (Run, {**PLACE, "id": 1}, run),
            (Pipeline, {"namespace_id": "ns", "id": "p"}, noted),
            (Token, {"hash": "é\x00"}, token),
            (Token, {"hash": "é\x00"}, None),
            (RunRegistryKey, registration, RunRegistryKey("ns", "p", 1)),
            (RunRegistryKey, registration, None),
        ]
        revisions = [change.revision for change in found]
        assert revisions[1] == revisions[2]
        assert sorted(set(revisions)) == [revisions[0], *revisions[2:]]
        assert revisions[0] > watch.revision
        assert watch.take(0) is None


def test_one_class_only(storage: Engine) -> None:
    if (watch := watching(storage, TaskRun)) is None:
        return
    with watch:
        storage.add_pipeline(Pipeline(id="p", namespace="ns"))
        storage.add_run(Run(**PLACE))
        storage.add_task_run(TaskRun(**PLACE, run_id=1, id="t", created=3))
        storage.update_task_run(TaskRun(**PLACE, run_id=1, id="t", created=4))
        key = {**PLACE, "run_id": 1, "id": "t"}
        assert facts(taken(watch, 2)) == [
            (TaskRun, key, TaskRun(**PLACE, run_id=1, id="t", created=3)),
            (TaskRun, key, TaskRun(**PLACE, run_id=1, id="t", created=4)),
        ]


def test_a_transaction_is_told_at_its_end_each_entity_once(storage: Engine) -> None:
    if (watch := watching(storage, Namespace)) is None:
        return
    with watch:
        with storage.transaction():
            storage.add_namespace(Namespace(id="a", name="first"))
            storage.add_namespace(Namespace(id="b"))
            storage.update_namespace(Namespace(id="a", name="second"))
            assert watch.take(0.05) is None
        found = taken(watch, 2)
        assert [(it.key["id"], it.entity.name) for it in found] == [("a", "second"), ("b", "")]
        assert found[0].revision == found[1].revision


def test_what_comes_and_goes_in_one_block_is_not_told(storage: Engine) -> None:
    registration = {"namespace": "ns", "pipeline": "p", "run": 1}
    storage.add_token(Token(hash="before"))
    if (watch := watching(storage)) is None:
        return
    with watch:
        with storage.transaction():
            storage.add_token(Token(hash="new"))
            storage.register_run(**registration)
            storage.delete_token(hash="before")
            storage.unregister_run(**registration)
            storage.delete_token(hash="new")
        with storage.transaction():
            storage.add_token(Token(hash="new"))
            storage.delete_token(hash="new")
        storage.add_namespace(Namespace(id="a"))
        assert facts(taken(watch, 2)) == [
            (Token, {"hash": "before"}, None),
            (Namespace, {"id": "a"}, Namespace(id="a")),
        ]


def test_what_is_not_stored_is_not_told(storage: Engine) -> None:
    storage.add_namespace(Namespace(id="a"))
    if (watch := watching(storage)) is None:
        return
    with watch:
        with pytest.raises(EntityExists):
            storage.add_namespace(Namespace(id="a"))
        with given_up(storage):
            storage.add_namespace(Namespace(id="b"))
        storage.add_namespace(Namespace(id="c"))
        assert [it.key["id"] for it in taken(watch, 1)] == ["c"]


def test_several_watch_and_what_each_is_told_is_its_own(storage: Engine) -> None:
    first, second = watching(storage), watching(storage, Namespace)
    if first is None or second is None:
        return
    with first, second:
        storage.add_namespace(Namespace(id="a", name="n"))
        for watch in first, second:
            (change,) = taken(watch, 1)
            assert change.entity == Namespace(id="a", name="n")
            change.entity.name = "changed"
    assert storage.get_namespace(id="a").name == "n"


def test_a_closed_watch_ends_the_loop_of_who_waits(storage: Engine) -> None:
    if (watch := watching(storage)) is None:
        return
    seen: list[Change] = []
    thread = threading.Thread(target=lambda: seen.extend(watch))
    thread.start()
    storage.add_namespace(Namespace(id="a"))
    storage.add_namespace(Namespace(id="b"))
    taken_by_now = threading.Event()
    while len(seen) < 2 and thread.is_alive():
        taken_by_now.wait(0.01)
    watch.close()
    thread.join(SECONDS)
    assert not thread.is_alive()
    assert [it.key["id"] for it in seen] == ["a", "b"]
    storage.add_namespace(Namespace(id="c"))
    assert watch.take(0) is None


def test_closing_the_engine_ends_its_watches(storage: Engine) -> None:
    if (watch := watching(storage)) is None:
        return
    storage.close()
    assert list(watch) == []


@pytest.mark.parametrize("kind", [Engine, "Run", Change, 7])
def test_another_class_is_a_type_error(storage: Engine, kind: Any) -> None:
    if watching(storage) is None:
        return
    with pytest.raises(TypeError, match="class of entities"):
        storage.watch(kind)


def test_events_are_told_where_there_is_a_log(storage: Engine) -> None:
    if (watch := watching(storage, Event)) is None:
        return
    with watch:
        refused = ""
        try:
            storage.add_event(Event(kind="STARTED_RUN", emitted=4))
        except EngineError as error:
            refused = str(error)
        if refused:
            assert "event log" in refused
            return
        storage.delete_event(id=1)
        assert facts(taken(watch, 2)) == [
            (Event, {"id": 1}, Event(event_id=1, kind="STARTED_RUN", emitted=4)),
            (Event, {"id": 1}, None),
        ]


@pytest.mark.parametrize("since", [-1, -5, 2**63 - 1, 2**63, "now", 1.5])
def test_what_is_no_revision_is_refused(storage: Engine, since: Any) -> None:
    if watching(storage) is None:
        return
    with pytest.raises((EngineError, TypeError), match="since is "):
        storage.watch(since=since)


def test_a_closed_engine_begins_neither_watches_nor_blocks(storage: Engine) -> None:
    storage.close()
    if type(storage).watch is not Engine.watch:
        for since in None, 1:
            with pytest.raises((EngineError, boltpy.BoltError)):
                storage.watch(since=since)
    with pytest.raises((EngineError, boltpy.BoltError)), storage.transaction():
        pass
