"""Chains of backups of a file that bbolt writes: bbolt finds nothing wrong with what comes back, and writes on."""

from __future__ import annotations

from pathlib import Path

import pytest

import boltpy
from boltpy import snapshot
from tests.boltpy.sizes import sized

from .history import History
from .peer import GoPeer


@pytest.mark.parametrize("options", [{}, {"no_freelist_sync": True}, {"freelist_type": "hashmap"}], ids=str)
@pytest.mark.parametrize("page_size", [1024, 4096])
@pytest.mark.parametrize("seed", range(sized(c=3, py=2, deep=100)))
def test_each_point_of_a_chain_passes_bbolts_check_and_holds_what_bbolt_put(
    peer: GoPeer, tmp_path: Path, options: dict[str, bool], page_size: int, seed: int
) -> None:
    path, back = tmp_path / "a.db", tmp_path / "back.db"
    history = History(seed, page_size)
    chain: list[Path] = []
    digests: list[str] = []
    for number in range(5):
        with peer.open(path, no_sync=True, page_size=page_size, **options) as go:
            if not number:
                go.update(history.landmarks()[0])
            for _ in range(seed % 3 + 1):
                go.update(history.transaction(40, careful=True)[0])
            digests.append(go.digest())
        with boltpy.open(path, read_only=True) as db, db.view() as tx:
            chain.append(tmp_path / f"{number}.backup")
            snapshot.backup_file(tx, chain[-1], since=chain[-2] if number else None)
    for number, digest in enumerate(digests):
        snapshot.restore(chain[: number + 1], back)
        with peer.open(back, read_only=True) as go:
            assert go.check() == []
            assert go.digest() == digest
    with peer.open(back, no_sync=True) as go:  # the last one is written on, into the pages that came back as zeros
        go.update(history.transaction(40, careful=True)[0])
        assert go.check() == []


def test_what_bbolt_commits_after_sealing_is_not_taken_for_damage(peer: GoPeer, tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    history = History(7)
    with peer.open(path) as go:
        for _ in range(4):
            go.update(history.transaction(60, careful=True)[0])
    with boltpy.open(path, read_only=True) as db, db.view() as tx:
        sealed = snapshot.seal(tx)
    assert snapshot.scrub(path).ok
    with peer.open(path) as go:  # without a commit nothing changes
        go.check()
    assert snapshot.scrub(path).ok
    for number in range(1, 6):
        with peer.open(path) as go:
            go.update(history.transaction(5, careful=True)[0])
        found = snapshot.scrub(path)
        assert (found.sealed_txid, found.file_txid, found.changed, found.ok) == (sealed, sealed + number, [], False)
        assert found.verified + len(found.unknown) == found.page_count
    with boltpy.open(path, seal=True):  # what keeps the seal begins anew where somebody else has written
        pass
    assert snapshot.scrub(path).ok
