"""A bucket as its user sees it: pairs, nested buckets, ranges, sequence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from operator import itemgetter
from typing import Any, TypeVar, cast, overload

from . import hot
from .changes import Mark
from .cursor import Cursor, bytes_of, size_of
from .errors import IncompatibleValueError, KeyRequiredError, KeyTooLargeError, ValueTooLargeError
from .format import BUCKET_ENTRY, MAX_KEY_SIZE, MAX_VALUE_SIZE, Pgid, ReadableBuffer
from .hot import SIZE_LIMIT, Pair
from .nesting import NestingBucket
from .ranges import make_range, walk, walk_keys

T = TypeVar("T")

_A_BUCKET = "a nested bucket; reach it with bucket()"
_RUN_FROM = 64  # pairs of a put_many: for fewer a dict costs less
_hot_get = hot.get
_DELETED, _ERASED = Mark.DELETED, Mark.ERASED


class Bucket(NestingBucket):
    """Pairs and nested buckets in key order; keys are compared as bytes.

    A bucket is valid until its transaction ends; then every call raises TxClosedError. It is shaped like a mapping
    of pairs: `bucket[key]`, `key in bucket` and `del` know plain pairs only, iteration tells nested buckets as well
    (with the value None). It has no length, because counting walks the tree: see `stats().key_n`.

    Changes are seen at once by this transaction and reach the file at its commit. Calls that change something raise
    TxNotWritableError in a read transaction. Keys and values are bytes-like and copied; text is a TypeError.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        name = "/".join(map(repr, self._path)) or "root"
        return f"<Bucket {name} root={self._tree.root} inline={not self._tree.root}>"

    @property
    def root(self) -> Pgid:
        """The committed root page; 0 for an inline bucket and for one made by this transaction."""
        return self._tree.root

    # -- pairs ---------------------------------------------------------------------------------------------------

    @overload
    def get(self, key: ReadableBuffer) -> bytes | None: ...
    @overload
    def get(self, key: ReadableBuffer, default: T) -> bytes | T: ...
    def get(self, key: ReadableBuffer, default: object = None) -> object:
        """Return the value of `key`; `default` if there is no such pair (a nested bucket is none).

        Raises:
            TxClosedError: The transaction has ended.
            CorruptError: A page on the way breaks the format.
        """
        if type(key) is not bytes:
            key = bytes_of(key)
        if self._pending:
            value = self._changes.get(key)
            if value is not None:
                return default if isinstance(value, Mark) else value
        packed = _hot_get(self._tree, key, len(key))
        if packed >= 0:
            at, size = divmod(packed, SIZE_LIMIT)
            return self._map[at : at + size]
        place = self._look_up(key)
        return default if place is None else self._map[place[0] : place[1]]

    def _look_up(self, key: bytes) -> tuple[int, int] | None:
        """Return where the committed value of a pair is in the map."""
        self._require_open()
        found = hot.find(self._tree, key)
        if found is None or found.flags & BUCKET_ENTRY:
            return None
        return found.value_at, found.value_at + found.vsize

    def get_view(self, key: ReadableBuffer) -> memoryview | None:
        """Return the value of `key` without copying it, as a read-only memoryview; None if there is no such pair.

        The view is released when the transaction ends. What was made of it meanwhile (a slice, another view, an array)
        is not: do not use it any longer, as its bytes may then be those of another page.
        """
        self._require_open()
        key = bytes_of(key)
        value = self._changes.get(key)
        if isinstance(value, bytes):
            return self._tx._lend(memoryview(value))
        place = None if isinstance(value, Mark) else self._look_up(key)
        return None if place is None else self._tx._lend(memoryview(self._map)[place[0] : place[1]])

    def get_many(self, keys: Iterable[ReadableBuffer]) -> list[bytes | None]:
        """Return the value of each key in turn, None where there is no such pair. The fast way for many keys."""
        self._require_open()
        wanted = cast("list[bytes]", list(keys))
        try:
            found, complete = hot.get_many(self._tree, self._map, wanted)
        except ValueError:  # not only bytes
            return self.get_many([bytes_of(key) for key in wanted])
        except Exception:
            self._require_open()
            raise
        if not complete:
            for i, value in enumerate(found):
                if value is None:
                    found[i] = self.get(wanted[i])
        if self._pending:
            for i, change in enumerate(map(self._changes.get, map(bytes_of, wanted))):
                if change is not None:
                    found[i] = None if isinstance(change, Mark) else change
        return found

    def put(self, key: ReadableBuffer, value: ReadableBuffer) -> None:
        """Set the value of `key`.

        Args:
            key: 1 to 32768 bytes.
            value: 0 to 2147483646 bytes.

        Raises:
            KeyRequiredError, KeyTooLargeError, ValueTooLargeError: Nothing was changed, the transaction can go on.
            IncompatibleValueError: The key names a nested bucket.
            TxNotWritableError, TxClosedError: The transaction cannot change anything.
        """
        fast = self._fast
        if (
            fast is not None
            and type(key) is bytes
            and type(value) is bytes
            and 0 < len(key) <= MAX_KEY_SIZE
            and len(value) <= MAX_VALUE_SIZE
        ):
            fast[key] = value
        else:
            self._put(key, value)

    def _put(self, key: ReadableBuffer, value: ReadableBuffer) -> None:
        self._tx._require_writable()
        _check_sizes(key, value)  # before anything large is copied
        key, value = bytes_of(key), bytes_of(value, "value")
        if self._names_nested(key):
            raise IncompatibleValueError(key, _A_BUCKET)
        self._is_about_to_set(key)
        self._changes[key] = value
        self._edits += 1

    def put_many(self, pairs: Mapping[bytes, ReadableBuffer] | Iterable[tuple[ReadableBuffer, ReadableBuffer]]) -> None:
        """Set the values of many keys, from a mapping or an iterable of pairs. The fast way in.

        All pairs are checked before the first is set: after an error nothing was changed.

        Raises:
            As `put`.
        """
        self._tx._require_writable()
        # One snapshot: other threads may change a dict, and what the pairs come from may change this bucket.
        items = list(pairs.items() if isinstance(pairs, Mapping) else pairs)
        self._tx._require_writable()
        if not items:
            return
        self._learn_from(len(items))
        if len(items) >= _RUN_FROM and self._put_run(items):
            return
        new = _checked(items)
        nested = self._nested_among(new)
        if nested is not None:
            raise IncompatibleValueError(nested, _A_BUCKET)
        self._tx._require_writable()
        self._is_about_to_set_many(new)
        self._changes.update(new)
        self._edits += 1

    def _put_run(self, pairs: list[Any]) -> bool:
        """Take pairs as a run, if nothing about them or this bucket needs a closer look."""
        if not self._takes_runs or not _can_be_read_again(pairs):
            return False
        try:
            run = hot.plain_puts([key for key, _ in pairs], [value for _, value in pairs])
        except (TypeError, ValueError):  # no pairs
            return False
        if run is None or not self._takes_runs:
            return False
        self._tx._require_writable()
        self._take_run(run)
        self._edits += 1
        return True

    def delete(self, key: ReadableBuffer) -> None:
        """Delete the pair with this key; a missing one is no error.

        Raises:
            IncompatibleValueError: The key names a nested bucket.
            TxNotWritableError, TxClosedError: The transaction cannot change anything.
        """
        changes = self._fast
        if changes is None or type(key) is not bytes:
            self._tx._require_writable()
            key = bytes_of(key)
            if self._names_nested(key):
                raise IncompatibleValueError(key, _A_BUCKET)
            changes = self._changes
            self._edits += 1
        old = changes.get(key)
        changes[key] = _DELETED if old is None or old is _DELETED else _ERASED
        self._marked = True
        if self._order is not None:
            self._order.go(key)
            self._fast = None

    def delete_many(self, keys: Iterable[ReadableBuffer]) -> None:
        """Delete the pairs with these keys; missing ones are no error.

        All keys are checked before the first is deleted: after an error nothing was changed.

        Raises:
            As `delete`.
        """
        self._tx._require_writable()
        doomed = [bytes_of(key) for key in keys]
        self._learn_from(len(doomed))
        nested = self._nested_among(doomed)
        if nested is not None:
            raise IncompatibleValueError(nested, _A_BUCKET)
        for key in doomed:
            self.delete(key)

    def __getitem__(self, key: ReadableBuffer) -> bytes:
        value = self.get(key)
        if value is None:
            if self._nested_tree(bytes_of(key)) is not None:
                raise IncompatibleValueError(bytes_of(key), _A_BUCKET)
            raise KeyError(key)
        return value

    def __setitem__(self, key: ReadableBuffer, value: ReadableBuffer) -> None:
        self.put(key, value)

    def __delitem__(self, key: ReadableBuffer) -> None:
        self._tx._require_writable()
        self[key]
        self.delete(key)

    def __contains__(self, key: ReadableBuffer) -> bool:
        key = bytes_of(key)
        if self._pending:
            value = self._changes.get(key)
            if value is not None:
                return isinstance(value, bytes)
        return _hot_get(self._tree, key, len(key)) >= 0 or self._look_up(key) is not None

    # -- walking -------------------------------------------------------------------------------------------------

    def items(
        self,
        start: ReadableBuffer | None = None,
        stop: ReadableBuffer | None = None,
        prefix: ReadableBuffer | None = None,
        reverse: bool = False,
    ) -> Iterator[Pair]:
        """Iterate over (key, value) in key order; the value of a nested bucket is None.

        When the transaction has ended, the iterator raises TxClosedError, after a few items more that it had read.

        Args:
            start: The first key that may come.
            stop: The first key that may not come any more.
            prefix: Only keys that begin with it.
            reverse: From the last key of the range down to the first.

        Raises:
            RuntimeError: While iterating, if the bucket was changed meanwhile.
        """
        return walk(self, make_range(start, stop, prefix), reverse)

    def keys(
        self,
        start: ReadableBuffer | None = None,
        stop: ReadableBuffer | None = None,
        prefix: ReadableBuffer | None = None,
        reverse: bool = False,
    ) -> Iterator[bytes]:
        """Iterate over the keys and the names of nested buckets; the arguments are those of `items`."""
        return walk_keys(self, make_range(start, stop, prefix), reverse)

    def values(
        self,
        start: ReadableBuffer | None = None,
        stop: ReadableBuffer | None = None,
        prefix: ReadableBuffer | None = None,
        reverse: bool = False,
    ) -> Iterator[bytes | None]:
        """Iterate over the values, None for nested buckets; the arguments are those of `items`."""
        return map(itemgetter(1), walk(self, make_range(start, stop, prefix), reverse))

    def __iter__(self) -> Iterator[bytes]:
        return self.keys()

    def __reversed__(self) -> Iterator[bytes]:
        return self.keys(reverse=True)

    def cursor(self) -> Cursor[Bucket]:
        """Return a new cursor that is at no item yet."""
        self._require_open()
        self._tx._stats.cursor_count += 1
        return Cursor(self)


