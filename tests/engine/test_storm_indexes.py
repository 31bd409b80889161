"""List indexes of classes that have nothing else, and what their keys can and can not tell apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import boltpy
from engine import PreconditionFailed
from engine.errors import RecordNotFound
from engine.storm import Entity, KeyValues, Records, member, open_database


@dataclass(slots=True, kw_only=True)
class Aged(Entity):
    id: int = member(0, storm="id increment")
    age: int = member(0, storm="index")


@dataclass(slots=True, kw_only=True)
class Tagged(Entity):
    id: str = member("", storm="id")
    tag: str = member("", storm="index")


@pytest.fixture
def tx(tmp_path: Path) -> Iterator[boltpy.Tx]:
    with open_database(tmp_path / "a.db", read_only=False) as db, db.update() as tx:
        yield tx


def test_a_record_leaves_a_list_index_with_its_class_having_no_other(tx: boltpy.Tx) -> None:
    records = Records(tx, Aged)
    for age in (3, 3, 0):
        records.insert(Aged(age=age))
    records.delete(1)
    records.delete(3)
    assert [record.id for record in records.all_by_index("age")] == [2]
    assert [record.id for record in records.all()] == [2]
    bucket = tx.bucket(b"Aged")
    assert bucket is not None
    for index in (b"__storm_index_ID", b"__storm_index_Age"):
        entries = bucket.bucket(index)
        assert entries is not None
        assert [value for _, value in entries.items() if value is not None] == [(2).to_bytes(8, "big")]


def test_a_value_is_not_found_by_one_that_begins_with_it(tx: boltpy.Tx) -> None:
    records = Records(tx, Tagged)
    records.insert(Tagged(id="1", tag="a__b"))
    with pytest.raises(RecordNotFound):
        records.one("tag", "a")
    records.insert(Tagged(id="2", tag="a"))
    assert records.one("tag", "a").id == "2"
    assert records.one("tag", "a__b").id == "1"


def test_fields_that_are_one_in_go_are_refused(tx: boltpy.Tx) -> None:
    @dataclass(slots=True, kw_only=True)
    class Twice(Entity):
        id: int = member(0, storm="id increment")
        a1: str = member("", storm="index")
        a_1: str = member("", storm="unique")

    with pytest.raises(TypeError, match=r"Twice\.a_1 has the same index as another field: in Go both are called A1"):
        Records(tx, Twice)


@pytest.mark.parametrize("id", ["\udcff", "a\ud800"])
def test_an_id_that_utf_8_can_not_hold_is_no_new_one(tx: boltpy.Tx, id: str) -> None:
    records = Records(tx, Tagged)
    with pytest.raises(PreconditionFailed, match=r"Tagged\.id must be text that UTF-8 can hold"):
        records.insert(Tagged(id=id))
    assert list(records.all()) == []


def test_values_without_end_have_no_json(tx: boltpy.Tx) -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    circle: list[Any] = []
    circle.append(circle)
    for value in (deep, circle, {"a": circle}):
        with pytest.raises(PreconditionFailed, match="nested too deep"):
            KeyValues(tx, "root").set("key", value)
    assert tx.bucket(b"root") is None
