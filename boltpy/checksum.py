"""The checksum of a meta page. It stands alone, so that to read a meta takes no kernels."""

from __future__ import annotations


def fnv1a(data: bytes) -> int:
    """Return the FNV-1a 64 hash of some bytes, bolt's checksum of a meta page."""
    h = 0xCBF29CE484222325
    for byte in data:
        h = ((h ^ byte) * 0x100000001B3) & 0xFFFF_FFFF_FFFF_FFFF
    return h
