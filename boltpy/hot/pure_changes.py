"""What a commit changes, as the writing kernels take it: buckets with changes, and the changes of each in key order.

A nested bucket is merged before the one that it is in. Its entry there has the mark CHANGE_CHILD, and gets its value
when the other's turn comes.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Final, NamedTuple

from ..format import MAX_KEY_SIZE, MAX_VALUE_SIZE, Pgid
from .raw_page import Source, Tree

# Marks of a change. A plain put has none.
CHANGE_BUCKET: Final = 1  # the value is a bucket header or an inline bucket
CHANGE_FORCE: Final = 2  # the caller knows that the kind of the entry changes
CHANGE_DELETE: Final = 4
CHANGE_ERASE: Final = 8  # deleted after it was put by the same transaction: the leaf is rewritten all the same
CHANGE_CHILD: Final = 16  # the value is that of a bucket merged before; here are 8 bytes with its index
HOW_TOUCH: Final = 1  # a bucket's root is written anew whatever its changes say
HOW_TELL: Final = 2  # a bucket's value is told even if it is the one of before


class BucketChanges(NamedTuple):
    """A bucket with changes: its committed tree (as in Tree), which of the changes are its own, and how to write it.

    Where a node is split, its left part has at most `threshold` bytes. A root leaf of at most `inline_max` bytes
    without nested buckets becomes inline; 0: never. `how` is of HOW_* bits.
    """

    root: Pgid
    inline_at: int
    inline_len: int
    first: int
    change_count: int
    threshold: int
    inline_max: int
    sequence: int
    how: int


def tree_of(source: Source, bucket: BucketChanges) -> Tree:
    """Return the committed tree of a bucket with changes."""
    return Tree(source, bucket.root, bucket.sequence, bucket.inline_at, bucket.inline_len)


class Change(NamedTuple):
    """One change of a bucket, with CHANGE_* bits."""

    key: bytes
    value: bytes
    bits: int


Changes = list[Change]


def sorted_changes(
    keys: list[bytes],
    values: list[bytes],
    bits: bytes | bytearray,
    counts: Sequence[int],
    runs: Sequence[Changes] = (),
) -> Changes:
    """Return the changes of buckets, those of each in key order. `counts` has their number for each bucket.

    Those of `runs`, which plain_puts() made, come behind them, in turn.
    """
    given = map(Change, keys, values, bits)
    found: Changes = []
    for count in counts:
        found += sorted(islice(given, count))
    for run in runs:
        found += run
    return found


def plain_puts(keys: list[bytes], values: list[bytes]) -> Changes | None:
    """Return puts in key order; None if they need a closer look.

    That is: something is not bytes-like, a size is beyond its limits, or a key is there twice.
    """
    try:
        found = [
            Change(bytes(memoryview(key)), bytes(memoryview(value)), 0) for key, value in zip(keys, values, strict=True)
        ]
    except TypeError:
        return None
    sizes_fit = all(0 < len(put.key) <= MAX_KEY_SIZE and len(put.value) <= MAX_VALUE_SIZE for put in found)
    return sorted(found) if sizes_fit and len({put.key for put in found}) == len(found) else None


def unfold(puts: Changes) -> dict[bytes, bytes]:
    """Return keys and values of what plain_puts() returned."""
    return {put.key: put.value for put in puts}


def with_values(changes: Changes, values: list[bytes | None]) -> Changes:
    """Let the entries of nested buckets have the values that these were given; without those that stay as they are."""
    found: Changes = []
    for change in changes:
        if change.bits & CHANGE_CHILD:
            value = values[int.from_bytes(change.value, "little")]
            if value is None:
                continue
            change = Change(change.key, value, change.bits & ~CHANGE_CHILD)
        found.append(change)
    return found
