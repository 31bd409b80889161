"""What a restored file must be, told from the database file itself, and small databases to back up."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import boltpy
from boltpy import snapshot
from tests.crash.workload import change
from tests.models import BucketModel, assert_holds

PAGE_SIZE = 1024


def flip(path: Path, place: int, bit: int) -> None:
    """Change one bit of a file."""
    with path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 1 << bit]))


class Growing:
    """A database that goes through random transactions, with its model."""

    def __init__(self, db: boltpy.DB, seed: int = 0) -> None:
        self.db = db
        self.model = BucketModel()
        self._rng = random.Random(seed)

    def commit(self, count: int = 1) -> None:
        """Make so many random transactions."""
        for _ in range(count):
            with self.db.update() as tx:
                change(tx, self.model, self._rng)


def image(tx: boltpy.Tx) -> bytes:
    """The bytes that a restored file must have: the pages in use as they are, zeros where a page is free.

    Which pages are free is asked of the freelist; a backup walks the trees. The other meta tells the same state.
    """
    size = tx.db.info().page_size
    whole = bytearray(Path(tx.db.path).read_bytes()[: tx.size])
    own, other = tx.id % 2, 1 - tx.id % 2
    twin = tx._snapshot.meta._replace(txid=tx.id - 1).encode(other)
    whole[other * size : (other + 1) * size] = twin
    assert whole[own * size : (own + 1) * size] == tx._snapshot.meta.encode(own)
    for pgid in range(2, tx.size // size):
        page = tx.page(pgid)
        assert page is not None
        if page.type == "free":
            whole[pgid * size : (pgid + 1) * size] = bytes(size)
    return bytes(whole)


class Chain:
    """Backups of one database, each incremental to the one before, with what each must give back."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.paths: list[Path] = []
        self.images: list[bytes] = []
        self.models: list[BucketModel] = []

    def add(self, growing: Growing) -> snapshot.Backup:
        """Back up what the database holds now."""
        path = self.folder / f"{len(self.paths)}.backup"
        with growing.db.view() as tx:
            since = self.paths[-1] if self.paths else None
            made = snapshot.backup_file(tx, path, since=since)
            self.images.append(image(tx))
        assert made.size == path.stat().st_size
        self.paths.append(path)
        self.models.append(growing.model.copy())
        return made


def assert_sound(path: Path, model: BucketModel) -> None:
    """The file holds this and passes the check."""
    with boltpy.open(path, read_only=True) as db, db.view() as tx:
        assert list(tx.check()) == []
        assert_holds(tx, model)


def open_small(path: Path, **options: Any) -> boltpy.DB:
    """A database with small pages, whose commits need no disk."""
    return boltpy.open(path, page_size=PAGE_SIZE, no_sync=True, **options)
