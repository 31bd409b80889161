"""The records of one class in one place, with their indexes."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Container
from functools import partial
from typing import Any, Final, TypeVar

import boltpy

from ..errors import BadCounter, NoId, PreconditionFailed, RecordExists, RecordNotFound, ZeroId
from ..forms import inherited, with_fields
from ..wire import encode, struct_of
from .indexes import open_index
from .layout import METADATA, key_of, make_bucket
from .reading import ReadRecords

T = TypeVar("T")

Prepared = set[tuple[str, ...]]
"""The paths of buckets that are known to have all that belongs to them."""

_INT64: Final = 2**63


def _as_it_is(record: Any) -> Any:
    return record


class Records(ReadRecords[T]):
    """The records of one class in one place, in one transaction.

        with db.update() as tx:
            people = Records(tx, Person, "club")
            people.insert(Person(name="Ada", age=36))
            oldest = list(people.all_by_index("age", reverse=True, limit=3))

    Where a method that writes raises one of the engine's own errors, nothing was written. After an error of boltpy's
    the transaction is to be rolled back: a part of the record may be in it.
    """

    def __init__(
        self,
        tx: boltpy.Tx,
        entity: type[T],
        *path: str,
        without: Container[str] = (),
        form: Callable[[T], T] = _as_it_is,
        prepared: Prepared | None = None,
    ) -> None:
        """Look for the bucket; it is made by the first method that writes.

        Args:
            entity: The class, with an id among its fields (see `member`).
            path: The names of the buckets around the class's own.
            without: Indexed fields whose index is not kept up.
            form: What makes of a record the one that is written (see `engine.forms`).
            prepared: For a program that alone writes to the file: one set for all its transactions, in which is noted
                where metadata and indexes need not be looked for again.

        Raises:
            TypeError: The class has no id, or a name in the path is no str.
        """
        super().__init__(tx, entity, *path)
        self._indexed = [mark for mark in self._marks.indexed if mark.name not in without]
        self._unique = [mark for mark in self._indexed if mark.unique and mark is not self._id]
        self._form = form
        self._prepared = prepared

    def create(self) -> None:
        """Make the bucket, its metadata and its indexes, as storm's Init does. What is there stays as it is."""
        self._made()

    def save(self, record: T) -> None:
        """Store a record, in place of one with the same id if there is one; storm's Save.

        Where the class counts its ids up and the record's is 0, it gets the next one: one more than the last that was
        given out. An id that the record brings along does not move the counter, so that a later record may get the
        same one and replace it. `insert` has no such surprise.

        Raises:
            ZeroId: The record has no id.
            RecordExists: A unique field has the value of another record.
            PreconditionFailed: A field holds what can not be stored.
            OtherCodec, BadCounter: See there.
            boltpy.BoltError: An id is too long or names a bucket.
        """
        if self._is_counted(record):
            # After the greatest number comes the least, as in Go.
            number = (self._last_number() + 1 + _INT64) % (2 * _INT64) - _INT64
            self._store_as(number, record)
        else:
            self._store(record)

    def insert(self, record: T) -> None:
        """Store a new record.

        Where the class counts its ids up and the record's is 0, it gets one that is greater than all before it. An id
        that the record brings along moves the counter if it is greater. An id of text must be such that UTF-8 can hold
        it: `save` stores others as Go does, under bytes that the record itself can not tell.

        Raises:
            RecordExists: There is one with the same id, or a unique field has the value of another record.
            BadCounter: There is no number left, or see there.
            ZeroId, PreconditionFailed, OtherCodec, boltpy.BoltError: As `save`.
        """
        if not self._is_counted(record):
            self._require_readable_id(record)
            self._store(record, new=True)
            return
        # A counter may be behind: ids that others brought along do not move it.
        number = self.last_number() + 1
        if number >= _INT64:
            raise BadCounter(f"{self._id.label}: there is no number left")
        self._store_as(number, record)

    def update(self, record: T) -> None:
        """Store a record in place of the one with its id, all fields of it.

        Members of the stored JSON that have no field in the class stay, and so does the shape of a class that has many.

        Raises:
            NoId: The record has none.
            RecordNotFound: There is no record with that id.
            RecordExists, PreconditionFailed, OtherCodec, boltpy.BoltError: As `save`.
        """
        old = self._replaced(record)
        touched = [mark.name for mark in self._indexed if getattr(record, mark.name) != getattr(old, mark.name)]
        self._store(inherited(record, old), old=old, touched=touched)

    def update_filled(self, record: T) -> None:
        """Copy the fields that are not zero into the record with that id; storm's Update.

        So nothing can be set back to 0, "", False or None (an empty list or map is not zero, and can be set).

        Raises:
            As `update`.
        """
        old = self._replaced(record)
        given = self._form(record)
        filled = {
            field.name: getattr(given, field.name)
            for field in struct_of(self._entity).fields
            if getattr(given, field.name) != field.zero
        }
        touched = [name for name, value in filled.items() if value != getattr(old, name)]
        self._store(with_fields(old, filled), old=old, touched=touched)

    def replace(self, record: T) -> None:
        """Store a record that was read here, in this transaction, and of which no indexed field was changed since.

        Raises:
            PreconditionFailed, OtherCodec, boltpy.BoltError: As `save`.
        """
        self._require_record(record)
        self._store(record, touched=())

    def delete(self, id: Any) -> None:
        """Delete the record with that id, from all indexes too, whatever codec the bucket names.

        Bucket, metadata and indexes stay; an index that is not there is made, as storm does.

        Raises:
            RecordNotFound: There is none.
            TypeError: The ids of this class have another type.
        """
        key = self._key(id)
        bucket = self._bucket
        stored = self._stored(key)
        if bucket is None or stored is None:
            raise RecordNotFound
        # A record that can not be read can be deleted where its key alone leads to all entries.
        old = self._decode(key, stored) if self._unique else None
        for mark in self._indexed:
            entry = key if mark is self._id else mark.entry(old) if mark.unique else None
            open_index(bucket, mark).drop(key, entry)
        bucket.delete(key)

    def last_number(self) -> int:
        """The number after which `insert` counts on: the last that was given out, or the greatest id; 0 for neither.

        Raises:
            BadCounter: See there.
        """
        return max(self._last_number(), self._greatest_number(), 0)

    def skip_numbers(self, last: int) -> None:
        """Give out no number up to `last` any more; the bucket is made if it is not there.

        Raises:
            PreconditionFailed: The number has more than 64 bits.
            OtherCodec, BadCounter: See there.
        """
        counter = key_of(last)
        if last > self.last_number():
            self._made().create_bucket_if_not_exists(METADATA).put(self._id.counter_name, counter)

    def _require_record(self, record: T) -> None:
        if not isinstance(record, self._entity):
            raise TypeError(f"these are records of {self._entity.__name__}, not of {type(record).__name__}")

    def _is_counted(self, record: T) -> bool:
        """Whether the record's id is to be counted up. ZeroId if it has none, and is not."""
        self._require_record(record)
        if getattr(record, self._id.name) != self._id.zero:
            return False
        if not self._marks.increment:
            raise ZeroId
        return True

    def _require_readable_id(self, record: T) -> None:
        own = getattr(record, self._id.name)
        try:
            if isinstance(own, str):
                own.encode()
        except UnicodeEncodeError:
            label = self._id.label
            shown = reprlib.repr(own)
            message = f"{PreconditionFailed.TEXT}: {label} must be text that UTF-8 can hold, not {shown}"
            raise PreconditionFailed(message, field=label) from None

    def _replaced(self, record: T) -> T:
        """The stored record that is about to be replaced."""
        self._require_record(record)
        wanted = getattr(record, self._id.name)
        if wanted == self._id.zero:
            raise NoId
        if not isinstance(wanted, type(self._id.zero)):
            encode(record)
        return self.get(wanted)

    def _store_as(self, number: int, record: T) -> None:
        """Store with that number as its id; the record has it afterwards, unless this fails."""
        setattr(record, self._id.name, number)
        try:
            self._store(record, counter=number)
        except BaseException:
            setattr(record, self._id.name, 0)
            raise

    def _store(
        self,
        record: T,
        *,
        new: bool = False,
        counter: int | None = None,
        old: T | None = None,
        touched: Container[str] | None = None,
    ) -> None:
        """Write a record with its index entries.

        Args:
            new: Refuse an id that is there, and move the counter to it.
            counter: The number that the counter goes to.
            old: The stored record with the same id, if it was read.
            touched: The fields whose indexes change; None for all.
        """
        record = self._form(record)
        data = encode(record)
        own = getattr(record, self._id.name)
        key = self._id.key(own)
        stored = self._stored(key) if new or self._unique else None
        if new and stored is not None:
            raise RecordExists(field=self._id.label)
        if new and self._marks.increment and own > self._last_number():
            counter = own
        if stored is not None and old is None:
            old = self._decode(key, stored)
        self._refuse_taken(record, key)
        bucket = self._made()
        if counter is not None:
            bucket.create_bucket_if_not_exists(METADATA).put(self._id.counter_name, key_of(counter))
        for mark in self._indexed:
            if touched is None or mark.name in touched:
                index = open_index(bucket, mark)
                entry = mark.entry(record)
                before = mark.entry(old) if old is not None and mark.unique else None
                if entry is None:
                    index.drop(key, before)
                else:
                    index.place(entry, key, before)
        bucket.put(key, data)

    def _refuse_taken(self, record: T, key: bytes) -> None:
        for mark in self._unique:
            entry = mark.entry(record)
            index = self._bucket.bucket(mark.index_name) if self._bucket is not None else None
            if entry is not None and index is not None and index.get(entry) not in (None, key):
                raise RecordExists(field=mark.label)

    def _made(self) -> boltpy.Bucket:
        """The bucket, with its metadata and all indexes."""
        if self._bucket is None or self._prepared is None or self._path not in self._prepared:
            self._bucket = make_bucket(self._tx, *self._path)
            for mark in self._indexed:
                open_index(self._bucket, mark)
            if self._prepared is not None:
                self._tx.on_commit(partial(self._prepared.add, self._path))
        return self._bucket

    def _last_number(self) -> int:
        """The last number that was given out; 0 if none was."""
        metadata = self._bucket.bucket(METADATA) if self._bucket is not None else None
        stored = metadata.get(self._id.counter_name) if metadata is not None else None
        if stored is None:
            return 0
        if len(stored) < 8:
            # What Go says of a number that ends too soon.
            raise BadCounter("unexpected EOF" if stored else "EOF")
        return int.from_bytes(stored[:8], "big", signed=True)

    def _greatest_number(self) -> int:
        """The greatest id above 0; 0 if there is none."""
        bucket = self._bucket
        keys = bucket.items(stop=key_of(-_INT64), reverse=True) if bucket is not None else ()
        return next((int.from_bytes(key, "big") for key, value in keys if value is not None and len(key) == 8), 0)
