"""All that users of boltpy import, gathered; `boltpy` itself loads it when the first of the names is asked for."""

from __future__ import annotations

from .bucket import Bucket as Bucket
from .check import Problem as Problem
from .cursor import Cursor as Cursor
from .db import DB as DB
from .dense_copy import compact as compact
from .errors import (
    BackupError as BackupError,
)
from .errors import (
    BoltError as BoltError,
)
from .errors import (
    BucketError as BucketError,
)
from .errors import (
    BucketExistsError as BucketExistsError,
)
from .errors import (
    BucketNameRequiredError as BucketNameRequiredError,
)
from .errors import (
    BucketNotFoundError as BucketNotFoundError,
)
from .errors import (
    BusyWriterError as BusyWriterError,
)
from .errors import (
    ChecksumError as ChecksumError,
)
from .errors import (
    CorruptError as CorruptError,
)
from .errors import (
    DatabaseError as DatabaseError,
)
from .errors import (
    DatabaseNotOpenError as DatabaseNotOpenError,
)
from .errors import (
    DatabaseReadOnlyError as DatabaseReadOnlyError,
)
from .errors import (
    DifferentDatabaseError as DifferentDatabaseError,
)
from .errors import (
    FreePagesNotLoadedError as FreePagesNotLoadedError,
)
from .errors import (
    IncompatibleValueError as IncompatibleValueError,
)
from .errors import (
    InvalidDatabaseError as InvalidDatabaseError,
)
from .errors import (
    InvariantError as InvariantError,
)
from .errors import (
    KeyRequiredError as KeyRequiredError,
)
from .errors import (
    KeyTooLargeError as KeyTooLargeError,
)
from .errors import (
    LimitError as LimitError,
)
from .errors import (
    LockTimeoutError as LockTimeoutError,
)
from .errors import (
    MaxSizeReachedError as MaxSizeReachedError,
)
from .errors import (
    SameBucketError as SameBucketError,
)
from .errors import (
    StorageError as StorageError,
)
from .errors import (
    TxClosedError as TxClosedError,
)
from .errors import (
    TxError as TxError,
)
from .errors import (
    TxManagedError as TxManagedError,
)
from .errors import (
    TxNotWritableError as TxNotWritableError,
)
from .errors import (
    ValueTooLargeError as ValueTooLargeError,
)
from .errors import (
    VersionMismatchError as VersionMismatchError,
)
from .hot import HOT as HOT
from .opening import open as open
from .options import Options as Options
from .stats import BucketStats as BucketStats
from .stats import BucketStructure as BucketStructure
from .stats import Info as Info
from .stats import PageInfo as PageInfo
from .stats import Stats as Stats
from .stats import TxStats as TxStats
from .tx import Tx as Tx
