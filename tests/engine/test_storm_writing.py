"""Storm's buckets as storm writes them: records with their indexes and counter, and key/value pairs."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import boltpy
from engine import EngineError, PreconditionFailed
from engine.errors import BadCounter, NoId, OtherCodec, RecordError, RecordExists, RecordNotFound, ZeroId
from engine.storm import Entity, KeyValues, Records, key_of, member, open_database

from .making import Tree, bolt_database, int_key, list_index

CODEC: Tree = {b"codec": b"json"}


class Colour(StrEnum):
    RED = "red"
    NONE = ""


@dataclass(slots=True, kw_only=True)
class Person(Entity):
    """Not of Gofer's: any class with marks can be stored."""

    number: int = member(0, storm="id increment")
    email: str = member("", storm="unique")
    age: int = member(0, storm="index")
    city: str = ""
    tags: list[str] | None = None


@dataclass(slots=True, kw_only=True)
class Thing(Entity):
    """Indexes of what is neither a str nor an int to storm."""

    name: str = member("", storm="id")
    colour: Colour = member(Colour.NONE, storm="index")
    broken: bool = member(False, storm="index")
    digest: bytes | None = member(None, storm="unique")


@pytest.fixture
def db(tmp_path: Path) -> Iterator[boltpy.DB]:
    with open_database(tmp_path / "people.db", read_only=False, no_sync=True) as db:
        yield db
        with db.view() as tx:
            assert list(tx.check()) == []


def tree(tx: boltpy.Tx, *path: bytes) -> Tree:
    """What a bucket holds."""
    bucket = tx.bucket(*path)
    assert bucket is not None
    return {key: tree(tx, *path, key) if value is None else value for key, value in bucket.items()}


def saved(db: boltpy.DB, *people: Person) -> None:
    with db.update() as tx:
        for person in people:
            Records(tx, Person).save(person)


