"""Ends a run at a signal as at an error: its process is ended, and its files are removed."""

from __future__ import annotations

import signal

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def end_orderly() -> None:
    """Let Ctrl-C, SIGTERM and SIGHUP raise SystemExit with 128 and the signal's number, the exit code of shells.

    A signal that is ignored stays so: a run under nohup goes on.
    """
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)


def _end(number: int, _frame: object) -> None:
    for other in _SIGNALS:  # a second one must not disturb what cleans up
        signal.signal(other, signal.SIG_IGN)
    raise SystemExit(128 + number)
