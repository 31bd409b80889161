"""Threads of one engine, which write one after another, and a process that is forked from theirs."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from engine import EngineError, Namespace
from engine.etcd import turns
from tests.concurrency.stepping import BytecodeInterrupt

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


def test_no_interrupt_leaves_a_turn_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.concurrency.stepping.PACKAGE", turns.__file__)
    turn, steps = turns.Turn(), 0
    raised = True
    while raised:
        steps += 1
        with suppress(KeyboardInterrupt), BytecodeInterrupt(steps) as interrupt, turn.taken(60, "taken"):
            pass
        raised = interrupt.raised
        with ThreadPoolExecutor(1) as other:
            other.submit(take_at_once, turn).result(60)
    assert steps > 2


def take_at_once(turn: turns.Turn) -> None:
    with turn.taken(0, "taken"):
        pass


FORK = """
import os, sys, threading
import engine

def told(attempt):
    try:
        attempt()
    except engine.EngineError as error:
        return f"belongs to the process {parent}, which was forked" in str(error)

def hold():
    with storage.transaction():
        held.set()
        over.wait()

parent, held, over = os.getpid(), threading.Event(), threading.Event()
new = engine.Namespace(id="a")
with engine.open_engine(sys.argv[1]) as storage, storage.watch() as watch:
    threading.Thread(target=hold, daemon=True).start()
    held.wait()
    child = os.fork()
    if not child:
        reading = storage.get_all_namespaces, storage.counters, lambda: next(storage.walk(engine.Run))
        writing = lambda: storage.add_namespace(new), storage.transaction().__enter__
        watching = storage.watch, watch.take
        assert all(answers := [told(attempt) for attempt in (*reading, *writing, *watching)]), answers
        watch.close()
        storage.close()
        sys.exit(3)
    status = os.waitpid(child, 0)[1]
    over.set()
    storage.add_namespace(new)
    print(os.waitstatus_to_exitcode(status), watch.take(60).entity.id)
"""


def test_a_forked_child_is_told_so_and_waits_for_nobody(url: str) -> None:
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK, url],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.stdout.split() == ["3", "a"], result.stderr
