"""Gofer's storage in Python: reads and writes the database files of Gofer, a pipeline runner written in Go.

    with engine.open_engine("gofer.db") as storage:
        storage.add_namespace(engine.Namespace(id="default", name="Default"))
        storage.add_pipeline(engine.Pipeline(id="simple", namespace="default"))
        storage.add_run(engine.Run(namespace_id="default", pipeline_id="simple", status=engine.RunState.PROCESSING))
        for run in storage.get_all_runs(namespace_id="default", pipeline_id="simple", limit=20):
            print(run.id, run.status)

`Engine` is the interface, with the order, limits and errors of each method. What pipelines hand to each other is in an
`ObjectStore`, what nobody else may read in a `SecretStore`: files of their own. The other classes are what is stored.

The names are loaded together, when the first of them is asked for, so that the command line can begin without them.
"""

from __future__ import annotations

import sys
from importlib import import_module

TYPE_CHECKING = False  # type checkers know better by this name; they see no __getattr__
if TYPE_CHECKING:
    from .public import *

__all__ = [
    "Change",
    "Conflict",
    "ContainerState",
    "Counter",
    "DockerRegistryAuth",
    "Engine",
    "EngineError",
    "EntityExists",
    "EntityNotFound",
    "Event",
    "Exec",
    "Namespace",
    "ObjectStore",
    "OutcomeUnknown",
    "Pipeline",
    "PipelineState",
    "PipelineTriggerConfig",
    "PreconditionFailed",
    "RegistryAuth",
    "RequiredParentState",
    "Run",
    "RunFailure",
    "RunFailureKind",
    "RunRegistryKey",
    "RunState",
    "SecretStore",
    "Task",
    "TaskRun",
    "TaskRunFailure",
    "TaskRunFailureKind",
    "Token",
    "TokenKind",
    "TransactionTooLarge",
    "TriggerEvent",
    "TriggerResult",
    "TriggerResultState",
    "TriggerState",
    "Watch",
    "decode",
    "encode",
    "open_engine",
    "open_object_store",
    "open_secret_store",
    "register",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    public = import_module(".public", __name__)
    here = vars(sys.modules[__name__])
    here.update((known, getattr(public, known)) for known in __all__)
    return here[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
