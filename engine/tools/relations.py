"""How the entities of a file fit together. All that is found here are notes: no entity is wrong by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boltpy

from ..event_log import GOFERS_KINDS
from ..models import Event, Pipeline, Run, RunRegistryKey, TaskRun
from ..places import EVENTS, REGISTRY, fields_of, level
from ..storm import key_of
from ..storm.layout import DATABASE
from .findings import Finding, finding
from .indexes import readable
from .kinds import KINDS, Key, Kind, Path

_ROOT_NAMES = {REGISTRY, EVENTS, DATABASE.decode(), "Namespace", "Token", "DockerRegistryAuth"}


class Relations:
    """What the entities in one bucket have to do with the others."""

    def __init__(self, tx: boltpy.Tx, path: Path, kind: Kind) -> None:
        self._tx = tx
        self._path = path
        self._kind = kind
        self._levels = path[:-1]
        # What the run of these task runs names; None if it is not there.
        self._listed: frozenset[str] | None = None

    def of_bucket(self) -> Iterator[Finding]:
        """The entity that those in the bucket belong to, if it is missing."""
        owners = {"pipeline": "namespace", "run": "pipeline", "trigger_event": "pipeline", "task_run": "run"}
        owner = owners.get(self._kind.name)
        if owner is None:
            return
        names = self._levels[:2] if self._kind.name == "trigger_event" else self._levels
        *around, own = names
        key = key_of(int(own)) if owner == "run" else own
        stored = self._stored((*around, KINDS[owner].entity.__name__.encode()), key)
        if stored is None:
            yield finding(f"{owner}-missing", self._path, f"there is no record of the {owner} that these belong to")
        elif owner == "run":
            run: Run | None = readable(KINDS["run"], key, stored)
            self._listed = frozenset(run.task_runs or ()) if run is not None else None

    def of_record(self, key: bytes, record: Any) -> Iterator[Finding]:
        """What a record names, if it is missing, and names that do not go well together."""
        for name, text in self._notes(record):
            yield finding(name, self._path, text, key=key, kind=self._kind)

    def _notes(self, record: Any) -> Iterator[tuple[str, str]]:
        if isinstance(record, RunRegistryKey):
            yield from self._run_missing([record.namespace, record.pipeline, record.run], "the registered run")
            return
        if isinstance(record, Event):
            if record.kind not in GOFERS_KINDS:
                yield "event-kind", f"Gofer leaves out events of the kind {record.kind!r}"
            return
        for (argument, field), name in zip(fields_of(type(record)), self._levels, strict=False):
            told = getattr(record, field)
            if key_of(level(argument, told)) != name:
                yield "place-differs", f"{field} is {told!r}"
        if self._kind.name == "namespace" and record.id in _ROOT_NAMES:
            yield "name-collision", "Gofer keeps something else in the bucket of that name"
        if isinstance(record, Pipeline):
            if record.id == Pipeline.__name__:
                yield "name-collision", "its runs are kept among the pipelines, where one called Run can not be"
            if record.last_run_id:
                yield from self._run_missing([*self._texts(), record.id, record.last_run_id], "its last run")
        if isinstance(record, Run):
            place = (*self._levels, str(record.id).encode(), TaskRun.__name__.encode())
            for task_run in record.task_runs or ():
                if self._stored(place, key_of(task_run)) is None:
                    yield "task-run-missing", f"there is no task run {task_run!r}, which it names"
        if isinstance(record, TaskRun) and self._listed is not None and record.id not in self._listed:
            yield "task-run-unlisted", "its run does not name it"

    def _run_missing(self, key: Key, what: str) -> Iterator[tuple[str, str]]:
        if self._stored(*KINDS["run"].place(key)) is None:
            yield "run-missing", f"{what}, {key[-1]}, is not there"

    def _texts(self) -> list[str]:
        return [name.decode("utf-8", "surrogateescape") for name in self._levels]

    def _stored(self, path: Path, key: bytes) -> bytes | None:
        bucket = self._tx.bucket(*path) if all(path) else None
        return bucket.get(key) if bucket is not None and key else None