class TestRecords:
    def test_the_first_save_makes_everything(self, db: boltpy.DB) -> None:
        with db.update() as tx:
            ada = Person(email="ada@x", age=36)
            Records(tx, Person, "club", "members").save(ada)
            nobody = Person()
            Records(tx, Person, "club", "members").save(nobody)
            assert (ada.number, nobody.number) == (1, 2)
            assert tree(tx, b"club") == {
                b"members": {
                    b"Person": {
                        int_key(1): b'{"number":1,"email":"ada@x","age":36,"city":"","tags":null}',
                        int_key(2): b'{"number":2,"email":"","age":0,"city":"","tags":null}',
                        b"__storm_metadata": {**CODEC, b"Numbercounter": int_key(2)},
                        b"__storm_index_Number": {int_key(1): int_key(1), int_key(2): int_key(2)},
                        b"__storm_index_Email": {b"ada@x": int_key(1)},
                        b"__storm_index_Age": list_index([(36, int_key(1))]),
                    }
                }
            }

    def test_create_makes_everything_but_records(self, db: boltpy.DB) -> None:
        with db.update() as tx:
            people = Records(tx, Person)
            assert not people.exists
            people.create()
            people.create()
            assert people.exists
            assert tree(tx, b"Person") == {
                b"__storm_metadata": CODEC,
                b"__storm_index_Number": {},
                b"__storm_index_Email": {},
                b"__storm_index_Age": {b"storm__ids": {}},
            }

    def test_indexes_follow_a_record(self, db: boltpy.DB) -> None:
        saved(db, Person(email="ada@x", age=36), Person(email="alan@x", age=36))
        saved(db, Person(number=1, email="ada@y", age=37))
        with db.view() as tx:
            people = Records(tx, Person)
            assert [it.number for it in people.all_by_index("age")] == [2, 1]
            assert [it.number for it in people.all_by_index("email")] == [1, 2]
            assert people.one("email", "ada@y").age == 37
            with pytest.raises(RecordNotFound):
                people.one("email", "ada@x")
        saved(db, Person(number=1))
        with db.view() as tx:
            assert tree(tx, b"Person", b"__storm_index_Email") == {b"alan@x": int_key(2)}
            assert tree(tx, b"Person", b"__storm_index_Age") == list_index([(36, int_key(2))])

    def test_other_types_are_indexed_by_their_json(self, db: boltpy.DB) -> None:
        with db.update() as tx:
            things = Records(tx, Thing)
            things.save(Thing(name="a", colour=Colour.RED, broken=True, digest=b"\x00\xff"))
            things.save(Thing(name="b"))
            assert things.one("colour", Colour.RED).name == things.one("broken", True).name == "a"
            assert things.one("digest", b"\x00\xff").name == "a"
            stored = tree(tx, b"Thing")
        assert stored[b"__storm_index_Colour"] == {b'"red"__a': b"a", b"storm__ids": {b"a": b'"red"__a'}}
        assert stored[b"__storm_index_Broken"] == {b"true__a": b"a", b"storm__ids": {b"a": b"true__a"}}
        assert stored[b"__storm_index_Digest"] == {b"\x00\xff": b"a"}
        assert stored[b"__storm_index_Name"] == {b"a": b"a", b"b": b"b"}

    def test_a_unique_value_has_one_record(self, db: boltpy.DB) -> None:
        saved(db, Person(email="ada@x"))
        with db.update() as tx:
            people = Records(tx, Person)
            late = Person(email="ada@x")
            for store in people.save, people.insert:
                with pytest.raises(RecordExists, match="^already exists$") as caught:
                    store(late)
                assert caught.value.field == "Person.email"
            # The record has no number then, and none was used.
            assert late.number == 0
            assert tree(tx, b"Person", b"__storm_metadata")[b"Numbercounter"] == int_key(1)
            people.save(Person(number=1, email="ada@x", age=5))

    def test_save_replaces_and_insert_does_not(self, db: boltpy.DB) -> None:
        saved(db, Person(number=5, city="London"))
        with db.update() as tx:
            people = Records(tx, Person)
            with pytest.raises(RecordExists) as caught:
                people.insert(Person(number=5, city="Paris"))
            assert caught.value.field == "Person.number"
            people.save(Person(number=5, city="Rome"))
            assert people.get(5).city == "Rome"

    def test_an_id_of_its_own_leaves_saves_counter_and_moves_inserts(self, db: boltpy.DB) -> None:
        with db.update() as tx:
            people = Records(tx, Person, "storm")
            people.save(Person(number=2))
            first, second = Person(), Person(city="replaces")
            people.save(first)
            people.save(second)
            assert (first.number, second.number) == (1, 2)
            assert people.get(2).city == "replaces"

            people = Records(tx, Person, "ours")
            people.insert(Person(number=2))
            people.insert(Person(number=1))
            people.insert(Person(number=-5))
            third = Person()
            people.insert(third)
            assert third.number == 3

    def test_insert_does_not_trust_a_counter_that_fell_behind(self, db: boltpy.DB) -> None:
        with db.update() as tx:
            people = Records(tx, Person)
            for number in 1, 7, -3:
                people.save(Person(number=number))
            following = [Person(), Person()]
            for person in following:
                people.insert(person)
            assert [person.number for person in following] == [8, 9]

    def test_the_greatest_number_is_followed_by_the_least_or_by_none(self, db: boltpy.DB) -> None:
        with db.update() as tx:
            people = Records(tx, Person)
            people.insert(Person(number=2**63 - 1))
            with pytest.raises(BadCounter, match=r"Person\.number: there is no number left"):
                people.insert(Person())
            wrapped = Person()
            people.save(wrapped)
            assert wrapped.number == -(2**63)
            assert tree(tx, b"Person", b"__storm_metadata")[b"Numbercounter"] == int_key(-(2**63))

    @pytest.mark.parametrize(("counter", "text"), [(b"", "^EOF$"), (b"\x00" * 7, "^unexpected EOF$")])
    def test_a_counter_that_is_too_short_is_an_error(self, tmp_path: Path, counter: bytes, text: str) -> None:
        path = bolt_database(tmp_path / "x.db", {b"Person": {b"__storm_metadata": {b"Numbercounter": counter}}})
        with open_database(path, read_only=False) as db, db.update() as tx:
            person = Person()
            with pytest.raises(BadCounter, match=text):
                Records(tx, Person).save(person)
            assert person.number == 0

    def test_of_a_counter_that_is_too_long_the_first_bytes_count(self, tmp_path: Path) -> None:
        counter = int_key(4) + b"more"
        metadata = {b"codec": b"json", b"Numbercounter": counter}
        path = bolt_database(tmp_path / "x.db", {b"Person": {b"__storm_metadata": metadata}})
        with open_database(path, read_only=False) as db, db.update() as tx:
            person = Person()
            Records(tx, Person).save(person)
            assert person.number == 5

    @pytest.mark.parametrize("codec", [{b"codec": b"gob"}, {b"codec": b""}, {b"codec": {}}, {}])
    def test_another_codec_is_refused_and_deletes_mind_none(self, tmp_path: Path, codec: Tree) -> None:
        metadata = {int_key(1): b'{"number":1}', b"__storm_metadata": codec}
        path = bolt_database(tmp_path / "x.db", {b"Person": metadata, b"settings": metadata})
        with open_database(path, read_only=False) as db, db.update() as tx:
            words = "^the selected codec is incompatible with this bucket$"
            with pytest.raises(OtherCodec, match=words):
                Records(tx, Person).save(Person())
            with pytest.raises(OtherCodec, match=words):
                KeyValues(tx, "settings").set("a", 1)
            Records(tx, Person).delete(1)
            KeyValues(tx, "settings").delete(1)
            assert list(Records(tx, Person).all()) == []
            assert 1 not in KeyValues(tx, "settings")

    def test_without_an_id(self, db: boltpy.DB) -> None:
        with db.update() as tx:
            things = Records(tx, Thing)
            for store in things.save, things.insert:
                with pytest.raises(ZeroId, match="^id field must not be a zero value$"):
                    store(Thing())
            for update in things.update, things.update_filled:
                with pytest.raises(NoId, match="^missing struct tag id or ID field$"):
                    update(Thing())
            assert tx.bucket(b"Thing") is None

    @pytest.mark.parametrize(
        ("person", "field"),
        [
            (Person(age="old"), "Person.age"),
            (Person(number="1"), "Person.number"),
            (Person(number=2**63), "Person.number"),
            (Person(number=1, tags="x"), "Person.tags"),
        ],
    )
    def test_what_can_not_be_stored_writes_nothing(self, db: boltpy.DB, person: Person, field: str) -> None:
        number = person.number
        with db.update() as tx:
            people = Records(tx, Person)
            for store in people.save, people.insert:
                with pytest.raises(PreconditionFailed) as caught:
                    store(person)
                assert caught.value.field == field
            assert person.number == number
            assert tx.bucket(b"Person") is None
            with pytest.raises(TypeError, match="records of Person, not of Thing"):
                people.save(Thing(name="a"))  # type: ignore[arg-type]

    def test_update_stores_all_and_update_filled_what_is_not_zero(self, db: boltpy.DB) -> None:
        saved(db, Person(email="ada@x", age=36, city="London", tags=["a"]))
        with db.update() as tx:
            people = Records(tx, Person)
            people.update_filled(Person(number=1, age=37, tags=[]))
            assert people.get(1) == Person(number=1, email="ada@x", age=37, city="London", tags=[])
            assert [it.age for it in people.all_by_index("age")] == [37]
            people.update(Person(number=1, city="Paris"))
            assert people.get(1) == Person(number=1, city="Paris")
            assert list(people.all_by_index("age")) == list(people.all_by_index("email")) == []
            for update in people.update, people.update_filled:
                with pytest.raises(RecordNotFound):
                    update(Person(number=2))
                with pytest.raises(PreconditionFailed):
                    update(Person(number="1"))

    def test_update_keeps_members_without_a_field(self, db: boltpy.DB) -> None:
        saved(db, Person(unknown={"later": "[1]", "sooner": "2"}))
        with db.update() as tx:
            people = Records(tx, Person)
            people.update(Person(number=1, unknown={"sooner": "3", "new": "4"}))
            assert people.get(1).unknown == {"later": "[1]", "sooner": "3", "new": "4"}

    def test_replace_stores_what_was_read(self, db: boltpy.DB) -> None:
        saved(db, Person(email="ada@x", age=36))
        with db.update() as tx:
            people = Records(tx, Person)
            ada = people.get(1)
            ada.city = "London"
            people.replace(ada)
            assert people.one("email", "ada@x").city == "London"

    def test_a_deleted_record_is_in_no_index(self, db: boltpy.DB) -> None:
        saved(db, Person(email="ada@x", age=36), Person(email="alan@x", age=36))
        with db.update() as tx:
            people = Records(tx, Person)
            people.delete(1)
            for missing in 1, 9, 0:
                with pytest.raises(RecordNotFound):
                    people.delete(missing)
            with pytest.raises(TypeError):
                people.delete("1")
            assert tree(tx, b"Person") == {
                int_key(2): b'{"number":2,"email":"alan@x","age":36,"city":"","tags":null}',
                b"__storm_metadata": {**CODEC, b"Numbercounter": int_key(2)},
                b"__storm_index_Number": {int_key(2): int_key(2)},
                b"__storm_index_Email": {b"alan@x": int_key(2)},
                b"__storm_index_Age": list_index([(36, int_key(2))]),
            }
            # The number is not given out again.
            following = Person()
            people.save(following)
            assert following.number == 3

    def test_deleting_needs_a_bucket(self, db: boltpy.DB) -> None:
        with db.update() as tx, pytest.raises(RecordNotFound):
            Records(tx, Person).delete(1)

    def test_names_that_meet_a_bucket_or_a_key_are_the_databases_errors(self, db: boltpy.DB) -> None:
        with db.update() as tx:
            things = Records(tx, Thing)
            things.save(Thing(name="plain"))
            with pytest.raises(boltpy.IncompatibleValueError):
                things.save(Thing(name="__storm_metadata"))
            with pytest.raises(boltpy.IncompatibleValueError):
                Records(tx, Thing, "Thing", "plain").save(Thing(name="a"))
            with pytest.raises(boltpy.BucketNameRequiredError):
                Records(tx, Thing, "").save(Thing(name="a"))
            with pytest.raises(boltpy.KeyTooLargeError):
                things.save(Thing(name="x" * 40000))
            tx.bucket(b"Thing")

    def test_an_index_that_is_left_out_stays_as_it_is(self, db: boltpy.DB) -> None:
        saved(db, Person(age=36))
        with db.update() as tx:
            Records(tx, Person, without=("age",)).save(Person(number=1, age=40))
            Records(tx, Person, "other", without=("age",)).save(Person(age=40))
            assert tree(tx, b"Person", b"__storm_index_Age") == list_index([(36, int_key(1))])
            assert b"__storm_index_Age" not in tree(tx, b"other", b"Person")

    def test_what_is_prepared_is_known_only_after_the_commit(self, db: boltpy.DB) -> None:
        prepared: set[tuple[str, ...]] = set()
        tx = db.begin(writable=True)
        Records(tx, Thing, prepared=prepared).save(Thing(name="a"))
        tx.rollback()
        assert prepared == set()
        for name in "ab":
            with db.update() as tx:
                Records(tx, Thing, prepared=prepared).save(Thing(name=name))
            assert prepared == {("Thing",)}
        with db.view() as tx:
            assert tree(tx, b"Thing", b"__storm_index_Name") == {b"a": b"a", b"b": b"b"}

    def test_marks_that_storm_does_not_know_are_type_errors(self, db: boltpy.DB) -> None:
        @dataclass
        class Misspelt:
            id: int = member(0, storm="ID")

        @dataclass
        class Uncountable:
            id: str = member("", storm="id increment")

        @dataclass
        class Twice:
            id: str = member("", storm="id")
            key: str = member("", storm="id")

        with db.view() as tx:
            for kind, words in [(Misspelt, "'ID'"), (Uncountable, "is no int"), (Twice, "more than one field")]:
                with pytest.raises(TypeError, match=words):
                    Records(tx, kind)
            with pytest.raises(ValueError, match="Person has no field 'name'"):
                Records(tx, Person).one("name", "x")
            with pytest.raises(ValueError, match=r"Person\.city has no index"):
                next(Records(tx, Person).all_by_index("city"))


