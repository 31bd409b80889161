"""The exceptions: they survive the way to another process."""

from __future__ import annotations

import pickle

import pytest

import boltpy

MADE = [
    boltpy.BoltError("text"),
    boltpy.InvariantError("text"),
    boltpy.DatabaseError("text"),
    boltpy.DatabaseNotOpenError(),
    boltpy.InvalidDatabaseError("text"),
    boltpy.VersionMismatchError(3),
    boltpy.ChecksumError(1, 2),
    boltpy.LockTimeoutError("a.db", 1.5),
    boltpy.DatabaseReadOnlyError(),
    boltpy.FreePagesNotLoadedError(),
    boltpy.StorageError(28, "no space left", "a.db"),
    boltpy.CorruptError(7, "reason"),
    boltpy.BackupError("a.backup", 3, 1048, "reason"),
    boltpy.BusyWriterError("a.db", 12, 10.0),
    boltpy.TxError("text"),
    boltpy.TxNotWritableError(),
    boltpy.TxClosedError(),
    boltpy.TxManagedError("commit"),
    boltpy.BucketError("text"),
    boltpy.BucketNotFoundError(b"b"),
    boltpy.BucketExistsError(b"b"),
    boltpy.BucketNameRequiredError(),
    boltpy.IncompatibleValueError(b"b", "a nested bucket"),
    boltpy.SameBucketError(),
    boltpy.DifferentDatabaseError(),
    boltpy.LimitError("text"),
    boltpy.KeyRequiredError(),
    boltpy.KeyTooLargeError(40000, 32768),
    boltpy.ValueTooLargeError(2**31, 2**31 - 2),
    boltpy.MaxSizeReachedError(5, 4),
]


def test_every_public_exception_is_tried_here() -> None:
    public = {
        value for value in vars(boltpy).values() if isinstance(value, type) and issubclass(value, boltpy.BoltError)
    }
    assert {type(error) for error in MADE} == public


@pytest.mark.parametrize("error", MADE, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickled_exception_comes_back_with_all_its_facts(error: boltpy.BoltError, protocol: int) -> None:
    copy = pickle.loads(pickle.dumps(error, protocol))
    assert type(copy) is type(error)
    assert (str(copy), copy.args, vars(copy)) == (str(error), error.args, vars(error))
    for name in ("errno", "strerror", "filename"):
        assert getattr(copy, name, None) == getattr(error, name, None)
