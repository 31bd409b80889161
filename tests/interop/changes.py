"""Changes to a database as data: applied to bbolt, to boltpy and to a model, with equal outcomes.

`Change` is one call; `Outcome` what it answered, errors included, because a call
that bbolt refuses must be refused here for the same reason.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import boltpy
from tests.models import BucketModel

from .contents import root_of

MAX_KEY_SIZE = 32768  # bytes
MAX_SEQUENCE = (1 << 64) - 1

# The exceptions that a change may raise, and the texts that bbolt gives for them.
ERROR_TEXTS: dict[type[Exception], str] = {
    boltpy.KeyRequiredError: "key required",
    boltpy.KeyTooLargeError: "key too large",
    boltpy.BucketNotFoundError: "bucket not found",
    boltpy.BucketExistsError: "bucket already exists",
    boltpy.BucketNameRequiredError: "bucket name required",
    boltpy.IncompatibleValueError: "incompatible value",
    boltpy.SameBucketError: "the source and target are the same bucket",
}


@dataclass(frozen=True)
class Outcome:
    """What a change answered: nothing, a value, a sequence, or an error by bbolt's text."""

    error: str = ""
    value: bytes | None = None
    sequence: int = 0

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Outcome:
        value = fields.get("value")
        decoded = None if value is None else bytes.fromhex(value)
        return cls(fields.get("error", ""), decoded, fields.get("sequence", 0))


@dataclass(frozen=True)
class Change:
    """One call on the bucket at path `bucket`; the empty path is the root bucket."""

    op: str
    bucket: tuple[bytes, ...]
    key: bytes = b""
    value: bytes = b""
    target: tuple[bytes, ...] = ()
    sequence: int = 0
    fill: float = 0.0

    def as_json(self) -> dict[str, Any]:
        return {
            "op": self.op,
            "bucket": [name.hex() for name in self.bucket],
            "key": self.key.hex(),
            "value": self.value.hex(),
            "target": [name.hex() for name in self.target],
            "sequence": self.sequence,
            "fill": self.fill,
        }

    def apply(self, tx: boltpy.Tx) -> Outcome:
        """Make this call on a boltpy transaction."""
        try:
            return self._call(tx)
        except _RefusedError as refused:
            return Outcome(error=str(refused))
        except tuple(ERROR_TEXTS) as refused:
            return Outcome(error=ERROR_TEXTS[type(refused)])

    def _call(self, tx: boltpy.Tx) -> Outcome:
        bucket = _bucket_at(tx, self.bucket)
        match self.op:
            case "put":
                bucket.put(self.key, self.value)
            case "delete":
                bucket.delete(self.key)
            case "get":
                return Outcome(value=bucket.get(self.key))
            case "create_bucket":
                bucket.create_bucket(self.key)
            case "create_bucket_if_not_exists":
                bucket.create_bucket_if_not_exists(self.key)
            case "delete_bucket":
                bucket.delete_bucket(self.key)
            case "move_bucket":
                bucket.move_bucket(self.key, _bucket_at(tx, self.target))
            case "set_sequence":
                bucket.sequence = self.sequence
            case "next_sequence":
                return Outcome(sequence=bucket.next_sequence())
            case "fill_percent":
                bucket.fill_percent = self.fill
            case _:
                raise AssertionError(f"no change {self.op!r}")
        return Outcome()

    def foresee(self, root: BucketModel) -> Outcome:
        """Make this change to a model and tell what bolt will answer."""
        try:
            return self._model(root)
        except _RefusedError as refused:
            return Outcome(error=str(refused))

    def _model(self, root: BucketModel) -> Outcome:
        model = _model_at(root, self.bucket)
        entries, key = model.entries, self.key
        found = entries.get(key)
        match self.op:
            case "put":
                _refuse("key required", not key)
                _refuse("key too large", len(key) > MAX_KEY_SIZE)
                _refuse("incompatible value", isinstance(found, BucketModel))
                entries[key] = self.value
            case "delete":
                _refuse("incompatible value", isinstance(found, BucketModel))
                entries.pop(key, None)
            case "get":
                return Outcome(value=found if isinstance(found, bytes) else None)
            case "create_bucket" | "create_bucket_if_not_exists":
                _refuse("bucket name required", not key)
                _refuse("incompatible value", isinstance(found, bytes))
                _refuse("bucket already exists", found is not None and self.op == "create_bucket")
                entries.setdefault(key, BucketModel())
            case "delete_bucket":
                _refuse("bucket not found", found is None)
                _refuse("incompatible value", isinstance(found, bytes))
                del entries[key]
            case "move_bucket":
                self._model_move(root, model)
            case "set_sequence":
                model.sequence = self.sequence
            case "next_sequence":
                model.sequence = (model.sequence + 1) & MAX_SEQUENCE
                return Outcome(sequence=model.sequence)
        return Outcome()

    def _model_move(self, root: BucketModel, source: BucketModel) -> None:
        target = _model_at(root, self.target)
        found, taken = source.entries.get(self.key), target.entries.get(self.key)
        _refuse("bucket not found", found is None)
        _refuse("incompatible value", isinstance(found, bytes))
        within = self.target[: len(self.bucket) + 1] == (*self.bucket, self.key)
        _refuse("the source and target are the same bucket", source is target or within)
        _refuse("bucket already exists", isinstance(taken, BucketModel))
        _refuse("incompatible value", isinstance(taken, bytes))
        target.entries[self.key] = source.entries.pop(self.key)


class _RefusedError(Exception):
    """A change cannot be made; the text is bbolt's."""


def _refuse(text: str, condition: bool) -> None:
    if condition:
        raise _RefusedError(text)


def _model_at(root: BucketModel, path: Iterable[bytes]) -> BucketModel:
    model = root
    for name in path:
        entry = model.entries.get(name)
        if not isinstance(entry, BucketModel):
            raise _RefusedError("bucket not found")
        model = entry
    return model


def _bucket_at(tx: boltpy.Tx, path: Iterable[bytes]) -> boltpy.Bucket:
    bucket = root_of(tx)
    for name in path:
        child = bucket.bucket(name)
        if child is None:
            raise _RefusedError("bucket not found")
        bucket = child
    return bucket


def update(db: boltpy.DB, changes: Iterable[Change]) -> list[Outcome]:
    """Apply changes with boltpy in one write transaction."""
    with db.update() as tx:
        return [change.apply(tx) for change in changes]
