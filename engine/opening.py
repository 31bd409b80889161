"""From a path or URL to an engine: bolt's own, or one that somebody has registered."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module
from os import PathLike
from typing import Any, Final
from urllib.parse import unquote

from .bolt import BoltEngine
from .errors import EngineError
from .interface import Engine
from .tempers import Compat

EngineFactory = Callable[..., Engine]
"""What `register` takes. It is called with the URL, and with all keywords that `open_engine` was given."""

_MISSING: Final = "etcd:// needs the packages grpcio and protobuf, which come with: pip install '.[etcd]'"
_SECRETS: Final = re.compile(
    r"^[^?#]*@"  # a user before the host
    r"|(?:[?#&;]|%(?:3f|23|26|3b)|passw(?:or)?d\s*(?:[=:]|%3[ad])).*"  # options, or what was meant to be some
    r"|(?<=[^/]):(?!\d{1,5}(?:[,/]|$))[^,/\]]*(?=[,/]|$)",  # a port that is no number
    re.DOTALL | re.IGNORECASE,
)
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*")
_OWN: Final = ("bolt", "etcd")
_factories: Final[dict[str, EngineFactory]] = {}


def register(scheme: str, factory: EngineFactory) -> None:
    """Let `open_engine` find an engine of another kind: for URLs that begin with `scheme://` it calls the factory.

    Args:
        scheme: Lower-case letters, digits, "+", "-" and ".", beginning with a letter: "redis". Registered twice, the
            later factory is used.
        factory: Called as `factory(url, read_only=..., compat=..., max_results_limit=..., clock=..., **options)`, with
            what `open_engine` was called with. It returns an `Engine` that is open.

    Raises:
        ValueError: That is no scheme, or "bolt" or "etcd".
    """
    if not _SCHEME.fullmatch(str(scheme)) or scheme in _OWN:
        raise ValueError(f"{scheme!r} can not be registered: a scheme is like 'redis', and 'bolt' and 'etcd' are taken")
    if not callable(factory):
        raise TypeError(f"a factory can be called, and {factory!r} can not")
    _factories[scheme] = factory


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
        url: A path, or "bolt:///path" with an absolute path in which %20 stands for a space, or
            "etcd://host:2379,host2:2379/prefix?option=value", which docs/etcd.md describes, or a URL of a scheme that
            was registered.
        read_only: Change nothing. Of a bolt file only the shared lock is taken, which lets other readers in, and a
            missing file is an error; otherwise it is created.
        compat: "python", or "gofer" for exactly what Gofer's own Go code does.
        max_results_limit: The most that a page of a listing holds; None for no cap. Gofer's own default is 100.
        clock: Gives the time in epoch milliseconds, where an engine notes it; None for the system's.
        options: For the database below; for bolt those of `boltpy.open`. `timeout`, the seconds to wait for a lock, is
            1 unless given. For etcd `password`, and `timeout`, the seconds to wait for an answer, which are 10.

    Returns:
        An engine, to be closed or used as a context manager.

    Raises:
        EngineError: Nothing here opens that kind of URL, or the file is not Gofer's; for etcd all that can go wrong.
        boltpy.BoltError: It is no bolt file, is damaged, or another process has it open.
        OSError: It can not be opened.
    """
    common: dict[str, Any] = {
        "read_only": read_only,
        "compat": compat,
        "max_results_limit": max_results_limit,
        "clock": clock,
    }
    if not isinstance(url, str):
        return BoltEngine(url, **common, **options)
    if not is_url(url):
        return BoltEngine(path_of(url), **common, **options)
    scheme = url.partition("://")[0].lower()
    if scheme == "etcd":
        return _etcd_engine()(url, **common, **options)
    if scheme not in _factories:
        known = ", ".join(f"{name}://" for name in (*_OWN, *_factories))
        raise EngineError(f"no engine for {scheme}:// URLs; there is {known}")
    return _factories[scheme](url, **common, **options)


def _etcd_engine() -> EngineFactory:
    try:
        # Not at the top of this file: only those who keep their data in etcd are to need and load its client.
        engine: EngineFactory = import_module(".etcd", __package__).EtcdEngine
    except ImportError as error:
        raise EngineError(f"{_MISSING} ({error})") from None
    return engine


def is_url(place: str | PathLike[str]) -> bool:
    """Whether `open_engine` opens something else than a bolt file there."""
    return isinstance(place, str) and "://" in place and not place.lower().startswith("bolt://")


def shown(place: str) -> str:
    """A place as errors and logs may show it: a URL without what could let somebody in."""
    scheme, found, rest = place.partition("://")
    return f"{scheme}://{_SECRETS.sub('', rest)}" if found and scheme.lower() != "bolt" else place


def path_of(place: str) -> str:
    """The path of a bolt file that is given as a path or as a URL; EngineError if that URL is of another form."""
    if "://" in place:
        return _path(place)
    scheme, found, _ = place.partition(":")
    if found and scheme.lower() in (*_OWN, *_factories):
        raise EngineError(
            f"{scheme}: begins a URL, which goes on with two slashes; if a file is called so, write ./{scheme}:..."
        )
    return place


def _path(url: str) -> str:
    path = url.partition("://")[2]
    if not path.startswith("/") or "?" in path or "#" in path:
        raise EngineError(f"{url!r} is not of the form bolt:///path, with an absolute path")
    return unquote(path)
