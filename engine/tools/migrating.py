"""Takes everything from one engine to another, and proves that it is there.

What the target holds already in the same form is left as it is. So a migration that was cut short goes on where it
stopped: run again, it stores only what is missing or different. Numbers, and what runs and pipelines note of what is
below them, are as in the source. So are the last numbers that were given out: what was deleted there gives its number
to nothing here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from ..counters import Counter
from ..errors import EngineError, EntityNotFound, TransactionTooLarge
from ..forms import inherited
from ..interface import Engine
from ..models import Event, Run, RunRegistryKey, TaskRun
from ..optional import OptionalParts
from ..wire import encode
from .kinds import KINDS, Kind, kind_of

Named = tuple[str, tuple[str | int, ...]]
"""The name of a kind, and what names one of its entities."""

Place = tuple[type[Any], tuple[str, ...]]
"""A class that is counted, and what names a place of it."""

Tick = Callable[[], object]

_AT_ONCE: Final = 25
"""Entities in a transaction: each takes a few operations, of which a server of etcd's takes 128."""

_SHOWN: Final = 3

# What is found again by its place comes before what is below it.
_ORDER: Final = (
    "namespace",
    "token",
    "docker_registry",
    "pipeline",
    "run",
    "task_run",
    "trigger_event",
    "registration",
    "event",
)


@dataclass(slots=True)
class Migration:
    """One migration: `survey`, `store` and `verify`, in that order.

    Attributes:
        source: The engine that is only read.
        target: The engine that is written to, by nobody else meanwhile.
        stored: How many entities were stored, by kind.
        unchanged: How many were there already.
    """

    source: Engine
    target: Engine
    stored: dict[str, int] = field(default_factory=dict)
    unchanged: int = 0
    _wanted: dict[Named, bytes] = field(default_factory=dict)
    _there: dict[Named, bytes] = field(default_factory=dict)
    _touched: set[Named] = field(default_factory=set)

    def survey(self, tick: Tick) -> int:
        """See what both hold, and return how many entities the source has.

        Raises:
            EngineError: The target holds what the source does not; then it is not the place for it.
        """
        self._wanted = _digests(self.source, tick)
        self._there = _found(self.target, self._wanted, tick)
        extra = [name for name in self._there if name not in self._wanted]
        if extra:
            raise EngineError(f"the target holds {len(extra)} entities that the source does not: {_shown(extra)}")
        return len(self._wanted)

    def store(self, tick: Tick) -> None:
        """Store what the target lacks, or has in another form.

        Raises:
            EngineError: The target can not take an entity; the text names it. What is stored stays, and another attempt
                goes on from there.
        """
        for name in _ORDER:
            kind = KINDS[name]
            for batch in _batches(self._missing(kind, tick)):
                self._put_all(kind, batch)
        # What was stored below them is noted in these, in another order and at other times than in the source.
        for name in ("run", "pipeline"):
            kind = KINDS[name]
            touched = (it for it in self.source.walk(kind.entity) if _named(kind, it) in self._touched)
            for batch in _batches(touched):
                self._group(kind, batch, self._update)
        for counter in _behind(_counters(self.source, self._wanted), _counters(self.target, self._wanted)):
            try:
                self.target.raise_counter(counter)
            except EngineError as error:
                about = f"the last number {counter.last} of {_shown([_place(counter)])} can not be stored in the target"
                raise EngineError(f"{about}: {error}") from None

    def verify(self, tick: Tick) -> int:
        """Compare all entities of both, and the last numbers that were given out; return how many entities they are.

        Raises:
            EngineError: They are not the same.
        """
        wanted = _digests(self.source, tick)
        found = _found(self.target, wanted, tick)
        missing = [name for name in wanted if name not in found]
        extra = [name for name in found if name not in wanted]
        different = [name for name, digest in found.items() if name in wanted and digest != wanted[name]]
        behind = [_place(it) for it in _behind(_counters(self.source, wanted), _counters(self.target, found))]
        said = [
            f"{len(names)} {what}: {_shown(names)}"
            for what, names in (
                ("are missing in the target", missing),
                ("are in the target only", extra),
                ("differ", different),
                ("places would give numbers of the source again", behind),
            )
            if names
        ]
        if said:
            raise EngineError(
                f"source and target do not hold the same ({'; '.join(said)}): if somebody has written to one of them "
                "meanwhile, run it again"
            )
        return len(wanted)

    # --- one kind ---

    def _missing(self, kind: Kind, tick: Tick) -> Iterator[Any]:
        """The entities of the source that are not in the target as they should be."""
        if kind.entity is Event and not has_events(self.source):
            return
        for entity in self.source.walk(kind.entity):
            name = _named(kind, entity)
            tick()
            if self._there.get(name) == _digest(entity):
                self.unchanged += 1
            else:
                self.stored[kind.name] = self.stored.get(kind.name, 0) + 1
                yield entity

    def _put_all(self, kind: Kind, batch: list[Any]) -> None:
        self._group(kind, batch, self._put)
        for entity in batch:
            if isinstance(entity, Run):
                self._touched.add(("pipeline", (entity.namespace_id, entity.pipeline_id)))
            elif isinstance(entity, TaskRun):
                self._touched.add(("run", (entity.namespace_id, entity.pipeline_id, entity.run_id)))

    def _group(self, kind: Kind, batch: list[Any], call: Callable[[Kind, Any], None]) -> None:
        """Make a call for each entity, all in one transaction, or in more where that is too much for the target."""
        refused: EngineError | None = None
        try:
            with self.target.transaction():
                for entity in batch:
                    try:
                        call(kind, entity)
                    except EngineError as error:
                        refused = _unfit(kind, entity, error)
                        raise
        except TransactionTooLarge as error:
            if len(batch) == 1:
                raise _unfit(kind, batch[0], error) from None
            half = len(batch) // 2
            self._group(kind, batch[:half], call)
            self._group(kind, batch[half:], call)
        except EngineError:
            if refused is None:
                raise
            raise refused from None

    def _put(self, kind: Kind, entity: Any) -> None:
        is_there = _named(kind, entity) in self._there
        match kind.name:
            case "registration":
                self.target.register_run(**_arguments(kind, entity))
            case "namespace" | "pipeline" | "run" | "task_run" | "trigger_event" if is_there:
                self._require_replaceable(kind, entity)
                self._update(kind, entity)
            case _:
                if is_there:  # nothing updates a token, a login or an event
                    verb = "remove" if kind.name == "docker_registry" else "delete"
                    getattr(self.target, f"{verb}_{kind.method}")(**_arguments(kind, entity))
                if kind.is_numbered and not kind.key_of(entity)[-1]:
                    raise EngineError("its number is 0, for which another one would be given out")
                getattr(self.target, f"add_{kind.method}")(entity)

    def _require_replaceable(self, kind: Kind, entity: Any) -> None:
        """Raise EngineError if an update would leave in the target what the source does not have."""
        there = getattr(self.target, f"get_{kind.method}")(**_arguments(kind, entity))
        if encode(inherited(entity, there)) != encode(entity):
            raise EngineError(
                "what is there has members that no class here has and the source lacks, and an update keeps them: "
                "migrate to an empty target"
            )

    def _update(self, kind: Kind, entity: Any) -> None:
        getattr(self.target, f"update_{kind.name}")(entity)


