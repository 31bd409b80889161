"""Everything from one engine to another: complete, gone on with after a stop, compared at the end."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import engine
from engine import (
    Counter,
    DockerRegistryAuth,
    Engine,
    EngineError,
    Event,
    Namespace,
    OutcomeUnknown,
    Pipeline,
    PipelineTriggerConfig,
    Run,
    TaskRun,
    Token,
    TriggerEvent,
)
from engine.cli import main
from engine.tools.copying import open_target
from engine.tools.exporting import export_lines
from engine.tools.migrating import Migration

from .conformance.engines import ENGINES
from .conformance.memory import MemoryEngine
from .gofer_files import unpack
from .making import gofer_database, int_key
from .test_cli import COMMAND, run, seen_on_a_terminal

PLACE = {"namespace_id": "ns", "pipeline_id": "p"}


class LoggingEngine(MemoryEngine):
    """One with an event."""

    def get_all_events(self, *, offset: int = 0, limit: int = 0, reverse: bool = False) -> list[Event]:
        return [Event(event_id=4, kind="x")]


class SilentEngine(MemoryEngine):
    """One that tells nothing of its counters, and does not let them be set."""

    counters = Engine.counters
    raise_counter = Engine.raise_counter


def migrate(source: Engine, target: Engine, tick: Callable[[], object] = lambda: None) -> Migration:
    migration = Migration(source, target)
    total = migration.survey(lambda: None)
    migration.store(tick)
    assert migration.verify(lambda: None) == total
    return migration


def fill(storage: Engine) -> None:
    """A little of everything but events."""
    storage.add_namespace(Namespace(id="ns"))
    storage.add_token(Token(hash="a"))
    storage.add_docker_registry_auth(DockerRegistryAuth(registry="r", pass_=b"x"))
    triggers = {"cron": PipelineTriggerConfig(label="cron")}
    storage.add_pipeline(Pipeline(id="p", namespace="ns", created=4, triggers=triggers))
    for number in 5, 3:
        storage.add_run(Run(**PLACE, id=number))
        for name in "zebra", "ant":
            storage.add_task_run(TaskRun(**PLACE, run_id=number, id=name, created=number))
    storage.add_trigger_event(TriggerEvent(**PLACE, pipeline_trigger_label="cron", id=9))
    storage.register_run(namespace="ns", pipeline="p", run=3)


@pytest.fixture(params=ENGINES)
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An empty engine of each kind."""
    with ENGINES[request.param](tmp_path) as target:
        yield target


@pytest.fixture
def source() -> Iterator[Engine]:
    """An engine with a little of everything."""
    with MemoryEngine(clock=lambda: 77) as source:
        fill(source)
        yield source


def test_everything_is_taken_along_as_it_is(source: Engine, target: Engine) -> None:
    assert sum(migrate(source, target).stored.values()) == 12
    assert target.get_run(**PLACE, id=5).task_runs == ["zebra", "ant"]
    # The last run that was added, not the greatest.
    pipeline = target.get_pipeline(namespace_id="ns", id="p")
    assert (pipeline.last_run_id, pipeline.last_run_time) == (3, 77)
    run, event = Run(**PLACE), TriggerEvent(**PLACE, pipeline_trigger_label="cron")
    target.add_run(run)
    target.add_trigger_event(event)
    assert (run.id, event.id) == (6, 10)


def test_what_is_there_is_left_and_what_differs_is_put_right(source: Engine, target: Engine) -> None:
    migrate(source, target)
    assert migrate(source, target).stored == {}
    target.update_namespace(Namespace(id="ns", name="changed"))
    target.delete_token(hash="a")
    target.add_token(Token(hash="a", created=1))
    target.remove_docker_registry_auth(registry="r")
    target.update_task_run(TaskRun(**PLACE, run_id=3, id="ant", created=99))
    stored = migrate(source, target).stored
    assert stored == {"namespace": 1, "token": 1, "docker_registry": 1, "task_run": 1}


def test_members_that_an_update_would_keep_are_told_with_the_way_out(target: Engine) -> None:
    with MemoryEngine() as later, MemoryEngine() as source:
        later.add_namespace(Namespace(id="ns", unknown={"extra": "1"}))
        migrate(later, target)
        source.add_namespace(Namespace(id="ns"))
        migration = Migration(source, target)
        migration.survey(lambda: None)
        words = "the namespace ns can not be stored in the target: .* members .* migrate to an empty target"
        with pytest.raises(EngineError, match=words):
            migration.store(lambda: None)
        # What both have may differ.
        source.update_namespace(Namespace(id="ns", unknown={"extra": "2"}))
        assert migrate(source, target).stored == {"namespace": 1}


