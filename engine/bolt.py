"""The engine on a bolt file: Gofer's own database file, read through boltpy.

    Namespace, Token, DockerRegistryAuth                     by id, hash, registry
    <namespace> / Pipeline                                   by id
    <namespace> / <pipeline> / Run                           by number
    <namespace> / <pipeline> / <run number> / TaskRun        by id
    <namespace> / <pipeline> / <trigger label> / TriggerEvent   by number
    runRegistry                                              keys {"Namespace":..,"Pipeline":..,"Run":..}

Each call is one read transaction. The two tempers differ in what an index hides: Gofer lists pipelines and task runs by
the index of `created`, in which a 0 is not; the default looks at the records themselves.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from os import PathLike
from typing import Any, Final, Literal, TypeVar

import boltpy

from .errors import EngineError, EntityNotFound, RecordError, RecordNotFound
from .interface import Engine
from .models import (
    DockerRegistryAuth,
    Namespace,
    Pipeline,
    Run,
    RunRegistryKey,
    TaskRun,
    Token,
    TriggerEvent,
    decode,
)
from .storm import KeyValues, Records, key_of, open_database, text_of_key
from .wire import Entity, forget

Compat = Literal["python", "gofer"]

T = TypeVar("T")

E = TypeVar("E", bound=Entity)

REGISTRY: Final = "runRegistry"
EVENTS: Final = b"events"


class BoltEngine(Engine):
    """Gofer's storage in a bolt file. `engine.open_engine` makes one."""

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        compat: Compat = "python",
        max_results_limit: int | None = None,
        **options: Any,
    ) -> None:
        """Open the file for reading; see `storm.open_database` for how, and for the errors.

        Args:
            path: The file.
            compat: "python", or "gofer" for exactly what Gofer's Go code answers.
            max_results_limit: The most that a page of a listing may hold; None for no cap. Gofer's own default is 100.
            options: For `boltpy.open`.
        """
        if compat not in ("python", "gofer"):
            raise ValueError(f"compat is 'python' or 'gofer', not {compat!r}")
        self._gofer = compat == "gofer"
        self._max_results_limit = max_results_limit
        self._db = open_database(path, **options)
        with self._db.view() as tx:
            # Gofer of 2022 made this bucket, and knows only the latest form of what it reads.
            self._late = tx.bucket(EVENTS) is not None

    def close(self) -> None:
        self._db.close()

    def __repr__(self) -> str:
        return f"<BoltEngine {str(self._db.path)!r} compat={'gofer' if self._gofer else 'python'}>"

    # --- namespaces ---

    def get_all_namespaces(self, *, offset: int = 0, limit: int = 0) -> list[Namespace]:
        with self._reading() as tx:
            return self._seen(Records(tx, Namespace).all(offset=offset, limit=self._limit(limit)))

    def get_namespace(self, *, id: str) -> Namespace:
        return self._get(Namespace, {"id": id})

    # --- tokens ---

    def get_all_tokens(
        self, *, namespaces: Collection[str] | None = None, offset: int = 0, limit: int = 0
    ) -> list[Token]:
        if isinstance(namespaces, str):
            raise TypeError("namespaces is a collection of ids, not a str")
        limit = self._limit(limit)
        with self._reading() as tx:
            tokens = Records(tx, Token)
            if not namespaces:
                return self._seen(tokens.all(offset=offset, limit=limit))
            if self._gofer:
                # Gofer hands its query a slice where a pointer to one is asked for.
                raise EngineError("provided target must be a pointer to slice")
            wanted = set(namespaces)
            found = [token for token in tokens.all() if not wanted.isdisjoint(token.namespaces or ())]
            return _page(found, offset, limit)

    def get_token(self, *, hash: str) -> Token:
        return self._get(Token, {"hash": hash})

    # --- pipelines ---

    def get_all_pipelines(self, *, namespace_id: str, offset: int = 0, limit: int = 0) -> list[Pipeline]:
        limit = self._limit(limit)
        with self._reading() as tx:
            pipelines = Records(tx, Pipeline, namespace_id)
            if not self._gofer:
                found = sorted(pipelines.all(), key=lambda it: (key_of(it.created), key_of(it.id)), reverse=True)
                return _page(found, offset, limit)
            try:
                return self._seen(pipelines.all_by_index("created", offset=offset, limit=limit, reverse=True))
            except RecordNotFound:
                return []

    def get_pipeline(self, *, namespace_id: str, id: str) -> Pipeline:
        return self._get(Pipeline, {"namespace_id": namespace_id, "id": id})

    # --- runs ---

    def get_all_runs(self, *, namespace_id: str, pipeline_id: str, offset: int = 0, limit: int = 0) -> list[Run]:
        with self._reading() as tx:
            runs = Records(tx, Run, namespace_id, pipeline_id)
            return self._seen(runs.all(offset=offset, limit=self._limit(limit), reverse=True))

    def get_run(self, *, namespace_id: str, pipeline_id: str, id: int) -> Run:
        return self._get(Run, {"namespace_id": namespace_id, "pipeline_id": pipeline_id, "id": id})

    # --- task runs ---

    def get_all_task_runs(self, *, namespace_id: str, pipeline_id: str, run_id: int) -> list[TaskRun]:
        with self._reading() as tx:
            task_runs = Records(tx, TaskRun, namespace_id, pipeline_id, _run_level(run_id))
            if self._gofer:
                return self._seen(task_runs.all_by_index("created"))
            return sorted(task_runs.all(), key=lambda it: (key_of(it.created), key_of(it.id)))

    def get_task_run(self, *, namespace_id: str, pipeline_id: str, run_id: int, id: str) -> TaskRun:
        place = {"namespace_id": namespace_id, "pipeline_id": pipeline_id, "run_id": run_id, "id": id}
        return self._get(TaskRun, place)

    # --- trigger events ---

    def get_all_trigger_events(
        self, *, namespace_id: str, pipeline_id: str, pipeline_trigger_label: str, offset: int = 0, limit: int = 0
    ) -> list[TriggerEvent]:
        with self._reading() as tx:
            events = Records(tx, TriggerEvent, namespace_id, pipeline_id, pipeline_trigger_label)
            return self._seen(events.all(offset=offset, limit=self._limit(limit), reverse=True))

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
        with self._reading() as tx:
            return set(read_registrations(tx, strict=self._gofer))

    def registration_exists(self, *, namespace: str, pipeline: str, run: int) -> bool:
        with self._reading() as tx:
            return RunRegistryKey(namespace, pipeline, run) in KeyValues(tx, REGISTRY)

    # --- logins for container registries ---

    def get_all_docker_registry_auths(self) -> list[DockerRegistryAuth]:
        with self._reading() as tx:
            return self._seen(Records(tx, DockerRegistryAuth).all())

    def get_docker_registry_auth(self, *, registry: str) -> DockerRegistryAuth:
        return self._get(DockerRegistryAuth, {"registry": registry})

    # --- what they share ---

    @contextmanager
    def _reading(self) -> Iterator[boltpy.Tx]:
        """A snapshot to read from; where Gofer's words are wanted, errors lose what we add to them."""
        try:
            with self._db.view() as tx:
                yield tx
        except RecordError as error:
            if self._gofer:
                raise RecordError(error.reason) from None
            raise

    def _seen(self, found: Iterable[E]) -> list[E]:
        """What was found, as the temper sees it: Gofer knows nothing of members that its structs do not have."""
        entities = list(found)
        if self._gofer:
            for entity in entities:
                forget(entity, latest=self._late)
        return entities

    def _get(self, entity: type[E], key: Mapping[str, Any]) -> E:
        """The one entity that `key` names: its last item is the id, those before it are levels of buckets."""
        *path, wanted = (_run_level(value) if name == "run_id" else value for name, value in key.items())
        with self._reading() as tx:
            try:
                return self._seen([Records(tx, entity, *path).get(wanted)])[0]
            except RecordNotFound:
                facts = ", ".join(f"{name}={value!r}" for name, value in key.items())
                message = "" if self._gofer else f"{EntityNotFound.TEXT}: {entity.__name__} {facts}"
                raise EntityNotFound(message, entity=entity.__name__, key=key) from None

    def _limit(self, limit: int) -> int:
        """The limit that counts; negative for none."""
        if self._max_results_limit is not None and (limit == 0 or limit > self._max_results_limit):
            return self._max_results_limit
        return limit or -1


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


def _run_level(run_id: object) -> str:
    """The name of the bucket with what belongs to a run."""
    if not isinstance(run_id, int) or isinstance(run_id, bool):
        raise TypeError(f"run_id is of type int, not {type(run_id).__name__}")
    return str(int(run_id))


def _page(found: list[T], offset: int, limit: int) -> list[T]:
    start = max(offset, 0)
    return found[start:] if limit < 0 else found[start : start + limit]
