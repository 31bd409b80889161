"""boltpy, with the kernels that run: the peers "boltpy" and "pure"."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

import boltpy

from ..data import Pair
from .face import Store

_NAME = b"bench"
_FILLER_BYTES = 1 << 20
_FILLERS_A_TX = 10


class BoltStore(Store):
    """One bucket of a boltpy file."""

    def __init__(self, path: str, *, sync: bool) -> None:
        self._db = boltpy.open(path, no_sync=not sync, no_grow_sync=not sync)

    @staticmethod
    def versions() -> dict[str, str]:
        return {"boltpy": boltpy.__version__, "HOT": boltpy.HOT}

    def close(self) -> None:
        self._db.close()

    def put(self, batches: Iterable[Iterable[Pair]]) -> None:
        for batch in batches:
            with self._db.update() as tx:
                bucket = tx.create_bucket_if_not_exists(_NAME)
                for key, value in batch:
                    bucket.put(key, value)

    def put_many(self, batches: Iterable[Iterable[Pair]]) -> None:
        for batch in batches:
            with self._db.update() as tx:
                tx.create_bucket_if_not_exists(_NAME).put_many(batch)

    def delete(self, batches: Iterable[Iterable[bytes]]) -> None:
        for batch in batches:
            with self._db.update() as tx:
                bucket = _bucket(tx)
                for key in batch:
                    bucket.delete(key)

    def mixed(self, batches: Iterable[Iterable[tuple[bytes, Pair]]]) -> list[bytes | None]:
        got = []
        for batch in batches:
            with self._db.update() as tx:
                bucket = _bucket(tx)
                for wanted, (key, value) in batch:
                    got.append(bucket.get(wanted))
                    bucket.put(key, value)
        return got

    def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        with self._db.view() as tx:
            bucket = _bucket(tx)
            return [bucket.get(key) for key in keys]

    def get_tx(self, keys: Sequence[bytes]) -> list[bytes | None]:
        got = []
        for key in keys:
            with self._db.view() as tx:
                got.append(_bucket(tx).get(key))
        return got

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        with self._db.view() as tx:
            return _bucket(tx).get_many(keys)

    def scan(self) -> int:
        count = 0
        with self._db.view() as tx:
            for _key, _value in _bucket(tx).items():
                count += 1
        return count

    def seek(self, starts: Sequence[bytes], span: int) -> list[list[Pair]]:
        with self._db.view() as tx:
            bucket = _bucket(tx)
            return [list(islice(_plain(bucket.items(start)), span)) for start in starts]

    def pairs(self) -> Iterator[Pair]:
        with self._db.view() as tx:
            bucket = tx.bucket(_NAME)
            if bucket is not None:
                yield from _plain(bucket.items())

    def drop(self) -> None:
        with self._db.update() as tx:
            tx.delete_bucket(_NAME)

    def compact(self, path: str) -> None:
        with boltpy.open(path, no_sync=True, no_grow_sync=True) as target:
            boltpy.compact(self._db, target)

    def backup(self, path: str) -> Callable[[], object]:
        from boltpy import snapshot  # noqa: PLC0415 - it would weigh on the rows about memory

        def write() -> None:
            with self._db.view() as tx:
                snapshot.backup_file(tx, path)

        return write

    def restored(self, path: str) -> str:
        from boltpy import snapshot  # noqa: PLC0415 - as in `backup`

        target = f"{path}.db"
        snapshot.restore([path], target)
        return target

    def beside_a_reader(self, work: Callable[[], None]) -> int:
        with self._db.view() as tx:
            work()
            return sum(1 for _ in _bucket(tx))

    def nested(self, batches: Iterable[Iterable[tuple[bytes, list[Pair]]]]) -> None:
        for batch in batches:
            with self._db.update() as tx:
                parent = tx.create_bucket_if_not_exists(_NAME)
                for name, pairs in batch:
                    bucket = parent.create_bucket(name)
                    for key, value in pairs:
                        bucket.put(key, value)

    def nested_pairs(self) -> Iterator[Pair]:
        with self._db.view() as tx:
            for _name, bucket in _bucket(tx).buckets():
                yield from _plain(bucket.items())

    def batched(self, pair: Pair) -> None:
        self._db.batch(lambda tx: _bucket(tx).put(*pair))

    def free(self, pages: int) -> None:
        value, name = bytes(_FILLER_BYTES), b"filler"
        fillers = max(1, pages * self._db.info().page_size // _FILLER_BYTES)
        for start in range(0, fillers, _FILLERS_A_TX):
            with self._db.update() as tx:
                bucket = tx.create_bucket_if_not_exists(name)
                for number in range(start, min(start + _FILLERS_A_TX, fillers)):
                    bucket.put(number.to_bytes(8, "big"), value)
        with self._db.update() as tx:
            tx.delete_bucket(name)


def _bucket(tx: boltpy.Tx) -> boltpy.Bucket:
    bucket = tx.bucket(_NAME)
    if bucket is None:
        raise LookupError(f"the file has no bucket {_NAME!r}")
    return bucket


def _plain(items: Iterable[tuple[bytes, bytes | None]]) -> Iterator[Pair]:
    """Say to the type checker that nothing in the bucket is a bucket; costs nothing."""
    return iter(items)  # type: ignore[arg-type]
