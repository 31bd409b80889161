"""`put`, `delete`, `mkbucket`, `rmbucket`, `mv` and `seq`: changes of a database, each in a transaction of its own."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boltpy

from ..bucket_state import MAX_NESTING
from ..files import is_vacant, permissions
from ..format import MAX_VALUE_SIZE
from ..printing import Printer
from ..storage import taking_the_place_of
from .command import BUCKETS, FILE, JSON, LIVE, TIMEOUT, Arguments, Command, CommandError, Flag, UsageError
from .formats import parsed
from .opening import lock_wait, reading, require_file
from .paths import NAMES_FORMAT, NoBucketError, bucket_of, names, shown_path

_KEY = ("KEY", "the key in that bucket")
_PATH = ("BUCKET...", "the path of names to the bucket")
_PARENTS = Flag("parents", "bool", "make the buckets that are missing on the way", default=False, short="p")
_INPUT = Flag("input", "path", "take the value from this file; - is the input", short="i", metavar="FROM")
_VALUE_FORMAT = NAMES_FORMAT._replace(name="value-format", about="how VALUE is given: as it is, or as hex")
_FORCE = Flag("force", "bool", "do nothing, without an error, where there is none", default=False, short="f")
_CREATE = Flag("create", "bool", "make the file if there is none", default=False)
_RECURSIVE = Flag("recursive", "bool", "delete all that is in it too", default=False, short="r")
_TO = Flag("to", "names", "the new path, a name each time", metavar="NAME", required=True)
_SET = Flag("set", "uint", "set it to this number", metavar="N")
_NEXT = Flag("next", "bool", "add 1 to it, and print that", default=False)


@contextmanager
def _changing(arguments: Arguments) -> Iterator[boltpy.Tx]:
    """Give a write transaction on the command's file, which must be there; after an error it is as it was."""
    require_file(arguments.file)
    if is_vacant(arguments.file):
        with _making(arguments.file, permissions(arguments.file)) as tx:
            yield tx
        return
    with boltpy.open(arguments.file, timeout=lock_wait(arguments.timeout)) as db, db.update() as tx:
        yield tx


@contextmanager
def _changing_or_making(arguments: Arguments) -> Iterator[boltpy.Tx]:
    """The same, but `--create` makes the file if there is none; after an error there is still none."""
    is_to_make = arguments.create and not Path(arguments.file).exists()
    with _making(arguments.file, 0o600) if is_to_make else _changing(arguments) as tx:
        yield tx


@contextmanager
def _making(file: str, mode: int) -> Iterator[boltpy.Tx]:
    """Give a write transaction on a new database, which takes the place of a file that holds nothing."""
    with taking_the_place_of(file) as beside, boltpy.open(beside, mode=mode) as db, db.update() as tx:
        yield tx


def _tell(arguments: Arguments, out: Printer, **facts: object) -> int:
    """Print what happened for programs; people see from the silence that it did."""
    if arguments.json:
        out.line(json.dumps(facts))
    return 0


def _put(arguments: Arguments, out: Printer) -> int:
    words = arguments.words[1:]
    if arguments.input is None:
        if len(words) < 3:
            raise UsageError("there is no VALUE: put FILE BUCKET... KEY VALUE, or --input FROM in place of it")
        value = parsed(words.pop(), arguments.value_format)
    elif "value_format" in arguments.given:
        raise UsageError("--value-format is for a VALUE on the command line; what --input gives is taken as it is")
    else:
        value = _input(arguments.input)
    *path, key = names(words, arguments.parse_format)
    with _changing(arguments) as tx:
        bucket = bucket_of(tx, path, make=arguments.parents)
        _require_no_bucket(bucket, path, key)
        is_new = key not in bucket
        bucket.put(key, value)
    return _tell(arguments, out, created=is_new)


def _input(source: str) -> bytes:
    most = MAX_VALUE_SIZE + 1
    if source != "-":
        with Path(source).open("rb") as file:
            return file.read(most)
    if sys.stdin is None:
        raise CommandError("there is no input")
    return sys.stdin.buffer.read(most)


