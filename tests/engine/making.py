"""Small databases to read, put together pair by pair as storm and Gofer lay them out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boltpy
import engine

Tree = dict[bytes, Any]
"""A bucket: keys to values, names to the trees of nested buckets."""


def gofer_database(path: Path, tree: Tree) -> Path:
    """Write a database with `tree` beside what every file of Gofer's has, and return its path."""
    everything = {b"__storm_db": {b"version": b'"2.0.0"'}, b"runRegistry": {}} | tree
    return bolt_database(path, everything)


def bolt_database(path: Path, tree: Tree) -> Path:
    """Write a bolt file whose root holds the buckets of `tree`, and return its path."""
    with boltpy.open(path) as db, db.update() as tx:
        for name, content in tree.items():
            _fill(tx.create_bucket(name), content)
    return path


def _fill(bucket: boltpy.Bucket, tree: Tree) -> None:
    for key, content in tree.items():
        if isinstance(content, bytes):
            bucket.put(key, content)
        else:
            _fill(bucket.create_bucket(key), content)


def int_key(number: int) -> bytes:
    return number.to_bytes(8, "big", signed=True)


def list_index(entries: list[tuple[int, bytes]]) -> Tree:
    """A list index of an int field: pairs of value and id, both ways."""
    forward = {int_key(value) + b"__" + key: key for value, key in entries}
    return {**forward, b"storm__ids": {key: int_key(value) + b"__" + key for value, key in entries}}


def pipelines(*created: tuple[str, int]) -> Tree:
    """A Pipeline bucket with ids and times of creation, indexed as storm does: without the zeros."""
    stored = {name.encode(): engine.encode(engine.Pipeline(id=name, created=time)) for name, time in created}
    index = list_index([(time, name.encode()) for name, time in created if time])
    return {**stored, b"__storm_index_Created": index}


def task_runs(*created: tuple[str, int]) -> Tree:
    """A TaskRun bucket, in the same way."""
    stored = {name.encode(): engine.encode(engine.TaskRun(id=name, created=time)) for name, time in created}
    index = list_index([(time, name.encode()) for name, time in created if time])
    return {**stored, b"__storm_index_Created": index}
