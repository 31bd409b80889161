"""`bench`: how fast this machine writes and reads, with the workloads and the output of bbolt's `bench`."""

from __future__ import annotations

import json
import os
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from cProfile import Profile
from math import isfinite

from ..format import MAX_KEY_SIZE, MAX_VALUE_SIZE
from ..opening import open as open_db
from ..printing import Printer, note, visible
from ..storage import AT_ONCE, taking_the_place_of
from .command import JSON, Arguments, Command, CommandError, Flag, UsageError
from .workloads import READ_MODES, SMALLEST_KEY, WRITE_MODES, Measured, Plan, read, write

_PROFILES = {"rw": "rw", "r": "r", "w": "w"}
_UNITS = ((1_000_000, "ms"), (1_000, "\u00b5s"), (1, "ns"))


def _bench(arguments: Arguments, out: Printer) -> int:
    plan = _plan(arguments)
    with _profiling(arguments) as profile, _file(arguments) as path:
        try:
            db = open_db(
                path,
                timeout=AT_ONCE,
                page_size=arguments.page_size,
                initial_mmap_size=arguments.initial_mmap_size,
                no_sync=arguments.no_sync,
            )
        except ValueError as error:  # an option that makes no sense
            raise UsageError(str(error)) from error
        with db:
            note("starting write benchmark.")
            with _seen(arguments, "w", profile):
                written, keys = write(db, plan, note)
            random.shuffle(keys)
            note("starting read benchmark.")
            with _seen(arguments, "r", profile):
                been_read = read(db, plan, arguments.read_mode, keys, note)
    _report(written, been_read, arguments, out)
    return 0


def _plan(arguments: Arguments) -> Plan:
    """Return what the flags ask for.

    Raises:
        UsageError: It makes no sense.
    """
    if arguments.write_mode not in WRITE_MODES:
        raise UsageError("the write mode should be one of seq, rnd, seq-nest, or rnd-nest")
    if arguments.read_mode not in READ_MODES:
        raise UsageError(f"bench: read: invalid read mode: {arguments.read_mode}")
    batch = arguments.batch_size or arguments.count
    if arguments.count < 1 or batch < 1:
        raise UsageError("the number of iterations and the batch size must be at least 1")
    if arguments.count % batch:
        raise UsageError("the number of iterations must be divisible by the batch size")
    if arguments.key_size < SMALLEST_KEY or arguments.value_size < 0:
        raise UsageError(f"the key size must be at least {SMALLEST_KEY} bytes, the value size at least 0")
    if arguments.key_size > MAX_KEY_SIZE or arguments.value_size > MAX_VALUE_SIZE:
        raise UsageError(f"a key has at most {MAX_KEY_SIZE} bytes, a value at most {MAX_VALUE_SIZE}")
    if not isfinite(arguments.fill_percent):
        raise UsageError("the fill percent must be a number, 0.1 to 1")
    for name in ("memprofile", "blockprofile"):
        if getattr(arguments, name):
            raise UsageError(f"bench: there is no --{name} for Python; --cpuprofile writes what cProfile sees")
    return Plan(
        arguments.write_mode,
        arguments.count,
        batch,
        arguments.key_size,
        arguments.value_size,
        arguments.fill_percent,
    )


@contextmanager
def _file(arguments: Arguments) -> Iterator[str]:
    """Give the path of a file that is deleted in the end, unless `--work` keeps it."""
    path = arguments.path
    if not path:
        fd, path = tempfile.mkstemp(prefix="bolt-bench-")
        os.close(fd)
    elif os.path.lexists(path) and not arguments.work:
        raise CommandError(f"bench: {path} exists; it would be deleted in the end. --work keeps it")
    if arguments.work:
        note(f"work: {visible(path)}")
    try:
        yield path
    finally:
        if not arguments.work:
            with suppress(FileNotFoundError):
                os.remove(path)


@contextmanager
def _profiling(arguments: Arguments) -> Iterator[Profile]:
    """Give a profile, and write it in the end where the command line names a place and something to watch."""
    profile = Profile()
    if not arguments.cpuprofile or arguments.profile_mode not in _PROFILES:
        yield profile
        return
    with taking_the_place_of(arguments.cpuprofile) as beside:
        yield profile
        profile.dump_stats(beside)


@contextmanager
def _seen(arguments: Arguments, part: str, profile: Profile) -> Iterator[None]:
    """Let the profile see a part ("w" or "r") if that is asked for."""
    wanted = arguments.cpuprofile and part in _PROFILES.get(arguments.profile_mode, "")
    if wanted:
        profile.enable()
    try:
        yield
    finally:
        if wanted:
            profile.disable()


