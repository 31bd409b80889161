"""What Gofer stores: one class for each of its entities.

Fields have their JSON names (snake_case where Go left a field untagged) and stand in stored order. Times are epoch
milliseconds, 0 where there is none. Maps and lists may be None: Go tells nil from empty, and so do its files. Every
field has Go's zero value as its default.

Gofer changed two of these in 2022, while its database was still a bolt file (see `Task` and `PipelineTriggerConfig`).
Both forms can be read, and what was read is written back in the form that it had.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Final, Self, TypeVar, overload

from .codecs import EmptyObject
from .wire import Entity, decode_as, member

T = TypeVar("T")


class OpenEnum(StrEnum):
    """A string enum that takes any string: Go checks no values, and later versions may have more of them.

    A member is a str and equal to its text; `RunState("")` is Go's zero value, and not among those listed.
    """

    __hash__ = str.__hash__

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        other = str.__new__(cls, value)
        other._name_ = other._value_ = value
        return other

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.value!r})"


class PipelineState(OpenEnum):
    """Whether a pipeline takes new runs."""

    UNKNOWN = "UNKNOWN"
    ACTIVE = "ACTIVE"
    DISABLED = "DISABLED"
    ABANDONED = "ABANDONED"


class RunState(OpenEnum):
    """How far a run has come."""

    UNKNOWN = "UNKNOWN"
    PROCESSING = "PROCESSING"
    WAITING = "WAITING"
    RUNNING = "RUNNING"
    FAILED = "FAILED"
    SUCCESS = "SUCCESS"
    CANCELLED = "CANCELLED"


class RunFailureKind(OpenEnum):
    """Why a run failed."""

    UNKNOWN = "UNKNOWN"
    ABNORMAL_EXIT = "ABNORMAL_EXIT"
    SCHEDULER_ERROR = "SCHEDULER_ERROR"
    FAILED_PRECONDITION = "FAILED_PRECONDITION"
    CANCELLED = "CANCELLED"


class ContainerState(OpenEnum):
    """How far a task run has come."""

    UNKNOWN = "UNKNOWN"
    PROCESSING = "PROCESSING"
    WAITING = "WAITING"
    RUNNING = "RUNNING"
    FAILED = "FAILED"
    SUCCESS = "SUCCESS"
    CANCELLED = "CANCELLED"
    SKIPPED = "SKIPPED"


class TaskRunFailureKind(OpenEnum):
    """Why a task run failed."""

    UNKNOWN = "UNKNOWN"
    ABNORMAL_EXIT = "ABNORMAL_EXIT"
    SCHEDULER_ERROR = "SCHEDULER_ERROR"
    FAILED_PRECONDITION = "FAILED_PRECONDITION"
    CANCELLED = "CANCELLED"
    ORPHANED = "ORPHANED"


class TriggerResultState(OpenEnum):
    """What came of a trigger event."""

    UNKNOWN = "UNKNOWN"
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    SKIPPED = "SKIPPED"


class TriggerState(OpenEnum):
    """Whether a pipeline's trigger is attached (files of 2022)."""

    UNKNOWN = "UNKNOWN"
    ACTIVE = "ACTIVE"
    DISABLED = "DISABLED"
    UNSUPPORTED = "UNSUPPORTED"


class TokenKind(OpenEnum):
    """What a token may do."""

    UNKNOWN = "UNKNOWN"
    MANAGEMENT = "MANAGEMENT"
    CLIENT = "CLIENT"


class RequiredParentState(OpenEnum):
    """How a task that another one depends on must have ended. (SUCCESSFUL here, SUCCESS in states.)"""

    UNKNOWN = "UNKNOWN"
    ANY = "ANY"
    SUCCESSFUL = "SUCCESSFUL"
    FAILURE = "FAILURE"


@dataclass(slots=True, kw_only=True)
class Namespace(Entity):
    """A room for pipelines. `deleted` is the time it was marked as deleted; Gofer removes none."""

    id: str = member("", storm="id")
    name: str = ""
    description: str = ""
    created: int = 0
    deleted: int = 0


