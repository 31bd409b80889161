"""Calls in the form of Gofer's logs, made of the engine here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import engine
from engine import gojson
from tests.engine.gofer_files import plain, snake

from .gofer_peer import Call, Outcome

# Requests name their entity by its class, but for these.
_CLASS_OF = {"AddTriggerEvent": "TriggerEvent", "UpdateTriggerEvent": "TriggerEvent"}
_NUMBERING = {"AddRun": "id", "AddTriggerEvent": "id", "AddEvent": "event_id"}


class OurGofer:
    """A file that the engine holds open; the counterpart of `gofer_peer.GoGofer`."""

    def __init__(self, path: Path, **options: Any) -> None:
        self._now = 0
        self._storage = engine.open_engine(path, clock=lambda: self._now, no_sync=True, **options)

    def close(self) -> None:
        self._storage.close()

    def run(self, calls: Iterable[Call]) -> list[Outcome]:
        """Make the calls in their order, each at its time `now`."""
        return [self._made(call) for call in calls]

    def _made(self, call: Call) -> Outcome:
        self._now = call.get("now", 0)
        return self._stored(call) if call["op"].startswith(("Add", "Update")) else self._answered(call)

    def _answered(self, call: Call) -> Outcome:
        arguments = {snake(name): value for name, value in call["req"].items()}
        try:
            result = getattr(self._storage, snake(call["op"]))(**arguments)
        except engine.EngineError as error:
            return {"result": None, "error": str(error)}
        return {"result": None if result is None else plain(result), "error": None}

    def _stored(self, call: Call) -> Outcome:
        op = call["op"]
        ((name, members),) = call["req"].items()
        # Members without a field of their own are stored as they are read: so they are spelled as Go does.
        entity = engine.decode(_CLASS_OF.get(op, name), gojson.write(members))
        outcome: Outcome = {"result": None, "error": None}
        try:
            getattr(self._storage, snake(op))(entity)
        except engine.EngineError as error:
            outcome["error"] = str(error)
        if op in _NUMBERING:
            outcome["id"] = getattr(entity, _NUMBERING[op])
        return outcome


@contextmanager
def opened_here(path: Path, **options: Any) -> Iterator[OurGofer]:
    """Open or make a file with the engine.

    Args:
        path: The file.
        options: For `engine.open_engine`; unless they say otherwise, Gofer's temper and its limit of 100.
    """
    ours = OurGofer(path, **{"compat": "gofer", "max_results_limit": 100, **options})
    try:
        yield ours
    finally:
        ours.close()
