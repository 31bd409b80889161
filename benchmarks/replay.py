"""Gofer's log, made again: by the engine here, and by the stand-in for Gofer in tests/interop/go/gofer.

Both make the calls that tests/data has the log of. What is compared is what the two files hold at the end. This is a
process of its own, `python -m benchmarks.replay`: all that it imports would weigh on the others' memory.
"""

from __future__ import annotations

import gc
import json
from pathlib import Path
from time import perf_counter

import boltpy
import engine
from tests.engine.replay import calls
from tests.interop.gofer_peer import opened, raw_lines, recorded_calls
from tests.interop.peer import GOFER_SOURCES, GoPeer

from .building import built, modules
from .data import checksum
from .job import Answer, Job, serve

_LOG = "medium"


def replay(job: Job) -> Answer:
    """Make the calls and tell the time in which they were made; reading the log is not counted."""
    path, count = Path(job.path), job.workload.count
    if job.store == "go":
        seconds, versions = _there(path, count)
    elif job.store == "boltpy":
        seconds, versions = _here(path, count), {"boltpy": boltpy.__version__, "HOT": boltpy.HOT}
    else:
        return Answer(unsupported="is no storage of Gofer's")
    lines = raw_lines(path)
    crc = checksum(json.dumps(line, sort_keys=True).encode() for line in lines)
    return Answer(seconds, count, len(lines), crc, versions)


def _here(path: Path, count: int) -> float:
    logged = list(calls(_LOG))[:count]
    now = 0
    gc.collect()
    with engine.open_engine(path, compat="gofer", max_results_limit=100, clock=lambda: now, no_sync=True) as storage:
        begun = perf_counter()
        for call in logged:
            now = call.now
            call.make(storage)
        return perf_counter() - begun


def _there(path: Path, count: int) -> tuple[float, dict[str, str]]:
    program = built(GOFER_SOURCES)
    found = modules(program)
    # The name tells it from the bbolt of the other rows, which is another.
    versions = {"storm": found["github.com/asdine/storm/v3"], "storm's bbolt": found["go.etcd.io/bbolt"]}
    with GoPeer(program) as peer, opened(peer, path) as gofer:
        return gofer.timed(recorded_calls(_LOG)[:count])[0], versions


if __name__ == "__main__":
    serve(replay)
