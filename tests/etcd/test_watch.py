"""Watches on etcd: from a revision, through a lost connection, and to a clear end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import engine
from engine import Change, Engine, EngineError, Namespace, Pipeline, Run, Watch
from engine.etcd import EtcdEngine, messages
from engine.etcd.channels import Lost
from engine.watching import WAITING_AT_MOST

from .conftest import OpenEngine
from .proxies import Proxy
from .running import control, require_etcd
from .servers import EtcdServer

SECONDS = 60


def names(watch: Watch, count: int) -> list[str]:
    found = [watch.take(SECONDS) for _ in range(count)]
    return [change.key["id"] for change in found if change is not None]


def add(storage: Engine, *ids: str) -> None:
    for name in ids:
        storage.add_namespace(Namespace(id=name))


def feeder(storage: EtcdEngine, watch: Watch) -> Any:
    return storage._watches._open[watch]


def test_what_other_engines_store_is_told(open_engine: OpenEngine) -> None:
    one, two = open_engine(), open_engine()
    with one.watch(Namespace) as watch:
        add(two, "a", "b")
        assert names(watch, 2) == ["a", "b"]


def test_it_begins_after_a_revision_that_was_seen(open_engine: OpenEngine) -> None:
    storage = open_engine()
    with storage.watch() as watch:
        add(storage, "a")
        seen = watch.take(SECONDS)
        assert seen is not None
    add(storage, "b", "c")
    with open_engine().watch(since=seen.revision) as watch:
        assert names(watch, 2) == ["b", "c"]
    with pytest.raises(TypeError, match="since"):
        storage.watch(since="now")


def test_it_outlives_its_connection_and_misses_nothing(open_engine: OpenEngine) -> None:
    one, two = open_engine(), open_engine()
    with one.watch(Namespace) as watch:
        add(two, "a")
        assert names(watch, 1) == ["a"]
        for lap in range(3):
            feeder(one, watch)._call.cancel()
            add(two, f"b{lap}", f"c{lap}")
            assert names(watch, 2) == [f"b{lap}", f"c{lap}"]
        assert watch.take(0.05) is None


def test_one_that_had_nothing_to_tell_for_long_outlives_it_too(open_engine: OpenEngine) -> None:
    storage = open_engine(timeout=1)
    with storage.watch() as watch:
        assert watch.take(1.5) is None
        feeder(storage, watch)._call.cancel()
        add(storage, "a")
        assert names(watch, 1) == ["a"]


def test_it_ends_when_no_server_is_left(open_engine: OpenEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = open_engine(timeout=0.5)
    with storage.watch() as watch:
        add(storage, "a")
        seen = watch.take(SECONDS)
        assert seen is not None

        def lost(requests: Any, number: int) -> Any:
            raise Lost("nobody there")

        monkeypatch.setattr(storage._channels, "stream", lost)
        feeder(storage, watch)._call.cancel()
        with pytest.raises(EngineError, match=rf"nobody there.*reaches to revision {seen.revision}$"):
            watch.take(SECONDS)


@pytest.fixture
def proxies(url: str) -> Iterator[list[Proxy]]:
    """Three addresses of the shared server."""
    with ExitStack() as opened:
        yield [opened.enter_context(Proxy(urlsplit(url).netloc)) for _ in range(3)]


def open_at(proxies: list[Proxy], url: str, *, timeout: float) -> EtcdEngine:
    """An engine that has a connection to each of them, and asks the first."""
    addresses = ",".join(it.address for it in proxies)
    found = engine.open_engine(f"etcd://{addresses}{urlsplit(url).path}", timeout=timeout)
    assert isinstance(found, EtcdEngine)
    for number in range(len(proxies)):
        found._channels._current = number
        found.get_all_namespaces()
    found._channels._current = 0
    return found


def test_it_goes_on_if_one_of_many_servers_answers_yet(open_engine: OpenEngine, url: str, proxies: list[Proxy]) -> None:
    other = open_engine()
    with open_at(proxies, url, timeout=3) as storage, storage.watch() as watch:
        add(other, "a")
        assert names(watch, 1) == ["a"]
        for proxy in proxies[:2]:
            proxy.freeze()
        add(other, "b")
        assert names(watch, 1) == ["b"]


def test_it_asks_the_last_server_too_however_long_the_others_took(
    url: str, proxies: list[Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_at(proxies, url, timeout=10) as storage, storage.watch() as watch:
        follower, stream = feeder(storage, watch), storage._channels.stream

        def slow(requests: Any, number: int) -> Any:
            if number == 2:
                return stream(requests, number)
            follower._heard -= 20
            raise Lost("nobody there")

        monkeypatch.setattr(storage._channels, "stream", slow)
        add(storage, "a")
        assert names(watch, 1) == ["a"]
        follower._call.cancel()
        add(storage, "b")
        assert names(watch, 1) == ["b"]


def test_it_has_asked_each_server_before_it_ends(open_engine: OpenEngine, url: str, proxies: list[Proxy]) -> None:
    other = open_engine()
    with open_at(proxies, url, timeout=1) as storage, storage.watch() as watch:
        add(other, "a")
        assert names(watch, 1) == ["a"]
        asked = feeder(storage, watch)._silent
        for proxy in proxies:
            proxy.freeze()
        with pytest.raises(EngineError, match=r"no server has answered a watch for \d+\.\d s \(no answer within 0\.3"):
            watch.take(SECONDS)
        assert asked == {0, 1, 2}


def test_it_goes_on_behind_what_a_server_has_told_it_has_passed(open_engine: OpenEngine) -> None:
    storage = open_engine()
    with storage.watch(Run) as watch:
        add(storage, "a", "b")
        with storage.watch() as now:
            passed = messages.WatchResponse()
            passed.header.revision = now.revision
        feeder(storage, watch)._take(passed)
        control("compact", str(now.revision))
        feeder(storage, watch)._call.cancel()
        storage.add_pipeline(Pipeline(id="p", namespace="ns"))
        storage.add_run(Run(namespace_id="ns", pipeline_id="p"))
        change = watch.take(SECONDS)
        assert change is not None
        assert change.kind is Run


def test_what_was_compacted_away_is_a_clear_end(open_engine: OpenEngine) -> None:
    storage = open_engine()
    with storage.watch() as watch:
        before = watch.revision
    add(storage, "a", "b")
    with storage.watch() as watch:
        control("compact", str(watch.revision))
    with storage.watch(since=before) as watch, pytest.raises(EngineError, match=r"compacted all before \d+; list anew"):
        watch.take(SECONDS)


def test_who_does_not_take_is_told_that_changes_are_missing(open_engine: OpenEngine) -> None:
    storage = open_engine()
    with storage.watch() as watch:
        add(storage, "a")
        (change,) = [watch.take(SECONDS)]
        assert isinstance(change, Change)
        for _ in range(WAITING_AT_MOST + 1):
            watch.tell(change)
        for _ in range(WAITING_AT_MOST):
            assert watch.take(0) == change
        with pytest.raises(EngineError, match="10,000 changes were not taken"):
            watch.take(0)
        assert watch not in storage._watches._open


def test_an_entity_that_can_not_be_read_ends_it_with_its_place(open_engine: OpenEngine) -> None:
    storage = open_engine()
    with storage.watch() as watch:
        control("put", f"{storage._layout.prefix.decode()}e/Run/x", "{}")
        with pytest.raises(EngineError, match="none of the engine's"):
            watch.take(SECONDS)


def test_a_watch_of_one_class_is_not_told_of_others(open_engine: OpenEngine) -> None:
    storage = open_engine()
    with storage.watch(Run) as watch:
        add(storage, "a")
        assert watch.take(0.1) is None


def test_a_server_that_was_put_back_to_an_older_state_ends_it(tmp_path: Path) -> None:
    require_etcd()
    with (
        EtcdServer(tmp_path / "one") as server,
        engine.open_engine(f"etcd://{server.endpoint}/x") as storage,
        storage.watch() as watch,
    ):
        add(storage, "a", "b")
        assert names(watch, 2) == ["a", "b"]
        server.kill()
        server.forget()
        server.start()
        with pytest.raises(EngineError, match=r"stands at revision 1, and this watch has come to \d+: .* put back"):
            watch.take(SECONDS)


def test_a_revision_that_never_was_is_a_clear_end(open_engine: OpenEngine) -> None:
    with open_engine().watch(since=2**40) as watch, pytest.raises(EngineError, match="another cluster's; list anew"):
        watch.take(SECONDS)


def test_a_server_that_lags_behind_is_waited_for(open_engine: OpenEngine) -> None:
    one, two = open_engine(), open_engine()
    with one.watch(Namespace) as watch:
        add(two, "a")
        assert names(watch, 1) == ["a"]
        late = messages.WatchResponse(created=True)
        late.header.revision = 1
        feeder(one, watch)._take(late)
        add(two, "b")
        assert names(watch, 1) == ["b"]
