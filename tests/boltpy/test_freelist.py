"""The freelist: pending pages and their release, commits that fail, the page it is stored in, and hostile ones."""

from __future__ import annotations

import random
import struct
from array import array
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boltpy.errors import CorruptError, MaxSizeReachedError
from boltpy.freelist import Allocation, Freelist, decode, descending
from tests.boltpy.rawfile import FREELIST_PAGE, HEADER

each_type = pytest.mark.parametrize("freelist_type", ["array", "hashmap"])
NOTHING: array[int] = array("Q")


def freelist_of(freelist_type: str, free: Iterable[int] = ()) -> Freelist:
    return Freelist(freelist_type, descending(free))


def free_ids(freelist: Freelist) -> list[int]:
    return sorted(freelist.spans.ids())


def pending_ids(freelist: Freelist) -> dict[int, list[int]]:
    return {txid: list(ids) for txid, ids in freelist.pending.items() if len(ids)}


def commit(
    freelist: Freelist, txid: int, freed: Iterable[int], allocation: Allocation, *, readers_open: bool = True
) -> None:
    ids = descending(freed)
    allocation.waiting = freelist.with_freed(ids)
    freelist.committed(txid, ids, allocation, readers_open=readers_open)


def run_tx(
    freelist: Freelist, txid: int, *, take: int = 0, freed: Iterable[int] = (), readers_open: bool = True
) -> list[int]:
    """Commit a transaction that takes single pages and frees some; the pages it took."""
    allocation = Allocation(freelist, 1000, 4096, 0)
    taken = [allocation.allocate(1) for _ in range(take)]
    commit(freelist, txid, freed, allocation, readers_open=readers_open)
    return taken


# Pending pages.


@each_type
def test_freed_pages_are_pending_under_their_transaction(freelist_type: str) -> None:
    freelist = freelist_of(freelist_type, [30])
    run_tx(freelist, 100, freed=[12])
    run_tx(freelist, 101, freed=[14, 13, 15, 16])
    run_tx(freelist, 102)
    assert pending_ids(freelist) == {100: [12], 101: [16, 15, 14, 13]}
    assert len(freelist.waiting) == 5
    assert free_ids(freelist) == [30]


@each_type
def test_pages_turn_free_when_no_reader_can_see_them(freelist_type: str) -> None:
    freelist = freelist_of(freelist_type)
    for txid, freed in ((100, [12, 13]), (102, [39]), (103, [9])):
        run_tx(freelist, txid, freed=freed)
    freelist.release([100])
    assert free_ids(freelist) == []
    freelist.release([101, 101, 300])
    assert free_ids(freelist) == [12, 13]
    freelist.release([103])
    assert free_ids(freelist) == [12, 13, 39]
    freelist.release([])
    assert free_ids(freelist) == [9, 12, 13, 39]
    assert len(freelist.waiting) == 0


@each_type
def test_a_released_page_that_is_free_already_is_corruption(freelist_type: str) -> None:
    freelist = freelist_of(freelist_type, [12])
    run_tx(freelist, 5, freed=[11, 12])
    with pytest.raises(CorruptError, match="already freed") as caught:
        freelist.release([])
    assert caught.value.pgid == 12


GAPS: dict[str, tuple[list[tuple[int, int, int, int]], list[int], list[int]]] = {
    # pages as (first, count, taken by, freed by); readers; what must be free
    "taken and freed between two readers": ([(3, 1, 100, 200)], [0, 301], [3]),
    "freed by the last transaction of the gap": ([(3, 1, 100, 200)], [0, 201], [3]),
    "freed by the reader's own state": ([(3, 1, 100, 200)], [0, 200], []),
    "taken by the first transaction of the gap": ([(3, 1, 100, 200)], [99, 301], [3]),
    "taken before the gap": ([(3, 1, 100, 200)], [100, 301], []),
    "the smallest gap": ([(3, 1, 199, 200)], [198, 201], [3]),
    "a reader between taking and freeing": ([(3, 1, 199, 200)], [99, 199, 301], []),
    "readers at each step": ([(3, 1, 199, 200), (4, 1, 200, 201)], [99, 199, 200, 301], []),
    "one reader twice": ([(3, 1, 199, 200), (4, 1, 200, 201)], [99, 200, 200, 301], []),
    "many pages around one reader": (
        [
            (3, 1, 100, 200),
            (4, 1, 100, 125),
            (5, 1, 125, 150),
            (6, 1, 125, 175),
            (7, 2, 150, 175),
            (9, 2, 175, 200),
        ],
        [49, 150, 301],
        [4, 9, 10],
    ),
    "after the last reader": ([(3, 2, 400, 401), (5, 1, 300, 401)], [99, 301], [3, 4]),
    "never taken of the freelist": ([(3, 1, 0, 200)], [99, 301], []),
}


