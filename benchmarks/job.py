"""What goes to a peer's process as JSON, and what it answers. Python and Go speak the same."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from .workload import Workload

MEASURE, PREPARE = "measure", "prepare"


@dataclass(frozen=True, slots=True)
class Job:
    """One thing for a process to do.

    Attributes:
        workload: The task and its sizes.
        path: The file; what else the task writes gets this name and more.
        mode: MEASURE, or PREPARE to make the file that the workload begins with.
        store: Which store the Python process is to use.
    """

    workload: Workload
    path: str
    mode: str
    store: str

    def as_json(self) -> dict[str, Any]:
        """Return the process's input."""
        return {**self.workload.as_json(), "path": self.path, "mode": self.mode, "store": self.store}

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Job:
        """Return the job in a process's input."""
        names = {name: value for name, value in told.items() if name not in {"path", "mode", "store"}}
        workload = Workload(name=told["task"], title=told["task"], **names)
        return cls(workload, told["path"], told["mode"], told["store"])


@dataclass(frozen=True, slots=True)
class Answer:
    """What a process measured, and what it read.

    Attributes:
        seconds: For all operations.
        operations: How many they were.
        pairs: Pairs that are in the file at the end, or that were read.
        checksum: CRC-32 of what was read, be it by the task or by the check after it.
        versions: What was measured, by name.
        unsupported: Why the peer can not do it, else "".
    """

    seconds: float = 0.0
    operations: int = 0
    pairs: int = 0
    checksum: int = 0
    versions: dict[str, str] = field(default_factory=dict)
    unsupported: str = ""


def serve(work: Callable[[Job], Answer]) -> None:
    """Do the job on stdin, and print the answer."""
    json.dump(asdict(work(Job.from_json(json.load(sys.stdin)))), sys.stdout)
