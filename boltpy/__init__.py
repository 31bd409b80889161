"""boltpy: an embedded key/value database in one file, the file of Go's bbolt.

The names are loaded together, when the first of them is asked for: a program that only might open a database, and the
command line, which needs one of its modules and few of these, start without them.
"""

from __future__ import annotations

import sys
from importlib import import_module

from .version import VERSION

TYPE_CHECKING = False  # type checkers know better by this name; they see no __getattr__
if TYPE_CHECKING:
    from .public import *

__version__ = VERSION

__all__ = [
    "DB",
    "HOT",
    "BackupError",
    "BoltError",
    "Bucket",
    "BucketError",
    "BucketExistsError",
    "BucketNameRequiredError",
    "BucketNotFoundError",
    "BucketStats",
    "BucketStructure",
    "BusyWriterError",
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


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    public = import_module(".public", __name__)
    here = vars(sys.modules[__name__])
    here.update((known, getattr(public, known)) for known in __all__)
    return here[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
