"""An engine that keeps everything in dicts: the contract in its shortest form, and a check on the suite itself."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import engine
from engine import (
    Counter,
    DockerRegistryAuth,
    EngineError,
    EntityExists,
    EntityNotFound,
    Event,
    Namespace,
    Pipeline,
    PreconditionFailed,
    Run,
    RunRegistryKey,
    TaskRun,
    Token,
    TriggerEvent,
)
from engine.arguments import limit_of
from engine.forms import inherited
from engine.places import arguments_of, fields_of, require_arguments
from engine.storm import key_of
from engine.validation import can_be_registered, require_counter, require_key, require_names, require_types

Place = tuple[Any, ...]


class State:
    """All that is stored: entities by class and place, the last number of each counted place, registered runs."""

    def __init__(self) -> None:
        self.entities: dict[tuple[type[Any], Place], Any] = {}
        self.counters: dict[tuple[type[Any], Place], int] = {}
        self.registered: set[RunRegistryKey] = set()


class MemoryEngine(engine.Engine):
    """Gofer's storage in memory. Not for anything else than tests."""

    def __init__(
        self,
        url: str = "",
        *,
        max_results_limit: int | None = None,
        clock: Callable[[], int] | None = None,
        **options: Any,
    ) -> None:
        self.url, self.options = url, options
        self._limit = max_results_limit
        self._clock = clock or (lambda: int(time.time() * 1000))
        self._committed = State()
        self._working: State | None = None
        self._writer = threading.RLock()
        self._depth = 0
        self._broken = False
        self._numbered: list[tuple[Any, str]] = []
        self._closed = False

    def close(self) -> None:
        self._closed = True

    # --- transactions: one writer works on a copy ---

    def transaction(self) -> AbstractContextManager[None]:
        return self._grouping()

    @contextmanager
    def _grouping(self) -> Iterator[None]:
        with self._writer:
            if self._depth:
                with self._joined():
                    yield
                return
            self._reading()  # or an error, if it is closed
            self._depth, self._broken, self._numbered = 1, False, []
            self._working = copy.deepcopy(self._committed)
            try:
                yield
                self._require_whole()
                self._committed = self._working
            except BaseException:
                for entity, name in self._numbered:
                    setattr(entity, name, 0)
                raise
            finally:
                self._working, self._depth = None, 0

    @contextmanager
    def _joined(self) -> Iterator[None]:
        self._require_whole()
        try:
            yield
        except BaseException:
            self._broken = True
            raise

    def _require_whole(self) -> None:
        if self._broken:
            raise EngineError("only to be rolled back")

    def _reading(self) -> State:
        if self._closed:
            raise EngineError("closed")
        if self._working is not None and self._writer.acquire(blocking=False):
            try:
                if self._depth:
                    self._require_whole()
                    return self._working or self._committed
            finally:
                self._writer.release()
        return self._committed

    @contextmanager
    def _writing(self) -> Iterator[State]:
        if self._closed:
            raise EngineError("closed")
        with self._writer:
            if not self._depth:
                with self._grouping():
                    assert self._working is not None
                    yield self._working
                return
            self._require_whole()
            assert self._working is not None
            try:
                yield self._working
            except (EntityExists, EntityNotFound, PreconditionFailed):
                raise
            except BaseException:
                self._broken = True
                raise

    # --- what the methods share ---

    def _get(self, kind: type[Any], **key: Any) -> Any:
        require_arguments(kind, key)
        found = self._reading().entities.get((kind, tuple(key.values())))
        if found is None:
            raise EntityNotFound(entity=kind.__name__, key=key)
        return copy.deepcopy(found)

    def _list(self, kind: type[Any], *place: Any) -> list[Any]:
        require_arguments(kind, {name: value for (name, _), value in zip(fields_of(kind), place, strict=False)})
        entities = self._reading().entities
        return [copy.deepcopy(it) for (of, key), it in entities.items() if of is kind and key[:-1] == place]

    def _page(self, found: list[Any], offset: int, limit: int) -> list[Any]:
        most = limit_of(offset, limit, most=self._limit)
        found = found[max(offset, 0) :]
        return found[:most] if most >= 0 else found

    def _accept(self, entity: Any, kind: type[Any], *, new: bool) -> None:
        require_types(entity, kind)
        require_names(entity, new=new)

    def _put(self, state: State, entity: Any) -> None:
        """Store a new entity, with a number if it lacks one."""
        kind = type(entity)
        *place, own = arguments_of(entity).values() if kind is not Event else (entity.event_id,)
        name = "event_id" if kind is Event else "id"
        counter = (kind, tuple(place))
        if kind in (Run, TriggerEvent, Event):
            engine.encode(entity)
            if own == 0:
                own = state.counters.get(counter, 0) + 1
                if own >= 2**63:
                    raise EngineError("no number left")
                self._numbered.append((entity, name))
                setattr(entity, name, own)
            elif (kind, (*place, own)) in state.entities:
                raise EntityExists(entity=kind.__name__)
            state.counters[counter] = max(state.counters.get(counter, 0), own)
        if (kind, (*place, own)) in state.entities:
            raise EntityExists(entity=kind.__name__)
        engine.encode(entity)
        state.entities[kind, (*place, own)] = copy.deepcopy(entity)

    def _add(self, entity: Any, kind: type[Any]) -> None:
        self._accept(entity, kind, new=True)
        with self._writing() as state:
            self._put(state, entity)

    def _update(self, entity: Any, kind: type[Any]) -> None:
        self._accept(entity, kind, new=False)
        with self._writing() as state:
            key = (kind, tuple(arguments_of(entity).values()))
            if key not in state.entities:
                raise EntityNotFound(entity=kind.__name__)
            new = inherited(entity, state.entities[key])
            engine.encode(new)
            state.entities[key] = copy.deepcopy(new)

    def _delete(self, kind: type[Any], **key: Any) -> None:
        require_arguments(kind, key)
        with self._writing() as state:
            if state.entities.pop((kind, tuple(key.values())), None) is None:
                raise EntityNotFound(entity=kind.__name__)

    # --- the interface ---

    def counters(self) -> list[Counter]:
        return [Counter(kind, place, last) for (kind, place), last in self._reading().counters.items() if last > 0]

    def raise_counter(self, counter: Counter) -> None:
        require_counter(counter)
        with self._writing() as state:
            place = (counter.kind, counter.place)
            state.counters[place] = max(state.counters.get(place, 0), counter.last)

    def get_all_namespaces(self, *, offset: int = 0, limit: int = 0) -> list[Namespace]:
        return self._page(sorted(self._list(Namespace), key=lambda it: key_of(it.id)), offset, limit)

    def get_namespace(self, *, id: str) -> Namespace:
        return self._get(Namespace, id=id)

    def add_namespace(self, namespace: Namespace) -> None:
        self._add(namespace, Namespace)

    def update_namespace(self, namespace: Namespace) -> None:
        self._update(namespace, Namespace)

    def get_all_tokens(
        self, *, namespaces: Collection[str] | None = None, offset: int = 0, limit: int = 0
    ) -> list[Token]:
        found = sorted(self._list(Token), key=lambda it: key_of(it.hash))
        wanted = set(namespaces or ())
        kept = [it for it in found if not wanted or not wanted.isdisjoint(it.namespaces or ())]
        return self._page(kept, offset, limit)

    def get_token(self, *, hash: str) -> Token:
        return self._get(Token, hash=hash)

    def add_token(self, token: Token) -> None:
        self._add(token, Token)

    def delete_token(self, *, hash: str) -> None:
        self._delete(Token, hash=hash)

    def get_all_pipelines(self, *, namespace_id: str, offset: int = 0, limit: int = 0) -> list[Pipeline]:
        found = self._list(Pipeline, namespace_id)
        found.sort(key=lambda it: (key_of(it.created), key_of(it.id)), reverse=True)
        return self._page(found, offset, limit)

    def get_pipeline(self, *, namespace_id: str, id: str) -> Pipeline:
        return self._get(Pipeline, namespace_id=namespace_id, id=id)

    def add_pipeline(self, pipeline: Pipeline) -> None:
        self._add(pipeline, Pipeline)

    def update_pipeline(self, pipeline: Pipeline) -> None:
        self._update(pipeline, Pipeline)

    def get_all_runs(self, *, namespace_id: str, pipeline_id: str, offset: int = 0, limit: int = 0) -> list[Run]:
        found = sorted(self._list(Run, namespace_id, pipeline_id), key=lambda it: key_of(it.id), reverse=True)
        return self._page(found, offset, limit)

    def get_run(self, *, namespace_id: str, pipeline_id: str, id: int) -> Run:
        return self._get(Run, namespace_id=namespace_id, pipeline_id=pipeline_id, id=id)

    def add_run(self, run: Run) -> None:
        self._accept(run, Run, new=True)
        with self._writing() as state:
            pipeline = state.entities.get((Pipeline, (run.namespace_id, run.pipeline_id)))
            if pipeline is None:
                raise EntityNotFound(entity="Pipeline")
            self._put(state, run)
            pipeline.last_run_id, pipeline.last_run_time = run.id, self._clock()

    def update_run(self, run: Run) -> None:
        self._update(run, Run)

    def get_all_task_runs(self, *, namespace_id: str, pipeline_id: str, run_id: int) -> list[TaskRun]:
        found = self._list(TaskRun, namespace_id, pipeline_id, run_id)
        return sorted(found, key=lambda it: (key_of(it.created), key_of(it.id)))

    def get_task_run(self, *, namespace_id: str, pipeline_id: str, run_id: int, id: str) -> TaskRun:
        return self._get(TaskRun, namespace_id=namespace_id, pipeline_id=pipeline_id, run_id=run_id, id=id)

    def add_task_run(self, task_run: TaskRun) -> None:
        self._accept(task_run, TaskRun, new=True)
        with self._writing() as state:
            run = state.entities.get((Run, (task_run.namespace_id, task_run.pipeline_id, task_run.run_id)))
            if run is None:
                raise EntityNotFound(entity="Run")
            self._put(state, task_run)
            run.task_runs = [*(run.task_runs or ()), task_run.id]

    def update_task_run(self, task_run: TaskRun) -> None:
        self._update(task_run, TaskRun)

    def get_all_trigger_events(
        self, *, namespace_id: str, pipeline_id: str, pipeline_trigger_label: str, offset: int = 0, limit: int = 0
    ) -> list[TriggerEvent]:
        found = self._list(TriggerEvent, namespace_id, pipeline_id, pipeline_trigger_label)
        return self._page(sorted(found, key=lambda it: key_of(it.id), reverse=True), offset, limit)

    def get_trigger_event(
        self, *, namespace_id: str, pipeline_id: str, pipeline_trigger_label: str, id: int
    ) -> TriggerEvent:
        place = {"namespace_id": namespace_id, "pipeline_id": pipeline_id}
        return self._get(TriggerEvent, **place, pipeline_trigger_label=pipeline_trigger_label, id=id)

    def add_trigger_event(self, event: TriggerEvent) -> None:
        self._add(event, TriggerEvent)

    def update_trigger_event(self, event: TriggerEvent) -> None:
        self._update(event, TriggerEvent)

    def get_all_run_registrations(self) -> set[RunRegistryKey]:
        return set(self._reading().registered)

    def registration_exists(self, *, namespace: str, pipeline: str, run: int) -> bool:
        key = RunRegistryKey(namespace, pipeline, run)
        return can_be_registered(key) and key in self._reading().registered

    def register_run(self, *, namespace: str, pipeline: str, run: int) -> None:
        key = RunRegistryKey(namespace, pipeline, run)
        require_key(key)
        with self._writing() as state:
            state.registered.add(key)

    def unregister_run(self, *, namespace: str, pipeline: str, run: int) -> None:
        key = RunRegistryKey(namespace, pipeline, run)
        can_be_registered(key)
        with self._writing() as state:
            state.registered.discard(key)

    def get_all_docker_registry_auths(self) -> list[DockerRegistryAuth]:
        return sorted(self._list(DockerRegistryAuth), key=lambda it: key_of(it.registry))

    def get_docker_registry_auth(self, *, registry: str) -> DockerRegistryAuth:
        return self._get(DockerRegistryAuth, registry=registry)

    def add_docker_registry_auth(self, auth: DockerRegistryAuth) -> None:
        self._add(auth, DockerRegistryAuth)

    def remove_docker_registry_auth(self, *, registry: str) -> None:
        self._delete(DockerRegistryAuth, registry=registry)
