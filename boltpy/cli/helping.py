"""`help` and `completion`."""

from __future__ import annotations

import json

from ..printing import Printer
from .command import HELP, JSON, Arguments, Command
from .manual import exit_codes, manual, overview
from .table import MODULES, command_named, resolve


def _help(arguments: Arguments, out: Printer) -> int:
    name, _ = resolve(arguments.words)
    if arguments.json:
        about = {below: command_named(below).about for below in MODULES if f"{below} ".startswith(f"{name} ".lstrip())}
        out.line(json.dumps(_facts(command_named(name)) if name in MODULES else about, indent=4))
    else:
        out.line(manual(command_named(name)) if name in MODULES else overview(name))
    return 0


def _facts(command: Command) -> dict[str, object]:
    facts = command._asdict()
    return {
        **{name: facts[name] for name in ("name", "about", "details")},
        "usage": command.usage(),
        "arguments": dict(command.words),
        "flags": [flag._asdict() for flag in (*command.flags, HELP)],
        "examples": dict(command.examples),
        "codes": exit_codes(command),
    }


COMMANDS = (
    Command(
        name="help",
        run=_help,
        about="tell about a command: arguments, flags, examples, exit codes",
        words=(("[COMMAND]", "its name; without one, all are listed"),),
        least=0,
        most=None,
        flags=(
            JSON._replace(about="print it as JSON; of a group or all commands, their names and what they are about"),
        ),
        examples=(("boltpy help surgery copy-page", "the same as boltpy surgery copy-page --help"),),
    ),
)
