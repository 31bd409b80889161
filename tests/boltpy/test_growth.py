"""How the file grows, and that a growing writer and its readers never wait for each other."""

from __future__ import annotations

import ctypes
import os
import random
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import boltpy
from tests.boltpy.background import Background
from tests.boltpy.rawfile import RawFile
from tests.boltpy.sizes import sized
from tests.conftest import OpenDB
from tests.models import bucket_at


def grow(db: boltpy.DB, commits: int, value_size: int) -> Iterator[int]:
    """Put one value a commit; the file's size after each."""
    for i in range(commits):
        with db.update() as tx:
            tx.create_bucket_if_not_exists(b"b").put(b"%06d" % i, bytes(value_size))
        yield os.path.getsize(db.path)


def test_a_small_file_doubles(open_db: OpenDB) -> None:
    db = open_db(page_size=4096, no_sync=True)
    sizes = list(dict.fromkeys([os.path.getsize(db.path), *grow(db, 400, 1000)]))
    assert sizes == [1 << exponent for exponent in range(14, 14 + len(sizes))]
    assert sizes[-1] >= 1 << 19


def test_a_large_file_grows_by_the_allocation_size(open_db: OpenDB) -> None:
    alloc = 64 * 1024
    db = open_db(page_size=4096, alloc_size=alloc, no_sync=True)
    before = os.path.getsize(db.path)
    grown = 0
    for size in grow(db, 150, 10_000):
        wanted = (RawFile(db.path).newest().high_water_mark + 1) * 4096
        if size != before and size > alloc:
            assert size == wanted + alloc
            grown += 1
        assert size >= wanted
        assert not alloc < size < 2 * alloc
        before = size
    assert grown > 10


def test_without_growth_ahead_the_file_ends_with_its_last_page(open_db: OpenDB) -> None:
    db = open_db(page_size=4096, no_grow_sync=True, no_sync=True)
    for size in grow(db, 50, 3000):
        assert size == RawFile(db.path).newest().high_water_mark * 4096


def test_a_small_change_after_a_reopen_hardly_grows_the_file(open_db: OpenDB) -> None:
    value_count = sized(c=20, py=10, deep=2000)
    db = open_db("a.db", page_size=4096)
    for _ in range(4):
        with db.update() as tx:
            bucket = tx.create_bucket_if_not_exists(b"data")
            for i in range(value_count):
                bucket.put(b"%d" % i, bytes(100_000))
    size = os.path.getsize(db.path)
    db.close()
    db = open_db("a.db")
    with db.update() as tx:
        bucket_at(tx, b"data").put(b"0", b"\0")
    db.close()
    assert os.path.getsize(db.path) <= size + 5 * 4096


def test_overwriting_without_readers_reuses_pages(open_db: OpenDB) -> None:
    db = open_db(no_sync=True)
    for round_number in range(100):
        with db.update() as tx:
            tx.create_bucket_if_not_exists(b"b").put(b"k", b"%03d" % round_number * 20_000)
    assert os.path.getsize(db.path) <= 512 * 1024


def test_the_first_growth_step_allows_for_the_initial_size(open_db: OpenDB) -> None:
    db = open_db(initial_mmap_size=1 << 20)
    with db.update() as tx:
        tx.create_bucket(b"b")
    assert os.path.getsize(db.path) == 1 << 20


@pytest.mark.parametrize("options", [{}, {"initial_mmap_size": 1 << 22}, {"alloc_size": 1 << 16}])
def test_a_growing_writer_does_not_wait_for_readers_of_its_own_thread(open_db: OpenDB, options: dict[str, int]) -> None:
    db = open_db(no_sync=True, page_size=4096, **options)
    with db.update() as tx:
        tx.create_bucket(b"b")

    def work() -> None:
        with ExitStack() as readers:
            opened = []
            for i in range(30):
                reader = readers.enter_context(db.view())
                opened.append((reader, i))
                with db.update() as tx:
                    bucket_at(tx, b"b").put(b"%02d" % i, bytes(200_000))
                for tx, count in opened:
                    assert list(bucket_at(tx, b"b").keys()) == [b"%02d" % j for j in range(count)]
            assert db.stats().open_tx_n == 30
            for tx, count in opened:
                assert list(bucket_at(tx, b"b").values()) == [bytes(200_000)] * count

    Background(work).result()
    assert os.path.getsize(db.path) > 6_000_000


