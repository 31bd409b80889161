"""The peers: which there are, how to start one's process, and why one is missing."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from importlib.util import find_spec

from tests.interop.peer import GOFER_SOURCES

from .building import ROOT, BuildError, built
from .workload import Workload

OURS = "boltpy"


@dataclass(frozen=True, slots=True)
class Peer:
    """Something that does workloads.

    Attributes:
        name: What `--peers` takes.
        title: What tables and charts show.
        store: What its process is told to use.
        family: Peers of one family are one program: they begin with the same prepared file, and where answers differ
            they have one voice.
        rounds: The most rounds that it takes part in.
    """

    name: str
    title: str
    store: str
    family: str
    rounds: int = sys.maxsize


PEERS = {
    it.name: it
    for it in (
        Peer(OURS, "boltpy", "boltpy", "boltpy"),
        Peer("go", "Go bbolt", "go", "go"),
        Peer("lmdb", "py-lmdb", "lmdb", "lmdb"),
        Peer("sqlite3", "sqlite3", "sqlite3", "sqlite3"),
        # Many times slower than the others: more than one round would be most of the time.
        Peer("pure", "boltpy, pure", "boltpy", "boltpy", rounds=1),
    )
}


def missing(name: str) -> str:
    """Return why a peer is not here, "" if it is."""
    if name == "go" and shutil.which("go") is None:
        return "go is not on PATH"
    if name == "lmdb" and find_spec("lmdb") is None:
        return "the package lmdb is not installed (pip install -e '.[bench]')"
    return ""


def broken(name: str) -> str:
    """Return why a peer that is here can not be measured, "" if it can. Builds what is to be built."""
    if name == "go":
        try:
            built()
            built(GOFER_SOURCES)
        except BuildError as reason:
            return str(reason)
    return ""


def command(peer: Peer, workload: Workload) -> list[str]:
    """Return what starts the peer's process."""
    if workload.task == "replay":
        return [sys.executable, "-m", "benchmarks.replay"]
    return [str(built())] if peer.name == "go" else [sys.executable, "-m", "benchmarks.worker"]


def environment(peer: Peer) -> dict[str, str]:
    """Return the environment of the peer's process."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    found = {**os.environ, "PYTHONPATH": path}
    return {**found, "BOLTPY_HOT": "py"} if peer.name == "pure" else found
