"""What limits, filters and clocks mean, for all engines here."""

from __future__ import annotations

import reprlib
import time
from collections.abc import Callable, Collection

from .errors import EngineError
from .storm.layout import require_int


def limit_of(offset: int, limit: int, *, most: int | None) -> int:
    """The limit of a page that counts; negative for none. TypeError if one of both is no int.

    Args:
        most: The engine's `max_results_limit`.
    """
    require_int("offset", offset)
    require_int("limit", limit)
    if most is not None and (limit == 0 or limit > most):
        return most
    return limit or -1


def require_since(since: int | None) -> None:
    """Raise TypeError unless the begin of a watch is an int or None, EngineError unless it can be a revision."""
    if since is None:
        return
    require_int("since", since)
    if not 0 <= since < 2**63 - 1:
        raise EngineError(f"since is a revision, a number of 63 bits from 0 up, not {reprlib.repr(since)}")


def wanted_namespaces(namespaces: Collection[str] | None) -> set[str]:
    """The namespaces to which a listing is confined; none for all. TypeError if it is no collection of texts."""
    if isinstance(namespaces, str) or not isinstance(namespaces, Collection | None):
        raise TypeError(f"namespaces is a collection of ids, not of type {type(namespaces).__name__}")
    if not all(isinstance(name, str) for name in namespaces or ()):
        raise TypeError("namespaces is a collection of ids, which are of type str")
    return set(namespaces or ())


def system_clock() -> int:
    """The time in epoch milliseconds."""
    return time.time_ns() // 1_000_000


def time_by(clock: Callable[[], int]) -> int:
    """The time in epoch milliseconds; TypeError if the clock gives something else."""
    now = clock()
    if type(now) is not int or not -(2**63) <= now < 2**63:
        raise TypeError(f"the clock must give epoch milliseconds as an int of 64 bits, not {now!r}")
    return now
