"""A disk that remembers what reached one file and in which order, and what of it a power cut may take away.

`recording` notes the system calls that change a file; `Disk` plays them back. Between two syncs a disk keeps whatever
it likes: each write, each 512-byte sector of one, and each change of length may be there or not, in any order. After a
sync all of it is there. A sync that failed is worse: the system then takes its pages for clean, so what was written
before stays uncertain until it is written once more. (A change of length is not data: the file system's journal keeps
it.)
"""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

SECTOR = 512


@dataclass(frozen=True)
class Write:
    """Bytes that were written at an offset."""

    offset: int
    data: bytes


@dataclass(frozen=True)
class Resize:
    """The file was given a length."""

    size: int


@dataclass(frozen=True)
class Sync:
    """A sync that came back, or failed."""

    ok: bool


@dataclass(frozen=True)
class Begun:
    """A commit was begun that leads to state number `state`; with the next change of a meta it may be there."""

    state: int


@dataclass(frozen=True)
class Acknowledged:
    """The program was told that state number `state` is on the disk."""

    state: int


Event = Write | Resize | Sync | Begun | Acknowledged


class KilledError(BaseException):
    """Ends the work on a file as SIGKILL would: nothing is written any more."""


@dataclass
class Journal:
    """The events of one file.

    Attributes:
        kill_at: The number of the call that a kill comes before; None is none.
        fail_sync: The numbers of the syncs that fail.
    """

    events: list[Event] = field(default_factory=list)
    kill_at: int | None = None
    fail_sync: set[int] = field(default_factory=set)
    calls: int = 0
    syncs: int = 0

    def note(self, event: Event) -> None:
        self.events.append(event)

    def count_call(self) -> None:
        if self.calls == self.kill_at:
            raise KilledError
        self.calls += 1


@contextmanager
def recording(path: Path) -> Iterator[Journal]:
    """Note what is written to `path`. Syncs are noted and not made: that is what makes thousands of commits quick."""
    journal = Journal()

    def is_ours(descriptor: int) -> bool:
        return path.exists() and os.path.samestat(os.fstat(descriptor), os.stat(path))

    def pwrite(real: Callable[..., int], descriptor: int, data: Any, offset: int) -> int:
        if is_ours(descriptor):
            journal.count_call()
            journal.note(Write(offset, bytes(data)))
        return real(descriptor, data, offset)

    def ftruncate(real: Callable[..., None], descriptor: int, size: int) -> None:
        if is_ours(descriptor):
            journal.count_call()
            journal.note(Resize(size))
        real(descriptor, size)

    def sync(real: Callable[..., None], descriptor: int) -> None:
        if not is_ours(descriptor):
            return
        journal.count_call()
        ok = journal.syncs not in journal.fail_sync
        journal.syncs += 1
        journal.note(Sync(ok))
        if not ok:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    with pytest.MonkeyPatch.context() as patch:
        for name, fake in {"pwrite": pwrite, "ftruncate": ftruncate, "fsync": sync, "fdatasync": sync}.items():
            real = getattr(os, name)
            patch.setattr(os, name, lambda *arguments, fake=fake, real=real: fake(real, *arguments))
        yield journal


@dataclass(frozen=True)
class Remains:
    """What a power cut may leave, and the numbers of the states that it may hold."""

    image: bytes
    oldest: int
    newest: int


Keep = Callable[[int, int], bool]
"""Whether the disk kept what write number so-and-so put into a sector; the sector -1 stands for the file's length."""


def all_but(chosen: int) -> Keep:
    return lambda number, sector: number != chosen


def only(chosen: int) -> Keep:
    return lambda number, sector: number == chosen or sector < 0


def some(chosen: set[int]) -> Keep:
    return lambda number, sector: number in chosen


def sectors(rng: random.Random, share: float) -> Keep:
    return lambda number, sector: rng.random() < share


