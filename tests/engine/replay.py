"""The calls that made the files in tests/data, from Gofer's own log, to be made again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import engine
from engine import gojson

from .gofer_files import read_text, snake


@dataclass(slots=True)
class Call:
    """One line of a log: what to do with an engine, what Gofer said, and the clock at that time in milliseconds.

    `entity` is what an Add or Update was given, `number` the id that it then had.
    """

    name: str
    arguments: dict[str, Any]
    entity: Any
    error: str | None
    number: int | None
    now: int

    def make(self, storage: engine.Engine) -> str | None:
        """Make the call and return its error's text; None if it has none."""
        try:
            method: Callable[..., object] = getattr(storage, snake(self.name))
            (partial(method, self.entity) if self.entity is not None else partial(method, **self.arguments))()
        except engine.EngineError as error:
            return str(error)
        return None

    def number_given(self) -> int:
        """The number that the entity has."""
        number: int = self.entity.event_id if self.name == "AddEvent" else self.entity.id
        return number


def calls(name: str) -> Iterator[Call]:
    """The log of the file `name` ("small")."""
    for line in read_text(f"gofer_{name}.ops.jsonl").splitlines():
        logged = json.loads(line)
        kind = logged["op"].removeprefix("Add").removeprefix("Update")
        request, entity = logged["req"], None
        if kind != logged["op"]:
            (content,) = request.values()
            # Text without a field of its own is to be as Go writes it.
            entity = engine.decode(kind, gojson.write(content))
        arguments = {snake(argument): value for argument, value in request.items()}
        yield Call(logged["op"], arguments, entity, logged["error"], logged.get("id"), logged.get("now", 0))
