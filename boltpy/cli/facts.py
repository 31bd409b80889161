"""`info`: what the meta pages say. It loads as little as it can: scripts call it often."""

from __future__ import annotations

import boltpy

from ..errors import InvalidDatabaseError
from ..printing import Printer
from ..raw_file import RawFile
from .command import FILE, JSON, LIVE, TIMEOUT, Arguments, Command
from .opening import lock_wait, require_file


def _info(arguments: Arguments, out: Printer) -> int:
    require_file(arguments.file)
    with RawFile(arguments.file, None if arguments.live else lock_wait(arguments.timeout)) as file:
        meta = file.meta
        if file.size < 2 * meta.page_size:
            raise InvalidDatabaseError(f"invalid database: {file.path} has {file.size} bytes, less than two pages")
    if arguments.json:
        size = meta.hwm * meta.page_size
        # By hand: to load the module for it would be a tenth of all that is done here.
        out.line(f'{{"page_size": {meta.page_size}, "size": {size}, "txid": {meta.txid}, "kernels": "{boltpy.HOT}"}}')
    else:
        out.line(f"Page Size: {meta.page_size}")
    return 0


COMMANDS = (
    Command(
        name="info",
        run=_info,
        about="print the page size of a database",
        words=(FILE,),
        least=1,
        most=1,
        flags=(JSON, TIMEOUT, LIVE),
        details=(
            "With --json also: the bytes in use (size: the high-water mark times the page size), the txid of the last "
            "commit, and which kernels run.",
        ),
        examples=(("boltpy info app.db", "Page Size: 4096"),),
    ),
)
