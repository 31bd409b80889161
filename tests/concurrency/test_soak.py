"""Threads of several processes fight for one file, some are killed, and at the end nothing is lost and all is sound."""

from __future__ import annotations

from pathlib import Path

from tests.concurrency.fighting import fight


def test_threads_of_several_processes_that_are_killed_lose_nothing(tmp_path: Path) -> None:
    fight(tmp_path / "a.db")
