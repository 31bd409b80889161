"""Runs one job in a process of its own, and watches how much memory it takes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from .job import Answer, Job

_LIMIT_SECONDS = 3600
_SAMPLE_SECONDS = 0.002
_START_SECONDS = 5


class FailedError(Exception):
    """The process ended without an answer; the text is the end of what it said."""


class Watch:
    """The most memory of a process that no file stands behind, looked at from outside. Linux only: it reads /proc.

    It begins while the process still waits for its job, and has seen it once before it returns: a small job may be done
    before this process gets another turn.
    """

    def __init__(self, pid: int) -> None:
        self.peak = 0  # bytes
        self._status = Path(f"/proc/{pid}/status")
        self._ended = threading.Event()
        latest = time.monotonic() + _START_SECONDS
        while self._look() and not self.peak and time.monotonic() < latest:
            time.sleep(_SAMPLE_SECONDS)
        self._thread = threading.Thread(target=self._sample)
        self._thread.start()

    def _look(self) -> bool:
        """Return whether there is memory to tell of. A process that has ended has none, be it waited for or not."""
        try:
            lines = self._status.read_text().splitlines()
        except OSError:
            return False
        for line in lines:
            if line.startswith("RssAnon:"):
                self.peak = max(self.peak, 1024 * int(line.split()[1]))
                return True
        return False

    def _sample(self) -> None:
        while not self._ended.wait(_SAMPLE_SECONDS) and self._look():
            pass

    def end(self) -> None:
        """Stop looking."""
        self._ended.set()
        self._thread.join()


def work(job: Job, command: Sequence[str], environment: Mapping[str, str], *, watch: bool) -> tuple[Answer, int]:
    """Do a job in a new process.

    Args:
        job: What to do.
        command: Starts the process.
        environment: Its environment.
        watch: Whether to look at its memory; looking costs it a little time.

    Returns:
        Its answer, and its peak of memory in bytes (0 without `watch`).

    Raises:
        FailedError: It gave no answer, or none that can be read.
    """
    begun = time.monotonic()
    watching = None
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(environment),
        start_new_session=True,  # one group with whatever it starts, to end all of them
    )
    try:
        if watch:
            watching = Watch(process.pid)
        out, said = process.communicate(json.dumps(job.as_json()), timeout=_LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        raise FailedError(f"no answer after {time.monotonic() - begun:.0f} seconds") from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        if watching is not None:
            watching.end()
    if process.returncode != 0:
        last = said.strip().splitlines()[-1:] or ["it said nothing"]
        raise FailedError(f"{_ended(process.returncode)}: {last[0]}")
    try:
        answer = Answer(**json.loads(out))
    except (ValueError, TypeError) as error:
        raise FailedError(f"it gave no answer that can be read: {error}") from error
    return answer, watching.peak if watching is not None else 0


def _ended(returncode: int) -> str:
    """Say how a process ended; a negative code is a signal's number."""
    if returncode >= 0:
        return f"exit code {returncode}"
    try:
        return f"killed by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"killed by signal {-returncode}"
