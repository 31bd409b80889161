"""Threads of one engine, which write one after another, and a process that is forked from theirs."""

from __future__ import annotations

import threading

import pytest

from engine import EngineError, Namespace

from .conftest import OpenEngine


def test_a_thread_does_not_wait_for_its_turn_longer_than_for_an_answer(open_engine: OpenEngine) -> None:
    storage = open_engine(timeout=0.2)
    told: list[str] = []

    def write() -> None:
        for attempt in lambda: storage.add_namespace(Namespace(id="late")), storage.transaction().__enter__:
            with pytest.raises(EngineError) as caught:
                attempt()
            told.append(str(caught.value))

    with storage.transaction():
        storage.add_namespace(Namespace(id="a"))
        other = threading.Thread(target=write, daemon=True)
        other.start()
        other.join(60)
        assert len(told) == 2
        assert "for 0.2 s another thread of this engine has been writing" in told[0]
    assert [it.id for it in storage.get_all_namespaces()] == ["a"]
    storage.add_namespace(Namespace(id="b"))
