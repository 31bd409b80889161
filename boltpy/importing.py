"""Puts the lines of an export into a database.

A line says what is to be there. Where something else is there already, under the same key, it is refused, or gives way
if the caller says so; what no line names stays as it is.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from errno import EEXIST
from typing import BinaryIO, Protocol

from .bucket import Bucket
from .bucket_state import MAX_NESTING
from .errors import BucketError, ImportLineError, IncompatibleValueError
from .files import is_vacant
from .format import MAX_KEY_SIZE, MAX_VALUE_SIZE
from .jsonl import BucketLine, EndLine, PairLine, Path, bytes_text, lines_of, parse_line, path_text, require_header
from .opening import open as open_db
from .opening import open_database
from .options import Options
from .storage import taking_the_place_of
from .tx import Tx

_BATCH_BYTES = 1 << 18
_TX_BYTES = 1 << 22
_STEP_BYTES = 1 << 16
# What a bucket or a pair costs in memory beside its bytes, about.
_ITEM_BYTES = 100


class Target(Protocol):
    """Where an import goes."""

    tx: Tx

    def pause(self, size: int) -> bool:
        """Take note that about `size` bytes more were put; True if the transaction is another one now."""


class _OneTx:
    """An existing database: all in one transaction."""

    def __init__(self, tx: Tx) -> None:
        self.tx = tx

    def pause(self, size: int) -> bool:
        return False


class _ManyTxs:
    """A new file, which nobody sees before its end."""

    def __init__(self, begin: Callable[[], Tx]) -> None:
        self._begin = begin
        self._size = 0
        self.tx = begin()

    def pause(self, size: int) -> bool:
        self._size += size
        if self._size < _TX_BYTES:
            return False
        self._size = 0
        self.tx.commit()
        self.tx = self._begin()
        return True


class Import:
    """One import.

    Attributes:
        buckets: How many lines of buckets were imported so far.
        pairs: How many lines of pairs.
    """

    def __init__(self, *, replace: bool) -> None:
        """Refuse what meets something else under its key, or `replace` that."""
        self.buckets = 0
        self.pairs = 0
        self._replace = replace

    def into_file(
        self, path: str, source: BinaryIO, timeout: float, progress: Callable[[int], object] | None = None
    ) -> None:
        """Import into a file: a new one if there is none, or an empty one; else into the database that is there.

        A new file is made beside its place and renamed there when it is whole, with the mode 0600; memory stays flat. A
        database that is there is changed in one transaction, which is in memory until its end. So after an error
        either is as it was.

        Args:
            path: The file. A link is followed.
            source: The export, open for reading; it need not be one that can be sought in.
            timeout: Seconds to wait for the lock of a database that is there; 0 waits for ever.
            progress: Called now and then with how many more bytes of the export were read.

        Raises:
            ImportLineError: A line is none of an export, or meets something else.
            BoltError, OSError: The file cannot be read or written.
        """
        lines = lines_of(source) if progress is None else _counted(lines_of(source), progress)
        if not is_vacant(path):
            with open_db(path, timeout=timeout) as db, db.update() as tx:
                self._run(lines, _OneTx(tx), is_new=False)
            return
        # Nobody knows the new file yet: one sync at its end makes it as safe as one for each commit.
        with (
            taking_the_place_of(path) as beside,
            open_database(beside, 0o600, Options(no_sync=True), exclusive=True) as db,
        ):
            if not is_vacant(path):  # locked by now, so it stays as it is
                raise FileExistsError(EEXIST, "was filled by somebody else meanwhile", path)
            target = _ManyTxs(lambda: db.begin(writable=True))
            try:
                self._run(lines, target, is_new=True)
                target.tx.commit()
            except BaseException:
                if target.tx._open:
                    target.tx.rollback()
                raise
            db.sync()

    def _run(self, lines: Iterable[bytes], target: Target, *, is_new: bool) -> None:
        filler: _Filler | None = None
        end: EndLine | None = None
        number = 0
        for number, line in enumerate(lines, 1):
            if number == 1:
                require_header(line)
                continue
            if end is not None:
                raise ImportLineError(number, "there is something behind the end of the export")
            said = parse_line(number, line)
            if isinstance(said, PairLine):
                if filler is None:
                    raise ImportLineError(number, "a pair before the first bucket")
                filler.put(number, said.key, said.value)
                self.pairs += 1
            elif isinstance(said, BucketLine):
                if filler is not None:
                    filler.flush()
                filler = self._bucket(number, said, target, is_new=is_new)
                self.buckets += 1
            elif isinstance(said, EndLine):
                end = said
        if filler is not None:
            filler.flush()
        if end is None:
            raise ImportLineError(number + 1, "the export has no end: it was cut short" if number else "nothing there")
        if end != (self.buckets, self.pairs):
            raise ImportLineError(
                number,
                f"the export had {end.buckets} buckets and {end.pairs} pairs; {self.buckets} and {self.pairs} came",
            )

    def _bucket(self, number: int, said: BucketLine, target: Target, *, is_new: bool) -> _Filler:
        target.pause(_ITEM_BYTES + sum(map(len, said.path)))
        bucket = target.tx.bucket(*said.path)
        made = bucket is None or (is_new and not self.buckets)
        if bucket is None:
            if len(said.path) > MAX_NESTING:
                raise ImportLineError(number, f"a bucket more than {MAX_NESTING} levels deep")
            parent = target.tx.bucket(*said.path[:-1])
            if parent is None:
                raise ImportLineError(
                    number, f"there is no bucket {path_text(said.path[:-1])} for {bytes_text(said.path[-1])}"
                )
            try:
                if self._replace and said.path[-1] in parent:
                    parent.delete(said.path[-1])
                bucket = parent.create_bucket(said.path[-1])
            except IncompatibleValueError as error:
                text = f"incompatible value: {bytes_text(error.key)} is a key there, not a bucket"
                raise ImportLineError(number, text) from None
            except BucketError as error:
                raise ImportLineError(number, str(error)) from None
        if bucket.sequence != said.sequence:
            if not made and not self._replace:
                text = f"the bucket {path_text(said.path)} has the sequence {bucket.sequence}, not {said.sequence}"
                raise ImportLineError(number, text)
            bucket.sequence = said.sequence
        return _Filler(bucket, target, dense=is_new, made=made, replace=self._replace)


def _counted(lines: Iterable[bytes], progress: Callable[[int], object]) -> Iterator[bytes]:
    size = 0
    for line in lines:
        size += len(line)
        if size > _STEP_BYTES:
            progress(size)
            size = 0
        yield line


class _Filler:
    """Puts pairs into one bucket, some thousand at a time."""

    def __init__(self, bucket: Bucket, target: Target, *, dense: bool, made: bool, replace: bool) -> None:
        self._target = target
        self._path: Path = bucket._path
        self._replace = replace
        self._dense = dense
        # In a bucket that was made for this, keys that only rise meet nothing.
        self._rising = made
        self._last = b""
        self._pairs: dict[bytes, bytes] = {}
        self._numbers = array("Q")
        self._size = 0
        self._take(bucket)

    def _take(self, bucket: Bucket) -> None:
        self._bucket = bucket
        if self._dense:
            bucket.fill_percent = 1.0

    def put(self, number: int, key: bytes, value: bytes) -> None:
        """Take the pair in a line."""
        if not 0 < len(key) <= MAX_KEY_SIZE:
            raise ImportLineError(number, f"a key of {len(key)} bytes; it must have 1 to {MAX_KEY_SIZE}")
        if len(value) > MAX_VALUE_SIZE:
            raise ImportLineError(number, f"a value of {len(value)} bytes; it must have at most {MAX_VALUE_SIZE}")
        if key <= self._last:
            self._rising = False
            known = self._pairs.get(key)
            if known is not None:
                if known != value and not self._replace:
                    raise ImportLineError(number, f"the key {bytes_text(key)} is there, with another value")
                self._pairs[key] = value
                return
        self._last = key
        self._pairs[key] = value
        self._numbers.append(number)
        self._size += len(key) + len(value) + _ITEM_BYTES
        if self._size >= _BATCH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Put what was taken into the bucket."""
        if not self._pairs:
            return
        if not self._rising and not self._replace:
            self._look_for_others()
        self._put()
        if self._target.pause(self._size):
            bucket = self._target.tx.bucket(*self._path)
            if bucket is None:
                raise BucketError(f"bucket {self._path!r} went from the file while it was filled")
            self._take(bucket)
        self._pairs, self._numbers, self._size = {}, array("Q"), 0

    def _look_for_others(self) -> None:
        """Refuse pairs that have another value under a new key."""
        keys = list(self._pairs)
        for number, key, old in zip(self._numbers, keys, self._bucket.get_many(keys), strict=True):
            if old is not None and old != self._pairs[key]:
                raise ImportLineError(number, f"the key {bytes_text(key)} is there, with another value")

    def _put(self) -> None:
        while True:
            try:
                self._bucket.put_many(self._pairs)
            except IncompatibleValueError as error:  # nothing was put
                if not self._replace:
                    number = self._numbers[list(self._pairs).index(error.key)]
                    raise ImportLineError(number, f"{bytes_text(error.key)} is a bucket there, not a key") from None
                self._bucket.delete_bucket(error.key)
            else:
                return
