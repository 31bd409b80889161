"""The command line `boltpy`: a look into a bolt file. Reading commands take the shared lock and change nothing.

Exit codes: 0 all is well; 1 an error, told in one line on stderr, or problems found by `check`; 2 wrong usage; 130
Ctrl-C. A reader who leaves before the end (`| head`) is no error.
"""

from __future__ import annotations

import argparse
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import TextIO

import boltpy

from .compact_file import compact_file
from .printing import Printer, ReaderLeftError, complain, exit_code

_LOCK_WAIT_SECONDS = 2.0
_JSON_BYTES = 'print JSON; bytes that are no printable UTF-8 become {"hex": "ff00"}'


def _printable(data: bytes) -> str | None:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    return text if text.isprintable() else None


def shown(data: bytes) -> str:
    """Return bytes as text where they are printable UTF-8, else as lower-case hex: bbolt's format `auto`."""
    text = _printable(data)
    return data.hex() if text is None else text


def as_json(data: bytes) -> str | dict[str, str]:
    """Return bytes as JSON shows them: text where they are printable UTF-8, else an object that no text equals."""
    text = _printable(data)
    return {"hex": data.hex()} if text is None else text


def _quoted(path: Iterable[bytes]) -> str:
    """Return a path of names as errors show it; `"ff"` is text, `0xff` a byte."""
    texts = [(_printable(name), name) for name in path]
    return " ".join(f"0x{name.hex()}" if text is None else json.dumps(text, ensure_ascii=False) for text, name in texts)


@contextmanager
def _reading(arguments: argparse.Namespace) -> Iterator[boltpy.Tx]:
    with boltpy.open(arguments.file, read_only=True, timeout=arguments.timeout) as db, db.view() as tx:
        yield tx


def _bucket(tx: boltpy.Tx, names: list[str]) -> boltpy.Bucket:
    path = [os.fsencode(name) for name in names]
    bucket = tx.bucket(*path)
    if bucket is None:
        raise boltpy.BucketError(_why_no_bucket(tx, path))
    return bucket


def _why_no_bucket(tx: boltpy.Tx, path: list[bytes]) -> str:
    """Tell which name of a path that leads to no bucket is the first to do so."""
    depth = next(depth for depth in range(1, len(path) + 1) if tx.bucket(*path[:depth]) is None)
    parent = tx.bucket(*path[: depth - 1])
    place = _quoted(path[:depth])
    if parent is not None and path[depth - 1] in parent:
        return f"this is a key, not a bucket: {place}"
    return f"bucket not found: {place}"


def _info(arguments: argparse.Namespace, out: Printer) -> int:
    with _reading(arguments) as tx:
        facts = {"page_size": tx.db.info().page_size, "size": tx.size, "txid": tx.id, "kernels": boltpy.HOT}
    out.line(json.dumps(facts) if arguments.json else f"Page Size: {facts['page_size']}")
    return 0


def _list(names: Iterable[bytes], arguments: argparse.Namespace, out: Printer) -> int:
    if arguments.json:
        out.line(json.dumps([as_json(name) for name in names]))
    else:
        for name in names:
            out.line(shown(name))
    return 0


def _buckets(arguments: argparse.Namespace, out: Printer) -> int:
    with _reading(arguments) as tx:
        return _list((name for name, _ in tx.buckets()), arguments, out)


def _keys(arguments: argparse.Namespace, out: Printer) -> int:
    with _reading(arguments) as tx:
        return _list(_bucket(tx, arguments.bucket).keys(), arguments, out)


def _get(arguments: argparse.Namespace, out: Printer) -> int:
    with _reading(arguments) as tx:
        bucket, key = _bucket(tx, arguments.bucket), os.fsencode(arguments.key)
        value = bucket.get(key)
        if value is None:
            problem = "key not found" if bucket.bucket(key) is None else "this is a bucket, not a key"
            raise boltpy.BucketError(f"{problem}: {_quoted([*map(os.fsencode, arguments.bucket), key])}")
    out.line(json.dumps(as_json(value)) if arguments.json else shown(value))
    return 0


