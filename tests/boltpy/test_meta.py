"""The meta pages: checksums that bbolt computes too, what is refused, and how the page size of a file is found."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boltpy import meta
from boltpy.errors import BoltError, ChecksumError, CorruptError, InvalidDatabaseError, VersionMismatchError
from boltpy.format import MAX_PAGE_SIZE, NO_FREELIST
from boltpy.meta import Meta
from tests.boltpy.rawfile import HEADER, META, fnv1a

SOUND = Meta(4096, 0, root=3, sequence=5, freelist=2, hwm=4, txid=9)
PAGE_SIZES = [1024 << i for i in range(15)]


def signed(*fields: int) -> bytes:
    """A meta page's first 80 bytes with a right checksum; fields from magic to txid."""
    body = META.pack(*fields, 0)[:-8]
    return HEADER.pack(0, 4, 0, 0) + body + struct.pack("<Q", fnv1a(body))


def reader(data: bytes) -> Callable[[int, int], bytes]:
    return lambda offset, count: data[offset : offset + count]


def test_a_new_database_has_the_checksums_that_bbolt_writes() -> None:
    data = meta.new_database(4096)
    assert len(data) == 4 * 4096
    first = META.unpack_from(data, 16)
    second = META.unpack_from(data, 4096 + 16)
    assert first == (0xED0CDAED, 2, 4096, 0, 3, 0, 2, 4, 0, 0x07516E114689FDEE)
    assert second == (0xED0CDAED, 2, 4096, 0, 3, 0, 2, 4, 1, 0x264C351A5179480F)
    assert HEADER.unpack_from(data, 0) == (0, 4, 0, 0)
    assert HEADER.unpack_from(data, 4096) == (1, 4, 0, 0)
    assert HEADER.unpack_from(data, 2 * 4096) == (2, 0x10, 0, 0)
    assert HEADER.unpack_from(data, 3 * 4096) == (3, 2, 0, 0)


@pytest.mark.parametrize("slot", [0, 1])
def test_a_meta_is_read_back_and_its_page_is_filled_up_with_zeros(slot: int) -> None:
    page = SOUND.encode(slot)
    assert len(page) == 4096
    assert page[80:] == bytes(4096 - 80)
    assert page[:8] == bytes([slot, 0, 0, 0, 0, 0, 0, 0])
    assert meta.decode(page) == SOUND


@given(st.integers(0, 4096 - 1), st.integers(1, 255))
def test_any_damage_of_a_meta_is_noticed(at: int, mask: int) -> None:
    page = bytearray(SOUND.encode(0))
    page[at] ^= mask
    if 16 <= at < 80:
        with pytest.raises(BoltError):
            meta.decode(bytes(page))
    else:
        assert meta.decode(bytes(page)) == SOUND


@pytest.mark.parametrize(
    ("page", "error", "text"),
    [
        (b"", InvalidDatabaseError, "no meta page"),
        (SOUND.encode(0)[:79], InvalidDatabaseError, "no meta page"),
        (bytes(80), InvalidDatabaseError, "magic number is 00000000"),
        (signed(0xED0CDAEE, 2, 4096, 0, 3, 0, 2, 4, 9), InvalidDatabaseError, "magic number is ed0cdaee"),
        (signed(0xED0CDAED, 3, 4096, 0, 3, 0, 2, 4, 9), VersionMismatchError, "says 3"),
        (SOUND.encode(0)[:72] + bytes(8), ChecksumError, "0000000000000000"),
        (signed(0xED0CDAED, 2, 0, 0, 3, 0, 2, 4, 9), CorruptError, "pages have 0 bytes"),
        (signed(0xED0CDAED, 2, 79, 0, 3, 0, 2, 4, 9), CorruptError, "pages have 79 bytes"),
        (signed(0xED0CDAED, 2, MAX_PAGE_SIZE + 1, 0, 3, 0, 2, 4, 9), CorruptError, "pages have 16777217 bytes"),
        (signed(0xED0CDAED, 2, 4096, 0, 1, 0, 2, 4, 9), CorruptError, "root page 1"),
        (signed(0xED0CDAED, 2, 4096, 0, 4, 0, 2, 4, 9), CorruptError, "root page 4, high-water mark 4"),
        (signed(0xED0CDAED, 2, 4096, 0, 3, 0, 1, 4, 9), CorruptError, "freelist page 1"),
        (signed(0xED0CDAED, 2, 4096, 0, 3, 0, 4, 4, 9), CorruptError, "freelist page 4"),
    ],
)
def test_a_meta_that_makes_no_sense_is_refused_with_the_reason(page: bytes, error: type[BoltError], text: str) -> None:
    with pytest.raises(error, match=text):
        meta.decode(page)


