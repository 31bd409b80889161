"""The databases in tests/data that Gofer wrote, what its Go code answered about them, and how to compare answers."""

from __future__ import annotations

import json
import lzma
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import boltpy
import engine

FOLDER = Path(__file__).parents[1] / "data"
SMALL = FOLDER / "gofer_small.db"

# Those with answers of the engine; the object store and the secret store have none.
ANSWERED = ("small", "edge", "late", "upgraded", "medium")


def unpack(name: str, folder: Path) -> Path:
    """Write the database `name` ("small") into a folder and return its path."""
    path = folder / f"gofer_{name}.db"
    plain = FOLDER / path.name
    path.write_bytes(
        plain.read_bytes() if plain.exists() else lzma.decompress((FOLDER / f"{plain.name}.xz").read_bytes())
    )
    return path


@cache
def read_text(name: str) -> str:
    """The content of a compressed file in tests/data."""
    return lzma.decompress((FOLDER / f"{name}.xz").read_bytes()).decode()


def sessions(name: str) -> list[dict[str, Any]]:
    """Each session of Go's engine with that file: its `max_results_limit` and its `calls`."""
    found: list[dict[str, Any]] = json.loads(read_text(f"gofer_{name}.json"))["sessions"]
    return found


def snake(name: str) -> str:
    """Go's names in Python: GetAllDockerRegistryAuths, NamespaceID."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name.replace("ID", "Id")).lower()


def answer(storage: engine.Engine, call: dict[str, Any]) -> tuple[object, str | None]:
    """What `storage` answers to a call in the log: the result as plain JSON, and the error's text."""
    arguments = {snake(name): value for name, value in call["req"].items()}
    try:
        return plain(getattr(storage, snake(call["op"]))(**arguments)), None
    except engine.EngineError as error:
        return None, str(error)


def plain(result: Any) -> Any:
    """An entity as its stored JSON says it, also within lists; a set as a list in Go's order."""
    if isinstance(result, list):
        return [plain(entity) for entity in result]
    if isinstance(result, set):
        return sorted((plain(entity) for entity in result), key=lambda it: (it["Namespace"], it["Pipeline"], it["Run"]))
    return result if result is None or isinstance(result, bool) else json.loads(engine.encode(result))


def dump(tx: boltpy.Tx) -> Iterator[dict[str, Any]]:
    """The lines of NAME.raw.jsonl for what a transaction sees."""

    def walk(parent: boltpy.Tx | boltpy.Bucket, path: list[str]) -> Iterator[dict[str, Any]]:
        # The root has no pairs in Gofer's files; bolt's own API can not even put one there.
        items = parent.items() if isinstance(parent, boltpy.Bucket) else ((name, None) for name, _ in parent.buckets())
        for key, value in items:
            line = {"path": path, "key": key.hex(), "value": value.hex() if value is not None else None}
            child = parent.bucket(key) if value is None else None
            yield line | {"bucket": child is not None, "sequence": child.sequence if child is not None else 0}
            if child is not None:
                yield from walk(child, [*path, key.hex()])

    return walk(tx, [])


def records(name: str) -> Iterator[tuple[str, bytes]]:
    """Every stored entity of a file, as (class name, JSON), found by the names of buckets in its raw dump."""
    classes = {"Namespace", "Token", "DockerRegistryAuth", "Pipeline", "Run", "TaskRun", "TriggerEvent"}
    for text in read_text(f"gofer_{name}.raw.jsonl").splitlines():
        line = json.loads(text)
        bucket = bytes.fromhex(line["path"][-1]).decode() if line["path"] else ""
        if line["bucket"]:
            continue
        if bucket == "runRegistry":
            yield "RunRegistryKey", bytes.fromhex(line["key"])
        elif bucket in classes:
            yield bucket, bytes.fromhex(line["value"])
