"""The help tells all that there is, and docs/cli.md has each command."""

from __future__ import annotations

import json
import shlex

import pytest

from boltpy.cli.command import Command
from boltpy.cli.manual import every_command
from boltpy.cli.parsing import parse
from boltpy.cli.table import GROUPS, MODULES, resolve
from tests.cli.beside import run_here
from tests.cli.command import ROOT

COMMANDS = list(every_command())
DOCUMENT = (ROOT / "docs" / "cli.md").read_text("utf-8")

every = pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)


def text(*line: str) -> str:
    code, out, errors = run_here(*line)
    assert (code, errors) == (0, "")
    return out.decode()


def test_the_overview_names_each_command() -> None:
    overview = text("help")
    for name in [*MODULES, *GROUPS]:
        group = name.rpartition(" ")[0]
        assert f"\n  {name} " in (text("help", *group.split()) if group else overview)
    assert json.loads(text("help", "--json")) == {command.name: command.about for command in COMMANDS}


def test_as_json_it_tells_about_the_group_that_was_asked_for() -> None:
    assert list(json.loads(text("help", "surgery", "meta", "--json"))) == [
        "surgery meta validate", "surgery meta update"
    ]  # fmt: skip


@every
def test_as_json_it_tells_about_the_command_that_was_asked_for(command: Command) -> None:
    told = json.loads(text("help", *command.name.split(), "--json"))
    assert (told["name"], told["about"], told["usage"]) == (command.name, command.about, command.usage())
    assert told["arguments"] == dict(command.words)
    assert [flag["name"] for flag in told["flags"]] == [*(flag.name for flag in command.flags), "help"]
    assert told["codes"].keys() >= {"0", "1", "2", "130"}
    assert (list(told["examples"].items()), told["details"]) == (list(command.examples), list(command.details))


@every
def test_a_manual_has_all_parts(command: Command) -> None:
    manual = text("help", *command.name.split())
    assert text(*command.name.split(), "--help") == text(*command.name.split(), "-h") == manual
    assert manual.startswith(f"boltpy {command.name}: {command.about}\n\nUSAGE\n  {command.usage()}\n")
    for flag in command.flags:
        assert f"--{flag.name}" in manual
    for metavar, _ in command.words:
        assert f"\n  {metavar} " in manual
    assert "\nEXAMPLES\n" in manual
    assert "\nEXIT CODES\n  0 " in manual
    assert max(len(line) for line in manual.splitlines() if command.usage() not in line) <= 110


@every
def test_every_command_speaks_json_and_those_that_lock_take_a_timeout(command: Command) -> None:
    flags = {flag.name for flag in command.flags}
    assert "json" in flags
    unlocked = {"version", "bench", "page", "page-item", "dump", "help", "completion", "verify", "restore"}
    assert ("timeout" in flags) == (command.name not in unlocked)


@every
def test_examples_are_command_lines_that_parse(command: Command) -> None:
    assert command.examples
    for line, _ in command.examples:
        words = shlex.split(line.removeprefix("source <(").rstrip(")"))
        name, rest = resolve(words[1:])
        assert (words[0], name) == ("boltpy", command.name)
        parse(command, rest)


@every
def test_the_document_has_the_command(command: Command) -> None:
    assert f"\n### {command.name}\n" in DOCUMENT
    section = DOCUMENT.split(f"\n### {command.name}\n")[1].split("\n### ")[0]
    for flag in command.flags:
        if flag.name not in ("json", "timeout", "live"):
            assert f"--{flag.name}" in section, f"--{flag.name} is missing in docs/cli.md"
