"""One of the processes that write while servers are killed and paused: threads, each with an engine of its own.

Adds runs to one pipeline until its standard input ends, and prints a line for each attempt, as JSON: what it was
called, its number or its error, and how long it took.
"""

from __future__ import annotations

import json
import sys
import threading
import time

import engine

PLACE = {"namespace_id": "ns", "pipeline_id": "p"}


def work(url: str, name: str, over: threading.Event, printing: threading.Lock) -> None:
    with engine.open_engine(url) as storage:
        attempt = 0
        while not over.is_set():
            attempt += 1
            tag = f"{name}-{attempt}"
            run = engine.Run(**PLACE, trigger_name=tag)
            begun = time.monotonic()
            error = ""
            try:
                storage.add_run(run)
            except engine.EngineError as failed:
                error = f"{type(failed).__name__}: {failed}"
            line = {"tag": tag, "id": run.id, "error": error, "seconds": time.monotonic() - begun}
            with printing:
                print(json.dumps(line), flush=True)
            time.sleep(0.01)


def main() -> None:
    url, name, count = sys.argv[1:]
    over, printing = threading.Event(), threading.Lock()
    threads = [
        threading.Thread(target=work, args=(url, f"{name}{number}", over, printing)) for number in range(int(count))
    ]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    over.set()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