def _inspect(arguments: argparse.Namespace, out: Printer) -> int:
    with _reading(arguments) as tx:
        structure = asdict(tx.inspect())
    out.line(json.dumps(structure, indent=4, default=as_json))
    return 0


def _check(arguments: argparse.Namespace, out: Printer) -> int:
    with _reading(arguments) as tx:
        problems = [str(problem) for problem in tx.check()]
    # Problems are problems, whether somebody reads them to their end or not.
    with suppress(ReaderLeftError):
        if arguments.json:
            out.line(json.dumps(problems))
        else:
            out.line("\n".join([*problems, f"{len(problems)} errors found"]) if problems else "OK")
    return 1 if problems else 0


def _compact(arguments: argparse.Namespace, out: Printer) -> int:
    compact_file(arguments.file, arguments.output, arguments.timeout)
    before, after = os.path.getsize(arguments.file), os.path.getsize(arguments.output)
    if arguments.json:
        out.line(json.dumps({"before": before, "after": after}))
    else:
        out.line(f"{before} -> {after} bytes (gain={before / after:.2f}x)")
    return 0


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds, 0 or more")
    return seconds


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="boltpy",
        description="Look into the file of a bolt database.",
        epilog="Put -- before a name that begins with a dash: boltpy get FILE -- BUCKET -KEY",
    )
    parser.add_argument("--version", action="version", version=f"boltpy {boltpy.__version__} (kernels: {boltpy.HOT})")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(
        name: str, run: Callable[[argparse.Namespace, Printer], int], about: str, json_help: str = "print JSON"
    ) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=about, description=about)
        command.set_defaults(run=run)
        command.add_argument("--json", action="store_true", help=json_help)
        command.add_argument(
            "--timeout",
            type=_seconds,
            default=_LOCK_WAIT_SECONDS,
            metavar="SECONDS",
            help=f"how long to wait for the lock; 0 waits for ever (default: {_LOCK_WAIT_SECONDS:g})",
        )
        command.add_argument("file", metavar="FILE")
        return command

    def add_bucket(command: argparse.ArgumentParser) -> None:
        command.add_argument(
            "bucket", nargs="+", metavar="BUCKET", help="the bucket's name, or the path of names to a nested one"
        )

    add("info", _info, "Print the page size.", "print JSON: the page size, the bytes in use, the last commit's txid")
    add("buckets", _buckets, "List the top-level buckets.", _JSON_BYTES)
    add_bucket(add("keys", _keys, "List the keys of a bucket, nested buckets included.", _JSON_BYTES))
    get = add("get", _get, "Print the value of a key.", _JSON_BYTES)
    add_bucket(get)
    get.add_argument("key", metavar="KEY", help="the key in that bucket")
    add(
        "inspect",
        _inspect,
        "Print the tree of buckets as JSON, with the number of pairs in each.",
        'as without; names that are no printable UTF-8 become {"hex": "ff00"}',
    )
    add("check", _check, "Check the whole file and print what is wrong with it.")
    add("compact", _compact, "Copy the database into a new file with full pages.").add_argument(
        "-o",
        "--output",
        required=True,
        metavar="NEW",
        help="the new file; one that holds something already is refused, and after a failure there is none",
    )
    return parser


def _reason(error: Exception, file: str) -> str:
    """Tell what went wrong, and with which file if it was a file."""
    if isinstance(error, MemoryError):
        return "out of memory"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    text = str(error)
    is_named = file in text or isinstance(error, boltpy.LockTimeoutError)  # which may be about another file
    return f"{file}: {text}" if isinstance(error, boltpy.DatabaseError | OSError) and not is_named else text


def main(argv: list[str] | None = None, out: TextIO | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        argv: The arguments; None takes those of the process.
        out: Where to print; None is the process's output.
    """

    def program(printer: Printer) -> int:
        arguments = _parser().parse_args(argv)
        try:
            code: int = arguments.run(arguments, printer)
        except (boltpy.BoltError, OSError, MemoryError) as error:
            return complain(_reason(error, arguments.file))
        return code

    return exit_code(program, out)
