"""Which module has which command. Only the module of the command that is given is loaded."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from .command import Command, UsageError

# The order is that of the overview. A module lists its commands in COMMANDS.
MODULES = {
    "version": "versions",
    "info": "facts",
    "buckets": "listing",
    "keys": "listing",
    "get": "listing",
    "inspect": "listing",
    "check": "checking",
    "stats": "measuring",
    "pages": "measuring",
    "page": "raw",
    "page-item": "raw",
    "dump": "raw",
    "compact": "compacting",
    "copy": "backing_up",
    "backup": "backing_up",
    "verify": "backing_up",
    "restore": "backing_up",
    "scrub": "scrubbing",
    "bench": "bench",
    "surgery find-key": "surgery",
    "surgery revert-meta-page": "surgery",
    "surgery copy-page": "surgery",
    "surgery clear-page": "surgery",
    "surgery clear-page-elements": "surgery",
    "surgery freelist abandon": "surgery",
    "surgery freelist rebuild": "surgery",
    "surgery meta validate": "surgery",
    "surgery meta update": "surgery",
    "completion": "completing",
    "put": "changing",
    "delete": "changing",
    "mkbucket": "changing",
    "rmbucket": "changing",
    "mv": "changing",
    "seq": "changing",
    "tree": "shapes",
    "du": "shapes",
    "diff": "comparing",
    "export": "moving",
    "import": "moving",
    "recover": "moving",
    "help": "helping",
}

# Names that are no commands but have some below them.
GROUPS = {
    "surgery": "repair pages by hand, in a copy of the file",
    "surgery freelist": "repair the freelist, in a copy of the file",
    "surgery meta": "look at the meta pages, or change one in a copy of the file",
}


def command_named(name: str) -> Command:
    """Return a command of MODULES."""
    module = importlib.import_module(f"{__package__}.{MODULES[name]}")
    commands: Sequence[Command] = module.COMMANDS
    return next(command for command in commands if command.name == name)


def below(group: str) -> list[str]:
    """Return the names of the commands and groups that stand directly below a group ("": the top)."""
    start = f"{group} " if group else ""
    names = {start + name.removeprefix(start).partition(" ")[0]: None for name in MODULES if name.startswith(start)}
    return list(names)


def resolve(line: Sequence[str]) -> tuple[str, Sequence[str]]:
    """Return the name of the command or group that a line begins with, and the rest of the line.

    Raises:
        UsageError: There is no such command.
    """
    name, rest = "", line
    while name not in MODULES and rest and not rest[0].startswith("-"):
        word = rest[0]
        longer = f"{name} {word}".strip()
        known = longer in MODULES or any(command.startswith(f"{longer} ") for command in MODULES)
        if not known or not word or " " in word:
            place = f"boltpy {name}".strip()
            raise UsageError(f'unknown command "{word}" for "{place}"')
        name, rest = longer, rest[1:]
    return name, rest
