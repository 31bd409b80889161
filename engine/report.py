"""A survey, an entity and statistics as text for people, and as JSON for programs.

None of it shows what could open a door: the hashes of tokens are cut short, passwords are left out.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from .gojson import Raw
from .models import DockerRegistryAuth, Event, RunRegistryKey, Token, TriggerEvent
from .survey import NamespaceSurvey, PipelineSurvey, RunSurvey, Survey
from .tools.statistics import KindStatistics, Statistics
from .tools.walking import safe
from .wire import struct_of

Paint = Callable[[str, str], str]

# What states are painted in, and how a terminal is told.
_COLOURS: Final = {
    "heading": "1",
    "SUCCESS": "32",
    "ACTIVE": "32",
    "FAILED": "31",
    "FAILURE": "31",
    "ABANDONED": "31",
    "CANCELLED": "33",
    "DISABLED": "33",
    "SKIPPED": "33",
    "RUNNING": "36",
    "PROCESSING": "36",
    "WAITING": "36",
}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HASH_CHARACTERS: Final = 12
_NESTED_AT_MOST: Final = 100
_CELL_COLUMNS: Final = 60
_LAST_CELL_COLUMNS: Final = 100
_NOTHING: Final = "-"
_TIME_MEMBERS: Final = frozenset(
    {"created", "deleted", "started", "ended", "updated", "received", "processed", "emitted", "last_run_time"}
)


def plain(text: str, style: str) -> str:
    """Text as it is, for a pipe or a file."""
    return text


def coloured(text: str, style: str) -> str:
    """Text in the colour of a state, or bold for the style "heading", for a terminal."""
    return f"\x1b[{_COLOURS[style]}m{text}\x1b[0m" if style in _COLOURS else text


# --- JSON ------------------------------------------------------------------------------------------------------------


def as_json(found: Survey) -> dict[str, Any]:
    """The survey as one JSON object: a list for each kind of entity, each entity as it is stored.

    `without_record` lists, as paths of ids, the namespaces, pipelines and runs that have entities below them but are
    not stored themselves.
    """
    pipelines = [pipeline for namespace in found.namespaces for pipeline in namespace.pipelines]
    runs = [run for pipeline in pipelines for run in pipeline.runs]
    return {
        "namespaces": _stored(namespace.record for namespace in found.namespaces),
        "pipelines": _stored(pipeline.record for pipeline in pipelines),
        "runs": _stored(run.record for run in runs),
        "task_runs": _stored(task_run for run in runs for task_run in run.task_runs),
        "trigger_events": _stored(
            event for pipeline in pipelines for events in pipeline.trigger_events.values() for event in events
        ),
        "registrations": _stored(found.registrations),
        "tokens": [entity | {"hash": _short_hash(entity["hash"])} for entity in _stored(found.tokens)],
        "docker_registries": _stored(found.docker_registries),
        "events": _stored(found.events),
        "without_record": list(_without_record(found.namespaces)),
    }


def _stored(entities: Iterable[object]) -> list[Any]:
    return [_shown(struct_of(type(entity)).plain(entity, [])) for entity in entities if entity is not None]


def _shown(value: Any) -> Any:
    """What is stored, without passwords. Members that nobody here knows are shown as what their JSON text says."""
    if isinstance(value, Raw):
        # Such text may hold anything that Go accepts: too deep or with numbers too long for us, it is shown as text.
        if value.count("[") + value.count("{") > _NESTED_AT_MOST:
            return str(value)
        try:
            return _shown(json.loads(value))
        except ValueError:
            return str(value)
    if isinstance(value, dict):
        return {key: _shown(item) for key, item in value.items() if key != "pass"}
    if isinstance(value, list):
        return [_shown(item) for item in value]
    return value


def statistics_json(found: Statistics) -> dict[str, Any]:
    """Statistics as one JSON object; times are epoch milliseconds, null where there is none."""
    return {
        "size": found.size,
        "page_size": found.page_size,
        "buckets": found.buckets,
        "kinds": {
            name: {
                "count": counted.count,
                "bytes": counted.size,
                "unreadable": counted.unreadable,
                "oldest": counted.oldest,
                "newest": counted.newest,
                "states": dict(sorted(counted.states.items())),
            }
            for name, counted in found.kinds.items()
        },
        "other": {"count": found.other_count, "bytes": found.other_size},
    }


def _without_record(namespaces: Iterable[NamespaceSurvey]) -> Iterator[list[str | int]]:
    for namespace in namespaces:
        if namespace.record is None:
            yield [namespace.id]
        for pipeline in namespace.pipelines:
            if pipeline.record is None:
                yield [namespace.id, pipeline.id]
            for run in pipeline.runs:
                if run.record is None:
                    yield [namespace.id, pipeline.id, run.id]


# --- text ------------------------------------------------------------------------------------------------------------


def as_text(found: Survey, paint: Paint = plain) -> Iterator[str]:
    """The survey as lines of text: a tree of namespaces, pipelines and runs, then what belongs to no pipeline."""
    if not any((found.namespaces, found.registrations, found.tokens, found.docker_registries, found.events)):
        yield "nothing is stored"
    for namespace in found.namespaces:
        yield from _namespace(namespace, paint)
    heads = ["NAMESPACE", "PIPELINE", "RUN"]
    yield from _section("registered runs", heads, map(_registration, found.registrations), paint)
    yield from _section("tokens", ["HASH", "KIND", "CREATED (UTC)", "NAMESPACES"], map(_token, found.tokens), paint)
    heads = ["REGISTRY", "USER", "CREATED (UTC)"]
    yield from _section("docker registries", heads, map(_docker_registry, found.docker_registries), paint)
    yield from _section("events", ["ID", "KIND", "EMITTED (UTC)", "ABOUT"], map(_event, found.events), paint)


def entity_text(entity: Any) -> Iterator[str]:
    """One entity as lines of text, a line for each member of its JSON."""
    members = _stored([entity])[0]
    width = max(map(_columns, members), default=0)
    for name, value in members.items():
        if isinstance(value, int) and not isinstance(value, bool) and name in _TIME_MEMBERS:
            shown = f"{_time(value)} UTC ({value})" if value else _NOTHING
        elif isinstance(entity, Token) and name == "hash":
            shown = _short_hash(value)
        else:
            shown = safe(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
        yield f"{safe(name)}{' ' * (width - _columns(name))}  {shown}".rstrip()


def statistics_text(found: Statistics, paint: Paint = plain) -> Iterator[str]:
    """Statistics as lines of text: a row for each kind, then the states."""
    heads = ["KIND", "COUNT", "BYTES", "OLDEST (UTC)", "NEWEST (UTC)", "STATES"]
    rows = [_counted(name, counted) for name, counted in found.kinds.items()]
    rows.append(["(other pairs)", str(found.other_count), str(found.other_size), "", "", ""])
    yield from _table(heads, rows, paint)
    yield f"{found.buckets} buckets in {found.size} bytes, pages of {found.page_size}"


def _namespace(namespace: NamespaceSurvey, paint: Paint) -> Iterator[str]:
    record = namespace.record
    facts = []
    if record is None:
        facts.append("(no record)")
    else:
        if record.name not in ("", record.id):
            facts.append(f'"{_cell(record.name)}"')
        if record.created:
            facts.append(f"created {_time(record.created)} UTC")
        if record.deleted:
            facts.append(f"deleted {_time(record.deleted)} UTC")
    yield "  ".join([paint(f"namespace {_cell(namespace.id)}", "heading"), *facts])
    yield ""
    for pipeline in namespace.pipelines:
        yield from ("  " + line if line else "" for line in _pipeline(pipeline, paint))


def _pipeline(pipeline: PipelineSurvey, paint: Paint) -> Iterator[str]:
    record = pipeline.record
    facts = []
    if record is None:
        facts.append("(no record)")
    else:
        if record.state:
            facts.append(paint(_cell(record.state), record.state))
        if record.name not in ("", record.id):
            facts.append(f'"{_cell(record.name)}"')
        if record.created:
            facts.append(f"created {_time(record.created)} UTC")
    yield "  ".join([paint(f"pipeline {_cell(pipeline.id)}", "heading"), *facts])
    if pipeline.runs:
        heads = ["RUN", "STATE", "STARTED (UTC)", "ENDED (UTC)", "TOOK", "DETAILS"]
        rows = [row for run in pipeline.runs for row in _run(run)]
        yield from ("  " + line for line in _table(heads, rows, paint))
    if pipeline.trigger_events:
        heads = ["TRIGGER", "EVENT", "RESULT", "RECEIVED (UTC)", "PROCESSED (UTC)", "DETAILS"]
        rows = [_trigger_event(label, it) for label, events in pipeline.trigger_events.items() for it in events]
        yield from ("  " + line for line in _table(heads, rows, paint))
    yield ""


def _section(title: str, heads: list[str], rows: Iterable[list[str]], paint: Paint) -> Iterator[str]:
    """A titled table; nothing at all if it has no rows."""
    rows = list(rows)
    if rows:
        yield paint(title, "heading")
        yield from ("  " + line for line in _table(heads, rows, paint))
        yield ""


# Rows: the cells of one line each.


def _run(run: RunSurvey) -> Iterator[list[str]]:
    """A run's row, then those of its task runs, indented."""
    record = run.record
    if record is None:
        yield [str(run.id), _NOTHING, _NOTHING, _NOTHING, _NOTHING, "(no record)"]
    else:
        trigger = " ".join(filter(None, ("by", record.trigger_kind, record.trigger_name)))
        details = [trigger if trigger != "by" else "", _failure(record.failure.kind, record.failure.description)]
        yield [str(run.id), record.status, *_span(record.started, record.ended), "; ".join(filter(None, details))]
    for it in run.task_runs:
        details = [
            f"exit code {it.exit_code}" if it.exit_code else "",
            _failure(it.failure.kind, it.failure.description),
        ]
        yield [f"  {it.id}", it.status, *_span(it.started, it.ended), "; ".join(filter(None, details))]


