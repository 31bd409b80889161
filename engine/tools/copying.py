"""What the commands for files make of an engine that is no file: its data in a temporary bolt file, or a clear no."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import EngineError
from ..interface import Engine
from ..opening import is_url, open_engine, path_of
from .migrating import Migration, has_events


@contextmanager
def as_file(place: str) -> Iterator[str]:
    """The path of a bolt file with all that is stored at a place: of that file itself, or of a copy.

    Args:
        place: What `open_engine` opens: a path or a URL.

    Raises:
        EngineError, boltpy.BoltError, OSError: It can not be opened, or not be copied.
    """
    if not is_url(place):
        yield path_of(place)
        return
    with tempfile.TemporaryDirectory(prefix="gofer-db-") as folder:
        path = str(Path(folder) / "copy.db")
        with open_engine(place, read_only=True) as source, open_target(path, source) as target:
            migration = Migration(source, target)
            migration.survey(_nothing)
            migration.store(_nothing)
        yield path


def open_target(place: str, source: Engine) -> Engine:
    """The engine at a place that is to take what `source` holds. A bolt file gets an event log if it is needed."""
    if is_url(place):
        return open_engine(place)
    return open_engine(place, event_log=has_events(source))


def require_file(place: str, command: str) -> str:
    """The path of a bolt file; EngineError if the place is none.

    Args:
        command: Which command needs it.
    """
    if is_url(place):
        raise EngineError(f"{command} is for bolt files, and this is none; `gofer-db migrate` copies it into one")
    return path_of(place)


def _nothing() -> None:
    """Nobody is told how far a copy is."""
