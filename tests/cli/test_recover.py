"""`recover`: what comes out of a damaged file. The expectation is made of the sound file, byte by byte."""

from __future__ import annotations

import io
import json
import lzma
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import boltpy
from boltpy.importing import Import
from boltpy.salvage.recovery import Recovery
from boltpy.salvage.report import Report
from boltpy.salvage.source import DamagedFile
from tests.boltpy.sizes import DEEP, sized
from tests.cli.leaves import Entry, SoundFile, exported
from tests.corrupt.mutations import Mutation, Mutator
from tests.corrupt.samples import PAGE, database, small_database
from tests.real.files import REAL_FILES, unpack

DATA = Path(__file__).parents[1] / "data"
LOST = b"__boltpy_lost"
LARGE = 1_000_000
COUNT = sized(c=50, py=20, deep=5_000)
"""Damages of each file; of large ones a tenth."""


class Recovered:
    """What comes out of some bytes, and goes into a new database."""

    def __init__(self, folder: Path, data: bytes, *, old: bool = False, meta: int | None = None) -> None:
        source = folder / "damaged.db"
        source.write_bytes(data)
        with DamagedFile(str(source), 1) as file:
            recovery = Recovery(file, old=old, meta=meta)
            self.lines = b"".join(recovery.blocks(lambda _: None)).splitlines(keepends=True)
        assert source.read_bytes() == data
        self.report: Report = recovery.report
        self.entries: list[Entry] = exported(self.lines)
        self.pairs = {(key, value) for _, key, value in self.entries}
        notes = [json.loads(line)["note"] for line in self.lines if line.startswith(b'{"note"')]
        self.taken = {int(note.split(":")[0].removeprefix("page ")) for note in notes if "has it already" in note}

    def database(self, folder: Path) -> Path:
        """The new database, which must be sound."""
        path = folder / "new.db"
        path.unlink(missing_ok=True)
        Import(replace=False).into_file(str(path), io.BytesIO(b"".join(self.lines)), 1)
        with boltpy.open(path, read_only=True) as db, db.view() as tx:
            assert list(tx.check()) == []
        return path


def trees(path: Path) -> Path:
    """Branches of two levels, nested buckets with trees of their own, overflow, inline buckets; several commits."""
    rng = random.Random(7)
    with boltpy.open(path, page_size=PAGE) as db:
        for i in range(4):
            with db.update() as tx:
                for name in (b"left", b"right"):
                    bucket = tx.create_bucket_if_not_exists(name)
                    bucket.put_many((b"%s %05d" % (name, rng.randrange(9000)), rng.randbytes(24)) for _ in range(700))
                    nested = bucket.create_bucket_if_not_exists(b"%s nested %d" % (name, i % 2))
                    nested.put_many((b"%04d" % j, b"%d" % i * 30) for j in range(0, 300, i + 1))
                    bucket.create_bucket_if_not_exists(b"tiny %d" % i).put(b"a", b"b")
                    bucket.put(b"zz large %d" % i, rng.randbytes(2500))
                tx.bucket(b"left").sequence = i  # type: ignore[union-attr]
    return path


def unlisted(path: Path) -> Path:
    """A file that stores no freelist."""
    with boltpy.open(path, page_size=PAGE, no_freelist_sync=True) as db:
        for i in range(5):
            with db.update() as tx:
                tx.create_bucket_if_not_exists(b"b").put_many(
                    (b"%04d" % j, b"%d" % i * 20) for j in range(0, 500, i + 1)
                )
    return path


MADE: dict[str, Callable[[Path], Path]] = {
    "small": small_database, "several commits": database, "trees": trees, "unlisted": unlisted,
}  # fmt: skip
PACKED = ["gofer_secrets", "gofer_late", "gofer_small"]


def sound_file(name: str, folder: Path) -> bytes:
    if name in MADE:
        return MADE[name](folder / "sound.db").read_bytes()
    if name in REAL_FILES:
        return unpack(name, folder).read_bytes()
    packed = DATA / f"{name}.db.xz"
    return lzma.decompress(packed.read_bytes()) if packed.exists() else (DATA / f"{name}.db").read_bytes()


ALL = [*MADE, *PACKED, *REAL_FILES]


@pytest.mark.parametrize("name", ALL)
def test_all_of_a_sound_file_comes_out_in_its_place_and_nothing_else(tmp_path: Path, name: str) -> None:
    data = sound_file(name, tmp_path)
    found = Recovered(tmp_path, data)
    assert sorted(found.entries) == sorted(SoundFile(data).entries())
    assert found.report.is_whole
    assert found.report.pairs.placed == len(found.entries)
    with boltpy.open(found.database(tmp_path), read_only=True) as db, db.view() as tx:
        inspected = tx.inspect()
    (tmp_path / "sound again.db").write_bytes(data)
    with boltpy.open(tmp_path / "sound again.db", read_only=True) as db, db.view() as tx:
        assert tx.inspect() == inspected


