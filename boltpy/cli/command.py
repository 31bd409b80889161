"""What a command is, as data: its words, its flags, what it tells about itself, and what runs it.

Parsing, help and shell completion all read these, so nothing about a command is said twice.
"""

# Annotations are not postponed here: to make a named tuple of texts takes a tenth of the start of the command.
from collections.abc import Callable
from typing import Any, NamedTuple

from ..errors import BoltError
from ..printing import Printer

FORMATS = ("auto", "ascii-encoded", "hex", "bytes", "redacted")
PARSE_FORMATS = ("ascii-encoded", "hex")


class UsageError(Exception):
    """The command line is wrong. The text says how; the exit code is 2."""


class CommandError(BoltError):
    """A command found that it cannot do what was asked. The text is all that its user reads."""


class Arguments:
    """What a command line says: the words in order, and each flag of the command as an attribute (`-` becomes `_`)."""

    def __init__(self, words: list[str], values: dict[str, Any], given: set[str]) -> None:
        """Keep them.

        Args:
            words: What is no flag.
            values: Flags by attribute name; those that were not given have their default.
            given: The names of the flags that were given.
        """
        self.words = words
        self.given = given
        self._values = values

    def __getattr__(self, name: str) -> Any:
        try:
            return self._values[name]
        except KeyError:
            raise AttributeError(name) from None

    @property
    def file(self) -> str:
        """The first word: the database."""
        return self.words[0]


class Flag(NamedTuple):
    """One flag.

    Attributes:
        name: Without the dashes.
        kind: "bool", "text", "path", "uint", "uint32", "int", "float", "seconds", "format": one of FORMATS,
            "parse-format": one of PARSE_FORMATS, "names": repeatable texts, taken as they are, or "list": texts between
            commas, repeatable.
        about: What it does, with units; one phrase.
        default: Its value where it is not given.
        short: Its letter, if it has one.
        metavar: What help shows for the value.
        required: Whether it must be given.
        choices: Values for completion and help; other values of a "text" are the command's to refuse.
    """

    name: str
    kind: str
    about: str
    default: Any = None
    short: str = ""
    metavar: str = ""
    required: bool = False
    choices: tuple[str, ...] = ()

    @property
    def attribute(self) -> str:
        """The name as Arguments has it."""
        return self.name.replace("-", "_")


class Command(NamedTuple):
    """One command.

    Attributes:
        name: Its words, as "surgery meta update".
        run: Does it and returns the exit code; errors it raises become one line and the exit code 1.
        about: One line for lists of commands.
        words: (metavar, what it is) of each word behind the name.
        least: How many words there must be.
        most: How many there may be; None is any number.
        flags: Its own flags. `--json`, `--timeout` and `--live` are asked for with JSON, TIMEOUT and LIVE below.
        details: Paragraphs for its help.
        examples: (command line, what it does).
        codes: (exit code, when) of those that mean something special here.
        error_code: The exit code of an error; 2 where 1 has another meaning, as for diff(1).
    """

    name: str
    run: Callable[[Arguments, Printer], int]
    about: str
    words: tuple[tuple[str, str], ...]
    least: int
    most: int | None
    flags: tuple[Flag, ...]
    details: tuple[str, ...] = ()
    examples: tuple[tuple[str, str], ...] = ()
    codes: tuple[tuple[int, str], ...] = ()
    error_code: int = 1

    def usage(self) -> str:
        """Return how it is called, on one line."""
        words = "".join(f" {metavar}" for metavar, _ in self.words)
        required = "".join(f" --{flag.name} {flag.metavar}" for flag in self.flags if flag.required)
        return f"boltpy {self.name}{required}{words} [flags]"


FILE = ("FILE", "the database file")
BUCKETS = ("BUCKET...", "the bucket's name, or the path of names to a nested one")

HELP = Flag("help", "bool", "this help", default=False, short="h")
JSON = Flag("json", "bool", "print JSON, for programs", default=False)
JSON_BYTES = Flag("json", "bool", 'print JSON; bytes that are no printable UTF-8 become {"hex": "ff00"}', default=False)
TIMEOUT = Flag(
    "timeout",
    "seconds",
    "seconds to wait for a file that somebody has locked; 0 does not wait",
    default=0.0,
    metavar="SECONDS",
)
LIVE = Flag(
    "live",
    "bool",
    "do without the lock: read a consistent copy of a file that another program has open for writing",
    default=False,
)
# Of commands whose output is of use only as a whole.
WHOLE_CODES = (
    (0, "all is well"),
    (1, "an error, told in one line on stderr; also if a reader of the output left before the end"),
)
FORMAT = Flag("format", "format", "how to show bytes", default="auto", metavar="FORMAT", choices=FORMATS)
PARSE_FORMAT = Flag(
    "parse-format",
    "parse-format",
    "how KEY is given: as it is, or as hex",
    default="ascii-encoded",
    metavar="FORMAT",
    choices=PARSE_FORMATS,
)
