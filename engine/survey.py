"""Everything that a Gofer database holds, in one pass over one snapshot.

The engine answers questions about what the caller can name. A survey names: it walks the buckets, and so it also finds
what has lost its record, such as the runs of a pipeline that nobody saved. Levels of buckets have no marks of their
own; a bucket counts as a namespace, pipeline, run or trigger label if the type buckets below it say so.
"""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike

import boltpy

from .bolt_queries import read_registrations
from .event_log import EventLog
from .models import (
    DockerRegistryAuth,
    Event,
    Namespace,
    Pipeline,
    Run,
    RunRegistryKey,
    TaskRun,
    Token,
    TriggerEvent,
)
from .places import by_creation
from .storm import Records, find_bucket, key_of, text_of_key
from .tools.kinds import whole_number
from .tools.walking import open_gofers


@dataclass(slots=True)
class RunSurvey:
    """A run by its number; `record` is None if only its task runs are there."""

    id: int
    record: Run | None
    task_runs: list[TaskRun]


@dataclass(slots=True)
class PipelineSurvey:
    """A pipeline by its id, with its runs (latest first) and the events of its triggers (by label, latest first)."""

    id: str
    record: Pipeline | None
    runs: list[RunSurvey]
    trigger_events: dict[str, list[TriggerEvent]]


@dataclass(slots=True)
class NamespaceSurvey:
    """A namespace by its id, with its pipelines, latest first."""

    id: str
    record: Namespace | None
    pipelines: list[PipelineSurvey]


@dataclass(slots=True)
class Survey:
    """A whole database. `events` are there in files of 2022, trigger events and registrations in older ones."""

    namespaces: list[NamespaceSurvey]
    registrations: list[RunRegistryKey]
    tokens: list[Token]
    docker_registries: list[DockerRegistryAuth]
    events: list[Event]


def survey(path: str | PathLike[str]) -> Survey:
    """Read all of the Gofer database at `path`, under bolt's shared lock.

    Raises:
        EngineError: It is not Gofer's, or something in it can not be understood.
        boltpy.BoltError: It is no bolt file, is damaged, or is open for writing elsewhere.
        OSError: It can not be opened.
    """
    with open_gofers(path) as db, db.view() as tx:
        return Survey(
            namespaces=_namespaces(tx),
            registrations=list(read_registrations(tx)),
            tokens=list(Records(tx, Token).all()),
            docker_registries=list(Records(tx, DockerRegistryAuth).all()),
            events=list(EventLog(tx).all()),
        )


def _namespaces(tx: boltpy.Tx) -> list[NamespaceSurvey]:
    records = {record.id: record for record in Records(tx, Namespace).all()}
    names = {text_of_key(name) for name, _ in tx.buckets()} | records.keys()
    found = [NamespaceSurvey(name, records.get(name), _pipelines(tx, name)) for name in sorted(names, key=key_of)]
    return [namespace for namespace in found if namespace.record or namespace.pipelines]


def _pipelines(tx: boltpy.Tx, namespace: str) -> list[PipelineSurvey]:
    records = {record.id: record for record in Records(tx, Pipeline, namespace).all()}
    found = []
    for name in records.keys() | _names(tx, namespace):
        runs, events = _runs(tx, namespace, name), _trigger_events(tx, namespace, name)
        if runs or events or name in records:
            found.append(PipelineSurvey(name, records.get(name), runs, events))
    return sorted(found, key=lambda it: by_creation(it.record or Pipeline(id=it.id)), reverse=True)


def _runs(tx: boltpy.Tx, namespace: str, pipeline: str) -> list[RunSurvey]:
    records = {record.id: record for record in Records(tx, Run, namespace, pipeline).all()}
    task_runs = {}
    for name in _names(tx, namespace, pipeline):
        # Only what Go prints for a number is a run; other names, "007" among them, are labels.
        number = whole_number(key_of(name))
        if number is not None:
            found = sorted(Records(tx, TaskRun, namespace, pipeline, name).all(), key=by_creation)
            if found:
                task_runs[number] = found
    numbers = sorted(records.keys() | task_runs.keys(), key=lambda number: number % 2**64, reverse=True)
    return [RunSurvey(number, records.get(number), task_runs.get(number, [])) for number in numbers]


def _trigger_events(tx: boltpy.Tx, namespace: str, pipeline: str) -> dict[str, list[TriggerEvent]]:
    found = {
        label: list(Records(tx, TriggerEvent, namespace, pipeline, label).all(reverse=True))
        for label in sorted(_names(tx, namespace, pipeline), key=key_of)
    }
    return {label: events for label, events in found.items() if events}


def _names(tx: boltpy.Tx, *path: str) -> set[str]:
    """The names of the buckets within a bucket; none if that is missing."""
    bucket = find_bucket(tx, *path)
    return {text_of_key(name) for name, _ in bucket.buckets()} if bucket is not None else set()
