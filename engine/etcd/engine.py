"""The engine on etcd: Gofer's storage for several hosts, which share one cluster.

Each method that writes is one transaction of etcd's, or joins the one that its thread has open. It reads what it needs,
checks it, and is stored only if nothing of that has changed meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from ..arguments import system_clock, time_by
from ..counters import Counter
from ..errors import EngineError, EntityExists
from ..forms import inherited
from ..models import (
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
from ..places import arguments_of, require_arguments
from ..tempers import Compat
from ..transactions import Group
from ..validation import can_be_registered, require_counter, require_event, require_key, require_names, require_types
from ..wire import encode
from .address import parse_address
from .channels import Channels, Denied
from .commits import mark_name
from .groups import Groups
from .layout import FORMAT, Layout, Parts
from .queries import LAST, EtcdQueries, about
from .work import Work

T = TypeVar("T")


class EtcdEngine(EtcdQueries):
    """Gofer's storage in etcd. `engine.open_engine` makes one of a URL; any thread may use it.

    It is for the process that opened it: a forked child opens one of its own. There `close` of an inherited one does
    nothing, and all else raises EngineError.
    """

    def __init__(
        self,
        url: str,
        *,
        read_only: bool = False,
        compat: Compat = "python",
        max_results_limit: int | None = None,
        clock: Callable[[], int] | None = None,
        password: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Connect, and note the layout below the URL's prefix if nothing is there yet.

        Args:
            url: "etcd://host:2379,host2:2379/prefix?option=value"; `etcd.address` lists the options.
            read_only: Change nothing; a prefix without Gofer's data is an error.
            compat: "python"; Gofer never kept its data in etcd, so there is nothing to do as it does.
            max_results_limit: The most that a page of a listing may hold; None for no cap.
            clock: Gives the epoch milliseconds that `add_run` notes; None for the system's time.
            password: The password of the URL's user; see `etcd.address` for other ways to give it.
            timeout: The most seconds to wait for one answer; None for what the URL says, or 10.

        Raises:
            EngineError: The URL is of another form, no server answers, refuses the user, or what is below the prefix
                is another program's or of another version.
        """
        if compat != "python":
            if compat != "gofer":
                raise ValueError(f"compat is 'python' or 'gofer', not {compat!r}")
            raise EngineError("compat='gofer' is for bolt files: Gofer never kept its data in etcd")
        address = parse_address(url, password=password, timeout=timeout)
        channels = Channels(address)
        layout = Layout(address.prefix)
        groups = Groups(channels, layout.writer(mark_name()), read_only=read_only)
        super().__init__(channels, layout, groups, max_results_limit=max_results_limit)
        self._clock = clock or system_clock
        try:
            if read_only:
                self._groups.read(self._require_format)
            else:
                self._groups.write(self._note_format)
        except BaseException:
            self.close()
            raise

    # --- namespaces ---

    def add_namespace(self, namespace: Namespace) -> None:
        self._add(Namespace, namespace)

    def update_namespace(self, namespace: Namespace) -> None:
        self._update(Namespace, namespace)

    # --- tokens ---

    def add_token(self, token: Token) -> None:
        self._add(Token, token)

    def delete_token(self, *, hash: str) -> None:
        self._delete(Token, hash)

    # --- pipelines ---

    def add_pipeline(self, pipeline: Pipeline) -> None:
        self._add(Pipeline, pipeline)

    def update_pipeline(self, pipeline: Pipeline) -> None:
        self._update(Pipeline, pipeline)

    # --- runs ---

    def add_run(self, run: Run) -> None:
        self._accept(Run, run, new=True)
        place = (run.namespace_id, run.pipeline_id)
        now = time_by(self._clock)

        def change(group: Group[Work]) -> None:
            owner = self._key(Pipeline, *place)
            group.tx.get_many([owner, self._layout.counter(Run, place)])
            pipeline = self._load(group.tx, Pipeline, owner, place)
            self._insert(group, run, place)
            pipeline.last_run_id = run.id
            pipeline.last_run_time = now
            group.tx.put(owner, encode(pipeline))

        self._groups.write(change)

    def update_run(self, run: Run) -> None:
        self._update(Run, run)

    # --- task runs ---

    def add_task_run(self, task_run: TaskRun) -> None:
        self._accept(TaskRun, task_run, new=True)
        *place, own = arguments_of(task_run).values()

        def change(group: Group[Work]) -> None:
            owner, key = self._key(Run, *place), self._key(TaskRun, *place, own)
            group.tx.get_many([owner, key])
            run = self._load(group.tx, Run, owner, tuple(place))
            self._require_new(group.tx, TaskRun, key, (*place, own))
            group.tx.put(key, encode(task_run))
            run.task_runs = [*(run.task_runs or ()), own]
            group.tx.put(owner, encode(run))

        self._groups.write(change)

    def update_task_run(self, task_run: TaskRun) -> None:
        self._update(TaskRun, task_run)

    # --- trigger events ---

    def add_trigger_event(self, event: TriggerEvent) -> None:
        self._accept(TriggerEvent, event, new=True)
        *place, _ = arguments_of(event).values()
        self._groups.write(lambda group: self._insert(group, event, tuple(place)))

    def update_trigger_event(self, event: TriggerEvent) -> None:
        self._update(TriggerEvent, event)

    # --- runs that somebody waits for ---

    def register_run(self, *, namespace: str, pipeline: str, run: int) -> None:
        require_key(RunRegistryKey(namespace, pipeline, run))
        key = self._key(RunRegistryKey, namespace, pipeline, run)

        def change(group: Group[Work]) -> None:
            if group.tx.get(key) is None:
                group.tx.put(key, b"{}")

        self._groups.write(change)

    def unregister_run(self, *, namespace: str, pipeline: str, run: int) -> None:
        possible = can_be_registered(RunRegistryKey(namespace, pipeline, run))

        def change(group: Group[Work]) -> None:
            if possible and group.tx.get(key := self._key(RunRegistryKey, namespace, pipeline, run)) is not None:
                self._take_away(group.tx, RunRegistryKey, key)

        self._groups.write(change)

    # --- logins for container registries ---

    def add_docker_registry_auth(self, auth: DockerRegistryAuth) -> None:
        self._add(DockerRegistryAuth, auth)

    def remove_docker_registry_auth(self, *, registry: str) -> None:
        self._delete(DockerRegistryAuth, registry)

    # --- the event log ---

    def add_event(self, event: Event) -> None:
        require_event(event)
        self._groups.write(lambda group: self._insert(group, event, ()))

    def delete_event(self, *, id: int) -> None:
        require_arguments(Event, {"id": id})
        self._delete(Event, id)

    def raise_counter(self, counter: Counter) -> None:
        require_counter(counter)
        key = self._layout.counter(counter.kind, counter.place)

        def change(group: Group[Work]) -> None:
            if self._number(key, group.tx.get(key)) < counter.last:
                group.tx.put(key, str(counter.last).encode())

        self._groups.write(change)

    # --- what they share ---

    def _accept(self, kind: type[T], entity: T, *, new: bool) -> None:
        """Refuse what has no name to be stored under, before anything is read."""
        require_types(entity, kind)
        require_names(entity, new=new)

    def _add(self, kind: type[T], entity: T) -> None:
        self._accept(kind, entity, new=True)
        parts = tuple(arguments_of(entity).values())
        key = self._key(kind, *parts)

        def change(group: Group[Work]) -> None:
            self._require_new(group.tx, kind, key, parts)
            group.tx.put(key, encode(entity))
            if isinstance(entity, Pipeline):
                group.tx.put(self._layout.indexed(entity), entity.id.encode())

        self._groups.write(change)

    def _insert(self, group: Group[Work], entity: Run | TriggerEvent | Event, place: Parts) -> None:
        """Add what is counted up."""
        work, kind = group.tx, type(entity)
        field = "event_id" if kind is Event else "id"
        own = getattr(entity, field)
        counter = self._layout.counter(kind, place)
        last = self._number(counter, work.get(counter))
        if not own and last >= LAST:
            raise EngineError(f"{kind.__name__}.{field}: there is no number left")
        encode(entity)  # or an error, before it has a number
        if own:
            key = self._key(kind, *place, own)
            self._require_new(work, kind, key, (*place, own))
        else:
            own = last + 1
            group.numbered.append((entity, field))
            setattr(entity, field, own)
            key = self._key(kind, *place, own)
            work.expect_nothing(key)
        work.put(key, encode(entity))
        if own > last:
            work.put(counter, str(own).encode())

    def _update(self, kind: type[T], entity: T) -> None:
        self._accept(kind, entity, new=False)
        parts = tuple(arguments_of(entity).values())
        key = self._key(kind, *parts)

        def change(group: Group[Work]) -> None:
            old = self._load(group.tx, kind, key, parts)
            new = inherited(entity, old)
            group.tx.put(key, encode(new))
            if isinstance(old, Pipeline) and isinstance(new, Pipeline) and old.created != new.created:
                group.tx.delete(self._layout.indexed(old))
                group.tx.put(self._layout.indexed(new), new.id.encode())

        self._groups.write(change)

    def _delete(self, kind: type[Any], own: Any) -> None:
        key = self._key(kind, own)

        def change(group: Group[Work]) -> None:
            self._load(group.tx, kind, key, (own,))
            self._take_away(group.tx, kind, key)

        self._groups.write(change)

    def _take_away(self, work: Work, kind: type[Any], key: bytes) -> None:
        work.delete(key)
        work.put(self._layout.deletions(kind), b"")

    def _require_new(self, work: Work, kind: type[Any], key: bytes, parts: Parts) -> None:
        if work.get(key) is not None:
            raise about(EntityExists, kind, parts)

    def _require_format(self, work: Work) -> None:
        found = work.get(self._layout.format)
        if found is None:
            raise EngineError(f"{self._channels.address}: there is nothing of Gofer's")
        self._require_own(found)

    def _note_format(self, group: Group[Work]) -> None:
        for around in self._layout.formats_around:
            self._require_apart(group.tx, around)
        found = group.tx.get(self._layout.format)
        if found is not None:
            self._require_own(found)
        elif next(group.tx.items(self._layout.everything, limit=1), None) is not None:
            raise EngineError(f"{self._channels.address}: there are keys of another program")
        else:
            group.tx.put(self._layout.format, FORMAT)

    def _require_apart(self, work: Work, around: bytes) -> None:
        # Who has no permission to look there is not refused for that.
        with suppress(Denied):
            if (work.get(around) or b"").startswith(FORMAT.partition(b" ")[0]):
                outer = around.rpartition(b"/")[0].decode()
                raise EngineError(
                    f"{self._channels.address}: this prefix is within the keys of the engine at /{outer}; take another"
                )

    def _require_own(self, found: bytes) -> None:
        if found != FORMAT:
            raise EngineError(f"{self._channels.address}: the format is {found!r}, and only {FORMAT!r} is known here")
