"""Merging changes into page images with either twin, and what must come of it."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from unittest import mock

from boltpy.errors import MaxSizeReachedError
from boltpy.format import BUCKET_HEADER
from boltpy.hot.pure_changes import CHANGE_BUCKET, CHANGE_DELETE, CHANGE_ERASE, HOW_TOUCH, BucketChanges
from tests.boltpy.twins import Entry, Image, Twin, View

SEQUENCE = 7
"""Of the bucket that is merged."""


class Pages:
    """Where a merge gets its pages from (a hot.Allocator); notes what was asked of `allocate`."""

    def __init__(self, pool: Sequence[int], hwm: int, hwm_limit: int, last: int) -> None:
        self.pool = array("Q", pool)
        self.taken = array("Q")
        self.hwm = hwm
        self.hwm_limit = hwm_limit
        self.asked: list[int] = []
        self._last = last

    def allocate(self, count: int) -> int:
        self.asked.append(count)
        if self.hwm + count > self._last:
            raise MaxSizeReachedError(self.hwm + count, self._last)
        self.hwm += count
        return self.hwm - count


@dataclass
class Merged:
    """What a merge returned and did."""

    result: Any
    written: dict[int, bytes] = field(default_factory=dict)
    taken: list[int] = field(default_factory=list)
    pool: list[int] = field(default_factory=list)
    hwm: int = 0
    asked: list[int] = field(default_factory=list)

    def file(self, image: Image) -> bytes:
        """The file after the merge."""
        data = bytearray(image.data.ljust(self.hwm * image.page_size, b"\0"))
        for pgid, page in self.written.items():
            data[pgid * image.page_size : (pgid + 1) * image.page_size] = page
        return bytes(data)


Marked = Mapping[bytes, tuple[bytes, int]]
"""Changes by key: (value, CHANGE_* bits)."""


def sorted_changes(twin: Twin, changes: Marked) -> Any:
    return twin.sorted_changes(
        list(changes),
        [value for value, _ in changes.values()],
        bytes([bits for _, bits in changes.values()]),
        [len(changes)],
    )


def spec_of(image: Image, changes: Marked, *, threshold: int = 0, inline_max: int = 0, how: int = 0) -> BucketChanges:
    """The one bucket of an image with all changes."""
    return BucketChanges(image.root, *image.inline, 0, len(changes), threshold, inline_max, SEQUENCE, how)


class Result(NamedTuple):
    """What a merge of one bucket left; `root` is 0 if it is inline now."""

    changed: bool
    root: int
    inline: bytes | None
    freed: list[int]
    pages: int
    splits: int


def result_of(outcome: Any, old_root: int) -> Result:
    """The parts of an outcome."""
    freed = list(outcome.freed)
    if outcome.value is None:
        return Result(False, old_root, None, freed, outcome.pages, outcome.splits)
    root, sequence = BUCKET_HEADER.unpack_from(outcome.value)
    assert sequence == SEQUENCE
    return Result(True, root, outcome.value[16:] or None, freed, outcome.pages, outcome.splits)


def merge(
    twin: Twin,
    image: Image,
    changes: Marked,
    *,
    pool: Sequence[int] = (),
    hwm_limit: int = 2**63,
    last: int = 2**63,
    threshold: int = 0,
    inline_max: int = 0,
    touch: bool = False,
    root: int | None = None,
    overrides: Mapping[int, bytes] | None = None,
    merger: Any = None,
) -> Merged:
    """Merge changes into the one bucket of an image with one twin."""
    spec = spec_of(
        image,
        changes,
        threshold=threshold or image.page_size // 2,
        inline_max=inline_max,
        how=HOW_TOUCH if touch else 0,
    )
    spec = spec if root is None else spec._replace(root=root)
    allocator = Pages(pool, image.hwm, hwm_limit, last)
    merged = merge_all(
        twin, image, [spec], sorted_changes(twin, changes), allocator, overrides=overrides, merger=merger
    )
    merged.result = result_of(merged.result, spec.root)
    return merged


def merge_all(
    twin: Twin,
    image: Image,
    specs: Sequence[BucketChanges],
    changes: Any,
    allocator: Pages,
    *,
    overrides: Mapping[int, bytes] | None = None,
    merger: Any = None,
) -> Merged:
    """Merge the changes of buckets with one twin; the result is the twin's own."""
    merged = Merged(None)
    page_size = image.page_size

    def write(offset: int, raw: bytes | memoryview) -> None:
        pgid, data = offset // page_size, bytes(raw)
        assert not offset % page_size
        assert data
        assert len(data) % page_size == 0
        for i in range(0, len(data), page_size):
            number = pgid + i // page_size
            assert number not in merged.written, f"page {number} was written twice"
            merged.written[number] = data[i : i + page_size]

    view = View(twin, image)
    merger = merger or twin.Merger(page_size)
    merger.begin(allocator, write)
    merged.result = merger.merge(view.source, specs, changes, overrides or {})
    merger.flush()
    merged.taken, merged.pool = sorted(allocator.taken), list(allocator.pool)
    merged.hwm, merged.asked = allocator.hwm, allocator.asked
    return merged


def weak(twin: Twin, image: Image, changes: Marked, limit: int) -> list[tuple[Any, ...]]:
    """The leaves that the changes leave weak: (pgid, size, item count, first changed key)."""
    view = View(twin, image)
    merger = twin.Merger(image.page_size)
    found = merger.weak(view.source, spec_of(image, changes), sorted_changes(twin, changes), limit)
    return [tuple(leaf) for leaf in found]


def applied(entries: Sequence[Entry], changes: Marked) -> list[Entry]:
    """What a merge must leave, by its definition."""
    left = {key: (flags, value) for flags, key, value in entries}
    for key, (value, bits) in changes.items():
        if bits & (CHANGE_DELETE | CHANGE_ERASE):
            left.pop(key, None)
        else:
            left[key] = (bits & CHANGE_BUCKET, value)
    return [(flags, key, value) for key, (flags, value) in sorted(left.items())]


def puts(*keys: bytes, value: bytes = b"new") -> dict[bytes, tuple[bytes, int]]:
    return dict.fromkeys(keys, (value, 0))


def deletes(*keys: bytes, bits: int = CHANGE_DELETE) -> dict[bytes, tuple[bytes, int]]:
    return dict.fromkeys(keys, (b"", bits))


@contextmanager
def buffers(**sizes: int) -> Iterator[None]:
    """Let the C kernels work with other buffers: with small ones they must stop and be taken up again."""
    with ExitStack() as patches:
        for name, size in sizes.items():
            patches.enter_context(mock.patch(f"boltpy.hot.native.{name}", size))
        yield
