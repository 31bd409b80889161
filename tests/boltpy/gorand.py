"""The random stream of Go's math/rand for one seed, so that a workload made there can be repeated here.

Go adds, modulo 2**64, the numbers 273 and 607 places back; so the first 607 numbers of a seed, recorded from Go
in a text file of hexadecimal lines, give all further ones.
"""

from __future__ import annotations

from pathlib import Path

LONG_LAG, SHORT_LAG = 607, 273


class GoRand:
    """rand.New(rand.NewSource(seed)) of Go, for the seed whose numbers were recorded."""

    def __init__(self, recorded: Path) -> None:
        self._numbers = [int(line, 16) for line in recorded.read_text().split()]
        assert len(self._numbers) == LONG_LAG
        self._next = 0

    def _int31(self) -> int:
        if self._next == len(self._numbers):
            self._numbers.append((self._numbers[-LONG_LAG] + self._numbers[-SHORT_LAG]) % 2**64)
        number = self._numbers[self._next]
        self._next += 1
        return (number % 2**63) >> 32

    def below(self, limit: int) -> int:
        """Intn: a number in [0, limit), for limits under 2**31."""
        if limit & (limit - 1) == 0:
            return self._int31() & (limit - 1)
        largest = 2**31 - 1 - 2**31 % limit
        number = self._int31()
        while number > largest:
            number = self._int31()
        return number % limit

    def permutation(self, count: int) -> list[int]:
        """Perm: the numbers below `count` in random order."""
        order = [0] * count
        for i in range(count):
            j = self.below(i + 1)
            order[i] = order[j]
            order[j] = i
        return order