@each_type
@pytest.mark.parametrize("name", GAPS)
def test_pages_that_no_reader_saw_do_not_wait_for_the_oldest(freelist_type: str, name: str) -> None:
    pages, readers, expected = GAPS[name]
    freelist = freelist_of(freelist_type)
    taken: dict[int, list[int]] = {}
    freed: dict[int, list[int]] = {}
    for first, count, taken_by, freed_by in pages:
        taken.setdefault(taken_by, []).extend(range(first, first + count))
        freed.setdefault(freed_by, []).extend(range(first, first + count))
    for txid in sorted({*taken, *freed} - {0}):
        allocation = Allocation(freelist, 1000, 4096, 0)
        allocation.taken.extend(taken.get(txid, []))
        commit(freelist, txid, freed.get(txid, []), allocation)
    freelist.release(readers)
    assert free_ids(freelist) == expected
    assert len(freelist.waiting) == sum(count for _, count, _, _ in pages) - len(expected)
    freelist.release([])
    assert free_ids(freelist) == sorted(pgid for ids in freed.values() for pgid in ids)


@each_type
def test_a_page_freed_and_taken_again_waits_for_the_reader_that_saw_it_first(freelist_type: str) -> None:
    freelist = freelist_of(freelist_type, [3])
    assert run_tx(freelist, 10, take=1) == [3]
    freelist.release([10])
    run_tx(freelist, 11, freed=[3])
    freelist.release([10])
    assert (free_ids(freelist), pending_ids(freelist)) == ([], {11: [3]})
    freelist.release([11])
    assert (free_ids(freelist), pending_ids(freelist)) == ([], {11: [3]})
    freelist.release([12])
    assert free_ids(freelist) == [3]


# Allocating.


@each_type
def test_allocation_takes_free_pages_until_there_are_none_and_then_new_ones(freelist_type: str) -> None:
    freelist = freelist_of(freelist_type, [3, 5, 6, 7])
    allocation = Allocation(freelist, 20, 4096, 0)
    assert [allocation.allocate(3), allocation.allocate(1), allocation.allocate(1), allocation.allocate(2)] == [
        5, 3, 20, 21,
    ]  # fmt: skip
    assert (sorted(allocation.taken), allocation.hwm) == ([3, 5, 6, 7], 23)


@each_type
def test_a_limit_on_the_size_refuses_new_pages_and_takes_nothing(freelist_type: str) -> None:
    freelist = freelist_of(freelist_type, [3, 5])
    allocation = Allocation(freelist, 8, 4096, 10 * 4096 + 100)
    with pytest.raises(MaxSizeReachedError) as caught:
        allocation.allocate(3)
    assert (caught.value.size, caught.value.limit) == (11 * 4096, 10 * 4096 + 100)
    assert (allocation.hwm, list(allocation.taken), free_ids(freelist)) == (8, [], [3, 5])
    assert allocation.allocate(2) == 8
    assert [allocation.allocate(1), allocation.allocate(1)] in ([3, 5], [5, 3])
    with pytest.raises(MaxSizeReachedError):
        allocation.allocate(1)


def test_only_the_array_lets_pages_be_taken_past_the_allocator() -> None:
    assert Allocation(freelist_of("array", [9, 3]), 20, 4096, 40_960).hwm_limit == 10
    assert list(Allocation(freelist_of("array", [9, 3]), 20, 4096, 0).pool) == [9, 3]
    hashmap = Allocation(freelist_of("hashmap", [9, 3]), 20, 4096, 40_960)
    assert (hashmap.hwm_limit, list(hashmap.pool)) == (0, [])


@each_type
def test_what_a_failed_commit_took_is_free_again(freelist_type: str) -> None:
    freelist = freelist_of(freelist_type, [3, 5, 6, 7, 9])
    run_tx(freelist, 4, freed=[20])
    allocation = Allocation(freelist, 100, 4096, 0)
    for count in (2, 1, 3):
        allocation.allocate(count)
    if allocation.pool:
        allocation.taken.append(allocation.pool.pop())
    freelist.undo(allocation)
    assert free_ids(freelist) == [3, 5, 6, 7, 9]
    assert pending_ids(freelist) == {4: [20]}
    freelist.undo(Allocation(freelist, 100, 4096, 0))
    assert free_ids(freelist) == [3, 5, 6, 7, 9]


