"""`completion`: what a shell needs to complete the words of `boltpy`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from ..printing import Printer
from .command import HELP, JSON, Arguments, Command, Flag, UsageError
from .manual import every_command
from .table import GROUPS, MODULES, below, command_named


def _places() -> list[str]:
    """Return all that a command line may begin with: commands, groups, and what `help` tells about; "" is the top."""
    names = [*GROUPS, *MODULES]
    return ["", *names, *(f"help {name}" for name in names)]


def _following(place: str) -> list[str]:
    """Return the words that may come next, where they are no files."""
    if place == "completion":
        return list(_SHELLS)
    topic = _topic(place)
    return [] if topic in MODULES else [name.rpartition(" ")[2] for name in below(topic)]


def _topic(place: str) -> str:
    """Return the command or group that a place is about."""
    return place.removeprefix("help").lstrip() if _is_help(place) else place


def _is_help(place: str) -> bool:
    return place.partition(" ")[0] == "help"


def _flags(place: str) -> tuple[Flag, ...]:
    name = "help" if _is_help(place) else place
    return (*command_named(name).flags, HELP) if name in MODULES else (HELP,)


def _about(name: str) -> str:
    return GROUPS[name] if name in GROUPS else command_named(name).about


def _bash() -> Iterator[str]:
    yield "# Completion of boltpy for bash: source it, or put it into ~/.local/share/bash-completion/completions/boltpy"
    yield "_boltpy() {"
    yield '    local word place="" choices="" start=""'
    yield "    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}"
    # Of --flag=value bash makes three words, or one if its user has taken the = out of COMP_WORDBREAKS.
    yield '    if [[ "$current" == "=" ]]; then current=""'
    yield '    elif [[ "$before" == "=" ]]; then before=${COMP_WORDS[COMP_CWORD-2]}'
    yield '    elif [[ "$current" == --*=* ]]; then before=${current%%=*}; start=$before=; current=${current#*=}; fi'
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
        words = [*_following(name), *(f"--{flag.name}" for flag in _flags(name))]
        yield f'            "{name}") choices="{" ".join(words)}" ;;'
    yield "        esac"
    # Without a dash, the words of a command are files, which the shell completes by itself.
    yield '        if [[ "$choices" == -* && "$current" != -* ]]; then return; fi'
    yield "    fi"
    yield '    COMPREPLY=($(compgen -P "$start" -W "$choices" -- "$current"))'
    yield "}"
    yield "complete -o default -F _boltpy boltpy"


def _spellings(flag: Flag) -> list[str]:
    return [f"--{flag.name}", *([f"-{flag.short}"] if flag.short else [])]


def _zsh() -> Iterator[str]:
    yield "#compdef boltpy"
    yield "# Completion of boltpy for zsh: put it into a folder of $fpath as _boltpy, or source it behind compinit"
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
        if _topic(name) == name and name not in MODULES:
            rows = " ".join(_quoted(f"{one.rpartition(' ')[2]}:{_about(one)}") for one in below(name))
            yield f'        "{name}") names=({rows}); _describe command names ;;'
            continue
        specs = [_zsh_flag(flag) for flag in _flags(name)]
        if words := _following(name):
            specs.append(f"'1:word:({' '.join(words)})'")
        elif not _is_help(name):
            specs.append("'*:file:_files'")
        yield f'        "{name}") _arguments {" ".join(specs)} ;;'
    yield "    esac"
    yield "}"
    yield 'if [[ "${funcstack[1]}" == _boltpy ]]; then _boltpy "$@"; else compdef _boltpy boltpy; fi'


def _zsh_flag(flag: Flag) -> str:
    about = flag.about
    for sign in "[]:":
        about = about.replace(sign, f"\\{sign}")
    if flag.kind == "bool":
        return " ".join(_quoted(f"{spelling}[{about}]") for spelling in _spellings(flag))
    values = f"({' '.join(flag.choices)})" if flag.choices else "_files" if flag.kind == "path" else " "
    # With `=` and `+` the value may also stand in the word of the flag.
    signs = {spelling: "=" if spelling.startswith("--") else "+" for spelling in _spellings(flag)}
    told = f"[{about}]:{flag.metavar.lower()}:{values}"
    return " ".join(_quoted(f"{spelling}{sign}{told}") for spelling, sign in signs.items())


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
        if _topic(name) not in MODULES:
            for one in below(_topic(name)):
                yield f"{there} -f -a {one.rpartition(' ')[2]} -d {_fish_quoted(_about(one))}"
        elif name == "completion" or _is_help(name):
            yield f"{there} -f -a {_fish_quoted(' '.join(_following(name)))}"
        for flag in _flags(name):
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
        details=("The comment at the top of what is printed says where it belongs.",),
        examples=(("source <(boltpy completion bash)", "for this bash, now"),),
    ),
)
