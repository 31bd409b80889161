"""As much of etcd's store as it takes to list its live keys: the `key` bucket holds one record a revision.

A record's key is the revision: main (8 bytes big-endian), "_", sub (8 bytes),
and a "t" after that for a deletion. Its value is a protobuf message whose field 1
is the key and field 5 the value that clients see.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

KEY, VALUE = 1, 5
TOMBSTONE_SIZE = 18  # bytes of a revision that deletes: 17 and the mark


def live_keys(records: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """The keys that are there after all revisions, which must come in order."""
    live: dict[bytes, bytes] = {}
    for revision, message in records:
        fields = dict(length_delimited(message))
        if len(revision) == TOMBSTONE_SIZE:
            live.pop(fields[KEY], None)
        else:
            live[fields[KEY]] = fields.get(VALUE, b"")
    return live


def length_delimited(message: bytes) -> Iterator[tuple[int, bytes]]:
    """The byte-string fields of a protobuf message, as (number, content)."""
    at = 0
    while at < len(message):
        tag, at = varint(message, at)
        number, at = varint(message, at)
        if tag & 7 == 2:
            yield tag >> 3, message[at : at + number]
            at += number
        else:
            assert tag & 7 == 0, f"field {tag >> 3} has wire type {tag & 7}"


def varint(message: bytes, at: int) -> tuple[int, int]:
    """The number at an offset and the offset after it."""
    number = shift = 0
    while True:
        byte = message[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at
