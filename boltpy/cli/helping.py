"""`help` and `completion`."""

from __future__ import annotations

import json

from ..printing import Printer
from .command import JSON, Arguments, Command
from .manual import manual, overview
from .table import MODULES, command_named, resolve


def _help(arguments: Arguments, out: Printer) -> int:
    name, _ = resolve(arguments.words)
    if arguments.json:
        out.line(json.dumps({name: command_named(name).about for name in MODULES}, indent=4))
    else:
        out.line(manual(command_named(name)) if name in MODULES else overview(name))
    return 0


COMMANDS = (
    Command(
        name="help",
        run=_help,
        about="tell about a command: arguments, flags, examples, exit codes",
        words=(("[COMMAND]", "its name; without one, all are listed"),),
        least=0,
        most=None,
        flags=(JSON._replace(about="print all commands as JSON"),),
        examples=(("boltpy help surgery copy-page", "the same as boltpy surgery copy-page --help"),),
    ),
)
