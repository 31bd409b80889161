"""Starts the command line: `python -m engine`, and what pip installs as `gofer-db`."""

from __future__ import annotations

import sys
from importlib import import_module

_INTERRUPTED = 128 + 2  # as shells count a program that SIGINT ended


def run() -> None:
    """Run the process's command and end the process. Ctrl-C ends it in silence even while modules are loaded."""
    try:
        code = import_module(".cli", __package__).main()
    except KeyboardInterrupt:
        code = _INTERRUPTED
    sys.exit(code)


if __name__ == "__main__":
    run()
