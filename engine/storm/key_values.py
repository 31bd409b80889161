"""Storm's key/value calls: a bucket of keys of any kind with values of JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

import boltpy

from ..errors import RecordError, RecordNotFound
from ..wire import decode_as, encode_value
from .layout import find_bucket, key_of, make_bucket, text_of_key

T = TypeVar("T")


class KeyValues:
    """The pairs of one bucket, in one transaction.

    with db.update() as tx:
        objects = KeyValues(tx, "root")
        objects.set("logo", b"...")
        assert objects.load("logo", bytes) == b"..."

    Keys go by `key_of`: a str, bytes, an int or a stored class.
    """

    def __init__(self, tx: boltpy.Tx, *path: str) -> None:
        """Look for the bucket at `path`; `set` makes it.

        Raises:
            TypeError: There is no path, or a name in it is no str.
        """
        if not path:
            raise TypeError("KeyValues takes the name of a bucket, or names that lead to one")
        self._tx = tx
        self._path = path
        self._bucket = find_bucket(tx, *path)

    @property
    def exists(self) -> bool:
        """Whether the bucket is there, though it may be empty."""
        return self._bucket is not None

    def __contains__(self, key: object) -> bool:
        return self._bucket is not None and self._bucket.get(key_of(key)) is not None

    def get(self, key: object) -> bytes:
        """The JSON stored under `key`.

        Raises:
            RecordNotFound: There is none.
        """
        stored = self._bucket.get(key_of(key)) if self._bucket is not None else None
        if stored is None:
            raise RecordNotFound
        return stored

    def load(self, key: object, kind: type[T]) -> T:
        """The value stored under `key`.

        Args:
            kind: What it is: str, int, bool, bytes, a list or dict of them, a stored class.

        Raises:
            RecordNotFound: There is none.
            RecordError: It is no JSON, or that of something else.
        """
        stored = self.get(key)
        try:
            return decode_as(kind, stored)
        except RecordError as error:
            raise RecordError(error.reason, place=" / ".join((*self._path, text_of_key(key_of(key))))) from None

    def set(self, key: object, value: Any) -> None:
        """Store `value` under `key`, in place of what is there.

        Args:
            value: A str, int, bool, bytes (as base64), None, a list or dict of these, or an instance of a stored class.

        Raises:
            PreconditionFailed: The value has no JSON. Nothing was written.
            OtherCodec: The bucket holds something else than JSON.
            boltpy.BoltError: The key is empty, too long, or names a bucket. Roll the transaction back.
        """
        name, data = key_of(key), encode_value(value)
        self._bucket = make_bucket(self._tx, *self._path)
        self._bucket.put(name, data)

    def delete(self, key: object) -> None:
        """Delete the value under `key`; one that is not there is fine.

        Raises:
            RecordNotFound: The whole bucket is missing.
            boltpy.BoltError: The key names a bucket.
        """
        if self._bucket is None:
            raise RecordNotFound
        self._bucket.delete(key_of(key))

    def names(self) -> Iterator[tuple[bytes, bool]]:
        """Each key that is not storm's own (those begin with two underscores), and whether it names a bucket."""
        if self._bucket is not None:
            for key, value in self._bucket.items():
                if not key.startswith(b"__"):
                    yield key, value is None
