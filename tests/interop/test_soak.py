"""bbolt's own check on a file that threads of several processes fought for."""

from __future__ import annotations

from pathlib import Path

from tests.concurrency.fighting import fight

from .peer import GoPeer


def test_bbolt_finds_nothing_wrong_with_a_file_that_many_fought_for(peer: GoPeer, tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    fight(path)
    with peer.open(path, read_only=True) as go:
        assert go.check() == []