def _trigger_event(label: str, event: TriggerEvent) -> list[str]:
    result = event.trigger_result
    return [label, str(event.id), result.state, _time(event.received), _time(event.processed), result.details]


def _registration(key: RunRegistryKey) -> list[str]:
    return [key.namespace, key.pipeline, str(key.run)]


def _token(token: Token) -> list[str]:
    return [_short_hash(token.hash), token.kind, _time(token.created), ", ".join(token.namespaces or ())]


def _docker_registry(auth: DockerRegistryAuth) -> list[str]:
    return [auth.registry, auth.user, _time(auth.created)]


def _event(event: Event) -> list[str]:
    about = " ".join(f"{key}={value}" for key, value in event.unknown.items())
    return [str(event.event_id), event.kind, _time(event.emitted), about]


def _counted(name: str, counted: KindStatistics) -> list[str]:
    states = [f"{state or '(none)'} {count}" for state, count in sorted(counted.states.items())]
    if counted.unreadable:
        states.append(f"(unreadable) {counted.unreadable}")
    times = [_NOTHING if time is None else _time(time) for time in (counted.oldest, counted.newest)]
    return [name, str(counted.count), str(counted.size), *times, ", ".join(states)]


# Cells.


def _failure(kind: str, description: str) -> str:
    return ": ".join(filter(None, (kind, description)))


