"""bbolt's own check on the files of processes that were killed."""

from __future__ import annotations

from pathlib import Path

from tests.boltpy.sizes import sized
from tests.crash.killing import kill_many_times

from .peer import GoPeer


def test_bbolt_finds_nothing_wrong_with_the_file_of_a_killed_process(peer: GoPeer, tmp_path: Path) -> None:
    path = tmp_path / "a.db"

    def check() -> None:
        with peer.open(path, read_only=True) as go:
            assert go.check() == []

    assert kill_many_times(path, sized(c=20, py=20, deep=1000), {}, check) > 0
