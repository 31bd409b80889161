"""How fast the engine on etcd is beside bare puts and gets through grpc on the same server, in the same run.

    python -m benchmarks.etcd 127.0.0.1:2379

Each writer is a thread with an engine of its own. Rounds of all tasks alternate, and the medians are printed. What it
stores stays there, below "bench/": take a server to throw away.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import threading
import time
import uuid
from collections.abc import Callable

import grpc

import engine

Task = Callable[[int, int], Callable[[int], object]]
"""Makes, for one writer of so many, what is done once for each number."""

ROUNDS = 5


def tasks_on(server: str) -> dict[str, Task]:
    """The tasks by name."""
    url = f"etcd://{server}/bench/{uuid.uuid4().hex}"
    value = engine.encode(engine.Run(namespace_id="bench", pipeline_id="p0", id=1))
    channels = [grpc.insecure_channel(server, [("grpc.use_local_subchannel_pool", 1)]) for _ in range(8)]
    storages = [engine.open_engine(url) for _ in range(8)]
    for number in range(9):
        storages[0].add_pipeline(engine.Pipeline(id=f"p{number}", namespace="bench"))
        storages[0].add_run(engine.Run(namespace_id="bench", pipeline_id=f"p{number}"))

    def bare(writer: int, method: str, *fields: bytes) -> Callable[[int], object]:
        # Without serializers, requests and answers are bytes: here fields 1 and 2 of a message.
        call: Callable[..., object] = channels[writer].unary_unary(f"/etcdserverpb.KV/{method}")
        request = b"".join(bytes([number << 3 | 2]) + _sized(field) for number, field in enumerate(fields, 1))
        return lambda _: call(request, timeout=10)

    def put(writer: int, writers: int) -> Callable[[int], object]:
        return bare(writer, "Put", b"bench/bare/%d" % writer, value)

    def get(writer: int, writers: int) -> Callable[[int], object]:
        return bare(writer, "Range", b"bench/bare/%d" % writer)

    def add_to(pipeline: str, writer: int) -> Callable[[int], object]:
        return lambda _: storages[writer].add_run(engine.Run(namespace_id="bench", pipeline_id=pipeline))

    def get_run(writer: int, writers: int) -> Callable[[int], object]:
        return lambda _: storages[writer].get_run(namespace_id="bench", pipeline_id=f"p{writer}", id=1)

    return {
        "bare put": put,
        "add_run, each to a pipeline of its own": lambda writer, _: add_to(f"p{writer}", writer),
        "add_run, all to one pipeline": lambda writer, _: add_to("p8", writer),
        "bare get": get,
        "get_run": get_run,
    }


def _sized(field: bytes) -> bytes:
    size, prefix = len(field), b""
    while size > 127:
        prefix += bytes([size & 127 | 128])
        size >>= 7
    return prefix + bytes([size]) + field


def rate(task: Task, writers: int, count: int) -> float:
    """Operations a second, all writers together."""
    works = [task(writer, writers) for writer in range(writers)]
    ready = threading.Barrier(writers + 1)

    def work(once: Callable[[int], object]) -> None:
        ready.wait()
        for number in range(count):
            once(number)

    threads = [threading.Thread(target=work, args=(once,)) for once in works]
    for thread in threads:
        thread.start()
    ready.wait()
    begun = time.perf_counter()
    for thread in threads:
        thread.join()
    return writers * count / (time.perf_counter() - begun)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("server", help="host:port of an etcd server without TLS and users")
    parser.add_argument("--count", type=int, default=300, help="operations of each writer in a round")
    options = parser.parse_args()
    tasks = tasks_on(options.server)
    rates: dict[tuple[str, int], list[float]] = {}
    for _ in range(ROUNDS):
        for name, task in tasks.items():
            for writers in 1, 8:
                rates.setdefault((name, writers), []).append(rate(task, writers, options.count // writers))
    for name in tasks:
        one, eight = (statistics.median(rates[name, writers]) for writers in (1, 8))
        sys.stdout.write(f"| {name} | {one:,.0f} | {eight:,.0f} |\n")


if __name__ == "__main__":
    main()