def _unfit(kind: Kind, entity: Any, error: EngineError) -> EngineError:
    about = f"the {_shown([_named(kind, entity)])} can not be stored in the target"
    if isinstance(error, EntityNotFound):
        return EngineError(f"{about}: what it belongs to is not in the source ({error})")
    return EngineError(f"{about}: {error}")


def has_events(storage: Engine) -> bool:
    """Whether an engine has a log of events in which something is, or was."""
    if type(storage).get_all_events is Engine.get_all_events:
        return False
    return bool(storage.get_all_events(limit=1)) or (Event, ()) in _counters(storage, ())


def _digests(storage: Engine, tick: Tick) -> dict[Named, bytes]:
    """What an engine holds, in a form that can be compared."""
    found: dict[Named, bytes] = {}
    for kind in KINDS.values():
        if kind.entity is Event and not has_events(storage):
            continue
        for entity in storage.walk(kind.entity):
            found[_named(kind, entity)] = _digest(entity)
            tick()
    return found


def _found(storage: Engine, wanted: dict[Named, bytes], tick: Tick) -> dict[Named, bytes]:
    """What an engine holds, with what its walk does not lead to but can be asked for."""
    found = _digests(storage, tick)
    if type(storage).walk is not Engine.walk:
        return found
    for name in wanted.keys() - found.keys():
        kind = KINDS[name[0]]
        arguments: dict[str, Any] = dict(zip(kind.parts, name[1], strict=True))
        if kind.entity is not RunRegistryKey:  # which are listed as a whole
            with suppress(EntityNotFound):
                found[name] = _digest(getattr(storage, f"get_{kind.method}")(**arguments))
    return found


def _counters(storage: Engine, names: Iterable[Named]) -> dict[Place, int]:
    """The last number of each place: what the engine tells, and what the entities with these names show."""
    found: dict[Place, int] = {}
    if type(storage).counters is not OptionalParts.counters:
        found = {(it.kind, it.place): it.last for it in storage.counters()}
    for kind, (*levels, own) in names:
        place = KINDS[kind].entity, tuple(map(str, levels))
        if KINDS[kind].is_numbered and isinstance(own, int) and own > found.get(place, 0):
            found[place] = own
    return found


def _behind(source: dict[Place, int], target: dict[Place, int]) -> list[Counter]:
    """The counters of the source that the target has not reached."""
    return [Counter(*place, last) for place, last in source.items() if last > target.get(place, 0)]


def _digest(entity: Any) -> bytes:
    return hashlib.blake2b(encode(entity), digest_size=16).digest()


def _named(kind: Kind, entity: Any) -> Named:
    return kind.name, tuple(kind.key_of(entity))


def _place(counter: Counter) -> Named:
    return kind_of(counter.kind).name, counter.place


def _arguments(kind: Kind, entity: Any) -> dict[str, Any]:
    return dict(zip(kind.parts, kind.key_of(entity), strict=True))


def _batches(entities: Iterable[Any]) -> Iterator[list[Any]]:
    batch: list[Any] = []
    for entity in entities:
        batch.append(entity)
        if len(batch) == _AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def _shown(names: list[Named]) -> str:
    said = ", ".join(" ".join((kind, *map(str, key))) for kind, key in names[:_SHOWN])
    return said + (", ..." if len(names) > _SHOWN else "")
