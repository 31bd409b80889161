"""A seeded history of transactions over nested buckets, with the model of what must come out.

Each transaction is a list of changes together with the outcome that each must
have. A transaction for bbolt is `careful`, because bbolt has two defects here:
moving a bucket drops what the same transaction changed in it (and may lose it
within itself); deleting one that was changed leaks pages of its nested buckets,
whose deletion shifts the node under the cursor that lists them. So a careful
transaction moves and deletes only what it has not touched.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.models import BucketModel

from .changes import MAX_KEY_SIZE, MAX_SEQUENCE, Change, Outcome

NOWHERE = b"nowhere"  # a bucket that no history makes

Path = tuple[bytes, ...]


class History:
    """Draws transactions and applies them to `model`, the state after the last one."""

    def __init__(self, seed: int, page_size: int = 4096) -> None:
        self.model = BucketModel()
        self._random = random.Random(seed)
        self._page_size = page_size
        self._touched: set[Path] = set()
        self._careful = True
        self._kinds: dict[Callable[[], Change], int] = {
            self._put: 50,
            self._delete: 14,
            self._get: 6,
            self._create: 10,
            self._delete_bucket: 3,
            self._move: 5,
            self._set_sequence: 3,
            self._next_sequence: 6,
            self._fill: 3,
        }

    def transaction(self, count: int, *, careful: bool) -> tuple[list[Change], list[Outcome]]:
        """Draw `count` changes; returns them and the outcome of each."""
        self._touched = set()
        self._careful = careful
        changes, outcomes = [], []
        for _ in range(count):
            change = self._draw()
            changes.append(change)
            outcomes.append(change.foresee(self.model))
            if change.op != "get":
                self._touch(change)
        return changes, outcomes

    def landmarks(self) -> tuple[list[Change], list[Outcome]]:
        """A transaction that makes one of each thing that a file can hold, whatever was drawn before."""
        top, deep = (b"landmarks",), (b"landmarks", b"1", b"2", b"3")
        changes = [Change("create_bucket", deep[:i], deep[i]) for i in range(len(deep))]
        changes += [Change("put", deep, b"%03d" % i, b"v" * i) for i in range(self._page_size // 50)]
        changes += [
            Change("create_bucket", top, b"inline"),
            Change("put", (*top, b"inline"), b"key", b"value"),
            Change("set_sequence", (*top, b"inline"), sequence=MAX_SEQUENCE),
            Change("create_bucket", top, b"empty"),
            Change("put", top, b"overflow", b"v" * 5 * self._page_size),
            Change("put", top, b"", b"a key has a byte"),
        ]
        return changes, [change.foresee(self.model) for change in changes]

    def _draw(self) -> Change:
        if not self.model.entries:
            return Change("create_bucket", (), b"first")
        kinds, weights = zip(*self._kinds.items(), strict=True)
        kind: Callable[[], Change] = self._random.choices(kinds, weights)[0]
        return kind()

    def _touch(self, change: Change) -> None:
        self._touched.update((change.bucket, (*change.bucket, change.key)))
        if change.op == "move_bucket":
            self._touched.update((change.target, (*change.target, change.key)))

    def _path(self) -> Path:
        """A bucket, or now and then one that does not exist."""
        path = self._random.choice(self.model.paths())
        return (*path, NOWHERE) if self._random.random() < 0.01 else path

    def _parent(self) -> Path:
        """A bucket or the root."""
        return () if self._random.random() < 0.3 else self._path()[:4]

    def _key_in(self, path: Path) -> bytes:
        """Half the time a key that is there; else one of a small space, so that histories cross."""
        entries = {} if path[-1:] == (NOWHERE,) else self.model.nested(*path).entries
        if entries and self._random.random() < 0.5:
            return self._random.choice(list(entries))
        number = self._random.randrange(300)
        return b"%03d" % number * self._random.choice((1, 1, 2, 20))

    def _value(self) -> bytes:
        size = self._random.choice((0, 8, 8, 60, 60, 300, self._page_size // 4, self._page_size * 3))
        return self._random.randbytes(self._random.randint(0, size))

    def _put(self) -> Change:
        path = self._path()
        odd = self._random.random()
        key = b"" if odd < 0.01 else b"k" * (MAX_KEY_SIZE + 1) if odd < 0.015 else self._key_in(path)
        return Change("put", path, key, self._value())

    def _delete(self) -> Change:
        path = self._path()
        return Change("delete", path, self._key_in(path))

    def _get(self) -> Change:
        path = self._path()
        return Change("get", path, self._key_in(path))

    def _create(self) -> Change:
        path = self._parent()
        op = self._random.choice(("create_bucket", "create_bucket_if_not_exists"))
        return Change(op, path, b"" if self._random.random() < 0.03 else self._key_in(path))

    def _delete_bucket(self) -> Change:
        path = self._path()
        if self._random.random() < 0.2:
            path = (*path, self._key_in(path))
        return Change("delete_bucket", path[:-1], path[-1]) if self._may_unhinge(path) else self._put()

    def _move(self) -> Change:
        moved, target = self._path(), self._parent()
        if not self._may_unhinge(moved) or (self._careful and target[: len(moved)] == moved):
            return self._put()
        return Change("move_bucket", moved[:-1], moved[-1], target=target)

    def _may_unhinge(self, path: Path) -> bool:
        return not self._careful or not any(touched[: len(path)] == path for touched in self._touched)

    def _set_sequence(self) -> Change:
        sequence = self._random.choice((0, 1, 1 << 32, MAX_SEQUENCE, self._random.getrandbits(64)))
        return Change("set_sequence", self._path(), sequence=sequence)

    def _next_sequence(self) -> Change:
        return Change("next_sequence", self._path())

    def _fill(self) -> Change:
        return Change("fill_percent", self._path(), fill=self._random.choice((0.1, 0.3, 0.9, 1.0)))
