"""`copy`, `backup`, `verify` and `restore`: copies of a database that can be trusted."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, BinaryIO, cast

from .. import snapshot
from ..files import permissions, same_file
from ..printing import Printer, visible
from .command import FILE, JSON, LIVE, TIMEOUT, WHOLE_CODES, Arguments, Command, CommandError, Flag, UsageError
from .opening import reading, require_file, standard_input
from .progress import Progress

_STANDARD = "-"  # standard output, or input
_TARGET = Flag(
    "output", "path", "the file to make; one that is there is replaced", short="o", metavar="TARGET", required=True
)
_STREAM = Flag(
    "output", "path", "the backup to make; one that is there is replaced; - is standard output",
    short="o", metavar="BACKUP", required=True,
)  # fmt: skip
_SINCE = Flag("since", "path", "an earlier backup: write only the pages that changed since then", metavar="EARLIER")
_BACKUPS = ("BACKUP...", "backups of one chain, in any order; - is standard input")


class _Output:
    """Standard output as a binary file that can only be written."""

    def __init__(self, out: Printer) -> None:
        self._out = out

    def write(self, data: bytes) -> int:
        """Print bytes as they are."""
        self._out.data(data)
        return len(data)


def _copy(arguments: Arguments, out: Printer) -> int:
    require_file(arguments.file)
    _require_target(arguments)
    with Progress("copy") as progress:
        if arguments.live:
            txid = snapshot.copy_live(arguments.file, arguments.output, progress=progress.share)
        else:
            with reading(arguments) as tx:
                tx.copy_file(arguments.output, permissions(arguments.file))
                txid = tx.id
    out.line(json.dumps({"txid": txid}) if arguments.json else f"copied txid {txid} to {visible(arguments.output)}")
    return 0


def _require_target(arguments: Arguments) -> None:
    if arguments.output == _STANDARD:
        raise UsageError("a database can not be written to standard output; a file of this name is ./-")


def _backup(arguments: Arguments, out: Printer) -> int:
    if arguments.output != _STANDARD and same_file(arguments.file, arguments.output):  # with --live a copy is read
        raise CommandError(f"{arguments.file}: cannot write the backup onto the database itself")
    with reading(arguments) as tx, Progress("backup") as progress:
        if arguments.output == _STANDARD:
            with out.as_a_whole():
                snapshot.backup(tx, cast(BinaryIO, _Output(out)), since=arguments.since, progress=progress.share)
            return 0
        made = snapshot.backup_file(tx, arguments.output, since=arguments.since, progress=progress.share)
    _tell(made, arguments, out)
    return 0


def _verify(arguments: Arguments, out: Printer) -> int:
    with Progress("verify") as progress:
        found = snapshot.verify(_sources(arguments.words), progress=progress.share)
    if arguments.json:
        out.line(json.dumps([asdict(backup) for backup in found]))
    else:
        for backup in found:
            out.line(f"OK: {_described(backup)}")
    return 0


def _restore(arguments: Arguments, out: Printer) -> int:
    _require_target(arguments)
    with Progress("restore") as progress:
        restored = snapshot.restore(_sources(arguments.words), arguments.output, progress=progress.share)
    _tell(restored, arguments, out)
    return 0


def _sources(words: list[str]) -> list[Any]:
    if words.count(_STANDARD) > 1:
        raise CommandError("only one backup can come from standard input")
    return [standard_input() if word == _STANDARD else word for word in words]


def _tell(backup: snapshot.Backup, arguments: Arguments, out: Printer) -> None:
    out.line(json.dumps(asdict(backup)) if arguments.json else _described(backup))


def _described(backup: snapshot.Backup) -> str:
    kind = f"incremental backup {backup.number}" if backup.number else "full backup"
    pages = f"{backup.page_count} of {backup.state_pages} pages, {backup.size} bytes"
    return f"txid {backup.txid}, {kind} of chain {backup.chain[:8]}: {pages}"


def _command(
    name: str,
    run: Callable[[Arguments, Printer], int],
    about: str,
    flags: tuple[Flag, ...],
    details: tuple[str, ...],
    examples: tuple[tuple[str, str], ...],
    codes: tuple[tuple[int, str], ...] = (),
) -> Command:
    reads_backups = run in (_verify, _restore)
    words = _BACKUPS if reads_backups else FILE
    return Command(name, run, about, (words,), 1, None if reads_backups else 1, flags, details, examples, codes)


COMMANDS = (
    _command(
        "copy",
        _copy,
        "copy the database, as it was at one commit",
        (_TARGET, JSON, TIMEOUT, LIVE),
        (
            "The copy is made beside its place and renamed, so it is there as a whole or not at all. It has the "
            "permissions of the database, less the umask.",
            "With --live another program may have the file open for writing. The copy is begun anew when a commit "
            "comes between, for ten seconds; a program that never pauses gets a refusal, and no copy is made.",
        ),
        (("boltpy copy --live -o copy.db app.db", "copied txid 4711 to copy.db"),),
    ),
    _command(
        "backup",
        _backup,
        "back up the database: all of it, or what changed since an earlier backup",
        (_STREAM, _SINCE, JSON, TIMEOUT, LIVE),
        (
            "A backup has all pages in use, with checksums, in a format of its own; free pages are left out. With "
            "--since it has only the pages that are not as they were in the earlier one, and builds on it.",
            "On standard output, a reader who leaves before the end is an error. In a pipe, `set -o pipefail` lets the "
            "shell tell.",
        ),
        (
            ("boltpy backup -o monday.backup app.db", "a full backup"),
            ("boltpy backup --since monday.backup -o tuesday.backup app.db", "what changed since"),
            ("boltpy backup -o - app.db", "a full backup to standard output, for instance to ssh or gzip"),
        ),
        WHOLE_CODES,
    ),
    _command(
        "verify",
        _verify,
        "prove every byte of some backups, and that they belong together",
        (JSON,),
        ("What is damaged, cut off, swapped or of another chain is told with its frame and its place in bytes.",),
        (("boltpy verify monday.backup tuesday.backup", "OK: txid 4711, full backup of chain 5f0c2a81: ..."),),
    ),
    _command(
        "restore",
        _restore,
        "make a database file of a full backup and the incremental ones behind it",
        (_TARGET, JSON),
        (
            "The file has the state of the last backup of the chain that is named, in whatever order they are named, "
            "and the permissions of the database that was backed up. Everything is proven on the way; if anything is "
            "wrong, the target stays as it was.",
        ),
        (("boltpy restore -o app.db monday.backup tuesday.backup", "the state of Tuesday"),),
    ),
)
