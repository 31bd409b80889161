"""Lets threads of several processes fight for one file, kills some, and looks whether anything is lost."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import boltpy
from tests.boltpy.sizes import DEEP
from tests.concurrency.soaking import assert_sound, counts, prepare

SECONDS = 300 if DEEP else 4
PROCESSES = 3
ROOT = Path(__file__).parents[2]


class Fighter:
    """One process, and what it told."""

    def __init__(self, path: Path, name: str, seconds: float) -> None:
        command = [
            sys.executable,
            "-W",
            "ignore",
            "-m",
            "tests.concurrency.soaking",
            str(path),
            name,
            name,
            str(seconds),
        ]
        self.name = name
        self.told: dict[str, int] = {}
        self.reads = 0
        self.commits = 0
        self.errors = ""
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
        self._listening = [threading.Thread(target=self._listen), threading.Thread(target=self._complain)]
        for thread in self._listening:
            thread.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            kind, *rest = line.split()
            if kind == "R":
                self.reads += int(rest[0])
            else:
                self.commits += 1
                self.told[f"{self.name} {rest[0]}"] = int(rest[1])

    def _complain(self) -> None:
        assert self.process.stderr is not None
        self.errors = self.process.stderr.read()

    def end(self, *, kill: bool) -> None:
        """Kill it, or wait for it, and hear the last of it."""
        if kill:
            self.process.kill()
        code = self.process.wait(120 if kill else SECONDS + 240)
        for thread in self._listening:
            thread.join(60)
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()
        assert self.errors == ""
        assert code in (0, -9) if kill else code == 0


def fight(path: Path) -> None:
    """Make a database and fight for it; fails unless it is sound at the end and holds all that was told."""
    rng = random.Random()
    prepare(path)
    end = time.monotonic() + SECONDS
    fighters = [Fighter(path, f"p{number}", SECONDS) for number in range(PROCESSES)]
    ended: list[Fighter] = []
    killed = 0
    while (left := end - time.monotonic()) > 1.5:
        time.sleep(rng.uniform(0.3, 1.2))
        fighter = fighters.pop(rng.randrange(len(fighters)))
        fighter.end(kill=True)
        ended.append(fighter)
        killed += 1
        fighters.append(Fighter(path, f"p{PROCESSES + killed}", max(left - 1, 0.5)))
    for fighter in fighters:
        fighter.end(kill=False)
    ended += fighters
    told: Counter[str] = Counter()
    for fighter in ended:
        told.update(fighter.told)
    with boltpy.open(path, timeout=10) as db:
        with db.view() as tx:
            assert list(tx.check()) == []
            assert_sound(tx)
            stored = counts(tx)
        with db.update() as tx:
            tx.create_bucket(b"after").put(b"k", bytes(5000))
    assert {key: count for key, count in told.items() if stored.get(key, 0) < count} == {}
    untold = {key: count for key, count in stored.items() if count > told[key] + 1}
    assert untold == {}, "a thread has one commit at most that it did not tell of"
    commits, reads = sum(fighter.commits for fighter in ended), sum(fighter.reads for fighter in ended)
    print(f"{SECONDS} s: {commits} commits, {reads} reads of everything, {killed} kills, {path.stat().st_size} bytes")
    assert killed > 1
    assert commits > 50
    assert reads > 10
