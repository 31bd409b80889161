"""`completion`: what a shell needs to complete the words of `boltpy`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from ..printing import Printer
from .command import HELP, JSON, Arguments, Command, Flag, UsageError
from .manual import every_command
from .table import GROUPS, MODULES, below, command_named


def _places() -> list[str]:
    """Return the names of all commands and groups; the empty one is the top."""
    return ["", *GROUPS, *MODULES]


def _last_words(group: str) -> list[str]:
    return [name.rpartition(" ")[2] for name in below(group)]


def _about(name: str) -> str:
    return GROUPS[name] if name in GROUPS else command_named(name).about


def _bash() -> Iterator[str]:
    yield "# Completion of boltpy for bash: source it, or put it into ~/.local/share/bash-completion/completions/boltpy"
    yield "_boltpy() {"
    yield '    local word place="" current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} choices=""'
    yield '    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do'
    yield '        case "$place/$word" in'
    for name in _places()[1:]:
        group, _, word = name.rpartition(" ")
        yield f'            "{group}/{word}") place="{name}" ;;'
    yield "        esac"
    yield "    done"
    yield '    case "$place/$before" in'
    for command in every_command():
        for flag in command.flags:
            spellings = " | ".join(f'"{command.name}/{spelling}"' for spelling in _spellings(flag))
            if flag.choices:
                yield f'        {spellings}) choices="{" ".join(flag.choices)}" ;;'
            elif flag.kind != "bool":
                yield f"        {spellings}) return ;;"
    yield "    esac"
    yield '    if [ -z "$choices" ]; then'
    yield '        case "$place" in'
    for name in _places():
        words = _last_words(name) if name not in MODULES else []
        yield f'            "{name}") choices="{" ".join([*words, *_completion_words(name)])}" ;;'
    yield "        esac"
    # Without a dash, the words of a command are files, which the shell completes by itself.
    yield '        if [[ "$choices" == -* && "$current" != -* ]]; then return; fi'
    yield "    fi"
    yield '    COMPREPLY=($(compgen -W "$choices" -- "$current"))'
    yield "}"
    yield "complete -o default -F _boltpy boltpy"


def _completion_words(name: str) -> list[str]:
    """Return the flags of a place, and the shells behind `completion`."""
    flags = command_named(name).flags if name in MODULES else ()
    shells = list(_SHELLS) if name == "completion" else []
    return [*shells, *(f"--{flag.name}" for flag in (*flags, HELP))]


def _spellings(flag: Flag) -> list[str]:
    return [f"--{flag.name}", *([f"-{flag.short}"] if flag.short else [])]


def _zsh() -> Iterator[str]:
    yield "#compdef boltpy"
    yield "# Completion of boltpy for zsh: put it into a folder of $fpath as _boltpy"
    yield "_boltpy() {"
    yield '    local place="" word; local -a names'
    yield "    integer used=1"
    yield '    for word in "${(@)words[2,CURRENT-1]}"; do'
    yield '        case "$place/$word" in'
    for name in _places()[1:]:
        group, _, word = name.rpartition(" ")
        yield f'            "{group}/{word}") place="{name}"; (( used += 1 )) ;;'
    yield "            *) break ;;"
    yield "        esac"
    yield "    done"
    yield '    (( CURRENT -= used - 1 )); words=(boltpy "${(@)words[used+1,-1]}")'
    yield '    case "$place" in'
    for name in _places():
        if name not in MODULES:
            rows = " ".join(_quoted(f"{one.rpartition(' ')[2]}:{_about(one)}") for one in below(name))
            yield f'        "{name}") names=({rows}); _describe command names ;;'
            continue
        specs = [_zsh_flag(flag) for flag in (*command_named(name).flags, HELP)]
        specs.append(f"'*:shell:({' '.join(_SHELLS)})'" if name == "completion" else "'*:file:_files'")
        yield f'        "{name}") _arguments {" ".join(specs)} ;;'
    yield "    esac"
    yield "}"
    yield '_boltpy "$@"'


def _zsh_flag(flag: Flag) -> str:
    about = flag.about
    for sign in "[]:":
        about = about.replace(sign, f"\\{sign}")
    value = ""
    if flag.choices:
        value = f":{flag.metavar.lower()}:({' '.join(flag.choices)})"
    elif flag.kind != "bool":
        value = f":{flag.metavar.lower()}:{'_files' if flag.kind == 'path' else ' '}"
    return " ".join(_quoted(f"{spelling}[{about}]{value}") for spelling in _spellings(flag))


def _fish() -> Iterator[str]:
    yield "# Completion of boltpy for fish: put it into ~/.config/fish/completions/boltpy.fish"
    yield "function __boltpy_place"
    yield '    set -l place ""'
    yield "    for word in (commandline -opc)[2..-1]"
    yield '        switch "$place/$word"'
    for name in _places()[1:]:
        group, _, word = name.rpartition(" ")
        yield f'            case "{group}/{word}"'
        yield f'                set place "{name}"'
    yield "        end"
    yield "    end"
    yield '    echo "$place"'
    yield "end"
    for name in _places():
        there = f'complete -c boltpy -n \'test "$(__boltpy_place)" = "{name}"\''
        if name not in MODULES:
            for one in below(name):
                yield f"{there} -f -a {one.rpartition(' ')[2]} -d {_fish_quoted(_about(one))}"
            continue
        if name == "completion":
            yield f"{there} -f -a {_fish_quoted(' '.join(_SHELLS))}"
        for flag in (*command_named(name).flags, HELP):
            short = f" -s {flag.short}" if flag.short else ""
            value = f" -x -a {_fish_quoted(' '.join(flag.choices))}" if flag.choices else ""
            if not flag.choices and flag.kind != "bool":
                value = " -r" if flag.kind == "path" else " -x"
            yield f"{there} -l {flag.name}{short}{value} -d {_fish_quoted(flag.about)}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


_SHELLS: dict[str, Callable[[], Iterator[str]]] = {"bash": _bash, "zsh": _zsh, "fish": _fish}


def _completion(arguments: Arguments, out: Printer) -> int:
    shell = arguments.words[0]
    if shell not in _SHELLS:
        raise UsageError(f'no completion for "{shell}"; there is one for {", ".join(_SHELLS)}')
    script = "\n".join(_SHELLS[shell]())
    out.line(json.dumps({"shell": shell, "script": script}) if arguments.json else script)
    return 0


COMMANDS = (
    Command(
        name="completion",
        run=_completion,
        about="print what a shell needs to complete the words of boltpy",
        words=(("SHELL", "bash, zsh or fish"),),
        least=1,
        most=1,
        flags=(JSON,),
        details=("The first line of what is printed says where it belongs.",),
        examples=(("source <(boltpy completion bash)", "for this bash, now"),),
    ),
)
