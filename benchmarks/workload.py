"""What is measured: a workload is a task and its sizes. One description drives every peer, in Python and in Go.

Nothing here runs a workload. `as_json` is what a peer's process is told; `go/main.go` reads the same names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

Order = Literal["ordered", "random"]
Measure = Literal["time", "memory"]
Prepared = Literal["", "loaded", "freed"]

_MIN_KEY = 8  # bytes: a key begins with a whole word, which makes it the only one of its kind
_NOT_FOR_PEERS = {"name", "title", "goals", "measure", "fixed", "changes", "large"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One thing to measure.

    Attributes:
        name: What `--only` takes.
        title: What tables and charts show, with sizes in braces: `named` fills them in.
        task: What to do; the names of `TASKS` in tasks.py and in go/tasks.go.
        keys, values: Bytes of a key and of a value.
        spread: Bytes that a value may have more; how many differs from pair to pair.
        count: Pairs in the file. Those of a new file are put, those of a prepared one are there before.
        ops: Operations, of which the time for one is told.
        batch: Operations in a transaction.
        span: Pairs read after a seek; keys in a nested bucket.
        order: Whether keys come in their order.
        sync: Whether commits wait for the disk.
        threads: Threads that work at once.
        seed: Of all that is random.
        least_seconds: How long what is timed is repeated, where it alone is too short to be steady; the mean counts.
            Only for tasks that change nothing.
        prepared: What the file is beforehand: "" is none, "loaded" has `count` pairs, "freed" has `count` free pages.
        changes: Whether the task changes a prepared file, and so gets a copy.
        measure: What is compared: seconds, or peak bytes of memory.
        goals: The ratio to stay below, for each peer that has one. They are for these sizes alone.
        fixed: The name says a size, so sizes from the command line leave it alone.
        large: Left out unless asked for.
    """

    name: str
    title: str
    task: str
    keys: int = 8
    values: int = 32
    spread: int = 0
    count: int = 200_000
    ops: int = 200_000
    batch: int = 10_000
    span: int = 10
    order: Order = "random"
    sync: bool = False
    threads: int = 1
    seed: int = 1
    least_seconds: float = 0.0
    prepared: Prepared = ""
    changes: bool = False
    measure: Measure = "time"
    goals: Mapping[str, float] = field(default_factory=dict)
    fixed: bool = False
    large: bool = False

    def __post_init__(self) -> None:
        """Refuse sizes that no peer could take.

        Raises:
            ValueError: With the size's name in the text.
        """
        for name, least in (("keys", _MIN_KEY), ("values", 1), ("count", 1), ("ops", 1), ("batch", 1), ("threads", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{self.name}: {name} is {getattr(self, name)}; {least} is the least")

    def named(self) -> str:
        """Return the title with the sizes as they are."""
        return self.title.format(**self.as_json(), megabytes=(self.keys + self.values) * self.count // 10**6)

    def as_json(self) -> dict[str, Any]:
        """Return what a peer is told."""
        return {it.name: getattr(self, it.name) for it in fields(self) if it.name not in _NOT_FOR_PEERS}

    def sized(self, *, keys: int | None, values: int | None, count: int | None, batch: int | None) -> Workload:
        """Return the workload with other sizes; None keeps one. Operations grow and shrink with the count.

        Where a size is another, the goals are gone.

        Raises:
            ValueError: As `Workload`.
        """
        if self.fixed:
            return self
        count = self.count if count is None else count
        other = replace(
            self,
            keys=self.keys if keys is None else keys,
            values=self.values if values is None else values,
            count=count,
            ops=max(1, self.ops * count // self.count),
            batch=self.batch if batch is None or self.batch == 1 else batch,
        )
        return self if other == self else replace(other, goals={})

    def quick(self) -> Workload:
        """Return a tenth of the workload, in transactions of the same size, without goals."""
        return replace(self, count=max(1, self.count // 10), ops=max(1, self.ops // 10), goals={})

    def file_key(self) -> tuple[object, ...]:
        """Return what tells one prepared file from another."""
        return (self.prepared, self.keys, self.values, self.spread, self.count, self.batch, self.order, self.seed)
