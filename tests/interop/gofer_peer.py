"""Gofer's storage on the other side: calls to our stand-in for it in Go, and what a file holds, whoever wrote it.

A call and its outcome have the form of Gofer's logs: `{"op": "AddRun", "req": {"Run": {...}}, "now": 1625814217000}`
and `{"result": None, "error": None, "id": 1}`; `id` is there after what is numbered.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boltpy
from tests.engine.gofer_files import dump, read_text

from .peer import GoPeer

# Gofer's entities of July 2021, and those of March 2022: packages of the Go program.
FIRST, LAST = "first", "last"

Call = dict[str, Any]
Outcome = dict[str, Any]

# Go has two spellings of these, by its version: each pair becomes one.
_ESCAPES = re.compile(rb"\\(u0008|u000c|ufffd|.)", re.DOTALL)
_SPELLING = {b"u0008": b"\\b", b"u000c": b"\\f", b"ufffd": "\ufffd".encode()}


@dataclass
class GoGofer:
    """A file that the stand-in holds open."""

    peer: GoPeer

    def timed(self, calls: Iterable[Call]) -> tuple[float, list[Outcome]]:
        """Make the calls in their order; the seconds that they took, reading and writing of JSON lines left out."""
        requests = [{"op": call["op"], "req": call["req"], "now": call.get("now", 0)} for call in calls]
        result = self.peer.request("run", calls=requests)
        return result["seconds"], [comparable(outcome) for outcome in result["outcomes"]]

    def run(self, calls: Iterable[Call]) -> list[Outcome]:
        """Make the calls in their order."""
        return self.timed(calls)[1]

    def check(self) -> list[str]:
        """The problems that bbolt's own check finds."""
        problems: list[str] = self.peer.request("check")["problems"]
        return problems


@contextmanager
def opened(
    peer: GoPeer, path: Path, *, schema: str = FIRST, max_results_limit: int = 100, no_sync: bool = True
) -> Iterator[GoGofer]:
    """Open or make a file as Gofer does; checked before it is closed.

    Args:
        peer: The `gofer` fixture. It has one file open at a time.
        path: The file.
        schema: FIRST or LAST.
        max_results_limit: The most that a page of a list holds.
        no_sync: Leave out the syncs.
    """
    peer.request("open", path=str(path), schema=schema, max_results_limit=max_results_limit, no_sync=no_sync)
    try:
        go = GoGofer(peer)
        yield go
        assert go.check() == []
    finally:
        peer.request("close")


def comparable(line: dict[str, Any]) -> Outcome:
    """The outcome in an answer or in a line of a log. Registrations are a set, and get one order."""
    outcome: Outcome = {name: line[name] for name in ("result", "error", "id") if name in line}
    result = outcome["result"]
    if isinstance(result, list) and result and set(result[0]) == {"Namespace", "Pipeline", "Run"}:
        outcome["result"] = sorted(result, key=lambda key: (key["Namespace"], key["Pipeline"], key["Run"]))
    return outcome


def one_spelling(data: bytes) -> bytes:
    """JSON in one of the spellings that versions of Go have for backspace, form feed and what is no UTF-8."""
    return _ESCAPES.sub(lambda match: _SPELLING.get(match[1], match[0]), data)


def raw_lines(path: Path) -> list[dict[str, Any]]:
    """All buckets and pairs of a file, in one spelling; found unsound, it fails."""
    with boltpy.open(path, read_only=True) as db, db.view() as tx:
        assert list(tx.check()) == []
        return [_in_one_spelling(line) for line in dump(tx)]


def recorded_lines(name: str) -> list[dict[str, Any]]:
    """The same of Gofer's own file `name` ("small"), as bbolt walked it."""
    return [_in_one_spelling(json.loads(line)) for line in read_text(f"gofer_{name}.raw.jsonl").splitlines()]


def recorded_calls(name: str) -> list[Call]:
    """The log of how Gofer made its file `name`: calls, each with its outcome."""
    return [json.loads(line) for line in read_text(f"gofer_{name}.ops.jsonl").splitlines()]


def _in_one_spelling(line: dict[str, Any]) -> dict[str, Any]:
    for member in "key", "value":
        if line[member] is not None:
            line[member] = one_spelling(bytes.fromhex(line[member])).hex()
    return line
