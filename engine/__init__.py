"""Gofer's storage in Python: reads the database files of Gofer, a pipeline runner written in Go.

    with engine.open_engine("gofer.db", read_only=True) as storage:
        run = storage.get_run(namespace_id="default", pipeline_id="simple", id=3)
        for run in storage.get_all_runs(namespace_id="default", pipeline_id="simple", limit=20):
            print(run.id, run.status)

`Engine` is the interface, with the order, limits and errors of each method; the other classes are what it stores.
"""

from __future__ import annotations

from .errors import EngineError, EntityExists, EntityNotFound, PreconditionFailed
from .interface import Engine
from .models import (
    ContainerState,
    DockerRegistryAuth,
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
from .opening import open_engine
from .wire import encode

__all__ = [
    "ContainerState",
    "DockerRegistryAuth",
    "Engine",
    "EngineError",
    "EntityExists",
    "EntityNotFound",
    "Exec",
    "Namespace",
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
    "Task",
    "TaskRun",
    "TaskRunFailure",
    "TaskRunFailureKind",
    "Token",
    "TokenKind",
    "TriggerEvent",
    "TriggerResult",
    "TriggerResultState",
    "TriggerState",
    "decode",
    "encode",
    "open_engine",
]
