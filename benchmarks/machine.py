"""Where a run takes place: figures are worth nothing without it."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path


def described() -> dict[str, str]:
    """Return the machine, its Python and its load of the last minute, as texts by name."""
    return {
        "processor": _after_colon("/proc/cpuinfo", "model name") or platform.processor() or platform.machine(),
        "cores": str(os.cpu_count()),
        "memory": _after_colon("/proc/meminfo", "MemTotal"),
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "load at the start": load(),
    }


def load() -> str:
    """Return the processes that wanted to run, on average over the last minute."""
    return f"{os.getloadavg()[0]:.1f}"


def _after_colon(path: str, name: str) -> str:
    """Return what a file of /proc says of a name; "" where there is no such file or name."""
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")
