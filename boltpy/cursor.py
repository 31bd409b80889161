"""A position among the items of a bucket, movable both ways while the bucket changes.

A cursor remembers a key, not a place in a page: `next` is the first item behind that key, whatever was put or deleted
meanwhile. Items of the committed tree cannot change under it and are fetched in growing windows; the uncommitted
changes are looked up as they are at each step.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import islice
from mmap import mmap
from operator import itemgetter
from typing import Generic, Protocol, TypeVar

from . import hot
from .changes import Changes, KeyOrder
from .errors import KeyRequiredError
from .format import ReadableBuffer
from .hot import Pair
from .tree import FIRST_BATCH

_key_of = itemgetter(0)
_NOTHING: Iterator[Pair] = iter(())
_REVERSE, _EXCLUSIVE = hot.SCAN_REVERSE, hot.SCAN_EXCLUSIVE


class Ending(Protocol):
    """What tells whether a transaction has ended."""

    _open: bool


class Walked(Protocol):
    """What a cursor needs of its bucket."""

    @property
    def _tx(self) -> Ending: ...
    @property
    def _changes(self) -> Changes: ...

    _tree: hot.Tree
    _map: mmap
    _pending: Changes
    _hidden: tuple[dict[bytes, bytes], dict[bytes, bytes]]

    def _key_order(self) -> KeyOrder:
        """Return the order of the changes' keys."""

    def _require_open(self) -> None:
        """Raise TxClosedError if the transaction has ended."""


class Deletable(Walked, Protocol):
    """A bucket that a cursor may delete from."""

    def delete(self, key: ReadableBuffer) -> None:
        """Delete a pair."""


BucketT = TypeVar("BucketT", bound=Deletable)


class Steps:
    """Finds the neighbour of a key among the committed items and the changes of a bucket."""

    __slots__ = ("_anchor", "_at", "_bucket", "_done", "_reverse", "_size", "_window")

    def __init__(self, bucket: Walked) -> None:
        self._bucket = bucket
        # The window holds all committed items behind `anchor` (None: from the end) up to its last one.
        self._window: list[Pair] = []
        self._at = 0
        self._anchor: bytes | None = None
        self._reverse = False
        self._done = False
        self._size = FIRST_BATCH

    def _fetch(self, anchor: bytes | None, inclusive: bool) -> None:
        how = 0 if inclusive else _EXCLUSIVE
        if self._reverse:
            how |= _REVERSE
        bucket = self._bucket
        try:
            pairs, _, self._done = hot.scan_pairs(bucket._tree, bucket._map, anchor, None, how, self._size)
        except Exception:
            self._window, self._done = [], False
            bucket._require_open()
            raise
        self._window = list(pairs)
        self._at = 0
        self._anchor = anchor
        self._size = min(self._size * 4, hot.LARGEST_SCAN)

    def _committed(self, key: bytes | None, inclusive: bool, reverse: bool) -> Pair | None:
        """Return the first committed item from `key` on in one direction."""
        window = self._window
        if reverse is not self._reverse or inclusive or key is None:
            pass
        elif not window:
            anchor = self._anchor
            if self._done and (anchor is None or (key <= anchor if reverse else key >= anchor)):
                return None
        else:
            at = self._at
            if window[at][0] == key:  # the usual case: one step on
                at += 1
            else:
                at = self._place(key)
            if at >= 0:
                if at == len(window):
                    if self._done:
                        return None
                    self._fetch(window[-1][0], False)
                    window, at = self._window, 0
                    if not window:
                        return None
                self._at = at
                return window[at]
        self._reverse = reverse
        self._size = FIRST_BATCH
        self._fetch(key, inclusive)
        return self._window[0] if self._window else None

    def coming(self) -> Iterator[Pair]:
        """Return what follows the committed item that was found last, as far as it is known."""
        return islice(self._window, self._at + 1, None)

    def _place(self, key: bytes) -> int:
        """Return the index in the window of the first item behind `key`; -1 if the window cannot tell."""
        window, anchor = self._window, self._anchor
        if self._reverse:
            if (anchor is not None and key > anchor) or key < window[-1][0]:
                return -1
            return len(window) - bisect_left(window[::-1], key, key=_key_of)
        if (anchor is not None and key < anchor) or key > window[-1][0]:
            return -1
        return bisect_right(window, key, key=_key_of)

    def beside(self, key: bytes | None, *, inclusive: bool, reverse: bool) -> Pair | None:
        """Return the first item from `key` on (None: from the end) in one direction, as the transaction sees it."""
        bucket = self._bucket
        if not bucket._pending:
            if not bucket._tx._open:
                bucket._require_open()
            return self._committed(key, inclusive, reverse)
        changed = self._changed(key, inclusive, reverse)
        item = self.visible(key, inclusive=inclusive, reverse=reverse)
        if item is None or changed is None:
            return item or changed
        return max(item, changed, key=_key_of) if reverse else min(item, changed, key=_key_of)

    def visible(self, key: bytes | None, *, inclusive: bool, reverse: bool) -> Pair | None:
        """Return the first committed item from `key` on that no change hides.

        What a change hides stays hidden, so neighbours that were passed once are leapt over from then on.
        """
        changes = self._bucket._changes
        leaps = self._bucket._hidden[reverse]
        passed: list[bytes] = []
        while True:
            item = self._committed(key, inclusive, reverse)
            if item is None or item[0] not in changes:
                break
            passed.append(item[0])
            key, inclusive = leaps.get(item[0], item[0]), False
        if passed and key is not None:
            leaps.update(dict.fromkeys(passed, key))  # from each: the next walk may begin in the middle
        return item

    def _changed(self, key: bytes | None, inclusive: bool, reverse: bool) -> Pair | None:
        found = self._bucket._key_order().beside(key, inclusive=inclusive, reverse=reverse)
        if found is None:
            return None
        value = self._bucket._changes[found]
        return found, value if isinstance(value, bytes) else None


