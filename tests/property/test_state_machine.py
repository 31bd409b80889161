"""A database and a model of dicts do the same random work; they must never be told apart.

Pairs are put and deleted singly and in bulk, everything is read in every way by the writer and by old readers, and
cursors are moved while their buckets change under them.
"""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import precondition, rule

import boltpy
from tests.models import BucketModel, assert_holds, bucket_at

from .machine import MOST_READERS, TransactionMachine, Walker
from .strategies import BOUNDS, KEYS, RUNS, VALUES


class DatabaseMachine(TransactionMachine):
    """Random work on the pairs of a database."""

    # -- pairs ---------------------------------------------------------------------------------------------------

    @rule(data=st.data(), key=KEYS, value=VALUES)
    def put(self, data: st.DataObject, key: bytes, value: bytes) -> None:
        tx = self.writer()
        path = self.pick(data, self.model)
        if path is None:
            return
        entries = self.model.nested(*path).entries
        if isinstance(entries.get(key), BucketModel):
            self.refused(boltpy.IncompatibleValueError, bucket_at(tx, *path).put, key, value)
        else:
            bucket_at(tx, *path).put(key, value)
            entries[key] = value

    @rule(data=st.data(), key=KEYS)
    def delete(self, data: st.DataObject, key: bytes) -> None:
        tx = self.writer()
        path = self.pick(data, self.model)
        if path is None:
            return
        entries = self.model.nested(*path).entries
        if isinstance(entries.get(key), BucketModel):
            self.refused(boltpy.IncompatibleValueError, bucket_at(tx, *path).delete, key)
        else:
            bucket_at(tx, *path).delete(key)
            entries.pop(key, None)

    @rule(data=st.data(), pairs=st.one_of(RUNS, st.dictionaries(KEYS, VALUES, max_size=8)))
    def put_many(self, data: st.DataObject, pairs: dict[bytes, bytes]) -> None:
        tx = self.writer()
        path = self.pick(data, self.model)
        if path is None:
            return
        model = self.model.nested(*path)
        if any(name in pairs for name in model.names()):
            self.refused(boltpy.IncompatibleValueError, bucket_at(tx, *path).put_many, pairs)
        else:
            bucket_at(tx, *path).put_many(pairs)
            model.entries.update(pairs)

    @rule(data=st.data(), keys=st.one_of(RUNS.map(list), st.lists(KEYS, max_size=8)))
    def delete_many(self, data: st.DataObject, keys: list[bytes]) -> None:
        tx = self.writer()
        path = self.pick(data, self.model)
        if path is None:
            return
        model = self.model.nested(*path)
        if any(name in keys for name in model.names()):
            self.refused(boltpy.IncompatibleValueError, bucket_at(tx, *path).delete_many, keys)
        else:
            bucket_at(tx, *path).delete_many(keys)
            for key in keys:
                model.entries.pop(key, None)

    @rule(data=st.data(), keep=st.integers(0, 9))
    def delete_most(self, data: st.DataObject, keep: int) -> None:
        tx = self.writer()
        path = self.pick(data, self.model)
        if path is None:
            return
        model = self.model.nested(*path)
        gone = [key for number, key in enumerate(model.pairs()) if number % 10 >= keep]
        for key in gone:
            bucket_at(tx, *path).delete(key)
            del model.entries[key]

    # -- reading -------------------------------------------------------------------------------------------------

    def some_view(self, data: st.DataObject) -> tuple[boltpy.Tx, BucketModel]:
        """The writer, or one of the readers, with what it should see."""
        views = [*self.readers, (self.writer(), self.model)]
        return data.draw(st.sampled_from(views), label="tx")

    @rule(data=st.data(), keys=st.lists(KEYS, min_size=1, max_size=5))
    def get(self, data: st.DataObject, keys: list[bytes]) -> None:
        tx, model = self.some_view(data)
        path = self.pick(data, model)
        if path is None:
            return
        bucket, pairs = bucket_at(tx, *path), model.nested(*path).pairs()
        expected = [pairs.get(key) for key in keys]
        assert [bucket.get(key) for key in keys] == expected
        assert list(bucket.get_many(keys)) == expected
        assert [key in bucket for key in keys] == [key in pairs for key in keys]
        views = [bucket.get_view(key) for key in keys]
        assert [None if view is None else bytes(view) for view in views] == expected

    @rule(data=st.data(), start=BOUNDS, stop=BOUNDS, prefix=st.one_of(st.none(), st.binary(max_size=2)))
    def iterate(self, data: st.DataObject, start: bytes | None, stop: bytes | None, prefix: bytes | None) -> None:
        tx, model = self.some_view(data)
        path = self.pick(data, model)
        if path is None:
            return
        bucket = bucket_at(tx, *path)
        expected = model.nested(*path).items(start, stop, prefix)
        assert list(bucket.items(start=start, stop=stop, prefix=prefix)) == expected
        assert list(bucket.items(start=start, stop=stop, prefix=prefix, reverse=True)) == expected[::-1]
        assert list(bucket.keys(start=start, stop=stop, prefix=prefix)) == [key for key, _ in expected]

    @rule(data=st.data())
    def compare_everything(self, data: st.DataObject) -> None:
        assert_holds(*self.some_view(data))

    # -- cursors -------------------------------------------------------------------------------------------------

    @precondition(lambda self: len(self.walkers) < MOST_READERS)
    @rule(data=st.data())
    def new_cursor(self, data: st.DataObject) -> None:
        tx = self.writer()
        path = self.pick(data, self.model)
        if path is not None:
            walker = Walker(bucket_at(tx, *path).cursor(), path)
            assert walker.cursor.next() is None
            self.walkers.append(walker)

    @precondition(lambda self: self.walkers)
    @rule(data=st.data(), key=KEYS, move=st.sampled_from(["first", "last", "seek", "next", "prev", "next", "prev"]))
    def move_cursor(self, data: st.DataObject, key: bytes, move: str) -> None:
        walker = data.draw(st.sampled_from(self.walkers), label="cursor")
        model = self.model.nested(*walker.path)
        items = model.items()
        if move == "seek":
            item, expected = walker.cursor.seek(key), model.at_or_after(key)
            walker.at = None
        elif move == "first":
            item, expected = walker.cursor.first(), items[0] if items else None
            walker.at = None
        elif move == "last":
            item, expected = walker.cursor.last(), items[-1] if items else None
            walker.at = None
        elif walker.at is None:
            return
        elif move == "next":
            item, expected = walker.cursor.next(), model.after(walker.at)
        else:
            item, expected = walker.cursor.prev(), model.before(walker.at)
        assert item == expected, move
        if item is not None:
            walker.at = item[0]

    @precondition(lambda self: self.walkers)
    @rule(data=st.data())
    def delete_under_cursor(self, data: st.DataObject) -> None:
        walker = data.draw(st.sampled_from(self.walkers), label="cursor")
        entries = self.model.nested(*walker.path).entries
        if walker.at is None or walker.at not in entries:
            return
        if isinstance(entries[walker.at], BucketModel):
            self.refused(boltpy.IncompatibleValueError, walker.cursor.delete)
        else:
            walker.cursor.delete()
            del entries[walker.at]


class HashmapMachine(DatabaseMachine):
    """The same work with the other freelist."""

    freelist_type = "hashmap"


WORK = settings(max_examples=2 * settings().max_examples)
"""A machine finds more in many runs than other tests do."""

TestWithArrayFreelist = DatabaseMachine.TestCase
TestWithArrayFreelist.settings = WORK
TestWithHashmapFreelist = HashmapMachine.TestCase
TestWithHashmapFreelist.settings = WORK
