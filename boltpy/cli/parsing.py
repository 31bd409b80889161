"""From a command line to a command's Arguments, by the rules that users of Go's tools know (Cobra's).

Flags may stand anywhere: `--name value`, `--name=value`, `-n value`, `-nvalue`; `--` ends them. A flag that is wrong or
missing is a UsageError in the words of those tools.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .command import FORMATS, HELP, PARSE_FORMATS, Arguments, Command, Flag, UsageError

_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})


class _Wrong(Exception):
    """A value that is not what its flag takes; the text says why."""


class HelpWanted(Exception):
    """The command line asks for the command's help."""


def _bool(text: str) -> bool:
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise _Wrong(f'strconv.ParseBool: parsing "{text}": invalid syntax')


def _uint(text: str) -> int:
    return _whole(text, text, "ParseUint", 0, 2**64 - 1)


def _uint32(text: str) -> int:
    return _whole(text, text, "ParseUint", 0, 2**32 - 1)


def _int(text: str) -> int:
    return _whole(text, text[1:] if text.startswith(("-", "+")) else text, "ParseInt", -(2**63), 2**63 - 1)


def _whole(text: str, digits: str, name: str, low: int, high: int) -> int:
    try:
        if not (digits.isascii() and digits[:1].isdigit()) or digits[-1].isspace():  # Python takes all of these
            raise ValueError(digits)
        # A leading zero alone is octal in Go; Python knows it with an o only.
        octal = digits[0] == "0" and digits[1:2] in tuple("_01234567")
        number = int(f"0o{digits[1:]}" if octal else digits, 0)
    except ValueError:
        raise _Wrong(f'strconv.{name}: parsing "{text}": invalid syntax') from None
    number = -number if text.startswith("-") else number
    if not low <= number <= high:
        raise _Wrong(f'strconv.{name}: parsing "{text}": value out of range')
    return number


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise _Wrong(f'strconv.ParseFloat: parsing "{text}": invalid syntax') from None


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 <= seconds < 1e8:
        raise _Wrong("it must be a number of seconds, 0 or more")
    return seconds


def _format(text: str) -> str:
    if text not in FORMATS:
        raise UsageError(f"formatBytes: unsupported format: {text}")
    return text


def _parse_format(text: str) -> str:
    if text not in PARSE_FORMATS:
        raise UsageError(f"parseBytes: unsupported format: {text}")
    return text


_READERS: dict[str, Callable[[str], Any]] = {
    "bool": _bool,
    "text": str,
    "path": str,
    "names": lambda text: [text],
    "list": lambda text: text.split(",") if text else [],
    "uint": _uint,
    "uint32": _uint32,
    "int": _int,
    "float": _float,
    "seconds": _seconds,
    "format": _format,
    "parse-format": _parse_format,
}


def page_number(text: str) -> int:
    """Return a number that is a word of a command line: plain decimal digits, less than 2**64.

    Raises:
        UsageError: It is none.
    """
    if not (text.isascii() and text.isdigit()):
        raise UsageError(f'strconv.ParseUint: parsing "{text}": invalid syntax')
    if int(text[-400:]) >= 2**64 or len(text) > 400:
        raise UsageError(f'strconv.ParseUint: parsing "{text}": value out of range')
    return int(text)


def parse(command: Command, line: Sequence[str]) -> Arguments:
    """Return what a command line says.

    Args:
        command: Whose.
        line: What follows the command's name.

    Raises:
        HelpWanted: It has `--help` or `-h`.
        UsageError: It is wrong.
    """
    words: list[str] = []
    given: dict[str, Any] = {}
    left = list(reversed(line))
    while left:
        part = left.pop()
        if part == "--":
            words += reversed(left)
            break
        if part.startswith("--"):
            _long(command, part, left, given)
        elif part.startswith("-") and part != "-":
            _short(command, part, left, given)
        else:
            words.append(part)
    if given.pop(HELP.attribute, False):
        raise HelpWanted
    _count(command, len(words))
    missing = sorted(flag.name for flag in command.flags if flag.required and flag.attribute not in given)
    if missing:
        raise UsageError("required flag(s) {} not set".format(", ".join(f'"{name}"' for name in missing)))
    values = {flag.attribute: flag.default for flag in command.flags}
    return Arguments(words, values | given, set(given))


def _long(command: Command, part: str, left: list[str], given: dict[str, Any]) -> None:
    name, has_value, text = part[2:].partition("=")
    flag = next((flag for flag in (*command.flags, HELP) if flag.name == name), None)
    if flag is None or not name:
        raise UsageError(f"unknown flag: --{name}" if name else f"bad flag syntax: {part}")
    if not has_value:
        if flag.kind == "bool":
            text = "true"
        elif left:
            text = left.pop()
        else:
            raise UsageError(f"flag needs an argument: --{name}")
    _take(flag, text, given)


def _short(command: Command, part: str, left: list[str], given: dict[str, Any]) -> None:
    letters = part[1:]
    while letters:
        letter, letters = letters[0], letters[1:]
        flag = next((flag for flag in (*command.flags, HELP) if flag.short == letter), None)
        if flag is None:
            raise UsageError(f"unknown shorthand flag: '{letter}' in -{letter}{letters}")
        if flag.kind == "bool" and not letters.startswith("="):
            _take(flag, "true", given)
            continue
        if letters:
            text = letters.removeprefix("=")
        elif left:
            text = left.pop()
        else:
            raise UsageError(f"flag needs an argument: '{letter}' in -{letter}")
        _take(flag, text, given)
        return


def _take(flag: Flag, text: str, given: dict[str, Any]) -> None:
    try:
        value = _READERS[flag.kind](text)
    except _Wrong as error:
        shown = f"-{flag.short}, --{flag.name}" if flag.short else f"--{flag.name}"
        raise UsageError(f'invalid argument "{text}" for "{shown}" flag: {error}') from None
    is_many = flag.kind in ("list", "names")
    given[flag.attribute] = [*given.get(flag.attribute, []), *value] if is_many else value


def _count(command: Command, found: int) -> None:
    least, most = command.least, command.most
    if most is None:
        if found < least:
            raise UsageError(f"requires at least {least} arg(s), only received {found}")
    elif not least <= found <= most:
        wanted = f"{least}" if least == most else f"between {least} and {most}"
        raise UsageError(f"accepts {wanted} arg(s), received {found}")
