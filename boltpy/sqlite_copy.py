"""Copies a whole database into a new SQLite file, to be asked in SQL.

    buckets (id INTEGER PRIMARY KEY, parent INTEGER, name BLOB, path TEXT, sequence)
    pairs (bucket INTEGER, key BLOB, value BLOB, PRIMARY KEY (bucket, key))

The root bucket has the id 0 and no parent. `path` is the JSON list of names that an export has. `sequence` is a number,
but above 2**63 - 1, which SQLite lacks, the text of its digits.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Final

from .bucket import Bucket
from .errors import BoltError
from .jsonl import path_text
from .storage import FileStorage, taking_the_place_of
from .tx import Tx
from .walking import every_bucket

_LARGEST: Final = 2**63 - 1
_BATCH: Final = 1000

_TABLES: Final = """
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = FULL;
    CREATE TABLE buckets (
        id INTEGER PRIMARY KEY, parent INTEGER REFERENCES buckets, name BLOB NOT NULL, path TEXT NOT NULL UNIQUE,
        sequence NOT NULL
    );
    CREATE TABLE pairs (
        bucket INTEGER NOT NULL REFERENCES buckets, key BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY (bucket, key)
    ) WITHOUT ROWID;
"""


class SqliteCopy:
    """One copy.

    Attributes:
        buckets: How many buckets were copied so far, the root bucket included.
        pairs: How many pairs.
    """

    def __init__(self) -> None:
        self.buckets = 0
        self.pairs = 0

    def write(self, tx: Tx, path: str, mode: int, progress: Callable[[int], None]) -> None:
        """Copy everything; the file is made beside its place and renamed there when it is on the disk.

        Args:
            tx: What to copy; a transaction that nothing changes meanwhile.
            path: The SQLite file; one that is there is replaced, a link is followed.
            mode: Permission bits of the file, less the umask.
            progress: Told how many buckets and pairs more are done.

        Raises:
            BoltError: SQLite refuses, as it does a value of more than its limit, 10**9 bytes.
            CorruptError: A page breaks the format.
            BucketError: Buckets are nested deeper than MAX_NESTING levels.
            FileExistsError: What is at the path is no regular file.
            LockTimeoutError: Somebody has it open as a database.
            OSError: The system refuses.

        After an error the place is as it was, and `buckets` and `pairs` tell how far it came.
        """
        with taking_the_place_of(path) as beside:
            FileStorage(beside, mode=mode, read_only=False, exclusive=True).close()  # SQLite would not ask for the mode
            try:
                with closing(sqlite3.connect(beside, isolation_level=None)) as db:
                    db.executescript(_TABLES)
                    db.execute("BEGIN")
                    self._fill(tx, db, progress)
                    db.execute("COMMIT")
            except (sqlite3.Error, OverflowError) as error:
                raise BoltError(f"{path}: cannot write the SQLite file: {error}") from error

    def _fill(self, tx: Tx, db: sqlite3.Connection, progress: Callable[[int], None]) -> None:
        above: list[int] = []
        for bucket in every_bucket(tx):
            number, path = self.buckets, bucket._path
            self.buckets += 1
            del above[len(path) :]
            parent = above[-1] if above else None
            above.append(number)
            sequence = bucket.sequence if bucket.sequence <= _LARGEST else str(bucket.sequence)
            name = path[-1] if path else b""
            db.execute("INSERT INTO buckets VALUES (?, ?, ?, ?, ?)", (number, parent, name, path_text(path), sequence))
            progress(1)
            db.executemany("INSERT INTO pairs VALUES (?, ?, ?)", self._rows(bucket, number, progress))

    def _rows(self, bucket: Bucket, number: int, progress: Callable[[int], None]) -> Iterator[tuple[int, bytes, bytes]]:
        before = self.pairs
        for key, value in bucket.items():
            if value is None:
                continue
            self.pairs += 1
            if (self.pairs - before) % _BATCH == 0:
                progress(_BATCH)
            yield number, key, value
        progress((self.pairs - before) % _BATCH)
