"""sqlite3 as a key/value store: one table without row ids, and a write-ahead log."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager

from ..data import Pair
from .face import Store

_PUT = "insert or replace into bench values (?, ?)"
_GET = "select value from bench where key = ?"
_ALL = "select key, value from bench order by key"
_FROM = "select key, value from bench where key >= ? order by key limit ?"
_KEYS_A_QUERY = 500


class SqliteStore(Store):
    """A table of keys and values. Each thread has a connection of its own, as sqlite3 asks for."""

    def __init__(self, path: str, *, sync: bool) -> None:
        self._path = path
        self._sync = sync
        self._db = self._connect()
        self._db.execute("create table if not exists bench (key blob primary key, value blob) without rowid")

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, isolation_level=None)
        db.execute("pragma journal_mode = wal")
        db.execute(f"pragma synchronous = {'full' if self._sync else 'off'}")
        return db

    @staticmethod
    def versions() -> dict[str, str]:
        return {"sqlite": sqlite3.sqlite_version}

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._db.execute("begin immediate")
        yield self._db
        self._db.execute("commit")

    def put(self, batches: Iterable[Iterable[Pair]]) -> None:
        for batch in batches:
            with self._transaction() as db:
                for pair in batch:
                    db.execute(_PUT, pair)

    def put_many(self, batches: Iterable[Iterable[Pair]]) -> None:
        for batch in batches:
            with self._transaction() as db:
                db.executemany(_PUT, batch)

    def delete(self, batches: Iterable[Iterable[bytes]]) -> None:
        for batch in batches:
            with self._transaction() as db:
                for key in batch:
                    db.execute("delete from bench where key = ?", (key,))

    def mixed(self, batches: Iterable[Iterable[tuple[bytes, Pair]]]) -> list[bytes | None]:
        got: list[bytes | None] = []
        for batch in batches:
            with self._transaction() as db:
                for wanted, pair in batch:
                    got.append(_first(db.execute(_GET, (wanted,))))
                    db.execute(_PUT, pair)
        return got

    def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        with closing(self._connect()) as db:
            db.execute("begin")
            return [_first(db.execute(_GET, (key,))) for key in keys]

    def get_tx(self, keys: Sequence[bytes]) -> list[bytes | None]:
        # Without a `begin`, each query is a transaction.
        return [_first(self._db.execute(_GET, (key,))) for key in keys]

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        got: list[bytes | None] = []
        self._db.execute("begin")
        for at in range(0, len(keys), _KEYS_A_QUERY):
            some = keys[at : at + _KEYS_A_QUERY]
            marks = ",".join("?" * len(some))
            found = dict(self._db.execute(f"select key, value from bench where key in ({marks})", some))
            got += [found.get(key) for key in some]
        self._db.execute("commit")
        return got

    def scan(self) -> int:
        count = 0
        for _key, _value in self._db.execute(_ALL):
            count += 1
        return count

    def seek(self, starts: Sequence[bytes], span: int) -> list[list[Pair]]:
        return [self._db.execute(_FROM, (start, span)).fetchall() for start in starts]

    def pairs(self) -> Iterator[Pair]:
        yield from self._db.execute(_ALL)

    def drop(self) -> None:
        with self._transaction() as db:
            db.execute("drop table bench")
            db.execute("create table bench (key blob primary key, value blob) without rowid")

    def compact(self, path: str) -> None:
        self._db.execute("vacuum into ?", (path,))

    def backup(self, path: str) -> Callable[[], object]:
        def write() -> None:
            with closing(sqlite3.connect(path)) as target:
                target.execute("pragma synchronous = full")
                self._db.backup(target)

        return write

    def beside_a_reader(self, work: Callable[[], None]) -> int:
        with closing(self._connect()) as reader:
            reader.execute("begin")
            reader.execute("select key from bench limit 1").fetchall()  # only now its state is fixed
            work()
            return sum(1 for _ in reader.execute("select key from bench order by key"))


def _first(rows: sqlite3.Cursor) -> bytes | None:
    row: tuple[bytes] | None = rows.fetchone()
    return None if row is None else row[0]
