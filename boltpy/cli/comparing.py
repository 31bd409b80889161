"""`diff`: where two databases differ."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import boltpy

from ..difference import BucketDifference, Difference, PairDifference, differences
from ..errors import BoltError, BucketError, ChecksumError, CorruptError, InvalidDatabaseError, VersionMismatchError
from ..printing import Printer, ReaderLeftError, visible
from ..walking import every_bucket
from .command import JSON_BYTES, LIVE, TIMEOUT, Arguments, Command, CommandError, Flag
from .formats import as_json, quoted
from .opening import lock_wait, readable
from .paths import shown_path

_BRIEF = Flag("brief", "bool", "tell only whether they differ", default=False, short="q")
_SHOWN_BYTES = 200
_TROUBLE = 2


def _diff(arguments: Arguments, out: Printer) -> int:
    try:
        code = _compare(arguments, out)
        out.flush()
    except ReaderLeftError:  # nobody knows whether all was compared
        return _TROUBLE
    return code


def _compare(arguments: Arguments, out: Printer) -> int:
    left, right = arguments.words
    found = 0
    with (
        _opened(arguments, left) as before,
        _opened(arguments, right) as after,
        _told_with_the_damaged((left, before), (right, after)),
    ):
        for difference in differences(before, after):
            found += 1
            if arguments.brief:
                break
            if arguments.json:
                out.line(json.dumps(_facts(difference)))
            else:
                if found == 1:
                    out.line(f"--- {visible(left)}\n+++ {visible(right)}")
                _print(difference, out)
    if arguments.brief and found:
        out.line(json.dumps({"same": False}) if arguments.json else f"{visible(left)} and {visible(right)} differ")
    elif arguments.brief and arguments.json:
        out.line(json.dumps({"same": True}))
    return 1 if found else 0


@contextmanager
def _opened(arguments: Arguments, file: str) -> Iterator[boltpy.Tx]:
    """Give a read transaction on one of the files."""
    timeout = lock_wait(arguments.timeout)
    with ExitStack() as stack:
        with _told_with(file, InvalidDatabaseError, VersionMismatchError, ChecksumError, CorruptError):
            path = stack.enter_context(readable(arguments, file))
            db = stack.enter_context(boltpy.open(path, read_only=True, timeout=timeout))
        yield stack.enter_context(db.view())


@contextmanager
def _told_with(file: str, *kinds: type[BoltError]) -> Iterator[None]:
    """Name the file in errors of these kinds, which do not tell which of the two it is."""
    try:
        yield
    except kinds as error:
        raise CommandError(f"{file}: {error}") from error


@contextmanager
def _told_with_the_damaged(*sides: tuple[str, boltpy.Tx]) -> Iterator[None]:
    """Name the file in errors of its trees: the first of two that cannot be read to its end."""
    try:
        yield
    except (CorruptError, BucketError):
        for file, tx in sides:
            with _told_with(file, CorruptError, BucketError):
                for bucket in every_bucket(tx):
                    deque(bucket.items(), maxlen=0)
        raise


def _facts(difference: Difference) -> dict[str, object]:
    path = [as_json(name) for name in difference.path]
    if isinstance(difference, BucketDifference):
        return {"bucket": path, "a": difference.a, "b": difference.b}
    sides = {"a": difference.a, "b": difference.b}
    return {
        "bucket": path,
        "key": as_json(difference.key),
        **{side: None if value is None else as_json(value) for side, value in sides.items()},
    }


def _print(difference: Difference, out: Printer) -> None:
    for sign, colour, side in (("-", 31, difference.a), ("+", 32, difference.b)):
        if side is not None:
            place, text = difference.path, f"bucket, sequence {side!r}"
            if isinstance(difference, PairDifference) and isinstance(side, bytes):
                place, text = (*place, difference.key), f"= {_shown_value(side)}"
            line = f"{sign} {shown_path(place)} {text}"
            out.line(f"\x1b[{colour}m{line}\x1b[0m" if out.wants_colours else line)


def _shown_value(value: bytes) -> str:
    if len(value) <= _SHOWN_BYTES:
        return quoted(value)
    return f"{quoted(value[:_SHOWN_BYTES])}... ({len(value)} bytes)"


COMMANDS = (
    Command(
        name="diff",
        run=_diff,
        about="tell where two databases differ: buckets, keys, values, sequences",
        words=(("A", "one database file"), ("B", "the other")),
        least=2,
        most=2,
        flags=(
            _BRIEF,
            JSON_BYTES._replace(about="print a JSON object a line for each difference: its values in `a` and `b`"),
            TIMEOUT,
            LIVE,
        ),
        details=(
            "A line with - is in A only, one with + in B only. A pair whose values differ, and a bucket whose "
            "sequences do, have both. A bucket that one of them lacks is told with all that is in it. How the "
            "pages are arranged makes no difference. Long values are cut; --json has them whole.",
        ),
        examples=(("boltpy diff -q app.db backup.db", "0 as the exit code if they are the same, else a line, and 1"),),
        codes=(
            (0, "they are the same"),
            (1, "they differ"),
            (_TROUBLE, "an error, wrong usage, or a reader who left"),
        ),
        error_code=_TROUBLE,
    ),
)
