"""Kills a process that commits, again and again, and looks at the file that each one leaves."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boltpy
from tests.crash.nursery import numbered_change, stored_number
from tests.models import BucketModel, assert_holds

LONGEST_LIFE = 0.03
"""Seconds; most of them end in the middle of a commit."""


class Nursery:
    """The process that forks those that are to be killed."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        assert line, "the nursery ended"
        return line

    def raise_and_kill(self, path: Path, options: dict[str, Any], seconds: float) -> int:
        """Let a process commit to a file for so long, and kill it; the last commit that it told of, or 0."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"path": str(path), "options": options}) + "\n")
        self._process.stdin.flush()
        pid = int(self._line())
        time.sleep(seconds)
        os.kill(pid, signal.SIGKILL)
        told = 0
        while (line := self._line()) != "reaped":
            told = int(line)
        return told


@contextmanager
def nursery() -> Iterator[Nursery]:
    """A nursery that ends with the block."""
    command = [sys.executable, "-m", "tests.crash.nursery"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        try:
            yield Nursery(process)
        finally:
            process.kill()


class Twin:
    """What the commits up to some number leave, by making them elsewhere."""

    def __init__(self, db: boltpy.DB) -> None:
        self._db = db
        self.model = BucketModel()
        self.number = 0

    def catch_up(self, number: int) -> None:
        """Make the commits up to this one."""
        while self.number < number:
            self.number += 1
            with self._db.update() as tx:
                numbered_change(tx, self.model, self.number)


def kill_many_times(path: Path, kills: int, options: dict[str, Any], look: Callable[[], None] = lambda: None) -> int:
    """Kill processes that commit to one file, at random moments; how many commits they told of.

    After each, no commit that was told of is missing, at most one more is there, and the file is sound. `look` is
    called then, too, while nobody has the file open.
    """
    rng = random.Random(kills)
    with nursery() as young, boltpy.open(path.with_name("twin.db"), page_size=1024, no_sync=True) as db:
        twin, told = Twin(db), 0
        boltpy.open(path, page_size=1024).close()
        for _ in range(kills):
            told = max(told, young.raise_and_kill(path, options, rng.random() * LONGEST_LIFE))
            look()
            with boltpy.open(path, timeout=5, **options) as killed, killed.view() as tx:
                assert list(tx.check()) == []
                stored = stored_number(tx)
                assert told <= stored <= told + 1, f"commit {told} was told of, {stored} is there"
                twin.catch_up(stored)
                assert_holds(tx, twin.model)
            told = stored
    return told
