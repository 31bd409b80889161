"""Every change of a single byte of a small file: a result or a BoltError, whatever the file is used for."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

import boltpy
from tests.boltpy.rawfile import HEADER, LEAF, META, RawFile
from tests.boltpy.sizes import DEEP
from tests.corrupt.mutations import Mutation
from tests.corrupt.samples import LARGE_VALUE, PAGE, smallest_database
from tests.corrupt.surviving import survive
from tests.models import read_all

PARTS = 4


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return smallest_database(tmp_path / "small.db")


def read_bytes_of(path: Path) -> list[int]:
    """Where the bytes are that somebody may read: of metas, trees and the freelist, without the room behind."""
    raw = RawFile(path)
    spots: list[int] = []
    with boltpy.open(path, read_only=True, preload_freelist=True) as db, db.view() as tx:
        for pgid in range(raw.newest().high_water_mark):
            page = tx.page(pgid)
            assert page is not None
            at = pgid * PAGE
            ends = {"meta": HEADER.size + META.size, "freelist": HEADER.size + 8 * page.count, "leaf": 0, "branch": 0}
            if page.type not in ends:
                continue
            for index in range(page.count if page.type in ("leaf", "branch") else 0):
                element = raw.element_offset(pgid, index)
                flags_or_pos, pos_or_ksize, ksize, vsize = LEAF.unpack_from(raw.data, element)
                size = pos_or_ksize + ksize + vsize if page.type == "leaf" else flags_or_pos + pos_or_ksize
                ends[page.type] = max(ends[page.type], element + size - at)
            spots += range(at, at + ends[page.type])
    return spots


def changes(data: bytes, spots: list[int]) -> Iterator[Mutation]:
    """Each of these bytes with other values: each bit turned, least, most, one more, one less; in the deep run all.

    Within a value that is only copied, one other value stands for all.
    """
    copied = range(start := data.index(LARGE_VALUE), start + len(LARGE_VALUE))
    for at in spots:
        old = data[at]
        worst = {0, 0xFF, (old + 1) % 256, (old - 1) % 256, *(old ^ 1 << bit for bit in range(8))} - {old}
        for value in set(range(256)) - {old} if DEEP else [old ^ 0xFF] if at in copied else worst:
            yield Mutation(((at, bytes([value])),))


@pytest.mark.parametrize("part", range(PARTS))
def test_every_change_of_a_byte_gives_a_result_or_a_bolt_error(path: Path, part: int) -> None:
    data, spots = path.read_bytes(), read_bytes_of(path)
    assert len(spots) > 500
    all_of_them = list(changes(data, spots[part::PARTS]))
    survive(path, all_of_them, ("read",))
    survive(path, all_of_them[::10], ("compact", "command", "write", "change"))
    survive(path, all_of_them[1::4], ("write",))


@pytest.mark.parametrize("part", range(PARTS))
def test_every_change_of_a_byte_that_nobody_reads_gives_a_result_or_a_bolt_error(path: Path, part: int) -> None:
    data, read = path.read_bytes(), set(read_bytes_of(path))
    spots = [at for at in range(part, len(data), PARTS) if at not in read]
    survive(path, changes(data, spots if DEEP else spots[::100]), ("read",))


def test_bytes_that_nobody_reads_may_be_anything(path: Path) -> None:
    data, read = path.read_bytes(), set(read_bytes_of(path))
    with boltpy.open(path, read_only=True) as db, db.view() as tx:
        model = read_all(tx)
    for seed in range(30):
        noise = bytearray(random.Random(seed).randbytes(len(data)))
        for at in read:
            noise[at] = data[at]
        noisy = path.with_name("noisy.db")
        noisy.write_bytes(noise)
        with boltpy.open(noisy) as db:
            with db.view() as tx:
                assert read_all(tx) == model
                assert list(tx.check()) == []
            with db.update() as tx:
                tx.create_bucket(b"new").put(b"k", bytes(3000))
            with db.view() as tx:
                assert list(tx.check()) == []
