"""Several calls as one: all or nothing, seen by nobody before its end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from engine import Engine, EngineError, EntityExists, EntityNotFound, Namespace, Pipeline, PreconditionFailed, Run

PLACE = {"namespace_id": "ns", "pipeline_id": "p"}


def names(storage: Engine) -> list[str]:
    return [it.id for it in storage.get_all_namespaces()]


class GivenUpError(Exception):
    """What ends a block here."""


@contextmanager
def given_up(storage: Engine) -> Iterator[None]:
    """A transaction that an exception leaves."""
    try:
        with storage.transaction():
            yield
            raise GivenUpError
    except GivenUpError:
        return
    raise AssertionError("the exception did not come out")


def in_a_thread(work: Callable[[], object]) -> None:
    """Run in another thread and wait for it."""
    thread = threading.Thread(target=work)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()


def test_calls_are_stored_together_and_see_each_other(storage: Engine) -> None:
    with storage.transaction() as nothing:
        assert nothing is None
        storage.add_pipeline(Pipeline(id="p", namespace="ns"))
        run = Run(**PLACE)
        storage.add_run(run)
        assert storage.get_run(**PLACE, id=run.id) == run
        assert storage.get_pipeline(namespace_id="ns", id="p").last_run_id == 1
    assert [it.id for it in storage.get_all_runs(**PLACE)] == [1]


def test_an_exception_takes_everything_back(storage: Engine) -> None:
    storage.add_namespace(Namespace(id="before"))
    with given_up(storage):
        storage.add_namespace(Namespace(id="a"))
        storage.update_namespace(Namespace(id="before", name="changed"))
    assert storage.get_all_namespaces() == [Namespace(id="before")]
    storage.add_namespace(Namespace(id="a"))


def test_numbers_are_taken_back_too(storage: Engine) -> None:
    storage.add_pipeline(Pipeline(id="p", namespace="ns"))
    run, own = Run(**PLACE), Run(**PLACE, id=9)
    with given_up(storage):
        storage.add_run(run)
        storage.add_run(own)
        assert run.id == 1
    assert (run.id, own.id) == (0, 9)
    storage.add_run(run)
    assert run.id == 1


def test_a_refused_call_can_be_caught(storage: Engine) -> None:
    storage.add_namespace(Namespace(id="a"))
    storage.add_pipeline(Pipeline(id="p", namespace="ns"))
    storage.add_run(Run(**PLACE))
    with storage.transaction():
        storage.add_namespace(Namespace(id="b"))
        with pytest.raises(EntityExists):
            storage.add_namespace(Namespace(id="a"))
        with pytest.raises(EntityExists):
            storage.add_run(Run(**PLACE, id=1))
        with pytest.raises(EntityNotFound):
            storage.update_namespace(Namespace(id="c"))
        with pytest.raises(PreconditionFailed):
            storage.add_namespace(Namespace(id=""))
        with pytest.raises(EntityNotFound):
            storage.get_namespace(id="c")
        storage.add_namespace(Namespace(id="d"))
    assert names(storage) == ["a", "b", "d"]
    assert storage.get_pipeline(namespace_id="ns", id="p").last_run_id == 1


def test_an_argument_of_another_type_can_be_caught(storage: Engine) -> None:
    odd: Any = [7]
    with storage.transaction():
        storage.add_namespace(Namespace(id="a"))
        for call in (
            lambda: storage.get_namespace(id=odd),
            lambda: storage.add_namespace(odd),
            lambda: storage.update_run(odd),
            lambda: storage.delete_token(hash=odd),
            lambda: storage.remove_docker_registry_auth(registry=odd),
        ):
            with pytest.raises(TypeError):
                call()
        storage.add_namespace(Namespace(id="b"))
    assert names(storage) == ["a", "b"]


def test_a_block_within_a_block_belongs_to_it(storage: Engine) -> None:
    with given_up(storage):
        with storage.transaction():
            storage.add_namespace(Namespace(id="inner"))
        assert names(storage) == ["inner"]
    assert names(storage) == []
    with storage.transaction():
        storage.add_namespace(Namespace(id="outer"))
        with storage.transaction():
            storage.add_namespace(Namespace(id="inner"))
    assert names(storage) == ["inner", "outer"]


def test_an_exception_that_leaves_an_inner_block_spoils_the_outer_one(storage: Engine) -> None:
    def spoiled() -> None:
        with storage.transaction():
            storage.add_namespace(Namespace(id="outer"))
            with given_up(storage):
                storage.add_namespace(Namespace(id="inner"))
            for attempt in lambda: storage.add_namespace(Namespace(id="late")), storage.get_all_namespaces:
                with pytest.raises(EngineError):
                    attempt()
            with pytest.raises(EngineError), storage.transaction():
                pass

    with pytest.raises(EngineError):
        spoiled()
    assert names(storage) == []
    with storage.transaction():
        storage.add_namespace(Namespace(id="next"))
    assert names(storage) == ["next"]


def test_other_threads_see_the_end_only(storage: Engine) -> None:
    seen: list[list[str]] = []
    with storage.transaction():
        storage.add_namespace(Namespace(id="a"))
        in_a_thread(lambda: seen.append(names(storage)))
        storage.add_namespace(Namespace(id="b"))
    in_a_thread(lambda: seen.append(names(storage)))
    assert seen == [[], ["a", "b"]]


def test_other_threads_wait_with_writing(storage: Engine) -> None:
    order: list[str] = []

    def write() -> None:
        storage.add_namespace(Namespace(id="other"))
        order.append("other")

    with storage.transaction():
        thread = threading.Thread(target=write)
        thread.start()
        thread.join(0.3)
        order.append("ours")
        storage.add_namespace(Namespace(id="ours"))
    thread.join(30)
    assert order == ["ours", "other"]
    assert names(storage) == ["other", "ours"]


def test_threads_that_add_runs_get_numbers_of_their_own(storage: Engine) -> None:
    storage.add_pipeline(Pipeline(id="p", namespace="ns"))
    runs = [Run(**PLACE) for _ in range(40)]

    def add(mine: list[Run]) -> None:
        for run in mine:
            storage.add_run(run)

    threads = [threading.Thread(target=add, args=(runs[start::4],)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(run.id for run in runs) == list(range(1, 41))
    assert len(storage.get_all_runs(**PLACE)) == 40