def test_errors_of_a_meta_tell_the_numbers() -> None:
    with pytest.raises(VersionMismatchError) as version:
        meta.decode(signed(0xED0CDAED, 7, 4096, 0, 3, 0, 2, 4, 9))
    assert version.value.version == 7
    with pytest.raises(ChecksumError) as checksum:
        meta.decode(meta.new_database(4096)[:72] + struct.pack("<Q", 5))
    assert (checksum.value.stored, checksum.value.computed) == (5, 0x07516E114689FDEE)


def test_a_freelist_that_is_not_stored_is_no_damage() -> None:
    unsynced = SOUND._replace(freelist=NO_FREELIST)
    assert meta.decode(unsynced.encode(1)) == unsynced


@given(st.binary(min_size=80, max_size=90), st.lists(st.integers(0, 2**32 - 1), min_size=7, max_size=7))
def test_any_bytes_are_a_meta_or_a_bolt_error(raw: bytes, numbers: list[int]) -> None:
    for page in (raw, signed(0xED0CDAED, 2, *numbers)):
        try:
            found = meta.decode(page)
        except BoltError:
            continue
        assert 2 <= found.root < found.hwm
        assert 80 <= found.page_size <= MAX_PAGE_SIZE


# Page size.


@pytest.mark.parametrize("page_size", PAGE_SIZES)
def test_the_page_size_is_found_in_the_first_meta(page_size: int) -> None:
    data = Meta(page_size, 0, 3, 0, 2, 4, 0).encode(0)[:80]
    assert meta.detect_page_size(reader(data), 4 * page_size) == page_size


@pytest.mark.parametrize("page_size", PAGE_SIZES)
def test_the_page_size_is_found_in_the_second_meta_where_the_first_is_damaged(page_size: int) -> None:
    offsets: list[int] = []
    page = Meta(page_size, 0, 3, 0, 2, 4, 1).encode(1)[:80]

    def read(offset: int, count: int) -> bytes:
        offsets.append(offset)
        return page[:count] if offset == page_size else b"\xee" * count

    assert meta.detect_page_size(read, 4 * page_size) == page_size
    assert offsets == [0, *(size for size in PAGE_SIZES if size <= page_size)]


def test_where_both_metas_are_damaged_no_page_size_is_found() -> None:
    data = bytearray(meta.new_database(4096))
    data[20] ^= 1
    data[4096 + 20] ^= 1
    assert meta.detect_page_size(reader(bytes(data)), len(data)) == 0
    for size in (0, 1, 80, 1000, 5000):
        assert meta.detect_page_size(reader(bytes(size)), size) == 0


def test_the_second_meta_is_not_looked_for_behind_the_end_of_the_file() -> None:
    offsets: list[int] = []

    def read(offset: int, count: int) -> bytes:
        offsets.append(offset)
        return bytes(count)

    meta.detect_page_size(read, 5000)
    assert offsets == [0, 1024, 2048]


# Choosing.


def test_the_valid_meta_of_the_later_transaction_is_the_newest() -> None:
    older, newer = SOUND, SOUND._replace(txid=10)
    damaged = ChecksumError(1, 2)
    assert meta.newest([older, newer]) == newer
    assert meta.newest([newer, older]) == newer
    assert meta.newest([older, damaged]) == older
    assert meta.newest([damaged, older]) == older


def test_where_no_meta_is_valid_the_error_of_the_first_is_told() -> None:
    with pytest.raises(VersionMismatchError):
        meta.newest([VersionMismatchError(3), ChecksumError(1, 2)])


def test_both_metas_are_told_with_what_is_wrong() -> None:
    data = bytearray(meta.new_database(1024))
    first, second = meta.both_metas(bytes(data), 1024)
    assert isinstance(first, Meta)
    assert isinstance(second, Meta)
    assert (first.txid, second.txid) == (0, 1)
    data[1024 + 16 + 48] ^= 1
    assert isinstance(meta.both_metas(bytes(data), 1024)[1], ChecksumError)
    of_another_size = SOUND.encode(0)[:1024] + bytes(data[1024:])
    error = meta.both_metas(of_another_size, 1024)[0]
    assert isinstance(error, CorruptError)
    assert (error.pgid, "4096 bytes a page, the file has 1024" in str(error)) == (0, True)
