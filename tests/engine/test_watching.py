"""Watches on a bolt file: what this engine object stores, in the order of its commits; and walks through one."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

import boltpy
import engine
from engine import EngineError, Event, Namespace, Pipeline, Run, TaskRun

from .making import gofer_database

PLACE = {"namespace_id": "ns", "pipeline_id": "p"}


def test_there_is_no_earlier_change_to_begin_with(tmp_path: Path) -> None:
    with engine.open_engine(tmp_path / "gofer.db") as storage:
        with pytest.raises(EngineError, match="keeps no earlier changes"):
            storage.watch(since=1)
        with storage.watch() as watch:
            storage.add_namespace(Namespace(id="a"))
            change = watch.take(0)
            assert change is not None
            assert change.revision == watch.revision + 1


def test_a_wait_without_end_can_be_given_as_a_number(tmp_path: Path) -> None:
    with engine.open_engine(tmp_path / "gofer.db") as storage, storage.watch() as watch:
        later = threading.Timer(0.05, storage.add_namespace, [Namespace(id="a")])
        later.start()
        change = watch.take(float("inf"))
        assert change is not None
        assert change.key == {"id": "a"}
        later.join()


def test_a_file_that_is_only_read_can_be_watched_and_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "gofer.db"
    with engine.open_engine(path):
        pass
    with engine.open_engine(path, read_only=True) as storage, storage.watch() as watch:
        assert watch.take(0) is None


def test_a_forked_child_takes_nothing_and_leaves_the_watch_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with engine.open_engine(tmp_path / "gofer.db") as storage, storage.watch() as watch:
        with monkeypatch.context() as child:
            child.setattr("os.getpid", lambda: 0)
            with pytest.raises(EngineError, match=r"this watch belongs to the process \d+, which was forked"):
                watch.take()
            watch.close()
        storage.add_namespace(Namespace(id="a"))
        assert watch.take(0) is not None


def test_changes_of_many_threads_are_told_in_the_order_of_their_commits(tmp_path: Path) -> None:
    with engine.open_engine(tmp_path / "gofer.db", no_sync=True) as storage, storage.watch(Run) as watch:
        storage.add_pipeline(Pipeline(id="p", namespace="ns"))

        def add() -> None:
            for _ in range(25):
                storage.add_run(Run(**PLACE))

        threads = [threading.Thread(target=add) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        watch.close()
        found = list(watch)
    assert [change.key["id"] for change in found] == list(range(1, 101))
    revisions = [change.revision for change in found]
    assert revisions == sorted(set(revisions))


def test_a_commit_that_fails_is_not_told(tmp_path: Path) -> None:
    with engine.open_engine(tmp_path / "gofer.db", max_size=64 << 10) as storage, storage.watch() as watch:
        with pytest.raises(boltpy.MaxSizeReachedError):
            storage.add_namespace(Namespace(id="a", description="x" * 200_000))
        storage.add_namespace(Namespace(id="b"))
        watch.close()
        assert [change.key for change in watch] == [{"id": "b"}]


def test_what_is_told_is_what_is_stored(tmp_path: Path) -> None:
    with engine.open_engine(tmp_path / "gofer.db") as storage:
        storage.add_pipeline(Pipeline(id="p", namespace="ns", unknown={"extra": "1"}))
        with storage.watch() as watch:
            storage.update_pipeline(Pipeline(id="p", namespace="ns", name="n"))
            change = watch.take(0)
        assert change is not None
        # The member without a field survived the update.
        assert change.entity == storage.get_pipeline(namespace_id="ns", id="p")
        assert change.entity.unknown == {"extra": "1"}


@pytest.mark.parametrize("compat", ["python", "gofer"])
def test_both_tempers_tell(tmp_path: Path, compat: Any) -> None:
    with engine.open_engine(tmp_path / "gofer.db", compat=compat, event_log=True) as storage:
        watch = storage.watch()
        storage.add_pipeline(Pipeline(id="p", namespace="ns"))
        storage.add_run(Run(**PLACE))
        storage.add_task_run(TaskRun(**PLACE, run_id=1, id="t"))
        storage.add_event(Event(kind="STARTED_RUN"))
        storage.delete_event(id=1)
    # The engine is closed, and what it told waits.
    found = [(change.kind.__name__, change.entity is None) for change in watch]
    assert found == [
        ("Pipeline", False),
        ("Run", False),
        ("Pipeline", False),
        ("TaskRun", False),
        ("Run", False),
        ("Event", False),
        ("Event", True),
    ]


def test_a_walk_tells_where_an_entity_has_another_name(tmp_path: Path) -> None:
    record = {b"p": b'{"id":"q","namespace":"ns"}'}
    path = gofer_database(tmp_path / "gofer.db", {b"ns": {b"Pipeline": record}})
    with engine.open_engine(path, read_only=True) as storage:
        walk = storage.walk(Pipeline)
        with pytest.raises(EngineError, match="^ns / Pipeline / p: it has another name in it"):
            list(walk)


def test_a_walk_tells_where_it_can_not_read(tmp_path: Path) -> None:
    path = gofer_database(tmp_path / "gofer.db", {b"Namespace": {b"a": b"{"}})
    with engine.open_engine(path, read_only=True) as storage:
        walk = storage.walk(Namespace)
        with pytest.raises(EngineError, match="^Namespace / a: unexpected end of JSON input$"):
            list(walk)


def test_a_new_file_can_have_an_event_log_and_an_old_one_stays_as_it_is(tmp_path: Path) -> None:
    for _ in range(2):
        with engine.open_engine(tmp_path / "late.db", event_log=True) as storage:
            storage.add_event(Event(kind="x"))
    with engine.open_engine(tmp_path / "late.db") as storage:
        assert [it.event_id for it in storage.get_all_events()] == [1, 2]
    with engine.open_engine(tmp_path / "old.db"):
        pass
    with engine.open_engine(tmp_path / "old.db", event_log=True) as storage:
        event = Event(kind="x")
        with pytest.raises(EngineError, match="without an event log"):
            storage.add_event(event)
