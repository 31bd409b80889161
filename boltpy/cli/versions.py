"""`version`: what runs."""

from __future__ import annotations

import json
import platform
import sys

from ..hot import HOT
from ..printing import Printer
from ..version import VERSION
from .command import JSON, Arguments, Command


def _version(arguments: Arguments, out: Printer) -> int:
    facts = {
        "boltpy": VERSION,
        "kernels": HOT,
        "python": platform.python_version(),
        "platform": f"{sys.platform}/{platform.machine()}",
    }
    if arguments.json:
        out.line(json.dumps(facts))
    else:
        out.line(f"boltpy Version: {VERSION} (kernels: {HOT})")
        out.line(f"Python Version: {facts['python']}")
        out.line(f"Python OS/Arch: {facts['platform']}")
    return 0


COMMANDS = (
    Command(
        name="version",
        run=_version,
        about="print the version of boltpy, of Python, and which kernels run",
        words=(),
        least=0,
        most=None,
        flags=(JSON,),
        examples=(("boltpy version", "three lines, the first with boltpy's own version"),),
    ),
)