def _report(written: Measured, been_read: Measured, arguments: Arguments, out: Printer) -> None:
    results = {"write": written, "read": been_read}
    if arguments.json:
        facts = {
            name: {"ops": it.ops, "seconds": it.nanoseconds / 1e9, "ns_per_op": it.nanoseconds / it.ops}
            for name, it in results.items()
        }
        out.line(json.dumps(facts))
    elif arguments.gobench_output:
        for name, it in results.items():
            out.line(f"{'Benchmark' + name.title():<14}\t{it.ops:8}\t{_go_benchmark(it.nanoseconds / it.ops)} ns/op")
    else:
        for name, it in results.items():
            times = f"{go_duration(it.nanoseconds)}\t({go_duration(it.each)}/op)\t({it.per_second} op/sec)"
            out.line(f"# {name.title()}\t{it.ops}(ops)\t{times}")
    if not arguments.json:
        out.line("")


def _go_benchmark(number: float) -> str:
    """Return a number as Go's benchmarks show it: with about four figures, the points below each other."""
    digits = next((digits for digits, least in enumerate((999.95, 99.995, 9.9995)) if number >= least), 3)
    return f"{number:{10 + (digits and digits + 1)}.{digits}f}"


def go_duration(nanoseconds: int) -> str:
    """Return a time as Go prints it: 13ns, 6.071\u00b5s, 1.004816126s, 1m2.5s."""
    if not nanoseconds:
        return "0s"
    for size, unit in _UNITS:
        if size <= nanoseconds < 10**9:
            return f"{_without_zeros(nanoseconds, size)}{unit}"
    minutes, rest = divmod(nanoseconds, 60 * 10**9)
    hours, minutes = divmod(minutes, 60)
    before = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{before}{_without_zeros(rest, 10**9)}s"


def _without_zeros(number: int, size: int) -> str:
    whole, part = divmod(number, size)
    digits = f"{part:0{len(str(size)) - 1}}".rstrip("0") if part else ""
    return f"{whole}.{digits}" if digits else f"{whole}"


COMMANDS = (
    Command(
        name="bench",
        run=_bench,
        about="write and read a new database, and tell how long it takes",
        words=(),
        least=0,
        most=None,
        flags=(
            Flag("count", "int", "pairs to write", default=1000, metavar="N"),
            Flag("batch-size", "int", "pairs in a transaction; 0: all", default=0, metavar="N"),
            Flag("write-mode", "text", "what to write", default="seq", metavar="MODE", choices=WRITE_MODES),
            Flag("read-mode", "text", "how to read", default="seq", metavar="MODE", choices=READ_MODES),
            Flag("key-size", "int", "bytes of a key, 4 at least", default=8, metavar="BYTES"),
            Flag("value-size", "int", "bytes of a value", default=32, metavar="BYTES"),
            Flag("fill-percent", "float", "how full pages get, 0.1 to 1", default=0.5, metavar="SHARE"),
            Flag("no-sync", "bool", "do not wait until a commit is on the disk", default=False),
            Flag("page-size", "int", "bytes of a page; 0: the system's", default=0, metavar="BYTES"),
            Flag("initial-mmap-size", "int", "bytes that the file may grow to at first", default=0, metavar="BYTES"),
            Flag("path", "path", "the file to make; a temporary one without", default="", metavar="FILE"),
            Flag("work", "bool", "keep the file, and tell where it is", default=False),
            Flag("cpuprofile", "path", "write what cProfile sees, for pstats", default="", metavar="FILE"),
            Flag("memprofile", "path", "bbolt's; refused: Python has no such profile", default="", metavar="FILE"),
            Flag("blockprofile", "path", "bbolt's; refused: Python has no such profile", default="", metavar="FILE"),
            Flag(
                "profile-mode", "text", "what --cpuprofile watches; any other word: nothing", default="rw",
                metavar="MODE", choices=tuple(_PROFILES),
            ),
            Flag("gobench-output", "bool", "print as Go's benchmarks do", default=False),
            JSON,
        ),
        details=(
            "The keys of `seq` count up, those of `rnd` are random; with `-nest` each batch goes into a bucket of its "
            "own. Reads go over everything, with a cursor or (`rnd`) key by key, for a second at least. The file is "
            "deleted in the end.",
        ),
        examples=(
            ("boltpy bench --count 100000 --batch-size 1000", "operations, time, time for one, how many a second"),
        ),
    ),
)  # fmt: skip
