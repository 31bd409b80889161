"""What a task asks of a store: whole loops, so that nothing stands between a loop and the store's own calls."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence

from ..data import Pair


class UnsupportedError(Exception):
    """The store has nothing of the kind; the text says what."""


class Store(ABC):
    """An open file. A batch is one transaction. Each store does what its documentation advises.

    Made with the path of the file, which may not be there yet, and whether commits wait for the disk.
    """

    @abstractmethod
    def __init__(self, path: str, *, sync: bool) -> None: ...

    @staticmethod
    @abstractmethod
    def versions() -> dict[str, str]:
        """Return what was measured, by name."""

    @abstractmethod
    def close(self) -> None:
        """Close the file."""

    def require_keys(self, size: int) -> None:  # noqa: B027 - most stores take all keys that the others do
        """Make sure that keys of that many bytes can be put.

        Raises:
            UnsupportedError: They are longer than the store takes.
        """

    @abstractmethod
    def put(self, batches: Iterable[Iterable[Pair]]) -> None:
        """Put pairs one by one."""

    @abstractmethod
    def put_many(self, batches: Iterable[Iterable[Pair]]) -> None:
        """Put the pairs of a batch in one call."""

    @abstractmethod
    def delete(self, batches: Iterable[Iterable[bytes]]) -> None:
        """Delete keys one by one."""

    @abstractmethod
    def mixed(self, batches: Iterable[Iterable[tuple[bytes, Pair]]]) -> list[bytes | None]:
        """Get a key and put a pair in turns; return what was got."""

    @abstractmethod
    def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Get keys one by one, in one transaction."""

    @abstractmethod
    def get_tx(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Get keys one by one, each in a transaction of its own."""

    @abstractmethod
    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Get keys in as few calls as the store advises."""

    @abstractmethod
    def scan(self) -> int:
        """Walk over all pairs, each as Python objects, and return how many they are."""

    @abstractmethod
    def seek(self, starts: Sequence[bytes], span: int) -> list[list[Pair]]:
        """Read `span` pairs from each start on."""

    @abstractmethod
    def pairs(self) -> Iterator[Pair]:
        """All pairs, in the order of their keys; for checks."""

    @abstractmethod
    def drop(self) -> None:
        """Delete everything at once, in one transaction."""

    @abstractmethod
    def compact(self, path: str) -> None:
        """Write a dense copy and close it, without a sync."""

    @abstractmethod
    def backup(self, path: str) -> Callable[[], object]:
        """Return what writes a copy of the file and waits until it is on the disk, with all that it needs loaded."""

    def restored(self, path: str) -> str:
        """Return the path of a file that can be opened, of a backup: the backup itself where it is one."""
        return path

    @abstractmethod
    def beside_a_reader(self, work: Callable[[], None]) -> int:
        """Do the work while a reader keeps its state; return how many pairs that reader sees afterwards."""

    def nested(self, batches: Iterable[Iterable[tuple[bytes, list[Pair]]]]) -> None:
        """Make buckets by name, and put their pairs."""
        raise UnsupportedError("has no nested buckets")

    def nested_pairs(self) -> Iterator[Pair]:
        """All pairs of all nested buckets; for checks."""
        raise UnsupportedError("has no nested buckets")

    def batched(self, pair: Pair) -> None:
        """Put a pair in a transaction that is shared with other threads."""
        raise UnsupportedError("has no transactions that threads share")

    def free(self, pages: int) -> None:
        """Leave about that many free pages in the file."""
        raise UnsupportedError("keeps its free pages in another way")
