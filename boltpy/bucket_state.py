"""What a bucket handle holds: its committed tree, its uncommitted changes, and what is known about both.

A put must be refused at once where its key names a nested bucket, and looking that up costs more than the put. So
each handle learns whether its bucket is *plain*, without any nested bucket: one made here is; one that gets many
puts is scanned for them, a share at a time. Nobody else can write while the DB has the file's lock, so the DB
remembers by their paths how far buckets were looked through.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection
from math import isfinite
from mmap import mmap
from types import MappingProxyType
from typing import Protocol, cast

from . import hot
from .changes import Changes, KeyOrder, Mark
from .errors import BucketError
from .format import BUCKET_ENTRY
from .hot.raw_page import BucketRef
from .jsonl import bytes_text
from .known_plain import LookedTo, Path, PlainBuckets
from .options import DEFAULT_FILL_PERCENT
from .stats import TxStats
from .tree import LARGEST_BATCH, Snapshot

# bolt sets no limit, but a commit takes a level of Python's stack for each level of nesting.
MAX_NESTING = 300
_FIRST_SCAN_PUTS = 32
_SCANNED_ITEMS_PER_PUT = 32
# Read-only, because all handles of read transactions and of ended ones share it.
_NO_CHANGES = cast(Changes, MappingProxyType({}))
_FOLDED = cast(Changes, MappingProxyType({b"": b""}))


class BucketTx(Protocol):
    """What a bucket needs of its transaction."""

    writable: bool
    _snapshot: Snapshot
    _freed: array[int]
    _plain_buckets: PlainBuckets
    _stats: TxStats
    _open: bool

    def _require_open(self) -> None:
        """Raise TxClosedError if the transaction has ended."""

    def _require_writable(self) -> None:
        """Raise TxClosedError or TxNotWritableError."""

    def _lend(self, view: memoryview) -> memoryview:
        """Return the view, to be released when the transaction ends."""


def too_deep(path: Path) -> BucketError:
    """Return the error for a bucket that is nested deeper than MAX_NESTING levels."""
    return BucketError(f"bucket {bytes_text(path[0])}: buckets in it are nested deeper than {MAX_NESTING} levels")


class BucketState:
    """The inside of a Bucket. `writable` and `fill_percent` are for everybody, the rest is for boltpy's own modules.

    Attributes:
        writable: Whether the transaction writes.
    """

    __slots__ = (
        "_asked",
        "_children",
        "_edits",
        "_fast",
        "_has_nested",
        "_hidden",
        "_map",
        "_marked",
        "_order",
        "_path",
        "_pending",
        "_plain",
        "_retyped",
        "_run",
        "_scanned_to",
        "_snapshot",
        "_sequence",
        "_touched",
        "_tree",
        "_tx",
        "_walks",
        "_fill_percent",
        "writable",
    )

    def __init__(self, tx: BucketTx, tree: hot.Tree, path: Path, *, new: bool = False) -> None:
        snapshot = tx._snapshot
        self._tx = tx
        self._snapshot = snapshot
        self._path = path
        self._tree = tree
        self._map: mmap = snapshot.map
        self._sequence = tree.sequence
        self.writable = tx.writable
        self._fill_percent = DEFAULT_FILL_PERCENT
        self._edits = 0
        self._pending = _NO_CHANGES  # true if there are changes; look at them as _changes
        self._run: hot.Changes | None = None  # they are these puts, and not unfolded yet
        # The dict that plain puts go to directly; None where a put needs a closer look.
        self._fast: dict[bytes, bytes | Mark] | None = None
        if tx.writable:
            if len(path) > MAX_NESTING:
                raise too_deep(path)
            self._pending = {}
            self._children: dict[bytes, BucketState] = {}
            self._retyped: set[bytes] = set()  # committed nested buckets that were deleted or moved away
            self._order: KeyOrder | None = None
            self._marked = False  # there are marks among the changes
            # Of committed items that changes hide, the first of some neighbours to the last; upwards and downwards.
            self._hidden: tuple[dict[bytes, bytes], dict[bytes, bytes]] = ({}, {})
            self._touched = new  # to be written even without changes
            self._scanned_to: LookedTo = None if new else tx._plain_buckets.looked_to(path)
            self._plain = self._scanned_to is None
            self._has_nested = False  # some were seen: there is no need to look for them again
            self._walks = 0
            self._asked = 0
            self._choose_fast()

    @property
    def _changes(self) -> Changes:
        """The uncommitted changes. Puts that came as one run are unfolded by the first look at one of them."""
        if self._run is not None:
            self._tx._require_open()
            self._pending = cast(Changes, hot.unfold(self._run))
            self._run = None
            self._choose_fast()
        return self._pending

    @property
    def _takes_runs(self) -> bool:
        return self._plain and not self._pending

    def _take_run(self, puts: hot.Changes) -> None:
        """Have these puts as the only changes. Until somebody looks at one of them they need no dict."""
        self._run = puts
        self._pending = _FOLDED
        self._fast = None

    @property
    def _ref(self) -> BucketRef:
        """Where the committed tree is."""
        tree = self._tree
        return BucketRef(tree.root, tree.sequence, tree.inline_at, tree.inline_len)

    @property
    def fill_percent(self) -> float:
        """How full a page is made when it must be split: 0.1 to 1.0, what is beyond counts as the nearer of them.

        It is not stored and holds for this handle. bolt's default is 0.5; 0.9 suits keys that come in order.
        """
        return self._fill_percent

    @fill_percent.setter
    def fill_percent(self, value: float) -> None:
        if not isinstance(value, float | int):
            raise TypeError(f"fill_percent is {value!r}; it must be a number between 0.1 and 1.0")
        if not isfinite(value):
            raise ValueError(f"fill_percent is {value}; it must be between 0.1 and 1.0")
        self._fill_percent = value

    def _choose_fast(self) -> None:
        told = self._marked and self._order is not None  # the order must hear of keys that come back
        open_for_puts = self._plain and not self._walks and not told and self._run is None
        self._fast = self._pending if open_for_puts and self._pending is not _NO_CHANGES else None

    def _key_order(self) -> KeyOrder:
        if self._order is None:
            self._order = KeyOrder(self._changes)
            self._choose_fast()
        return self._order

    def _is_about_to_set(self, key: bytes) -> None:
        """Tell the order of a deleted key that comes back."""
        if self._order is not None and isinstance(self._changes.get(key), Mark):
            self._order.come_back(key)

    def _is_about_to_set_many(self, keys: Collection[bytes]) -> None:
        if self._order is None or not self._marked:
            return
        if len(keys) * 4 > len(self._changes):  # to put all in order anew costs less
            self._order = None
            self._choose_fast()
        else:
            for key in keys:
                self._is_about_to_set(key)

    def _require_open(self) -> None:
        self._tx._require_open()

    def _walk(self, by: int) -> None:
        self._walks += by
        self._choose_fast()

    def _names_nested(self, key: bytes) -> bool:
        """Return whether `key` names a nested bucket now, and learn."""
        value = self._changes.get(key)
        if value is not None:
            return value is Mark.NESTED
        if self._plain:
            return False
        found = hot.find(self._tree, key)
        self._asked += 1
        if self._asked >= _FIRST_SCAN_PUTS and not self._asked & (self._asked - 1):
            self._learn_from(self._asked)
        return found is not None and bool(found.flags & BUCKET_ENTRY)

    def _nested_among(self, keys: Collection[bytes]) -> bytes | None:
        """Return a key that names a nested bucket now, None if there is none. One call for many keys."""
        if self._plain:
            return None
        committed = min(hot.places(self._tree, list(keys)), default=hot.MISSING) < hot.MISSING
        if not committed and (not self._has_nested or self._changes.keys().isdisjoint(keys)):
            return None
        return next(filter(self._names_nested, keys), None)

    def _learn_from(self, puts: int) -> None:
        """Look for nested buckets, as far as is worth it for so many puts."""
        if not self._plain and not self._has_nested:
            self._scan_for_nested(puts * _SCANNED_ITEMS_PER_PUT)

    def _scan_for_nested(self, items: int) -> None:
        found: list[hot.Run] = []
        done = False
        while items > 0 and not found and not done:
            how = hot.SCAN_BUCKETS | (hot.SCAN_EXCLUSIVE if self._scanned_to else 0)
            share = min(items, LARGEST_BATCH)
            found, self._scanned_to, done = hot.scan(self._tree, self._map, self._scanned_to or None, None, how, share)
            items -= share
        if found:
            self._has_nested = True
        elif done:
            self._plain = True
            self._choose_fast()

    def _holds_nested(self) -> None:
        """Take note that a nested bucket is put here."""
        self._plain = False
        self._fast = None
        self._tx._plain_buckets.forget_one(self._path)
        self._has_nested = True

    def _tell_plain(self, found: dict[Path, LookedTo]) -> None:
        """Add what this and all nested handles have come to know."""
        to = None if self._plain else self._scanned_to
        if not self._has_nested and to != self._tx._plain_buckets.looked_to(self._path):
            found[self._path] = to
        for child in self._children.values():
            child._tell_plain(found)

    def _close(self) -> None:
        """Drop all changes: the transaction has ended, or the bucket was deleted."""
        for child in self._children.values():
            child._close()
        self._children = {}
        self._pending = _NO_CHANGES
        self._run = None
        self._fast = None
        self._order = None
