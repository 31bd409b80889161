"""The commands that bbolt lacks, on damaged files: a result or one line, and no change by those that read."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from boltpy.cli import main
from tests.boltpy.sizes import sized
from tests.cli.test_recover import ALL, LARGE, damages, sound_file

COUNT = sized(c=25, py=10, deep=2_000)

READING = (
    ["tree", "{}"], ["tree", "{}", "--json"], ["du", "{}"], ["du", "{}", "--json"], ["pages", "--map", "{}"],
    ["pages", "--map", "--json", "{}"], ["export", "{}"], ["diff", "{}", "{sound}"],
    ["diff", "{sound}", "{}", "--json"], ["seq", "{}"], ["recover", "{}", "-o", "-"],
)  # fmt: skip
WRITING = (
    ["put", "{}", "new", "k", "v", "-p"], ["mkbucket", "{}", "-p", "a", "b"], ["mv", "{}", "new", "--to", "newer"],
    ["seq", "{}", "newer", "--next"], ["rmbucket", "-r", "{}", "newer"], ["import", "{}", "-i", "{lines}", "--replace"],
)  # fmt: skip


@pytest.mark.parametrize("name", ALL)
def test_no_damage_breaks_a_command(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    sound = tmp_path / "whole.db"
    sound.write_bytes(sound_file(name, tmp_path))
    lines, path = tmp_path / "lines", tmp_path / "damaged.db"
    assert main(["export", str(sound), "-o", str(lines)], io.StringIO()) == 0
    for number, damaged in enumerate(damages(sound.read_bytes(), seed=len(name) + 200)):
        if number == (2 if sound.stat().st_size > LARGE else COUNT):
            break
        path.write_bytes(damaged)
        for command in READING:
            run_on(command, path, sound, lines, capsys)
            assert path.read_bytes() == damaged, command
        for command in WRITING:
            run_on(command, path, sound, lines, capsys)


def run_on(command: list[str], path: Path, sound: Path, lines: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = [part.format(str(path), sound=sound, lines=lines) for part in command]
    code = main(line, io.StringIO())
    told = capsys.readouterr().err
    assert code in ((0, 1, 2) if command[0] == "diff" else (0, 1)), command
    if command[0] not in ("diff", "recover"):
        assert (code == 0) == (told == ""), (command, told)
    assert told.count("Error: ") <= 1
