"""What a bolt file answers: the reading half of `BoltEngine`, and what both halves stand on.

Each call is one transaction, or joins the one that its thread has open. The two tempers differ in what an index hides:
Gofer lists pipelines and task runs by the index of `created`, in which a 0 is not; the default looks at the records
themselves.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, TypeVar

import boltpy

from .arguments import limit_of, wanted_namespaces
from .counters import Counter
from .errors import BadCounter, EngineError, RecordError, RecordNotFound
from .event_log import GOFERS_KINDS, EventLog, event_of
from .interface import Engine
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
    decode,
)
from .places import COUNTED, REGISTRY, by_creation, fields_of, level, require_arguments
from .storm import KeyValues, Records, key_of, text_of_key
from .storm.layout import RESERVED, page
from .storm.records import Prepared
from .tempers import Compat, GoferTemper, PythonTemper, Temper
from .tools.kinds import Kind, Path, kind_at, kind_of
from .tools.walking import Walk, shown_path
from .transactions import Transactions
from .validation import can_be_registered
from .watching import Watch
from .wire import Entity

T = TypeVar("T")

E = TypeVar("E", bound=Entity)

W = TypeVar("W")


_COUNTED = tuple(map(kind_of, COUNTED))


class BoltQueries(Engine):
    """The methods that read. What writes is in `BoltEngine`."""

    def __init__(self, db: boltpy.DB, *, compat: Compat, max_results_limit: int | None, late: bool) -> None:
        """Args: `db`, which the engine closes; `late`, whether the file is of the last schema; see `BoltEngine`."""
        self._db = db
        self._gofer = compat == "gofer"
        self._temper: Temper
        self._temper = GoferTemper(late=late) if self._gofer else PythonTemper(late=late)
        self._late = late
        self._limit = partial(limit_of, most=max_results_limit)
        self._transactions = Transactions(db, self._temper.told, self._found)
        # This process alone writes to the file while it is open.
        self._prepared: Prepared = set()

    def close(self) -> None:
        self._transactions.telling.close()
        self._db.close()

    def transaction(self) -> AbstractContextManager[None]:
        return self._transactions.grouping()

    def __repr__(self) -> str:
        return f"<BoltEngine {str(self._db.path)!r} compat={self._temper.name}>"

    # --- namespaces ---

    def get_all_namespaces(self, *, offset: int = 0, limit: int = 0) -> list[Namespace]:
        limit = self._limit(offset, limit)
        with self._transactions.reading() as tx:
            return self._seen(self._records(tx, Namespace).all(offset=offset, limit=limit))

    def get_namespace(self, *, id: str) -> Namespace:
        return self._get(Namespace, {"id": id})

    # --- tokens ---

    def get_all_tokens(
        self, *, namespaces: Collection[str] | None = None, offset: int = 0, limit: int = 0
    ) -> list[Token]:
        wanted = wanted_namespaces(namespaces)
        limit = self._limit(offset, limit)
        with self._transactions.reading() as tx:
            tokens = self._records(tx, Token)
            if not wanted:
                return self._seen(tokens.all(offset=offset, limit=limit))
            if self._gofer:
                # Gofer hands its query a slice where a pointer to one is asked for.
                raise EngineError("provided target must be a pointer to slice")
            found = [token for token in tokens.all() if not wanted.isdisjoint(token.namespaces or ())]
            return _paged(found, offset, limit)

    def get_token(self, *, hash: str) -> Token:
        return self._get(Token, {"hash": hash})

    # --- pipelines ---

    def get_all_pipelines(self, *, namespace_id: str, offset: int = 0, limit: int = 0) -> list[Pipeline]:
        limit = self._limit(offset, limit)
        with self._transactions.reading() as tx:
            pipelines = self._records(tx, Pipeline, namespace_id)
            if not self._gofer:
                found = sorted(pipelines.all(), key=by_creation, reverse=True)
                return _paged(found, offset, limit)
            try:
                return self._seen(pipelines.all_by_index("created", offset=offset, limit=limit, reverse=True))
            except RecordNotFound:
                return []

    def get_pipeline(self, *, namespace_id: str, id: str) -> Pipeline:
        return self._get(Pipeline, {"namespace_id": namespace_id, "id": id})

    # --- runs ---

    def get_all_runs(self, *, namespace_id: str, pipeline_id: str, offset: int = 0, limit: int = 0) -> list[Run]:
        limit = self._limit(offset, limit)
        with self._transactions.reading() as tx:
            runs = self._records(tx, Run, namespace_id, pipeline_id)
            return self._seen(runs.all(offset=offset, limit=limit, reverse=True))

    def get_run(self, *, namespace_id: str, pipeline_id: str, id: int) -> Run:
        return self._get(Run, {"namespace_id": namespace_id, "pipeline_id": pipeline_id, "id": id})

    # --- task runs ---

    def get_all_task_runs(self, *, namespace_id: str, pipeline_id: str, run_id: int) -> list[TaskRun]:
        with self._transactions.reading() as tx:
            task_runs = self._records(tx, TaskRun, namespace_id, pipeline_id, run_id)
            if self._gofer:
                return self._seen(task_runs.all_by_index("created"))
            return sorted(task_runs.all(), key=by_creation)

    def get_task_run(self, *, namespace_id: str, pipeline_id: str, run_id: int, id: str) -> TaskRun:
        place = {"namespace_id": namespace_id, "pipeline_id": pipeline_id, "run_id": run_id, "id": id}
        return self._get(TaskRun, place)

    # --- trigger events ---

    def get_all_trigger_events(
        self, *, namespace_id: str, pipeline_id: str, pipeline_trigger_label: str, offset: int = 0, limit: int = 0
    ) -> list[TriggerEvent]:
        limit = self._limit(offset, limit)
        with self._transactions.reading() as tx:
            events = self._records(tx, TriggerEvent, namespace_id, pipeline_id, pipeline_trigger_label)
            return self._seen(events.all(offset=offset, limit=limit, reverse=True))

    def get_trigger_event(
        self, *, namespace_id: str, pipeline_id: str, pipeline_trigger_label: str, id: int
    ) -> TriggerEvent:
        trigger = {
            "namespace_id": namespace_id,
            "pipeline_id": pipeline_id,
            "pipeline_trigger_label": pipeline_trigger_label,
        }
        return self._get(TriggerEvent, {**trigger, "id": id})

    # --- runs that somebody waits for ---

    def get_all_run_registrations(self) -> set[RunRegistryKey]:
        with self._transactions.reading() as tx:
            return set(read_registrations(tx, strict=self._gofer))

    def registration_exists(self, *, namespace: str, pipeline: str, run: int) -> bool:
        key = RunRegistryKey(namespace, pipeline, run)
        if not self._may_be_registered(key):
            return False
        with self._transactions.reading() as tx:
            return key in KeyValues(tx, REGISTRY)

    def _may_be_registered(self, key: RunRegistryKey) -> bool:
        # To Gofer a name that is no UTF-8 is the one that its JSON makes of it.
        return self._gofer or can_be_registered(key)

    # --- logins for container registries ---

    def get_all_docker_registry_auths(self) -> list[DockerRegistryAuth]:
        with self._transactions.reading() as tx:
            return self._seen(self._records(tx, DockerRegistryAuth).all())

    def get_docker_registry_auth(self, *, registry: str) -> DockerRegistryAuth:
        return self._get(DockerRegistryAuth, {"registry": registry})

    # --- the event log of late files ---

    def get_all_events(self, *, offset: int = 0, limit: int = 0, reverse: bool = False) -> list[Event]:
        limit = self._limit(offset, limit)
        with self._transactions.reading() as tx:
            log = EventLog(tx)
            if not self._gofer:
                return _paged(log.all(reverse=reverse), offset, limit)
            return _paged(_as_gofer_lists(log, offset, reverse), 0, limit)

    def get_event(self, *, id: int) -> Event | None:
        require_arguments(Event, {"id": id})
        with self._transactions.reading() as tx:
            try:
                event = EventLog(tx).get(id)
            except RecordNotFound:
                raise self._temper.not_found(Event, {"id": id}) from None
            return event if not self._gofer or _gofer_knows(event) else None

    # --- everything ---

    def walk(self, kind: type[W]) -> Iterator[W]:
        return self._walk(kind_of(kind))

    def _walk(self, wanted: Kind) -> Iterator[Any]:
        with self._transactions.reading() as tx:
            pairs = _pairs(tx, wanted)
            # A block may change what it walks over.
            for path, key, value in list(pairs) if self._transactions.open.group is not None else pairs:
                place = shown_path(path, key, wanted)
                try:
                    entity = decode(wanted.entity, value if wanted.id_field else key)
                except RecordError as error:
                    raise RecordError(error.reason, place=place) from None
                if wanted.place(wanted.key_of(entity)) != (path, key):
                    raise EngineError(f"{place}: it has another name in it than the one that it is stored under")
                yield entity

    def counters(self) -> list[Counter]:
        with self._transactions.reading() as tx:
            found = [self._counter(tx, *place) for place in _counted_places(tx)]
            return [counter for counter in found if counter.last > 0]

    def _counter(self, tx: boltpy.Tx, kind: type[Any], place: tuple[str, ...]) -> Counter:
        if kind is Event:
            return Counter(kind, place, EventLog(tx).last)
        try:
            return Counter(kind, place, self._records(tx, kind, *place).last_number())
        except BadCounter as error:
            levels = tuple(map(key_of, (*place, kind.__name__)))
            raise BadCounter(f"{shown_path(levels)}: the last number that was given out: {error}") from None

    def watch(self, kind: type[Any] | None = None, *, since: int | None = None) -> Watch:
        if kind is not None:
            kind_of(kind)
        return self._transactions.telling.begin(kind, since, self._db)

    def _found(self, tx: boltpy.Tx, kind: type[Any], key: Mapping[str, Any]) -> Any:
        """The entity with a key, None if it is not there."""
        if kind is RunRegistryKey:
            registered = RunRegistryKey(**key)
            return registered if registered in KeyValues(tx, REGISTRY) else None
        try:
            if kind is Event:
                return EventLog(tx).get(key["id"])
            records, wanted = self._placed(tx, kind, key)
            return records.get(wanted)
        except RecordNotFound:
            return None

    # --- what both halves stand on ---

    def _records(self, tx: boltpy.Tx, kind: type[E], *place: Any) -> Records[E]:
        """The records of a class in a place, which the first arguments name, kept as the file's schema keeps them."""
        given = {name: value for (name, _), value in zip(fields_of(kind), place, strict=False)}
        require_arguments(kind, given)
        return self._records_at(tx, kind, given)

    def _records_at(self, tx: boltpy.Tx, kind: type[E], place: Mapping[str, Any]) -> Records[E]:
        path = [level(name, value) for name, value in place.items()]
        # Gofer of 2022 has no index of runs any more, and leaves an old one as it is.
        without = ("started",) if self._late and kind is Run else ()
        return Records(tx, kind, *path, without=without, form=self._temper.form, prepared=self._prepared)

    def _placed(self, tx: boltpy.Tx, kind: type[E], key: Mapping[str, Any]) -> tuple[Records[E], Any]:
        """The records among which the arguments of `key` name one, and its id."""
        require_arguments(kind, key)
        place = dict(key)
        _, wanted = place.popitem()
        return self._records_at(tx, kind, place), wanted

    def _seen(self, found: Iterable[E]) -> list[E]:
        """What was found, as the temper sees it: Gofer knows nothing of members that its structs do not have."""
        return [self._temper.form(entity) for entity in found] if self._gofer else list(found)

    def _get(self, kind: type[E], key: Mapping[str, Any]) -> E:
        """The one entity that `key` names: its last item is the id, those before it are levels of buckets."""
        with self._transactions.reading() as tx:
            records, wanted = self._placed(tx, kind, key)
            return self._seen([self._load(records, kind, wanted, key)])[0]

    def _load(self, records: Records[E], kind: type[E], wanted: Any, key: Mapping[str, Any]) -> E:
        try:
            return records.get(wanted)
        except RecordNotFound:
            raise self._temper.not_found(kind, key) from None


