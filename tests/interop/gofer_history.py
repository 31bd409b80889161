"""Made-up days of Gofer: calls that change things, some of them in vain, and the questions that show all of it.

A few names of everything are drawn again and again, so that calls meet what earlier ones left: they collide, replace,
update and delete. Values are drawn from what JSON, Go's zero values and storm's indexes treat differently.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import product
from typing import Any

from .gofer_peer import FIRST, LAST, Call

NAMESPACES = ["default", "ünï-名前😀", "<&>\u2028"]
PIPELINES = ["simple", "パイプ<&>", "1"]
LABELS = ["cron", "1"]  # the second shares its bucket with run 1
TASK_RUNS = ["build", "test <&>", "名"]
RUNS = [1, 2, 3, 4, 5, 77, -1]
HASHES = [f"{number:064x}" for number in range(1, 7)]
EVENTS = [*range(1, 13), 0, -1, 77]
REGISTRIES = ["https://index.docker.io/v1/", "ghcr.io/<org>&名", "quay.io"]
NOWHERE = ["", "nowhere"]  # drawn now and then in the place of a name

TEXTS = [
    "build",
    "<script>alert('hi') && \"x\" > y;</script> \\back/slash",
    "\u2028line\u2029 \b\f\n\r\t\0\x01\x1f\x7f",
    "é e\u0301 名前 😀 \ufeff \ufffd \uffff \U0010ffff",
    "x<" * 300,
]
TIMES = [1, 5, 5, 1625814214000, 1625814214001, 2**63 - 1, -1, -(2**63)]

# What an event of each kind has, in stored order.
EVENT_MEMBERS = {
    "CREATED_NAMESPACE": "NamespaceID",
    "ABANDONED_PIPELINE": "NamespaceID PipelineID",
    "CREATED_PIPELINE": "NamespaceID PipelineID",
    "STARTED_RUN": "NamespaceID PipelineID RunID",
    "COMPLETED_RUN": "NamespaceID PipelineID RunID State",
    "SCHEDULED_TASK_RUN": "NamespaceID PipelineID RunID TaskRunID",
    "COMPLETED_TASK_RUN": "NamespaceID PipelineID RunID TaskRunID State",
    "FIRED_TRIGGER": "Label Pipeline Namespace Result TriggerMetadata",
}


class GoferHistory:
    """The same seed and schema give the same calls."""

    def __init__(self, seed: int, schema: str = FIRST) -> None:
        self._random = random.Random(f"{schema} {seed}")
        self._schema = schema
        self._makers = {
            "AddNamespace": (2, self._namespace),
            "UpdateNamespace": (3, self._namespace),
            "AddToken": (4, self._token),
            "DeleteToken": (2, lambda: {"Hash": self._name(HASHES)}),
            "AddPipeline": (6, self._pipeline),
            "UpdatePipeline": (6, self._pipeline),
            "AddRun": (20, lambda: self._run(self._one([0, 0, 0, 0, 0, 0, 3, 77, -1]))),
            "UpdateRun": (8, lambda: self._run(self._one([*RUNS, 0]))),
            "AddTaskRun": (20, self._task_run),
            "UpdateTaskRun": (8, self._task_run),
        }
        if schema == FIRST:
            self._makers |= {
                "AddDockerRegistryAuth": (4, self._docker_registry_auth),
                "RemoveDockerRegistryAuth": (2, lambda: {"Registry": self._name(REGISTRIES)}),
                "AddTriggerEvent": (8, lambda: self._trigger_event(self._one([0, 0, 0, 3]))),
                "UpdateTriggerEvent": (4, lambda: self._trigger_event(self._one([0, 1, 2, 3, 9]))),
                "RegisterRun": (4, self._registration),
                "UnregisterRun": (2, self._registration),
            }
        else:
            self._makers |= {
                "AddEvent": (10, self._event),
                "DeleteEvent": (3, lambda: {"ID": self._one(EVENTS)}),
            }

    def calls(self, count: int) -> list[Call]:
        """The next calls of the history."""
        ops = list(self._makers)
        weights = [weight for weight, _ in self._makers.values()]
        return [
            {"op": op, "req": self._makers[op][1](), "now": self._one(TIMES)}
            for op in self._random.choices(ops, weights, k=count)
        ]

    def founding(self) -> list[Call]:
        """Calls that make most pipelines, so that the rest is not all in vain."""
        places = [{"namespace": namespace, "id": name} for namespace, name in product(NAMESPACES[:2], PIPELINES[:2])]
        pipelines = [self._pipeline()["Pipeline"] | place for place in places]
        return [{"op": "AddPipeline", "req": {"Pipeline": pipeline}} for pipeline in pipelines]

    # --- drawing ---

    def _one(self, choices: list[Any]) -> Any:
        return self._random.choice(choices)

    def _name(self, names: list[str]) -> str:
        return str(self._one(NOWHERE if self._random.random() < 0.05 else names))

    def _maybe(self, value: Any, zero: Any) -> Any:
        """Zero half of the time: an update leaves such a field as it was."""
        return value if self._random.random() < 0.5 else zero

    def _text(self) -> str:
        return str(self._maybe(self._one(TEXTS), ""))

    def _time(self) -> int:
        return int(self._maybe(self._one(TIMES), 0))

    def _flag(self) -> bool:
        return self._random.random() < 0.3

    def _list(self) -> list[str] | None:
        return self._one([None, [], [self._text()], [self._text(), "b", "a"]])

    def _map(self) -> dict[str, str] | None:
        several = {"b": "", "a<": self._text(), "": "empty", "名": "z"}
        return self._one([None, {}, {self._text(): self._text()}, several])

    def _keyed(self, value: Any) -> dict[str, Any] | None:
        return self._one([None, {}, {"one": value}, {"two<&>": value, "one": value}])

    # --- requests ---

    def _namespace(self) -> dict[str, Any]:
        name, described = self._text(), self._text()
        times = {"created": self._time(), "deleted": self._time()}
        return {"Namespace": {"id": self._name(NAMESPACES), "name": name, "description": described, **times}}

    def _token(self) -> dict[str, Any]:
        kind = self._one(["MANAGEMENT", "CLIENT", "", "<other>"])
        members = {"kind": kind, "namespaces": self._list(), "metadata": self._map()}
        return {"Token": {"created": self._time(), "hash": self._name(HASHES), **members}}

    def _docker_registry_auth(self) -> dict[str, Any]:
        secret = self._one([None, "", "AP/+", "aGVsbG8="])
        members = {"user": self._text(), "pass": secret, "created": self._time()}
        return {"DockerRegistryAuth": {"registry": self._name(REGISTRIES), **members}}

    def _task(self) -> dict[str, Any]:
        task: dict[str, Any] = {"id": self._text(), "description": self._text(), "depends_on": self._map()}
        task["env_vars"] = self._map()
        if self._schema == FIRST:
            return task | {"image_name": self._text(), "secrets": self._map()}
        login = {"user": self._text(), "pass": self._text()}
        script = {"shell": self._text(), "script": self._text()}
        return task | {"image": self._text(), "registry_auth": login, "exec": script}

    def _trigger(self) -> dict[str, Any]:
        trigger = {"Kind": self._text(), "Label": self._text(), "Config": self._map()}
        return trigger | ({"State": self._one(["ACTIVE", ""])} if self._schema == LAST else {})

    def _pipeline(self) -> dict[str, Any]:
        pipeline: dict[str, Any] = {name: self._text() for name in ("location", "description", "name", "state")}
        pipeline |= {name: self._time() for name in ("created", "last_run_time", "last_run_id", "updated")}
        pipeline |= {"namespace": self._name(NAMESPACES), "id": self._name(PIPELINES), "sequential": self._flag()}
        tasks, triggers = self._keyed(self._task()), self._keyed(self._trigger())
        return {"Pipeline": pipeline | {"tasks": tasks, "triggers": triggers, "objects": self._list()}}

    def _failure(self) -> dict[str, Any]:
        return {"kind": self._maybe("ABNORMAL_EXIT", ""), "description": self._text()}

    def _place(self) -> dict[str, Any]:
        return {"namespace_id": self._name(NAMESPACES[:2]), "pipeline_id": self._name(PIPELINES[:2])}

    def _run(self, id: int) -> dict[str, Any]:
        run = {**self._place(), "id": id, "started": self._time(), "ended": self._time(), "failure": self._failure()}
        run |= {name: self._text() for name in ("status", "trigger_kind", "trigger_name")}
        run |= {"task_runs": self._maybe(self._list(), None), "only": self._keyed({}), "variables": self._map()}
        return {"Run": run | {"objects": self._list(), "objects_expired": self._flag()}}

    def _task_run(self) -> dict[str, Any]:
        task_run = {**self._place(), "run_id": self._one(RUNS), "id": self._name(TASK_RUNS)}
        task_run |= {name: self._time() for name in ("created", "started", "ended")}
        task_run |= {"exit_code": self._one([0, 137, -1]), "failure": self._failure(), "task": self._task()}
        task_run |= {"logs_expired": self._flag(), "logs_removed": self._flag()}
        return {"TaskRun": task_run | {"scheduler_id": self._text(), "status": self._text()}}

    def _trigger_event(self, id: int) -> dict[str, Any]:
        event = {**self._place(), "pipeline_trigger_label": self._name(LABELS), "id": id}
        event |= {"received": self._time(), "processed": self._time(), "metadata": self._map()}
        result = {"Details": self._text(), "State": self._maybe("SUCCESS", "")}
        return {"Event": event | {"trigger_result": result}}

    def _registration(self) -> dict[str, Any]:
        run = self._one(RUNS)
        return {"Namespace": self._name(NAMESPACES), "Pipeline": self._name(PIPELINES), "Run": run}

    def _event(self) -> dict[str, Any]:
        kind = self._one(list(EVENT_MEMBERS))
        # Here a map has no class behind it that would sort its keys, as Go does.
        metadata = self._map()
        values: dict[str, Any] = {
            "RunID": self._one(RUNS),
            "TriggerMetadata": metadata and dict(sorted(metadata.items())),
        }
        values["Result"] = {"Details": self._text(), "State": self._maybe("SUCCESS", "")}
        head = {"event_id": 0, "kind": kind, "emitted": self._time()}
        return {"Event": head | {name: values.get(name, self._text()) for name in EVENT_MEMBERS[kind].split()}}


def questions(schema: str = FIRST) -> list[Call]:
    """Every method that reads, about every name that a history draws."""
    return [{"op": op, "req": req} for op, req in _questions(schema)]


def _questions(schema: str) -> Iterator[tuple[str, dict[str, Any]]]:
    pages = [{"Offset": offset, "Limit": limit} for offset, limit in ((0, 0), (1, 2), (2, 1000), (-1, -1))]
    for page in pages:
        yield "GetAllNamespaces", page
        yield "GetAllTokens", {**page, "Namespaces": None}
    yield "GetAllTokens", {"Offset": 0, "Limit": 0, "Namespaces": ["default"]}
    for name in [*HASHES, *NOWHERE]:
        yield "GetToken", {"Hash": name}
    if schema == FIRST:
        yield "GetAllDockerRegistryAuths", {}
        yield "GetAllRunRegistrations", {}
        for registry in [*REGISTRIES, *NOWHERE]:
            yield "GetDockerRegistryAuth", {"Registry": registry}
    else:
        for page, reverse in product(pages, (False, True)):
            yield "GetAllEvents", {**page, "Reverse": reverse}
        for event in EVENTS:
            yield "GetEvent", {"ID": event}
    for namespace in [*NAMESPACES, *NOWHERE]:
        yield "GetNamespace", {"ID": namespace}
        for page in pages:
            yield "GetAllPipelines", {**page, "NamespaceID": namespace}
        for pipeline in [*PIPELINES, *NOWHERE]:
            yield "GetPipeline", {"NamespaceID": namespace, "ID": pipeline}
    for namespace, pipeline in [*product(NAMESPACES, PIPELINES), ("default", "nowhere"), ("", "")]:
        yield from _questions_about({"NamespaceID": namespace, "PipelineID": pipeline}, pages, schema)


def _questions_about(
    pipeline: dict[str, Any], pages: list[dict[str, int]], schema: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    for page in pages:
        yield "GetAllRuns", {**page, **pipeline}
    for run in [*RUNS, 0, 6]:
        yield "GetRun", {**pipeline, "ID": run}
        yield "GetAllTaskRuns", {**pipeline, "RunID": run}
        for task_run in [*TASK_RUNS, *NOWHERE]:
            yield "GetTaskRun", {**pipeline, "RunID": run, "ID": task_run}
        if schema == FIRST:
            place = {"Namespace": pipeline["NamespaceID"], "Pipeline": pipeline["PipelineID"]}
            yield "RegistrationExists", {**place, "Run": run}
    if schema == FIRST:
        for label in [*LABELS, *NOWHERE]:
            trigger = {**pipeline, "PipelineTriggerLabel": label}
            for page in pages:
                yield "GetAllTriggerEvents", {**page, **trigger}
            for event in range(10):
                yield "GetTriggerEvent", {**trigger, "ID": event}
