"""The kinds of entities by the names that people type, and where in a file each of them lives.

A kind and a key lead to one pair: `run default simple 3` is the pair 3 in the bucket default / simple / Run. `kind_at`
and `Kind.key_at` lead back, and know nothing of what they can not lead back to exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..errors import RecordError
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
from ..places import COUNTED, EVENTS, REGISTRY, arguments_of, fields_of, is_number
from ..storm import key_of
from ..storm.layout import Mark, Marks, marks_of

Path = tuple[bytes, ...]
"""Names of buckets, from the root bucket down."""

Key = list[str | int]
"""What names an entity: names of the levels around it, then its id."""

ASIDE: Final = b"__gofer_db_set_aside"
"""What the name of a bucket begins with in which a repair keeps what it can not mend, under its old path."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of entity. `parts` are the names of what names one; `id_field` is the field that holds the last one."""

    name: str
    entity: type[Any]
    parts: tuple[str, ...]
    id_field: str = ""

    @property
    def method(self) -> str:
        """What follows get_ and add_ in the names of an engine's methods."""
        return "docker_registry_auth" if self.name == "docker_registry" else self.name

    def levels(self, path: Path, names: list[bytes]) -> list[bytes]:
        """Those of the buckets within `path` that entities of this kind can be in, or below."""
        if self.entity in (RunRegistryKey, Event):
            depth, last = 1, REGISTRY if self.entity is RunRegistryKey else EVENTS
        else:
            depth, last = len(self.parts), self.entity.__name__
        if len(path) + 1 < depth:
            return names
        return [name for name in names if name == last.encode()] if len(path) + 1 == depth else []

    @property
    def marks(self) -> Marks | None:
        """What storm knows of the class; None for what storm has no part in."""
        return marks_of(self.entity) if self.id_field and self.entity is not Event else None

    @property
    def is_numbered(self) -> bool:
        """Whether keys are numbers of 8 bytes."""
        return self.entity in COUNTED

    def index_marks(self, *, late: bool) -> tuple[Mark, ...]:
        """The marks that have an index; `late`: in a file with an event log, where Gofer dropped one."""
        marks = self.marks.indexed if self.marks else ()
        return tuple(mark for mark in marks if not (late and self.entity is Run and mark.name == "started"))

    def key_of(self, entity: Any) -> Key:
        """What names an entity of this kind."""
        if self.id_field and self.entity is not Event:
            return list(arguments_of(entity).values())
        return [entity.event_id] if self.id_field else [entity.namespace, entity.pipeline, entity.run]

    def typed(self, parts: Sequence[str]) -> Key:
        """The key that someone typed.

        Raises:
            ValueError: There are too many or too few parts, or one that is to be a number is none.
        """
        if len(parts) != len(self.parts):
            raise ValueError(f"a {self.name} is named by {' '.join(self.parts).upper()}, not by {len(parts)} words")
        key: Key = []
        for name, part in zip(self.parts, parts, strict=True):
            if not self._is_number(name):
                key.append(part)
                continue
            number = whole_number(part.encode("utf-8", "surrogatepass"))
            if number is None:
                raise ValueError(f"{name.upper()} is a whole number of 64 bits, not {part!r}")
            key.append(number)
        return key

    def fits(self, key: object) -> bool:
        """Whether a key from outside has the parts that it needs, each of its type."""
        return (
            isinstance(key, list)
            and len(key) == len(self.parts)
            and all(
                type(part) is int and -(2**63) <= part < 2**63 if self._is_number(name) else type(part) is str
                for name, part in zip(self.parts, key, strict=True)
            )
        )

    def place(self, key: Key) -> tuple[Path, bytes]:
        """The bucket of the entity with that key, and the key within it."""
        if self.entity is RunRegistryKey:
            namespace, pipeline, run = key
            return (REGISTRY.encode(),), key_of(RunRegistryKey(str(namespace), str(pipeline), int(run)))
        if self.entity is Event:
            return (EVENTS.encode(),), key_of(key[0])
        *levels, own = key
        return (*(key_of(str(level)) for level in levels), self.entity.__name__.encode()), key_of(own)

    def key_at(self, path: Path, key: bytes) -> Key | None:
        """The key of the entity that is stored there; None where words can not say it exactly."""
        parts: Key
        if self.is_numbered and len(key) != 8:
            return None
        if self.entity is RunRegistryKey:
            try:
                found = decode(RunRegistryKey, key)
            except RecordError:
                return None
            parts = [found.namespace, found.pipeline, found.run]
        else:
            try:
                levels = [name.decode() for name in path[:-1]] if self.entity is not Event else []
                own = int.from_bytes(key, "big", signed=True) if self.is_numbered else key.decode()
            except UnicodeDecodeError:
                return None
            parts = [
                int(level) if self._is_number(name) else level for name, level in zip(self.parts, levels, strict=False)
            ]
            parts.append(own)
        return parts if self.place(parts) == (path, key) else None

    def _is_number(self, name: str) -> bool:
        return is_number(self.entity, name)


def _kind(name: str, entity: type[Any]) -> Kind:
    fields = fields_of(entity)
    return Kind(name, entity, tuple(argument for argument, _ in fields), fields[-1][1])


KINDS: Final[dict[str, Kind]] = {
    kind.name: kind
    for kind in (
        _kind("namespace", Namespace),
        _kind("pipeline", Pipeline),
        _kind("run", Run),
        _kind("task_run", TaskRun),
        _kind("trigger_event", TriggerEvent),
        Kind("registration", RunRegistryKey, ("namespace", "pipeline", "run")),
        _kind("token", Token),
        _kind("docker_registry", DockerRegistryAuth),
        Kind("event", Event, ("id",), "event_id"),
    )
}

_BY_CLASS: Final = {kind.entity: kind for kind in KINDS.values()}

_BY_BUCKET: Final = {
    (len(kind.parts), kind.entity.__name__.encode()): kind for kind in KINDS.values() if kind.marks is not None
}


def kind_of(entity: object) -> Kind:
    """The kind of a class; TypeError if it is no class of entities."""
    kind = _BY_CLASS.get(entity) if isinstance(entity, type) else None
    if kind is None:
        raise TypeError(f"kind is a class of entities, not {entity!r}")
    return kind


def kind_at(path: Path) -> Kind | None:
    """What the pairs in a bucket are; None if they are no entities."""
    if not path or path[0].startswith(ASIDE):
        return None
    if path == (REGISTRY.encode(),):
        return KINDS["registration"]
    if path == (EVENTS.encode(),):
        return KINDS["event"]
    kind = _BY_BUCKET.get((len(path), path[-1]))
    # Only what Go prints for a number is a run's level.
    return None if kind is KINDS["task_run"] and whole_number(path[2]) is None else kind


def whole_number(digits: bytes) -> int | None:
    """The value of a number of 64 bits in the only way that Go prints it: "7", not "007"."""
    if len(digits) > 20 or not digits.removeprefix(b"-").isdigit():
        return None
    number = int(digits)
    return number if str(number).encode() == digits and -(2**63) <= number < 2**63 else None
