"""Up to and with which committed key buckets were found to hold no nested ones, by their paths.

A tree, as buckets are: who deletes or moves a bucket forgets all that is known below it in one step.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

Path = tuple[bytes, ...]
LookedTo = bytes | None
"""A key; b"" where nothing was looked through, as no key is empty; None where the bucket is plain."""

# One bucket takes some 300 bytes.
_LIMIT = 10_000


class _Known:
    __slots__ = ("below", "looked_to")

    def __init__(self) -> None:
        self.looked_to: LookedTo = b""
        self.below: dict[bytes, _Known] = {}


class PlainBuckets:
    """What a DB remembers from one transaction to the next."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._root = _Known()
        self._count = 0  # at least as many as there are

    def looked_to(self, path: Path) -> LookedTo:
        """Return what is known of a bucket."""
        known = self._find(path)
        return b"" if known is None else known.looked_to

    def _find(self, path: Path) -> _Known | None:
        known = self._root
        for name in path:
            found = known.below.get(name)
            if found is None:
                return None
            known = found
        return known

    def learn(self, found: Mapping[Path, LookedTo]) -> None:
        """Remember more, but not without limit."""
        if self._count + len(found) > _LIMIT:
            self.clear()
        for path, looked_to in islice(found.items(), _LIMIT):
            known = self._root
            for name in path:
                known = known.below.setdefault(name, _Known())
            known.looked_to = looked_to
            self._count += 1

    def forget_one(self, path: Path) -> None:
        """Forget what is known of a bucket, but not of those below it."""
        known = self._find(path)
        if known is not None:
            known.looked_to = b""

    def forget(self, path: Path) -> None:
        """Forget what is known of a bucket and of all below it."""
        above = self._find(path[:-1])
        if above is not None:
            above.below.pop(path[-1], None)
