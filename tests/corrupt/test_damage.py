"""Damaged files: whatever is wrong with the bytes, only a BoltError may come out, soon, and never a crash.

The damage is tried in a process of its own (`surviving.py`), with bounds on its time and its memory.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

import boltpy
from tests.boltpy.rawfile import RawFile
from tests.boltpy.sizes import DEEP, sized
from tests.corrupt.mutations import Mutation, flip
from tests.corrupt.samples import PAGE, database, small_database
from tests.corrupt.surviving import survive

FLIPS = sized(c=400, py=120, deep=0)
"""Single bits of headers and elements that are flipped; the deep run flips all."""
PARTS = 4


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return database(tmp_path / "sound.db")


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return small_database(tmp_path / "small.db")


def written_bytes(path: Path) -> int:
    return RawFile(path).newest().high_water_mark * PAGE


def with_metas(path: Path, field: str, number: int) -> Mutation:
    """Both metas with another number and a fitting checksum."""
    raw = RawFile(path)
    for index in (0, 1):
        raw.set_meta(index, **{field: number})
    return Mutation(tuple((index * PAGE, raw.page_bytes(index)) for index in (0, 1)))


@pytest.mark.parametrize("part", range(PARTS))
def test_a_changed_byte_anywhere_gives_a_result_or_a_bolt_error(small: Path, part: int) -> None:
    """Each byte of what a page holds, and some of the zeros behind it; in the deep run all, with each bit of them."""
    data, rng = small.read_bytes()[: written_bytes(small)], random.Random(part)
    if DEEP:
        survive(small, (flip(data, at, 1 << bit) for at in range(part, len(data), PARTS) for bit in range(8)))
    else:
        ends = [at + len(data[at : at + PAGE].rstrip(b"\0")) for at in range(0, len(data), PAGE)]
        spots = [at for at in range(len(data)) if at < ends[at // PAGE] or rng.random() < 0.01]
        chosen = spots[part :: PARTS * sized(c=1, py=3, deep=1)]
        assert survive(small, (flip(data, at, rng.choice([1, 2, 16, 128, 255])) for at in chosen)) > 100


@pytest.mark.parametrize("part", range(PARTS))
def test_a_changed_byte_in_a_header_or_element_gives_a_result_or_a_bolt_error(path: Path, part: int) -> None:
    data = path.read_bytes()
    spots = [
        (pgid * PAGE + at, mask)
        for pgid in range(2, RawFile(path).newest().high_water_mark)
        for at in (*range(16), 16, 17, 19, 20, 21, 23, 24, 25, 28, 29, 31, 32, 36, 40)
        for mask in (1, 4, 128)
    ]
    chosen = spots[part::PARTS] if DEEP else random.Random(part).sample(spots, FLIPS // PARTS)
    survive(path, (flip(data, offset, mask) for offset, mask in chosen))


def test_a_file_of_any_length_gives_a_result_or_a_bolt_error(path: Path) -> None:
    size = written_bytes(path)
    lengths = {*range(0, size + 1, PAGE), *(length + delta for length in range(PAGE, size, PAGE) for delta in (-1, 16))}
    survive(path, (Mutation((), length) for length in sorted(lengths)))


@pytest.mark.parametrize("field", ["root", "freelist", "high_water_mark", "page_size", "txid", "sequence", "flags"])
def test_metas_with_good_checksums_and_bad_numbers_give_a_result_or_a_bolt_error(path: Path, field: str) -> None:
    mark = RawFile(path).newest().high_water_mark
    numbers = {0, 1, 2, 3, mark - 1, mark, mark + 1, 2 * mark, 1023, 1024, 2048, 2**20, 2**31, 2**32 - 1}
    if field not in ("page_size", "flags"):
        numbers |= {2**32, 2**40, 2**52, 2**54 - 1, 2**63, 2**64 - 1}
    survive(path, (with_metas(path, field, number) for number in sorted(numbers)))


def test_every_child_of_a_branch_pointing_anywhere_gives_a_result_or_a_bolt_error(path: Path) -> None:
    raw = RawFile(path)
    root = raw.bucket_root(b"data")
    mark = raw.newest().high_water_mark
    mutations = []
    for index in range(len(raw.children(root))):
        offset = raw.element_offset(root, index) + 8
        targets = range(mark + 2) if DEEP or index in (0, 3) else (root, 0, 1, mark)
        mutations += [Mutation(((offset, target.to_bytes(8, "little")),)) for target in targets]
    survive(path, mutations)


def test_a_cycle_is_named_with_its_page(path: Path) -> None:
    raw = RawFile(path)
    root = raw.bucket_root(b"data")
    raw.set_child(root, 2, root)
    raw.save()
    with boltpy.open(path, read_only=True) as db, db.view() as tx:
        bucket = tx.bucket(b"data")
        assert bucket is not None
        with pytest.raises(boltpy.CorruptError) as caught:
            list(bucket.items())
        assert caught.value.pgid is not None
        assert caught.value.reason
        assert str(caught.value.pgid) in str(caught.value)


def test_a_damaged_leaf_is_named_while_the_others_are_read(path: Path) -> None:
    raw = RawFile(path)
    victim = raw.leaves(raw.bucket_root(b"data"))[2]
    lost = [key for _, key, _ in raw.leaf_entries(victim)]
    raw.set_page(victim, flags=0x40)
    raw.save()
    with boltpy.open(path, read_only=True) as db, db.view() as tx:
        bucket = tx.bucket(b"data")
        assert bucket is not None
        with pytest.raises(boltpy.CorruptError) as caught:
            bucket.get(lost[0])
        assert caught.value.pgid == victim
        assert bucket.get(b"key 0000") == b"2"
        assert bucket.get(b"large") == bytes(3000)
        with pytest.raises(boltpy.CorruptError):
            list(bucket.items())


@pytest.mark.parametrize("depth", [70, 300, 5000])
def test_a_chain_of_branches_without_end_is_refused(tmp_path: Path, depth: int) -> None:
    path = tmp_path / "deep.db"
    with boltpy.open(path, page_size=PAGE) as db, db.update() as tx:
        tx.create_bucket(b"data").put_many((b"key %04d" % i, bytes(20)) for i in range(300))
    raw = RawFile(path)
    root, mark = raw.bucket_root(b"data"), raw.newest().high_water_mark
    raw.data[mark * PAGE :] = b""
    page = bytearray(raw.page_bytes(root))
    for pgid in range(mark, mark + depth):
        page[:8] = pgid.to_bytes(8, "little")
        raw.data += page
    for pgid in range(mark, mark + depth - 1):
        raw.set_child(pgid, 0, pgid + 1)
    raw.set_child(root, 0, mark)
    raw.set_newest(high_water_mark=mark + depth)
    raw.save()
    with boltpy.open(path, read_only=True) as db, db.view() as tx:
        bucket = tx.bucket(b"data")
        assert bucket is not None
        with pytest.raises(boltpy.CorruptError):
            bucket.get(b"key")
        with pytest.raises(boltpy.CorruptError):
            list(bucket.items())
        assert list(tx.check()) != []
