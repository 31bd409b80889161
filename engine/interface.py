"""The contract of a storage engine: every method, its order, limits and errors, said once for all implementations.

Gofer keeps its state behind this interface, and databases are pluggable: what is said here holds for each of them.

Order. Ids that are strings sort by their UTF-8 bytes. Ids and times that are numbers sort as unsigned 64-bit numbers,
so that negative ones, which Gofer never makes, count as the greatest.

Pages. Listings with `offset` and `limit` skip `offset` entities (0 or less: none) and return at most `limit`. A limit
of 0, and one above the engine's `max_results_limit`, stands for `max_results_limit`; an engine without one has no cap.
A negative limit means no limit, not even the engine's. The other listings are always complete.

Storing. Entities are handed over whole and are not kept: changing one afterwards changes nothing stored. `add_*` stores
a new one; a run, trigger event or event whose id is 0 is given the next number of its kind and place, which it then has
as its id, and which is greater than all before it. `update_*` stores all fields of an entity in place of what is there.
So read, change and store in one `transaction` where others write too: what they stored in between would be lost.
Members of stored JSON that a class has no field for survive an update. (Gofer: a field that is 0, "", False or None
keeps what is stored, and members without a field are lost.) Nothing checks that a namespace exists.

Errors. `EntityNotFound`, `EntityExists` and `PreconditionFailed` are the errors that single methods speak of, and after
one of them nothing is changed. `PreconditionFailed` comes from each method that takes an entity: a field has a value of
another type, or one that names the entity is empty, too long or reserved (attribute `field`). `EngineError` means that
something stored can not be understood, and then the whole call fails. What the database below raises (a damaged file, a
closed one) passes through; for bolt that is a `boltpy.BoltError`. Wrong argument types are a `TypeError`.

Every call sees one state of the database, and what it changes is changed as a whole or not at all. Entities that are
returned are the caller's own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Self, TypeVar

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
from .optional import OptionalParts

E = TypeVar("E")


class Engine(OptionalParts, ABC):
    """Gofer's storage. A context manager: leaving the block closes it.

    Derive from it to keep the same things in another database, and `register` the way to open that.

    `compat="python"`, the default, is what is described here. With `compat="gofer"` an engine answers as Gofer's own Go
    code does, its mistakes included; the methods say where that differs.
    """

    @abstractmethod
    def close(self) -> None:
        """Release the database. Closing twice is fine; any other call after it is an error."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def transaction(self) -> AbstractContextManager[None]:
        """A block whose calls are stored together, when it ends, or not at all, if an exception leaves it.

            with storage.transaction():
                run = storage.get_run(namespace_id="default", pipeline_id="simple", id=3)
                run.status = RunState.FAILED
                storage.update_run(run)

        The calls of this thread see what the block has changed. Those of other threads see it when it has ended, and
        wait with writing until then, on etcd no longer than its timeout. A block within a block belongs to the outer
        one.

        An error that is caught inside leaves the block as it was before the call, and the rest can be stored, if the
        call only reads, or if it is an `EntityNotFound`, `EntityExists`, `PreconditionFailed` or a TypeError. After any
        other error of a call that writes, after what only the database below could refuse (a name that is taken there,
        a `PreconditionFailed` too), and after an exception that leaves an inner block, nothing can be saved: whatever
        comes next in the block, and its end, is an EngineError. Numbers that were given to entities are taken back when
        the block is not stored (their ids are 0 again).

        Where several processes write to the same database (etcd), nobody waits for another one's block. All of its
        reads see one state, and what it read must still be so at its end.

        Raises:
            Conflict: At the end of the block: it is not so. Nothing is stored, and the block can be tried again.
            OutcomeUnknown: At the end of the block: the database stopped answering.
            TransactionTooLarge: At the end of the block: it holds more than the database takes at once.
        """

    def walk(self, kind: type[E]) -> Iterator[E]:
        """All entities of one class, wherever they are, in any order; for copies of a whole database.

        An engine of somebody else's that does not know better finds what the listings lead to, from namespaces with a
        record and the triggers of their pipelines.

        Args:
            kind: A class of entities, `engine.RunRegistryKey` among them.

        Returns:
            An iterator over one state of the database, which a block may change meanwhile; take all of it, or close it.

        Raises:
            EngineError: As the listings. From a bolt file also if an entity has another name in it than the one that
                it is stored under; `gofer-db check --repair` mends that.
            TypeError: That is no class of entities.
        """
        return _listed(self, kind)

    # --- namespaces ---

    @abstractmethod
    def get_all_namespaces(self, *, offset: int = 0, limit: int = 0) -> list[Namespace]:
        """A page of all namespaces, those marked as deleted included, by id."""

    @abstractmethod
    def get_namespace(self, *, id: str) -> Namespace:
        """The namespace `id`.

        Raises:
            EntityNotFound: There is none.
        """

    @abstractmethod
    def add_namespace(self, namespace: Namespace) -> None:
        """Store a new namespace.

        Raises:
            EntityExists: There is one with that id.
            PreconditionFailed: See at the top; so for each method that takes an entity.
        """

    @abstractmethod
    def update_namespace(self, namespace: Namespace) -> None:
        """Store all fields of a namespace.

        Raises:
            EntityNotFound: There is none with that id.
        """

    # --- tokens ---

    @abstractmethod
    def get_all_tokens(
        self, *, namespaces: Collection[str] | None = None, offset: int = 0, limit: int = 0
    ) -> list[Token]:
        """A page of all tokens, by hash.

        Args:
            namespaces: Only tokens that name at least one of these; None or empty for all tokens. `offset` and `limit`
                count what is left. (Gofer: any such filter fails with "provided target must be a pointer to slice".)
        """

    @abstractmethod
    def get_token(self, *, hash: str) -> Token:
        """The token with that hash, 64 hex digits.

        Raises:
            EntityNotFound: There is none.
        """

    @abstractmethod
    def add_token(self, token: Token) -> None:
        """Store a new token.

        Raises:
            EntityExists: There is one with that hash.
        """

    @abstractmethod
    def delete_token(self, *, hash: str) -> None:
        """Delete the token with that hash.

        Raises:
            EntityNotFound: There is none.
        """

    # --- pipelines ---

    @abstractmethod
    def get_all_pipelines(self, *, namespace_id: str, offset: int = 0, limit: int = 0) -> list[Pipeline]:
        """A page of the namespace's pipelines, the latest `created` first and equal ones by id, greatest first.

        A namespace that does not exist has none. (Gofer: pipelines whose `created` is 0 are left out.)
        """

    @abstractmethod
    def get_pipeline(self, *, namespace_id: str, id: str) -> Pipeline:
        """The pipeline `id` of the namespace.

        Raises:
            EntityNotFound: There is none.
        """

    @abstractmethod
    def add_pipeline(self, pipeline: Pipeline) -> None:
        """Store a new pipeline in its namespace.

        Raises:
            EntityExists: The namespace has one with that id.
        """

    @abstractmethod
    def update_pipeline(self, pipeline: Pipeline) -> None:
        """Store all fields of a pipeline.

        Raises:
            EntityNotFound: There is none with that id in its namespace.
        """

    # --- runs ---

    @abstractmethod
    def get_all_runs(self, *, namespace_id: str, pipeline_id: str, offset: int = 0, limit: int = 0) -> list[Run]:
        """A page of the pipeline's runs, the greatest id first. A pipeline that does not exist has none."""

    @abstractmethod
    def get_run(self, *, namespace_id: str, pipeline_id: str, id: int) -> Run:
        """The run with that number.

        Raises:
            EntityNotFound: There is none.
        """

    @abstractmethod
    def add_run(self, run: Run) -> None:
        """Store a new run, and note its number and the time in its pipeline (`last_run_id`, `last_run_time`).

        Raises:
            EntityNotFound: There is no such pipeline.
            EntityExists: The run brings a number along, and there is one with it. (Gofer: that one is replaced.)
        """

    @abstractmethod
    def update_run(self, run: Run) -> None:
        """Store all fields of a run, `task_runs` too.

        Raises:
            EntityNotFound: There is none with that number in its pipeline.
        """

    # --- task runs ---

    @abstractmethod
    def get_all_task_runs(self, *, namespace_id: str, pipeline_id: str, run_id: int) -> list[TaskRun]:
        """All task runs of a run, the earliest `created` first and equal ones by id.

        A run without any, or that does not exist, has none. (Gofer: that is an error, "not found"; and task runs whose
        `created` is 0 are left out.)
        """

    @abstractmethod
    def get_task_run(self, *, namespace_id: str, pipeline_id: str, run_id: int, id: str) -> TaskRun:
        """The task run `id` of that run.

        Raises:
            EntityNotFound: There is none.
        """

    @abstractmethod
    def add_task_run(self, task_run: TaskRun) -> None:
        """Store a new task run, and append its id to the `task_runs` of its run.

        Raises:
            EntityNotFound: There is no such run.
            EntityExists: The run has one with that id.
        """

    @abstractmethod
    def update_task_run(self, task_run: TaskRun) -> None:
        """Store all fields of a task run.

        Raises:
            EntityNotFound: There is none with that id in its run. (Gofer: an error of other words, "not found".)
        """

    # --- trigger events ---

    @abstractmethod
    def get_all_trigger_events(
        self, *, namespace_id: str, pipeline_id: str, pipeline_trigger_label: str, offset: int = 0, limit: int = 0
    ) -> list[TriggerEvent]:
        """A page of the events of one trigger of a pipeline, the greatest id first. What does not exist has none."""

    @abstractmethod
    def get_trigger_event(
        self, *, namespace_id: str, pipeline_id: str, pipeline_trigger_label: str, id: int
    ) -> TriggerEvent:
        """The event with that number, of that trigger.

        Raises:
            EntityNotFound: There is none.
        """

    @abstractmethod
    def add_trigger_event(self, event: TriggerEvent) -> None:
        """Store a new event of a trigger; whether there is such a pipeline is not checked.

        Raises:
            EntityExists: The event brings a number along, and there is one with it. (Gofer: that one is replaced.)
        """

    @abstractmethod
    def update_trigger_event(self, event: TriggerEvent) -> None:
        """Store all fields of an event.

        Raises:
            EntityNotFound: There is none with that number, of that trigger.
        """

    # --- runs that somebody waits for ---

    @abstractmethod
    def get_all_run_registrations(self) -> set[RunRegistryKey]:
        """All registered runs, of all pipelines."""

    @abstractmethod
    def registration_exists(self, *, namespace: str, pipeline: str, run: int) -> bool:
        """Whether that run is registered."""

    @abstractmethod
    def register_run(self, *, namespace: str, pipeline: str, run: int) -> None:
        """Register a run; one that is registered stays so."""

    @abstractmethod
    def unregister_run(self, *, namespace: str, pipeline: str, run: int) -> None:
        """Take a run's registration away; one that has none is fine."""

    # --- logins for container registries ---

    @abstractmethod
    def get_all_docker_registry_auths(self) -> list[DockerRegistryAuth]:
        """All logins, by registry."""

    @abstractmethod
    def get_docker_registry_auth(self, *, registry: str) -> DockerRegistryAuth:
        """The login for that registry.

        Raises:
            EntityNotFound: There is none.
        """

    @abstractmethod
    def add_docker_registry_auth(self, auth: DockerRegistryAuth) -> None:
        """Store a new login.

        Raises:
            EntityExists: There is one for that registry.
        """

    @abstractmethod
    def remove_docker_registry_auth(self, *, registry: str) -> None:
        """Delete the login for that registry.

        Raises:
            EntityNotFound: There is none.
        """