@dataclass(slots=True, kw_only=True)
class Token(Entity):
    """An API token. `hash` is the SHA-256 of its text in lower-case hex; `namespaces` are those it opens."""

    created: int = 0
    hash: str = member("", storm="id")
    kind: TokenKind = TokenKind("")
    namespaces: list[str] | None = None
    metadata: dict[str, str] | None = None


@dataclass(slots=True, kw_only=True)
class DockerRegistryAuth(Entity):
    """A login for a container registry. `pass_` is `pass` in JSON: bytes that Gofer's API has encrypted."""

    registry: str = member("", storm="id")
    user: str = ""
    pass_: bytes | None = member(None, json="pass")
    created: int = 0


@dataclass(slots=True, kw_only=True)
class RegistryAuth(Entity):
    """The login a task brings along for its image (files of 2022). `pass_` is `pass` in JSON, and plain text."""

    user: str = ""
    pass_: str = member("", json="pass")


@dataclass(slots=True, kw_only=True)
class Exec(Entity):
    """A script that a task runs (files of March 2022 and later). `script` is base64."""

    shell: str = ""
    script: str = ""


@dataclass(slots=True, kw_only=True)
class Task(Entity):
    """One container of a pipeline.

    Files of 2021 have `image_name` and `secrets`; later ones `image` and `registry_auth`, the latest also `exec`.
    `depends_on` maps the ids of other tasks to how they must have ended.
    """

    SHAPES: ClassVar[tuple[tuple[str, ...], ...]] = (
        ("id", "description", "image_name", "depends_on", "env_vars", "secrets"),
        ("id", "description", "image", "registry_auth", "depends_on", "env_vars"),
        ("id", "description", "image", "registry_auth", "depends_on", "env_vars", "exec"),
    )

    id: str = ""
    description: str = ""
    image_name: str = ""
    image: str = ""
    registry_auth: RegistryAuth = field(default_factory=RegistryAuth)
    depends_on: dict[str, RequiredParentState] | None = None
    env_vars: dict[str, str] | None = None
    secrets: dict[str, str] | None = None
    exec: Exec = field(default_factory=Exec)


@dataclass(slots=True, kw_only=True)
class PipelineTriggerConfig(Entity):
    """What starts a pipeline by itself. `state` is there in files of 2022 only."""

    SHAPES: ClassVar[tuple[tuple[str, ...], ...]] = (("Kind", "Label", "Config"), ("Kind", "Label", "Config", "State"))

    kind: str = member("", json="Kind")
    label: str = member("", json="Label")
    config: dict[str, str] | None = member(None, json="Config")
    state: TriggerState = member(TriggerState(""), json="State")


@dataclass(slots=True, kw_only=True)
class Pipeline(Entity):
    """A graph of tasks. `last_run_time` and `updated` are epoch milliseconds; tasks and triggers go by id and label."""

    location: str = ""
    created: int = member(0, storm="index")
    description: str = ""
    id: str = member("", storm="id")
    namespace: str = ""
    last_run_time: int = 0
    last_run_id: int = 0
    updated: int = 0
    name: str = ""
    sequential: bool = False
    state: PipelineState = PipelineState("")
    tasks: dict[str, Task] | None = None
    triggers: dict[str, PipelineTriggerConfig] | None = None
    objects: list[str] | None = None


@dataclass(slots=True, kw_only=True)
class RunFailure(Entity):
    """Why a run failed; both empty where it did not."""

    kind: RunFailureKind = RunFailureKind("")
    description: str = ""