def _require_no_bucket(bucket: boltpy.Bucket, path: list[bytes], key: bytes) -> None:
    if bucket.bucket(key) is not None:
        raise CommandError(f"this is a bucket, not a key: {shown_path([*path, key])}")


def _bucket_unless_forced(arguments: Arguments, tx: boltpy.Tx, path: list[bytes]) -> boltpy.Bucket | None:
    """Return the bucket at a path; None if it is missing and `--force` says that it may be."""
    try:
        return bucket_of(tx, path)
    except NoBucketError:
        if arguments.force:
            return None
        raise


def _delete(arguments: Arguments, out: Printer) -> int:
    *path, key = names(arguments.words[1:], arguments.parse_format)
    with _changing(arguments) as tx:
        bucket = _bucket_unless_forced(arguments, tx, path)
        if bucket is None:
            return _tell(arguments, out, deleted=False)
        is_there = key in bucket
        _require_no_bucket(bucket, path, key)
        if not is_there and not arguments.force:
            raise CommandError(f"key not found: {shown_path([*path, key])}")
        bucket.delete(key)
    return _tell(arguments, out, deleted=is_there)


def _mkbucket(arguments: Arguments, out: Printer) -> int:
    path = names(arguments.words[1:], arguments.parse_format)
    with _changing_or_making(arguments) as tx:
        parent = bucket_of(tx, path[:-1], make=arguments.parents)
        is_new = parent.bucket(path[-1]) is None
        if is_new:
            _require_no_key(parent, path)
            parent.create_bucket(path[-1])
        elif not arguments.parents:
            raise CommandError(f"bucket already exists: {shown_path(path)}")
    return _tell(arguments, out, created=is_new)


def _require_no_key(parent: boltpy.Bucket, path: list[bytes]) -> None:
    if path[-1] in parent and parent.bucket(path[-1]) is None:
        raise CommandError(f"this is a key, not a bucket: {shown_path(path)}")


def _rmbucket(arguments: Arguments, out: Printer) -> int:
    path = names(arguments.words[1:], arguments.parse_format)
    with _changing(arguments) as tx:
        parent = _bucket_unless_forced(arguments, tx, path[:-1])
        if parent is None:
            return _tell(arguments, out, deleted=False)
        bucket = parent.bucket(path[-1])
        _require_no_key(parent, path)
        if bucket is None and not arguments.force:
            raise CommandError(f"bucket not found: {shown_path(path)}")
        if bucket is not None:
            if not arguments.recursive and next(bucket.keys(), None) is not None:
                raise CommandError(f"the bucket is not empty: {shown_path(path)}; -r deletes all that is in it too")
            parent.delete_bucket(path[-1])
    return _tell(arguments, out, deleted=bucket is not None)


def _mv(arguments: Arguments, out: Printer) -> int:
    *source, old = names(arguments.words[1:], arguments.parse_format)
    *target, new = names(arguments.to, arguments.parse_format)
    with _changing(arguments) as tx:
        before, behind = bucket_of(tx, source), bucket_of(tx, target, make=arguments.parents)
        if new in behind or behind.bucket(new) is not None:
            raise CommandError(f"there is something already: {shown_path([*target, new])}")
        value = before.get(old)
        if value is not None and not target:
            raise CommandError(f"a key needs a bucket to be in, and this path has none: {shown_path([new])}")
        if value is not None:
            behind.put(new, value)
            before.delete(old)
        elif before.bucket(old) is None:
            raise CommandError(f"neither a key nor a bucket: {shown_path([*source, old])}")
        elif target[: len(source) + 1] == [*source, old]:
            raise CommandError(f"a bucket cannot be moved into itself: {shown_path([*source, old])}")
        else:
            try:
                before.move_bucket(old, behind, new_name=new)
            except boltpy.BucketError as error:  # all else that is wrong with buckets is excluded by now
                text = f"would be nested deeper than {MAX_NESTING} levels: {shown_path([*target, new])}"
                raise CommandError(text) from error
    return _tell(arguments, out, moved="bucket" if value is None else "pair")


