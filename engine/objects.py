"""Gofer's object store: bytes under a key, for what pipelines and runs hand to each other. A file of its own.

    with engine.open_object_store("gofer-os.db") as objects:
        objects.put_object(key="default_simple_logo", content=b"...")
        print(objects.get_object(key="default_simple_logo"))

Any key will do. Those that Gofer makes are `<namespace>_<pipeline>_<key>` and `<namespace>_<pipeline>_<run>_<key>`.
"""

from __future__ import annotations

from os import PathLike
from typing import Any

from .store_files import StoreFile
from .tempers import Compat


class ObjectStore(StoreFile):
    """Bytes under keys. `open_object_store` makes one; leaving its block closes it.

    Each call is one transaction, done as a whole or not at all. Any thread may make it. Keys are text, of at most 32768
    bytes in UTF-8; a key that Go stored and that is no UTF-8 comes back, and is found again, as Python writes such
    text ("surrogateescape").

    Beside the errors that the methods name, a closed store, a damaged file, a full disk and more than a bolt file can
    hold (2 GiB as base64) are a `boltpy.BoltError`, and an argument of the wrong type is a `TypeError`. With
    `compat="gofer"` errors have the texts of Gofer's Go code.
    """

    KIND = "Object"
    GO_NAME = "objectstore"

    def get_object(self, *, key: str) -> bytes:
        """The bytes under a key.

        Args:
            key: Any text.

        Raises:
            EntityNotFound: There is no such key.
            EngineError: What is stored there are no bytes as Gofer stores them; the text names the key.
        """
        return self._get(key)

    def put_object(self, *, key: str, content: bytes | None, force: bool = False) -> None:
        """Store bytes under a key.

        Args:
            key: Text of 1 to 32768 bytes in UTF-8.
            content: The bytes, of any bytes-like type. With `compat="gofer"` also None, Go's nil, which is stored as
                null and read as no bytes.
            force: Replace what is there. With `compat="gofer"` it is always replaced, because Gofer ignores this.

        Raises:
            EntityExists: The key is taken, and `force` was not given.
            PreconditionFailed: The key is empty, too long, no UTF-8, or the name of the bucket that storm keeps there,
                `__storm_metadata`. (With `compat="gofer"` an EngineError.)
            EngineError: The bucket holds something else than storm's JSON.
            boltpy.DatabaseReadOnlyError: The store was opened to be read.

        After an error nothing has changed.
        """
        if content is not None or not self._gofer:
            content = _bytes_of(content)
        self._put(key, content, force=force or self._gofer)

    def delete_object(self, *, key: str) -> None:
        """Delete the bytes under a key.

        Args:
            key: Any text.

        Raises:
            EntityNotFound: There is no such key. (With `compat="gofer"` only if nothing was ever put into the file.)
            boltpy.DatabaseReadOnlyError: The store was opened to be read.
        """
        self._delete(key)

    def list_object_keys(self, prefix: str = "") -> list[str]:
        """The keys that begin with a prefix, in the order of their bytes.

        Args:
            prefix: Any text; empty for all keys.

        Returns:
            A new list, empty if there is none. With `compat="gofer"` the bucket `__storm_metadata` is listed too.

        Raises:
            EngineError: With `compat="gofer"`, nothing was ever put into the file: there Gofer crashes.
        """
        return self._list(prefix)


def open_object_store(
    path: str | PathLike[str], *, read_only: bool = False, compat: Compat = "python", **options: Any
) -> ObjectStore:
    """Open a file of Gofer's object store.

    Args:
        path: The file; made if it is not there. Gofer calls it gofer-os.db.
        read_only: Change nothing: a missing file is an error, and readers can share it.
        compat: "python", or "gofer" for exactly what Gofer's Go code does.
        options: For `boltpy.open`. `timeout`, the seconds to wait for the lock, is 1 unless given, as in Gofer.

    Returns:
        The store, to be closed or used as a context manager.

    Raises:
        EngineError: The file is another program's.
        boltpy.BoltError: It is no bolt file, is damaged, or another process has it open.
        OSError: It can not be opened.
    """
    return ObjectStore(path, read_only=read_only, compat=compat, **options)


def _bytes_of(content: object) -> bytes:
    if not isinstance(content, bytes | bytearray | memoryview):
        raise TypeError(f"the content of an object is of type bytes, not {type(content).__name__}")
    return bytes(content)
