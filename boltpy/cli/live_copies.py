"""What `--live` reads: a copy that is there for the length of a command, and goes however the command ends.

Not imported by commands that copy nothing: all that is needed for it takes time to load.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..live import live_copy
from .progress import Progress


@contextmanager
def copied(file: str) -> Iterator[str]:
    """Give the path of a consistent copy of a file.

    Raises:
        As `copy_live`.
    """
    with Progress("copy") as progress, live_copy(file, progress=progress.share) as path:
        yield path
