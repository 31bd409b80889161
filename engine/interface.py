"""The contract of a storage engine: every method, its order, limits and errors, said once for all implementations.

Gofer keeps its state behind this interface, and databases are pluggable: what is said here holds for each of them.

Order. Ids that are strings sort by their UTF-8 bytes. Ids and times that are numbers sort as unsigned 64-bit numbers,
so that negative ones, which Gofer never makes, count as the greatest.

Pages. Listings with `offset` and `limit` skip `offset` entities (0 or less: none) and return at most `limit`. A limit
of 0, and one above the engine's `max_results_limit`, stands for `max_results_limit`; an engine without one has no cap.
A negative limit means no limit, not even the engine's. The other listings are always complete.

Errors. `EntityNotFound` is the only error of its own that a reading method promises. `EngineError` means that something
stored can not be understood, and then the whole call fails. What the database below raises (a damaged file, a closed
one) passes through; for bolt that is a `boltpy.BoltError`. Wrong argument types are a `TypeError`.

Every call sees one state of the database. Entities that are returned are the caller's own: changing them changes
nothing stored.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from types import TracebackType
from typing import Self

from .models import (
    DockerRegistryAuth,
    Namespace,
    Pipeline,
    Run,
    RunRegistryKey,
    TaskRun,
    Token,
    TriggerEvent,
)


class Engine(ABC):
    """Gofer's storage. A context manager: leaving the block closes it.

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

    # --- runs that somebody waits for ---

    @abstractmethod
    def get_all_run_registrations(self) -> set[RunRegistryKey]:
        """All registered runs, of all pipelines."""

    @abstractmethod
    def registration_exists(self, *, namespace: str, pipeline: str, run: int) -> bool:
        """Whether that run is registered."""

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