def _seq(arguments: Arguments, out: Printer) -> int:
    path = names(arguments.words[1:], arguments.parse_format)
    if arguments.next and arguments.set is not None:
        raise UsageError("--set and --next exclude each other")
    if arguments.next or arguments.set is not None:
        if arguments.live:
            raise UsageError("--live is for reading; --set and --next change the file itself")
        with _changing(arguments) as tx:
            bucket = bucket_of(tx, path)
            if arguments.next:
                bucket.next_sequence()
            else:
                bucket.sequence = arguments.set
            sequence = bucket.sequence
    else:
        with reading(arguments) as tx:
            sequence = bucket_of(tx, path).sequence
    out.line(json.dumps({"sequence": sequence}) if arguments.json else str(sequence))
    return 0


COMMANDS = (
    Command(
        name="put",
        run=_put,
        about="set the value of a key",
        words=(FILE, BUCKETS, _KEY, ("[VALUE]", "the value, unless --input gives it")),
        least=3,
        most=None,
        flags=(_INPUT, _PARENTS, NAMES_FORMAT, _VALUE_FORMAT, JSON, TIMEOUT),
        details=("An old value is replaced. Nothing is added to the value: no end of a line.",),
        examples=(
            ("boltpy put app.db users ada countess", "in the bucket `users`"),
            ("boltpy put app.db -p users old ada -i photo.png", "from a file; `users` and `old` are made if need be"),
            ("boltpy put app.db log last -i -", "from the input, the end of its last line included"),
        ),
    ),
    Command(
        name="delete",
        run=_delete,
        about="delete a key",
        words=(FILE, BUCKETS, _KEY),
        least=3,
        most=None,
        flags=(_FORCE, NAMES_FORMAT, JSON, TIMEOUT),
        examples=(("boltpy delete app.db users old ada", "the key `ada` of the bucket `old` in `users`"),),
    ),
    Command(
        name="mkbucket",
        run=_mkbucket,
        about="make a bucket",
        words=(FILE, _PATH),
        least=2,
        most=None,
        flags=(
            _PARENTS._replace(about="make those that are missing on the way; one that is there is no error"),
            _CREATE,
            NAMES_FORMAT,
            JSON,
            TIMEOUT,
        ),
        examples=(("boltpy mkbucket app.db -p users old", "`users` if need be, and `old` in it"),),
    ),
    Command(
        name="rmbucket",
        run=_rmbucket,
        about="delete an empty bucket, or with -r any",
        words=(FILE, _PATH),
        least=2,
        most=None,
        flags=(_RECURSIVE, _FORCE, NAMES_FORMAT, JSON, TIMEOUT),
        examples=(("boltpy rmbucket -r app.db users old", "with its keys and all buckets nested in it"),),
    ),
    Command(
        name="mv",
        run=_mv,
        about="move or rename a bucket, with all that is in it, or a key",
        words=(FILE, ("NAME...", "the path of names to the bucket, or to the bucket and its key")),
        least=2,
        most=None,
        flags=(_TO, _PARENTS, NAMES_FORMAT, JSON, TIMEOUT),
        details=("What is at the new path already is never replaced. A bucket is moved without copying its pages.",),
        examples=(
            ("boltpy mv app.db users old --to archive --to 2020", "`old` in `users` becomes `2020` in `archive`"),
            ("boltpy mv app.db users ada --to users --to lovelace", "a key gets another name"),
        ),
    ),
    Command(
        name="seq",
        run=_seq,
        about="print the sequence of a bucket, or set it",
        words=(FILE, ("[BUCKET...]", "the path of names to the bucket; without one, the root bucket")),
        least=1,
        most=None,
        flags=(_SET, _NEXT, NAMES_FORMAT, JSON, TIMEOUT, LIVE),
        examples=(("boltpy seq app.db users --set 100", "100"), ("boltpy seq app.db users --next", "101")),
    ),
)
