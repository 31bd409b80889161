"""Storm's buckets read as storm reads them: keys, indexes, pages and key/value pairs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import boltpy
from engine.errors import IndexNotFound, RecordError, RecordNotFound
from engine.models import RunRegistryKey
from engine.storm import KeyValues, Records, go_name, key_of, text_of_key
from engine.wire import Entity, encode, member

from .making import bolt_database, int_key, list_index


@dataclass(slots=True, kw_only=True)
class Person(Entity):
    """Not of Gofer's: any class with markers can be stored."""

    number: int = member(0, storm="id increment")
    email: str = member("", storm="unique")
    age: int = member(0, storm="index")
    city: str = ""


PEOPLE = [
    Person(number=1, email="ada@x", age=36, city="London"),
    Person(number=2, email="alan@x", age=41, city="Wilmslow"),
    Person(number=3, email="grace@x", age=36, city="Arlington"),
    Person(number=4, email="", age=0, city="London"),
    Person(number=-1, email="anna@x", age=-5, city="Paris"),
]


@pytest.fixture
def tx(tmp_path: Path) -> Iterator[boltpy.Tx]:
    stored = {int_key(it.number): encode(it) for it in PEOPLE}
    tree = {
        **stored,
        b"__storm_metadata": {b"codec": b"json", b"Numbercounter": int_key(4)},
        b"__storm_index_Number": {key: key for key in stored},
        b"__storm_index_Email": {it.email.encode(): int_key(it.number) for it in PEOPLE if it.email},
        b"__storm_index_Age": list_index([(it.age, int_key(it.number)) for it in PEOPLE if it.age]),
    }
    path = bolt_database(
        tmp_path / "people.db",
        {
            b"club": {b"Person": tree},
            b"damaged": {
                b"Person": {int_key(1): b"{}", b"__storm_index_Age": list_index([(5, int_key(9))]), int_key(2): b"["}
            },
            b"bare": {b"Person": {}},
            b"settings": {b"colour": b'"red"', int_key(7): b"7", b"nested": {}, b"__storm_metadata": {}},
        },
    )
    with boltpy.open(path, read_only=True) as db, db.view() as tx:
        yield tx


@pytest.fixture
def people(tx: boltpy.Tx) -> Records[Person]:
    return Records(tx, Person, "club")


def numbers(found: Iterator[Person]) -> list[int]:
    return [person.number for person in found]


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("", b""),
        ("né", b"n\xc3\xa9"),
        ("\udcff", b"\xff"),
        (b"\x00\xff", b"\x00\xff"),
        (1, b"\x00\x00\x00\x00\x00\x00\x00\x01"),
        (-1, b"\xff\xff\xff\xff\xff\xff\xff\xff"),
        (RunRegistryKey("n", "p", 1), b'{"Namespace":"n","Pipeline":"p","Run":1}'),
    ],
)
def test_keys(value: object, key: bytes) -> None:
    assert key_of(value) == key


@pytest.mark.parametrize("key", [b"", b"plain", b"n\xc3\xa9", b"\xff\xfe", b"\xed\xa0\x80"])
def test_any_key_is_a_text_and_back(key: bytes) -> None:
    assert key_of(text_of_key(key)) == key


@pytest.mark.parametrize(
    ("field", "name"), [("id", "ID"), ("hash", "Hash"), ("last_run_id", "LastRunID"), ("created", "Created")]
)
def test_index_buckets_have_the_names_of_go(field: str, name: str) -> None:
    assert go_name(field) == name


