"""What the commands for files make of an engine that is no file: its data in a temporary bolt file, or a clear no."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from ..errors import EngineError
from ..interface import Engine
from ..opening import is_url, open_engine, path_of
from .migrating import Migration, has_events

_SAME: Final = "source and target are the same database: nothing is to be copied"


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
    """The engine at a place that is to take what `source` holds. A bolt file gets an event log if it is needed.

    Raises:
        EngineError: It is the same database, or can not be opened.
    """
    if not is_url(place):
        return open_engine(place, event_log=has_events(source))
    target = open_engine(place)
    try:
        if target.shares_data(source):
            raise EngineError(_SAME)
    except BaseException:
        target.close()
        raise
    return target


def require_two(source: str, target: str) -> None:
    """EngineError if two places are plainly one: what is copied to itself proves nothing."""
    if _same_server(source, target) if is_url(source) and is_url(target) else _same_file(source, target):
        raise EngineError(_SAME)


def _same_file(one: str, other: str) -> bool:
    # Whatever is wrong with a path is told when it is opened.
    with suppress(OSError, ValueError):
        return not is_url(one) and not is_url(other) and Path(path_of(one)).samefile(path_of(other))
    return False


def _same_server(one: str, other: str) -> bool:
    (scheme, servers, path), (other_scheme, others, other_path) = _parts(one), _parts(other)
    return (scheme, path) == (other_scheme, other_path) and not servers.isdisjoint(others)


def _parts(url: str) -> tuple[str, set[str], str]:
    """The kind of a URL, the servers that it names, and where on them."""
    scheme, _, rest = url.partition("://")
    servers, _, path = rest.partition("?")[0].partition("/")
    return scheme.lower(), set(servers.split(",")), path.rstrip("/")


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
