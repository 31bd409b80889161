"""The tasks in Python: make the data, take the time of one call of a store, and read back what it left.

Data is made before the time is taken, but where a task is about memory. go/tasks.go has the same tasks.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from threading import Event, Thread
from time import perf_counter
from typing import TypeVar

from .data import Data, Pair, checksum
from .job import PREPARE, Answer, Job
from .stores import Store

T = TypeVar("T")

Opener = Callable[[str], Store]


@dataclass(slots=True)
class Task:
    """A job under way: its data, its open store and its clock."""

    job: Job
    open: Opener
    store: Store
    data: Data
    seconds: float = 0.0
    operations: int = 0

    def timed(self, operations: int, work: Callable[[], T]) -> T:
        """Do the work, again and again for the least time of the workload, and count its mean time."""
        gc.collect()
        begun = perf_counter()
        result = work()
        spent, times = perf_counter() - begun, 1
        while spent < self.job.workload.least_seconds:
            result = work()
            spent, times = perf_counter() - begun, times + 1
        self.seconds += spent / times
        self.operations += operations
        return result

    def answer(self, parts: Iterable[Pair], before: int = 0) -> Answer:
        """Sum up the pairs that are to be the same with every peer."""
        pairs, crc = 0, before
        for pair in parts:
            pairs, crc = pairs + 1, checksum(pair, crc)
        return Answer(self.seconds, self.operations, pairs, crc, self.store.versions())

    def batches(self, numbers: range, version: int = 0, *, chosen: bool = False) -> Iterator[Iterator[Pair]]:
        """The pairs of these numbers, or of those chosen in these turns, a batch a transaction; made when used."""
        size = self.job.workload.batch
        for start in range(numbers.start, numbers.stop, size):
            some: Iterable[int] = range(start, min(start + size, numbers.stop))
            if chosen:
                some = map(self.data.chosen, some)
            yield map(self.data.pair, some, _always(version))

    def chosen_keys(self) -> list[bytes]:
        """The keys that are asked for."""
        return [self.data.key(self.data.chosen(turn)) for turn in range(self.job.workload.ops)]


def run(job: Job, open_store: Opener) -> Answer:
    """Do a job.

    Args:
        job: What to do.
        open_store: Opens the store of a path.

    Raises:
        UnsupportedError: The store can not do it.
        ValueError: There is no task of that name.
    """
    work = job.workload
    perform = TASKS.get(work.task)
    if perform is None:
        raise ValueError(f"there is no task {work.task!r}; the tasks are {', '.join(sorted(TASKS))}")
    data = Data(work.keys, work.values, work.order == "ordered", work.seed, work.count, work.spread)
    task = Task(job, open_store, open_store(job.path), data)
    try:
        task.store.require_keys(work.keys)
        return _prepare(task) if job.mode == PREPARE else perform(task)
    finally:
        task.store.close()


def _prepare(task: Task) -> Answer:
    work = task.job.workload
    if work.prepared == "freed":
        task.store.free(work.count)
        task.store.put_many([task.data.pairs(0, 1)])
    else:
        task.store.put_many(task.batches(range(work.count)))
    return task.answer([])


def _always(value: int) -> Iterator[int]:
    while True:
        yield value


def _lists(batches: Iterable[Iterable[T]]) -> list[list[T]]:
    return [list(batch) for batch in batches]


def _values(keys: list[bytes], values: list[bytes | None]) -> Iterator[Pair]:
    for key, value in zip(keys, values, strict=True):
        if value is None:
            raise LookupError(f"the key {key.hex()} is missing")
        yield key, value


# -- writing -----------------------------------------------------------------------------------------------------


def _put(task: Task) -> Answer:
    pairs = _lists(task.batches(range(task.job.workload.count)))
    task.timed(task.job.workload.count, lambda: task.store.put(pairs))
    return task.answer(task.store.pairs())


def _put_many(task: Task) -> Answer:
    pairs = _lists(task.batches(range(task.job.workload.count)))
    task.timed(task.job.workload.count, lambda: task.store.put_many(pairs))
    return task.answer(task.store.pairs())


def _put_stream(task: Task) -> Answer:
    # For memory: the data is not there before it is needed.
    count = task.job.workload.count
    task.timed(count, lambda: task.store.put(task.batches(range(count))))
    return task.answer(task.store.pairs())


def _replace(task: Task) -> Answer:
    pairs = _lists(task.batches(range(task.job.workload.ops), 1, chosen=True))
    task.timed(task.job.workload.ops, lambda: task.store.put(pairs))
    return task.answer(task.store.pairs())


def _replace_many(task: Task) -> Answer:
    pairs = _lists(task.batches(range(task.job.workload.ops), 1, chosen=True))
    task.timed(task.job.workload.ops, lambda: task.store.put_many(pairs))
    return task.answer(task.store.pairs())


def _delete(task: Task) -> Answer:
    keys = [[key for key, _value in batch] for batch in task.batches(range(task.job.workload.ops))]
    task.timed(task.job.workload.ops, lambda: task.store.delete(keys))
    return task.answer(task.store.pairs())


def _mixed(task: Task) -> Answer:
    ops = task.job.workload.ops
    wanted = [task.data.key(task.data.chosen(turn)) for turn in range(ops, 2 * ops)]
    turn = iter(wanted)
    batches = [[(next(turn), pair) for pair in batch] for batch in task.batches(range(ops), 1, chosen=True)]
    got = task.timed(2 * ops, lambda: task.store.mixed(batches))
    return task.answer(task.store.pairs(), checksum(chain.from_iterable(_values(wanted, got))))


def _nested(task: Task) -> Answer:
    work = task.job.workload
    numbers = range(0, work.count, work.span)
    buckets = [
        (start.to_bytes(8, "big"), list(task.data.pairs(start, min(start + work.span, work.count))))
        for start in numbers
    ]
    a_tx = max(1, work.batch // work.span)
    batches = [buckets[at : at + a_tx] for at in range(0, len(buckets), a_tx)]
    task.timed(work.count, lambda: task.store.nested(batches))
    return task.answer(task.store.nested_pairs())


def _drop(task: Task) -> Answer:
    task.timed(task.job.workload.ops, task.store.drop)
    return task.answer(task.store.pairs())


def _compact(task: Task) -> Answer:
    path = f"{task.job.path}.compact"
    task.timed(task.job.workload.ops, lambda: task.store.compact(path))
    return _copied(task, path)


def _backup(task: Task) -> Answer:
    path = f"{task.job.path}.backup"
    task.timed(task.job.workload.ops, task.store.backup(path))
    restored = task.store.restored(path)
    if restored != path:
        Path(path).unlink()
    return _copied(task, restored)


def _copied(task: Task, path: str) -> Answer:
    """Read back a copy, and remove it."""
    copy = task.open(path)
    try:
        return task.answer(copy.pairs())
    finally:
        copy.close()
        Path(path).unlink()


# -- reading -----------------------------------------------------------------------------------------------------


def _get(task: Task) -> Answer:
    keys = task.chosen_keys()
    return task.answer(_values(keys, task.timed(len(keys), lambda: task.store.get(keys))))


def _get_tx(task: Task) -> Answer:
    keys = task.chosen_keys()
    return task.answer(_values(keys, task.timed(len(keys), lambda: task.store.get_tx(keys))))


def _get_many(task: Task) -> Answer:
    keys = task.chosen_keys()
    return task.answer(_values(keys, task.timed(len(keys), lambda: task.store.get_many(keys))))


def _scan(task: Task) -> Answer:
    seen = task.timed(task.job.workload.count, task.store.scan)
    answer = task.answer(task.store.pairs())
    if seen != answer.pairs:
        raise LookupError(f"the scan saw {seen} pairs of {answer.pairs}")
    return answer


def _seek(task: Task) -> Answer:
    starts = task.chosen_keys()
    found = task.timed(len(starts), lambda: task.store.seek(starts, task.job.workload.span))
    return task.answer(chain.from_iterable(found))


def _reopened(task: Task, work: Callable[[Store], object]) -> None:
    """Open the file again and again, and do something small each time; closing it is not counted."""
    for _ in range(task.job.workload.ops):
        task.store.close()
        task.store = task.timed(0, lambda: task.open(task.job.path))
        task.timed(1, lambda: work(task.store))


def _open_get(task: Task) -> Answer:
    keys = [task.data.key(0)]
    # get_many, because sqlite's get has a connection of its own: it would open the file twice.
    _reopened(task, lambda store: store.get_many(keys))
    return task.answer(_values(keys, task.store.get_many(keys)))


def _open_put(task: Task) -> Answer:
    pairs = [[task.data.pair(0, 1)]]
    _reopened(task, lambda store: store.put(pairs))
    return task.answer(task.store.pairs())


# -- at once -----------------------------------------------------------------------------------------------------


def _at_once(parts: list[T], work: Callable[[T], object]) -> None:
    """Work on each part in a thread of its own; the first error is raised here."""
    errors: list[BaseException] = []

    def one(part: T) -> None:
        try:
            work(part)
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to the caller
            errors.append(error)

    threads = [Thread(target=one, args=(part,)) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def _shares(things: list[T], threads: int) -> list[list[T]]:
    return [things[first::threads] for first in range(threads)]


def _get_threads(task: Task) -> Answer:
    shares = _shares(task.chosen_keys(), task.job.workload.threads)
    got: dict[int, list[bytes | None]] = {}

    def read(number: int) -> None:
        got[number] = task.store.get(shares[number])

    task.timed(task.job.workload.ops, lambda: _at_once(list(range(len(shares))), read))
    return task.answer(pair for number, keys in enumerate(shares) for pair in _values(keys, got[number]))


def _get_busy(task: Task) -> Answer:
    keys, enough = task.chosen_keys(), Event()

    def spin() -> None:
        while not enough.is_set():
            sum(range(100))

    busy = Thread(target=spin)
    busy.start()
    try:
        got = task.timed(len(keys), lambda: task.store.get(keys))
    finally:
        enough.set()
        busy.join()
    return task.answer(_values(keys, got))


def _batched(task: Task) -> Answer:
    work = task.job.workload
    shares = _shares([task.data.pair(task.data.chosen(turn), 1) for turn in range(work.ops)], work.threads)

    def write(pairs: list[Pair]) -> None:
        for pair in pairs:
            task.store.batched(pair)

    task.timed(work.ops, lambda: _at_once(shares, write))
    return task.answer(task.store.pairs())


def _put_beside_reader(task: Task) -> Answer:
    work = task.job.workload
    pairs = _lists(task.batches(range(work.count, work.count + work.ops)))
    seen = task.store.beside_a_reader(lambda: task.timed(work.ops, lambda: task.store.put(pairs)))
    return task.answer(task.store.pairs(), seen)


TASKS: dict[str, Callable[[Task], Answer]] = {
    "put": _put,
    "put_many": _put_many,
    "put_stream": _put_stream,
    "replace": _replace,
    "replace_many": _replace_many,
    "delete": _delete,
    "mixed": _mixed,
    "nested": _nested,
    "drop": _drop,
    "compact": _compact,
    "backup": _backup,
    "get": _get,
    "get_tx": _get_tx,
    "get_many": _get_many,
    "scan": _scan,
    "seek": _seek,
    "open_get": _open_get,
    "open_put": _open_put,
    "get_threads": _get_threads,
    "get_busy": _get_busy,
    "batched": _batched,
    "put_beside_reader": _put_beside_reader,
}
