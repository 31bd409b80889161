"""Several engines on one cluster: who is first stores, the other one tries again or is told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sized
from contextlib import suppress
from typing import Any

import pytest

from engine import (
    Conflict,
    DockerRegistryAuth,
    Engine,
    EngineError,
    EntityExists,
    EntityNotFound,
    Event,
    Namespace,
    Pipeline,
    Run,
    TaskRun,
    Token,
)
from engine.etcd import EtcdEngine
from engine.etcd.channels import KV_TXN

from .conftest import OpenEngine
from .running import control

PLACE = {"namespace_id": "ns", "pipeline_id": "p"}


def with_pipeline(storage: Engine) -> Engine:
    storage.add_pipeline(Pipeline(id="p", namespace="ns", created=1))
    return storage


def test_what_one_stores_the_others_see(open_engine: OpenEngine) -> None:
    one, two = open_engine(), open_engine()
    with_pipeline(one).add_run(Run(**PLACE))
    assert [it.id for it in two.get_all_runs(**PLACE)] == [1]


def test_runs_that_many_engines_add_have_numbers_of_their_own(open_engine: OpenEngine) -> None:
    engines = [open_engine() for _ in range(4)]
    with_pipeline(engines[0])
    given: list[int] = []

    def add(storage: Engine) -> None:
        for _ in range(10):
            run = Run(**PLACE)
            storage.add_run(run)
            given.append(run.id)

    threads = [threading.Thread(target=add, args=(storage,)) for storage in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(given) == list(range(1, 41))
    assert [it.id for it in engines[0].get_all_runs(**PLACE)] == list(range(40, 0, -1))
    assert engines[1].get_pipeline(namespace_id="ns", id="p").last_run_id == 40


def test_a_call_that_meets_another_one_is_made_again(open_engine: OpenEngine) -> None:
    one, two = open_engine(), open_engine()
    with_pipeline(one)
    met: list[int] = []

    def clock() -> int:
        return 5

    def meddle(work: Any) -> bool:
        if len(met) < 3:
            met.append(1)
            two.add_run(Run(**PLACE))
        return commit(work)

    storage = open_engine(clock=clock)
    commit = storage._groups._commits.commit
    storage._groups._commits.commit = meddle  # type: ignore[method-assign]
    run = Run(**PLACE)
    storage.add_run(run)
    assert run.id == 4
    assert [it.id for it in one.get_all_runs(**PLACE)] == [4, 3, 2, 1]


def test_who_is_always_too_late_is_told_so(open_engine: OpenEngine) -> None:
    one, two = open_engine(), open_engine()
    with_pipeline(one)

    def meddle(work: Any) -> bool:
        two.add_run(Run(**PLACE))
        return commit(work)

    commit = one._groups._commits.commit
    one._groups._commits.commit = meddle  # type: ignore[method-assign]
    run = Run(**PLACE)
    with pytest.raises(Conflict, match="20 times"):
        one.add_run(run)
    assert run.id == 0
    assert len(two.get_all_runs(**PLACE)) == 20


def prepare(storage: Engine) -> None:
    with_pipeline(storage).add_run(Run(**PLACE))
    storage.add_namespace(Namespace(id="a"))
    storage.add_token(Token(hash="a"))
    storage.add_docker_registry_auth(DockerRegistryAuth(registry="a"))
    storage.register_run(namespace="ns", pipeline="p", run=1)
    storage.add_event(Event(kind="x"))


CROSSINGS: dict[str, tuple[Callable[[Engine], object], Callable[[Engine], object]]] = {
    "read and updated": (
        lambda it: it.get_namespace(id="a"),
        lambda it: it.update_namespace(Namespace(id="a", name="n")),
    ),
    "read and deleted": (lambda it: it.get_token(hash="a"), lambda it: it.delete_token(hash="a")),
    "missed and added": (
        lambda it: it.registration_exists(namespace="ns", pipeline="p", run=2),
        lambda it: it.register_run(namespace="ns", pipeline="p", run=2),
    ),
    "listed and added": (lambda it: it.get_all_runs(**PLACE), lambda it: it.add_run(Run(**PLACE))),
    "listed and updated": (
        lambda it: it.get_all_runs(**PLACE),
        lambda it: it.update_run(Run(**PLACE, id=1, started=9)),
    ),
    "pipelines listed and moved": (
        lambda it: it.get_all_pipelines(namespace_id="ns", limit=1),
        lambda it: it.update_pipeline(Pipeline(id="p", namespace="ns", created=8)),
    ),
    "tokens listed and one deleted": (lambda it: it.get_all_tokens(), lambda it: it.delete_token(hash="a")),
    "logins listed and one deleted": (
        lambda it: it.get_all_docker_registry_auths(),
        lambda it: it.remove_docker_registry_auth(registry="a"),
    ),
    "registrations listed and one deleted": (
        lambda it: it.get_all_run_registrations(),
        lambda it: it.unregister_run(namespace="ns", pipeline="p", run=1),
    ),
    "events listed and one deleted": (lambda it: it.get_all_events(), lambda it: it.delete_event(id=1)),
    "none listed and one added": (
        lambda it: it.get_all_task_runs(**PLACE, run_id=1),
        lambda it: it.add_task_run(TaskRun(**PLACE, run_id=1, id="t")),
    ),
}


@pytest.mark.parametrize("name", CROSSINGS)
def test_a_block_is_refused_if_what_it_read_has_changed(open_engine: OpenEngine, name: str) -> None:
    read, change = CROSSINGS[name]
    one, two = open_engine(), open_engine()
    prepare(one)

    def cross() -> None:
        with one.transaction():
            read(one)
            change(two)
            one.add_namespace(Namespace(id="late"))

    with pytest.raises(Conflict):
        cross()
    assert [it.id for it in two.get_all_namespaces()] == ["a"]
    # Nothing is left open, and without the other one it works.
    with one.transaction():
        with suppress(EntityNotFound):
            read(one)
        one.add_namespace(Namespace(id="late"))
    assert [it.id for it in two.get_all_namespaces()] == ["a", "late"]


@pytest.mark.parametrize("name", CROSSINGS)
def test_a_block_sees_one_state_whatever_others_do(open_engine: OpenEngine, name: str) -> None:
    read, change = CROSSINGS[name]
    one, two = open_engine(), open_engine()
    prepare(one)
    with one.transaction():
        before = read(one)
        change(two)
        assert read(one) == before
    # It has changed nothing, and so disturbs nobody.


def test_what_another_program_took_away_is_missed_by_who_lists_and_writes_it(open_engine: OpenEngine) -> None:
    storage = open_engine()
    prepare(storage)

    def cross() -> None:
        with storage.transaction():
            storage.get_all_namespaces()
            storage.update_namespace(Namespace(id="a", name="n"))
            control("del", "--prefix", f"{storage._layout.prefix.decode()}e/Namespace/a")

    with pytest.raises(Conflict):
        cross()
    assert storage.get_all_namespaces() == []


def test_what_others_do_elsewhere_does_not_matter(open_engine: OpenEngine) -> None:
    one, two = open_engine(), open_engine()
    prepare(one)
    with one.transaction():
        one.get_all_runs(**PLACE)
        one.add_task_run(TaskRun(**PLACE, run_id=1, id="t"))
        two.add_namespace(Namespace(id="b"))
        two.add_pipeline(Pipeline(id="q", namespace="ns"))
        two.add_run(Run(namespace_id="ns", pipeline_id="q"))
        two.delete_token(hash="a")
    assert two.get_run(**PLACE, id=1).task_runs == ["t"]


def test_numbers_are_taken_back_by_a_conflict(open_engine: OpenEngine) -> None:
    one, two = open_engine(), open_engine()
    with_pipeline(one)
    ours = Run(**PLACE)

    def cross() -> None:
        with one.transaction():
            one.add_run(ours)
            two.add_run(Run(**PLACE))

    with pytest.raises(Conflict):
        cross()
    assert ours.id == 0


def test_a_block_sees_its_own_work_in_every_listing(open_engine: OpenEngine) -> None:
    storage = open_engine()
    for number in range(3):
        storage.add_event(Event(kind=str(number)))
        storage.add_token(Token(hash=f"b{number}"))
    with storage.transaction():
        storage.delete_token(hash="b1")
        storage.add_token(Token(hash="a"))
        storage.delete_event(id=2)
        storage.add_event(Event(kind="new"))
        for name, created in ("p", 4), ("q", 9), ("r", 4):
            storage.add_pipeline(Pipeline(id=name, namespace="ns", created=created))
        storage.update_pipeline(Pipeline(id="q", namespace="ns", created=1))
        assert [it.hash for it in storage.get_all_tokens()] == ["a", "b0", "b2"]
        assert [it.hash for it in storage.get_all_tokens(offset=1, limit=1)] == ["b0"]
        assert [it.event_id for it in storage.get_all_events(reverse=True)] == [4, 3, 1]
        assert [it.event_id for it in storage.get_all_events(offset=1, limit=1, reverse=True)] == [3]
        assert [it.event_id for it in storage.get_all_events(offset=9)] == []
        assert [it.id for it in storage.get_all_pipelines(namespace_id="ns")] == ["r", "p", "q"]
    assert [it.event_id for it in storage.get_all_events()] == [1, 3, 4]


def test_more_operations_than_the_server_takes_are_refused_as_a_whole(open_engine: OpenEngine) -> None:
    storage = open_engine()

    def add_many() -> None:
        with storage.transaction():
            for number in range(140):
                storage.add_token(Token(hash=str(number)))

    with pytest.raises(EngineError, match=r"too many operations.*141.*--max-txn-ops.*not stored"):
        add_many()
    assert storage.get_all_tokens() == []
    storage.add_token(Token(hash="one"))


def test_a_long_listing_is_read_in_pages_at_one_revision(open_engine: OpenEngine, monkeypatch: Any) -> None:
    monkeypatch.setattr("engine.etcd.work.PAGE", 3)
    monkeypatch.setattr("engine.etcd.work._KEYS_PAGE", 2)
    one, two = open_engine(), open_engine()
    for number in range(10):
        one.add_event(Event(kind=str(number)))
    assert [it.event_id for it in one.get_all_events()] == list(range(1, 11))
    assert [it.event_id for it in one.get_all_events(reverse=True)] == list(range(10, 0, -1))
    assert [it.event_id for it in one.get_all_events(offset=5, limit=4)] == [6, 7, 8, 9]
    assert [it.event_id for it in one.get_all_events(offset=3, reverse=True)] == [7, 6, 5, 4, 3, 2, 1]
    assert one.get_all_events(offset=10) == []
    walk = one.walk(Event)
    first = next(walk)
    two.delete_event(id=7)
    two.add_event(Event(kind="late"))
    assert [first.event_id, *(it.event_id for it in walk)] == list(range(1, 11))


def test_pages_grow_while_they_are_small_and_shrink_where_they_are_not(
    open_engine: OpenEngine, monkeypatch: Any
) -> None:
    storage = open_engine()
    with storage.transaction():
        for number in range(110):
            storage.add_token(Token(hash=str(number)))
    for number in range(20):
        storage.add_namespace(Namespace(id=str(number), description="x" * 300_000))
        storage.add_pipeline(Pipeline(id=str(number), namespace="ns", description="x" * 300_000))
    pages: list[int] = []
    ask = storage._channels.ask

    def counted(method: str, request: Any) -> Any:
        answer = ask(method, request)
        pages.append(len(answer.responses if method == KV_TXN else answer.kvs))
        return answer

    def pages_of(found: Sized) -> tuple[int, list[int]]:
        moved = pages.copy()
        pages.clear()
        return len(found), moved

    monkeypatch.setattr(storage._channels, "ask", counted)
    assert pages_of(storage.get_all_tokens()) == (110, [16, 64, 30])
    assert pages_of(storage.get_all_tokens(limit=20)) == (20, [16, 4])
    assert pages_of(storage.get_all_namespaces()) == (20, [16, 3, 1])
    assert pages_of(storage.get_all_pipelines(namespace_id="ns")) == (20, [16, 4, 16, 3, 1])
    assert pages_of([next(storage.walk(Token))]) == (1, [16])


def test_a_revision_that_was_compacted_is_read_anew_or_told(open_engine: OpenEngine, monkeypatch: Any) -> None:
    monkeypatch.setattr("engine.etcd.work.PAGE", 2)
    storage = open_engine()
    for number in range(6):
        storage.add_event(Event(kind=str(number)))
    walk = storage.walk(Event)
    next(walk)
    compact(storage)
    with pytest.raises(EngineError, match="compacted away"):
        list(walk)

    def long_block() -> None:
        with storage.transaction():
            storage.get_event(id=1)
            compact(open_engine())
            storage.get_event(id=2)

    with pytest.raises(EngineError, match="compacted away"):
        long_block()

    # A listing of which nobody has seen anything begins again.
    compact_after_the_next_answer(storage, open_engine(), monkeypatch)
    assert [it.event_id for it in storage.get_all_events()] == [1, 2, 3, 4, 5, 6]


def test_a_call_that_writes_is_made_again_after_a_compaction(open_engine: OpenEngine, monkeypatch: Any) -> None:
    storage = open_engine()
    with_pipeline(storage)
    run = Run(**PLACE, id=7)  # whose key is read behind the pipeline's
    compact_after_the_next_answer(storage, open_engine(), monkeypatch)
    storage.add_run(run)
    assert [it.id for it in storage.get_all_runs(**PLACE)] == [7]


def compact_after_the_next_answer(storage: EtcdEngine, other: Engine, monkeypatch: Any) -> None:
    ask = storage._channels.ask

    def compacting(method: str, request: Any) -> Any:
        answer = ask(method, request)
        monkeypatch.setattr(storage._channels, "ask", ask)
        compact(other)
        return answer

    monkeypatch.setattr(storage._channels, "ask", compacting)


def compact(storage: Engine) -> None:
    """Let the server forget all but the present."""
    storage.register_run(namespace="", pipeline="", run=1)
    storage.unregister_run(namespace="", pipeline="", run=1)
    with storage.watch() as watch:
        control("compact", str(watch.revision))


def test_an_engine_that_only_reads_refuses_to_write(open_engine: OpenEngine) -> None:
    with_pipeline(open_engine())
    reader = open_engine(read_only=True)
    for attempt in lambda: reader.add_run(Run(**PLACE)), lambda: reader.transaction().__enter__():
        with pytest.raises(EngineError, match="opened to be read"):
            attempt()
    assert reader.get_all_runs(**PLACE) == []


def test_a_closed_engine_leaves_no_mark_and_takes_no_calls(open_engine: OpenEngine) -> None:
    storage, other = open_engine(), open_engine()
    storage.add_namespace(Namespace(id="a"))
    prefix = storage._layout.prefix.decode()
    assert control("get", "--prefix", "--keys-only", f"{prefix}w/").count(f"{prefix}w/") == 1
    storage.close()
    storage.close()
    assert control("get", "--prefix", "--keys-only", f"{prefix}w/").strip() == ""
    for attempt in storage.get_all_namespaces, lambda: storage.add_namespace(Namespace(id="b")), storage.watch:
        with pytest.raises(EngineError, match="closed"):
            attempt()
    with pytest.raises(EntityExists):
        other.add_namespace(Namespace(id="a"))


def test_a_counter_or_an_entity_that_somebody_broke_is_told_with_its_place(open_engine: OpenEngine) -> None:
    storage = open_engine()
    with_pipeline(storage)
    prefix = storage._layout.prefix.decode()
    control("put", f"{prefix}c/Event/", "many")
    with pytest.raises(EngineError, match="counter that is no number"):
        storage.add_event(Event(kind="x"))
    control("put", f"{prefix}e/Token/", "{")
    with pytest.raises(EngineError, match="none of the engine's"):
        storage.get_all_tokens()


def test_a_signal_handler_in_the_middle_of_a_commit_gets_an_error(open_engine: OpenEngine) -> None:
    storage = open_engine()
    commit = storage._groups._commits.commit
    refused: list[str] = []

    def interrupted(work: Any) -> bool:
        for attempt in lambda: storage.add_namespace(Namespace(id="handler")), storage.transaction().__enter__:
            with pytest.raises(EngineError) as caught:
                attempt()
            refused.append(str(caught.value))
        assert storage.get_all_namespaces() == []
        return commit(work)

    storage._groups._commits.commit = interrupted  # type: ignore[method-assign]
    storage.add_namespace(Namespace(id="a"))
    assert len(refused) == 2
    assert "signal handlers" in refused[0]
    assert [it.id for it in storage.get_all_namespaces()] == ["a"]


def test_a_walk_in_a_block_sees_its_work_and_counts_as_read(open_engine: OpenEngine) -> None:
    one, two = open_engine(), open_engine()
    prepare(one)
    with one.transaction():
        one.delete_token(hash="a")
        one.add_token(Token(hash="b"))
        assert [it.hash for it in one.walk(Token)] == ["b"]

    def cross() -> None:
        with one.transaction():
            list(one.walk(DockerRegistryAuth))
            two.remove_docker_registry_auth(registry="a")
            one.add_namespace(Namespace(id="late"))

    with pytest.raises(Conflict):
        cross()


def test_a_place_that_can_not_be_is_empty_in_a_block_too(open_engine: OpenEngine) -> None:
    storage = open_engine()
    with storage.transaction():
        assert storage.get_all_task_runs(**PLACE, run_id=2**70) == []
        storage.add_namespace(Namespace(id="a"))
    assert [it.id for it in storage.get_all_namespaces()] == ["a"]


def test_an_engine_that_is_closed_in_a_block_stores_nothing_of_it(open_engine: OpenEngine) -> None:
    storage = open_engine()

    def closing() -> None:
        with storage.transaction():
            storage.add_namespace(Namespace(id="a"))
            storage.close()

    with pytest.raises(EngineError, match="closed"):
        closing()
    assert open_engine().get_all_namespaces() == []
