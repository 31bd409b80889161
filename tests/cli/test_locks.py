"""A file that somebody has open: reported at once and by whom, waited for on demand, and no matter for raw looks."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import boltpy
from tests.cli.beside import Bbolt, run_here
from tests.cli.command import COMMAND, ROOT

HOLD = "import boltpy, sys; db = boltpy.open(sys.argv[1]); print(flush=True); sys.stdin.read()"

LOCKING = [
    "info {}", "buckets {}", "keys {} b", "get {} b none", "inspect {}", "check {}", "stats {}", "pages {}",
    "compact {} -o {}.new", "surgery revert-meta-page {} --output {}.new", "surgery meta validate {}",
    "surgery find-key {} big",
    "surgery meta update {} --output {}.new", "surgery freelist rebuild {} --output {}.new",
    "tree {}", "du {}", "export {} -o {}.new", "export {} --sqlite {}.new", "recover {} -o {}.new",
]  # fmt: skip


@pytest.fixture
def path(samples: dict[str, Path], tmp_path: Path) -> Path:
    path = tmp_path / "a.db"
    path.write_bytes(samples["rich"].read_bytes())
    return path


@contextmanager
def held_by_another_process(path: Path) -> Iterator[int]:
    """Somebody else has the file open for writing; their process id."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, path], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid


def test_each_command_reports_a_held_lock_at_once_and_names_the_process(path: Path) -> None:
    with held_by_another_process(path) as pid:
        holder = f"process {pid}" if Path("/proc/locks").exists() else "a process that the system does not name"
        start = time.monotonic()
        for line in LOCKING:
            found = run_here(*line.format(path, path).split())
            assert found == (1, b"", f"Error: {path} is locked by {holder}\n"), line
        assert time.monotonic() - start < 30  # most of it in looking for forgotten databases, among what pytest has


def test_a_holder_that_the_system_does_not_name_is_a_process_too(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object, **__: object) -> None:
        raise OSError

    monkeypatch.setattr("boltpy.storage.open", no_locks, raising=False)
    with boltpy.open(path):
        told = run_here("keys", path, "b")[2]
    assert told == f"Error: {path} is locked by a process that the system does not name\n"


def test_the_lock_of_bbolt_is_seen_too(path: Path, bbolt: Bbolt) -> None:
    """bbolt's `bench` has its file open for a second at least; a process that only looks at it takes less."""
    seen = ""
    for _ in range(5):
        running = threading.Thread(target=bbolt, args=("bench", "--count", "10", "--path", path, "--work"))
        running.start()
        while running.is_alive() and not seen:
            look = subprocess.run([*COMMAND, "info", path], cwd=ROOT, capture_output=True, text=True, check=False)
            seen = look.stderr
        running.join()
        if seen:
            break
    assert "is locked by" in seen


def test_a_lock_that_is_given_up_in_time_is_waited_for(path: Path) -> None:
    db = boltpy.open(path)
    threading.Timer(0.3, db.close).start()
    start = time.monotonic()
    assert run_here("info", path, "--timeout", "20") == (0, b"Page Size: 4096\n", "")
    assert 0.2 < time.monotonic() - start < 10


def test_readers_do_not_mind_each_other(path: Path) -> None:
    with boltpy.open(path, read_only=True):
        for line in LOCKING:
            if line != "get {} b none":
                code, _, errors = run_here(*line.format(path, path).split())
                assert code == 0 or "already has freelist" in errors
            path.with_name("a.db.new").unlink(missing_ok=True)


@pytest.mark.parametrize("line", ["page {} 0 1", "page-item {} 3 0", "dump {} 0"])
def test_a_raw_look_needs_no_lock(path: Path, line: str) -> None:
    expected = run_here(*line.format(path).split())
    with boltpy.open(path):
        assert run_here(*line.format(path).split()) == expected


def test_errors_are_text_also_for_those_who_asked_for_json(path: Path) -> None:
    with boltpy.open(path):
        code, out, errors = run_here("info", path, "--json")
    assert (code, out) == (1, b"")
    assert errors.count("\n") == 1
    assert json.loads(run_here("info", path, "--json")[1])["page_size"] == 4096
