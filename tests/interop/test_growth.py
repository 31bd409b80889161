"""File sizes: the same growth steps as bbolt after every commit, and pages taken from the same places."""

from __future__ import annotations

from pathlib import Path

import pytest

import boltpy

from .peer import GoPeer
from .workload import Workload, run

KIB, MIB = 1 << 10, 1 << 20

# Commits of some 650 KiB, past the 16 MiB at which a file stops to double.
LARGE = Workload(count=400, per_tx=10, keys="ascending", value_size=(64 * KIB, 64 * KIB))
# Commits of some 100 KiB, where the steps can be told apart.
SMALL = Workload(count=120, per_tx=2, keys="ascending", value_size=(30 * KIB, 60 * KIB))


@pytest.mark.parametrize("no_grow_sync", [False, True], ids=["grow-sync", "no-grow-sync"])
@pytest.mark.parametrize(
    ("workload", "options"),
    [
        (LARGE, {}),
        (LARGE, {"page_size": 16384}),
        (SMALL, {"page_size": 1024}),
        (SMALL, {"page_size": 3000}),
        (SMALL, {"page_size": 65536}),
        (SMALL, {"alloc_size": 300 * KIB}),
        (SMALL, {"alloc_size": 1}),
        (SMALL, {"initial_mmap_size": 3 * MIB}),
        (SMALL, {"initial_mmap_size": 3 * MIB, "alloc_size": 2 * MIB}),
        (SMALL, {"no_freelist_sync": True}),
    ],
    ids=lambda value: "-".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else str(value.count),
)
def test_the_file_grows_in_the_steps_of_bbolt(
    peer: GoPeer, tmp_path: Path, workload: Workload, options: dict[str, object], no_grow_sync: bool
) -> None:
    flags = {"no_sync": True, "no_grow_sync": no_grow_sync, **options}
    with boltpy.open(tmp_path / "ours.db", **flags) as db:
        ours = run(db, workload)
    with peer.open(tmp_path / "theirs.db", **flags) as go:
        theirs = go.run(workload)
    assert len(set(theirs.sizes)) > 1
    assert ours.sizes == theirs.sizes


@pytest.mark.parametrize("options", [{}, {"alloc_size": 200 * KIB}, {"no_grow_sync": True}], ids=str)
def test_a_file_that_changes_hands_grows_as_if_bbolt_alone_wrote_it(
    peer: GoPeer, tmp_path: Path, options: dict[str, object]
) -> None:
    shared, alone = tmp_path / "shared.db", tmp_path / "alone.db"
    for turn in range(10):
        part = Workload(4, 2, keys="random", value_size=(10 * KIB, 60 * KIB), seed=turn)
        with peer.open(alone, no_sync=True, **options) as go:
            expected = go.run(part)
        if turn % 2:
            with peer.open(shared, no_sync=True, **options) as go:
                found = go.run(part)
        else:
            with boltpy.open(shared, no_sync=True, **options) as db:
                found = run(db, part)
        assert found.sizes == expected.sizes, f"turn {turn}"
    assert shared.read_bytes() == alone.read_bytes()


def test_opening_a_file_without_its_freelist_leaves_the_same_file(peer: GoPeer, tmp_path: Path) -> None:
    """An opener that keeps the freelist stores the one that is missing, in a commit of its own."""
    ours, theirs = tmp_path / "ours.db", tmp_path / "theirs.db"
    with peer.open(theirs, no_sync=True, no_freelist_sync=True) as go:
        go.run(Workload(500, 50, overwrite=30))
    ours.write_bytes(theirs.read_bytes())
    boltpy.open(ours).close()
    peer.open(theirs).close()
    assert ours.read_bytes() == theirs.read_bytes()
