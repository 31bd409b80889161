"""The workloads, by name: what the project's goals are about first, then what happens at once, and how things grow."""

from __future__ import annotations

from typing import Any

from .workload import Workload


def _goals(go: float | None, lmdb: float | None = None, sqlite3: float | None = None) -> dict[str, float]:
    told = {"go": go, "lmdb": lmdb, "sqlite3": sqlite3}
    return {peer: goal for peer, goal in told.items() if goal is not None}


def _writing() -> list[Workload]:
    one_each: dict[str, Any] = {"prepared": "loaded", "changes": True, "batch": 1}
    return [
        Workload(name="put-ordered", title="put, key order", task="put", order="ordered", goals=_goals(0.5, 0.8, 0.2)),
        Workload(
            name="put-many-ordered",
            title="put_many, key order",
            task="put_many",
            order="ordered",
            goals=_goals(0.3, 0.5, 0.15),
        ),
        Workload(name="put-random", title="put, random", task="put", goals=_goals(0.22, 0.4, 0.15)),
        Workload(name="put-many-random", title="put_many, random", task="put_many", goals=_goals(0.16, 0.3, 0.12)),
        Workload(
            name="delete-random",
            title="delete, random",
            task="delete",
            ops=150_000,
            prepared="loaded",
            changes=True,
            goals=_goals(0.3, 0.8, 0.3),
        ),
        Workload(
            name="mixed", title="get and put in turns", task="mixed", ops=100_000, prepared="loaded", changes=True
        ),
        Workload(
            name="nested",
            title="nested buckets, of {span} keys",
            task="nested",
            count=100_000,
            span=100,
            goals=_goals(0.8),
        ),
        Workload(
            name="commit-no-sync",
            title="one put a tx, no sync",
            task="replace",
            ops=3_000,
            **one_each,
            goals=_goals(1.5, 1.0, 0.7),
        ),
        Workload(
            name="commit-sync",
            title="one put a tx, synced",
            task="replace",
            ops=200,
            sync=True,
            **one_each,
            goals=_goals(1.05, 1.0, 1.0),
        ),
        Workload(
            name="put-64k",
            title="put, values of 64 KiB",
            task="put",
            values=65_536,
            count=800,
            ops=800,
            batch=100,
            fixed=True,
            goals=_goals(0.4, 1.0, 1.0),
        ),
        Workload(
            name="drop",
            title="delete a bucket of {count:,} keys",
            task="drop",
            count=1_000_000,
            ops=1,
            order="ordered",
            prepared="loaded",
            changes=True,
            fixed=True,
        ),
        Workload(name="compact", title="compact {count:,} pairs", task="compact", ops=1, prepared="loaded", fixed=True),
        Workload(
            name="compact-1g",
            title="compact {megabytes:,} MB",
            task="compact",
            values=1_000,
            count=1_000_000,
            ops=1,
            prepared="loaded",
            fixed=True,
            large=True,
        ),
        *_backups(),
    ]


def _backups() -> list[Workload]:
    common: dict[str, Any] = {"ops": 1, "prepared": "loaded", "fixed": True, "values": 1_000, "goals": _goals(1.3)}
    title, task = "backup of {megabytes:,} MB, synced", "backup"
    return [
        Workload(name="backup", title=title, task=task, count=100_000, **common),
        Workload(name="backup-1g", title=title, task=task, count=1_000_000, large=True, **common),
    ]


def _reading() -> list[Workload]:
    return [
        Workload(name="get-random", title="get, random", task="get", prepared="loaded", goals=_goals(0.8, 1.0, 0.15)),
        Workload(
            name="get-many", title="get_many, random", task="get_many", prepared="loaded", goals=_goals(0.4, 0.4, 0.1)
        ),
        Workload(name="get-tx", title="one get a tx", task="get_tx", ops=20_000, prepared="loaded"),
        Workload(name="scan", title="scan of all pairs", task="scan", prepared="loaded", goals=_goals(5, 0.6, 0.4)),
        Workload(
            name="uneven-scan",
            title="scan, values of 20 to 80 bytes",
            task="scan",
            values=20,
            spread=60,
            prepared="loaded",
            fixed=True,
        ),
        Workload(
            name="seek",
            title="seek and read {span}",
            task="seek",
            ops=20_000,
            prepared="loaded",
            goals=_goals(1.5, 1.0, 0.3),
        ),
        Workload(
            name="open-freed",
            title="open with {count:,} free pages, tiny commit",
            task="open_put",
            count=100_000,
            ops=10,
            prepared="freed",
            changes=True,
            fixed=True,
            goals=_goals(1.0),
        ),
        Workload(
            name="open-large",
            title="open a file of {megabytes:,} MB, get one key",
            task="open_get",
            values=1_000,
            count=100_000,
            ops=10,
            prepared="loaded",
            fixed=True,
        ),
        Workload(
            name="open-1g",
            title="open a file of {megabytes:,} MB, get one key",
            task="open_get",
            values=1_000,
            count=1_000_000,
            ops=10,
            prepared="loaded",
            fixed=True,
            large=True,
        ),
    ]


