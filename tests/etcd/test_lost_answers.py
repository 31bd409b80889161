"""The answer to a commit is lost: it was stored, or it was not, or it will be when nobody expects it any more.

Between the engine and the real server stands a connection that loses answers, or keeps questions back.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from engine import Conflict, EngineError, EntityExists, Namespace, OutcomeUnknown, Pipeline, Run, Token
from engine.etcd import EtcdEngine
from engine.etcd.channels import Full, Lost
from engine.etcd.work import Work

from .conftest import OpenEngine
from .running import control

PLACE = {"namespace_id": "ns", "pipeline_id": "p"}


class Connection:
    """What an engine asks once goes through here."""

    def __init__(self, storage: EtcdEngine, monkeypatch: pytest.MonkeyPatch) -> None:
        self.channels = storage._channels
        self.ask, self.ask_once = self.channels.ask, self.channels.ask_once
        self.kept: list[tuple[str, Any]] = []
        self.mode = ""
        monkeypatch.setattr(self.channels, "ask_once", self.once)
        monkeypatch.setattr(self.channels, "ask", self.often)

    def once(self, method: str, request: Any, **patience: float) -> Any:
        mode, self.mode = self.mode, ""
        match mode:
            case "":
                return self.ask_once(method, request, **patience)
            case "answer lost":
                self.ask_once(method, request)
            case "interrupted":
                self.kept.append((method, request))
                raise KeyboardInterrupt
            case "stored and interrupted":
                self.ask_once(method, request)
                raise KeyboardInterrupt
            case "kept back for ever":
                self.kept.append((method, request))
                self.mode = mode
            case "stored and refused":
                self.ask_once(method, request)
                raise Full("the server is full")
            case "stored and refused, then silence":
                self.ask_once(method, request)
                self.mode = "silence"
                raise Full("the server is full")
            case "refused":
                raise Full("the server is full")
            case "kept back":
                self.kept.append((method, request))
            case "kept back, then silence":
                self.kept.append((method, request))
                self.mode = "silence"
            case "answer lost, then silence":
                self.ask_once(method, request)
                self.mode = "silence"
        raise Lost(mode)

    def often(self, method: str, request: Any) -> Any:
        if self.mode == "silence":
            raise EngineError("no answer from etcd")
        return self.ask(method, request)

    def deliver(self) -> list[bool]:
        """What was kept back reaches the server after all. Returns whether it was stored."""
        kept, self.kept = self.kept, []
        return [self.ask_once(method, request).succeeded for method, request in kept]


@pytest.fixture
def storage(open_engine: OpenEngine) -> EtcdEngine:
    found = open_engine()
    found.add_pipeline(Pipeline(id="p", namespace="ns"))
    return found


@pytest.fixture
def connection(storage: EtcdEngine, monkeypatch: pytest.MonkeyPatch) -> Connection:
    return Connection(storage, monkeypatch)


def numbers(storage: EtcdEngine) -> list[int]:
    return [it.id for it in storage.get_all_runs(**PLACE)]


def test_what_was_stored_is_not_stored_twice(storage: EtcdEngine, connection: Connection) -> None:
    connection.mode = "answer lost"
    run = Run(**PLACE)
    storage.add_run(run)
    assert run.id == 1
    assert numbers(storage) == [1]
    connection.mode = "answer lost"
    storage.add_namespace(Namespace(id="a"))
    with pytest.raises(EntityExists):
        storage.add_namespace(Namespace(id="a"))


def test_what_was_not_stored_is_stored_by_another_attempt(storage: EtcdEngine, connection: Connection) -> None:
    connection.mode = "kept back"
    run = Run(**PLACE)
    storage.add_run(run)
    assert run.id == 1
    # The first attempt comes late, and is refused.
    assert connection.deliver() == [False]
    assert numbers(storage) == [1]


def test_a_late_question_stores_nothing_that_was_told_to_be_refused(
    storage: EtcdEngine, connection: Connection, open_engine: OpenEngine
) -> None:
    other = open_engine()
    connection.mode = "kept back"
    commit = storage._groups._commits._settle

    def meanwhile(lost: str) -> bool:
        stored = commit(lost)
        other.add_token(Token(hash="a", created=1))
        return stored

    storage._groups._commits._settle = meanwhile  # type: ignore[method-assign]
    with pytest.raises(EntityExists):
        storage.add_token(Token(hash="a", created=2))
    other.delete_token(hash="a")
    # All that the kept question compares is as it was, but for the writer's mark.
    assert connection.deliver() == [False]
    assert storage.get_all_tokens() == []


@pytest.mark.parametrize(("mode", "stored"), [("answer lost, then silence", True), ("kept back, then silence", False)])
def test_silence_is_an_error_that_says_so(storage: EtcdEngine, connection: Connection, mode: str, stored: bool) -> None:
    run = Run(**PLACE)
    connection.mode = mode
    with pytest.raises(OutcomeUnknown, match="all of it or nothing"):
        storage.add_run(run)
    # The number tells where to look.
    assert run.id == 1
    connection.mode = ""
    # The look bars the way to what may still be on its way.
    assert numbers(storage) == ([1] if stored else [])
    assert connection.deliver() == ([] if stored else [False])
    assert numbers(storage) == ([1] if stored else [])


def test_an_interrupt_leaves_nothing_that_is_stored_later(storage: EtcdEngine, connection: Connection) -> None:
    connection.mode = "interrupted"
    run = Run(**PLACE)
    with pytest.raises(KeyboardInterrupt):
        storage.add_run(run)
    # It may be stored, and the number tells where to look.
    assert run.id == 1
    storage.add_namespace(Namespace(id="a"))
    assert connection.deliver() == [False]
    assert numbers(storage) == []


def numbers_in_a_block(storage: EtcdEngine) -> list[int]:
    with storage.transaction():
        return numbers(storage)


LOOKS: dict[str, Callable[[EtcdEngine], object]] = {
    "listing": numbers,
    "walk": lambda it: list(it.walk(Run)),
    "counters": lambda it: [counter for counter in it.counters() if counter.kind is Run],
    "block": numbers_in_a_block,
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS.keys())
def test_what_a_look_after_an_interrupt_does_not_show_is_not_stored_later(
    storage: EtcdEngine, connection: Connection, look: Callable[[EtcdEngine], object]
) -> None:
    connection.mode = "interrupted"
    with pytest.raises(KeyboardInterrupt):
        storage.add_run(Run(**PLACE))
    assert look(storage) == []
    assert connection.deliver() == [False]
    assert look(storage) == []


def test_a_block_after_an_interrupt_is_not_disturbed_by_what_was_interrupted(
    storage: EtcdEngine, connection: Connection
) -> None:
    connection.mode = "interrupted"
    with pytest.raises(KeyboardInterrupt):
        storage.add_run(Run(**PLACE))
    run = Run(**PLACE)
    with storage.transaction():
        storage.add_run(run)
        assert connection.deliver() == [False]
    assert numbers(storage) == [run.id] == [1]


def test_a_look_says_so_if_nobody_can_tell_yet(storage: EtcdEngine, connection: Connection) -> None:
    connection.mode = "answer lost, then silence"
    with pytest.raises(OutcomeUnknown):
        storage.add_run(Run(**PLACE))
    with pytest.raises(EngineError, match="not sent, for one before it is in doubt still"):
        numbers(storage)
    connection.mode = ""
    assert numbers(storage) == [1]


def test_reads_do_not_wait_for_a_write_that_waits(storage: EtcdEngine, connection: Connection) -> None:
    seen: list[list[int]] = []
    once = connection.channels.ask_once

    def reading_meanwhile(method: str, request: Any, **patience: float) -> Any:
        reader = threading.Thread(target=lambda: seen.append(numbers(storage)))
        reader.start()
        reader.join(60)
        return once(method, request, **patience)

    connection.channels.ask_once = reading_meanwhile  # type: ignore[assignment, method-assign]
    storage.add_run(Run(**PLACE))
    connection.channels.ask_once = once  # type: ignore[method-assign]
    assert (seen, numbers(storage)) == ([[]], [1])


def test_a_signal_handler_reads_while_its_thread_settles(storage: EtcdEngine, connection: Connection) -> None:
    connection.mode = "interrupted"
    with pytest.raises(KeyboardInterrupt):
        storage.add_run(Run(**PLACE))
    settle = storage._groups._commits._settle
    seen: list[list[int]] = []

    def interrupted(lost: str) -> bool:
        seen.append(numbers(storage))
        return settle(lost)

    storage._groups._commits._settle = interrupted  # type: ignore[method-assign]
    assert numbers(storage) == []
    assert seen == [[]]


def test_what_an_interrupt_left_in_doubt_can_not_be_stored_twice(storage: EtcdEngine, connection: Connection) -> None:
    connection.mode = "stored and interrupted"
    run = Run(**PLACE)
    with pytest.raises(KeyboardInterrupt):
        storage.add_run(run)
    with pytest.raises(EntityExists):
        storage.add_run(run)
    assert numbers(storage) == [1]


@pytest.mark.parametrize("mode", ["kept back", "login expired"])
def test_a_block_that_nobody_disturbed_is_no_conflict(storage: EtcdEngine, connection: Connection, mode: str) -> None:
    run = Run(**PLACE)
    with storage.transaction():
        storage.add_run(run)
        connection.mode = mode
    assert run.id == 1
    assert not any(connection.deliver())
    assert numbers(storage) == [1]


def test_a_block_whose_first_attempt_is_lost_is_compared_all_the_same(
    storage: EtcdEngine, connection: Connection, open_engine: OpenEngine
) -> None:
    other, run = open_engine(), Run(**PLACE)

    def meddling() -> None:
        with storage.transaction():
            storage.add_run(run)
            other.add_run(Run(**PLACE))
            connection.mode = "kept back"

    with pytest.raises(Conflict):
        meddling()
    assert run.id == 0


def test_what_never_gets_an_answer_is_not_stored(storage: EtcdEngine, connection: Connection) -> None:
    run = Run(**PLACE)
    connection.mode = "kept back for ever"
    with pytest.raises(EngineError, match="no answer to this 5 times in a row; it was not stored"):
        storage.add_run(run)
    assert run.id == 0
    connection.mode = ""
    assert connection.deliver() == [False] * 5


def test_what_waits_for_one_in_doubt_is_not_sent(storage: EtcdEngine, connection: Connection) -> None:
    connection.mode = "answer lost, then silence"
    with pytest.raises(OutcomeUnknown):
        storage.add_run(Run(**PLACE))
    run = Run(**PLACE)
    commits = storage._groups._commits
    with pytest.raises(EngineError, match="not sent, for one before it is in doubt still") as caught:
        commits.commit(Work(connection.channels))
    assert type(caught.value) is EngineError
    connection.mode = ""
    storage.add_run(run)
    assert run.id == 2


def test_a_block_is_settled_as_well(storage: EtcdEngine, connection: Connection) -> None:
    with storage.transaction():
        storage.add_run(Run(**PLACE))
        storage.add_run(Run(**PLACE))
        connection.mode = "answer lost"
    assert numbers(storage) == [2, 1]


def test_the_request_that_fills_the_server_is_known_to_be_stored(storage: EtcdEngine, connection: Connection) -> None:
    connection.mode = "stored and refused"
    storage.add_run(Run(**PLACE))
    connection.mode = "refused"
    with pytest.raises(Full):
        storage.add_run(Run(**PLACE))
    assert numbers(storage) == [1]
    connection.mode = "stored and refused, then silence"
    run = Run(**PLACE)
    with pytest.raises(OutcomeUnknown):
        storage.add_run(run)
    assert run.id == 2
    connection.mode = ""
    assert numbers(storage) == [2, 1]


def test_a_mark_that_somebody_took_away_is_made_anew(storage: EtcdEngine, connection: Connection) -> None:
    storage.add_namespace(Namespace(id="a"))
    prefix = storage._layout.prefix.decode()
    control("del", "--prefix", f"{prefix}w/")
    storage.add_namespace(Namespace(id="b"))
    connection.mode = "answer lost"
    storage.add_namespace(Namespace(id="c"))
    control("del", "--prefix", f"{prefix}w/")
    with storage.transaction():  # which is no conflict
        storage.add_namespace(Namespace(id="d"))
    assert [it.id for it in storage.get_all_namespaces()] == ["a", "b", "c", "d"]
