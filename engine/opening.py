"""From a path or URL to an engine."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from typing import Any
from urllib.parse import unquote, urlsplit

from .bolt import BoltEngine, Compat
from .errors import EngineError
from .interface import Engine


def open_engine(
    url: str | PathLike[str],
    *,
    read_only: bool = False,
    compat: Compat = "python",
    max_results_limit: int | None = None,
    clock: Callable[[], int] | None = None,
    **options: Any,
) -> Engine:
    """Open Gofer's storage.

    Args:
        url: A path, or "bolt:///path" with an absolute path in which %20 stands for a space.
        read_only: Must be True: this version reads. The file is not changed, and only bolt's shared lock is taken,
            which lets other readers in.
        compat: "python", or "gofer" for exactly what Gofer's own Go code answers.
        max_results_limit: The most that a page of a listing holds; None for no cap. Gofer's own default is 100.
        clock: Gives the time in epoch milliseconds where an engine needs one, which no reading method does.
        options: For the database below; for bolt those of `boltpy.open`. `timeout`, the seconds to wait for a lock, is
            1 unless given.

    Returns:
        An engine, to be closed or used as a context manager.

    Raises:
        EngineError: `read_only` is not set, nothing here opens that kind of URL, or the file is not Gofer's.
        boltpy.BoltError: It is no bolt file, is damaged, or another process writes to it.
        OSError: It can not be opened. A missing file is not created.
    """
    path = _path(url)
    if not read_only:
        raise EngineError("this version of the engine only reads: open with read_only=True")
    return BoltEngine(path, compat=compat, max_results_limit=max_results_limit, **options)


def _path(url: str | PathLike[str]) -> str | PathLike[str]:
    if not isinstance(url, str) or "://" not in url:
        return url
    parts = urlsplit(url)
    if parts.scheme != "bolt":
        raise EngineError(f"no engine for {parts.scheme}:// URLs; there is bolt:///path")
    if parts.netloc or not parts.path or parts.query or parts.fragment:
        raise EngineError(f"{url!r} is not of the form bolt:///path, with an absolute path")
    return unquote(parts.path)