@each_type
def test_a_page_noted_as_taken_that_is_still_in_its_place_is_not_doubled(freelist_type: str) -> None:
    freelist = freelist_of(freelist_type, [3, 5])
    allocation = Allocation(freelist, 100, 4096, 0)
    allocation.allocate(1)
    allocation.taken.extend([3, 5])
    freelist.undo(allocation)
    assert free_ids(freelist) == [3, 5]


# Storing.


@each_type
def test_free_pending_and_just_freed_pages_are_stored_in_ascending_order(freelist_type: str) -> None:
    freelist = freelist_of(freelist_type, [12, 39])
    run_tx(freelist, 100, freed=[28, 11])
    run_tx(freelist, 101, freed=[3])
    raw = freelist.encode(7, 1, 4096, freelist.with_freed(array("Q", [50, 2])))
    ids = [2, 3, 11, 12, 28, 39, 50]
    assert raw == (HEADER.pack(7, FREELIST_PAGE, 7, 0) + struct.pack("<7Q", *ids)).ljust(4096, b"\0")
    assert freelist.stored_bytes(2) == 16 + 7 * 8
    assert freelist.stored_bytes() == 16 + 5 * 8
    assert free_ids(freelist) == [12, 39]


@each_type
@pytest.mark.parametrize("where", ["free", "pending", "freed twice"])
def test_freeing_a_page_twice_is_found_before_it_is_stored(freelist_type: str, where: str) -> None:
    freelist = freelist_of(freelist_type, [12])
    run_tx(freelist, 5, freed=[13])
    freed = {"free": [12], "pending": [13], "freed twice": [14, 14]}[where]
    with pytest.raises(CorruptError, match="already freed") as caught:
        freelist.encode(7, 1, 4096, freelist.with_freed(array("Q", freed)))
    assert caught.value.pgid == freed[0]
    assert (free_ids(freelist), pending_ids(freelist)) == ([12], {5: [13]})


