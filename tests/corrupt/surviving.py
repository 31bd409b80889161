"""Tries damages in a process of its own: a crash, an endless loop or a thirst for memory fails a test by name."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from tests.corrupt.mutations import Mutation

ROOT = Path(__file__).parents[2]


ALL_USES = ("read", "compact", "command", "write", "change")


def survive(path: Path, mutations: Iterable[Mutation], uses: tuple[str, ...] = ALL_USES) -> int:
    """Use the sound file at `path` with each damage; how many there were. Fails with the first fatal one."""
    orders = [str(mutation) for mutation in mutations]
    scratch = path.with_name(path.name + " damaged")
    scratch.mkdir(exist_ok=True)
    with subprocess.Popen(
        [sys.executable, "-m", "tests.corrupt.damage_worker", str(path), str(scratch), *uses],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as child:
        output, errors = child.communicate("\n".join(orders))
    last = output.splitlines()[-1:]
    complaints = scratch / "complaints"
    told = errors + (complaints.read_text() if complaints.exists() else "")
    assert (last, child.returncode) == (["done"], 0), f"exit code {child.returncode} at {last}\n{told[-3000:]}"
    return len(orders)
