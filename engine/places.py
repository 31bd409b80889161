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

from typing import Any, Final

from .models import DockerRegistryAuth, Namespace, Pipeline, Run, TaskRun, Token, TriggerEvent
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


def fields_of(entity: type[Any]) -> tuple[tuple[str, str], ...]:
    """The arguments that name an entity of that class, each with the field that holds it; the id is the last one."""
    return _FIELDS[entity]


def arguments_of(entity: Any) -> dict[str, Any]:
    """The arguments that name `entity`; the id is the last one."""
    return {argument: getattr(entity, field) for argument, field in _FIELDS[type(entity)]}


def level(name: str, value: Any) -> Any:
    """The name of the bucket that an argument stands for: a run's number is a level in decimal digits."""
    if name != "run_id":
        return value
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"run_id is of type int, not {type(value).__name__}")
    return str(int(value))


def by_creation(entity: Pipeline | TaskRun) -> tuple[bytes, bytes]:
    """What Gofer's listings of pipelines and of task runs are sorted by."""
    return key_of(entity.created), key_of(entity.id)
