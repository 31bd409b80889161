"""What every test shares: which kernels run, how databases are opened, and the check that follows each of them.

A test that takes `db` or `open_db` runs once with each freelist type. When it ends, every file opened that way is
checked as the next process finds it, and that process must find the free pages that the live database counted.
The suite is run once for each value of BOLTPY_HOT; nothing here chooses kernels.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

import boltpy

OpenDB = Callable[..., boltpy.DB]

hypothesis.settings.register_profile(
    "ci",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=75 if boltpy.HOT == "c" else 30,
    suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.data_too_large],
)
hypothesis.settings.register_profile(
    "deep",
    deadline=None,
    max_examples=1000,
    stateful_step_count=100,
    print_blob=True,
    suppress_health_check=list(hypothesis.HealthCheck),
)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_configure() -> None:
    """Let signals end the processes that tests start, although `nohup` or a background job began the suite."""
    for number in (signal.SIGHUP, signal.SIGTERM):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header() -> str:
    return f"boltpy: kernels {boltpy.HOT} (boltpy.HOT)"


class OpenedDatabases:
    """Opens databases below one folder and checks all of them when the test is over."""

    def __init__(self, folder: Path, freelist_type: str) -> None:
        self._folder = folder
        self._defaults = {"freelist_type": freelist_type, "strict": os.environ.get("BOLTPY_STRICT") == "1"}
        self._opened: list[boltpy.DB] = []
        self._files: dict[Path, None] = {}

    def __call__(self, name: str | Path = "test.db", **options: Any) -> boltpy.DB:
        """Open `name` (below tmp_path); options as for `boltpy.open`, the freelist type is the test's parameter."""
        path = self._folder / name
        db = boltpy.open(path, **{**self._defaults, **options})
        self._opened.append(db)
        self._files[path] = None
        return db

    def problems(self) -> list[str]:
        """Close everything and reopen it; what check found, and free pages that came or went."""
        found: list[str] = []
        free: dict[Path, int] = {}
        for db in self._opened:
            if is_open(db) and db.options.statistics and not db.read_only:
                stats = db.stats()
                free[Path(db.path)] = stats.free_page_n + stats.pending_page_n
            db.close()
        for path in self._files:
            with boltpy.open(path, read_only=True, preload_freelist=True, timeout=10) as db, db.view() as tx:
                found += [f"{path}: {problem}" for problem in tx.check()]
                stored = db.stats().free_page_n
                if free.get(path, stored) != stored:
                    found.append(f"{path}: {stored} free pages are stored, {free[path]} were known")
        return found


def is_open(db: boltpy.DB) -> bool:
    """Whether the test left the database open."""
    try:
        db.begin().rollback()
    except boltpy.DatabaseNotOpenError:
        return False
    return True


@pytest.fixture(params=["array", "hashmap"])
def freelist_type(request: pytest.FixtureRequest) -> str:
    """Both ways to keep free pages; the file they leave must be sound with either."""
    return str(request.param)


@pytest.fixture
def open_db(tmp_path: Path, freelist_type: str) -> Iterator[OpenDB]:
    """A factory of databases in tmp_path; each must pass `check` when the test ends."""
    databases = OpenedDatabases(tmp_path, freelist_type)
    yield databases
    assert databases.problems() == []


@pytest.fixture
def db(open_db: OpenDB) -> boltpy.DB:
    """One new, empty database with default options."""
    return open_db()
