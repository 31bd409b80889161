"""Each fault that is put into a sound file is found by its name; a mended copy has none, and still has every record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import boltpy
import engine
from engine import EngineError
from engine.tools.checking import check
from engine.tools.claims import is_storms
from engine.tools.findings import NOTES, REMEDIES, Finding
from engine.tools.indexes import readable
from engine.tools.kinds import ASIDE, Kind, kind_at
from engine.tools.repair import repair
from engine.tools.walking import Walk, open_gofers

from .gofer_files import unpack
from .hostile import raw, storms, trees, with_sequences
from .making import bolt_database, gofer_database, int_key

Change = Callable[[boltpy.Tx], object]

PIPELINE, RUN, TASK_RUN = (
    (b"default", b"Pipeline"),
    (b"default", b"simple", b"Run"),
    (b"default", b"simple", b"1", b"TaskRun"),
)
EVENTS, NAMESPACE, REGISTRY = (
    (b"default", b"simple", b"every_minute", b"TriggerEvent"),
    (b"Namespace",),
    (b"runRegistry",),
)
METADATA, BY_ID = b"__storm_metadata", b"__storm_index_ID"
BY_CREATED, IDS = (b"__storm_index_Created",), (b"__storm_index_Created", b"storm__ids")


def findings(path: Path) -> list[Finding]:
    with open_gofers(path) as db, db.view() as tx:
        return list(check(tx, lambda: None))


def names_of(found: list[Finding], *, errors: bool = True) -> set[str]:
    return {finding.name for finding in found if finding.is_error is errors}


def mended(path: Path) -> Path:
    copy = path.with_name("mended.db")
    with open_gofers(path) as db, db.view() as tx:
        repair(tx, copy, lambda: None)
    return copy


def entities(path: Path) -> Iterator[tuple[tuple[bytes, ...], Kind, bytes, Any]]:
    """Every record that can be read: its bucket, kind, key and the entity."""
    with boltpy.open(path, read_only=True) as db, db.view() as tx:
        walk = Walk(tx)
        for place, bucket in walk:
            kind = kind_at(place)
            for key, value in bucket.items():
                if kind and value is not None and (entity := readable(kind, key, value if kind.id_field else key)):
                    yield place, kind, key, entity
            walk.enter(place, [name for name, _ in bucket.buckets()])


def at(tx: boltpy.Tx, *path: bytes) -> boltpy.Bucket:
    bucket = tx.bucket(*path)
    assert bucket is not None
    return bucket


def put(*path: bytes, key: bytes, value: bytes) -> Change:
    return lambda tx: at(tx, *path).put(key, value)


def delete(*path: bytes, key: bytes) -> Change:
    return lambda tx: at(tx, *path).delete(key)


def delete_bucket(*path: bytes) -> Change:
    return lambda tx: at(tx, *path[:-1]).delete_bucket(path[-1])


def change_first(*path: bytes, new: Callable[[bytes], bytes]) -> Change:
    """Change the first value in a bucket."""

    def change(tx: boltpy.Tx) -> None:
        bucket = at(tx, *path)
        key, value = next((key, value) for key, value in bucket.items() if value is not None)
        bucket.put(key, new(value))

    return change


def drop_first(*path: bytes) -> Change:
    return lambda tx: at(tx, *path).delete(next(key for key, value in at(tx, *path).items() if value is not None))


# What is done to gofer_small.db, and the errors that it makes.
FAULTS: dict[str, tuple[Change, set[str]]] = {
    "no version": (delete(b"__storm_db", key=b"version"), {"version"}),
    "bad version": (put(b"__storm_db", key=b"version", value=b"2.0.0"), {"version"}),
    "no storm": (delete_bucket(b"__storm_db"), {"version"}),
    "no registry": (delete_bucket(*REGISTRY), {"registry-missing"}),
    "no metadata": (delete_bucket(*NAMESPACE, METADATA), {"metadata-missing"}),
    "no metadata of runs": (delete_bucket(*RUN, METADATA), {"metadata-missing", "counter-behind"}),
    "no metadata of registry": (delete_bucket(*REGISTRY, METADATA), {"metadata-missing"}),
    "other codec": (put(*PIPELINE, METADATA, key=b"codec", value=b"gob"), {"codec"}),
    "no codec": (delete(*REGISTRY, METADATA, key=b"codec"), {"codec"}),
    "low counter": (put(*RUN, METADATA, key=b"IDcounter", value=int_key(2)), {"counter-behind"}),
    "no counter": (delete(*EVENTS, METADATA, key=b"IDcounter"), {"counter-behind"}),
    "short counter": (put(*RUN, METADATA, key=b"IDcounter", value=b"\x09"), {"counter-damaged"}),
    "long counter": (put(*RUN, METADATA, key=b"IDcounter", value=int_key(9) + b"x"), {"counter-damaged"}),
    "no id index": (delete_bucket(*RUN, BY_ID), {"index-missing"}),
    "no list index": (delete_bucket(*PIPELINE, *BY_CREATED), {"index-missing"}),
    "no second half": (delete_bucket(*PIPELINE, *IDS), {"index-missing"}),
    "not in id index": (drop_first(*TASK_RUN, BY_ID), {"index-entry-missing"}),
    "not in first half": (drop_first(*PIPELINE, *BY_CREATED), {"index-entry-missing"}),
    "not in second half": (drop_first(*TASK_RUN, *IDS), {"index-entry-missing"}),
    "not in registry index": (drop_first(b"DockerRegistryAuth", b"__storm_index_Registry"), {"index-entry-missing"}),
    "id of nobody": (put(*RUN, BY_ID, key=int_key(9), value=int_key(9)), {"index-entry-dangling"}),
    "entry of nobody": (put(*PIPELINE, *BY_CREATED, key=int_key(9) + b"__x", value=b"x"), {"index-entry-dangling"}),
    "empty entry": (put(*PIPELINE, *BY_CREATED, key=int_key(9), value=b""), {"index-entry-dangling"}),
    "id twice": (put(*RUN, BY_ID, key=int_key(9), value=int_key(1)), {"index-entry-wrong"}),
    "entry twice": (
        put(*PIPELINE, *BY_CREATED, key=int_key(9) + b"__simple", value=b"simple"),
        {"index-entry-wrong"},
    ),
    "halves differ": (
        put(*PIPELINE, *IDS, key=b"simple", value=int_key(9) + b"__simple"),
        {"index-entry-missing", "index-entry-wrong"},
    ),
    "entry of another": (
        change_first(*PIPELINE, *BY_CREATED, new=lambda _: b"simple"),
        {"index-entry-missing", "index-entry-wrong"},
    ),
    "index with sequence": (lambda tx: setattr(at(tx, *RUN, BY_ID), "sequence", 3), {"index-sequence"}),
    "record that is no JSON": (
        change_first(*PIPELINE, new=lambda value: value[:-1]),
        {"record-unreadable", "index-entry-dangling"},
    ),
    "record of other types": (
        change_first(*RUN, new=lambda value: value.replace(b'"id":1', b'"id":"1"')),
        {"record-unreadable", "index-entry-dangling"},
    ),
    "record under a short number": (put(*RUN, key=b"x", value=b'{"id":9}'), {"key-unusable"}),
    "record without index": (
        put(*RUN, key=int_key(3), value=b'{"id":3,"started":5}'),
        {"index-entry-missing"} | {"index-entry-wrong"},
    ),
    "record of another id": (
        change_first(*RUN, new=lambda value: value.replace(b'"id":1', b'"id":9')),
        {"key-differs"},
    ),
    "record of another name": (
        change_first(*NAMESPACE, new=lambda value: value.replace(b'"default"', b'"other"', 1)),
        {"key-differs"},
    ),
    "other spelling": (
        put(*REGISTRY, key=b'{"Namespace":"<","Pipeline":"p","Run":1}', value=b"{}"),
        {"registration-spelling"},
    ),
    "registration with spaces": (
        put(*REGISTRY, key=b'{"Namespace": "default", "Pipeline": "simple", "Run": 2}', value=b"{}"),
        {"registration-spelling"},
    ),
    "registration that is no JSON": (put(*REGISTRY, key=b"simple", value=b"{}"), {"registration-unreadable"}),
}

# What is done to gofer_late.db.
LATE_FAULTS: dict[str, tuple[Change, set[str]]] = {
    "low sequence": (lambda tx: setattr(at(tx, b"events"), "sequence", 7), {"sequence-behind"}),
    "event that is no JSON": (put(b"events", key=int_key(3), value=b"{"), {"record-unreadable"}),
    "event of another number": (put(b"events", key=int_key(3), value=b'{"event_id":4}'), {"key-differs"}),
    "event under text": (put(b"events", key=b"three", value=b"{}"), {"key-unusable"}),
    "run above the counter": (
        put(b"default", b"late_pipe", b"Run", key=int_key(2**40), value=b'{"id":1099511627776}'),
        {"counter-behind", "index-entry-missing"},
    ),
}

# What is done to gofer_small.db, and the notes that it makes.
ODDITIES: dict[str, tuple[Change, set[str]]] = {
    "no namespace": (delete_bucket(*NAMESPACE), {"namespace-missing"}),
    "no pipeline": (delete_bucket(*PIPELINE), {"pipeline-missing"}),
    "no runs": (delete_bucket(*RUN), {"run-missing"}),
    "no task runs": (delete_bucket(*TASK_RUN), {"task-run-missing"}),
    "task run that its run does not name": (
        change_first(*RUN, new=lambda value: value.replace(b'["build","deploy"]', b"[]")),
        {"task-run-unlisted"},
    ),
    "run of another pipeline": (
        change_first(*RUN, new=lambda value: value.replace(b'"pipeline_id":"simple"', b'"pipeline_id":"other"')),
        {"place-differs"},
    ),
    "registration with a value": (change_first(*REGISTRY, new=lambda _: b"7"), {"registration-value"}),
    "registration that is passed over": (put(*REGISTRY, key=b"__x", value=b"7"), {"not-understood"}),
    "namespace called runRegistry": (lambda tx: at(tx, *REGISTRY).create_bucket(b"Pipeline"), {"name-collision"}),
    "bucket in an index": (lambda tx: at(tx, *RUN, BY_ID).create_bucket(b"x"), {"index-foreign"}),
    "pair among the levels": (put(b"default", key=b"x", value=b"y"), {"not-understood"}),
    "pair in a bucket of nobody's": (lambda tx: tx.create_bucket(b"mine").put(b"x", b"y"), {"not-understood"}),
}


class TestOneFault:
    @pytest.mark.parametrize(
        ("base", "fault"), [*(("small", name) for name in FAULTS), *(("late", name) for name in LATE_FAULTS)]
    )
    def test_it_is_found_by_its_name_and_mended(self, tmp_path: Path, base: str, fault: str) -> None:
        path = unpack(base, tmp_path)
        change, expected = (FAULTS | LATE_FAULTS)[fault]
        with boltpy.open(path, no_sync=True) as db, db.update() as tx:
            change(tx)
        before = path.read_bytes()
        assert names_of(findings(path)) == expected
        copy = mended(path)
        assert names_of(findings(copy)) == set()
        assert path.read_bytes() == before
        assert ids_in(copy) >= ids_in(path)

    @pytest.mark.parametrize("oddity", ODDITIES)
    def test_an_oddity_is_noted_and_left_alone(self, tmp_path: Path, oddity: str) -> None:
        path = unpack("small", tmp_path)
        change, expected = ODDITIES[oddity]
        with boltpy.open(path, no_sync=True) as db, db.update() as tx:
            change(tx)
        found = findings(path)
        assert names_of(found) == set()
        assert expected <= names_of(found, errors=False)
        assert raw(mended(path)) == raw(path)

    def test_every_name_has_its_fault(self, tmp_path: Path) -> None:
        tried = set().union(*(names for _, names in [*FAULTS.values(), *LATE_FAULTS.values(), *ODDITIES.values()]))
        # Others have tests of their own; event kinds and stale indexes are in Gofer's own files.
        assert (set(REMEDIES) | NOTES) - tried == {"page", "set-aside", "name-taken", "event-kind", "index-stale"}


def things_in(path: Path) -> set[tuple[tuple[bytes, ...], bytes]]:
    """The old places and names of all buckets, and of all pairs that are not storm's own and no registrations."""
    found = set()
    with boltpy.open(path, read_only=True) as db, db.view() as tx:
        walk = Walk(tx)
        for place, bucket in walk:
            old = place[1:] if place[:1] and place[0].startswith(ASIDE) else place
            is_own = is_storms(old) or old == REGISTRY
            found |= {(old, key) for key, value in bucket.items() if value is None or not is_own}
            walk.enter(place, [name for name, _ in bucket.buckets()])
    return found