class Cursor(Generic[BucketT]):
    """Walks over the items of a bucket in key order.

    `first`, `last`, `next`, `prev` and `seek` return `(key, value)`, or None where there is no such item; the value
    of a nested bucket is None. A cursor is valid until its transaction ends; then every call raises TxClosedError.
    It survives changes of the bucket: `next` after `delete` is the item behind the deleted one.
    """

    __slots__ = ("_ahead", "_back", "_bucket", "_key", "_past_end", "_steps")

    def __init__(self, bucket: BucketT) -> None:
        self._bucket = bucket
        self._steps = Steps(bucket)
        self._key: bytes | None = None
        self._past_end = False
        # The items next to come, upwards and downwards, while the bucket is as it is in the file; one is empty.
        self._ahead = self._back = _NOTHING

    @property
    def bucket(self) -> BucketT:
        """The bucket that made the cursor."""
        return self._bucket

    def first(self) -> Pair | None:
        """Move to the first item and return it; None in an empty bucket."""
        return self._arrive(None, False)

    def last(self) -> Pair | None:
        """Move to the last item and return it; None in an empty bucket."""
        return self._arrive(None, True)

    def seek(self, key: ReadableBuffer) -> Pair | None:
        """Move to the first item whose key is not below `key` and return it.

        Where there is none, return None and rest behind the last item: `prev` then gives the last one.
        """
        return self._arrive(key if type(key) is bytes else bytes_of(key), False)

    def next(self) -> Pair | None:
        """Move to the next item and return it. At the last one, return None and stay there."""
        bucket = self._bucket
        if not bucket._pending and bucket._tx._open:
            for item in self._ahead:
                self._key = item[0]
                return item
        return self._step(False)

    def prev(self) -> Pair | None:
        """Move to the item before and return it. At the first one, return None and stay there."""
        bucket = self._bucket
        if not bucket._pending and bucket._tx._open:
            for item in self._back:
                self._key = item[0]
                return item
        return self.last() if self._past_end else self._step(True)

    def delete(self) -> None:
        """Delete the pair at the cursor, which does not move. Nothing happens if there is no item here any more.

        Raises:
            KeyRequiredError: The cursor was never moved to an item.
            IncompatibleValueError: The item is a nested bucket.
            TxNotWritableError: The transaction reads only.
            TxClosedError: It has ended.
        """
        if self._key is not None:
            self._bucket.delete(self._key)
        elif not self._past_end:
            self._bucket._require_open()
            raise KeyRequiredError("the cursor is at no item: call first(), last() or seek() before delete()")

    def _arrive(self, key: bytes | None, reverse: bool) -> Pair | None:
        bucket = self._bucket
        if not bucket._pending and bucket._tx._open:
            return self._arrive_in_the_file(key, reverse)
        item = self._steps.beside(key, inclusive=True, reverse=reverse)
        self._past_end = item is None
        self._key = None
        return self._rest_at(item, reverse)

    def _arrive_in_the_file(self, key: bytes | None, reverse: bool) -> Pair | None:
        bucket = self._bucket
        try:
            coming, _, _ = hot.scan_pairs(bucket._tree, bucket._map, key, None, _REVERSE if reverse else 0, FIRST_BATCH)
        except Exception:
            bucket._require_open()
            raise
        self._ahead, self._back = (_NOTHING, coming) if reverse else (coming, _NOTHING)
        for item in coming:
            self._key, self._past_end = item[0], False
            return item
        self._key, self._past_end = None, True
        return None

    def _step(self, reverse: bool) -> Pair | None:
        if self._key is None:
            self._bucket._require_open()
            return None
        return self._rest_at(self._steps.beside(self._key, inclusive=False, reverse=reverse), reverse)

    def _rest_at(self, item: Pair | None, reverse: bool) -> Pair | None:
        self._ahead = self._back = _NOTHING
        if item is not None:
            self._key = item[0]
            if not self._bucket._pending:  # else others may come in between
                coming = self._steps.coming()
                self._ahead, self._back = (_NOTHING, coming) if reverse else (coming, _NOTHING)
        return item


def bytes_of(data: ReadableBuffer, what: str = "key") -> bytes:
    """Return bytes-like data as bytes.

    Raises:
        TypeError: It is something else; for text the message says how to encode it.
    """
    if type(data) is bytes:
        return data
    with _view(data, what) as view:
        return view.tobytes()


def size_of(data: ReadableBuffer, what: str = "key") -> int:
    """Return the bytes of bytes-like data.

    Raises:
        TypeError: As `bytes_of`.
    """
    if type(data) is bytes:
        return len(data)
    with _view(data, what) as view:
        return view.nbytes


def _view(data: ReadableBuffer, what: str) -> memoryview:
    """Return a view of bytes-like data: what a class says of its length, or of itself as bytes, may be anything."""
    try:
        return memoryview(data)
    except TypeError:
        given: type[object] = type(data)
        hint = f"; write {what}.encode() or b'...'" if given is str else ""
        raise TypeError(f"{what} must be bytes-like, not {given.__name__}{hint}") from None
