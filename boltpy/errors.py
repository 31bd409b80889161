"""Every exception of boltpy, in one tree.

The first level says what the caller can do about it: `DatabaseError` (the file), `TxError` (the
transaction), `BucketError` (the bucket), `LimitError` (a size). Go's `ErrX` is `XError` here. The facts are
attributes; the message repeats them. Where Python code would catch a builtin, the builtin is mixed in.
"""

from __future__ import annotations


class BoltError(Exception):
    """The base of every error that boltpy raises on purpose. All of them can be pickled."""

    def __reduce__(self) -> tuple[object, ...]:
        # The builtin way calls the class with `args`, which are the message and not what its constructor takes.
        system = {name: getattr(self, name, None) for name in ("errno", "strerror", "filename")}
        return _restored, (type(self), self.args, system), vars(self)


def _restored(kind: type[BoltError], args: tuple[object, ...], system: dict[str, object]) -> BoltError:
    error = kind.__new__(kind)
    error.args = args
    for name, value in system.items():
        if value is not None:  # only an OSError has them
            setattr(error, name, value)
    return error


class InvariantError(BoltError):
    """boltpy broke a rule of its own. Nothing was committed; please report it with the message."""


class DatabaseError(BoltError):
    """The file cannot be opened, locked, read or written as asked."""


class DatabaseNotOpenError(DatabaseError):
    """The DB was closed, or must be reopened after a failure (bbolt: ErrDatabaseNotOpen)."""

    def __init__(self, message: str = "database not open") -> None:
        super().__init__(message)


class InvalidDatabaseError(DatabaseError):
    """The file is no bolt file, or both of its meta pages are damaged (bbolt: ErrInvalid)."""


class VersionMismatchError(DatabaseError):
    """The file has a format version other than 2 (bbolt: ErrVersionMismatch).

    Attributes:
        version: The version that the file states.
    """

    def __init__(self, version: int) -> None:
        super().__init__(f"version mismatch: the file says {version}, boltpy reads 2")
        self.version = version


class ChecksumError(DatabaseError):
    """A meta page does not match its checksum (bbolt: ErrChecksum).

    Attributes:
        stored: The checksum in the page.
        computed: The FNV-1a checksum of the page's bytes.
    """

    def __init__(self, stored: int, computed: int) -> None:
        super().__init__(f"checksum error: meta page says {stored:016x}, its bytes give {computed:016x}")
        self.stored = stored
        self.computed = computed


class LockTimeoutError(DatabaseError, TimeoutError):
    """Another process, or another DB of this one, holds the file's lock (bbolt: ErrTimeout).

    Attributes:
        path: The file.
        timeout: How long was waited, in seconds.
    """

    def __init__(self, path: str, timeout: float, holder: str = "a process that the system does not name") -> None:
        text = f"{path} is locked by {holder}"
        super().__init__(f"timeout: {text} (waited {timeout:g} s)" if timeout >= 1e-6 else text)
        self.path = path
        self.timeout = timeout


class DatabaseReadOnlyError(DatabaseError):
    """A change was asked of a DB that was opened read-only (bbolt: ErrDatabaseReadOnly)."""

    def __init__(self, message: str = "database is in read-only mode") -> None:
        super().__init__(message)


class FreePagesNotLoadedError(DatabaseError):
    """`Tx.page` needs the freelist of a read-only DB (bbolt: ErrFreePagesNotLoaded)."""

    def __init__(self) -> None:
        super().__init__("free pages are not pre-loaded: open with preload_freelist=True")


class StorageError(DatabaseError, OSError):
    """The system refused a read, write, sync or growth of the file. `errno` and `filename` tell why and where."""


class CorruptError(DatabaseError):
    """A page of the file breaks the format.

    Attributes:
        pgid: The page, or None where no single page is at fault.
        reason: What is wrong with it.
    """

    def __init__(self, pgid: int | None, reason: str) -> None:
        super().__init__(reason if pgid is None else f"page {pgid}: {reason}")
        self.pgid = pgid
        self.reason = reason


class BackupError(DatabaseError):
    """A backup is damaged, is none, or does not belong to the others. What was to be made of it was not made.

    Attributes:
        path: The backup.
        frame: The number of the frame at fault; 0 is the header.
        offset: Bytes from the start of the backup to that frame.
        reason: What is wrong with it.
    """

    def __init__(self, path: str, frame: int, offset: int, reason: str) -> None:
        place = f"frame {frame} at byte {offset}" if frame else "header"
        super().__init__(f"{path}: {place}: {reason}")
        self.path = path
        self.frame = frame
        self.offset = offset
        self.reason = reason


