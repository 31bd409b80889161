"""Files with one bucket of keys and bytes: what Gofer's object store and its secret store have in common.

    __storm_db                       as in every file of storm's
    root                             made with the first put
        <key, in UTF-8> = <JSON>     the bytes as base64 in quotes; null for Go's nil
        __storm_metadata             codec = json

What the bytes mean, and how an error is worded, is the business of `objects` and `secrets`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from os import PathLike
from types import TracebackType
from typing import Any, ClassVar, Self

import boltpy

from .errors import EngineError, EntityExists, EntityNotFound, PreconditionFailed, RecordNotFound
from .places import ROOT
from .storm import KeyValues, find_bucket, key_of, read_version, text_of_key
from .storm.files import is_noted, note, opening
from .tempers import Compat, GoferTemper


class StoreFile:
    """An open file. Each call is one transaction; any thread may make it."""

    KIND: ClassVar[str]
    """What one value is called, as errors name it: "Object"."""

    GO_NAME: ClassVar[str]
    """What Gofer's errors of this store begin with: "objectstore"."""

    def __init__(
        self, path: str | PathLike[str], *, read_only: bool = False, compat: Compat = "python", **options: Any
    ) -> None:
        """Open the file; `objects.open_object_store` and `secrets.open_secret_store` say the rest."""
        if compat not in ("python", "gofer"):
            raise ValueError(f"compat is 'python' or 'gofer', not {compat!r}")
        self._compat = compat
        self._gofer = compat == "gofer"
        self._db = _open(path, read_only=read_only, any_file=self._gofer, options=options)

    def close(self) -> None:
        """Close the file and release its lock. Closing again is fine."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {str(self._db.path)!r} compat={self._compat}>"

    def _get(self, key: str) -> bytes:
        wanted = bytes_of_text(key, "a key")
        with self._told(), self._db.view() as tx:
            try:
                # Go's nil slice has no bytes either.
                return KeyValues(tx, ROOT).load(wanted, bytes) or b""
            except RecordNotFound:
                raise self._not_found(key) from None

    def _put(self, key: str, content: bytes | None, *, force: bool) -> None:
        wanted = bytes_of_text(key, "a key")
        if not self._gofer:
            self._require_text("key", key, wanted)
        with self._told(), self._db.update() as tx:
            pairs = KeyValues(tx, ROOT)
            if not force and wanted in pairs:
                raise EntityExists(self._words(EntityExists, key), entity=self.KIND, key={"key": key})
            pairs.set(wanted, content)

    def _delete(self, key: str) -> None:
        wanted = bytes_of_text(key, "a key")
        with self._told(), self._db.update() as tx:
            pairs = KeyValues(tx, ROOT)
            # For storm a key that is not there is fine, a bucket that is not there is none.
            if not pairs.exists or not (self._gofer or wanted in pairs):
                raise self._not_found(key)
            pairs.delete(wanted)

    def _list(self, prefix: str) -> list[str]:
        start = bytes_of_text(prefix, "a prefix")
        with self._db.view() as tx:
            bucket = find_bucket(tx, ROOT)
            if bucket is not None:
                # Gofer takes the names of nested buckets for keys.
                items = bucket.items(prefix=start)
                return [text_of_key(key) for key, value in items if value is not None or self._gofer]
        if self._gofer:
            raise EngineError("runtime error: invalid memory address or nil pointer dereference")
        return []

    def _require_text(self, field: str, text: str, stored: bytes) -> None:
        """Refuse a text that would come back as another one."""
        if text_of_key(stored) != text:
            raise self._refused(field, "not text that UTF-8 can hold")

    def _refused(self, field: str, problem: str) -> PreconditionFailed:
        label = f"{self.KIND}.{field}"
        return PreconditionFailed(f"{self._go_text(PreconditionFailed)}: {label}: {problem}", field=label)

    def _not_found(self, key: str) -> EntityNotFound:
        return EntityNotFound(self._words(EntityNotFound, key), entity=self.KIND, key={"key": key})

    def _words(self, kind: type[EntityExists | EntityNotFound], key: str) -> str:
        text = self._go_text(kind)
        return text if self._gofer else f"{text}: {key!r}"

    def _go_text(self, kind: type[EntityExists | EntityNotFound | PreconditionFailed]) -> str:
        """Gofer's text of an error; each store begins its errors with its own name."""
        return f"{self.GO_NAME}:{kind.TEXT.partition(':')[2]}"

    @contextmanager
    def _told(self) -> Iterator[None]:
        """A block in which errors from below become what Gofer says of them, or what they mean for a caller."""
        try:
            yield
        except (EngineError, boltpy.BoltError) as error:
            told = GoferTemper(late=False).told(error, None) if self._gofer else self._in_python(error)
            if told is error:
                raise
            raise told from None

    def _in_python(self, error: Exception) -> Exception:
        if isinstance(error, boltpy.KeyRequiredError | boltpy.KeyTooLargeError | boltpy.IncompatibleValueError):
            return self._refused("key", str(error))
        return error


def bytes_of_text(text: str, name: str) -> bytes:
    """The bytes that Go has for a text: UTF-8, and what came from "surrogateescape" as it was.

    Args:
        text: Any str, empty too.
        name: What it is, for the error: "a key".

    Raises:
        TypeError: It is no str. The text of the error does not show it.
    """
    if not isinstance(text, str):
        raise TypeError(f"{name} is of type str, not {type(text).__name__}")
    # To storm an enum is no string; here its text is meant.
    return key_of(str.__str__(text))


def _open(path: str | PathLike[str], *, read_only: bool, any_file: bool, options: Mapping[str, Any]) -> boltpy.DB:
    """Open a file of storm's, or make one.

    Args:
        any_file: Write storm's note into another program's file too, as Gofer does.
    """
    with opening(path, read_only=read_only, **options) as db:
        with db.view() as tx:
            noted = is_noted(tx)
            is_new = not any(True for _ in tx.buckets())
            if read_only or not (noted or is_new or any_file):
                # Says what is wrong with a file that is not storm's.
                read_version(tx)
        if not (noted or read_only):
            with db.update() as tx:
                note(tx)
    return db