def damages(data: bytes, seed: int) -> Iterator[bytes]:
    """Wrong numbers in the right places; and, as a disk does it, sectors of zeros, of noise, or of another place."""
    seed = random.randrange(2**32) if DEEP else seed
    mutator, rng = Mutator(data, seed), random.Random(seed)
    for number in range(COUNT // 10 if len(data) > LARGE else COUNT):
        yield sectors(data, rng) if number % 3 == 2 else mutator.draw().apply(data)


def sectors(data: bytes, rng: random.Random) -> bytes:
    damaged = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 4])):
        size = rng.choice([512, 512, 1024, 4096, 8192])
        at, other = (rng.randrange(len(data) // 512) * 512 for _ in range(2))
        damaged[at : at + size] = rng.choice([bytes(size), rng.randbytes(size), data[other : other + size]])
    return bytes(damaged[: len(data)])


@pytest.mark.parametrize("name", ALL)
def test_every_pair_of_an_undamaged_leaf_comes_out_whatever_else_is_damaged(tmp_path: Path, name: str) -> None:
    sound = SoundFile(sound_file(name, tmp_path))
    for damaged in damages(sound.data, seed=len(name)):
        whole = [leaf for leaf in sound.leaves if leaf.span.is_same(sound.data, damaged)]
        if not whole and len(damaged) < 2 * sound.page_size:  # there may be nothing that tells it from any other file
            continue
        found = Recovered(tmp_path, damaged, old=True)
        for leaf in whole:
            if leaf.entries:
                missing = [entry for entry in leaf.entries if entry[1:] not in found.pairs]
                assert not missing, f"page {leaf.pgid}"
        found.database(tmp_path)


@pytest.mark.parametrize("name", ALL)
def test_with_metas_and_freelist_whole_an_undamaged_way_leads_to_its_bucket_and_no_leaf_is_missed(
    tmp_path: Path, name: str
) -> None:
    sound = SoundFile(sound_file(name, tmp_path))
    tried = 0
    for damaged in damages(sound.data, seed=len(name) + 100):
        if not all(span.is_same(sound.data, damaged) for span in sound.bookkeeping()):
            continue
        tried += 1
        found = Recovered(tmp_path, damaged)
        placed = set(found.entries)
        for leaf in sound.leaves:
            if not leaf.span.is_same(sound.data, damaged):
                continue
            # Where wrong pointers lead to a page again and again, it is not given to all of them.
            way = [*leaf.way, leaf.span]
            is_taken = any(span.start // sound.page_size in found.taken for span in way)
            if all(span.is_same(sound.data, damaged) for span in way) and not is_taken:
                assert [entry for entry in leaf.entries if entry not in placed] == [], f"page {leaf.pgid}"
            if sound.meta.freelist < 2**63 or found.report.faults:
                assert [entry for entry in leaf.entries if entry[1:] not in found.pairs] == [], f"page {leaf.pgid}"
        found.database(tmp_path)
    assert tried


def without_metas(data: bytes) -> bytes:
    return Mutation(((0, bytes(2 * SoundFile(data).page_size)),)).apply(data)


def with_bad_checksums(data: bytes) -> bytes:
    size = SoundFile(data).page_size
    return Mutation(((72, b"no check"), (size + 72, b"no check"))).apply(data)


UNLISTED = ["unlisted", *(name for name in REAL_FILES if name.startswith("etcd"))]
"""Files that store no freelist."""


@pytest.mark.parametrize("name", [name for name in ALL if name not in UNLISTED])
def test_a_file_without_both_metas_comes_out_as_the_last_commit_or_the_one_before(tmp_path: Path, name: str) -> None:
    data = sound_file(name, tmp_path)
    found = Recovered(tmp_path, without_metas(data))
    placed = sorted(entry for entry in found.entries if entry[0][:1] != (LOST,))
    assert placed in [sorted(SoundFile(data, older=older).entries()) for older in (False, True)]
    assert {entry[1:] for entry in SoundFile(data).entries()} <= found.pairs
    assert found.report.root_is_guessed
    assert not found.report.is_whole
    found.database(tmp_path)


@pytest.mark.parametrize("name", [name for name in ALL if name not in UNLISTED])
def test_what_metas_with_wrong_checksums_say_is_taken_where_it_fits(tmp_path: Path, name: str) -> None:
    data = sound_file(name, tmp_path)
    found = Recovered(tmp_path, with_bad_checksums(data))
    assert SoundFile(data).entries() <= set(found.entries)
    assert found.report.root == SoundFile(data).meta.root


@pytest.mark.parametrize("name", UNLISTED)
def test_without_metas_and_without_a_freelist_every_leaf_comes_out_somewhere(tmp_path: Path, name: str) -> None:
    data = sound_file(name, tmp_path)
    found = Recovered(tmp_path, without_metas(data))
    assert {(key, value) for _, key, value in SoundFile(data).entries()} <= found.pairs
    found.database(tmp_path)