PEOPLE = st.builds(
    Person,
    number=st.integers(-1, 4),
    email=st.sampled_from(["", "a", "b", "c__"]),
    age=st.sampled_from([0, 1, -1]),
    city=st.text(max_size=2),
)
METHODS = st.sampled_from(["save", "insert", "update", "update_filled", "delete"])


@given(st.lists(st.tuples(METHODS, PEOPLE), max_size=30))
def test_indexes_list_what_the_records_say(steps: list[tuple[str, Person]]) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        open_database(Path(folder) / "people.db", read_only=False, no_sync=True) as db,
    ):
        for method, person in steps:
            with db.update() as tx:
                change: Callable[[Any], object] = getattr(Records(tx, Person), method)
                try:
                    change(person.number if method == "delete" else person)
                except EngineError:
                    continue
        with db.view() as tx:
            people = {it.number: it for it in Records(tx, Person).all()}
            if people:
                stored = tree(tx, b"Person")
                listed = [(it.age, int_key(it.number)) for it in people.values() if it.age]
                assert stored[b"__storm_index_Age"] == list_index(listed)
                assert stored[b"__storm_index_Number"] == {int_key(it): int_key(it) for it in people}
                assert stored[b"__storm_index_Email"] == {
                    it.email.encode(): int_key(it.number) for it in people.values() if it.email
                }


