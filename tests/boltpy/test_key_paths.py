"""Which pages lead to a key: on sound files the way that a look-up takes, on damaged ones an end."""

from __future__ import annotations

from pathlib import Path

import pytest

import boltpy
from boltpy.key_paths import paths_to_key
from boltpy.raw_file import RawFile as Pages
from tests.boltpy.rawfile import RawFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Two buckets of three levels that share keys, and small ones."""
    path = tmp_path / "a.db"
    with boltpy.open(path, page_size=1024) as db, db.update() as tx:
        for name in (b"one", b"two"):
            tx.create_bucket(name).put_many((b"key %05d" % number, bytes(30)) for number in range(2000))
        nested = tx.create_bucket(b"nest").create_bucket(b"inner")
        nested.put(b"small", b"v")
    return path


def paths(path: Path, key: bytes) -> list[tuple[int, ...]]:
    with Pages(str(path)) as file:
        return list(paths_to_key(file, key))


def test_the_way_to_a_key_ends_at_the_leaf_that_has_it_in_each_bucket(path: Path) -> None:
    raw = RawFile(path)
    for key in (b"key 00000", b"key 00777", b"key 01999"):
        found = paths(path, key)
        assert len(found) == 2
        for way, name in zip(found, (b"one", b"two"), strict=True):
            assert way[:2] == (raw.newest().root, raw.bucket_root(name))
            assert all(below in raw.children(above) for above, below in zip(way[1:], way[2:], strict=False))
            assert key in [found for _, found, _ in raw.leaf_entries(way[-1])]


def test_a_bucket_is_found_by_its_name_and_what_is_in_a_small_one_in_its_page(path: Path) -> None:
    root = RawFile(path).newest().root
    assert paths(path, b"one") == paths(path, b"nest") == [(root,)]
    (inner,) = paths(path, b"inner")
    assert paths(path, b"small") == [inner]
    assert paths(path, b"nowhere") == []


def test_a_key_out_of_order_is_found(path: Path) -> None:
    raw = RawFile(path)
    leaf = raw.leaves(raw.bucket_root(b"one"))[3]
    raw.data[raw.key_span(leaf, 2)] = b"displaced"
    raw.save()
    assert [way[-1] for way in paths(path, b"displaced")] == [leaf]


@pytest.mark.parametrize("target", ["itself", "its parent"])
def test_a_cycle_is_detected(path: Path, target: str) -> None:
    raw = RawFile(path)
    root = raw.bucket_root(b"one")
    branch = raw.children(root)[1]
    raw.set_child(branch, 2, branch if target == "itself" else root)
    raw.save()
    with pytest.raises(boltpy.CorruptError, match="cycle detected"):
        paths(path, b"nowhere")


def test_a_page_that_two_trees_share_is_an_error(path: Path) -> None:
    raw = RawFile(path)
    one, two = raw.bucket_root(b"one"), raw.bucket_root(b"two")
    raw.set_child(two, 0, raw.children(one)[0])
    raw.save()
    with pytest.raises(boltpy.CorruptError, match="in the trees twice"):
        paths(path, b"nowhere")