def ids_in(path: Path) -> set[tuple[Any, ...]]:
    """Places and keys of all records that can be read, those that were set aside too."""
    # A registration is what it means, however it is spelled.
    return {
        (place, key if kind.id_field else (entity.namespace, entity.pipeline, entity.run))
        for place, kind, key, entity in entities(path)
        if not key.startswith(b"__storm_")
    }


@pytest.mark.parametrize("name", ["small", "edge", "late", "upgraded", "medium"])
def test_gofers_own_files_have_no_errors_and_a_mended_copy_is_the_same(tmp_path: Path, name: str) -> None:
    path = unpack(name, tmp_path)
    assert names_of(findings(path)) == set()
    assert raw(mended(path)) == raw(path)


def test_a_stale_index_of_an_upgraded_file_is_noted(tmp_path: Path) -> None:
    found = findings(unpack("upgraded", tmp_path))
    assert names_of(found, errors=False) == {"event-kind", "index-stale"}
    assert [it.place for it in found if it.name == "index-stale"] == ["default / simple / Run"]


def test_numbers_given_by_hand_move_no_counter(tmp_path: Path) -> None:
    runs = {int_key(number): b'{"id":%d}' % number for number in (1, 2**53 + 1, -1)}
    tree = {b"ns": {b"p": {b"Run": storms(runs, counter=1, started=[])}}}
    path = gofer_database(tmp_path / "gofer.db", tree)
    assert names_of(findings(path)) == set()


