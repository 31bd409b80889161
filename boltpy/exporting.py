"""Takes everything in a file out as the lines of an export."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .jsonl import HEADER, bucket_line, end_line, pair_line
from .tx import Tx
from .walking import every_bucket

_BLOCK_CHARACTERS = 1 << 16


class Export:
    """One export.

    Attributes:
        buckets: How many buckets were exported so far, the root bucket included.
        pairs: How many pairs.
    """

    def __init__(self) -> None:
        self.buckets = 0
        self.pairs = 0

    def blocks(self, tx: Tx, progress: Callable[[int], None]) -> Iterator[bytes]:
        """Yield the whole export in blocks of whole lines: each bucket, its pairs, then the buckets nested in it.

        Args:
            tx: What to export; it must not change meanwhile.
            progress: Told how many buckets and pairs more are done.

        Raises:
            CorruptError: A page breaks the format.
            BucketError: Buckets are nested deeper than MAX_NESTING levels.
        """
        yield HEADER
        block: list[str] = []
        size = told = 0
        for line in self._lines(tx):
            block.append(line)
            size += len(line)
            if size >= _BLOCK_CHARACTERS:
                yield "".join(block).encode()
                progress(self.buckets + self.pairs - told)
                block, size, told = [], 0, self.buckets + self.pairs
        block.append(end_line(self.buckets, self.pairs))
        yield "".join(block).encode()

    def _lines(self, tx: Tx) -> Iterator[str]:
        for bucket in every_bucket(tx):
            self.buckets += 1
            yield bucket_line(bucket._path, bucket.sequence)
            for key, value in bucket.items():
                if value is not None:
                    self.pairs += 1
                    yield pair_line(key, value)
