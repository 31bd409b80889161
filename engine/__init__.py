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
    DockerRegistryAuth,
    Namespace,
    Pipeline,
    PipelineTriggerConfig,
    Run,
    RunFailure,
    RunRegistryKey,
    Task,
    TaskRun,
    TaskRunFailure,
    Token,
    TriggerEvent,
    TriggerResult,
    decode,
)
from .opening import open_engine
from .wire import encode

__all__ = [
    "DockerRegistryAuth",
    "Engine",
    "EngineError",
    "EntityExists",
    "EntityNotFound",
    "Namespace",
    "Pipeline",
    "PipelineTriggerConfig",
    "PreconditionFailed",
    "Run",
    "RunFailure",
    "RunRegistryKey",
    "Task",
    "TaskRun",
    "TaskRunFailure",
    "Token",
    "TriggerEvent",
    "TriggerResult",
    "decode",
    "encode",
    "open_engine",
]
