"""Database files of etcd, containerd, elvish and rclone read exactly as bbolt reads them."""

from __future__ import annotations

import base64
import hashlib
import json
import lzma
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import boltpy

from .etcd import live_keys
from .files import FOLDER, REAL_FILES, dump_lines, unpack

SHORT = 64  # bytes; the dumps hold the sha256 of longer values

every_file = pytest.mark.parametrize("name", REAL_FILES)


@pytest.fixture
def path(name: str, tmp_path: Path) -> Path:
    """The file itself, writable."""
    return unpack(name, tmp_path)


def walk(bucket: boltpy.Bucket, path: tuple[bytes, ...]) -> Iterator[dict[str, Any]]:
    """The items of a bucket and all below it, as the dumps have them."""
    for key, value in bucket.items():
        if value is None:
            child = bucket.bucket(key)
            assert child is not None
            yield from enter(child, (*path, key))
        elif len(value) <= SHORT:
            yield {"k": key.hex(), "v": value.hex()}
        else:
            yield {"k": key.hex(), "n": len(value), "sha256": hashlib.sha256(value).hexdigest()}


def enter(bucket: boltpy.Bucket, path: tuple[bytes, ...]) -> Iterator[dict[str, Any]]:
    yield {"bucket": [name.hex() for name in path], "seq": bucket.sequence}
    yield from walk(bucket, path)


def walk_all(tx: boltpy.Tx) -> list[dict[str, Any]]:
    return [line for name, bucket in tx.buckets() for line in enter(bucket, (name,))]


def test_there_are_real_files_to_read() -> None:
    assert len(REAL_FILES) == 6


@every_file
def test_a_real_file_walks_equal_to_its_dump(path: Path, name: str) -> None:
    with boltpy.open(path) as db, db.view() as tx:
        found = walk_all(tx)
    assert found == [json.loads(line) for line in dump_lines(name)]


@every_file
def test_every_key_of_a_real_file_is_found_by_get_and_by_seek(path: Path, name: str) -> None:
    with boltpy.open(path, read_only=True) as db, db.view() as tx:
        root = tx.cursor().bucket
        assert isinstance(root, boltpy.Bucket)
        assert keys_found(root) == len(dump_lines(name)) == root.stats().key_n


def keys_found(bucket: boltpy.Bucket) -> int:
    """Look up each key of a bucket and of all below it; the dump has a line for each."""
    count = 0
    for key, value in bucket.items():
        assert bucket.get(key) == value
        assert bucket.cursor().seek(key) == (key, value)
        count += 1
        if value is None:
            child = bucket.bucket(key)
            assert child is not None
            count += keys_found(child)
    return count


@every_file
def test_a_real_file_is_sound(path: Path, name: str) -> None:
    with boltpy.open(path, read_only=True) as db, db.view() as tx:
        assert list(tx.check()) == []


@every_file
def test_reading_a_real_file_changes_no_byte(path: Path, name: str) -> None:
    before = path.read_bytes()
    path.chmod(0o400)
    with boltpy.open(path, read_only=True, preload_freelist=True) as db, db.view() as tx:
        walk_all(tx)
        list(tx.check())
        tx.inspect()
    assert path.read_bytes() == before


@every_file
def test_a_real_file_takes_a_commit_and_keeps_the_rest(path: Path, name: str) -> None:
    with boltpy.open(path) as db:
        with db.view() as tx:
            before = walk_all(tx)
        with db.update() as tx:
            tx.create_bucket(b"\x00added").put(b"k", b"v" * 10_000)
        with db.view() as tx:
            added, rest = walk_all(tx)[:2], walk_all(tx)[2:]
            assert list(tx.check()) == []
    assert added[0] == {"bucket": [b"\x00added".hex()], "seq": 0}
    assert added[1]["n"] == 10_000
    assert rest == before
    with boltpy.open(path) as db:
        with db.update() as tx:
            tx.delete_bucket(b"\x00added")
        with db.view() as tx:
            assert walk_all(tx) == before
            assert list(tx.check()) == []


@pytest.mark.parametrize("name", ["etcd_snap.db", "etcd_snapshot_save.db"])
def test_the_live_keys_of_an_etcd_snapshot_are_those_that_etcd_listed(path: Path, name: str) -> None:
    listed = json.loads(lzma.decompress((FOLDER / "etcd_snap.expect.json.xz").read_bytes()))
    with boltpy.open(path, read_only=True) as db, db.view() as tx:
        bucket = tx.bucket(b"key")
        assert bucket is not None
        live = live_keys((key, value) for key, value in bucket.items() if value is not None)
    assert len(live) == listed["live_keys"]
    found = {base64.b64encode(key).decode(): hashlib.sha256(value).hexdigest() for key, value in live.items()}
    assert found == listed["keys"]


def test_a_file_with_bytes_after_its_last_page_keeps_its_page_count(tmp_path: Path) -> None:
    path = unpack("etcd_snapshot_save.db", tmp_path)
    assert path.stat().st_size % 4096 == 32
    with boltpy.open(path, read_only=True) as db, db.view() as tx:
        assert tx.size == path.stat().st_size - 32
