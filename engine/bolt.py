"""The engine on a bolt file: Gofer's own database, read and written through boltpy.

`places` tells which bucket holds what. Each method that writes is one transaction, or joins the one that its thread has
open: what it checks is checked before it changes anything, and an error leaves nothing of it behind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from os import PathLike
from typing import Any

import boltpy

from .arguments import system_clock, time_by
from .bolt_queries import BoltQueries, E
from .counters import Counter
from .errors import EngineError, RecordExists, RecordNotFound
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
from .places import EVENTS, REGISTRY, ROOT, arguments_of, fields_of, require_arguments
from .storm import KeyValues, Records
from .storm.files import is_noted, note, opening, read_version
from .storm.layout import DATABASE
from .tempers import Compat
from .transactions import Group
from .validation import require_counter, require_event, require_key, require_types


class BoltEngine(BoltQueries):
    """Gofer's storage in a bolt file. `engine.open_engine` makes one."""

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        read_only: bool = False,
        compat: Compat = "python",
        max_results_limit: int | None = None,
        clock: Callable[[], int] | None = None,
        event_log: bool = False,
        **options: Any,
    ) -> None:
        """Open the file, and make what is missing in it unless it is only read.

        A file with a bucket `events` is of the last schema that Gofer kept in bolt, and is written in that. All others
        are of the one before.

        Args:
            path: The file; made if it is not there.
            read_only: Change nothing: a missing file is an error, and readers can share it.
            compat: "python", or "gofer" for exactly what Gofer's Go code does.
            max_results_limit: The most that a page of a listing may hold; None for no cap. Gofer's own default is 100.
            clock: Gives the epoch milliseconds that `add_run` notes; None for the system's time.
            event_log: Make a new file one of the last schema, which has an event log. Of other files the schema stays.
            options: For `boltpy.open`. `timeout`, the seconds to wait for the lock, is 1 unless given, as in Gofer.

        Raises:
            EngineError: The file is another program's.
            boltpy.BoltError: It is no bolt file, is damaged, or another process has it open.
            OSError: It can not be opened.
        """
        if compat not in ("python", "gofer"):
            raise ValueError(f"compat is 'python' or 'gofer', not {compat!r}")
        with opening(path, read_only=read_only, **options) as db:
            if not read_only:
                _prepare(db, any_file=compat == "gofer", event_log=event_log)
            with db.view() as tx:
                read_version(tx)
                late = tx.bucket(EVENTS.encode()) is not None
        super().__init__(db, compat=compat, max_results_limit=max_results_limit, late=late)
        self._clock = clock or system_clock

    # --- namespaces ---

    def add_namespace(self, namespace: Namespace) -> None:
        self._add(Namespace, namespace)

    def update_namespace(self, namespace: Namespace) -> None:
        self._update(Namespace, namespace)

    # --- tokens ---

    def add_token(self, token: Token) -> None:
        self._add(Token, token)

    def delete_token(self, *, hash: str) -> None:
        self._delete(Token, {"hash": hash})

    # --- pipelines ---

    def add_pipeline(self, pipeline: Pipeline) -> None:
        self._add(Pipeline, pipeline)

    def update_pipeline(self, pipeline: Pipeline) -> None:
        self._update(Pipeline, pipeline)

    # --- runs ---

    def add_run(self, run: Run) -> None:
        self._accept(Run, run, new=True)
        now = time_by(self._clock)  # whatever is wrong with a clock is told before anything is changed
        with self._transactions.writing(Run) as group:
            pipelines, pipeline = self._owner(group, Pipeline, namespace_id=run.namespace_id, id=run.pipeline_id)
            self._insert(group, self._placed(group.tx, Run, arguments_of(run))[0], run)
            pipeline.last_run_id = run.id
            pipeline.last_run_time = now
            pipelines.replace(pipeline)
            group.note(Pipeline, {"namespace_id": run.namespace_id, "id": run.pipeline_id})

    def update_run(self, run: Run) -> None:
        self._update(Run, run)

    # --- task runs ---

    def add_task_run(self, task_run: TaskRun) -> None:
        self._accept(TaskRun, task_run, new=True)
        key = arguments_of(task_run)
        with self._transactions.writing(TaskRun) as group:
            owner = {name: key[name] for name in ("namespace_id", "pipeline_id")}
            runs, run = self._owner(group, Run, **owner, id=task_run.run_id)
            task_runs, wanted = self._placed(group.tx, TaskRun, key)
            if task_runs.has(wanted):
                raise self._temper.exists(TaskRun, key)
            self._temper.add(task_runs, task_run)
            run.task_runs = [*(run.task_runs or ()), wanted]
            runs.replace(run)
            group.note(TaskRun, key)
            group.note(Run, {**owner, "id": task_run.run_id})

    def update_task_run(self, task_run: TaskRun) -> None:
        self._update(TaskRun, task_run)

    # --- trigger events ---

    def add_trigger_event(self, event: TriggerEvent) -> None:
        self._accept(TriggerEvent, event, new=True)
        with self._transactions.writing(TriggerEvent) as group:
            self._insert(group, self._placed(group.tx, TriggerEvent, arguments_of(event))[0], event)

    def update_trigger_event(self, event: TriggerEvent) -> None:
        self._update(TriggerEvent, event)

    # --- runs that somebody waits for ---

    def register_run(self, *, namespace: str, pipeline: str, run: int) -> None:
        key = RunRegistryKey(namespace, pipeline, run)
        if not self._gofer:
            require_key(key)
        with self._transactions.writing() as group:
            registry = KeyValues(group.tx, REGISTRY)
            if key not in registry:
                group.note(RunRegistryKey, {"namespace": namespace, "pipeline": pipeline, "run": run})
            registry.set(key, {})

    def unregister_run(self, *, namespace: str, pipeline: str, run: int) -> None:
        key = RunRegistryKey(namespace, pipeline, run)
        possible = self._may_be_registered(key)
        with self._transactions.writing() as group:
            registry = KeyValues(group.tx, REGISTRY)
            if not possible:
                return
            if key in registry:
                group.note(RunRegistryKey, {"namespace": namespace, "pipeline": pipeline, "run": run})
            if registry.exists or self._gofer:
                registry.delete(key)

    # --- logins for container registries ---

    def add_docker_registry_auth(self, auth: DockerRegistryAuth) -> None:
        self._add(DockerRegistryAuth, auth)

    def remove_docker_registry_auth(self, *, registry: str) -> None:
        self._delete(DockerRegistryAuth, {"registry": registry})

    # --- the event log of late files ---

    def add_event(self, event: Event) -> None:
        require_event(event)
        with self._transactions.writing() as group:
            if self._gofer or not event.event_id:
                group.numbered.append((event, "event_id"))
                event.event_id = 0
            try:
                EventLog(group.tx).append(event)
            except RecordExists:
                raise self._temper.exists(Event, {"id": event.event_id}) from None
            group.note(Event, {"id": event.event_id})

    def delete_event(self, *, id: int) -> None:
        require_arguments(Event, {"id": id})
        with self._transactions.writing() as group:
            try:
                EventLog(group.tx).delete(id)
            except RecordNotFound:
                raise self._temper.not_found(Event, {"id": id}) from None
            group.note(Event, {"id": id})

    def raise_counter(self, counter: Counter) -> None:
        require_counter(counter)
        with self._transactions.writing() as group:
            if counter.kind is Event:
                EventLog(group.tx).skip(counter.last)
            else:
                self._records(group.tx, counter.kind, *counter.place).skip_numbers(counter.last)

    # --- what they share ---

    def _accept(self, kind: type[E], entity: E, *, new: bool) -> None:
        require_types(entity, kind)
        self._temper.check(entity, new=new)

    def _add(self, kind: type[E], entity: E) -> None:
        self._accept(kind, entity, new=True)
        key = arguments_of(entity)
        with self._transactions.writing(kind) as group:
            records, wanted = self._placed(group.tx, kind, key)
            if records.has(wanted):
                raise self._temper.exists(kind, key)
            self._temper.add(records, entity)
            group.note(kind, key)

    def _insert(self, group: Group[boltpy.Tx], records: Records[Any], entity: Run | TriggerEvent) -> None:
        """Add what is counted up."""
        if not entity.id:
            group.numbered.append((entity, "id"))
        self._temper.add(records, entity)
        group.note(type(entity), arguments_of(entity))

    def _update(self, kind: type[E], entity: E) -> None:
        self._accept(kind, entity, new=False)
        key = arguments_of(entity)
        with self._transactions.writing(kind) as group:
            self._temper.update(self._placed(group.tx, kind, key)[0], entity)
            group.note(kind, key)

    def _delete(self, kind: type[E], key: Mapping[str, Any]) -> None:
        require_arguments(kind, key)
        with self._transactions.writing() as group:
            records, wanted = self._placed(group.tx, kind, key)
            try:
                records.delete(wanted)
            except RecordNotFound:
                raise self._temper.not_found(kind, key) from None
            group.note(kind, key)

    def _owner(self, group: Group[boltpy.Tx], kind: type[E], **key: Any) -> tuple[Records[E], E]:
        """The entity that another one is about to be added to, and the records it is among."""
        records, wanted = self._placed(group.tx, kind, key)
        found = self._load(records, kind, wanted, key)
        # In a damaged file the record may name another one; that one is not to be replaced.
        setattr(found, fields_of(kind)[-1][1], wanted)
        return records, found


def _prepare(db: boltpy.DB, *, any_file: bool, event_log: bool) -> None:
    """Make what every file of Gofer's has, where it is missing.

    Args:
        any_file: Make it in another program's file too, as Gofer does.
        event_log: Make the bucket of the last schema, in place of that of the one before.
    """
    with db.view() as tx:
        noted = is_noted(tx)
        names = {name for name, _ in tx.buckets()}
    own = {REGISTRY.encode(), EVENTS.encode()}
    if names and not noted and not any_file and names.isdisjoint(own | {DATABASE}):
        raise EngineError(f"a bolt file, but none of Gofer's: it has no bucket {DATABASE.decode()}")
    if noted and not names.isdisjoint(own):
        return
    if noted and ROOT.encode() in names and not any_file:
        raise EngineError("an object store or a secret store of Gofer's, not its database")
    with db.update() as tx:
        if not noted:
            note(tx)
        if names.isdisjoint(own):
            tx.create_bucket(EVENTS.encode() if event_log else REGISTRY.encode())
