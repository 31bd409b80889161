"""The command that looks for faults, and mends them: check."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from typing import Any

from ..tools.checking import check
from ..tools.copying import require_file
from ..tools.findings import REMEDIES, Finding
from ..tools.repair import repair
from ..tools.walking import open_gofers
from .output import Output, Progress, ReaderLeftError


def add_commands(commands: Any) -> None:
    """Add it to the parser's subcommands."""
    command = commands.add_parser(
        "check",
        help="check a file, or write a mended copy of it",
        description="Check pages, indexes, counters, records and how they fit together. Errors are what --repair "
        "mends; notes are odd, but Gofer lives with them. The exit code is 1 if there are errors.",
    )
    command.add_argument("file", metavar="FILE", help="the database file, which is only read")
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.add_argument(
        "--repair",
        metavar="OUTPUT",
        help="write a mended copy: indexes made anew from the records, counters raised, and what can not be read moved "
        "into a bucket of its own. The exit code is 1 if the copy has errors or can not be made. A file that holds "
        "something is refused",
    )
    command.set_defaults(run=_check)


def _check(options: argparse.Namespace, out: Output) -> int:
    path = require_file(options.file, "check")
    report = _Report(out, as_json=options.json, mends=options.repair is not None)
    with open_gofers(path) as db, db.view() as tx:
        with Progress("check") as progress:
            for finding in check(tx, progress.tick):
                report.add(finding)
        if options.repair is None:
            report.end()
            return 1 if report.errors else 0
        try:
            with Progress("repair") as progress:
                repair(tx, options.repair, progress.tick)
            left = list(_errors_in(options.repair))
        except Exception:
            # What is wrong with the file is the same without a copy.
            report.end()
            raise
    report.end(options.repair, left)
    return 1 if left else 0


def _errors_in(path: str) -> Iterator[Finding]:
    with open_gofers(path) as db, db.view() as tx, Progress("check") as progress:
        yield from (finding for finding in check(tx, progress.tick) if finding.is_error)


class _Report:
    """Prints what is found; as JSON, at the end."""

    def __init__(self, out: Output, *, as_json: bool, mends: bool) -> None:
        self.errors = 0
        self.notes = 0
        self._out = out
        self._as_json = as_json
        self._mends = mends
        self._found: list[Finding] = []

    def add(self, finding: Finding) -> None:
        if finding.is_error:
            self.errors += 1
        else:
            self.notes += 1
        if self._as_json:
            self._found.append(finding)
        else:
            self._line(f"{finding} -> {REMEDIES[finding.name]}" if self._mends and finding.is_error else str(finding))

    def end(self, copy: str | None = None, left: Sequence[Finding] = ()) -> None:
        """Sum up. Args: `copy`, the mended copy, if one was made; `left`, the errors in it."""
        if self._as_json:
            findings = [_members(finding, mended=copy is not None) for finding in self._found]
            summary: dict[str, Any] = {"errors": self.errors, "notes": self.notes, "findings": findings}
            if self._mends:
                summary["copy"] = copy
            if copy is not None:
                summary["left"] = [_members(finding) for finding in left]
            self._line(json.dumps(summary, indent=2))
            return
        found = f"{_counted(self.errors, 'error')}, {_counted(self.notes, 'note')}"
        self._line(found if self.errors + self.notes else "OK")
        if copy is not None:
            for finding in left:
                self._line(f"left in the copy: {finding}")
            self._line(f"{copy}: {_counted(len(left), 'error')} left" if left else f"{copy}: a copy without errors")

    def _line(self, text: str) -> None:
        # Errors are errors, whether somebody reads them to their end or not.
        try:
            self._out.line(text)
        except ReaderLeftError:
            self._out = Output(None)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _members(finding: Finding, *, mended: bool = False) -> dict[str, str]:
    level = "error" if finding.is_error else "note"
    members = {"level": level, "name": finding.name, "place": finding.place, "text": finding.text}
    return members | ({"mended": REMEDIES[finding.name]} if mended and finding.is_error else {})
