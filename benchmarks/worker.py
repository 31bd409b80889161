"""The process of a peer in Python: a job as JSON comes in, an answer goes out. `python -m benchmarks.worker`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module

from .job import Answer, Job, serve
from .stores import BoltStore, SqliteStore, Store, UnsupportedError
from .tasks import run


def _store(name: str) -> Callable[..., Store]:
    if name == "lmdb":
        store: Callable[..., Store] = import_module(".stores.lmdb", __package__).LmdbStore
        return store
    return {"boltpy": BoltStore, "sqlite3": SqliteStore}[name]


def answer(job: Job) -> Answer:
    """Do a job in this process."""
    try:
        return run(job, partial(_store(job.store), sync=job.workload.sync))
    except UnsupportedError as reason:
        return Answer(unsupported=str(reason))


if __name__ == "__main__":
    serve(answer)
