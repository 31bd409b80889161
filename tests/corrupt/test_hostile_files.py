"""Real files with damages that know the format: a result or a BoltError, in bounded time and memory."""

from __future__ import annotations

import lzma
import os
import random
from pathlib import Path

import pytest

import boltpy
from tests.boltpy.sizes import DEEP, sized
from tests.corrupt.mutations import Mutation, Mutator
from tests.corrupt.surviving import survive
from tests.real.files import REAL_FILES, unpack

DATA = Path(__file__).parents[1] / "data"
GOFER_FILES = ["gofer_secrets", "gofer_late", "gofer_upgraded"]
LARGE = 1_000_000
"""Bytes; larger files take a second for each damage and are left to the deep run."""

COUNT = sized(c=60, py=20, deep=5_000)
"""Damages of each file."""


def real_file(name: str, folder: Path) -> Path:
    """A database that another program wrote."""
    if name in REAL_FILES:
        return unpack(name, folder)
    path = folder / f"{name}.db"
    path.write_bytes(lzma.decompress((DATA / f"{name}.db.xz").read_bytes()))
    return path


@pytest.mark.parametrize("name", [*REAL_FILES, *GOFER_FILES])
def test_a_real_file_with_damages_gives_a_result_or_a_bolt_error(tmp_path: Path, name: str) -> None:
    path = real_file(name, tmp_path)
    is_large = path.stat().st_size > LARGE
    mutator = Mutator(path.read_bytes(), seed=random.randrange(2**32) if DEEP else len(name))
    survive(path, (mutator.draw() for _ in range(max(1, COUNT // 60) if is_large else COUNT)))


def test_most_damages_are_seen(tmp_path: Path) -> None:
    """Or else the mutations would hit nothing that matters."""
    path = real_file("containerd_snapshotter_native.db", tmp_path)
    sound, seen = path.read_bytes(), 0
    mutator = Mutator(sound, seed=3)
    for _ in range(100):
        path.write_bytes(mutator.draw().apply(sound))
        try:
            with boltpy.open(path, read_only=True) as db, db.view() as tx:
                seen += bool(list(tx.check()))
        except boltpy.BoltError:
            seen += 1
    assert seen > 50


def test_a_mutation_can_be_written_down_and_read_again() -> None:
    mutator = Mutator(os.urandom(20_000), seed=1)
    for _ in range(200):
        mutation = mutator.draw()
        assert Mutation.parse(str(mutation)) == mutation