class TestRecords:
    def test_get(self, people: Records[Person]) -> None:
        assert people.get(2) == PEOPLE[1]
        for number in 0, 9, 2**63:
            with pytest.raises(RecordNotFound, match="^not found$"):
                people.get(number)
        with pytest.raises(TypeError, match=r"Person\.number is of type int, not str"):
            people.get("2")

    def test_one_by_any_field(self, people: Records[Person]) -> None:
        assert people.one("number", 3) == PEOPLE[2]
        assert people.one("email", "alan@x") == PEOPLE[1]
        assert people.one("age", 36) == PEOPLE[0]
        assert people.one("city", "London") == PEOPLE[0]
        for field, value in [("number", 9), ("email", "none"), ("age", 5), ("city", "Rome"), ("email", ""), ("age", 0)]:
            with pytest.raises(RecordNotFound):
                people.one(field, value)

    def test_all_goes_by_the_bytes_of_keys(self, people: Records[Person]) -> None:
        assert numbers(people.all()) == [1, 2, 3, 4, -1]
        assert numbers(people.all(reverse=True)) == [-1, 4, 3, 2, 1]
        assert numbers(people.all(offset=1, limit=2)) == [2, 3]
        assert numbers(people.all(offset=1, limit=2, reverse=True)) == [4, 3]
        assert numbers(people.all(limit=0)) == []
        assert numbers(people.all(offset=-3, limit=-9)) == [1, 2, 3, 4, -1]

    def test_an_index_goes_by_value_then_id_and_has_no_zeros(self, people: Records[Person]) -> None:
        assert numbers(people.all_by_index("age")) == [1, 3, 2, -1]
        assert numbers(people.all_by_index("age", reverse=True)) == [-1, 2, 3, 1]
        assert numbers(people.all_by_index("age", offset=1, limit=2)) == [3, 2]
        assert numbers(people.all_by_index("email")) == [1, 2, -1, 3]
        assert numbers(people.all_by_index("number", reverse=True, limit=2)) == [-1, 4]

    def test_where_nothing_was_ever_saved(self, tx: boltpy.Tx) -> None:
        for path in ("nowhere",), ("",), ("club", ""), ("settings", "colour"):
            people = Records(tx, Person, *path)
            assert not people.exists
            assert list(people.all()) == []
            with pytest.raises(RecordNotFound):
                people.get(1)
            with pytest.raises(RecordNotFound):
                list(people.all_by_index("age"))

    def test_a_class_without_an_id_has_no_records(self, tx: boltpy.Tx) -> None:
        with pytest.raises(TypeError, match="RunRegistryKey has no field that is marked as its id"):
            Records(tx, RunRegistryKey)

    def test_missing_indexes_differ_from_missing_records(self, tx: boltpy.Tx) -> None:
        people = Records(tx, Person, "bare")
        assert people.exists
        for field in "age", "email":
            with pytest.raises(IndexNotFound, match="^not found$"):
                list(people.all_by_index(field))
            with pytest.raises(IndexNotFound):
                people.one(field, 5 if field == "age" else "x")

    def test_a_dangling_entry_fails_the_listing(self, tx: boltpy.Tx) -> None:
        with pytest.raises(RecordNotFound):
            list(Records(tx, Person, "damaged").all_by_index("age"))

    def test_a_damaged_record_says_where_it_is(self, tx: boltpy.Tx) -> None:
        people = Records(tx, Person, "damaged")
        assert people.get(1) == Person()
        with pytest.raises(RecordError, match="^damaged / Person / 2: unexpected end of JSON input$") as caught:
            people.get(2)
        assert caught.value.reason == "unexpected end of JSON input"
        assert caught.value.place == "damaged / Person / 2"


class TestKeyValues:
    def test_pairs(self, tx: boltpy.Tx) -> None:
        settings = KeyValues(tx, "settings")
        assert settings.get("colour") == b'"red"'
        assert settings.get(7) == b"7"
        assert "colour" in settings
        for key in "none", "nested", "":
            assert key not in settings
            with pytest.raises(RecordNotFound):
                settings.get(key)

    def test_names_leave_out_what_is_storms_own(self, tx: boltpy.Tx) -> None:
        names = list(KeyValues(tx, "settings").names())
        assert names == [(int_key(7), False), (b"colour", False), (b"nested", True)]

    def test_a_missing_bucket_is_empty(self, tx: boltpy.Tx) -> None:
        missing = KeyValues(tx, "none")
        assert list(missing.names()) == []
        assert "x" not in missing
        with pytest.raises(RecordNotFound):
            missing.get("x")
