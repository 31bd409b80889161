"""The files in tests/data/real: where they are and how to unpack them. Each comes with its dump by bbolt."""

from __future__ import annotations

import lzma
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "data" / "real"
DUMP = ".dump.jsonl.xz"
REAL_FILES = sorted(dump.name.removesuffix(DUMP) for dump in FOLDER.glob("*" + DUMP))


def unpack(name: str, folder: Path) -> Path:
    """Write the database file into a folder, which is made if need be, and return its path."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(lzma.decompress((FOLDER / f"{name}.xz").read_bytes()))
    return path


def dump_lines(name: str) -> list[str]:
    """The lines of bbolt's walk of a file."""
    return lzma.decompress((FOLDER / (name + DUMP)).read_bytes()).decode().splitlines()