def _at_once() -> list[Workload]:
    return [
        Workload(
            name="put-beside-reader",
            title="put beside a long reader",
            task="put_beside_reader",
            ops=100_000,
            prepared="loaded",
            changes=True,
        ),
        Workload(
            name="get-threads", title="get, from {threads} threads", task="get_threads", threads=4, prepared="loaded"
        ),
        Workload(
            name="get-busy",
            title="get beside a busy thread",
            task="get_busy",
            ops=1_000,
            least_seconds=1.0,
            threads=2,
            prepared="loaded",
        ),
        Workload(
            name="batch-threads",
            title="batch from {threads} threads, synced",
            task="batched",
            ops=400,
            threads=8,
            sync=True,
            prepared="loaded",
            changes=True,
        ),
    ]


def _growing() -> list[Workload]:
    found = []
    for count, text in ((10_000, "10k"), (100_000, "100k"), (1_000_000, "1m"), (10_000_000, "10m")):
        common: dict[str, Any] = {"count": count, "ops": 10_000, "prepared": "loaded", "fixed": True}
        common["large"] = count > 1_000_000
        found += [
            Workload(name=f"get-at-{text}", title="get, of {count:,} pairs", task="get", **common),
            Workload(
                name=f"put-at-{text}",
                title="put_many {batch:,} a tx, to {count:,} pairs",
                task="replace_many",
                changes=True,
                **{**common, "batch": 1_000},
            ),
        ]
    return found


def _memory() -> list[Workload]:
    common: dict[str, Any] = {"measure": "memory", "fixed": True}
    found = []
    for count, text in ((1_000_000, "1m"), (10_000_000, "10m")):
        large = count > 1_000_000
        found += [
            Workload(
                name=f"memory-load-{text}",
                title="memory: load {count:,} pairs, {batch:,} a tx",
                task="put_stream",
                count=count,
                large=large,
                goals=_goals(1.0),
                **common,
            ),
            Workload(
                name=f"memory-scan-{text}",
                title="memory: scan {count:,} pairs",
                task="scan",
                count=count,
                large=large,
                prepared="loaded",
                **common,
            ),
        ]
    found.append(
        Workload(
            name="memory-tx",
            title="memory: {count:,} puts in one tx, key order",
            task="put_stream",
            count=1_000_000,
            batch=1_000_000,
            order="ordered",  # bbolt splits no leaf before the commit: a million random puts into one take it hours
            **common,
        )
    )
    return found


def _engine() -> list[Workload]:
    return [
        Workload(
            name="gofer-replay",
            title="engine: {count:,} calls from Gofer's log",
            task="replay",
            count=20_839,
            ops=20_839,
            fixed=True,
            goals=_goals(1.0),
        )
    ]


WORKLOADS = tuple(_writing() + _reading() + _engine() + _at_once() + _growing() + _memory())


def chosen(names: list[str], *, large: bool) -> list[Workload]:
    """Return the workloads of these names, or all; large ones if asked for, or named in full.

    Args:
        names: Names, or their beginnings ("put" is put-ordered, put-random and more); none is all.
        large: Whether to take large ones too.

    Raises:
        ValueError: No workload has such a name.
    """
    found = [it for it in WORKLOADS if large or not it.large]
    if names:
        for name in names:
            if not name or not any(it.name.startswith(name) for it in WORKLOADS):
                raise ValueError(f"no workload is called {name!r}; they are {', '.join(it.name for it in WORKLOADS)}")
        found = [
            it
            for it in WORKLOADS
            if it.name in names or (it in found and any(it.name.startswith(name) for name in names))
        ]
    return found