class BusyWriterError(DatabaseError):
    """Another program commits so often that no copy of its file could be made between two commits.

    Attributes:
        path: The file.
        attempts: How often it was tried.
        patience: For how many seconds.
    """

    def __init__(self, path: str, attempts: int, patience: float) -> None:
        super().__init__(
            f"no consistent copy of {path}: another program committed during each of {attempts} attempts"
            f" in {patience:g} s"
        )
        self.path = path
        self.attempts = attempts
        self.patience = patience


class TxError(BoltError):
    """The transaction is not in a state for this call."""


class TxNotWritableError(TxError):
    """A change was asked of a read transaction (bbolt: ErrTxNotWritable)."""

    def __init__(self, message: str = "tx not writable: begin it with db.update() or db.begin(writable=True)") -> None:
        super().__init__(message)


class TxClosedError(TxError):
    """The transaction, or one of its buckets or cursors, was used after its end (bbolt: ErrTxClosed)."""

    def __init__(self, message: str = "tx closed") -> None:
        super().__init__(message)


class TxManagedError(TxError):
    """`commit()` or `rollback()` was called inside a `with db.view()/db.update()` block, which does that itself."""

    def __init__(self, call: str) -> None:
        super().__init__(f"managed tx {call} not allowed: the with block ends the transaction")
        self.call = call


class BucketError(BoltError):
    """The bucket or the key in it is not what the call needs."""


class BucketNotFoundError(BucketError, LookupError):
    """There is no bucket of that name (bbolt: ErrBucketNotFound).

    Attributes:
        name: The name asked for.
    """

    def __init__(self, name: bytes) -> None:
        super().__init__(f"bucket not found: {name!r}")
        self.name = name


class BucketExistsError(BucketError):
    """A bucket of that name is there already (bbolt: ErrBucketExists).

    Attributes:
        name: The name.
    """

    def __init__(self, name: bytes) -> None:
        super().__init__(f"bucket already exists: {name!r}")
        self.name = name


class BucketNameRequiredError(BucketError, ValueError):
    """A bucket name has at least one byte (bbolt: ErrBucketNameRequired)."""

    def __init__(self) -> None:
        super().__init__("bucket name required")


class IncompatibleValueError(BucketError):
    """The key names a nested bucket where a pair is needed, or the other way round (bbolt: ErrIncompatibleValue).

    Attributes:
        key: The key.
    """

    def __init__(self, key: bytes, found: str) -> None:
        super().__init__(f"incompatible value: {key!r} is {found}")
        self.key = key


class SameBucketError(BucketError):
    """Source and target of a move are one bucket, or the target lies inside what is moved (bbolt: ErrSameBuckets)."""

    def __init__(self, message: str = "the source and target are the same bucket") -> None:
        super().__init__(message)


class DifferentDatabaseError(BucketError):
    """Source and target of a move belong to different transactions or files (bbolt: ErrDifferentDB)."""

    def __init__(self) -> None:
        super().__init__("the source and target buckets are in different database files")


class ImportLineError(BoltError, ValueError):
    """A line of an export cannot be imported.

    Attributes:
        line: Its number; the first is 1.
        reason: Why.
    """

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line
        self.reason = reason


class LimitError(BoltError):
    """A key, a value or the file would pass a limit. Nothing was changed."""


class KeyRequiredError(LimitError, ValueError):
    """A key has at least one byte (bbolt: ErrKeyRequired)."""

    def __init__(self, message: str = "key required") -> None:
        super().__init__(message)


class KeyTooLargeError(LimitError, ValueError):
    """The key is longer than the format allows (bbolt: ErrKeyTooLarge).

    Attributes:
        key_size: Bytes of the key.
        limit: Bytes allowed.
    """

    def __init__(self, key_size: int, limit: int) -> None:
        super().__init__(f"key too large: {key_size} bytes, the limit is {limit}")
        self.key_size = key_size
        self.limit = limit


class ValueTooLargeError(LimitError, ValueError):
    """The value is longer than the format allows (bbolt: ErrValueTooLarge).

    Attributes:
        value_size: Bytes of the value.
        limit: Bytes allowed.
    """

    def __init__(self, value_size: int, limit: int) -> None:
        super().__init__(f"value too large: {value_size} bytes, the limit is {limit}")
        self.value_size = value_size
        self.limit = limit


class MaxSizeReachedError(LimitError):
    """The file would grow past `Options.max_size` (bbolt: ErrMaxSizeReached).

    Attributes:
        size: Bytes that the file would have.
        limit: Bytes allowed.
    """

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"database reached maximum size: {size} bytes needed, max_size is {limit}")
        self.size = size
        self.limit = limit