class TestKeyValues:
    @pytest.mark.parametrize(
        ("value", "stored", "kind"),
        [
            ("<text>", rb'"\u003ctext\u003e"', str),
            (7, b"7", int),
            (True, b"true", bool),
            (b"\x00\xff", b'"AP8="', bytes),
            (b"", b'""', bytes),
            ({"b": [1], "a": []}, b'{"a":[],"b":[1]}', dict[str, list[int]]),
            (Person(city="x"), b'{"number":0,"email":"","age":0,"city":"x","tags":null}', Person),
        ],
    )
    def test_values_of_any_type(self, db: boltpy.DB, value: Any, stored: bytes, kind: type[Any]) -> None:
        with db.update() as tx:
            values = KeyValues(tx, "root")
            values.set("key", value)
            assert values.get("key") == stored
            assert values.load("key", kind) == value
            assert tree(tx, b"root") == {b"key": stored, b"__storm_metadata": CODEC}

    def test_none_is_null_and_reads_as_nothing(self, db: boltpy.DB) -> None:
        with db.update() as tx:
            values = KeyValues(tx, "root", "below")
            values.set(b"\xff", None)
            assert (values.get(b"\xff"), values.load(b"\xff", str), values.load(b"\xff", bytes)) == (b"null", "", None)

    def test_a_value_of_another_type_says_where_it_is(self, db: boltpy.DB) -> None:
        with db.update() as tx:
            values = KeyValues(tx, "root")
            values.set("key", "text")
            with pytest.raises(
                RecordError, match="^root / key: json: cannot unmarshal string into Go value of type int"
            ):
                values.load("key", int)

    def test_set_replaces_and_delete_forgives(self, db: boltpy.DB) -> None:
        with db.update() as tx:
            values = KeyValues(tx, "root")
            assert not values.exists
            with pytest.raises(RecordNotFound):
                values.delete("key")
            values.set(1, "a")
            values.set(1, "b")
            assert values.exists
            assert values.load(1, str) == "b"
            values.delete(1)
            values.delete(1)
            assert 1 not in values

    def test_what_can_not_be_set(self, db: boltpy.DB) -> None:
        with db.update() as tx:
            values = KeyValues(tx, "root")
            for value in 1.5, {1: 2}, object(), Person, [set()]:
                with pytest.raises(PreconditionFailed):
                    values.set("key", value)
            with pytest.raises(PreconditionFailed):
                values.set(1.5, "value")
            assert tx.bucket(b"root") is None
            with pytest.raises(boltpy.KeyRequiredError):
                values.set("", 1)
            with pytest.raises(boltpy.IncompatibleValueError):
                values.set("__storm_metadata", 1)