@dataclass(slots=True, kw_only=True)
class Run(Entity):
    """One execution of a pipeline, numbered from 1. `task_runs` are ids; `only` is a set of task ids, {"build": {}}."""

    ended: int = 0
    failure: RunFailure = field(default_factory=RunFailure)
    id: int = member(0, storm="id increment")
    namespace_id: str = ""
    pipeline_id: str = ""
    started: int = member(0, storm="index")
    status: RunState = RunState("")
    task_runs: list[str] | None = None
    only: dict[str, EmptyObject] | None = None
    trigger_kind: str = ""
    trigger_name: str = ""
    variables: dict[str, str] | None = None
    objects: list[str] | None = None
    objects_expired: bool = False


@dataclass(slots=True, kw_only=True)
class TaskRunFailure(Entity):
    """Why a task run failed; both empty where it did not."""

    kind: TaskRunFailureKind = TaskRunFailureKind("")
    description: str = ""


@dataclass(slots=True, kw_only=True)
class TaskRun(Entity):
    """One execution of a task within a run. `task` is a copy of the task as it was then."""

    created: int = member(0, storm="index")
    ended: int = 0
    exit_code: int = 0
    failure: TaskRunFailure = field(default_factory=TaskRunFailure)
    id: str = member("", storm="id")
    logs_expired: bool = False
    logs_removed: bool = False
    namespace_id: str = ""
    pipeline_id: str = ""
    run_id: int = 0
    scheduler_id: str = ""
    started: int = member(0, storm="index")
    status: ContainerState = ContainerState("")
    task: Task = field(default_factory=Task)


@dataclass(slots=True, kw_only=True)
class TriggerResult(Entity):
    """What came of a trigger event, and the trigger's words about it."""

    details: str = member("", json="Details")
    state: TriggerResultState = member(TriggerResultState(""), json="State")


@dataclass(slots=True, kw_only=True)
class TriggerEvent(Entity):
    """One time that a trigger fired, numbered from 1 for each trigger label of a pipeline."""

    id: int = member(0, storm="id increment")
    received: int = 0
    processed: int = 0
    pipeline_trigger_label: str = ""
    pipeline_id: str = ""
    namespace_id: str = ""
    trigger_result: TriggerResult = field(default_factory=TriggerResult)
    metadata: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class RunRegistryKey:
    """A run that somebody waits for. Its JSON is the key in the file; it can be a member of a set."""

    namespace: str = member(json="Namespace")
    pipeline: str = member(json="Pipeline")
    run: int = member(json="Run")


@dataclass(slots=True, kw_only=True)
class Event(Entity):
    """An entry of the event log of files of 2022; what else an event of its `kind` has is in `unknown`."""

    event_id: int = 0
    kind: str = ""
    emitted: int = 0


ENTITIES: Final[dict[str, type[Any]]] = {
    entity.__name__: entity
    for entity in (
        Namespace,
        Token,
        Pipeline,
        Task,
        PipelineTriggerConfig,
        Run,
        RunFailure,
        TaskRun,
        TaskRunFailure,
        TriggerEvent,
        TriggerResult,
        RunRegistryKey,
        DockerRegistryAuth,
        RegistryAuth,
        Exec,
        Event,
    )
}


@overload
def decode(entity: type[T], data: bytes | bytearray | memoryview) -> T: ...
@overload
def decode(entity: str, data: bytes | bytearray | memoryview) -> Any: ...
def decode(entity: str | type[Any], data: bytes | bytearray | memoryview) -> Any:
    """Read an entity from the JSON that Gofer stored, as leniently as Go does.

    Keys match without regard to case, null and missing keys leave the zero value, the last of duplicate keys counts,
    and keys that no field has are kept in `unknown`.

    Args:
        entity: The class or its name: "Run".
        data: The JSON, UTF-8; bytes that are not become U+FFFD.

    Returns:
        A new instance of that class.

    Raises:
        EngineError: The bytes are no JSON, or a value has the wrong type; the text is Go's.
        ValueError: There is no such entity.
    """
    if isinstance(entity, str):
        if entity not in ENTITIES:
            raise ValueError(f"no entity is called {entity!r}; there are {', '.join(ENTITIES)}")
        entity = ENTITIES[entity]
    return decode_as(entity, data)
