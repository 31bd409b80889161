"""The data of a workload, from its seed: the same pairs in Python and in Go (go/data.go), without a file between them.

Keys begin with a word that occurs once: the pair's number, or that number through splitmix64's output function, which
is a bijection. What was read is summed up as a CRC-32 of all keys and values, one after the other.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

Pair = tuple[bytes, bytes]

_MASK = (1 << 64) - 1
_GAMMA = 0x9E3779B97F4A7C15
_ODD = 0xD1342543DE82EF95  # makes a value's word from its key's


def mix(word: int) -> int:
    """Return the output of splitmix64 for a state."""
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & _MASK
    return word ^ (word >> 31)


@dataclass(frozen=True, slots=True)
class Data:
    """Pairs by number, and the numbers that are asked for.

    Attributes:
        keys, values: Bytes of each.
        ordered: Whether a higher number has a higher key.
        seed: Of all that is random.
        count: Pairs that can be chosen from.
        spread: Bytes that a value may have more, as its key's word says.
    """

    keys: int
    values: int
    ordered: bool
    seed: int
    count: int
    spread: int = 0

    def _word(self, number: int) -> int:
        return number if self.ordered else mix((self.seed + number * _GAMMA) & _MASK)

    def pair(self, number: int, version: int = 0) -> Pair:
        """Return a pair; another version has the same key and another value."""
        word = self._word(number)
        size = self.values + word % (self.spread + 1)
        return repeated(word, self.keys), repeated((word * _ODD + version) & _MASK, size)

    def pairs(self, start: int, stop: int) -> Iterator[Pair]:
        """Make the pairs from number `start` to before `stop`."""
        return map(self.pair, range(start, stop))

    def key(self, number: int) -> bytes:
        """Return a pair's key."""
        return repeated(self._word(number), self.keys)

    def chosen(self, turn: int) -> int:
        """Return the number of the pair that an operation on a loaded file is about."""
        return mix(((self.seed ^ _ODD) + turn * _GAMMA) & _MASK) % self.count


def repeated(word: int, size: int) -> bytes:
    """Return `size` bytes: the word's eight, the highest first, again and again."""
    return (word.to_bytes(8, "big") * (size // 8 + 1))[:size]


def checksum(parts: Iterable[bytes], before: int = 0) -> int:
    """Return the CRC-32 of byte strings one after the other, going on from `before`."""
    for part in parts:
        before = zlib.crc32(part, before)
    return before
