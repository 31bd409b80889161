"""`version` and `info`: what can be said without reading more of a file than its meta pages."""

from __future__ import annotations

import json
import platform
import sys

from ..hot import HOT
from ..printing import Printer
from ..raw_file import RawFile
from ..version import VERSION
from .command import FILE, JSON, TIMEOUT, Arguments, Command
from .opening import lock_wait, require_file


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


def _info(arguments: Arguments, out: Printer) -> int:
    require_file(arguments.file)
    with RawFile(arguments.file, lock_wait(arguments.timeout)) as file:
        meta, file_size = file.meta, file.size
    if arguments.json:
        size = meta.hwm * meta.page_size
        facts = {"page_size": meta.page_size, "size": size, "file_size": file_size, "txid": meta.txid, "kernels": HOT}
        out.line(json.dumps(facts))
    else:
        out.line(f"Page Size: {meta.page_size}")
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
    Command(
        name="info",
        run=_info,
        about="print the page size of a database",
        words=(FILE,),
        least=1,
        most=1,
        flags=(JSON, TIMEOUT),
        details=(
            "With --json also: the bytes in use (size: the high-water mark times the page size), the bytes of the "
            "file, the txid of the last commit, and which kernels run.",
        ),
        examples=(("boltpy info app.db", "Page Size: 4096"),),
    ),
)
