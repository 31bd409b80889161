"""In a file that somebody has damaged, `compat="gofer"` does what Gofer does, and leaves what it leaves."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import boltpy
from engine.tools.repair import repair
from engine.tools.walking import open_gofers
from tests.engine.gofer_files import unpack
from tests.engine.making import int_key

from .gofer_engine import opened_here
from .gofer_peer import FIRST, LAST, Call, opened, raw_lines
from .peer import GoError, GoPeer

Damage = Callable[[boltpy.Tx], object]

METADATA = b"__storm_metadata"
TYPES = [(b"Namespace",), (b"Token",), (b"DockerRegistryAuth",), (b"default", b"Pipeline"), (b"runRegistry",)]
RUNS, TASK_RUNS = (b"default", b"simple", b"Run"), (b"default", b"simple", b"1", b"TaskRun")
TOKEN = "fa14a4b3f266cc89a77778925eca8f49a3f28bab88194102a04d6f181878c178"
PLACE = {"namespace_id": "default", "pipeline_id": "simple"}

CALLS: list[Call] = [
    {"op": "AddNamespace", "req": {"Namespace": {"id": "new"}}},
    {"op": "UpdateNamespace", "req": {"Namespace": {"id": "default", "name": "other"}}},
    {"op": "GetAllNamespaces", "req": {}},
    {"op": "AddToken", "req": {"Token": {"hash": "new"}}},
    {"op": "DeleteToken", "req": {"Hash": TOKEN}},
    {"op": "DeleteToken", "req": {"Hash": "none"}},
    {"op": "GetAllTokens", "req": {}},
    {"op": "AddPipeline", "req": {"Pipeline": {"id": "new", "namespace": "default", "created": 5}}},
    {"op": "AddRun", "req": {"Run": PLACE}, "now": 9},
    {"op": "UpdateRun", "req": {"Run": PLACE | {"id": 2, "status": "SUCCESS"}}},
    {"op": "AddTaskRun", "req": {"TaskRun": PLACE | {"run_id": 1, "id": "new", "created": 3}}},
    {"op": "UpdateTaskRun", "req": {"TaskRun": PLACE | {"run_id": 1, "id": "build", "created": 3}}},
]
FIRST_CALLS: list[Call] = [
    *CALLS,
    {"op": "RemoveDockerRegistryAuth", "req": {"Registry": "https://index.docker.io/v1/"}},
    {"op": "RegisterRun", "req": {"Namespace": "default", "Pipeline": "simple", "Run": 9}},
    {"op": "UnregisterRun", "req": {"Namespace": "default", "Pipeline": "simple", "Run": 2}},
    {"op": "GetAllRunRegistrations", "req": {}},
]


def at(tx: boltpy.Tx, *path: bytes) -> boltpy.Bucket:
    bucket = tx.bucket(*path)
    assert bucket is not None
    return bucket


def no_codec(tx: boltpy.Tx) -> None:
    for path in (*TYPES, RUNS, TASK_RUNS):
        at(tx, *path, METADATA).delete(b"codec")


def other_codec(tx: boltpy.Tx) -> None:
    for path in (*TYPES, RUNS, TASK_RUNS):
        at(tx, *path, METADATA).put(b"codec", b"gob")


def no_metadata(tx: boltpy.Tx) -> None:
    for path in (*TYPES, RUNS, TASK_RUNS):
        at(tx, *path).delete_bucket(METADATA)


def no_indexes(tx: boltpy.Tx) -> None:
    for path in (*TYPES, RUNS, TASK_RUNS):
        for name in [name for name, _ in at(tx, *path).buckets() if name != METADATA]:
            at(tx, *path).delete_bucket(name)


def codec_is_a_bucket(tx: boltpy.Tx) -> None:
    no_codec(tx)
    for path in (*TYPES, RUNS, TASK_RUNS):
        at(tx, *path, METADATA).create_bucket(b"codec")


def metadata_is_a_pair(tx: boltpy.Tx) -> None:
    no_metadata(tx)
    for path in (*TYPES, RUNS, TASK_RUNS):
        at(tx, *path).put(METADATA, b"{}")


def short_counter(tx: boltpy.Tx) -> None:
    at(tx, *RUNS, METADATA).put(b"IDcounter", b"\x00\x01")


def counter_is_a_bucket(tx: boltpy.Tx) -> None:
    at(tx, *RUNS, METADATA).delete(b"IDcounter")
    at(tx, *RUNS, METADATA).create_bucket(b"IDcounter")


def index_is_a_pair(tx: boltpy.Tx) -> None:
    for path in (*TYPES[:-1], RUNS, TASK_RUNS):
        for name in [name for name, _ in at(tx, *path).buckets() if name != METADATA]:
            at(tx, *path).delete_bucket(name)
            at(tx, *path).put(name, b"{}")


def broken_records(tx: boltpy.Tx) -> None:
    at(tx, b"Namespace").put(b"default", b"{")
    at(tx, b"Token").put(TOKEN.encode(), b"[]")
    at(tx, *RUNS).put(int_key(2), b"7")


def one_half(tx: boltpy.Tx) -> None:
    at(tx, *TASK_RUNS, b"__storm_index_Created").delete_bucket(b"storm__ids")
    index = at(tx, b"default", b"Pipeline", b"__storm_index_Created")
    index.put(b"storm__ids__new", b"new")


DAMAGES: list[Damage] = [
    *(no_codec, other_codec, no_metadata, no_indexes, codec_is_a_bucket, metadata_is_a_pair),
    *(short_counter, counter_is_a_bucket, index_is_a_pair, broken_records, one_half),
]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_each_call_has_gofers_outcome(gofer: GoPeer, tmp_path: Path, damage: Damage) -> None:
    damaged = unpack("small", tmp_path)
    with boltpy.open(damaged, no_sync=True) as db, db.update() as tx:
        damage(tx)
    ours, theirs = (shutil.copy(damaged, tmp_path / name) for name in ("ours.db", "theirs.db"))
    calls = [call for call in FIRST_CALLS if not (damage is index_is_a_pair and call["req"] == {"Hash": "none"})]
    with opened(gofer, Path(theirs), schema=FIRST) as go, opened_here(Path(ours)) as here:
        for call in calls:
            (their,) = go.run([call])
            # The package of the stand-in has another name than Gofer's.
            their["error"] = their["error"] and their["error"].replace("first.", "models.")
            (our,) = here.run([call])
            if their["error"]:
                # Go's struct keeps the number of what was not stored.
                our.pop("id", None)
                their.pop("id", None)
            assert our == their, f"{call['op']} {call['req']}"
    # An update here makes no entries anew that were lost.
    if damage not in (no_indexes, one_half):
        assert raw_lines(Path(ours)) == raw_lines(Path(theirs))


def test_neither_opens_a_file_whose_version_is_a_bucket(gofer: GoPeer, tmp_path: Path) -> None:
    path = unpack("small", tmp_path)
    with boltpy.open(path, no_sync=True) as db, db.update() as tx:
        at(tx, b"__storm_db").delete(b"version")
        at(tx, b"__storm_db").create_bucket(b"version")
    with pytest.raises(boltpy.IncompatibleValueError), opened_here(path):
        pass
    # Storm keeps the lock of a file that it could not open, so this comes last.
    with pytest.raises(GoError, match="incompatible value"), opened(gofer, path):
        pass


def event(number: int) -> bytes:
    return b'{"event_id":%d,"kind":"STARTED_RUN","emitted":3,"NamespaceID":"n","PipelineID":"p","RunID":3}' % number


@pytest.mark.parametrize(
    "events",
    [
        {int_key(1): b'{"event_id":1,"kind":"","emitted":3}'},
        {int_key(1): b'{"event_id":1,"emitted":3}', int_key(2): event(2)},
        {int_key(1): b"{", int_key(2): event(7), int_key(3): b'{"kind":"X"}'},
        {int_key(1): event(1), int_key(2): event(40), int_key(3): b"["},
    ],
)
def test_events_that_nobody_wrote(gofer: GoPeer, tmp_path: Path, events: dict[bytes, bytes]) -> None:
    path = unpack("late", tmp_path)
    with boltpy.open(path, no_sync=True) as db, db.update() as tx:
        tx.delete_bucket(b"events")
        tx.create_bucket(b"events").put_many(events)
    calls: list[Call] = [{"op": "GetEvent", "req": {"ID": number}} for number in range(5)]
    for offset in range(-2, 5):
        for reverse in False, True:
            for limit in 0, 1, 2:
                req = {"Offset": offset, "Limit": limit, "Reverse": reverse}
                calls.append({"op": "GetAllEvents", "req": req})
    with opened(gofer, path, schema=LAST) as go:
        theirs = go.run(calls)
    with opened_here(path) as here:
        for call, their in zip(calls, theirs, strict=True):
            assert here.run([call]) == [their], f"{call['op']} {call['req']}"


@pytest.mark.parametrize("damage", [it for it in DAMAGES if it is not broken_records], ids=lambda it: it.__name__)
def test_a_mended_copy_is_to_gofer_as_if_nothing_had_been(gofer: GoPeer, tmp_path: Path, damage: Damage) -> None:
    sound = unpack("small", tmp_path)
    damaged, mended = Path(shutil.copy(sound, tmp_path / "damaged.db")), tmp_path / "mended.db"
    with boltpy.open(damaged, no_sync=True) as db, db.update() as tx:
        damage(tx)
    with open_gofers(damaged) as db, db.view() as tx:
        repair(tx, mended, lambda: None)
    with opened(gofer, sound, schema=FIRST) as go:
        expected = go.run(FIRST_CALLS)
    with opened(gofer, mended, schema=FIRST) as go:
        for call, outcome in zip(FIRST_CALLS, expected, strict=True):
            assert go.run([call]) == [outcome], f"{call['op']} {call['req']}"
