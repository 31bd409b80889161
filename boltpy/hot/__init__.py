"""Picks the kernels, once: C if the extension is there, else Python.

`BOLTPY_HOT=c` or `BOLTPY_HOT=py` forces one; a forced C that is missing is an ImportError. `HOT` tells which runs.
"""

from __future__ import annotations

import os
import sys
from array import array
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType

from ..format import Pgid
from . import pure_changes, pure_ids, pure_node, pure_read, pure_write
from .pure_changes import (
    CHANGE_BUCKET,
    CHANGE_CHILD,
    CHANGE_DELETE,
    CHANGE_ERASE,
    CHANGE_FORCE,
    HOW_TELL,
    HOW_TOUCH,
    BucketChanges,
    Changes,
)
from .pure_read import (
    IS_BUCKET,
    LARGEST_SCAN,
    MISSING,
    SCAN_BUCKETS,
    SCAN_EXCLUSIVE,
    SCAN_REVERSE,
    SIZE_LIMIT,
    Found,
    Pair,
    Run,
)
from .pure_write import Allocator, Merger, Outcome, WeakLeaf
from .raw_page import Map, Source, Tree

__all__ = [
    "CHANGE_BUCKET", "CHANGE_CHILD", "CHANGE_DELETE", "CHANGE_ERASE", "CHANGE_FORCE", "HOT", "HOW_TELL", "HOW_TOUCH",
    "IS_BUCKET", "LARGEST_SCAN", "MISSING", "SCAN_BUCKETS", "SCAN_EXCLUSIVE", "SCAN_REVERSE", "SIZE_LIMIT", "Allocator",
    "BucketChanges", "Changes", "Found", "Map", "Merger", "Outcome", "Pair", "Run", "Source", "Tree", "WeakLeaf",
    "attach", "detach", "find", "find_run", "fnv1a", "get", "get_many", "join_leaves", "mark_pages", "marked",
    "merge_ids", "nested", "new_merger", "places", "plain_puts", "scan", "scan_keys", "scan_pairs", "sorted_changes",
    "source", "store_ids", "tree", "unfold",
]  # fmt: skip


_WANTED = os.environ.get("BOLTPY_HOT", "")
if _WANTED not in ("", "c", "py"):
    raise ImportError(f"BOLTPY_HOT is {_WANTED!r}; it must be 'c', 'py' or unset")

_native: ModuleType | None = None
_native_read: ModuleType | None = None
if _WANTED != "py":
    try:
        if sys.byteorder != "little":
            raise ImportError("the C kernels need a little-endian machine")
        from . import native as _native
        from . import native_read as _native_read
    except ImportError as error:
        if _WANTED == "c":
            raise ImportError(f"BOLTPY_HOT=c, but the C kernels are missing: {error}") from error

_read: ModuleType = _native_read or pure_read
_write: ModuleType = _native or pure_write
_ids: ModuleType = _native_read or pure_ids

HOT = "c" if _native else "py"
attach: Callable[[Map], object] = _read.attach
source: Callable[[object, int, int, int], Source] = _read.source
detach: Callable[[Source], None] = _read.detach
tree: Callable[[Source, int, int, int, int], Tree] = _read.tree
fnv1a: Callable[[bytes], int] = _read.fnv1a
nested: Callable[[Tree, bytes], Tree | None] = _read.nested
find: Callable[[Tree, bytes], Found | None] = _read.find
get: Callable[[Tree, bytes, int], int] = _read.get
places: Callable[[Tree, list[bytes]], list[int]] = _read.places
get_many: Callable[[Tree, Map, list[bytes]], tuple[list[bytes | None], bool]] = _read.get_many
scan: Callable[[Tree, Map, bytes | None, bytes | None, int, int], tuple[list[Run], bytes | None, bool]] = _read.scan
scan_pairs: Callable[[Tree, Map, bytes | None, bytes | None, int, int], tuple[Iterator[Pair], bytes | None, bool]] = (
    _read.scan_pairs
)
scan_keys: Callable[[Tree, Map, bytes | None, bytes | None, int, int], tuple[Iterator[bytes], bytes | None, bool]] = (
    _read.scan_keys
)
mark_pages: Callable[[Tree, bytearray], int] = _read.mark_pages
marked: Callable[[bytearray, int], array[int]] = _ids.marked
find_run: Callable[[array[int], int], int] = _ids.find_run
merge_ids: Callable[[array[int], array[int]], array[int]] = _ids.merge_ids
store_ids: Callable[[array[int], array[int]], bytes | bytearray] = _ids.store_ids
join_leaves: Callable[[Source, Sequence[Pgid]], bytes] = (_native or pure_node).join_leaves
_changes: ModuleType = _native or pure_changes
sorted_changes: Callable[[list[bytes], list[bytes], bytes | bytearray, Sequence[int], Sequence[Changes]], Changes] = (
    _changes.sorted_changes
)
plain_puts: Callable[[list[bytes], list[bytes]], Changes | None] = _changes.plain_puts
unfold: Callable[[Changes], dict[bytes, bytes]] = _changes.unfold
new_merger: Callable[[int], Merger] = _write.Merger