@pytest.mark.parametrize("count", [0, 1, 8, 0xFFFE, 0xFFFF, 0x10000, 131_070])
def test_any_number_of_pages_is_stored_and_read_by_both_types(count: int) -> None:
    ids = random.Random(count).sample(range(1000, 400_000), count)  # behind the pages of the freelist itself
    images = []
    for freelist_type in ("array", "hashmap"):
        freelist = freelist_of(freelist_type, ids[: count // 2])
        run_tx(freelist, 9, freed=ids[count // 2 :])
        size = freelist.stored_bytes()
        pages = size // 4096 + 1
        images.append(freelist.encode(2, pages, 4096, freelist.waiting))
        assert len(images[-1]) == pages * 4096
    assert images[0] == images[1]
    assert images[0].rstrip(b"\0")[16:] == images[0][16:size].rstrip(b"\0")
    stored_count, overflow = struct.unpack_from("<HI", images[0], 10)
    assert (stored_count, overflow) == (min(count, 0xFFFF), pages - 1)
    assert size == 16 + 8 * count + (8 if count >= 0xFFFF else 0)
    if count >= 0xFFFF:
        assert struct.unpack_from("<Q", images[0], 16)[0] == count
    file = bytes(2 * 4096) + images[0]
    assert decode(file, 2, 4096, 400_000) == descending(ids)


# Reading.


def freelist_page(
    ids: Sequence[int], *, pgid: int = 2, own_id: int = 2, flags: int = 16, count: int | None = None, overflow: int = 0
) -> bytes:
    """A file of 1024-byte pages whose page `pgid` is a freelist."""
    header = HEADER.pack(own_id, flags, len(ids) if count is None else count, overflow)
    page = (header + struct.pack(f"<{len(ids)}Q", *ids)).ljust(1024 * (overflow + 1 if overflow < 9 else 1), b"\0")
    return bytes(pgid * 1024) + page


def test_a_freelist_page_is_read() -> None:
    assert decode(freelist_page([23, 50]), 2, 1024, 51) == array("Q", [50, 23])
    assert decode(freelist_page([]), 2, 1024, 51) == NOTHING
    assert decode(freelist_page([2, 23, 50], count=0xFFFF), 2, 1024, 51) == array("Q", [50, 23])


def test_ids_out_of_order_are_read_as_bolt_reads_them() -> None:
    assert decode(freelist_page([50, 23, 30]), 2, 1024, 51) == array("Q", [50, 30, 23])


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (freelist_page([23], flags=2), "invalid freelist page: id 2, flags 2"),
        (freelist_page([23], own_id=3), "invalid freelist page: id 3, flags 10"),
        (freelist_page([23, 50, 23]), "already freed"),
        (freelist_page([50, 50]), "already freed"),
        (freelist_page([0, 23]), "holds page 0, which cannot be free"),
        (freelist_page([1]), "holds page 1, which cannot be free"),
        (freelist_page([23, 60]), "holds page 60, which cannot be free"),
        (freelist_page([23, 2**64 - 1]), "holds page 18446744073709551615, which cannot be free"),
        (freelist_page([23], count=127), "127 ids, more than fit"),
        (freelist_page([23], count=127, overflow=2**32 - 1), "127 ids, more than fit"),
        (freelist_page([126], count=0xFFFF), "126 ids, more than fit"),
        (freelist_page([2**64 - 1], count=0xFFFF), "18446744073709551615 ids, more than fit"),
        (freelist_page([2**61], count=0xFFFF), "2305843009213693952 ids, more than fit"),
        (freelist_page([2, 23]), "holds page 2, which it takes itself"),
        (freelist_page([23], overflow=1), "1 overflow pages, but 1 ids take fewer"),
        (freelist_page([23], overflow=58), "58 overflow pages, which do not exist"),
        (freelist_page([*range(3, 50), *range(3000, 3100)], overflow=1), "holds page 3"),
        (freelist_page([])[:-1], "beyond the end of the file"),
        (bytes(2048), "beyond the end of the file"),
    ],
)
def test_a_freelist_page_that_makes_no_sense_is_corrupt(file: bytes, reason: str) -> None:
    with pytest.raises(CorruptError, match=reason):
        decode(file, 2, 1024, 60)


def test_a_freelist_page_does_not_reach_beyond_the_high_water_mark() -> None:
    ids = list(range(200, 400))
    assert len(decode(freelist_page(ids, overflow=1), 2, 1024, 500)) == 200
    with pytest.raises(CorruptError, match="200 ids, more than fit"):
        decode(freelist_page(ids, overflow=1), 2, 1024, 3)
    with pytest.raises(CorruptError, match="beyond the end"):
        decode(freelist_page(ids, overflow=1), 2, 1024, 2)


IDS = st.lists(st.integers(0, 70) | st.integers(0, 2**64 - 1), max_size=60)


@given(
    IDS, st.integers(0, 70), st.integers(0, 70) | st.sampled_from([0xFFFE, 0xFFFF]), st.sampled_from([0, 1, 2**32 - 1])
)
def test_any_freelist_page_is_a_sorted_list_of_free_pages_or_corrupt(
    ids: list[int], hwm: int, count: int, overflow: int
) -> None:
    for file in (freelist_page(ids), freelist_page(ids, count=count, overflow=overflow)):
        try:
            found = decode(file, 2, 1024, hwm)
        except CorruptError:
            continue
        assert list(found) == sorted(set(found), reverse=True)
        assert all(2 <= pgid < hwm for pgid in found)
        assert len(found) == count or list(found) == sorted(ids, reverse=True) or count == 0xFFFF


@each_type
@pytest.mark.parametrize("seed", range(8))
def test_pages_wait_for_those_who_see_them_and_for_nobody_else(freelist_type: str, seed: int) -> None:
    rng = random.Random(seed)
    freelist = freelist_of(freelist_type)
    used = dict.fromkeys(range(10, 40), 0)  # pages, and which transaction took them
    waiting: dict[int, tuple[int, int]] = {}  # pages, which transaction took them, and which freed them
    readers: list[int] = []
    hwm = 40
    for txid in range(1, 400):
        if readers and rng.random() < 0.5:
            readers.remove(rng.choice(readers))
        freelist.release(sorted(readers))
        waiting = {
            pgid: (taken, freed)
            for pgid, (taken, freed) in waiting.items()
            if any(taken <= reader <= freed for reader in readers)
        }
        assert list(freelist.waiting) == sorted(waiting, reverse=True)
        assert sorted(pgid for ids in freelist.pending.values() for pgid in ids) == sorted(waiting)
        assert not {*free_ids(freelist)} & {*waiting, *used}
        allocation = Allocation(freelist, hwm, 4096, 0)
        new = [allocation.allocate(1) for _ in range(rng.randrange(6))]
        freed_now = rng.sample(sorted(used), min(len(used), rng.randrange(6)))
        commit(freelist, txid, freed_now, allocation, readers_open=bool(readers))
        waiting |= {pgid: (used.pop(pgid), txid) for pgid in freed_now}
        # Pages behind the last one, and those that were taken while nobody read, are not remembered.
        used |= {pgid: txid if readers and pgid < hwm else 0 for pgid in new}
        hwm = allocation.hwm
        if rng.random() < 0.4:
            readers.append(txid)
