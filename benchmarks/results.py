"""What was measured: the rounds of each peer at each workload, what they read, and the file that keeps it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from . import whole

_FORMAT = "boltpy benchmarks 1"


class ResultError(Exception):
    """A file holds no results; the text says which and why."""


@dataclass(slots=True)
class Series:
    """The rounds of one peer at one workload.

    Attributes:
        values: Of each round, seconds for an operation, or peak bytes.
        reads: Of each round, what is to be the same everywhere: operations, pairs, checksum.
        versions: What was measured, by name.
        problem: Why it does not count, "" if it does.
        failed: Whether the problem is a fault, and not that the peer has no call for such a thing.
    """

    values: list[float] = field(default_factory=list)
    reads: list[list[int]] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    problem: str = ""
    failed: bool = False

    def fail(self, problem: str) -> None:
        """Let the series not count, because of a fault."""
        self.problem, self.failed = problem, True

    @property
    def counts(self) -> bool:
        """Whether there is something that can be compared."""
        return not self.problem and bool(self.values)

    @property
    def median(self) -> float:
        """The middle of the values."""
        return median(self.values)

    @property
    def spread(self) -> float:
        """How far the values lie apart, as a share of their median."""
        return (max(self.values) - min(self.values)) / self.median if self.median else 0.0


@dataclass(slots=True)
class Measured:
    """A workload and what each peer did with it. `goals` are ratios to stay below, by peer."""

    name: str
    title: str
    measure: str
    sizes: dict[str, Any]
    goals: dict[str, float]
    series: dict[str, Series]

    def ratio(self, ours: str, peer: str) -> float | None:
        """Return `ours` divided by the peer, None if one of them does not count."""
        mine, theirs = self.series.get(ours), self.series.get(peer)
        if mine is None or theirs is None or not mine.counts or not theirs.counts or not theirs.median:
            return None
        return mine.median / theirs.median


@dataclass(slots=True)
class Results:
    """One run.

    Attributes:
        machine: Where, when, how and under what load.
        peers: Titles by name, in the order of the columns; the first is what is compared with the others.
        missing: Why peers were left out that are not here, by name.
        measured: The workloads.
        broken: Why peers were left out that are here, by name.
    """

    machine: dict[str, str]
    peers: dict[str, str]
    missing: dict[str, str]
    measured: list[Measured]
    broken: dict[str, str] = field(default_factory=dict)

    @property
    def ours(self) -> str:
        """The peer that is compared with the others."""
        return next(iter(self.peers))

    @property
    def failed(self) -> bool:
        """Whether a peer failed, or read something else than the others."""
        return bool(self.broken) or any(series.failed for it in self.measured for series in it.series.values())

    def versions(self) -> dict[str, dict[str, str]]:
        """Return what was measured, by peer."""
        found: dict[str, dict[str, str]] = {}
        for it in self.measured:
            for peer, series in it.series.items():
                found[peer] = {**found.get(peer, {}), **series.versions}
        return found

    def write(self, path: str) -> None:
        """Write the file, all of it or nothing.

        Raises:
            OSError: It can not be written.
        """
        whole.write(path, (json.dumps({"format": _FORMAT, **asdict(self)}, indent=1) + "\n").encode())

    @classmethod
    def read(cls, path: str) -> Results:
        """Read what `write` wrote.

        Raises:
            ResultError: It is another file.
            OSError: It can not be read.
        """
        try:
            told = json.loads(Path(path).read_text("utf-8"))
            if told.pop("format") != _FORMAT:
                raise ValueError("another format")
            measured = [
                Measured(**{**it, "series": {peer: Series(**series) for peer, series in it["series"].items()}})
                for it in told.pop("measured")
            ]
            return cls(**told, measured=measured)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ResultError(f"{path} holds no results of `python -m benchmarks run`: {error}") from error


def judge(voiced: Iterable[tuple[str, Series]]) -> None:
    """Mark those that read something else than most, so that they do not count; if there is no most, all of them.

    Args:
        voiced: Each series with its voice. Those of one voice are one program, and count once.
    """
    ran = [(voice, series) for voice, series in voiced if series.counts]
    said = {(voice, tuple(read)) for voice, series in ran for read in series.reads}
    votes = Counter(read for _voice, read in said)
    if len(votes) < 2:
        return
    (most, most_votes), (_, next_votes) = votes.most_common(2)
    for _voice, series in ran:
        if most_votes == next_votes:
            series.fail(f"answers differ, and none has the most voices: {_said(series.reads)}")
        elif any(tuple(read) != most for read in series.reads):
            series.fail(f"the answer differs: {_said(series.reads)}; most say {_said([list(most)])}")


def _said(reads: list[list[int]]) -> str:
    different = sorted({tuple(read) for read in reads})
    return " or ".join(f"{ops} operations, {pairs} pairs, checksum {crc:08x}" for ops, pairs, crc in different)
