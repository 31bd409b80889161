"""Which commands damaged files are tried with: `tests/corrupt/damage_worker.py` has a line for each."""

from __future__ import annotations

from boltpy.cli.manual import every_command
from tests.corrupt.damage_worker import CHANGES, COMMANDS, MORE_COMMANDS


def test_every_command_that_takes_a_file_is_tried_on_damaged_ones() -> None:
    take_a_file = {
        command.name for command in every_command() if command.words and command.words[0][0] in ("FILE", "A")
    }
    assert take_a_file - {line[0] for line in [*COMMANDS, *MORE_COMMANDS, *CHANGES]} == set()
