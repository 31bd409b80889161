"""Starts the command line: `python -m boltpy`, and what pip installs as `boltpy`."""

from __future__ import annotations

import gc
import sys
from importlib import import_module

_INTERRUPTED = 128 + 2  # as shells count a program that SIGINT ended


def run() -> None:
    """Run the process's command and end the process. Ctrl-C ends it in silence even while modules are loaded."""
    try:
        code = import_module(".cli", __package__).main()
    except KeyboardInterrupt:
        code = _INTERRUPTED
    gc.freeze()  # spare the interpreter a last look at all modules for what nobody holds: it takes a tenth of `info`
    sys.exit(code)


if __name__ == "__main__":
    run()
