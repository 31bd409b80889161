"""Completion: the script for bash is run by bash; those for other shells name all that there is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from boltpy.cli.manual import every_command
from boltpy.cli.table import MODULES
from tests.cli.beside import run_here
from tests.cli.command import environment

BASH = shutil.which("bash") or "bash"


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script for bash."""
    path = tmp_path_factory.mktemp("completion") / "boltpy.bash"
    code, out, errors = run_here("completion", "bash")
    assert (code, errors) == (0, "")
    path.write_bytes(out)
    return path


def completed(script: Path, *words: str) -> list[str]:
    """What bash offers for the last word."""
    line = 'source "$1"; shift; COMP_WORDS=(boltpy "$@"); COMP_CWORD=$#; COMPREPLY=(); _boltpy; echo "${COMPREPLY[@]}"'
    result = subprocess.run(
        [BASH, "--norc", "-uc", line, "bash", script, *words], capture_output=True, text=True, check=True
    )
    assert result.stderr == ""
    return result.stdout.split()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["inf"], ["info"]),
        (["surgery", "m"], ["meta"]),
        (["surgery", "meta", ""], ["validate", "update", "--help"]),
        (["surgery", "meta", "update", "--me"], ["--meta-page"]),
        (["keys", "-f", ""], ["auto", "ascii-encoded", "hex", "bytes", "redacted"]),
        (["get", "app.db", "b", "--parse-format", "h"], ["hex"]),
        (["get", "app.db", "--format", "="], ["auto", "ascii-encoded", "hex", "bytes", "redacted"]),
        (["get", "app.db", "--format", "=", "h"], ["hex"]),
        (["get", "app.db", "--format=h"], ["--format=hex"]),  # as it is without = in COMP_WORDBREAKS
        (["completion", "z"], ["zsh"]),
        (["help", "inf"], ["info"]),
        (["help", "surgery", "m"], ["meta"]),
        (["help", "get", ""], []),
        (["get", ""], []),  # a file, which bash completes by itself
        (["compact", "-o", ""], []),
        (["sing", ""], []),
    ],
)
def test_bash_offers(script: Path, words: list[str], expected: list[str]) -> None:
    found = completed(script, *words)
    if words == ["sing", ""]:  # no command: those that there are
        expected = [*dict.fromkeys(name.partition(" ")[0] for name in MODULES), "--help"]
    assert found == expected


def test_bash_offers_all_flags_of_each_command(script: Path) -> None:
    for command in every_command():
        assert completed(script, *command.name.split(), "--") == [
            *(f"--{flag.name}" for flag in command.flags),
            "--help",
        ]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_script_of_another_shell_names_all_commands_and_flags(shell: str) -> None:
    code, out, errors = run_here("completion", shell)
    assert (code, errors) == (0, "")
    lines = out.decode().splitlines()
    for command in every_command():
        start = f'"{command.name}") _arguments ' if shell == "zsh" else f'= "{command.name}"\' -l '
        told = [line for line in lines if start in line]
        for flag in command.flags:
            name = f" -l {flag.name} "
            if shell == "zsh":
                name = f"--{flag.name}[" if flag.kind == "bool" else f"--{flag.name}=["
            assert [line for line in told if name in line], f"{command.name} --{flag.name}"


def require_shell(name: str) -> None:
    """Skip the test where the shell is not installed; with BOLTPY_REQUIRE_SHELLS=1, as in CI, fail."""
    if shutil.which(name) is None:
        if os.environ.get("BOLTPY_REQUIRE_SHELLS") == "1":
            pytest.fail(f"BOLTPY_REQUIRE_SHELLS=1, but there is no {name}")
        pytest.skip(f"there is no {name} here")


def test_the_script_for_zsh_can_be_sourced_and_knows_what_help_tells_about(tmp_path: Path) -> None:
    require_shell("zsh")
    path = tmp_path / "_boltpy"
    path.write_bytes(run_here("completion", "zsh")[1])
    line = (
        'compdef() { print $0 $@ }; _arguments() { print -rl -- "$@" }; _files() {}; source $1;'
        'words=(boltpy help surgery ""); CURRENT=4; _boltpy; words=(boltpy get --format=); CURRENT=3; _boltpy'
    )
    told = subprocess.run(["zsh", "-fc", line, "zsh", path], capture_output=True, text=True, check=True)
    assert told.stderr == ""
    first, *specs = told.stdout.splitlines()
    assert first == "compdef _boltpy boltpy"
    assert "1:word:(find-key revert-meta-page copy-page clear-page clear-page-elements freelist meta)" in specs
    assert "--format=[how to show bytes]:format:(auto ascii-encoded hex bytes redacted)" in specs


@pytest.mark.parametrize(
    ("line", "expected"),
    [("help inf", ["info"]), ("help surgery m", ["meta"]), ("get --format=h", ["--format=hex"]), ("help get ", [])],
)
def test_fish_offers(tmp_path: Path, line: str, expected: list[str]) -> None:
    require_shell("fish")
    path = tmp_path / "boltpy.fish"
    path.write_bytes(run_here("completion", "fish")[1])
    asked = 'source $argv[1]; complete -C "boltpy $argv[2]"'
    told = subprocess.run(
        ["fish", "--no-config", "-c", asked, path, line], capture_output=True, text=True, check=True,
        env=environment(HOME=str(tmp_path)),
    )  # fmt: skip
    assert [offer.partition("\t")[0] for offer in told.stdout.splitlines()] == expected


def test_a_script_as_json_and_a_shell_that_is_not_known(script: Path) -> None:
    assert json.loads(run_here("completion", "bash", "--json")[1]) == {
        "shell": "bash",
        "script": script.read_text().rstrip("\n"),
    }
    code, out, errors = run_here("completion", "powershell")
    assert (code, out) == (2, b"")
    assert errors.startswith('Error: no completion for "powershell"; there is one for bash, zsh, fish\n')
