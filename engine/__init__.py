"""Gofer's storage in Python: reads and writes the database files of Gofer, a pipeline runner written in Go.

    with engine.open_engine("gofer.db") as storage:
        storage.add_namespace(engine.Namespace(id="default", name="Default"))
        storage.add_pipeline(engine.Pipeline(id="simple", namespace="default"))
        storage.add_run(engine.Run(namespace_id="default", pipeline_id="simple", status=engine.RunState.PROCESSING))
        for run in storage.get_all_runs(namespace_id="default", pipeline_id="simple", limit=20):
            print(run.id, run.status)

`Engine` is the interface, with the order, limits and errors of each method. What pipelines hand to each other is in an
`ObjectStore`, what nobody else may read in a `SecretStore`: files of their own. The other classes are what is stored.
"""

from __future__ import annotations

from .counters import Counter
from .errors import (
    Conflict,
    EngineError,
    EntityExists,
    EntityNotFound,
    OutcomeUnknown,
    PreconditionFailed,
    TransactionTooLarge,
)
from .interface import Engine
from .models import (
    ContainerState,
    DockerRegistryAuth,
    Event,
    Exec,
    Namespace,
    Pipeline,
    PipelineState,
    PipelineTriggerConfig,
    RegistryAuth,
    RequiredParentState,
    Run,
    RunFailure,
    RunFailureKind,
    RunRegistryKey,
    RunState,
    Task,
    TaskRun,
    TaskRunFailure,
    TaskRunFailureKind,
    Token,
    TokenKind,
    TriggerEvent,
    TriggerResult,
    TriggerResultState,
    TriggerState,
    decode,
)
from .objects import ObjectStore, open_object_store
from .opening import open_engine, register
from .secrets import SecretStore, open_secret_store
from .watching import Change, Watch
from .wire import encode

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