def _pairs(tx: boltpy.Tx, wanted: Kind) -> Iterator[tuple[Path, bytes, bytes]]:
    """The pairs of a kind, each with the path of its bucket."""
    walk = Walk(tx)
    for path, bucket in walk:
        if kind_at(path) is wanted:
            for key, value in bucket.items():
                if value is not None and not key.startswith(RESERVED.encode()):
                    yield path, key, value
        else:
            walk.enter(path, wanted.levels(path, _names(bucket)))


def _names(bucket: boltpy.Bucket) -> list[bytes]:
    """The names of the buckets in a bucket, without storm's own."""
    return [name for name, _ in bucket.buckets() if not name.startswith(RESERVED.encode())]


def _counted_places(tx: boltpy.Tx) -> Iterator[tuple[type[Any], tuple[str, ...]]]:
    """The classes that are counted, each with a place in which it has a bucket."""
    walk = Walk(tx)
    for path, bucket in walk:
        names = _names(bucket)
        below = [it for wanted in _COUNTED for it in wanted.levels(path, names)]
        walk.enter(path, list(dict.fromkeys(below)))
        kind = kind_at(path)
        if kind in _COUNTED:
            yield kind.entity, tuple(map(text_of_key, path[:-1]))


def read_registrations(tx: boltpy.Tx, *, strict: bool = False) -> Iterator[RunRegistryKey]:
    """The registered runs, in the order of their keys.

    A namespace may be called like the registry, and puts its buckets there; they are no registrations.

    Args:
        strict: Fail on such a bucket, as Gofer does.

    Raises:
        RecordError: A key is not the JSON of a registration.
    """
    for key, is_bucket in KeyValues(tx, REGISTRY).names():
        if is_bucket and not strict:
            continue
        try:
            yield decode(RunRegistryKey, key)
        except RecordError as error:
            raise RecordError(error.reason, place=f"{REGISTRY} / {text_of_key(key)}") from None


def _as_gofer_lists(log: EventLog, offset: int, reverse: bool) -> Iterator[Event]:
    """The events in Gofer's listing. To it an offset is a distance of numbers, from 0 or from the greatest one.

    It reads none of those that it passes over, and so minds nothing that is in them.
    """
    last: int | None = None
    for number, stored in log.items(reverse=reverse):
        last = number if last is None else last
        if number <= last - offset if reverse else number > offset:
            event = event_of(number, stored)
            if _gofer_knows(event):
                yield event


def _gofer_knows(event: Event) -> bool:
    if not event.kind:
        raise EngineError("could not find type in event: <nil>")
    return event.kind in GOFERS_KINDS


def _paged(found: Iterable[T], offset: int, limit: int) -> list[T]:
    return list(page(iter(found), offset, limit))
