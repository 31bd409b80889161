"""`compact`: the same database in a new file, with full pages."""

from __future__ import annotations

import json
import os
from contextlib import suppress

from ..compact_file import compact_file
from ..errors import BoltError
from ..opening import open as open_db
from ..printing import Printer
from .command import JSON, LIVE, TIMEOUT, Arguments, Command, Flag, UsageError
from .opening import item_count, lock_wait, readable
from .progress import Progress, is_shown

_OUTPUT = Flag(
    "output",
    "path",
    "the new file; one that holds something already is refused, and after a failure there is none",
    short="o",
    metavar="NEW",
    required=True,
)
_TX_MAX_SIZE = Flag(
    "tx-max-size", "int", "bytes of keys and values in a transaction on the new file; 0: no limit", default=65536,
    metavar="BYTES",
)  # fmt: skip
_NO_SYNC = Flag("no-sync", "bool", "do not wait until the new file is on the disk", default=False)


def _items(path: str, timeout: float) -> int:
    """Return how many pairs and buckets there are to copy; 0 if nobody can say."""
    with suppress(BoltError), open_db(path, read_only=True, timeout=timeout) as db, db.view() as tx:
        return item_count(tx)
    return 0


def _compact(arguments: Arguments, out: Printer) -> int:
    if arguments.tx_max_size < 0:
        raise UsageError("--tx-max-size is a number of bytes; 0 is no limit")
    timeout = lock_wait(arguments.timeout)
    with (
        readable(arguments) as path,
        Progress("compact", _items(path, timeout) if is_shown() else 0) as progress,
    ):
        before = os.path.getsize(path)
        after = compact_file(
            path,
            arguments.output,
            timeout,
            tx_max_size=arguments.tx_max_size,
            sync=not arguments.no_sync,
            progress=progress.at,
        )
    if arguments.json:
        out.line(json.dumps({"before": before, "after": after}))
    else:
        out.line(f"{before} -> {after} bytes (gain={before / after:.2f}x)")
    return 0


COMMANDS = (
    Command(
        name="compact",
        run=_compact,
        about="copy the database into a new file, with full pages; the old file stays as it is",
        words=(("FILE", "the database file"),),
        least=1,
        most=None,
        flags=(_OUTPUT, _TX_MAX_SIZE, _NO_SYNC, JSON, TIMEOUT, LIVE),
        details=(
            "bolt never gives free pages back to the system. This makes a dense copy, with the permissions of the "
            "source less the umask. It is made beside its place and renamed, so it is there as a whole or not at all.",
        ),
        examples=(("boltpy compact -o small.db app.db", "8388608 -> 65536 bytes (gain=128.00x)"),),
    ),
)
