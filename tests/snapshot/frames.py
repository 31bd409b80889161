"""Takes backups apart and puts them together wrongly, from the format's description alone.

A header has 152 bytes. A frame has 44 bytes (kind 4, number 4, id 16, first 8, count 4, two checksums) and a body: of
PAGE 16 bytes and a page for each of `count`, of INDX 8 bytes each, of LAST 48 bytes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

from crc32c import crc32c

HEADER_BYTES = 152
_FRAME = struct.Struct("<4sI16sQIII")


@dataclass(frozen=True)
class Frame:
    """One frame: its number, where it is in the backup, its kind, and all its bytes."""

    number: int
    at: int
    kind: bytes
    data: bytes


def split(backup: bytes, page_size: int) -> tuple[bytes, list[Frame]]:
    """The header's bytes and the frames."""
    frames, at = [], HEADER_BYTES
    while at < len(backup):
        kind, number, _, _, count, _, _ = _FRAME.unpack_from(backup, at)
        body = {b"PAGE": count * (16 + page_size), b"INDX": 8 * count, b"LAST": 48}[kind]
        frames.append(Frame(number, at, kind, backup[at : at + _FRAME.size + body]))
        at += len(frames[-1].data)
    assert at == len(backup)
    return backup[:HEADER_BYTES], frames


def joined(header: bytes, frames: list[Frame]) -> bytes:
    """A backup of these parts, whatever they are."""
    return header + b"".join(frame.data for frame in frames)


def frame_at(frames: list[Frame], offset: int) -> Frame | None:
    """The frame that a byte of the backup is in; None for the header."""
    return next((frame for frame in reversed(frames) if frame.at <= offset), None)


def with_mode(header: bytes, mode: int) -> bytes:
    """A header that says this of the permissions, with a right checksum."""
    return _signed(header[:80] + struct.pack("<I", mode) + header[84:148])


def beginning_with(frame: Frame, first: int) -> Frame:
    """A frame that says this of its first page, with a right checksum."""
    data = frame.data[:24] + struct.pack("<Q", first) + frame.data[32:40]
    return replace(frame, data=_signed(data) + frame.data[44:])


def _signed(data: bytes) -> bytes:
    return data + struct.pack("<I", crc32c(data))
