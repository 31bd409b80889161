"""py-lmdb. A module of its own, because only its peer's process needs the package."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

import lmdb

from ..data import Pair
from .face import Store, UnsupportedError

_MAP_BYTES = 1 << 36  # address space, not memory: the file may grow to this


class LmdbStore(Store):
    """The main database of an LMDB file."""

    def __init__(self, path: str, *, sync: bool) -> None:
        self._env = lmdb.open(path, subdir=False, map_size=_MAP_BYTES, sync=sync, metasync=sync)

    @staticmethod
    def versions() -> dict[str, str]:
        return {"py-lmdb": lmdb.__version__, "lmdb": ".".join(map(str, lmdb.version()))}

    def close(self) -> None:
        self._env.close()

    def require_keys(self, size: int) -> None:
        if size > self._env.max_key_size():
            raise UnsupportedError(f"unsupported: keys of more than {self._env.max_key_size()} bytes")

    def put(self, batches: Iterable[Iterable[Pair]]) -> None:
        for batch in batches:
            with self._env.begin(write=True) as txn:
                for key, value in batch:
                    txn.put(key, value)

    def put_many(self, batches: Iterable[Iterable[Pair]]) -> None:
        for batch in batches:
            with self._env.begin(write=True) as txn, txn.cursor() as cursor:
                cursor.putmulti(batch)

    def delete(self, batches: Iterable[Iterable[bytes]]) -> None:
        for batch in batches:
            with self._env.begin(write=True) as txn:
                for key in batch:
                    txn.delete(key)

    def mixed(self, batches: Iterable[Iterable[tuple[bytes, Pair]]]) -> list[bytes | None]:
        got: list[bytes | None] = []
        for batch in batches:
            with self._env.begin(write=True) as txn:
                for wanted, (key, value) in batch:
                    got.append(txn.get(wanted))
                    txn.put(key, value)
        return got

    def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        with self._env.begin() as txn:
            return [txn.get(key) for key in keys]

    def get_tx(self, keys: Sequence[bytes]) -> list[bytes | None]:
        got: list[bytes | None] = []
        for key in keys:
            with self._env.begin() as txn:
                got.append(txn.get(key))
        return got

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        with self._env.begin() as txn, txn.cursor() as cursor:
            return [value for _key, value in cursor.getmulti(keys)]  # leaves out what is missing; here nothing is

    def scan(self) -> int:
        count = 0
        with self._env.begin() as txn, txn.cursor() as cursor:
            for _key, _value in cursor:
                count += 1
        return count

    def seek(self, starts: Sequence[bytes], span: int) -> list[list[Pair]]:
        found = []
        with self._env.begin() as txn, txn.cursor() as cursor:
            for start in starts:
                cursor.set_range(start)
                found.append(list(islice(cursor.iternext(), span)))
        return found

    def pairs(self) -> Iterator[Pair]:
        with self._env.begin() as txn, txn.cursor() as cursor:
            yield from cursor

    def drop(self) -> None:
        with self._env.begin(write=True) as txn:
            txn.drop(self._env.open_db(None, txn), delete=False)

    def compact(self, path: str) -> None:
        # A file's copy goes through its descriptor: `copy` by name would want a folder.
        with open(path, "wb") as target:
            self._env.copyfd(target.fileno(), compact=True)

    def backup(self, path: str) -> Callable[[], object]:
        def write() -> None:
            with open(path, "wb") as target:
                self._env.copyfd(target.fileno())
                os.fsync(target.fileno())

        return write

    def beside_a_reader(self, work: Callable[[], None]) -> int:
        with self._env.begin() as txn, txn.cursor() as cursor:
            work()
            return sum(1 for _ in cursor.iternext(values=False))
