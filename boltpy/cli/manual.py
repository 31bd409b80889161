"""The help of one command, of a group and of all, as text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from .command import HELP, Command, Flag
from .table import GROUPS, MODULES, below, command_named

_COLUMNS = 100
_CODES = (
    (0, "all is well; also if a reader left before the end (| head)"),
    (1, "an error, told in one line on stderr"),
    (2, "a wrong command line"),
    (129, "SIGHUP, after unfinished files are gone"),
    (130, "Ctrl-C, likewise"),
    (143, "SIGTERM, likewise"),
)


def overview(group: str = "") -> str:
    """Return what there is below a group ("": all)."""
    if group:
        head = [f"boltpy {group}: {GROUPS[group]}", "", "USAGE", f"  boltpy {group} COMMAND ... [flags]"]
    else:
        head = [
            "boltpy: look into the file of a bolt database, and mend it. A drop-in for Go's bbolt command.",
            "",
            "USAGE",
            "  boltpy COMMAND ... [flags]",
        ]
    commands = [(name, GROUPS[name] if name in GROUPS else command_named(name).about) for name in below(group)]
    lines = [*head, "", "COMMANDS", *_columns(commands)]
    if not group:
        lines += ["", "FLAGS", *_columns([("-h, --help", "this help"), ("-v, --version", "the version")])]
    lines += ["", "`boltpy help COMMAND` tells about one of them."]
    return "\n".join(lines)


def manual(command: Command) -> str:
    """Return the help of a command."""
    lines = [f"boltpy {command.name}: {command.about}", "", "USAGE", f"  {command.usage()}"]
    for paragraph in command.details:
        lines += ["", *textwrap.wrap(paragraph, _COLUMNS)]
    if command.words:
        lines += ["", "ARGUMENTS", *_columns(command.words)]
    flags = [(_flag_names(flag), _flag_about(flag)) for flag in (*command.flags, HELP)]
    lines += ["", "FLAGS", *_columns(flags)]
    if command.words:
        lines += ["", "  Put -- before words that begin with a dash."]
    if command.examples:
        lines += ["", "EXAMPLES"]
        for line, about in command.examples:
            lines += [f"  {line}", f"      {about}"]
    lines += ["", "EXIT CODES", *_columns([(str(code), when) for code, when in exit_codes(command).items()])]
    return "\n".join(lines)


def exit_codes(command: Command) -> dict[int, str]:
    """Return when a command ends with which code, the codes in order."""
    return dict(sorted({**dict(_CODES), **dict(command.codes)}.items()))


def every_command() -> Iterator[Command]:
    """Yield all commands."""
    for name in MODULES:
        yield command_named(name)


def _flag_names(flag: Flag) -> str:
    names = f"-{flag.short}, --{flag.name}" if flag.short else f"    --{flag.name}"
    return names if flag.kind == "bool" else f"{names} {flag.metavar or flag.kind.upper()}"


def _flag_about(flag: Flag) -> str:
    about = flag.about
    if flag.choices:
        about += f": {', '.join(flag.choices)}"
    if flag.required:
        return f"{about} (required)"
    if flag.kind == "bool" or flag.default in (None, "", []):
        return about
    default = f"{flag.default:g}" if isinstance(flag.default, float) else flag.default
    return f"{about} (default: {default})"


def _columns(rows: Iterable[tuple[str, str]]) -> list[str]:
    """Return rows of a name and a text, the texts below each other."""
    rows = list(rows)
    width = min(max(len(name) for name, _ in rows), 34)
    lines = []
    for name, text in rows:
        first, *others = textwrap.wrap(text, _COLUMNS - width - 4) or [""]
        if len(name) > width:
            lines += [f"  {name}", f"  {'':{width}}  {first}"]
        else:
            lines.append(f"  {name:{width}}  {first}")
        lines += [f"  {'':{width}}  {other}" for other in others]
    return lines