def _can_be_read_again(pairs: list[Any]) -> bool:
    """Return whether pairs are of a usual type; others may give what they have only once."""
    return type(pairs[0]) in (tuple, list)


def _checked(pairs: list[Any]) -> dict[bytes, bytes]:
    """Return pairs, of which the last with a key counts. All of them are checked."""
    if _can_be_read_again(pairs):
        with suppress(TypeError, ValueError):
            new = dict(pairs)
            if len(new) == len(pairs) and set(map(type, new)) == set(map(type, new.values())) == {bytes}:
                key_sizes, value_sizes = set(map(len, new)), set(map(len, new.values()))
                if min(key_sizes) > 0 and max(key_sizes) <= MAX_KEY_SIZE and max(value_sizes) <= MAX_VALUE_SIZE:
                    return new
    found: dict[bytes, bytes] = {}
    for pair in pairs:
        key, value = _split(pair)
        _check_sizes(key, value)
        found[bytes_of(key)] = bytes_of(value, "value")
    return found


def _split(item: Any) -> tuple[Any, Any]:
    try:
        key, value = item
    except (TypeError, ValueError):
        # Not the item itself: what is to be stored may be a secret.
        raise TypeError(f"put_many takes a mapping or pairs (key, value), not a {type(item).__name__}") from None
    return key, value


def _check_sizes(key: ReadableBuffer, value: ReadableBuffer) -> None:
    key_size, value_size = size_of(key), size_of(value, "value")
    if not key_size:
        raise KeyRequiredError
    if key_size > MAX_KEY_SIZE:
        raise KeyTooLargeError(key_size, MAX_KEY_SIZE)
    if value_size > MAX_VALUE_SIZE:
        raise ValueTooLargeError(value_size, MAX_VALUE_SIZE)
