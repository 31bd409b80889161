"""The other side of the interop tests: real bbolt, behind our own Go program.

`build` compiles the program in `go/`; `GoPeer` is one running process of it and
`GoDB` one database that it holds open. Option names are those of `boltpy.open`,
so that a test can give one set of options to both sides.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import queue
import shutil
import subprocess
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.models import BucketModel

from .changes import Change, Outcome
from .contents import model_from_items
from .workload import Trace, Workload

SOURCES = Path(__file__).parent / "go"
GOFER_SOURCES = SOURCES / "gofer"  # another program; gofer_peer.py speaks with it
ANSWER_TIMEOUT = 120.0  # seconds; a peer that waits for a lock must not hang the suite


class PeerUnavailableError(Exception):
    """There is no Go, or the program does not build: the text says why."""


class GoError(Exception):
    """The peer answered with an error; the text is bbolt's own where bbolt raised it."""


def build(cache: Path, sources: Path = SOURCES, package: str = ".") -> Path:
    """Compile the program in a folder, or a package that its go.mod names, unless the cache has it for this Go.

    Two test processes may do this at once: each builds its own file, and the
    rename that publishes it is atomic.

    Raises:
        PeerUnavailableError: Go is not on PATH, or the build failed.
    """
    go = shutil.which("go")
    if go is None:
        raise PeerUnavailableError("go is not on PATH")
    version = subprocess.run([go, "version"], capture_output=True, check=False, cwd=sources)
    digest = hashlib.sha256(version.stdout)
    for source in sorted(sources.rglob("*")):
        if source.is_file():
            digest.update(source.read_bytes())
    binary = cache / f"boltpy-interop-{sources.name}-{digest.hexdigest()[:16]}"
    if not binary.exists():
        mine = binary.with_suffix(f".{os.getpid()}")
        command = [go, "build", "-mod=readonly", "-o", str(mine), package]
        built = subprocess.run(command, capture_output=True, text=True, check=False, cwd=sources)
        if built.returncode != 0:
            raise PeerUnavailableError(f"go build failed: {built.stderr.strip()}")
        mine.replace(binary)
    return binary


class GoPeer:
    """One process of the program. A context manager: the end kills it, and with it all its locks."""

    def __init__(self, binary: Path) -> None:
        self._process = subprocess.Popen([binary], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._answers: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._ids = itertools.count(1)
        self._reader = threading.Thread(target=self._read_answers, daemon=True)
        self._reader.start()

    def _read_answers(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._answers.put(line)
        self._answers.put(b"")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def send(self, line: bytes) -> None:
        """Write one raw request line."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + b"\n")
        self._process.stdin.flush()

    def receive(self) -> dict[str, Any]:
        """Read one answer line; fail if none comes in time or the process has ended."""
        try:
            line = self._answers.get(timeout=ANSWER_TIMEOUT)
        except queue.Empty:
            raise AssertionError(f"the Go peer gave no answer in {ANSWER_TIMEOUT:.0f} seconds") from None
        assert line, f"the Go peer ended with exit code {self._process.wait()}"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def request(self, op: str, **fields: object) -> dict[str, Any]:
        """Send a request and return its result. Raises GoError with the peer's text."""
        result, _ = self.stream(op, **fields)
        return result

    def stream(self, op: str, **fields: object) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Like `request`, with the items that came before the result."""
        ident = next(self._ids)
        self.send(json.dumps({"id": ident, "op": op, **fields}).encode())
        items = []
        while "item" in (answer := self.receive()):
            items.append(answer["item"])
        assert answer["id"] == ident
        if "error" in answer:
            raise GoError(answer["error"])
        result: dict[str, Any] = answer["result"]
        return result, items

    def open(self, path: Path, **options: object) -> GoDB:
        """Open a database with bbolt; use the result in a `with` block."""
        name = f"db{next(self._ids)}"
        opened = self.request("open", db=name, path=str(path), options=options)
        return GoDB(self, name, path, opened["page_size"])

    def hold(self, path: Path, milliseconds: int, **options: object) -> None:
        """Open a database now and close it after a while, without a further request."""
        self.request("hold", path=str(path), milliseconds=milliseconds, options=options)


@dataclass
class GoDB:
    """A database that bbolt holds open."""

    peer: GoPeer
    name: str
    path: Path
    page_size: int

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.peer.request("close", db=self.name)

    def update(self, changes: Iterable[Change], discard: bool = False) -> list[Outcome]:
        """Apply changes in one write transaction: commit it, or roll it back with `discard`."""
        operations = [change.as_json() for change in changes]
        result = self.peer.request("update", db=self.name, operations=operations, discard=discard)
        return [Outcome.from_json(outcome) for outcome in result["outcomes"]]

    def begin(self, name: str, writable: bool = False) -> int:
        """Begin a transaction with a name and return its txid."""
        txid: int = self.peer.request("begin", db=self.name, tx=name, writable=writable)["txid"]
        return txid

    def run(self, workload: Workload, hashes: bool = False) -> Trace:
        """Run a generated workload and tell what the file was after each commit."""
        spec = {**workload.as_json(), "hashes": hashes}
        result = self.peer.request("workload", db=self.name, workload=spec)
        return Trace(result["sizes"], result["hashes"])

    def digest(self, tx: str = "") -> str:
        """The sha256 of all contents, in the canonical form of `contents.digest`."""
        found: str = self.peer.request("dump", db=self.name, tx=tx)["sha256"]
        return found

    def contents(self, tx: str = "") -> BucketModel:
        """All contents; for files of some thousand pairs."""
        _, items = self.peer.stream("dump", db=self.name, tx=tx, items=True)
        return model_from_items(items)

    def check(self, tx: str = "") -> list[str]:
        """The problems that bbolt's own check finds."""
        problems: list[str] = self.peer.request("check", db=self.name, tx=tx)["problems"]
        return problems

    def stats(self, bucket: Sequence[bytes] = ()) -> dict[str, Any]:
        """Freelist counts of the database and the statistics of one bucket."""
        return self.peer.request("stats", db=self.name, bucket=[name.hex() for name in bucket])

    def pages(self) -> list[dict[str, Any]]:
        """What `Tx.Page` says of each page; continuation pages are left out."""
        found: list[dict[str, Any]] = self.peer.request("pages", db=self.name)["pages"]
        return found

    def copy_file(self, path: Path, tx: str = "") -> None:
        """Write a snapshot with `Tx.CopyFile`."""
        self.peer.request("copy", db=self.name, path=str(path), tx=tx)

    def compact(self, path: Path, tx_max_size: int, **options: object) -> None:
        """Copy everything into a new database at the path with `Compact`."""
        self.peer.request("compact", db=self.name, path=str(path), tx_max_size=tx_max_size, options=options)

    def churn(self, keys: int, pause: int) -> None:
        """Begin to commit again and again, each time all keys of the bucket `churn`, with a pause in milliseconds."""
        self.peer.request("churn", db=self.name, count=keys, milliseconds=pause)

    def calm(self) -> int:
        """End what `churn` began and return the number of commits."""
        commits: int = self.peer.request("calm", db=self.name)["commits"]
        return commits