def test_what_can_not_be_mended_is_set_aside_again_and_again(tmp_path: Path) -> None:
    broken = {b"ns": {b"Pipeline": {b"p": b"{", b"q": b'{"id":"q","namespace":"ns"}'}}, b"Namespace": {b"n": b"7"}}
    path = gofer_database(tmp_path / "gofer.db", broken)
    copy = mended(path)
    assert names_of(findings(copy), errors=False) == {"set-aside", "namespace-missing"}
    with boltpy.open(copy, no_sync=True) as db, db.update() as tx:
        assert at(tx, ASIDE, b"ns", b"Pipeline")[b"p"] == b"{"
        assert at(tx, ASIDE, b"Namespace")[b"n"] == b"7"
        assert b"p" not in at(tx, b"ns", b"Pipeline")
        at(tx, b"ns", b"Pipeline")[b"p"] = b"}"
    (tmp_path / "again").mkdir()
    again = mended(copy.rename(tmp_path / "again" / "gofer.db"))
    with boltpy.open(again, read_only=True) as db, db.view() as tx:
        assert at(tx, ASIDE, b"ns", b"Pipeline")[b"p"] == b"{"
        assert at(tx, ASIDE + b"_", b"ns", b"Pipeline")[b"p"] == b"}"
    with engine.open_engine(again, read_only=True, compat="gofer") as storage:
        assert [it.id for it in storage.get_all_pipelines(namespace_id="ns")] == []
        assert storage.get_pipeline(namespace_id="ns", id="q").id == "q"


