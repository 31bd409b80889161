"""`scrub`: which pages of a file changed by themselves since they were sealed."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict

from .. import snapshot
from ..format import Pgid
from ..printing import Printer, ReaderLeftError, complain
from .command import FILE, JSON, LIVE, TIMEOUT, Arguments, Command, Flag, UsageError
from .opening import lock_wait, reading, require_file
from .progress import Progress

_SEAL = Flag("seal", "bool", "make the seal FILE.seal of the file as it is now, instead of comparing", default=False)


def _scrub(arguments: Arguments, out: Printer) -> int:
    if arguments.seal:
        return _make_seal(arguments, out)
    require_file(arguments.file)
    with Progress("scrub") as progress:
        found = snapshot.scrub(
            arguments.file, timeout=lock_wait(arguments.timeout), live=arguments.live, progress=progress.share
        )
    # What was found is so, whether somebody reads it to its end or not.
    with suppress(ReaderLeftError):
        if arguments.json:
            out.line(json.dumps({**asdict(found), "ok": found.ok}))
        else:
            _print(found, out)
        out.flush()
    return 0 if found.ok else complain(_verdict(found))


def _make_seal(arguments: Arguments, out: Printer) -> int:
    if arguments.live:
        raise UsageError("--seal needs the lock; it does not go with --live")
    with reading(arguments) as tx:
        txid = snapshot.seal(tx)
    out.line(json.dumps({"txid": txid}) if arguments.json else f"sealed txid {txid}")
    return 0


def _print(found: snapshot.Scrub, out: Printer) -> None:
    for note in found.notes:
        out.line(note)
    for pgid in found.changed:
        out.line(f"page {pgid}: changed since it was sealed")
    if found.unknown:
        out.line(f"not verified: pages {_as_ranges(found.unknown)}")
    whole = "all" if found.verified == found.page_count else f"{found.verified} of"
    out.line(
        f"{'OK: ' if found.ok else ''}{whole} {found.page_count} pages are as they were at txid {found.sealed_txid}"
    )


def _verdict(found: snapshot.Scrub) -> str:
    if found.changed:
        return f"{len(found.changed)} pages changed since they were sealed"
    if found.unknown:
        return f"{len(found.unknown)} pages could not be verified"
    return "the file is not at the commit that was sealed"


def _as_ranges(pgids: list[Pgid]) -> str:
    """Return ascending pgids as text, neighbours as `3-7`."""
    parts: list[str] = []
    start = 0
    for i, pgid in enumerate(pgids):
        if i + 1 == len(pgids) or pgids[i + 1] != pgid + 1:
            parts.append(f"{pgids[start]}-{pgid}" if start < i else str(pgid))
            start = i + 1
    return " ".join(parts)


COMMANDS = (
    Command(
        name="scrub",
        run=_scrub,
        about="find every bit of a file that changed by itself since the file was sealed",
        words=(FILE,),
        least=1,
        most=1,
        flags=(_SEAL, JSON, TIMEOUT, LIVE),
        details=(
            "bolt's format has no checksum on its pages. With --seal this command writes them into a file beside the "
            "database; without, it compares. Programs that open the database with boltpy's option `seal` keep that "
            "file up to date.",
            "Where somebody has committed since without sealing, the pages that are as they were are proven; of the "
            "others nothing can be said, and they are listed.",
        ),
        examples=(
            ("boltpy scrub --seal app.db", "sealed txid 4711"),
            ("boltpy scrub app.db", "OK: all 1200 pages are as they were at txid 4711"),
        ),
        codes=((1, "pages changed or could not be verified; or an error, told in one line on stderr"),),
    ),
)
