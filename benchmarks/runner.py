"""Runs workloads: each peer in a process of its own, the peers in turns, round by round.

A prepared file is made once for each peer and its sizes; a task that changes it gets a copy. All is in one temporary
folder, which is gone at the end.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

from .job import MEASURE, PREPARE, Answer, Job
from .peers import PEERS, Peer, command, environment
from .process import FailedError, work
from .progress import Progress
from .results import Measured, Series, judge
from .stores import UnsupportedError
from .workload import Workload


class Runner:
    """Measures workloads in one folder.

    A workload begins with the peer of that place in its turn, so that none is always the one after the slowest.
    """

    def __init__(self, folder: Path, peers: Sequence[Peer], rounds: int) -> None:
        self._folder = folder
        self._peers = peers
        self._rounds = rounds
        self._prepared: dict[tuple[object, ...], Path] = {}

    def rounds(self, workload: Workload) -> int:
        """Return how many rounds a workload has. Memory is the same in each, so there is one."""
        return 1 if workload.measure == "memory" else self._rounds

    def steps(self, workload: Workload) -> int:
        """Return how many processes measure a workload."""
        return sum(min(self.rounds(workload), peer.rounds) for peer in self._peers)

    def measure(self, workload: Workload, progress: Progress) -> Measured:
        """Run all rounds of a workload, and compare what the peers read."""
        series = {peer.name: Series() for peer in self._peers}
        for turn in range(self.rounds(workload)):
            first = turn % len(self._peers)
            for peer in [*self._peers[first:], *self._peers[:first]]:
                if turn < peer.rounds:
                    progress.step(f"{workload.name} · {peer.title}")
                    self._add_round(workload, peer, series[peer.name])
        judge((peer.family, series[peer.name]) for peer in self._peers)
        return Measured(
            workload.name, workload.named(), workload.measure, workload.as_json(), dict(workload.goals), series
        )

    def _add_round(self, workload: Workload, peer: Peer, series: Series) -> None:
        if series.problem:
            return
        try:
            answer, peak = self._one(workload, peer)
        except (FailedError, OSError) as reason:
            series.fail(f"failed: {reason}")
            return
        except UnsupportedError as reason:
            series.problem = str(reason)
            return
        if workload.measure == "memory" and not peak:
            series.problem = "the system does not tell how much memory a process has"
            return
        series.values.append(peak if workload.measure == "memory" else answer.seconds / answer.operations)
        series.reads.append([answer.operations, answer.pairs, answer.checksum])
        series.versions = answer.versions

    def _one(self, workload: Workload, peer: Peer) -> tuple[Answer, int]:
        with self._file(workload, peer) as path:
            return self._do(workload, peer, path, MEASURE)

    def _do(self, workload: Workload, peer: Peer, path: Path, mode: str) -> tuple[Answer, int]:
        job = Job(workload, str(path), mode, peer.store)
        watch = mode == MEASURE and workload.measure == "memory"
        answer, peak = work(job, command(peer, workload), environment(peer), watch=watch)
        if answer.unsupported:
            raise UnsupportedError(answer.unsupported)
        return answer, peak

    @contextmanager
    def _file(self, workload: Workload, peer: Peer) -> Iterator[Path]:
        """The path of the file to work on, as the workload wants it."""
        original = self._original(workload, peer) if workload.prepared else None
        if original is not None and not workload.changes:
            yield original
            return
        with TemporaryDirectory(dir=self._folder) as scratch:
            path = Path(scratch) / "bench.db"
            if original is not None:
                shutil.copyfile(original, path)
                if workload.sync:
                    _settle(path)
            yield path

    def _original(self, workload: Workload, peer: Peer) -> Path:
        key = (peer.family, *workload.file_key())
        path = self._prepared.get(key)
        if path is None:
            path = Path(mkdtemp(dir=self._folder)) / "bench.db"
            self._do(workload, PEERS[peer.family], path, PREPARE)
            _settle(path)
            self._prepared[key] = path
        return path


def _settle(path: Path) -> None:
    """Bring a file to the disk, so that the first sync that is measured has no other work."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
