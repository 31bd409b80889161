"""What an entity must be like to be stored, where Gofer would store what it can not find again.

The levels of buckets share names: namespaces lie beside the buckets of the types, pipelines beside `Pipeline`, trigger
labels beside `Run`. A new entity whose name is that of such a bucket would mix two kinds of things, so it is refused.
The limits are those of a bolt file, for every engine: what passes here can be moved to one.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

from .counters import Counter
from .errors import PreconditionFailed
from .models import DockerRegistryAuth, Event, Namespace, Pipeline, Run, RunRegistryKey, Token
from .places import COUNTED, EVENTS, REGISTRY, fields_of, require_arguments
from .wire import encode, struct_of

MAX_KEY: Final = 32768
MAX_NAME: Final = MAX_KEY - 10
"""The most bytes of a name: an index puts eight bytes and two underscores before it."""

# Storm's own buckets, and where a repair puts what it can not read.
_RESERVED_PREFIXES: Final = ("__storm_", "__gofer_db_")
_TOP: Final = frozenset({Namespace.__name__, Token.__name__, DockerRegistryAuth.__name__, REGISTRY, EVENTS})
_TAKEN: Final[Mapping[str, frozenset[str]]] = {
    "Namespace.id": _TOP,
    "Pipeline.namespace": _TOP,
    "Pipeline.id": frozenset({Pipeline.__name__}),
    "TriggerEvent.namespace_id": _TOP,
    "TriggerEvent.pipeline_id": frozenset({Pipeline.__name__}),
    "TriggerEvent.pipeline_trigger_label": frozenset({Run.__name__}),
}


def require_types(entity: Any, kind: type[Any]) -> None:
    """Raise TypeError unless the entity is of that class, PreconditionFailed unless what names it is of its type."""
    if type(entity) is not kind:
        raise TypeError(f"this takes a {kind.__name__}, not {type(entity).__name__}")
    by_name = struct_of(kind).by_name
    for _, field in fields_of(kind):
        expected, value = type(by_name[field].zero), getattr(entity, field)
        # An enum's member would be stored under the key of another type than text or number.
        if not isinstance(value, expected) or isinstance(value, bool | Enum):
            raise _unfit(f"{kind.__name__}.{field}", f"of type {expected.__name__}, not {reprlib.repr(value)}")


def require_event(event: Event) -> None:
    """Raise TypeError unless it is an event, PreconditionFailed unless its number is one of 64 bits."""
    if type(event) is not Event:
        raise TypeError(f"this takes an Event, not {type(event).__name__}")
    number: Any = event.event_id
    if not isinstance(number, int) or isinstance(number, bool | Enum):
        raise _unfit("Event.event_id", f"of type int, not {reprlib.repr(number)}")
    _require_64_bits("Event.event_id", number)


def require_names(entity: Any, *, new: bool) -> None:
    """Raise PreconditionFailed unless the entity has a name, and all names of the levels around it.

    Args:
        entity: One that has passed `require_types`.
        new: It is about to be added. Then it may be without a number, and its names must be free and lasting.
    """
    kind = type(entity)
    fields = fields_of(kind)
    for _, field in fields:
        value, label = getattr(entity, field), f"{kind.__name__}.{field}"
        if isinstance(value, int):
            _require_64_bits(label, value)
            if not new and not value and field == fields[-1][1]:
                raise _unfit(label, "a number that was given out, not 0")
            continue
        if not value:
            raise _unfit(label, "a name, not empty")
        if new:
            _require_usable(label, value)


def can_be_registered(key: RunRegistryKey) -> bool:
    """Whether a run may be registered under that key, long or not. TypeError if a part of it is of another type."""
    require_arguments(RunRegistryKey, {"namespace": key.namespace, "pipeline": key.pipeline, "run": key.run})
    return -(2**63) <= key.run < 2**63 and _is_utf8(key.namespace) and _is_utf8(key.pipeline)


def require_key(key: RunRegistryKey) -> None:
    """Raise PreconditionFailed unless a run can be registered under that key, TypeError as `can_be_registered`."""
    if not can_be_registered(key):
        raise _unfit("RunRegistryKey", f"text that UTF-8 can hold and a number of 64 bits, not {reprlib.repr(key)}")
    size = len(encode(key))
    if size > MAX_KEY:
        raise _unfit("RunRegistryKey", f"at most {MAX_KEY} bytes as JSON, not {size}")


def require_counter(counter: Counter) -> None:
    """Raise TypeError unless it is a counter of a class that is counted, PreconditionFailed if it can not be stored."""
    if type(counter) is not Counter:
        raise TypeError(f"this takes a Counter, not {type(counter).__name__}")
    kind, place, last = counter.kind, counter.place, counter.last
    if kind not in COUNTED:
        raise TypeError(f"only Run, TriggerEvent and Event are counted, not {reprlib.repr(kind)}")
    fields = [field for _, field in fields_of(kind)] if kind is not Event else ["event_id"]
    if type(place) is not tuple or len(place) != len(fields) - 1:
        raise TypeError(f"the place of a counter of {kind.__name__} is ({', '.join(fields[:-1])}), not {place!r}")
    if type(last) is not int or not 0 < last < 2**63:
        raise _unfit("Counter.last", f"a number from 1 up of 64 bits, not {reprlib.repr(last)}")
    if kind is not Event:
        entity = kind(**dict(zip(fields, (*place, last), strict=True)))
        require_types(entity, kind)
        require_names(entity, new=True)
    if kind is Run:
        # No run is added without its pipeline, whose names are looked at; a counter has only this look.
        require_names(Pipeline(namespace=place[0], id=place[1]), new=True)


def _require_usable(label: str, name: str) -> None:
    if not _is_utf8(name):
        raise _unfit(label, f"text that UTF-8 can hold, not {reprlib.repr(name)}")
    size = len(name.encode())
    if size > MAX_NAME:
        raise _unfit(label, f"at most {MAX_NAME} bytes long, not {size}")
    if name.startswith(_RESERVED_PREFIXES) or name in _TAKEN.get(label, ()):
        raise _unfit(label, f"another name than {name!r}, which a bucket of the file has")


def _require_64_bits(label: str, number: int) -> None:
    if not -(2**63) <= number < 2**63:
        raise _unfit(label, f"an int from {-(2**63)} to {2**63 - 1}, not {reprlib.repr(number)}")


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _unfit(label: str, must_be: str) -> PreconditionFailed:
    return PreconditionFailed(f"{PreconditionFailed.TEXT}: {label} must be {must_be}", field=label)
