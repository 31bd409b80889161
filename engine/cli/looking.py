"""The commands that show what is in a file: show, get, stats."""

from __future__ import annotations

import argparse
import json
from typing import Any

from ..errors import EngineError, EntityNotFound
from ..models import RunRegistryKey, decode
from ..opening import is_url, open_engine, path_of
from ..report import as_json, as_text, coloured, entity_text, plain, statistics_json, statistics_text
from ..storm import find_bucket, text_of_key
from ..survey import survey
from ..tools.copying import as_file
from ..tools.kinds import KINDS, Key, Kind
from ..tools.statistics import statistics
from ..tools.walking import open_gofers
from ..wire import encode
from .output import Output, Progress


def add_commands(commands: Any) -> None:
    """Add them to the parser's subcommands."""
    command = commands.add_parser(
        "show",
        help="list what a database holds",
        description="List namespaces, pipelines, runs, task runs, trigger events, registered runs, tokens, docker "
        "registries and events. The file is only read; hashes are shortened and passwords left out.",
    )
    command.add_argument("file", metavar="FILE", help="the database file, or a URL such as etcd://host:2379/prefix")
    command.add_argument("--json", action="store_true", help="print one JSON object, entities as they are stored")
    command.set_defaults(run=_show)

    command = commands.add_parser(
        "get",
        help="print one entity",
        description="Print one entity. The file is only read; without --json passwords are left out.",
        epilog="KIND and the KEYs of it are one of: "
        + "; ".join(f"{kind.name} {' '.join(kind.parts).upper()}" for kind in KINDS.values())
        + ". Put -- before a key that begins with a dash.",
    )
    command.add_argument("file", metavar="FILE", help="the database file, or a URL such as etcd://host:2379/prefix")
    command.add_argument("kind", metavar="KIND", choices=KINDS, help=f"one of {', '.join(KINDS)}")
    command.add_argument("key", metavar="KEY", nargs="+", help="what names the entity")
    command.add_argument("--json", action="store_true", help="print the JSON as it is stored, passwords included")
    command.set_defaults(run=_get, refuse=command.error)

    command = commands.add_parser(
        "stats",
        help="count what a database holds",
        description="Print how many entities of each kind there are, their bytes, their times and their states.",
    )
    command.add_argument("file", metavar="FILE", help="the database file, or a URL such as etcd://host:2379/prefix")
    command.add_argument("--json", action="store_true", help="print one JSON object; times are epoch milliseconds")
    command.set_defaults(run=_stats)


def _show(options: argparse.Namespace, out: Output) -> int:
    with as_file(options.file) as path:
        found = survey(path)
    paint = coloured if out.wants_colours else plain
    for line in [json.dumps(as_json(found), indent=2)] if options.json else as_text(found, paint):
        out.line(line)
    return 0


def _get(options: argparse.Namespace, out: Output) -> int:
    kind = KINDS[options.kind]
    try:
        key = kind.typed(options.key)
    except ValueError as error:
        options.refuse(str(error))
    stored = _asked_for(options.file, kind, key) if is_url(options.file) else _in_file(options.file, kind, key)
    if stored is None:
        raise EngineError(f"there is no {kind.name} {' '.join(options.key)}")
    if options.json:
        out.data(stored + b"\n")
        return 0
    for line in entity_text(decode(kind.entity, stored)):
        out.line(line)
    return 0


def _in_file(place: str, kind: Kind, key: Key) -> bytes | None:
    """The JSON of an entity in a bolt file, as it is there; None if it is not."""
    path, own = kind.place(key)
    with open_gofers(path_of(place)) as db, db.view() as tx:
        bucket = find_bucket(tx, *map(text_of_key, path))
        stored = bucket.get(own) if bucket is not None and own else None
    # A registration is all in its key.
    return stored if kind.id_field or stored is None else own


def _asked_for(url: str, kind: Kind, key: Key) -> bytes | None:
    """The JSON of an entity in another engine; None if it is not there."""
    arguments: dict[str, Any] = dict(zip(kind.parts, key, strict=True))
    with open_engine(url, read_only=True) as storage:
        if kind.entity is RunRegistryKey:
            registered = RunRegistryKey(**arguments)
            return encode(registered) if storage.registration_exists(**arguments) else None
        try:
            return encode(getattr(storage, f"get_{kind.method}")(**arguments))
        except EntityNotFound:
            return None


def _stats(options: argparse.Namespace, out: Output) -> int:
    with as_file(options.file) as path, open_gofers(path) as db, db.view() as tx, Progress("stats") as progress:
        found = statistics(tx, progress.tick)
    paint = coloured if out.wants_colours else plain
    for line in [json.dumps(statistics_json(found), indent=2)] if options.json else statistics_text(found, paint):
        out.line(line)
    return 0
