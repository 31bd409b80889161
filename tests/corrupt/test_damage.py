"""Damaged files: whatever is wrong with the bytes, only a BoltError may come out, soon, and never a crash.

The damage is tried in a process of its own, so that a crash or an endless loop fails the test and names the damage.
"""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

import boltpy
from tests.boltpy.rawfile import RawFile
from tests.boltpy.sizes import DEEP, sized

PAGE = 1024
FLIPS = sized(c=800, py=200, deep=0)
"""Single bits that are flipped; the deep run flips bits of every byte."""
PARTS = 4


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A small database with branches, leaves, overflow, nested and inline buckets and a stored freelist."""
    path = tmp_path / "sound.db"
    with boltpy.open(path, page_size=PAGE) as db:
        with db.update() as tx:
            bucket = tx.create_bucket(b"data")
            bucket.put_many((b"key %04d" % i, b"value %d" % i) for i in range(200))
            bucket.put(b"large", bytes(3000))
            nest = tx.create_bucket(b"nest")
            inner = nest.create_bucket(b"inner")
            inner.put_many((b"%03d" % i, bytes(20)) for i in range(100))
            nest.create_bucket(b"inline").put(b"k", b"v")
            tx.create_bucket(b"small").put(b"foo", b"bar")
        for i in range(3):
            with db.update() as tx:
                tx.bucket(b"data").put(b"key 0000", b"%d" % i)  # type: ignore[union-attr]
    return path


def survive(path: Path, orders: list[str]) -> None:
    """Try each damage in a child process; fails with the last damage announced if the child did not get through."""
    command = [sys.executable, "-m", "tests.corrupt.damage_worker", str(path), str(path.with_name("scratch.db"))]
    child = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    try:
        output, errors = child.communicate("\n".join(orders), timeout=60 + 0.3 * len(orders))
        ended = f"exit code {child.returncode}"
    except subprocess.TimeoutExpired:
        child.kill()
        output, errors = child.communicate()
        ended = "no end"
    announced = output.splitlines()
    assert announced[-1:] == ["done"], f"{ended} at {announced[-1:]}\n{errors[-3000:]}"
    assert child.returncode == 0


def written_bytes(path: Path) -> int:
    raw = RawFile(path)
    return raw.newest().high_water_mark * PAGE


@pytest.mark.parametrize("part", range(PARTS))
def test_a_changed_byte_anywhere_gives_a_result_or_a_bolt_error(path: Path, part: int) -> None:
    rng = random.Random(part)
    size = written_bytes(path)
    if DEEP:
        orders = [f"flip {offset} {rng.randrange(1, 256)}" for offset in range(part, size, PARTS)]
    else:
        orders = [f"flip {rng.randrange(size)} {rng.choice([1, 2, 16, 128, 255])}" for _ in range(FLIPS // PARTS)]
    survive(path, orders)


@pytest.mark.parametrize("part", range(PARTS))
def test_a_changed_byte_in_a_header_or_element_gives_a_result_or_a_bolt_error(path: Path, part: int) -> None:
    raw = RawFile(path)
    mark = raw.newest().high_water_mark
    spots = [
        (pgid * PAGE + at, mask)
        for pgid in range(2, mark)
        for at in (*range(16), 16, 17, 19, 20, 21, 23, 24, 25, 28, 29, 31, 32, 36, 40)
        for mask in (1, 4, 128)
    ]
    chosen = spots[part::PARTS] if DEEP else random.Random(part).sample(spots, FLIPS // PARTS)
    survive(path, [f"flip {offset} {mask}" for offset, mask in chosen])


def test_a_file_of_any_length_gives_a_result_or_a_bolt_error(path: Path) -> None:
    size = written_bytes(path)
    lengths = {*range(0, size + 1, PAGE), *(length + delta for length in range(PAGE, size, PAGE) for delta in (-1, 16))}
    survive(path, [f"cut {length}" for length in sorted(lengths)])


@pytest.mark.parametrize("field", ["root", "freelist", "high_water_mark", "page_size", "txid", "sequence", "flags"])
def test_metas_with_good_checksums_and_bad_numbers_give_a_result_or_a_bolt_error(path: Path, field: str) -> None:
    mark = RawFile(path).newest().high_water_mark
    numbers = {0, 1, 2, 3, mark - 1, mark, mark + 1, 2 * mark, 1023, 1024, 2048, 2**20, 2**31, 2**32 - 1}
    if field not in ("page_size", "flags"):
        numbers |= {2**32, 2**40, 2**52, 2**54 - 1, 2**63, 2**64 - 1}
    survive(path, [f"meta {field} {number}" for number in sorted(numbers)])


def test_every_child_of_a_branch_pointing_anywhere_gives_a_result_or_a_bolt_error(path: Path) -> None:
    raw = RawFile(path)
    root = raw.bucket_root(b"data")
    mark = raw.newest().high_water_mark
    orders = []
    for index, child in enumerate(raw.children(root)):
        offset = raw.element_offset(root, index) + 8
        targets = range(mark + 2) if DEEP or index in (0, 3) else (root, 0, 1, mark)
        orders += [f"flip {offset} {child ^ target}" for target in targets if 0 < child ^ target < 256]
    survive(path, orders)


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