def test_new_readers_do_not_wait_while_a_writer_grows_beside_an_old_reader(db: boltpy.DB) -> None:
    with db.update() as tx:
        tx.create_bucket(b"b").put(b"k", b"old")
    old = db.begin()
    writer = db.begin(writable=True)
    bucket_at(writer, b"b").put(b"large", bytes(8_000_000))

    def read() -> bytes | None:
        with db.view() as tx:
            return bucket_at(tx, b"b").get(b"k")

    committing = Background(writer.commit)
    readers = [Background(read) for _ in range(5)]
    assert [reader.result() for reader in readers] == [b"old"] * 5
    committing.result()
    assert bucket_at(old, b"b").get(b"large") is None
    old.rollback()
    with db.view() as tx:
        assert bucket_at(tx, b"b").get(b"large") == bytes(8_000_000)


def test_a_huge_value_is_committed(open_db: OpenDB) -> None:
    db = open_db(no_sync=True)
    size = sized(c=48, py=16, deep=256) * 1024 * 1024
    with db.update() as tx:
        tx.create_bucket(b"b").put(b"huge", bytes(size))
    with db.view() as tx:
        view = bucket_at(tx, b"b").get_view(b"huge")
        assert view is not None
        assert len(view) == size


def can_lock_memory(size: int) -> bool:
    """Whether this process may keep `size` bytes in memory, tried with the C library alone."""
    libc = ctypes.CDLL(None, use_errno=True)
    block = ctypes.create_string_buffer(size)
    if libc.mlock(block, size) != 0:
        return False
    libc.munlock(block, size)
    return True


def locked_kibibytes() -> int:
    """What the system counts as locked for this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmLck:"):
            return int(line.split()[1])
    return 0


@pytest.mark.parametrize("size", [100_000, 20_000_000], ids=["small growth", "past 16 MiB"])
def test_a_locked_database_grows_in_memory_or_tells_that_the_system_refuses(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a.db"

    def work() -> int:
        with boltpy.open(path, mlock=True) as db:
            before = locked_kibibytes()
            with db.update() as tx:
                tx.create_bucket(b"b").put(b"k", bytes(size))
            grown = locked_kibibytes()
            assert before >= 16
            with db.view() as tx:
                assert bucket_at(tx, b"b").get(b"k") == bytes(size)
                assert list(tx.check()) == []
        return grown

    if can_lock_memory(3 * size):
        assert work() * 1024 >= size
        assert locked_kibibytes() == 0
    else:
        with pytest.raises(boltpy.StorageError):
            work()
        with boltpy.open(path, timeout=1) as db, db.view() as tx:
            assert list(tx.check()) == []


def test_readers_of_every_age_see_their_own_state_while_the_file_grows(open_db: OpenDB) -> None:
    db = open_db(no_sync=True, page_size=1024)
    rng = random.Random(3)
    readers: list[tuple[boltpy.Tx, dict[bytes, bytes]]] = []
    state: dict[bytes, bytes] = {}
    with db.update() as tx:
        tx.create_bucket(b"b")
    for round_number in range(sized(c=60, py=30, deep=600)):
        readers.append((db.begin(), dict(state)))
        changes = {b"%03d" % rng.randrange(200): rng.randbytes(rng.randrange(3000)) for _ in range(20)}
        with db.update() as tx:
            bucket_at(tx, b"b").put_many(changes)
        state.update(changes)
        if round_number % 3 == 2:
            tx, expected = readers.pop(rng.randrange(len(readers)))
            assert dict(bucket_at(tx, b"b").items()) == expected
            tx.rollback()
    for tx, expected in readers:
        assert dict(bucket_at(tx, b"b").items()) == expected
        tx.rollback()