class Disk:
    """The events of a file, one after the other, and the images that may be on the disk after each.

    Attributes:
        oldest: The state that was last acknowledged: nothing older may come back.
        newest: The state whose meta page was last written.
    """

    def __init__(self, before: bytes, metas_end: int) -> None:
        """Start with a file that is on the disk. Its metas, whose writing makes a state count, end at `metas_end`."""
        self.oldest = self.newest = self._begun = 0
        self._metas_end = metas_end
        self._sure = bytearray(before)
        self._length = len(before)
        # By sector: what may be there beside what is surely there, each with the number of the write it came with.
        self._loose: dict[int, list[tuple[int, bytes]]] = {}
        self._dirty: set[int] = set()
        self._lengths: list[tuple[int, int]] = []
        self._now = bytearray(before)  # what the system itself sees
        self._number = 0
        self._last: Write | None = None  # the last event, if it was a write

    def take(self, event: Event) -> None:
        """Let one event happen."""
        self._number += 1
        self._last = event if isinstance(event, Write) else None
        if isinstance(event, Write):
            self._write(event)
        elif isinstance(event, Resize):
            self._resize(event.size)
        elif isinstance(event, Begun):
            self._begun = event.state
        elif isinstance(event, Acknowledged):
            self.oldest = self.newest = event.state
        else:
            self._sync(event.ok)

    def _resize(self, size: int) -> None:
        self._now = self._now[:size].ljust(size, b"\0")
        self._lengths.append((self._number, size))

    def _write(self, write: Write) -> None:
        end = write.offset + len(write.data)
        if write.offset < self._metas_end and self._now[write.offset : end] != write.data:
            self.newest = self._begun
        if end > len(self._now):
            self._resize(end)
        self._now[write.offset : end] = write.data
        for sector in range(write.offset // SECTOR, -(-end // SECTOR)):
            whole = bytes(self._now[sector * SECTOR : (sector + 1) * SECTOR]).ljust(SECTOR, b"\0")
            self._loose.setdefault(sector, []).append((self._number, whole))
            self._dirty.add(sector)

    def _sync(self, ok: bool) -> None:
        if self._lengths and ok:
            self._length = self._lengths[-1][1]
            self._lengths = []
            self._sure = self._sure[: self._length].ljust(self._length, b"\0")
        if ok:
            for sector in self._dirty:
                del self._loose[sector]
                self._place(self._sure, sector, bytes(self._now[sector * SECTOR : (sector + 1) * SECTOR]))
        self._dirty.clear()

    @staticmethod
    def _place(image: bytearray, sector: int, data: bytes) -> None:
        at = sector * SECTOR
        room = max(0, min(len(data), len(image) - at))
        image[at : at + room] = data[:room]

    def image(self, keep: Keep) -> bytes:
        """What is there if the disk kept this and lost the rest."""
        lengths = [size for number, size in self._lengths if keep(number, -1)]
        length = lengths[-1] if lengths else self._length
        image = self._sure[:length].ljust(length, b"\0")
        for sector, versions in self._loose.items():
            for number, data in reversed(versions):
                if keep(number, sector):
                    self._place(image, sector, data)
                    break
        return bytes(image)

    def images(self, rng: random.Random, more: int) -> Iterator[bytes]:
        """What the disk may have kept by now, in the ways that are worst, and `more` of each mixture."""
        for keep in self._keepers(rng, more):
            yield self.image(keep)
        if self._last is not None:
            # Sectors are whole on any disk of today. A meta must bear it all the same, and is in the first 80 bytes.
            data = self._last.data
            for count in (rng.randrange(min(len(data), 80)), rng.randrange(len(data))):
                yield self._torn(self._last, count, longer=True)
                if self._lengths and self._lengths[-1][0] == self._number:
                    yield self._torn(self._last, count, longer=False)

    def _torn(self, write: Write, count: int, *, longer: bool) -> bytes:
        """All that was written, but of the last write the first bytes only.

        Args:
            write: The last event.
            count: Bytes of it.
            longer: Whether a file that it makes longer has its new length, with zeros behind, or ends with those bytes.
        """
        image = bytearray(self.image(lambda number, sector: number != self._number or (longer and sector < 0)))
        end = write.offset + count
        if not longer:
            image = image.ljust(end, b"\0")
        image[write.offset : end] = write.data[:count]
        return bytes(image)

    def _keepers(self, rng: random.Random, more: int) -> Iterator[Keep]:
        numbers = sorted({number for versions in self._loose.values() for number, _ in versions})
        yield lambda *_: True
        if not numbers and not self._lengths:
            return
        yield lambda *_: False
        yield lambda _, sector: sector >= 0  # the old length
        yield lambda _, sector: sector < 0  # the new length, and nothing else
        for chosen in rng.sample(numbers, min(len(numbers), 3)):
            yield all_but(chosen)
            yield only(chosen)
        if numbers:
            last = numbers[-1]
            cut = rng.choice([sector for sector, versions in self._loose.items() if versions[-1][0] == last])
            yield lambda number, sector: number != last or sector < cut
            yield lambda number, sector: number != last or sector >= cut
        for _ in range(more):
            yield some({number for number in range(self._number + 1) if rng.random() < 0.5})
            yield sectors(rng, rng.choice([0.1, 0.5, 0.9]))


def remains(events: list[Event], before: bytes, metas_end: int, rng: random.Random, more: int) -> Iterator[Remains]:
    """Every image, once, that a power cut at any moment of these events may leave."""
    disk = Disk(before, metas_end)
    seen: set[tuple[int, int, int]] = set()
    for event in events:
        # The moment is right before a sync, or before the next call: what came since the last sync is loose.
        disk.take(event)
        for image in disk.images(rng, more):
            mark = (hash(image), disk.oldest, disk.newest)
            if mark not in seen:
                seen.add(mark)
                yield Remains(image, disk.oldest, disk.newest)
