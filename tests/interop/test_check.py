"""The consistency check: on a damaged file both sides name the same problems, in the same words."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

import boltpy

from .changes import Change
from .contents import check
from .peer import GoPeer
from .workload import Workload, run

PAGE = 4096
ELEMENT = struct.Struct("<IIII")  # of a leaf: flags, distance to the key, sizes of key and value


class Image:
    """The bytes of a closed file, and where its pages are; the leaves in the order of their keys."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with boltpy.open(path, read_only=True, preload_freelist=True) as db, db.view() as tx:
            infos = [tx.page(pgid) for pgid in range(tx.size // PAGE)]
        self.content = bytearray(path.read_bytes())
        self.free = [info.id for info in infos if info and info.type == "free"]
        self.freelist = next(info.id for info in infos if info and info.type == "freelist")
        leaves = [info.id for info in infos if info and info.type == "leaf" and info.count > 10]
        self.leaves = sorted(leaves, key=lambda leaf: self.content[self.key_at(leaf, 0) :][:8])

    def key_at(self, leaf: int, index: int) -> int:
        """The file offset of a key in a leaf."""
        element = leaf * PAGE + 16 + index * ELEMENT.size
        distance: int = ELEMENT.unpack_from(self.content, element)[1]
        return element + distance

    def save(self) -> None:
        self.path.write_bytes(self.content)


def free_a_page_that_is_in_use(image: Image) -> None:
    """The last free id becomes that of a leaf; the page it stood for is nobody's."""
    count = len(image.free)
    at = image.freelist * PAGE + 16
    ids = list(struct.unpack_from(f"<{count}Q", image.content, at))
    struct.pack_into(f"<{count}Q", image.content, at, *sorted([*ids[:-1], image.leaves[0]]))


def forget_a_free_page(image: Image) -> None:
    struct.pack_into("<H", image.content, image.freelist * PAGE + 10, len(image.free) - 1)


def list_a_free_page_twice(image: Image) -> None:
    at = image.freelist * PAGE + 16
    image.content[at + 8 : at + 16] = image.content[at : at + 8]


def swap_two_keys(image: Image) -> None:
    low, high = image.key_at(image.leaves[1], 3), image.key_at(image.leaves[1], 4)
    image.content[low : low + 8], image.content[high : high + 8] = (
        image.content[high : high + 8],
        image.content[low : low + 8],
    )


def repeat_a_key(image: Image) -> None:
    low, high = image.key_at(image.leaves[1], 3), image.key_at(image.leaves[1], 4)
    image.content[high : high + 8] = image.content[low : low + 8]


def lower_the_first_key_of_a_leaf(image: Image) -> None:
    at = image.key_at(image.leaves[2], 0)
    image.content[at : at + 8] = bytes(8)


def raise_the_last_key_of_a_leaf(image: Image) -> None:
    count = struct.unpack_from("<H", image.content, image.leaves[1] * PAGE + 10)[0]
    at = image.key_at(image.leaves[1], count - 1)
    image.content[at : at + 8] = b"\xff" * 8


@pytest.mark.parametrize(
    "damage",
    [
        free_a_page_that_is_in_use,
        forget_a_free_page,
        list_a_free_page_twice,
        swap_two_keys,
        repeat_a_key,
        lower_the_first_key_of_a_leaf,
        raise_the_last_key_of_a_leaf,
    ],
)
def test_both_sides_find_the_same_problems(peer: GoPeer, tmp_path: Path, damage: Callable[[Image], None]) -> None:
    path = tmp_path / "damaged.db"
    with boltpy.open(path, no_sync=True, page_size=PAGE) as db:
        run(db, Workload(1000, 100, keys="ascending"))
    image = Image(path)
    damage(image)
    image.save()
    with peer.open(path, read_only=True) as go:
        expected = go.check()
    with boltpy.open(path, read_only=True) as db:
        found = check(db)
    assert expected != []
    assert found == expected


@pytest.mark.parametrize("offset", [0, 8], ids=["id", "flags"])
def test_both_sides_see_a_page_header_that_is_wrong(peer: GoPeer, tmp_path: Path, offset: int) -> None:
    path = tmp_path / "damaged.db"
    with boltpy.open(path, no_sync=True, page_size=PAGE) as db:
        run(db, Workload(1000, 100, keys="ascending"))
    image = Image(path)
    image.content[image.leaves[1] * PAGE + offset] ^= 0x40
    image.save()
    with peer.open(path, read_only=True) as go:
        assert go.check() != []
    with boltpy.open(path, read_only=True) as db:
        assert any(f"page {image.leaves[1]}:" in problem for problem in check(db))


def test_pages_that_bbolt_leaks_are_named_here_too(peer: GoPeer, tmp_path: Path) -> None:
    """bbolt forgets nested buckets when it deletes a bucket whose page the same transaction changed."""
    path = tmp_path / "leaky.db"
    nested = [b"%d" % i for i in range(4)]
    large = [Change("create_bucket", (), b"top"), Change("put", (b"top",), b"key")]
    for name in nested:
        large += [Change("create_bucket", (b"top",), name), Change("put", (b"top", name), b"k", b"v" * 2 * PAGE)]
    with peer.open(path, page_size=PAGE) as go:
        go.update(large)
        go.update([Change("delete", (b"top",), b"key"), Change("delete_bucket", (), b"top")])
        expected = go.check()
    assert len(expected) >= 3
    with boltpy.open(path, read_only=True) as db:
        assert check(db) == expected
