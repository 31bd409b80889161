"""Many byte strings in one, as the C kernels read them: the form that `marshal` gives to a list of bytes in version 2.

To check types, to measure and to join are a pass over all objects each; `marshal` does them in one, in C. Its version 2
is written by all Pythons since 2.5 and takes bytes-like objects as bytes. The kernels refuse everything else that it
knows to write, and the form is tried once here, as Python promises nothing about it. What is unpacked was packed by a
kernel, with lengths that it counted itself; bytes of a file are never read as anything but the contents of a piece.
"""

from __future__ import annotations

from collections.abc import Callable
from marshal import dumps, loads
from typing import Any, Final

from ..format import ReadableBuffer

PACKED_HEAD: Final = 5  # bytes that stand before the contents of each piece, and before each list
_VERSION = 2
_SAMPLE = [[b"key", b""], [b"value" * 60]]
_PACKED_SAMPLE = (
    b"[\x02\0\0\0" b"[\x02\0\0\0" b"s\x03\0\0\0key" b"s\0\0\0\0" b"[\x01\0\0\0" b"s\x2c\x01\0\0" + b"value" * 60
)  # fmt: skip


def pack(items: list[bytes] | list[list[bytes]]) -> bytes:
    """Return a list of bytes, or one of such lists, as one piece.

    Raises:
        ValueError: Something in it is not bytes-like. It may also go in as what it is, for the kernels to refuse.
    """
    return dumps(items, _VERSION)


# Returns what is packed at the beginning of a buffer: bytes, None and lists.
unpack: Callable[[ReadableBuffer], list[Any]] = loads

if pack(_SAMPLE) != _PACKED_SAMPLE or unpack(_PACKED_SAMPLE) != _SAMPLE:
    raise ImportError("the C kernels do not fit this Python: its marshal has another form of version 2")
