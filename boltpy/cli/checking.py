"""`check`: whether a file is sound."""

from __future__ import annotations

import json
from contextlib import suppress

from ..printing import Printer, ReaderLeftError, complain
from .command import FILE, JSON, LIVE, TIMEOUT, Arguments, Command, Flag
from .formats import shown
from .opening import reading
from .progress import Progress

_FROM_PAGE = Flag(
    "from-page", "uint", "check only the tree below this page; 0 is the whole file", default=0, metavar="PAGE"
)


def _check(arguments: Arguments, out: Printer) -> int:
    with reading(arguments) as tx, Progress("check", tx.size // tx.db.info().page_size) as progress:
        problems = [str(problem) for problem in tx.check(arguments.from_page or None, progress.at, shown)]
    # Problems are problems, whether somebody reads them to their end or not.
    with suppress(ReaderLeftError):
        if arguments.json:
            out.line(json.dumps(problems))
        else:
            out.line("\n".join([*problems, f"{len(problems)} errors found"]) if problems else "OK")
        out.flush()
    return complain("invalid value") if problems else 0


COMMANDS = (
    Command(
        name="check",
        run=_check,
        about="check the whole file and print what is wrong with it",
        words=(FILE,),
        least=1,
        most=1,
        flags=(_FROM_PAGE, JSON, TIMEOUT, LIVE),
        details=(
            "Looks at the freelist, at each tree, at the order of keys, and for pages that nobody owns or that two "
            "own. Prints OK, or a line for each problem and their number.",
        ),
        examples=(
            ("boltpy check app.db", "OK"),
            ("boltpy check app.db --from-page 17", "the same for the pages below page 17"),
        ),
        codes=((1, "problems were found, or an error, told in one line on stderr"),),
    ),
)
