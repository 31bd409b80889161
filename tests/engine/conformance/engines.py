"""The engines that the suite is run on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import engine
from tests.etcd.running import new_url

from .memory import MemoryEngine

Opener = Callable[..., engine.Engine]
"""Opens an empty engine; keywords are those of `open_engine`."""


def open_bolt(folder: Path, **options: Any) -> engine.Engine:
    return engine.open_engine(folder / "gofer.db", no_sync=True, **options)


def open_memory(folder: Path, **options: Any) -> engine.Engine:
    return MemoryEngine(**options)


def open_etcd(folder: Path, **options: Any) -> engine.Engine:
    return engine.open_engine(new_url(), **options)


ENGINES: dict[str, Callable[..., engine.Engine]] = {"bolt": open_bolt, "memory": open_memory, "etcd": open_etcd}
