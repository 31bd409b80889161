"""Power cuts and kills: whatever a crash leaves of a commit, the file opens with the state before it or after it.

A commit's writes and syncs are recorded. What was written before the last sync is on disk; of what came after it, a
power cut may keep any part, in any order, and half of a write. Each such image is opened and compared.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import boltpy
from tests.boltpy.sizes import sized
from tests.conftest import OpenDB
from tests.models import BucketModel, assert_holds, bucket_at, difference, read_all


@dataclass(frozen=True)
class Write:
    """Bytes at an offset; a truncation has no bytes and its new size as the offset."""

    offset: int
    data: bytes | None

    def apply(self, image: bytearray) -> None:
        if self.data is None:
            if self.offset > len(image):
                image += bytes(self.offset - len(image))
            else:
                del image[self.offset :]
        else:
            end = self.offset + len(self.data)
            if end > len(image):
                image += bytes(end - len(image))
            image[self.offset : end] = self.data

    def torn(self, rng: random.Random) -> Write:
        """The first bytes of this write, as a crash in the middle leaves it; often too few for a whole meta."""
        if self.data is None:
            return self
        return Write(self.offset, self.data[: rng.choice([rng.randrange(len(self.data)), rng.randrange(80)])])


class Recorder:
    """Notes the writes that reach a file, and after which of them it was synced."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.writes: list[Write] = []
        self.synced = [0]
        inode = path.stat().st_ino

        def noting(name: str, note: Callable[..., None]) -> None:
            real = getattr(os, name)

            def call(descriptor: int, *arguments: Any) -> Any:
                result = real(descriptor, *arguments)
                if os.fstat(descriptor).st_ino == inode:
                    note(*arguments)
                return result

            monkeypatch.setattr(os, name, call)

        noting("pwrite", lambda data, offset: self.writes.append(Write(offset, bytes(data))))
        noting("ftruncate", lambda size: self.writes.append(Write(size, None)))
        for name in ("fsync", "fdatasync"):
            noting(name, lambda: self.synced.append(len(self.writes)))

    def images(self, before: bytes, rng: random.Random, each: int) -> list[bytes]:
        """What may be on disk if the power goes at any moment: `each` random choices for every moment."""
        found = {before}
        for done in range(1, len(self.writes) + 1):
            # The moment is right before the sync, if one follows this write: that is the worst.
            safe = max(number for number in self.synced if number < done)
            loose = self.writes[safe:done]
            for attempt in range(each):
                image = bytearray(before)
                for write in self.writes[:safe]:
                    write.apply(image)
                kept = loose if attempt == 0 else rng.sample(loose, rng.randrange(len(loose) + 1))
                for write in kept:
                    (write.torn(rng) if attempt % 3 == 2 else write).apply(image)
                found.add(bytes(image))
        return sorted(found)


