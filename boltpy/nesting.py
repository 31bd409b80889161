"""The part of a bucket that concerns other buckets: nested ones, moving, sequence, statistics."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from heapq import merge
from typing import Any, Self

from . import hot
from .bucket_state import MAX_NESTING, BucketState, BucketTx, too_deep
from .census import bucket_stats
from .changes import Mark
from .cursor import bytes_of
from .errors import (
    BucketError,
    BucketExistsError,
    BucketNameRequiredError,
    BucketNotFoundError,
    CorruptError,
    DifferentDatabaseError,
    IncompatibleValueError,
    SameBucketError,
)
from .format import Pgid, ReadableBuffer
from .hot.raw_page import BucketRef
from .ranges import pair_count
from .stats import BucketStats, BucketStructure

_MAX_SEQUENCE = 2**64 - 1


class _DeletedBucketTx:
    """Stands in for the transaction of a bucket that was deleted."""

    def __init__(self, tx: BucketTx, name: bytes) -> None:
        self.writable = tx.writable
        self._snapshot = tx._snapshot
        self._freed = tx._freed
        self._plain_buckets = tx._plain_buckets
        self._stats = tx._stats
        self._open = False
        self._tx = tx
        self._name = name

    def _require_open(self) -> None:
        self._tx._require_open()
        raise BucketNotFoundError(self._name)

    def _require_writable(self) -> None:
        self._require_open()

    def _lend(self, view: memoryview) -> memoryview:
        return self._tx._lend(view)


class NestingBucket(BucketState):
    """Nested buckets, sequence and statistics of a bucket; Bucket adds the pairs."""

    __slots__ = ()

    @property
    def tx(self) -> Any:  # the type stands on a higher floor
        """The `boltpy.Tx` that the bucket belongs to."""
        return self._tx._tx if isinstance(self._tx, _DeletedBucketTx) else self._tx

    def bucket(self, *path: ReadableBuffer) -> Self | None:
        """Return the bucket nested here under this name, or under this path of names; None if there is none.

        In a write transaction the same object is returned each time.

        Raises:
            CorruptError: A page on the way breaks the format.
            TxClosedError: The transaction has ended.
        """
        self._tx._require_open()
        found: Self | None = self
        for name in path:
            if found is None:
                return None
            found = found._nested(bytes_of(name, "name"))
        return found

    def _nested(self, name: bytes) -> Self | None:
        if self.writable:
            child = self._children.get(name)
            if child is not None:
                return child  # type: ignore[return-value]  # children are of our own class
        tree = self._nested_tree(name)
        if tree is None:
            return None
        opened = type(self)(self._tx, tree, (*self._path, name))
        if self.writable:
            self._children[name] = opened
        return opened

    def _nested_tree(self, name: bytes) -> hot.Tree | None:
        """Return the committed tree of a nested bucket; None if the key is missing or plain."""
        value = self._changes.get(name)
        if value is not None:
            child = self._children.get(name)
            return child._tree if child is not None and value is Mark.NESTED else None
        return hot.nested(self._tree, name)

    def _require_free(self, name: bytes) -> None:
        """Raise unless the key is free for a new nested bucket."""
        value = self._changes.get(name)
        if value is None:
            place = hot.get(self._tree, name, len(name))
            if place == hot.MISSING:
                return
            if place == hot.IS_BUCKET or hot.nested(self._tree, name) is not None:
                raise BucketExistsError(name)
            if place >= 0 or hot.find(self._tree, name) is not None:
                raise IncompatibleValueError(name, "a plain key, not a bucket")
        elif value is Mark.NESTED:
            raise BucketExistsError(name)
        elif isinstance(value, bytes):
            raise IncompatibleValueError(name, "a plain key, not a bucket")

    def create_bucket(self, name: ReadableBuffer) -> Self:
        """Make a new nested bucket and return it.

        Args:
            name: At least one byte.

        Raises:
            BucketNameRequiredError: The name is empty.
            BucketExistsError: There is one already.
            IncompatibleValueError: The key holds a plain value.
            TxNotWritableError, TxClosedError: The transaction cannot change anything.
        """
        self._tx._require_writable()
        return self._create(bytes_of(name, "name"))

    def _create(self, name: bytes) -> Self:
        if not name:
            raise BucketNameRequiredError
        self._require_free(name)
        child = type(self)(self._tx, self._snapshot.tree(BucketRef()), (*self._path, name), new=True)
        self._adopt(name, child)
        return child

    def _adopt(self, name: bytes, child: BucketState) -> None:
        self._is_about_to_set(name)
        self._children[name] = child
        self._changes[name] = Mark.NESTED
        self._marked = True
        self._edits += 1
        self._holds_nested()

    def _disown(self, name: bytes) -> None:
        """Take a nested bucket out of this one; its pages are somebody else's business."""
        child = self._children.pop(name)
        if self._changes.get(name) is Mark.NESTED:
            self._changes[name] = Mark.ERASED
        else:
            self._changes[name] = Mark.DELETED
            self._retyped.add(name)
        self._marked = True
        if self._order is not None:
            self._order.go(name)
        self._choose_fast()
        self._edits += 1
        self._tx._plain_buckets.forget(child._path)

    def create_bucket_if_not_exists(self, name: ReadableBuffer) -> Self:
        """Return the nested bucket of this name, made now if there was none.

        Raises:
            As `create_bucket`, without BucketExistsError.
        """
        self._tx._require_writable()
        name = bytes_of(name, "name")
        return self._nested(name) or self._create(name)

    def delete_bucket(self, name: ReadableBuffer) -> None:
        """Delete a nested bucket with everything in it. Its handles are closed with it.

        Raises:
            BucketNotFoundError: There is none of this name.
            IncompatibleValueError: The key holds a plain value.
            TxNotWritableError, TxClosedError: The transaction cannot change anything.
        """
        self._tx._require_writable()
        name = bytes_of(name, "name")
        child = self._existing(name)
        doomed = child._all_pages()  # before anything is changed: a damaged page ends it here
        self._tx._freed.extend(doomed)
        self._disown(name)
        child._vanish()

    def _existing(self, name: bytes) -> Self:
        child = self.bucket(name)
        if child is not None:
            return child
        value = self._changes.get(name)
        if isinstance(value, bytes) or (value is None and hot.find(self._tree, name) is not None):
            raise IncompatibleValueError(name, "a plain key, not a bucket")
        raise BucketNotFoundError(name)

    def _vanish(self) -> None:
        """Make every later use of this handle, and of those below it, an error."""
        for child in self._children.values():
            child._vanish()  # type: ignore[attr-defined]  # children are of our own class
        self._close()
        self._tree = self._snapshot.tree(BucketRef())
        self._tx = _DeletedBucketTx(self._tx, self._path[-1])

    def _nest(self) -> Iterator[tuple[hot.Tree, int]]:
        """Yield the committed tree of this bucket and of all that are nested in it now, each with its level below.

        What is nested in one is looked up after it was yielded: a caller that sees a tree again must end the walk.
        """
        waiting: list[tuple[BucketRef, BucketState | None, int]] = [(self._ref, self, 0)]
        while waiting:
            ref, handle, level = waiting.pop()
            tree = self._snapshot.tree(ref)
            yield tree, level
            changes = handle._changes if handle else {}
            children = handle._children if handle else {}
            for name, nested in self._snapshot.nested_buckets(tree):
                if name not in changes:
                    child = children.get(name)
                    waiting.append((child._ref if child else nested, child, level + 1))
            for name, value in changes.items():
                if value is Mark.NESTED:
                    waiting.append((children[name]._ref, children[name], level + 1))

    def _all_pages(self) -> array[int]:
        """Return the committed pages of this bucket and of all that are nested in it now."""
        marks = self._snapshot.new_marks()
        return hot.marked(marks, sum(hot.mark_pages(tree, marks) for tree, _ in self._nest()))

    def _require_depth(self, child: NestingBucket) -> None:
        """Raise BucketError unless a bucket fits below this one with all that is nested in it."""
        if len(self._path) < len(child._path):
            return  # no deeper than it was
        left = MAX_NESTING - len(self._path) - 1
        seen: set[Pgid] = set()
        for tree, level in child._nest() if left >= 0 and not child._plain else [(child._tree, 0)]:
            if level > left:
                name = child._path[-1]
                raise BucketError(f"cannot move bucket {name!r}: it would be nested deeper than {MAX_NESTING} levels")
            if tree.root in seen:
                raise CorruptError(tree.root, "two buckets have the same tree")
            if tree.root:
                seen.add(tree.root)

    def move_bucket(self, name: ReadableBuffer, target: Self, new_name: ReadableBuffer | None = None) -> None:
        """Move a nested bucket, with all changes made in it, from here into `target` of the same transaction.

        Args:
            name: The bucket.
            target: Where to.
            new_name: What it is called there; None keeps the name. With another one, `target` may be this bucket.

        Raises:
            BucketNameRequiredError: The new name is empty.
            TypeError: `target` is no bucket; `Tx.move_bucket` takes None for the top level.
            DifferentDatabaseError: `target` belongs to another transaction.
            SameBucketError: `target` is this bucket, and the name stays; or it is the moved bucket or lies inside it.
            BucketError: It, or what is nested in it, would be nested deeper than MAX_NESTING levels.
            CorruptError: A page of the moved bucket breaks the format.
            BucketNotFoundError: There is no bucket of this name here.
            BucketExistsError: `target` has one of this name already.
            IncompatibleValueError: The key holds a plain value here or there.
            TxNotWritableError, TxClosedError: The transaction cannot change anything.
        """
        self._tx._require_writable()
        if not isinstance(target, NestingBucket):
            raise TypeError(f"target is {target!r}; it must be a bucket (Tx.move_bucket takes None for the top level)")
        target._tx._require_writable()
        name = bytes_of(name, "name")
        new_name = name if new_name is None else bytes_of(new_name, "new_name")
        if target._tx is not self._tx:
            raise DifferentDatabaseError
        child = self._existing(name)
        if not new_name:
            raise BucketNameRequiredError
        if target is self and new_name == name:
            raise SameBucketError
        if target._path[: len(child._path)] == child._path:
            raise SameBucketError(f"cannot move bucket {name!r} into itself or into a bucket nested in it")
        target._require_free(new_name)
        target._require_depth(child)
        self._disown(name)
        child._set_path((*target._path, new_name))
        target._adopt(new_name, child)

    def _set_path(self, path: tuple[bytes, ...]) -> None:
        self._path = path
        for name, child in self._children.items():
            child._set_path((*path, name))  # type: ignore[attr-defined]  # children are of our own class

    def buckets(self) -> Iterator[tuple[bytes, Self]]:
        """Iterate over (name, bucket) of all buckets nested directly here, in key order."""
        self._require_open()
        if self.writable:
            made = sorted([name for name, value in self._changes.items() if value is Mark.NESTED])
            stored = (name for name, _ in self._snapshot.nested_buckets(self._tree) if name not in self._changes)
            for name in merge(stored, made):
                nested = self.bucket(name)
                if nested is not None:
                    yield name, nested
            return
        for name, ref in self._snapshot.nested_buckets(self._tree):
            yield name, type(self)(self._tx, self._snapshot.tree(ref), (*self._path, name))
            self._require_open()

    # -- sequence ------------------------------------------------------------------------------------------------

    @property
    def sequence(self) -> int:
        """A number stored with the bucket, 0 in a new one. Set it to any value from 0 to 2**64 - 1."""
        self._require_open()
        return self._sequence

    @sequence.setter
    def sequence(self, value: int) -> None:
        self._tx._require_writable()
        if not isinstance(value, int):
            raise TypeError(f"sequence is {value!r}; it must be a whole number")
        if not 0 <= value <= _MAX_SEQUENCE:
            raise ValueError(f"sequence is {value}; it must be between 0 and {_MAX_SEQUENCE}")
        self._sequence = value
        self._touched = True

    def next_sequence(self) -> int:
        """Add 1 to the sequence and return it: 1 at the first call, 0 again after 2**64 - 1.

        Raises:
            TxNotWritableError, TxClosedError: The transaction cannot change anything.
        """
        self._tx._require_writable()
        self.sequence = (self._sequence + 1) & _MAX_SEQUENCE
        return self._sequence

    # -- statistics ----------------------------------------------------------------------------------------------

    def stats(self) -> BucketStats:
        """Count the pages and keys of this bucket and all nested ones, as last committed. Walks the whole tree.

        Raises:
            CorruptError: A page breaks the format.
            BucketError: Buckets are nested deeper than MAX_NESTING levels.
        """
        self._require_open()
        return bucket_stats(self._snapshot, self._ref, self._path)

    def inspect(self) -> BucketStructure:
        """Return the tree of buckets from here down, each with its number of pairs. Walks the whole tree."""
        self._require_open()
        return self._structure(set())

    def _structure(self, seen: set[Pgid]) -> BucketStructure:
        self._require_new(seen)
        name = self._path[-1] if self._path else b"root"
        return BucketStructure(name, pair_count(self), [nested._structure(seen) for _, nested in self.buckets()])

    def _require_new(self, seen: set[Pgid]) -> None:
        """Take note of the bucket's root page; in a sound file no other bucket has it.

        Raises:
            CorruptError: It was seen before: the buckets are nested in a circle, or share a tree.
            BucketError: It is nested deeper than MAX_NESTING levels.
        """
        root = self._ref.root
        if len(self._path) > MAX_NESTING:
            raise too_deep(self._path)
        if root in seen:
            raise CorruptError(root, "two buckets have the same tree")
        if root:
            seen.add(root)
