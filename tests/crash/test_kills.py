"""Processes that are killed with SIGKILL at random moments: no commit that they told of is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.boltpy.sizes import sized
from tests.crash.killing import kill_many_times

KILLS = sized(c=17, py=17, deep=334)
"""For each of the three ways to open a file."""


@pytest.mark.parametrize("options", [{}, {"no_freelist_sync": True}, {"no_sync": True}], ids=str)
def test_a_killed_process_loses_no_commit_that_it_told_of(tmp_path: Path, options: dict[str, bool]) -> None:
    assert kill_many_times(tmp_path / "a.db", KILLS, options) > 0
