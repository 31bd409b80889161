"""Files that are there whole or not at all: made beside their place, then renamed."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def require_place(path: str) -> None:
    """Make sure that `write` can put a file there; what is there stays as it is.

    Raises:
        OSError: It can not; the text has the path.
    """
    if Path(path).is_dir():
        raise IsADirectoryError(f"{path} is a folder")
    if not _is_special(path):
        _replace(path, b"", keep=False)


def write(path: str, content: bytes) -> None:
    """Write a file. After an error, what was there before is there still.

    Raises:
        OSError: It can not be written; the text has the path.
    """
    if _is_special(path):
        Path(path).write_bytes(content)
    else:
        _replace(path, content, keep=True)


def _is_special(path: str) -> bool:
    """Whether this is a device or a pipe, which is written to, not replaced."""
    return Path(path).exists() and not Path(path).is_file()


def _replace(path: str, content: bytes, *, keep: bool) -> None:
    target = Path(path).resolve()  # a link stays a link
    beside = target.with_name(f"{target.name}.{os.getpid()}.tmp")
    try:
        beside.write_bytes(content)
        if keep:
            beside.replace(target)
        else:
            beside.unlink()
    except OSError as error:
        raise OSError(f"{path} can not be written: {error.strerror}") from error
    finally:
        with suppress(OSError):  # where no file can be made none can be removed, and what said so first is the error
            beside.unlink(missing_ok=True)
