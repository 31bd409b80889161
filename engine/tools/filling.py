"""Puts pieces together to a new file, which is there as a whole or not at all.

The file grows in a folder beside its place, in transactions of a few megabytes each and without syncs; a copy of it,
synced once, then takes the place. The folder of a process that was killed is removed by the next one for that place: it
has the lock of its file no more.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EEXIST, ELOOP
from glob import escape
from os import PathLike
from pathlib import Path as FilePath
from typing import Final

import boltpy

from ..errors import EngineError
from ..storm import key_of
from ..storm.layout import CODEC, CODEC_KEY, IDS, METADATA, Mark
from .indexes import entry_of, readable
from .kinds import Kind, Path, kind_at
from .pieces import BucketPiece, Piece, go_name_of
from .walking import shown_path

_BYTES_A_TRANSACTION: Final = 4 << 20
_GROWING: Final = "new.db"
_SUFFIX: Final = ".tmp"
_SECONDS_FOR_A_LOCK: Final = 0.01
# What an entry of an index costs beside the bytes of the record.
_BYTES_AN_ENTRY: Final = 64


@contextmanager
def new_file(path: str | PathLike[str]) -> Iterator[Filler]:
    """Give a Filler; when the block ends well, what it was given is the file at `path`, of mode 0600.

    Args:
        path: No file yet, an empty file, or a bolt file without buckets. A link is followed.

    Raises:
        FileExistsError: The target holds something.
        boltpy.BoltError, OSError: It can not be written.

    After an error the target is as it was.
    """
    _require_vacant(path)
    try:
        place = FilePath(path).resolve()
    except RuntimeError:  # so Python 3.11 and 3.12 say it
        raise OSError(ELOOP, "too many levels of symbolic links", path) from None
    _clear_leftovers(place)
    with _folder_beside(place, path) as folder, boltpy.open(folder / _GROWING, no_sync=True) as db:
        filler = Filler(db)
        try:
            yield filler
            filler.commit()
        except BaseException:
            filler.forget()
            raise
        _require_vacant(path)
        with db.view() as tx:
            tx.copy_file(path)


@contextmanager
def _folder_beside(place: FilePath, path: str | PathLike[str]) -> Iterator[FilePath]:
    """A folder for the file while it grows, which goes with all that is in it."""
    try:
        folder = tempfile.TemporaryDirectory(prefix=_prefix(place), suffix=_SUFFIX, dir=place.parent)
    except OSError as error:
        error.filename = str(path)  # the name that the caller knows
        raise
    with folder as name:
        yield FilePath(name)


def _prefix(place: FilePath) -> str:
    return f"{place.name[:100]}."


def _clear_leftovers(place: FilePath) -> None:
    """Remove the folders that were left behind where a process was killed before it had made the file at `place`."""
    for folder in place.parent.glob(f"{escape(_prefix(place))}*{_SUFFIX}"):
        with suppress(OSError):
            growing = folder / _GROWING
            if not folder.is_symlink() and list(folder.iterdir()) == [growing] and not _is_in_use(growing):
                growing.unlink()
                folder.rmdir()


def _is_in_use(file: FilePath) -> bool:
    """Whether a process has the file open to write it. OSError if nobody here can say."""
    try:
        with boltpy.open(file, read_only=True, timeout=_SECONDS_FOR_A_LOCK):
            return False
    except boltpy.LockTimeoutError:
        return True
    except boltpy.BoltError:
        # The process came as far as half a file.
        return False


def _require_vacant(path: str | PathLike[str]) -> None:
    file = FilePath(path)
    if not file.exists() or (file.is_file() and not file.stat().st_size):
        return
    problem = "exists and is not empty; a new file is wanted"
    if file.is_file():
        try:
            with boltpy.open(file, read_only=True, timeout=1.0) as db, db.view() as tx:
                if tx.cursor().first() is None:
                    return
        except (boltpy.LockTimeoutError, PermissionError):
            raise
        except (boltpy.BoltError, OSError) as error:
            problem = f"exists and is no empty database ({error})"
    raise FileExistsError(EEXIST, problem, str(path))


class Filler:
    """Takes the pieces of a file one after the other. `new_file` makes one.

    A bucket comes after the one that it is nested in, and its pairs come right behind it.
    """

    def __init__(self, db: boltpy.DB) -> None:
        self._db = db
        self._tx = db.begin(writable=True)
        self._bytes = 0
        self._at: _Open | None = None

    def put(self, piece: Piece) -> None:
        """Add a piece.

        Raises:
            EngineError: The piece can not be where it says, or is there already.
            boltpy.BoltError: A key or value is beyond bolt's limits, or the file can not be written.
        """
        if isinstance(piece, BucketPiece):
            self._make(piece)
            self._count(sum(map(len, piece.path)))
            return
        if self._at is None or self._at.path != piece.path:
            raise EngineError(f"a pair of {shown_path(piece.path)} that does not stand behind the line of its bucket")
        self._at.put(piece.key, piece.value)
        self._count(len(piece.key) + len(piece.value) + _BYTES_AN_ENTRY * len(self._at.marks))

    def commit(self) -> None:
        """Commit what is not committed yet. Nothing can be put any more."""
        self._tx.commit()

    def forget(self) -> None:
        """Roll back what is not committed yet."""
        try:
            self._tx.rollback()
        except boltpy.TxClosedError:
            # The commit itself failed.
            return

    def _count(self, size: int) -> None:
        self._bytes += size
        if self._bytes > _BYTES_A_TRANSACTION:
            self._bytes = 0
            self._tx.commit()
            self._tx = self._db.begin(writable=True)
            if self._at is not None:
                self._at = _Open(self._tx, self._at.path, self._at.kind, self._at.marks)

    def _make(self, piece: BucketPiece) -> None:
        path = piece.path
        kind = kind_at(path)
        marks = _marks(kind, piece)
        if path:
            parent = self._tx.bucket(*path[:-1])
            if parent is None:
                raise EngineError(f"the bucket {shown_path(path)} comes before the one that it is in")
            try:
                bucket = parent.create_bucket(path[-1])
            except (boltpy.BucketExistsError, boltpy.IncompatibleValueError):
                raise EngineError(f"{shown_path(path)} is there twice") from None
        else:
            root = self._tx.bucket()
            if root is None or self._at is not None:
                raise EngineError("the root bucket is there twice, or not first")
            bucket = root
        if piece.sequence:
            bucket.sequence = piece.sequence
        if piece.has_metadata:
            metadata = bucket.create_bucket(METADATA)
            metadata.put(CODEC_KEY, CODEC)
            if piece.counter is not None and kind is not None and kind.marks is not None:
                metadata.put(kind.marks.id.counter_name, key_of(piece.counter))
        for mark in marks:
            index = bucket.create_bucket(mark.index_name)
            if not mark.unique:
                index.create_bucket(IDS)
        self._at = _Open(self._tx, path, kind, marks)


def _marks(kind: Kind | None, piece: BucketPiece) -> tuple[Mark, ...]:
    """The marks whose indexes are to be made; EngineError where the bucket has none such."""
    known = {go_name_of(mark): mark for mark in kind.marks.indexed} if kind and kind.marks else {}
    for name in piece.indexes:
        if name not in known:
            raise EngineError(f"{shown_path(piece.path)} has no index {name!r}")
    if piece.counter is not None and not (piece.has_metadata and kind and kind.marks and kind.marks.increment):
        raise EngineError(f"{shown_path(piece.path)} has no counter")
    return tuple(known[name] for name in piece.indexes)


class _Open:
    """The bucket that pairs are put into, with the indexes that follow them."""

    def __init__(self, tx: boltpy.Tx, path: Path, kind: Kind | None, marks: tuple[Mark, ...]) -> None:
        self.path = path
        self.kind = kind
        self.marks = marks
        self._bucket = _dense(tx, path)
        self._halves = [
            (
                mark,
                kind is not None and kind.marks is not None and mark is kind.marks.id,
                _dense(tx, (*path, mark.index_name)),
                None if mark.unique else _dense(tx, (*path, mark.index_name, IDS)),
            )
            for mark in marks
        ]

    def put(self, key: bytes, value: bytes) -> None:
        if self._bucket.get(key) is not None:
            raise EngineError(f"{shown_path(self.path, key, self.kind)} is there twice")
        try:
            self._bucket.put(key, value)
        except boltpy.IncompatibleValueError:
            raise EngineError(f"{shown_path(self.path, key, self.kind)} is a key and a bucket") from None
        record = readable(self.kind, key, value) if self.kind is not None and self._halves else None
        if record is None:
            return
        for mark, is_id, forward, backward in self._halves:
            entry = entry_of(mark, is_id, key, record)
            if entry is not None:
                forward.put(entry, key)
                if backward is not None:
                    backward.put(key, entry)


def _dense(tx: boltpy.Tx, path: Path) -> boltpy.Bucket:
    """A bucket whose pages are to be filled, as most keys come in their order."""
    bucket = tx.bucket(*path)
    if bucket is None:
        raise EngineError(f"the bucket {shown_path(path)} went away while the file was filled")
    bucket.fill_percent = 1.0
    return bucket
