"""The command line `python -m benchmarks`.

Exit codes: 0 all is well; 1 an error, told in one line, or a peer that failed or read something else than the others;
2 wrong usage; 128 and the signal's number after Ctrl-C, SIGTERM or SIGHUP.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TextIO

from . import whole
from .catalogue import WORKLOADS, chosen
from .machine import described, load
from .peers import OURS, PEERS, broken, missing
from .plot import PlotError, draw
from .progress import Progress
from .results import ResultError, Results
from .runner import Runner
from .table import markdown
from .workload import Workload

_SIZES = {
    "keys": "bytes of a key",
    "values": "bytes of a value",
    "count": "pairs in the file",
    "batch": "pairs in a transaction",
}


def _size(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from None
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks", description="boltpy beside other embedded databases")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="measure, and print a table")
    run.set_defaults(command=_run)
    run.add_argument("--quick", action="store_true", help="a tenth of everything, in one round: no spread is known")
    run.add_argument("--large", action="store_true", help="also what needs 10 million pairs or files of 1 GB")
    run.add_argument("--only", metavar="NAME", action="append", default=[], help="a workload, or the beginning of some")
    run.add_argument("--peers", default="go,lmdb,sqlite3,pure", help="whom to compare with (default: %(default)s)")
    run.add_argument("--output", metavar="FILE.json", help="keep the results, for the commands table and plot")
    run.add_argument("--rounds", type=_size, help="times that each peer runs (default: 3, with --quick 1)")
    run.add_argument("--folder", help="where the files are while they are measured (default: the temporary folder)")
    for name, what in _SIZES.items():
        run.add_argument(f"--{name}", type=_size, help=f"{what}, for all workloads whose name says no size")

    names = commands.add_parser("list", help="print the workloads")
    names.set_defaults(command=_list)

    table = commands.add_parser("table", help="print results as Markdown")
    table.set_defaults(command=_table)
    table.add_argument("file", metavar="FILE.json")

    plot = commands.add_parser("plot", help="draw results")
    plot.set_defaults(command=_plot)
    plot.add_argument("file", metavar="FILE.json")
    plot.add_argument(
        "-o",
        "--output",
        metavar="FILE.png",
        required=True,
        help="the picture; its suffix says of what kind: .png, .svg, .pdf",
    )
    return parser


def _run(arguments: argparse.Namespace, out: TextIO) -> int:
    if arguments.output is not None:
        whole.require_place(arguments.output)  # a run is long: what would fail at its end fails now
    results = measure(arguments)
    try:
        out.write(markdown(results))
        out.flush()
    finally:
        if arguments.output is not None:
            results.write(arguments.output)
    return 1 if results.failed else 0


def measure(arguments: argparse.Namespace) -> Results:
    """Run what the arguments of `run` say.

    Raises:
        ValueError: A name or a size is wrong.
        OSError: The folder is not there, or takes no files.
    """
    workloads, sizes = _workloads(arguments)
    names = _peers(arguments.peers)
    if arguments.folder is not None and not Path(arguments.folder).is_dir():
        raise NotADirectoryError(f"{arguments.folder} is no folder")
    left_out = {name: reason for name in names if (reason := missing(name))}
    faults = {name: reason for name in names if name not in left_out and (reason := broken(name))}
    peers = [PEERS[OURS], *(PEERS[name] for name in names if name not in left_out | faults)]
    results = Results(described() | sizes, {peer.name: peer.title for peer in peers}, left_out, [], faults)
    rounds = arguments.rounds or (1 if arguments.quick else 3)
    results.machine["rounds"] = f"{rounds}, of a tenth of each: ratios are rough" if arguments.quick else f"{rounds}"
    for name, reason in left_out.items():
        sys.stderr.write(f"missing: {name}: {reason}\n")
    for name, reason in faults.items():
        sys.stderr.write(f"failed: {name}: {reason}\n")
    with TemporaryDirectory(prefix="boltpy-bench-", dir=arguments.folder) as folder:
        runner = Runner(Path(folder), peers, rounds)
        with Progress(sum(map(runner.steps, workloads)), sys.stderr) as progress:
            results.measured += [runner.measure(it, progress) for it in workloads]
    results.machine["load at the end"] = load()
    return results


def _workloads(arguments: argparse.Namespace) -> tuple[list[Workload], dict[str, str]]:
    """Return what is to be measured, and what has to be said above the table where that is not what goals are for."""
    given = {name: getattr(arguments, name) for name in _SIZES}
    usual = chosen([name.strip() for name in arguments.only], large=arguments.large)
    found = [it.sized(**given) for it in usual]
    told = {}
    if found != usual:
        told["sizes"] = ", ".join(f"{size:,} {_SIZES[name]}" for name, size in given.items() if size is not None)
        told["sizes"] += " in rows whose name says none"
    if arguments.quick:
        found = [it.quick() for it in found]
    if found != usual:
        told["goals"] = "for whole runs of the usual sizes, so other rows show none"
    return found, told


def _peers(text: str) -> list[str]:
    """Return the names of peers between commas, each once; boltpy itself is always there."""
    names = [name for word in text.split(",") if (name := word.strip())]
    unknown = [name for name in names if name not in PEERS]
    if unknown:
        raise ValueError(f"no peer is called {unknown[0]!r}; they are {', '.join(PEERS)}")
    return [name for name in dict.fromkeys(names) if name != OURS]


def _list(_arguments: argparse.Namespace, out: TextIO) -> int:
    for it in WORKLOADS:
        out.write(f"{it.name:24} {it.named()}{' (with --large)' if it.large else ''}\n")
    return 0


def _table(arguments: argparse.Namespace, out: TextIO) -> int:
    out.write(markdown(Results.read(arguments.file)))
    return 0


def _plot(arguments: argparse.Namespace, _out: TextIO) -> int:
    draw(Results.read(arguments.file), arguments.output)
    return 0


def main(arguments: Sequence[str] | None = None, out: TextIO | None = None) -> int:
    """Run one command and return the exit code, as the top of this file says.

    Args:
        arguments: The words after the program's name; None takes those of the process.
        out: Where to print; None is the process's output.
    """
    parsed = _parser().parse_args(arguments)
    try:
        code: int = parsed.command(parsed, sys.stdout if out is None else out)
    except (ValueError, ResultError, PlotError, OSError) as error:
        sys.stderr.write(f"Error: {error}\n")
        return 1
    return code
