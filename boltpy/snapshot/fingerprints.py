"""Whether the bytes of a page are still the same: 64 bits, a CRC-32 and a CRC32C side by side.

One CRC of 32 bits would be enough to find a flipped bit. But an incremental backup leaves out the pages whose
fingerprint did not change, and of four thousand million changed pages one would be left out by chance.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from zlib import crc32

from crc32c import crc32c

from ..format import Pgid

# The fingerprint of a page that is not part of a state. No page has it.
ABSENT = 0


def fingerprint(page: bytes | memoryview) -> int:
    """Return the fingerprint of the bytes of a page, from 1 to 2**64 - 1."""
    return crc32(page) << 32 | crc32c(page) or 1


def fingerprints(pages: memoryview, page_size: int, pgids: Iterable[Pgid]) -> array[int]:
    """Return the fingerprints of some pages of a buffer in which page n is at `n * page_size`, as an array of "Q"."""
    parts = [pages[pgid * page_size : (pgid + 1) * page_size] for pgid in pgids]
    return array("Q", [crc32(part) << 32 | crc32c(part) or 1 for part in parts])


def checksum(*parts: bytes | bytearray | memoryview) -> int:
    """Return the CRC32C of some bytes, one part behind the other."""
    crc = 0
    for part in parts:
        crc = crc32c(part, crc)
    return crc
