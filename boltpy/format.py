"""Every byte on disk: magic, flags, Structs and limits. FROZEN: a change here is a change of the file format.

All integers are little-endian. The file is an array of pages; page n starts at byte n * page_size.

page header, 16 bytes            offset size field
                                      0    8 id        the page's own pgid (0 in an inline bucket)
                                      8    2 flags     one of BRANCH, LEAF, META, FREELIST
                                     10    2 count     elements; 0xFFFF on a freelist page: the first u64 counts
                                     12    4 overflow  further pages that belong to this one
meta, 64 bytes after a header         0    4 magic
                                      4    4 version
                                      8    4 page_size bytes
                                     12    4 flags     0
                                     16    8 root      pgid of the root bucket's root page
                                     24    8 sequence  of the root bucket
                                     32    8 freelist  pgid, or NO_FREELIST
                                     40    8 pgid      high-water mark: the first page never used
                                     48    8 txid
                                     56    8 checksum  FNV-1a 64 of the 56 bytes before
branch element, 16 bytes              0    4 pos       bytes from the START OF THIS ELEMENT to its key
                                      4    4 ksize     bytes, never 0
                                      8    8 pgid      the child
leaf element, 16 bytes                0    4 flags     BUCKET_ENTRY: the value is a bucket
                                      4    4 pos       bytes from the START OF THIS ELEMENT to its key
                                      8    4 ksize     bytes, never 0
                                     12    4 vsize     bytes; the value follows the key
bucket value, 16 bytes                0    8 root      pgid of its root page; 0: a page image follows (inline bucket)
                                      8    8 sequence
"""

from __future__ import annotations

from array import array
from struct import Struct
from typing import Any, Final, TypeAlias

Pgid: TypeAlias = int
Txid: TypeAlias = int
ReadableBuffer: TypeAlias = "bytes | bytearray | memoryview | array[Any]"  # array takes no [] before 3.12

MAGIC: Final = 0xED0CDAED
VERSION: Final = 2
NO_FREELIST: Final = 0xFFFF_FFFF_FFFF_FFFF

BRANCH: Final = 0x01
LEAF: Final = 0x02
META: Final = 0x04
FREELIST: Final = 0x10
BUCKET_ENTRY: Final = 0x01

PAGE_HEADER: Final = Struct("<QHHI")
META_BODY: Final = Struct("<IIIIQQQQQ")
META_CHECKSUM: Final = Struct("<Q")
BRANCH_ELEMENT: Final = Struct("<IIQ")
LEAF_ELEMENT: Final = Struct("<IIII")
BUCKET_HEADER: Final = Struct("<QQ")
PGID: Final = Struct("<Q")

HEADER_SIZE: Final = 16
ELEMENT_SIZE: Final = 16
BUCKET_HEADER_SIZE: Final = 16
META_SIZE: Final = 64

MAX_KEY_SIZE: Final = 32768
MAX_VALUE_SIZE: Final = 2**31 - 2
# A count of 0xFFFF marks a freelist whose length stands in its first u64.
FREELIST_COUNT_OVERFLOW: Final = 0xFFFF
MAX_PAGE_ITEMS: Final = 0xFFFE
MIN_PAGE_SIZE: Final = 1024
MAX_PAGE_SIZE: Final = 16 * 1024 * 1024
# No sane tree is deeper: a branch has two children at least, so 2**64 pages need 64 levels.
MAX_DEPTH: Final = 64

PAGE_TYPE_NAMES: Final = {BRANCH: "branch", LEAF: "leaf", META: "meta", FREELIST: "freelist"}


def page_type_name(flags: int) -> str:
    """Return bbolt's word for a page's flags, `unknown<hex>` for flags that are none of the four."""
    return PAGE_TYPE_NAMES.get(flags, f"unknown<{flags:02x}>")
