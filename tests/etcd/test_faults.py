"""Three servers, two processes with four writers each: the leader is killed and comes back, a follower stands still.

Nothing that was acknowledged is lost, no number is given twice, nothing is stored twice, and each error says what it is
and comes in bounded time.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

import engine
from engine import EngineError, Namespace, Pipeline
from engine.etcd import EtcdEngine

from .fault_worker import PLACE
from .running import require_etcd
from .servers import EtcdServer, cluster

ROOT = Path(__file__).parents[2]
TIMEOUT = 4
"""Seconds that a question waits for its answer."""

LONGEST = 90
"""Seconds that anything here may take on a busy machine: a call asks a handful of questions."""


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[EtcdServer]]:
    require_etcd()
    with cluster(tmp_path) as servers:
        yield servers


def url_of(servers: list[EtcdServer]) -> str:
    return f"etcd://{','.join(it.endpoint for it in servers)}/x?timeout={TIMEOUT}"


def leader_of(servers: list[EtcdServer]) -> EtcdServer:
    for server in servers:
        (status,) = json.loads(server.control("endpoint", "status", "--write-out=json"))
        if status["Status"]["leader"] == status["Status"]["header"]["member_id"]:
            return server
    raise AssertionError("nobody leads")


class Writers:
    """A process of `fault_worker`, and what it has said so far."""

    def __init__(self, url: str, name: str, count: int) -> None:
        self.lines: list[dict[str, Any]] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.etcd.fault_worker", url, name, str(count)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def stop(self) -> int:
        """Let them end, and return the exit code."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        code = self.process.wait(LONGEST)
        self._reader.join(LONGEST)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(LONGEST)
        self._reader.join(LONGEST)


@contextmanager
def writing(url: str) -> Iterator[list[Writers]]:
    with ExitStack() as running:
        writers = [Writers(url, name, 4) for name in "ab"]
        for each in writers:
            running.callback(each.kill)
        yield writers


def wait_until(holds: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + LONGEST
    while not holds():
        assert time.monotonic() < until, what
        time.sleep(0.02)


def stored(writers: list[Writers]) -> int:
    return sum(not line["error"] for each in writers for line in list(each.lines))


def wait_for_more(writers: list[Writers], count: int) -> None:
    wanted = stored(writers) + count
    wait_until(lambda: stored(writers) >= wanted, f"no {count} more were stored")


def test_nothing_is_lost_and_no_number_is_given_twice(servers: list[EtcdServer]) -> None:
    url = url_of(servers)
    with engine.open_engine(url) as storage, storage.watch(engine.Run) as watch:
        storage.add_pipeline(Pipeline(id="p", namespace="ns"))
        with writing(url) as writers:
            wait_for_more(writers, 60)
            leader = leader_of(servers)
            leader.kill()
            wait_for_more(writers, 60)
            leader.start()
            leader.wait_healthy()
            new_leader = leader_of(servers)
            follower = next(it for it in servers if it is not new_leader)
            follower.signal(signal.SIGSTOP)
            wait_for_more(writers, 60)
            follower.signal(signal.SIGCONT)
            wait_for_more(writers, 60)
            assert [each.stop() for each in writers] == [0, 0]
            lines = [line for each in writers for line in each.lines]
        runs = storage.get_all_runs(**PLACE)
        told = [change for _ in runs if (change := watch.take(LONGEST)) is not None]

    tags = Counter(run.trigger_name for run in runs)
    assert max(tags.values()) == 1, "something was stored twice"
    assert [run.id for run in runs] == list(range(len(runs), 0, -1))
    number_of = {run.trigger_name: run.id for run in runs}
    acknowledged = {line["tag"]: line["id"] for line in lines if not line["error"]}
    assert {tag: number_of.get(tag) for tag in acknowledged} == acknowledged, "something acknowledged is not there"

    failed = [line for line in lines if line["error"]]
    unknown = {line["tag"]: line["id"] for line in failed if line["error"].startswith("OutcomeUnknown: ")}
    assert number_of.keys() - acknowledged.keys() <= unknown.keys(), "something was stored that was said not to be"
    # Where nobody knew, the number that is left tells whether it is there.
    assert all(number_of[tag] == unknown[tag] for tag in number_of.keys() & unknown.keys())
    for line in failed:
        assert line["error"].partition(": ")[0] in ("OutcomeUnknown", "Conflict", "EngineError")
        assert line["id"] == 0 or line["tag"] in unknown
    assert max(line["seconds"] for line in lines) < LONGEST
    # A watch through all of it was told of each run once, in order.
    assert [change.key["id"] for change in told] == list(range(1, len(runs) + 1))


def test_without_a_majority_it_is_an_error_and_then_goes_on(servers: list[EtcdServer]) -> None:
    with engine.open_engine(url_of(servers)) as storage, storage.watch(Namespace) as watch:
        storage.add_namespace(Namespace(id="a"))
        others = [it for it in servers if it is not servers[0]]
        for server in others:
            server.kill()
        begun = time.monotonic()
        with pytest.raises(EngineError, match=r"no answer from etcd within 4 s.*127\.0\.0\.1"):
            storage.get_all_namespaces()
        with pytest.raises(EngineError, match="no answer from etcd within 4 s"):
            storage.add_namespace(Namespace(id="b"))
        assert time.monotonic() - begun < LONGEST
        for server in others:
            server.start()
        for server in servers:
            server.wait_healthy()
        storage.add_namespace(Namespace(id="c"))
        names = [it.id for it in storage.get_all_namespaces()]
        assert names == ["a", "c"]
        seen = watch.take(LONGEST)
        assert seen is not None
        assert seen.key == {"id": "a"}


def test_a_watch_on_a_server_that_stands_still_goes_on_elsewhere(servers: list[EtcdServer]) -> None:
    with engine.open_engine(url_of(servers)) as storage, engine.open_engine(url_of(servers)) as other:
        assert isinstance(storage, EtcdEngine)
        with storage.watch(Namespace) as watch:
            other.add_namespace(Namespace(id="before"))
            first = watch.take(LONGEST)
            watched = servers[storage._channels.current]
            watched.signal(signal.SIGSTOP)
            other.add_namespace(Namespace(id="after"))
            second = watch.take(LONGEST)
            watched.signal(signal.SIGCONT)
        assert [change.key["id"] for change in (first, second) if change is not None] == ["before", "after"]


def test_a_watch_on_a_server_that_has_lost_the_others_ends(servers: list[EtcdServer]) -> None:
    with engine.open_engine(url_of(servers)) as storage:
        storage.add_namespace(Namespace(id="a"))
        with storage.watch(Namespace) as watch:
            for server in servers[1:]:
                server.kill()
            with pytest.raises(EngineError, match="no server has answered a watch"):
                watch.take(LONGEST)