def _listed(storage: Engine, kind: type[Any]) -> Iterator[Any]:
    if kind is Namespace:
        yield from storage.get_all_namespaces(limit=-1)
    elif kind is Token:
        yield from storage.get_all_tokens(limit=-1)
    elif kind is DockerRegistryAuth:
        yield from storage.get_all_docker_registry_auths()
    elif kind is RunRegistryKey:
        yield from storage.get_all_run_registrations()
    elif kind is Event:
        yield from storage.get_all_events(limit=-1)
    elif kind is Pipeline:
        for namespace in storage.get_all_namespaces(limit=-1):
            yield from storage.get_all_pipelines(namespace_id=namespace.id, limit=-1)
    elif kind in (Run, TriggerEvent):
        for pipeline in storage.walk(Pipeline):
            place: dict[str, Any] = {"namespace_id": pipeline.namespace, "pipeline_id": pipeline.id}
            if kind is Run:
                yield from storage.get_all_runs(**place, limit=-1)
                continue
            for label in pipeline.triggers or ():
                yield from storage.get_all_trigger_events(**place, pipeline_trigger_label=label, limit=-1)
    elif kind is TaskRun:
        for run in storage.walk(Run):
            place = {"namespace_id": run.namespace_id, "pipeline_id": run.pipeline_id}
            yield from storage.get_all_task_runs(**place, run_id=run.id)
    else:
        raise TypeError(f"kind is a class of entities, not {kind!r}")
