"""Ways through the buckets of a file. Buckets wait in a list, not on Python's stack: they may be nested deeply."""

from __future__ import annotations

from collections.abc import Iterator
from os import PathLike

import boltpy

from ..errors import EngineError
from ..places import EVENTS, REGISTRY
from ..storm import text_of_key
from ..storm.files import opening
from .kinds import Kind, Path

_NESTED_AT_MOST = 300


def open_gofers(path: str | PathLike[str]) -> boltpy.DB:
    """Open Gofer's main database to be read, under bolt's shared lock, whatever storm has noted in it.

    Raises:
        EngineError: It is not Gofer's main database.
        boltpy.BoltError: It is no bolt file, is damaged, or is open for writing elsewhere.
        OSError: It can not be opened.
    """
    with opening(path, read_only=True) as db, db.view() as tx:
        _require_gofers(tx)
    return db


def _require_gofers(tx: boltpy.Tx) -> None:
    names = {name for name, _ in tx.buckets()}
    if names.isdisjoint({REGISTRY.encode(), EVENTS.encode(), b"Namespace"}):
        kind = "Gofer's object or secret store" if b"root" in names else "another program's"
        raise EngineError(f"not Gofer's main database but {kind}: it has no bucket {REGISTRY}, {EVENTS} or Namespace")


def is_late(tx: boltpy.Tx) -> bool:
    """Whether the file has an event log, and so is of the last schema that Gofer kept in bolt."""
    return tx.bucket(EVENTS.encode()) is not None


class Walk:
    """A walk over all buckets, each before those that are nested in it, in the order of their names.

    for path, bucket in walk:
        walk.enter(path, names of the nested buckets to go to)
    """

    def __init__(self, tx: boltpy.Tx) -> None:
        self._tx = tx
        self._waiting: list[Path] = [()]
        self._roots: set[int] = set()

    def __iter__(self) -> Iterator[tuple[Path, boltpy.Bucket]]:
        """The buckets, the root bucket with its empty path first.

        Raises:
            EngineError: Buckets are nested in a circle, or more than 300 deep.
        """
        while self._waiting:
            path = self._waiting.pop()
            bucket = self._tx.bucket(*path)
            if bucket is None:
                continue
            if len(path) > _NESTED_AT_MOST:
                raise EngineError(f"buckets are nested more than {_NESTED_AT_MOST} deep")
            if bucket.root:
                if bucket.root in self._roots:
                    raise EngineError(f"damaged: the bucket {shown_path(path)} is stored in the pages of another one")
                self._roots.add(bucket.root)
            yield path, bucket

    def enter(self, path: Path, names: list[bytes]) -> None:
        """Go to these buckets within `path` next."""
        self._waiting += [(*path, name) for name in reversed(names)]


def shown_path(path: Path, key: bytes | None = None, kind: Kind | None = None) -> str:
    """A place as one line of text: "default / simple / Run / 3"."""
    parts = [safe(text_of_key(name)) for name in path]
    if key is not None:
        number = kind is not None and kind.is_numbered and len(key) == 8
        parts.append(str(int.from_bytes(key, "big", signed=True)) if number else safe(text_of_key(key)))
    return " / ".join(parts) or "the root bucket"


def safe(text: str) -> str:
    """Text in which what a terminal might obey, or can not show, is an escape."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape", "surrogatepass").decode("ascii")
        for character in text
    )
