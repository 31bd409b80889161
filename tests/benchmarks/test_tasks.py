"""Every task, small, on every store that is in Python: all read the same, which is also what the data says."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from benchmarks.catalogue import WORKLOADS
from benchmarks.data import Data, checksum
from benchmarks.job import MEASURE, PREPARE, Answer, Job
from benchmarks.stores import BoltStore, SqliteStore, Store, UnsupportedError
from benchmarks.stores.lmdb import LmdbStore
from benchmarks.tasks import TASKS, Task, run
from benchmarks.workload import Workload

STORES: dict[str, Callable[..., Store]] = {"boltpy": BoltStore, "sqlite3": SqliteStore, "lmdb": LmdbStore}

# The engine's replay is no task of a store: test_run.py has it, beside Go.
ALL = [it for it in WORKLOADS if it.task != "replay"]
SMALL = {
    it.name: replace(
        it, count=300, ops=min(it.ops, 120), batch=min(it.batch, 50), values=min(it.values, 40), span=min(it.span, 20)
    )
    for it in ALL
}


def measured(workload: Workload, store: str, folder: Path) -> Answer:
    """Prepare and run as a runner does, but in this process."""
    opener = partial(STORES[store], sync=workload.sync)
    path = str(folder / f"{store}.db")
    if workload.prepared:
        run(Job(workload, path, PREPARE, store), opener)
    return run(Job(workload, path, MEASURE, store), opener)


def test_every_task_is_in_a_workload() -> None:
    assert {it.task for it in ALL} == set(TASKS)


@pytest.mark.parametrize("name", SMALL)
def test_stores_that_can_do_it_read_the_same(name: str, tmp_path: Path) -> None:
    answers, unsupported = {}, {}
    for store in STORES:
        try:
            answers[store] = measured(SMALL[name], store, tmp_path)
        except UnsupportedError as reason:
            unsupported[store] = str(reason)
    assert "boltpy" in answers
    assert len({(it.operations, it.pairs, it.checksum) for it in answers.values()}) == 1
    ours = answers["boltpy"]
    assert ours.seconds > 0
    assert ours.operations > 0
    assert (ours.pairs > 0) == (SMALL[name].task != "drop")
    assert (unsupported != {}) == (SMALL[name].task in {"nested", "batched", "open_put"})


def sorted_checksum(pairs: dict[bytes, bytes]) -> int:
    return checksum(part for pair in sorted(pairs.items()) for part in pair)


@pytest.mark.parametrize("store", STORES)
def test_what_is_read_is_what_the_data_says(store: str, tmp_path: Path) -> None:
    data = Data(8, 32, ordered=False, seed=1, count=300)
    everything = dict(data.pairs(0, 300))
    expected = {
        "put-random": everything,
        "delete-random": dict(data.pairs(120, 300)),
        "scan": everything,
        "compact": everything,
        "backup": dict(Data(8, 40, ordered=False, seed=1, count=300).pairs(0, 300)),
        "commit-no-sync": everything | dict(data.pair(data.chosen(turn), 1) for turn in range(120)),
        "drop": {},
    }
    for name, pairs in expected.items():
        folder = tmp_path / name
        folder.mkdir()
        answer = measured(replace(SMALL[name], order="random"), store, folder)
        assert (answer.pairs, answer.checksum) == (len(pairs), sorted_checksum(pairs)), name


@pytest.mark.parametrize(("least", "times", "seconds"), [(0.0, 1, 0.25), (1.0, 4, 0.25), (1.1, 5, 0.25)])
def test_what_is_short_is_repeated_and_its_mean_counts(
    least: float, times: int, seconds: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.count(100.0, 0.25)
    monkeypatch.setattr("benchmarks.tasks.perf_counter", lambda: next(clock))
    job = Job(replace(SMALL["get-busy"], least_seconds=least), str(tmp_path / "test.db"), MEASURE, "boltpy")
    opener = partial(BoltStore, sync=False)
    task = Task(job, opener, opener(job.path), Data(8, 32, ordered=False, seed=1, count=300))
    done: list[int] = []
    task.timed(120, lambda: done.append(1))
    task.store.close()
    assert (len(done), task.seconds, task.operations) == (times, seconds, 120)


def test_only_what_changes_nothing_is_repeated() -> None:
    assert [it.name for it in WORKLOADS if it.least_seconds and (it.changes or not it.prepared)] == []


def test_gets_are_of_the_chosen_keys(tmp_path: Path) -> None:
    data = Data(8, 32, ordered=False, seed=1, count=300)
    asked = [part for turn in range(120) for part in data.pair(data.chosen(turn))]
    for name in "get-random", "get-tx", "get-many":
        assert measured(SMALL[name], "boltpy", tmp_path).checksum == checksum(asked)
        (tmp_path / "boltpy.db").unlink()


def test_a_key_that_is_missing_is_an_error(tmp_path: Path) -> None:
    workload = SMALL["get-random"]
    path = str(tmp_path / "test.db")
    run(Job(replace(workload, count=10), path, PREPARE, "boltpy"), partial(BoltStore, sync=False))
    with pytest.raises(LookupError, match="is missing"):
        run(Job(workload, path, MEASURE, "boltpy"), partial(BoltStore, sync=False))


def test_an_unknown_task_is_refused(tmp_path: Path) -> None:
    workload = replace(SMALL["scan"], task="juggle")
    with pytest.raises(ValueError, match="no task 'juggle'"):
        run(Job(workload, str(tmp_path / "test.db"), MEASURE, "boltpy"), partial(BoltStore, sync=False))


def test_an_error_in_a_thread_is_not_lost(tmp_path: Path) -> None:
    workload = SMALL["get-threads"]
    with pytest.raises(LookupError, match="has no bucket"):
        run(Job(workload, str(tmp_path / "test.db"), MEASURE, "boltpy"), partial(BoltStore, sync=False))
