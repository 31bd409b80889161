"""Where each entity lives: which of its fields name the buckets around it, and which is its id.

Namespace, Token, DockerRegistryAuth                     by id, hash, registry
<namespace> / Pipeline                                   by id
<namespace> / <pipeline> / Run                           by number
<namespace> / <pipeline> / <run number> / TaskRun        by id
<namespace> / <pipeline> / <trigger label> / TriggerEvent   by number
runRegistry                                              keys {"Namespace":..,"Pipeline":..,"Run":..}
events                                                   by number
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .models import DockerRegistryAuth, Event, Namespace, Pipeline, Run, TaskRun, Token, TriggerEvent
from .storm.layout import key_of

REGISTRY: Final = "runRegistry"
EVENTS: Final = "events"
ROOT: Final = "root"
"""The one bucket of an object store or a secret store, which are files of their own."""

# Names of arguments of the interface, each with the field that holds it; the last one is the id.
_FIELDS: Final[dict[type[Any], tuple[tuple[str, str], ...]]] = {
    Namespace: (("id", "id"),),
    Token: (("hash", "hash"),),
    DockerRegistryAuth: (("registry", "registry"),),
    Pipeline: (("namespace_id", "namespace"), ("id", "id")),
    Run: (("namespace_id", "namespace_id"), ("pipeline_id", "pipeline_id"), ("id", "id")),
    TaskRun: (
        ("namespace_id", "namespace_id"),
        ("pipeline_id", "pipeline_id"),
        ("run_id", "run_id"),
        ("id", "id"),
    ),
    TriggerEvent: (
        ("namespace_id", "namespace_id"),
        ("pipeline_id", "pipeline_id"),
        ("pipeline_trigger_label", "pipeline_trigger_label"),
        ("id", "id"),
    ),
}


COUNTED: Final = (Run, TriggerEvent, Event)
"""The classes whose ids are numbers that are counted up."""


def is_number(kind: type[Any], argument: str) -> bool:
    """Whether the argument of that name, one of those that name an entity of that class, is a number; else a text."""
    return argument in ("run_id", "run") or (argument == "id" and kind in COUNTED)


def require_arguments(kind: type[Any], given: Mapping[str, object]) -> None:
    """TypeError unless each of these arguments, of those that name an entity of that class, is of its type."""
    for name, value in given.items():
        # Nearly all are of the very type, and this is asked with every call.
        expected = int if is_number(kind, name) else str
        if type(value) is not expected and (not isinstance(value, expected) or isinstance(value, bool)):
            raise TypeError(f"{name} is of type {expected.__name__}, not {type(value).__name__}")


def fields_of(entity: type[Any]) -> tuple[tuple[str, str], ...]:
    """The arguments that name an entity of that class, each with the field that holds it; the id is the last one."""
    return _FIELDS[entity]


def arguments_of(entity: Any) -> dict[str, Any]:
    """The arguments that name `entity`; the id is the last one."""
    return {argument: getattr(entity, field) for argument, field in _FIELDS[type(entity)]}


def level(name: str, value: Any) -> Any:
    """The name of the bucket that an argument stands for: a run's number is a level in decimal digits."""
    return str(int(value)) if name == "run_id" else value


def by_creation(entity: Pipeline | TaskRun) -> tuple[bytes, bytes]:
    """What Gofer's listings of pipelines and of task runs are sorted by."""
    return key_of(entity.created), key_of(entity.id)