def test_the_id_of_a_record_becomes_that_of_its_key(tmp_path: Path) -> None:
    path = unpack("small", tmp_path)
    with boltpy.open(path) as db, db.update() as tx:
        runs = at(tx, *RUN)
        runs[int_key(2)] = runs[int_key(2)].replace(b'"id":2', b'"more":[1.50],"id":5')
    with engine.open_engine(mended(path), read_only=True) as storage:
        run = storage.get_run(namespace_id="default", pipeline_id="simple", id=2)
    assert (run.id, run.status, run.unknown) == (2, "WAITING", {"more": "[1.50]"})


def test_ids_that_are_no_text_are_no_fault(tmp_path: Path) -> None:
    pipelines = storms({b"a\xffb": b'{"id":"a\\ufffdb"}', b"c": b'{"id":"c"}'}, created=[])
    path = gofer_database(tmp_path / "gofer.db", {b"ns": {b"Pipeline": pipelines}})
    assert names_of(findings(path)) == set()


@pytest.mark.parametrize("text", ['"\\u0008\\u000c"', '"\\b\\f"', '"\\ufffd"', '"\ufffd"', '"\\\\b"'])
def test_keys_that_any_go_wrote_are_no_fault(tmp_path: Path, text: str) -> None:
    key = f'{{"Namespace":{text},"Pipeline":"p","Run":1}}'.encode()
    tree = {b"runRegistry": {key: b"{}", METADATA: {b"codec": b"json"}}}
    assert names_of(findings(gofer_database(tmp_path / "gofer.db", tree))) == set()