def _short_hash(text: str) -> str:
    return text if len(text) <= _HASH_CHARACTERS else f"{text[:_HASH_CHARACTERS]}..."


def _time(milliseconds: int) -> str:
    """Epoch milliseconds as a time of day in UTC; "-" for 0, the number itself if no calendar has that day."""
    if not milliseconds:
        return _NOTHING
    try:
        return (_EPOCH + timedelta(milliseconds=milliseconds)).strftime("%Y-%m-%d %H:%M:%S")
    except OverflowError:
        return str(milliseconds)


def _span(started: int, ended: int) -> tuple[str, str, str]:
    """Start, end and the time between, where both are known."""
    took = _NOTHING
    if started and ended >= started:
        seconds = (ended - started) // 1000
        minutes, hours = seconds // 60, seconds // 3600
        if seconds < 60:
            took = f"{(ended - started) / 1000:.1f}s"
        else:
            took = f"{minutes}m{seconds % 60:02}s" if minutes < 60 else f"{hours}h{minutes % 60:02}m"
    return _time(started), _time(ended), took


def _cell(text: str, columns: int = _CELL_COLUMNS) -> str:
    """Text that is safe to print and not too wide: what a terminal might obey is shown as its escape."""
    shown = safe(text[: columns + 1])
    if _columns(shown) <= columns:
        return shown
    while _columns(shown) > columns - 3:
        shown = shown[:-1]
    return f"{shown}..."


def _columns(text: str) -> int:
    """How many columns of a terminal the text takes: wide characters take two, combining marks none."""
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], paint: Paint) -> Iterator[str]:
    """Rows of cells as lines in columns, below a line of heads."""
    # The last column has nothing to its right that would have to line up.
    limits = [_CELL_COLUMNS] * (len(heads) - 1) + [_LAST_CELL_COLUMNS]
    shown = [[_cell(cell, limit) or _NOTHING for cell, limit in zip(row, limits, strict=True)] for row in rows]
    widths = [max(map(_columns, column)) for column in zip(heads, *shown, strict=True)]
    # What people look for first has a colour of its own; details may say anything.
    states = {"STATE", "RESULT"}
    for row in (list(heads), *shown):
        cells = []
        for head, cell, width in zip(heads, row, widths, strict=True):
            style = "heading" if row == list(heads) else cell if head in states else ""
            cells.append(paint(cell, style) + " " * (width - _columns(cell)))
        yield "  ".join(cells).rstrip()
