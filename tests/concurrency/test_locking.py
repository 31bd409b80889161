"""The lock on the file: one writing opener or several reading ones, in this process and in others."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import boltpy
from tests.boltpy.background import Background
from tests.boltpy.sizes import sized

HOLD = """
import sys, boltpy
with boltpy.open(sys.argv[1], read_only=sys.argv[2] == "shared"):
    print("holding", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.db"
    with boltpy.open(path) as db, db.update() as tx:
        tx.create_bucket(b"b")
    return path


@contextmanager
def another_process(path: Path, kind: str) -> Iterator[subprocess.Popen[str]]:
    """A process that has the database open, until the block ends."""
    command = [sys.executable, "-c", HOLD, str(path), kind]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "holding\n"
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def this_process(path: Path, kind: str) -> Iterator[boltpy.DB]:
    """The same, inside this process."""
    with boltpy.open(path, read_only=kind == "shared") as db:
        yield db


HOLDERS = {"another process": another_process, "this process": this_process}


def open_elapsed(path: Path, **options: Any) -> float:
    """Seconds until opening gave up; fails if it did not."""
    start = time.monotonic()
    with pytest.raises(boltpy.LockTimeoutError) as caught:
        boltpy.open(path, **options)
    elapsed = time.monotonic() - start
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.timeout == options["timeout"]
    assert caught.value.path == str(path)
    return elapsed


@pytest.mark.parametrize("holder", HOLDERS)
@pytest.mark.parametrize(("held", "wanted"), [("exclusive", False), ("exclusive", True), ("shared", False)])
def test_a_lock_timeout_comes_when_it_says_and_not_earlier(path: Path, holder: str, held: str, wanted: bool) -> None:
    with HOLDERS[holder](path, held):
        for timeout in (0.01, 0.05, 0.2):
            elapsed = open_elapsed(path, timeout=timeout, read_only=wanted)
            assert timeout <= elapsed < timeout + 2
    with boltpy.open(path, timeout=5, read_only=wanted) as db, db.view() as tx:
        assert tx.bucket(b"b") is not None


@pytest.mark.parametrize("holder", HOLDERS)
def test_several_readers_may_have_the_file_open(path: Path, holder: str) -> None:
    with (
        HOLDERS[holder](path, "shared"),
        boltpy.open(path, read_only=True, timeout=1) as one,
        boltpy.open(path, read_only=True, timeout=1) as other,
        one.view() as first,
        other.view() as second,
    ):
        assert first.bucket(b"b") is not None
        assert second.bucket(b"b") is not None


@pytest.mark.parametrize("options", [{}, {"timeout": None}, {"timeout": 0}, {"timeout": 30}])
def test_opening_waits_until_the_lock_is_free(path: Path, options: dict[str, Any]) -> None:
    holder = boltpy.open(path)
    waiting = Background(lambda: boltpy.open(path, **options))
    assert waiting.is_waiting()
    holder.close()
    with waiting.result(10) as db, db.update() as tx:
        assert tx.bucket(b"b") is not None


@pytest.mark.parametrize(("held", "wanted"), [("exclusive", False), ("exclusive", True), ("shared", False)])
def test_a_thread_does_not_wait_for_itself(path: Path, held: str, wanted: bool) -> None:
    with this_process(path, held), pytest.raises(boltpy.LockTimeoutError, match="this thread opened: close it first"):
        boltpy.open(path, read_only=wanted)
    boltpy.open(path).close()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_forgotten_database_keeps_nobody_waiting(path: Path) -> None:
    forgotten: dict[str, object] = {"db": boltpy.open(path)}
    forgotten["itself"] = forgotten  # only the garbage collector finds it
    del forgotten
    boltpy.open(path).close()


def test_the_lock_of_a_killed_process_is_free_at_once(path: Path) -> None:
    with another_process(path, "exclusive") as process:
        process.kill()
        process.wait()
        with boltpy.open(path, timeout=1) as db, db.update() as tx:
            assert tx.bucket(b"b") is not None


def test_the_lock_is_a_flock_on_the_file_itself(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        open_elapsed(path, timeout=0.05)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        open_elapsed(path, timeout=0.05)
        boltpy.open(path, read_only=True, timeout=1).close()
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        with boltpy.open(path, timeout=1), pytest.raises(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(descriptor)


def test_a_failed_open_holds_no_descriptor(path: Path) -> None:
    with boltpy.open(path):
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(3):
            open_elapsed(path, timeout=0.01)
        assert len(os.listdir("/proc/self/fd")) == before
    with boltpy.open(path, timeout=1):
        pass
    assert len(os.listdir("/proc/self/fd")) < before


def test_a_new_file_is_created_by_only_one_of_many_openers(tmp_path: Path) -> None:
    def open_and_count() -> int:
        with boltpy.open(tmp_path / "new.db", timeout=30) as db, db.update() as tx:
            return tx.create_bucket_if_not_exists(b"b").next_sequence()

    openers = [Background(open_and_count) for _ in range(10)]
    assert sorted(opener.result() for opener in openers) == list(range(1, 11))


COUNT = """
import sys, boltpy
for _ in range(int(sys.argv[2])):
    with boltpy.open(sys.argv[1], timeout=60) as db:
        for _ in range(3):
            with db.update() as tx:
                bucket = tx.bucket(b"b")
                bucket.put(b"%08d" % bucket.next_sequence(), bytes(700))
    with boltpy.open(sys.argv[1], timeout=60, read_only=True) as db, db.view() as tx:
        bucket = tx.bucket(b"b")
        assert sum(1 for _ in bucket) == bucket.sequence
"""


def test_processes_that_fight_for_the_lock_lose_nothing(path: Path) -> None:
    rounds, fighters = sized(c=15, py=15, deep=1_000), 3
    command = [sys.executable, "-c", COUNT, str(path), str(rounds)]
    fighting = [subprocess.Popen(command, cwd=Path(__file__).parents[2]) for _ in range(fighters)]
    assert [fighter.wait() for fighter in fighting] == [0] * fighters
    with boltpy.open(path, timeout=1) as db, db.view() as tx:
        bucket = tx.bucket(b"b")
        assert bucket is not None
        assert bucket.sequence == 3 * rounds * fighters
        assert [int(key) for key in bucket] == list(range(1, bucket.sequence + 1))
        assert list(tx.check()) == []
