"""What must not happen, whatever a caller, a clock or a damaged file brings along."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import pytest

import boltpy
import engine
from engine import Namespace, Pipeline, Run, TriggerEvent
from engine.storm import Entity, Records, member, open_database


class Odd(StrEnum):
    X = "x"


@pytest.mark.parametrize("clock", [lambda: 1.5, lambda: 2**63, lambda: None])
def test_a_clock_that_gives_no_time_stores_no_half_of_a_run(tmp_path: Path, clock: object) -> None:
    with engine.open_engine(tmp_path / "a.db", clock=clock) as storage:
        storage.add_pipeline(Pipeline(id="p", namespace="n"))
        with storage.transaction(), pytest.raises(TypeError, match="the clock must give"):
            storage.add_run(Run(namespace_id="n", pipeline_id="p"))
        assert storage.get_all_runs(namespace_id="n", pipeline_id="p") == []


def test_a_name_that_is_an_enums_member_is_refused(tmp_path: Path) -> None:
    with engine.open_engine(tmp_path / "a.db") as storage:
        with pytest.raises(engine.PreconditionFailed, match="Namespace.id"):
            storage.add_namespace(Namespace(id=Odd.X))
        assert storage.get_all_namespaces() == []


def test_a_record_under_another_ones_key_replaces_nobody(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with engine.open_engine(path) as storage:
        for name in ("a", "b"):
            storage.add_pipeline(Pipeline(id=name, namespace="n", description=name))
    with boltpy.open(path) as db, db.update() as tx:
        bucket = tx.bucket(b"n", b"Pipeline")
        bucket[b"a"] = bucket[b"a"].replace(b'"id":"a"', b'"id":"b"')
    with engine.open_engine(path) as storage:
        storage.add_run(Run(namespace_id="n", pipeline_id="a"))
        assert storage.get_pipeline(namespace_id="n", id="b").description == "b"
        mended = storage.get_pipeline(namespace_id="n", id="a")
        assert (mended.id, mended.description, mended.last_run_id) == ("a", "a", 1)


def test_a_number_is_greater_than_all_before_it_though_the_counter_is_behind(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with engine.open_engine(path, compat="gofer") as storage:
        storage.add_pipeline(Pipeline(id="p", namespace="n"))
        storage.add_run(Run(id=5, namespace_id="n", pipeline_id="p"))  # Gofer leaves the counter alone
    with engine.open_engine(path) as storage:
        run = Run(namespace_id="n", pipeline_id="p")
        storage.add_run(run)
        assert run.id == 6


class Person(Entity):
    id: int = member(0, storm="id increment")
    name: str = member("", storm="unique")


def test_a_deleted_record_leaves_its_unique_value_even_if_that_is_no_utf8(tmp_path: Path) -> None:
    from dataclasses import dataclass

    person = dataclass(slots=True, kw_only=True)(Person)
    with open_database(tmp_path / "a.db", read_only=False) as db, db.update() as tx:
        people = Records(tx, person)
        for number in (1, 2):
            people.insert(person(name="\udcff"))
            people.delete(number)


def test_a_label_of_very_many_digits_is_no_run(tmp_path: Path) -> None:
    from engine.survey import survey

    with engine.open_engine(tmp_path / "a.db") as storage:
        storage.add_namespace(Namespace(id="n"))
        storage.add_pipeline(Pipeline(id="p", namespace="n"))
        storage.add_trigger_event(TriggerEvent(namespace_id="n", pipeline_id="p", pipeline_trigger_label="1" * 5000))
    found = survey(str(tmp_path / "a.db"))
    assert [len(pipeline.trigger_events) for pipeline in found.namespaces[0].pipelines] == [1]


@pytest.mark.parametrize("name", ["__gofer_db_set_aside", "__storm_x"])
def test_names_that_a_file_needs_are_refused(tmp_path: Path, name: str) -> None:
    with engine.open_engine(tmp_path / "a.db") as storage, pytest.raises(engine.PreconditionFailed):
        storage.add_namespace(Namespace(id=name))


def test_a_store_is_not_opened_as_the_database(tmp_path: Path) -> None:
    path = tmp_path / "objects.db"
    with engine.open_object_store(path) as store:
        store.put_object(key="k", content=b"v")
    before = path.read_bytes()
    with pytest.raises(engine.EngineError, match="object store"):
        engine.open_engine(path)
    assert path.read_bytes() == before


def test_an_enum_of_fixed_texts_is_refused_with_what_to_do() -> None:
    from dataclasses import make_dataclass

    kind = make_dataclass("Kind", [("id", str, member("", storm="id")), ("odd", Odd, member(Odd.X))], bases=(Entity,))
    with pytest.raises(TypeError, match="OpenEnum"):
        engine.wire.struct_of(kind)
