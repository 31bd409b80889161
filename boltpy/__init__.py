"""boltpy: an embedded key/value database in one file, the file of Go's bbolt."""

from __future__ import annotations

from .bucket import Bucket
from .check import Problem
from .compact import compact
from .cursor import Cursor
from .db import DB
from .errors import (
    BoltError,
    BucketError,
    BucketExistsError,
    BucketNameRequiredError,
    BucketNotFoundError,
    ChecksumError,
    CorruptError,
    DatabaseError,
    DatabaseNotOpenError,
    DatabaseReadOnlyError,
    DifferentDatabaseError,
    FreePagesNotLoadedError,
    IncompatibleValueError,
    InvalidDatabaseError,
    InvariantError,
    KeyRequiredError,
    KeyTooLargeError,
    LimitError,
    LockTimeoutError,
    MaxSizeReachedError,
    SameBucketError,
    StorageError,
    TxClosedError,
    TxError,
    TxManagedError,
    TxNotWritableError,
    ValueTooLargeError,
    VersionMismatchError,
)
from .hot import HOT
from .opening import open
from .options import Options
from .stats import BucketStats, BucketStructure, Info, PageInfo, Stats, TxStats
from .tx import Tx
from .version import VERSION

__version__ = VERSION

__all__ = [
    "DB",
    "HOT",
    "BoltError",
    "Bucket",
    "BucketError",
    "BucketExistsError",
    "BucketNameRequiredError",
    "BucketNotFoundError",
    "BucketStats",
    "BucketStructure",
    "ChecksumError",
    "CorruptError",
    "Cursor",
    "DatabaseError",
    "DatabaseNotOpenError",
    "DatabaseReadOnlyError",
    "DifferentDatabaseError",
    "FreePagesNotLoadedError",
    "IncompatibleValueError",
    "Info",
    "InvalidDatabaseError",
    "InvariantError",
    "KeyRequiredError",
    "KeyTooLargeError",
    "LimitError",
    "LockTimeoutError",
    "MaxSizeReachedError",
    "Options",
    "PageInfo",
    "Problem",
    "SameBucketError",
    "Stats",
    "StorageError",
    "Tx",
    "TxClosedError",
    "TxError",
    "TxManagedError",
    "TxNotWritableError",
    "TxStats",
    "ValueTooLargeError",
    "VersionMismatchError",
    "compact",
    "open",
]
