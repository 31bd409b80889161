"""What etcd answers: the reading half of `EtcdEngine`, and what both halves stand on."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, TypeVar

from ..arguments import limit_of, wanted_namespaces
from ..counters import Counter
from ..errors import EngineError, EntityExists, EntityNotFound, RecordError
from ..interface import Engine
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
    decode,
)
from ..optional import OptionalParts
from ..places import by_creation
from ..storm.layout import page
from ..tools.kinds import kind_of
from ..validation import can_be_registered
from ..watching import Watch
from . import messages
from .channels import KV_RANGE, Channels
from .groups import Groups
from .layout import Layout, Parts, Span, arguments
from .watches import Watches
from .work import Pair, Work

E = TypeVar("E")

LAST = 2**63 - 1
"""The last number that can be given out."""

_DELETABLE = (Token, DockerRegistryAuth, RunRegistryKey, Event)


class EtcdQueries(Engine):
    """The methods that read. What writes is in `EtcdEngine`."""

    def __init__(self, channels: Channels, layout: Layout, groups: Groups, *, max_results_limit: int | None) -> None:
        """Args: `channels`, which the engine closes; for the others see `EtcdEngine`."""
        self._channels = channels
        self._layout = layout
        self._groups = groups
        self._watches = Watches(channels, layout)
        self._limit = partial(limit_of, most=max_results_limit)

    def close(self) -> None:
        if self._channels.home.is_left:
            return
        self._watches.close()
        self._groups.close()
        self._channels.close()

    def transaction(self) -> AbstractContextManager[None]:
        return self._groups.grouping()

    def watch(self, kind: type[Any] | None = None, *, since: int | None = None) -> Watch:
        return self._watches.begin(kind, since)

    def shares_data(self, other: OptionalParts) -> bool:
        if not isinstance(other, EtcdQueries) or self._layout.prefix != other._layout.prefix:
            return False
        (cluster, before), (others, between), (_, after) = self._stands(), other._stands(), self._stands()
        # Clusters that were set up alike have the same id; so the other's revision must be where this one's is, too.
        return cluster == others and before <= between <= after

    def _stands(self) -> tuple[int, int]:
        """The id of the cluster that answers, and the revision of the last change in all of it."""
        answer = self._channels.ask(KV_RANGE, messages.RangeRequest(key=self._layout.format, keys_only=True))
        return answer.header.cluster_id, answer.header.revision

    def __repr__(self) -> str:
        return f"<EtcdEngine {self._channels.address}>"

    # --- namespaces ---

    def get_all_namespaces(self, *, offset: int = 0, limit: int = 0) -> list[Namespace]:
        return self._page(Namespace, (), offset, limit)

    def get_namespace(self, *, id: str) -> Namespace:
        return self._get(Namespace, id)

    # --- tokens ---

    def get_all_tokens(
        self, *, namespaces: Collection[str] | None = None, offset: int = 0, limit: int = 0
    ) -> list[Token]:
        wanted = wanted_namespaces(namespaces)
        if not wanted:
            return self._page(Token, (), offset, limit)
        most = self._limit(offset, limit)
        found = (it for it in self._all(Token) if not wanted.isdisjoint(it.namespaces or ()))
        return list(page(found, offset, most))

    def get_token(self, *, hash: str) -> Token:
        return self._get(Token, hash)

    # --- pipelines ---

    def get_all_pipelines(self, *, namespace_id: str, offset: int = 0, limit: int = 0) -> list[Pipeline]:
        most = self._limit(offset, limit)
        place = self._layout.entities(Pipeline, (namespace_id,))
        index = self._layout.pipelines(namespace_id)

        def answer(work: Work) -> list[Pipeline]:
            # Of pipelines that are read one by one, a block would have to note each.
            work.remember(place)
            names = [value.decode() for _, value in work.items(index, offset=max(offset, 0), limit=most)]
            keys = [self._key(Pipeline, namespace_id, name) for name in names]
            return [self._decoded(Pipeline, key, value) for key, value in zip(keys, work.get_many(keys), strict=True)]

        return self._groups.read(answer)

    def get_pipeline(self, *, namespace_id: str, id: str) -> Pipeline:
        return self._get(Pipeline, namespace_id, id)

    # --- runs ---

    def get_all_runs(self, *, namespace_id: str, pipeline_id: str, offset: int = 0, limit: int = 0) -> list[Run]:
        return self._page(Run, (namespace_id, pipeline_id), offset, limit)

    def get_run(self, *, namespace_id: str, pipeline_id: str, id: int) -> Run:
        return self._get(Run, namespace_id, pipeline_id, id)

    # --- task runs ---

    def get_all_task_runs(self, *, namespace_id: str, pipeline_id: str, run_id: int) -> list[TaskRun]:
        # All of them are wanted, so an index would only be a second way to read the same.
        return sorted(self._all(TaskRun, namespace_id, pipeline_id, run_id), key=by_creation)

    def get_task_run(self, *, namespace_id: str, pipeline_id: str, run_id: int, id: str) -> TaskRun:
        return self._get(TaskRun, namespace_id, pipeline_id, run_id, id)

    # --- trigger events ---

    def get_all_trigger_events(
        self, *, namespace_id: str, pipeline_id: str, pipeline_trigger_label: str, offset: int = 0, limit: int = 0
    ) -> list[TriggerEvent]:
        return self._page(TriggerEvent, (namespace_id, pipeline_id, pipeline_trigger_label), offset, limit)

    def get_trigger_event(
        self, *, namespace_id: str, pipeline_id: str, pipeline_trigger_label: str, id: int
    ) -> TriggerEvent:
        return self._get(TriggerEvent, namespace_id, pipeline_id, pipeline_trigger_label, id)

    # --- runs that somebody waits for ---

    def get_all_run_registrations(self) -> set[RunRegistryKey]:
        return set(self._all(RunRegistryKey))

    def registration_exists(self, *, namespace: str, pipeline: str, run: int) -> bool:
        if not can_be_registered(RunRegistryKey(namespace, pipeline, run)):
            return False
        key = self._key(RunRegistryKey, namespace, pipeline, run)
        return self._groups.read(lambda work: work.get(key)) is not None

    # --- logins for container registries ---

    def get_all_docker_registry_auths(self) -> list[DockerRegistryAuth]:
        return self._all(DockerRegistryAuth)

    def get_docker_registry_auth(self, *, registry: str) -> DockerRegistryAuth:
        return self._get(DockerRegistryAuth, registry)

    # --- the event log ---

    def get_all_events(self, *, offset: int = 0, limit: int = 0, reverse: bool = False) -> list[Event]:
        return self._page(Event, (), offset, limit, reverse=reverse)

    def get_event(self, *, id: int) -> Event:
        return self._get(Event, id)

    # --- everything ---

    def walk(self, kind: type[E]) -> Iterator[E]:
        kind_of(kind)
        return self._walk(kind)

    def _walk(self, kind: type[E]) -> Iterator[E]:
        found = self._pairs(self._groups.reading(), kind, self._layout.entities(kind))
        yield from (self._decoded(kind, key, value) for key, value in found)

    def counters(self) -> list[Counter]:
        def answer(work: Work) -> list[Counter]:
            stored = [(*self._layout.counted(key), self._number(key, value)) for key, value in work.items(counters)]
            return [Counter(kind, place, last) for kind, place, last in stored if last]

        counters = self._layout.counters
        return self._groups.read(answer)

    def _number(self, key: bytes, value: bytes | None) -> int:
        """The number that a counter stands at."""
        if value is None:
            return 0
        if not value.isdigit() or len(value) > len(str(LAST)) or int(value) > LAST:
            raise EngineError(f"etcd has a counter that is no number: {key!r} is {value!r}")
        return int(value)

    # --- what both halves stand on ---

    def _key(self, kind: type[Any], *parts: Any) -> bytes:
        """The key of an entity; EntityNotFound if there can be none."""
        key = self._layout.entity(kind, parts)
        if key is None:
            raise about(EntityNotFound, kind, parts)
        return key

    def _get(self, kind: type[E], *parts: Any) -> E:
        key = self._key(kind, *parts)
        return self._groups.read(lambda work: self._load(work, kind, key, parts))

    def _load(self, work: Work, kind: type[E], key: bytes, parts: Parts) -> E:
        """The entity with a key; EntityNotFound if there is none."""
        value = work.get(key)
        if value is None:
            raise about(EntityNotFound, kind, parts)
        return self._decoded(kind, key, value)

    def _page(self, kind: type[E], place: Parts, offset: int, limit: int, *, reverse: bool = False) -> list[E]:
        """A page of what is in a place, in the order of the keys."""
        most = self._limit(offset, limit)
        span = self._layout.entities(kind, place)
        return self._groups.read(lambda work: self._listed(work, kind, span, max(offset, 0), most, reverse=reverse))

    def _all(self, kind: type[E], *place: Any) -> list[E]:
        span = self._layout.entities(kind, place)
        return self._groups.read(lambda work: self._listed(work, kind, span, 0, -1))

    def _listed(
        self, work: Work, kind: type[E], span: Span, offset: int, limit: int, *, reverse: bool = False
    ) -> list[E]:
        found = self._pairs(work, kind, span, offset=offset, limit=limit, reverse=reverse)
        return [self._decoded(kind, key, value) for key, value in found]

    def _pairs(self, work: Work, kind: type[Any], span: Span, **page: Any) -> Iterator[Pair]:
        """The keys and values of a listing, in a block with all that its end has to compare."""
        if self._groups.is_open and kind in _DELETABLE:
            work.get(self._layout.deletions(kind))
        return work.items(span, **page)

    def _decoded(self, kind: type[E], key: bytes, value: bytes | None) -> E:
        if kind is RunRegistryKey:
            # A registration is all in its key.
            return kind(**self._layout.kind_and_key(key)[1])
        try:
            if value is None:
                raise RecordError("the index names what is not there")
            return decode(kind, value)
        except RecordError as error:
            names = self._layout.kind_and_key(key)[1]
            place = " / ".join((kind.__name__, *map(str, names.values())))
            raise RecordError(error.reason, place=place) from None


def about(error: type[EntityNotFound] | type[EntityExists], kind: type[Any], parts: Parts) -> EngineError:
    """The error with the entity that it is about."""
    key = dict(zip(arguments(kind), parts, strict=True))
    facts = ", ".join(f"{name}={value!r}" for name, value in key.items())
    return error(f"{error.TEXT}: {kind.__name__} {facts}", entity=kind.__name__, key=key)