def test_keys_of_other_types_are_their_json() -> None:
    assert key_of(True) == b"true"
    assert key_of(Colour.RED) == b'"red"'
    assert key_of(["a"]) == b'["a"]'


class TestOpening:
    def test_a_new_file_is_marked_as_storms(self, tmp_path: Path) -> None:
        path = tmp_path / "new.db"
        for _ in range(2):
            with open_database(path, read_only=False) as db, db.view() as tx:
                assert tree(tx, b"__storm_db") == {b"__storm_metadata": CODEC, b"version": b'"2.0.0"'}
                assert tx.id == 2

    @pytest.mark.parametrize("version", [b"null", b'""', None])
    def test_a_file_without_a_version_gets_one(self, tmp_path: Path, version: bytes | None) -> None:
        content: Tree = {} if version is None else {b"version": version}
        path = bolt_database(tmp_path / "old.db", {b"__storm_db": content, b"other": {b"a": b"b"}})
        with open_database(path, read_only=False) as db, db.view() as tx:
            assert tree(tx, b"__storm_db")[b"version"] == b'"2.0.0"'
            assert tree(tx, b"other") == {b"a": b"b"}

    def test_another_version_stays(self, tmp_path: Path) -> None:
        path = bolt_database(tmp_path / "old.db", {b"__storm_db": {b"version": b'"1"'}})
        with open_database(path, read_only=False) as db, db.view() as tx:
            assert tree(tx, b"__storm_db") == {b"version": b'"1"'}

    def test_a_version_that_is_no_text_is_an_error_and_leaves_no_lock(self, tmp_path: Path) -> None:
        path = bolt_database(tmp_path / "bad.db", {b"__storm_db": {b"version": b"2"}})
        with pytest.raises(EngineError, match="^__storm_db / version: "):
            open_database(path, read_only=False)
        with boltpy.open(path, timeout=1):
            pass

    def test_to_read_is_the_default(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            open_database(tmp_path / "none.db")
        open_database(tmp_path / "new.db", read_only=False).close()
        with open_database(tmp_path / "new.db") as db, pytest.raises(boltpy.DatabaseReadOnlyError):
            db.begin(writable=True)
