"""The command line `boltpy`: a look into a bolt file. Reading commands take the shared lock and change nothing.

Exit codes: 0 all is well; 1 an error, told in one line on stderr, or problems found by `check`; 2 wrong usage.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TextIO

import boltpy

_LOCK_WAIT_SECONDS = 2.0


def shown(data: bytes) -> str:
    """Return bytes as text where they are printable UTF-8, else as lower-case hex."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return data.hex()
    return text if text.isprintable() else data.hex()


@contextmanager
def _reading(arguments: argparse.Namespace) -> Iterator[boltpy.Tx]:
    with boltpy.open(arguments.file, read_only=True, timeout=arguments.timeout) as db, db.view() as tx:
        yield tx


def _bucket(tx: boltpy.Tx, path: list[str]) -> boltpy.Bucket:
    bucket = tx.bucket(*(os.fsencode(name) for name in path))
    if bucket is None:
        raise boltpy.BucketNotFoundError(os.fsencode("/".join(path)))
    return bucket


def _info(arguments: argparse.Namespace, out: TextIO) -> int:
    with _reading(arguments) as tx:
        facts = {"page_size": tx.db.info().page_size, "size": tx.size, "txid": tx.id, "kernels": boltpy.HOT}
    if arguments.json:
        print(json.dumps(facts), file=out)
    else:
        print(f"Page Size: {facts['page_size']}", file=out)
    return 0


def _lines(names: Iterator[bytes], arguments: argparse.Namespace, out: TextIO) -> int:
    if arguments.json:
        print(json.dumps([shown(name) for name in names]), file=out)
    else:
        for name in names:
            print(shown(name), file=out)
    return 0


def _buckets(arguments: argparse.Namespace, out: TextIO) -> int:
    with _reading(arguments) as tx:
        return _lines((name for name, _ in tx.buckets()), arguments, out)


def _keys(arguments: argparse.Namespace, out: TextIO) -> int:
    with _reading(arguments) as tx:
        return _lines(_bucket(tx, arguments.bucket).keys(), arguments, out)


def _get(arguments: argparse.Namespace, out: TextIO) -> int:
    *path, key = arguments.path
    with _reading(arguments) as tx:
        value = _bucket(tx, path).get(os.fsencode(key))
    if value is None:
        raise KeyError(f"key not found: {key!r}")
    print(json.dumps(shown(value)) if arguments.json else shown(value), file=out)
    return 0


def _inspect(arguments: argparse.Namespace, out: TextIO) -> int:
    with _reading(arguments) as tx:
        structure = asdict(tx.inspect())
    print(json.dumps(structure, indent=4, default=shown), file=out)
    return 0


def _check(arguments: argparse.Namespace, out: TextIO) -> int:
    with _reading(arguments) as tx:
        problems = [str(problem) for problem in tx.check()]
    if arguments.json:
        print(json.dumps(problems), file=out)
    else:
        print("\n".join([*problems, f"{len(problems)} errors found"]) if problems else "OK", file=out)
    return 1 if problems else 0


def _compact(arguments: argparse.Namespace, out: TextIO) -> int:
    mode = os.stat(arguments.file).st_mode & 0o777
    if os.path.exists(arguments.output) and os.path.samefile(arguments.file, arguments.output):
        raise boltpy.DatabaseError(f"cannot compact {arguments.file} onto itself")
    with (
        boltpy.open(arguments.file, read_only=True, timeout=arguments.timeout) as source,
        boltpy.open(arguments.output, mode=mode, timeout=arguments.timeout) as target,
    ):
        boltpy.compact(source, target)
    before, after = os.path.getsize(arguments.file), os.path.getsize(arguments.output)
    if arguments.json:
        print(json.dumps({"before": before, "after": after}), file=out)
    else:
        print(f"{before} -> {after} bytes (gain={before / after:.2f}x)", file=out)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="boltpy", description="Look into the file of a bolt database.")
    parser.add_argument("--version", action="version", version=f"boltpy {boltpy.__version__} (kernels: {boltpy.HOT})")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, run: Callable[[argparse.Namespace, TextIO], int], about: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=about, description=about)
        command.set_defaults(run=run)
        command.add_argument("--json", action="store_true", help="print JSON")
        command.add_argument(
            "--timeout", type=float, default=_LOCK_WAIT_SECONDS, metavar="SECONDS", help="how long to wait for the lock"
        )
        command.add_argument("file", metavar="FILE")
        return command

    add("info", _info, "Print the page size.")
    add("buckets", _buckets, "List the top-level buckets.")
    add("keys", _keys, "List the keys of a bucket, nested buckets included.").add_argument(
        "bucket", nargs="+", metavar="BUCKET", help="the bucket's name, or the path of names to a nested one"
    )
    add("get", _get, "Print the value of a key.").add_argument(
        "path", nargs="+", metavar="BUCKET... KEY", help="the path of names to the bucket, then the key"
    )
    add("inspect", _inspect, "Print the tree of buckets as JSON, with the number of pairs in each.")
    add("check", _check, "Check the whole file and print what is wrong with it.")
    add("compact", _compact, "Copy the database into a new file with full pages.").add_argument(
        "-o", "--output", required=True, metavar="FILE", help="the new file"
    )
    return parser


def main(argv: list[str] | None = None, out: TextIO | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        argv: The arguments; None takes those of the process.
        out: Where to print; None is the process's output.
    """
    arguments = _parser().parse_args(argv)
    try:
        result: int = arguments.run(arguments, out or sys.stdout)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has enough. Nothing may be printed at exit any more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (boltpy.BoltError, OSError, KeyError, MemoryError) as error:
        text = error.args[0] if isinstance(error, KeyError) else error
        sys.stderr.write(f"Error: {text}\n")
        return 1
    return result