def random_changes(tx: boltpy.Tx, model: BucketModel, rng: random.Random) -> None:
    """Changes of all kinds, made to both."""
    bucket = tx.create_bucket_if_not_exists(b"b")
    pairs = model.entries.setdefault(b"b", BucketModel())
    assert isinstance(pairs, BucketModel)
    new = {b"%03d" % rng.randrange(300): rng.randbytes(rng.choice([5, 50, 700])) for _ in range(rng.randrange(1, 80))}
    bucket.put_many(new)
    pairs.entries.update(new)
    for key in rng.sample(sorted(pairs.entries), len(pairs.entries) // 3):
        bucket.delete(key)
        del pairs.entries[key]
    pairs.sequence = bucket.next_sequence()
    if rng.random() < 0.3:
        bucket.put(b"large", bytes(20_000))
        pairs.entries[b"large"] = bytes(20_000)


@pytest.mark.parametrize("no_freelist_sync", [False, True])
@pytest.mark.parametrize("no_grow_sync", [False, True])
def test_a_power_cut_at_any_moment_of_a_commit_leaves_the_old_or_the_new_state(
    open_db: OpenDB, tmp_path: Path, no_freelist_sync: bool, no_grow_sync: bool
) -> None:
    rng = random.Random(17)
    db = open_db("a.db", page_size=1024, no_freelist_sync=no_freelist_sync, no_grow_sync=no_grow_sync)
    path, crashed = Path(db.path), tmp_path / "crashed.db"
    new = BucketModel()
    seen = {"old": 0, "new": 0}
    for _ in range(sized(c=20, py=6, deep=100)):
        before, old = path.read_bytes(), new.copy()
        with pytest.MonkeyPatch.context() as monkeypatch:
            recorder = Recorder(path, monkeypatch)
            with db.update() as tx:
                random_changes(tx, new, rng)
        assert recorder.synced[-1] == len(recorder.writes), "the last write of a commit was not synced"
        for image in recorder.images(before, rng, sized(c=5, py=3, deep=20)):
            crashed.write_bytes(image)
            with boltpy.open(crashed) as after, after.view() as tx:
                assert list(tx.check()) == []
                state = read_all(tx)
            is_old, is_new = difference(old, state) is None, difference(new, state) is None
            assert is_old or is_new, difference(new, state)
            seen["old" if is_old else "new"] += 1
    assert seen["old"] > 20
    assert seen["new"] >= 4


def test_a_crash_after_a_crash_is_survived_too(open_db: OpenDB, tmp_path: Path) -> None:
    rng = random.Random(18)
    db = open_db("a.db", page_size=1024)
    model = BucketModel()
    for _ in range(3):
        with db.update() as tx:
            random_changes(tx, model, rng)
    db.close()
    image, crashed = Path(db.path).read_bytes(), tmp_path / "crashed.db"
    for _ in range(sized(c=25, py=10, deep=300)):
        crashed.write_bytes(image)
        new = model.copy()
        with boltpy.open(crashed) as again, pytest.MonkeyPatch.context() as monkeypatch:
            recorder = Recorder(crashed, monkeypatch)
            with again.update() as tx:
                random_changes(tx, new, rng)
        image = rng.choice(recorder.images(image, rng, 3))
        crashed.write_bytes(image)
        with boltpy.open(crashed) as again, again.view() as tx:
            assert list(tx.check()) == []
            state = read_all(tx)
        assert difference(model, state) is None or difference(new, state) is None
        model = state


COMMIT_FOREVER = """
import sys, boltpy
with boltpy.open(sys.argv[1], page_size=1024) as db:
    number = int(sys.argv[2])
    while True:
        with db.update() as tx:
            bucket = tx.create_bucket_if_not_exists(b"b")
            for i in range(20):
                bucket.put(b"%02d" % i, b"%d" % number * 100)
            bucket.put(b"number", b"%d" % number)
        print(number, flush=True)
        number += 1
"""


def test_a_killed_process_loses_no_commit_that_it_told_of(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    number = 0
    for round_number in range(sized(c=4, py=3, deep=50)):
        command = [sys.executable, "-c", COMMIT_FOREVER, str(path), str(number + 1)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            for _ in range(5 + 7 * round_number):
                number = int(child.stdout.readline())
            child.kill()
            told = [int(line) for line in child.stdout.read().split()]
        number = max([number, *told])
        with boltpy.open(path, timeout=5) as db, db.view() as tx:
            assert list(tx.check()) == []
            bucket = bucket_at(tx, b"b")
            stored = int(bucket.get(b"number") or 0)
            assert number <= stored <= number + 1
            assert set(bucket.values()) == {b"%d" % stored * 100, b"%d" % stored}
        number = stored


def test_nothing_of_an_uncommitted_transaction_reaches_the_file(open_db: OpenDB) -> None:
    db = open_db("a.db")
    model = BucketModel()
    with db.update() as tx:
        random_changes(tx, model, random.Random(1))
    before = Path(db.path).read_bytes()
    tx = db.begin(writable=True)
    random_changes(tx, model.copy(), random.Random(2))
    bucket_at(tx, b"b").put(b"huge", bytes(10_000_000))
    assert Path(db.path).read_bytes() == before
    tx.rollback()
    assert Path(db.path).read_bytes() == before
    with db.view() as view:
        assert_holds(view, model)