def test_one_registration_in_many_spellings_becomes_one(tmp_path: Path) -> None:
    keys = [b'{"Run":1,"Pipeline":"p"}', b'{"Namespace":"","Pipeline":"p","Run":1}', b'{"pipeline":"p","run":1}']
    spaced = b'{ "Namespace":"a","Pipeline":"p","Run":1}'
    path = gofer_database(tmp_path / "gofer.db", {b"runRegistry": dict.fromkeys([*keys, spaced, spaced[1:]], b"{}")})
    copy = mended(path)
    with boltpy.open(copy, read_only=True) as db, db.view() as tx:
        found = [key for key, value in at(tx, *REGISTRY).items() if value is not None]
    assert found == [keys[1], b'{"Namespace":"a","Pipeline":"p","Run":1}']


class TestDamagedPages:
    def test_what_can_be_read_is_checked_all_the_same(self, tmp_path: Path) -> None:
        path = unpack("medium", tmp_path)
        with boltpy.open(path) as db:
            with db.update() as tx:
                tx.create_bucket(b"mine").put(b"x", b"y")
            with db.view() as tx:
                root = next(it.root for place, it in _all_buckets(tx) if place[2:] == (b"Run",) and it.root)
        data = bytearray(path.read_bytes())
        data[root * 4096 + 8 : root * 4096 + 10] = b"\xff\xff"
        path.write_bytes(data)
        found = findings(path)
        assert {"page", "not-understood"} <= {finding.name for finding in found}
        with pytest.raises((boltpy.BoltError, EngineError)):
            mended(path)
        assert not (tmp_path / "mended.db").exists()

    @given(data=st.data())
    def test_any_changed_byte_is_taken(self, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
        path = unpack("small", tmp_path_factory.mktemp("damaged"))
        content = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(1, 3))):
            # Pages that are in use: the file is 64 pages long, of which a few more than half are.
            content[data.draw(st.integers(8192, 37 * 4096))] = data.draw(st.integers(0, 255))
        path.write_bytes(content)
        try:
            sound = not names_of(findings(path))
            copy = mended(path)
        except (boltpy.BoltError, EngineError):
            return
        assert names_of(findings(copy)) == set()
        if sound:
            assert raw(copy) == raw(path)


def _all_buckets(tx: boltpy.Tx) -> Iterator[tuple[tuple[bytes, ...], boltpy.Bucket]]:
    walk = Walk(tx)
    for place, bucket in walk:
        yield place, bucket
        walk.enter(place, [name for name, _ in bucket.buckets()])


@given(trees(), st.lists(st.sampled_from([0, 1, 2**63, 2**64 - 1]), max_size=3))
def test_any_file_is_mended_and_keeps_its_records(
    tmp_path_factory: pytest.TempPathFactory, tree: dict, sequences: list[int]
) -> None:
    path = bolt_database(tmp_path_factory.mktemp("any") / "some.db", {b"runRegistry": {}} | tree)
    with_sequences(path, sequences)
    sound = not names_of(findings(path))
    copy = mended(path)
    assert names_of(findings(copy)) == set()
    assert ids_in(copy) >= ids_in(path)
    assert things_in(copy) >= things_in(path)
    if sound:
        assert raw(copy) == raw(path)
    again = copy.with_name("again.db")
    with open_gofers(copy) as db, db.view() as tx:
        repair(tx, again, lambda: None)
    assert raw(again) == raw(copy)