@pytest.mark.parametrize("steps", [1, 3, 5, 8, 11])
def test_one_that_was_stopped_goes_on(
    source: Engine, target: Engine, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.tools.migrating._AT_ONCE", 2)
    left = steps

    def tick() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        migrate(source, target, tick)
    again = migrate(source, target)
    assert again.unchanged + sum(again.stored.values()) == 12
    assert again.unchanged >= steps - 3


def test_a_target_with_something_else_is_refused(source: Engine, target: Engine) -> None:
    for name in "abcde":
        target.add_namespace(Namespace(id=name))
    with pytest.raises(
        EngineError, match=r"holds 5 entities that the source does not: namespace a, namespace b, .*\.\.\."
    ):
        migrate(source, target)
    assert target.get_all_tokens() == []


EVENTS = Counter(Event, (), 5)
RUNS = Counter(Run, ("ns", "p"), 8)


@pytest.mark.parametrize(("one", "two"), [("bolt", "etcd"), ("etcd", "bolt")])
def test_numbers_of_what_is_gone_are_not_given_again(one: str, two: str, tmp_path: Path) -> None:
    late = {"event_log": True}
    for name in "from", "to":
        (tmp_path / name).mkdir()
    with (
        ENGINES[one](tmp_path / "from", **late if one == "bolt" else {}) as first,
        ENGINES[two](tmp_path / "to", **late if two == "bolt" else {}) as second,
    ):
        fill(first)
        first.raise_counter(EVENTS)
        first.raise_counter(RUNS)
        second.raise_counter(Counter(Event, (), 2))
        migration = migrate(first, second)
        assert set(second.counters()) == set(first.counters())
        run = Run(**PLACE)
        second.add_run(run)
        assert run.id == 9
        # What the target has given out since then is its own.
        first.raise_counter(Counter(Event, (), 7))
        second.raise_counter(Counter(Event, (), 30))
        with pytest.raises(EngineError, match="only: run ns p 9"):
            migration.verify(lambda: None)
        assert Counter(Event, (), 30) in second.counters()


def test_a_counter_that_lags_behind_is_found_and_put_right(source: Engine, target: Engine) -> None:
    migration = migrate(source, target)
    source.raise_counter(RUNS)
    with pytest.raises(EngineError, match="1 places would give numbers of the source again: run ns p"):
        migration.verify(lambda: None)
    assert migrate(source, target).stored == {}
    assert RUNS in target.counters()


def test_an_engine_without_counters_takes_and_gives_what_its_entities_show(source: Engine, target: Engine) -> None:
    with SilentEngine() as between:
        migrate(source, between)
        migrate(between, target)
        source.raise_counter(RUNS)
        with pytest.raises(
            EngineError, match="last number 8 of run ns p can not be stored in the target: the counters"
        ):
            migrate(source, between)


def test_a_new_file_keeps_the_numbers_of_a_log_that_is_empty_now(tmp_path: Path) -> None:
    with ENGINES["etcd"](tmp_path) as source:
        source.add_event(Event(event_id=5))
        source.delete_event(id=5)
        with open_target(str(tmp_path / "new.db"), source) as made:
            migrate(source, made)
            assert made.counters() == [EVENTS]


@pytest.mark.parametrize("failure", [OutcomeUnknown("silence"), EngineError("no answer")])
def test_only_what_is_too_large_is_tried_in_smaller_pieces(
    source: Engine, failure: EngineError, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = MemoryEngine()
    begun = []

    @contextmanager
    def failing() -> Iterator[None]:
        begun.append(1)
        yield
        raise failure

    monkeypatch.setattr(target, "transaction", failing)
    for name in "abc":
        source.add_namespace(Namespace(id=name))
    with pytest.raises(type(failure)) as caught:
        migrate(source, target)
    assert (caught.value, len(begun)) == (failure, 1)


def test_what_others_write_meanwhile_is_found(source: Engine, target: Engine) -> None:
    migration = Migration(source, target)
    migration.survey(lambda: None)
    migration.store(lambda: None)
    source.delete_token(hash="a")
    source.add_namespace(Namespace(id="late"))
    target.update_pipeline(Pipeline(id="p", namespace="ns", triggers={}))
    with pytest.raises(EngineError) as caught:
        migration.verify(lambda: None)
    for words in (
        "1 are missing in the target: namespace late",
        "only: token a",
        "1 differ: pipeline ns p",
        "run it again",
    ):
        assert words in str(caught.value)


def test_entities_that_are_large_together_go_one_by_one(source: Engine, target: Engine) -> None:
    for number in range(30):
        source.add_namespace(Namespace(id=str(number), description="x" * 150_000))
    migrate(source, target)
    assert len(target.get_all_namespaces()) == 31


def test_what_the_target_can_not_take_is_named(tmp_path: Path, target: Engine) -> None:
    path = unpack("edge", tmp_path)
    with engine.open_engine(path, read_only=True) as source:
        migration = Migration(source, target)
        migration.survey(lambda: None)
        with pytest.raises(EngineError, match="the namespace Namespace can not be stored in the target: storage: par"):
            migration.store(lambda: None)


def test_events_are_for_who_keeps_a_log(tmp_path: Path) -> None:
    with LoggingEngine() as source, engine.open_engine(tmp_path / "old.db") as target:
        migration = Migration(source, target)
        migration.survey(lambda: None)
        with pytest.raises(EngineError, match="the event 4 can not be stored in the target: .*without an event log"):
            migration.store(lambda: None)
        # A file that is made for it has one.
        with open_target(str(tmp_path / "new.db"), source) as made:
            migrate(source, made)
            assert [it.event_id for it in made.get_all_events()] == [4]


@pytest.mark.parametrize("name", ["small", "late", "medium"])
def test_gofers_files_come_back_the_same(name: str, tmp_path: Path) -> None:
    path, back = unpack(name, tmp_path), str(tmp_path / "back.db")
    with engine.open_engine(path, read_only=True) as source, ENGINES["etcd"](tmp_path) as between:
        migrate(source, between)
        with open_target(back, between) as target:
            migrate(between, target)
    assert list(export_lines(back)) == list(export_lines(path))


class TestCommand:
    def test_between_files(self, tmp_path: Path) -> None:
        path, copy = unpack("small", tmp_path), tmp_path / "copy.db"
        for expected in "21 entities stored, 0 were there;", "0 entities stored, 21 were there;":
            out = io.StringIO()
            assert main(["migrate", str(path), str(copy)], out) == 0
            assert out.getvalue() == f"{expected} all 21 are the same in both\n"
        assert list(export_lines(copy)) == list(export_lines(path))

    def test_to_an_engine_that_somebody_has_registered(self, tmp_path: Path) -> None:
        kept = MemoryEngine()
        kept.close = lambda: None  # type: ignore[method-assign]
        engine.register("kept", lambda url, **options: kept)
        out = io.StringIO()
        assert main(["migrate", str(unpack("small", tmp_path)), "kept://x", "--json"], out) == 0
        found: dict[str, Any] = json.loads(out.getvalue())
        assert (sum(found["stored"].values()), found["unchanged"], found["compared"]) == (21, 0, 21)
        out = io.StringIO()
        assert main(["get", "kept://x", "run", "default", "simple", "1", "--json"], out) == 0
        assert json.loads(out.getvalue())["id"] == 1
        assert len(kept.get_all_runs(namespace_id="default", pipeline_id="simple")) == 3

    def test_a_bar_is_shown_on_a_terminal_only(self, tmp_path: Path) -> None:
        path = tmp_path / "many.db"
        with engine.open_engine(path) as storage, storage.transaction():
            for number in range(200):
                storage.add_namespace(Namespace(id=str(number)))
        command = [*COMMAND, "migrate", str(path)]
        shown = seen_on_a_terminal([*command, str(tmp_path / "one.db")], "stderr")
        assert b"migrate: [#" in shown
        assert b"%" in shown
        result = run("migrate", path, tmp_path / "two.db")
        assert (result.returncode, result.stderr) == (0, "")

    def test_what_is_wrong_is_one_line(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = str(unpack("small", tmp_path))
        other = str(unpack("edge", tmp_path))
        for source, target, words in (
            (path, "nobody://x", "nobody://x: no engine for nobody:// URLs"),
            ("nobody://x", path, "nobody://x: no engine"),
            (path, other, "entities that the source does not"),
            (path, str(tmp_path / "no" / "folder.db"), "No such file"),
            (
                path,
                f"bolt://{tmp_path}/../{tmp_path.name}/{Path(path).name}",
                "source and target are the same database",
            ),
            ("etcd://a:1,b:1/x?timeout=1", "etcd://c:1,b:1/x/", "source and target are the same database"),
            (path, "etcd:127.0.0.1", "etcd: begins a URL, which goes on with two slashes"),
        ):
            assert main(["migrate", source, target], io.StringIO()) == 1
            said = capsys.readouterr().err
            assert words in said
            assert said.count("\n") == 1


def test_an_event_that_can_not_be_read_is_not_left_out(tmp_path: Path) -> None:
    path = gofer_database(tmp_path / "late.db", {b"events": {int_key(1): b"{"}})
    with engine.open_engine(path, read_only=True) as source, MemoryEngine() as target:
        migration = Migration(source, target)
        with pytest.raises(EngineError, match="events / 1: unexpected end of JSON input"):
            migration.survey(lambda: None)
