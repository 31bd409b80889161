"""Whatever a caller hands in, an error says what was wrong with it, and nothing is written."""

from __future__ import annotations

import enum
import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import boltpy
import engine
from engine import EngineError, PreconditionFailed
from engine.errors import RecordNotFound
from engine.interface import Engine
from engine.storm import Entity, KeyValues, Records, find_bucket, go_name, key_of, member, open_database, text_of_key

from .gofer_files import dump, unpack


class Text(str):
    __slots__ = ()


class Number(int):
    pass


class Word(enum.StrEnum):
    A = "a"


class Count(enum.IntEnum):
    A = 1


ODD: list[Any] = [
    *(None, True, 0, -1, 2**63, 2**70, -(2**70), 1.5, float("nan")),
    *("", "\0", "\ud800", "\udcff", "x" * 40_000, b"", b"x", bytearray(b"x")),
    *(Text("t"), Number(7), Word.A, Count.A),
    *([], [None], {}, {"a": None}, {1: "a"}, (), ("a",), {1}, object(), int),
    *({"ID": "1"}, {"new": "no JSON"}, {"new": 1}, {"new": '"\ud800"'}, {"\ud800": "1"}, ([],)),
]
# What says in its text which argument it was, or what of it.
TELLING = (EngineError, boltpy.BoltError, TypeError, ValueError)
# The interpreter's own words for what it can not do with a value say nothing of that.
UNHELPFUL = re.compile("object has no attribute|not supported between|unhashable|islice|codec can't|not enough values")


@dataclass(slots=True, kw_only=True)
class Person(Entity):
    id: int = member(0, storm="id increment")
    name: str = member("", storm="unique")
    age: int = member(0, storm="index")
    mood: engine.RunState = member(engine.RunState(""), storm="index")
    photo: bytes | None = member(None, storm="index")
    tags: list[str] | None = None
    sizes: dict[str, int] | None = None


@dataclass(slots=True, kw_only=True)
class Named(Entity):
    id: str = member("", storm="id")


@pytest.fixture
def db(tmp_path: Path) -> Iterator[boltpy.DB]:
    with open_database(tmp_path / "people.db", read_only=False, no_sync=True) as db:
        with db.update() as tx:
            people = Records(tx, Person)
            people.insert(Person(name="Ada", age=36))
            people.insert(Person(name="Alan", age=41))
            KeyValues(tx, "settings").set("colour", "red")
        yield db


def told(call: Callable[..., object], *arguments: Any, **by_name: Any) -> Exception | None:
    """The error of a call, if it has one; it is of a documented class and speaks of the argument."""
    try:
        found = call(*arguments, **by_name)
        if isinstance(found, Iterator):
            list(found)
    except TELLING as error:
        problem: Exception = error
    else:
        return None
    assert not UNHELPFUL.search(str(problem)), repr(problem)
    return problem


def assert_written_whole_or_not_at_all(db: boltpy.DB, call: Callable[[boltpy.Tx], object]) -> None:
    tx = db.begin(writable=True)
    before = list(dump(tx))
    error = told(call, tx)
    # After one of boltpy's the transaction is to be rolled back.
    if error is not None and not isinstance(error, boltpy.BoltError):
        assert list(dump(tx)) == before, repr(error)
    tx.rollback()


def through(entity: type[Any], method: str, argument: Any) -> Callable[[boltpy.Tx], object]:
    return lambda tx: getattr(Records(tx, entity), method)(argument)


@pytest.mark.parametrize("method", ["save", "insert", "update", "update_filled", "replace"])
def test_any_value_of_a_field(db: boltpy.DB, method: str) -> None:
    for entity, stored in (Person, 1), (Named, "a"):
        for item in fields(entity):
            for value in ODD:
                for given in {"id": stored}, {}:
                    record = entity(**given | {item.name: value})
                    assert_written_whole_or_not_at_all(db, through(entity, method, record))


@pytest.mark.parametrize("method", ["save", "insert", "update", "update_filled", "replace", "delete", "get", "has"])
def test_any_record_or_id(db: boltpy.DB, method: str) -> None:
    for entity in Person, Named:
        for value in [*ODD, Person(id=1), Named(id="a")]:
            assert_written_whole_or_not_at_all(db, through(entity, method, value))


def test_any_question(db: boltpy.DB) -> None:
    with db.view() as tx:
        people = Records(tx, Person)
        for value in ODD:
            for item in [*(item.name for item in fields(Person)), *ODD]:
                told(people.one, item, value)
            told(people.all_by_index, value)
            for argument in "offset", "limit", "reverse":
                told(people.all, **{argument: value})
                told(people.all_by_index, "age", **{argument: value})
        for number in 2**63, -(2**63) - 1, 2**70:
            for name in "id", "age":
                with pytest.raises(RecordNotFound):
                    people.one(name, number)
        with pytest.raises(TypeError, match=r"^Person\.age is of type int, not str$"):
            people.one("age", "36")
        with pytest.raises(TypeError, match=r"^limit is of type int, not str$"):
            list(people.all(limit="1"))


ON_A_VALUE: list[Callable[[Any], object]] = [key_of, go_name, text_of_key, engine.encode]
WITH_A_VALUE: list[Callable[[boltpy.Tx, Any], object]] = [
    lambda tx, value: KeyValues(tx, value).set("a", 1),
    lambda tx, value: KeyValues(tx, "settings", value).set("a", 1),
    lambda tx, value: KeyValues(tx, "settings").set(value, 1),
    lambda tx, value: KeyValues(tx, "settings").set("a", value),
    lambda tx, value: KeyValues(tx, "settings").get(value),
    lambda tx, value: value in KeyValues(tx, "settings"),
    lambda tx, value: KeyValues(tx, "settings").delete(value),
    lambda tx, value: KeyValues(tx, "settings").load("colour", value),
    lambda tx, value: Records(tx, Person, value).insert(Person(name="x")),
    Records,
    lambda _, value: [Records(value, Person)],
    lambda tx, value: [find_bucket(tx, value)],
    lambda _, value: engine.decode(value, b"{}"),
]


@pytest.mark.parametrize("call", WITH_A_VALUE)
def test_any_key_value_and_place(db: boltpy.DB, call: Callable[[boltpy.Tx, Any], object]) -> None:
    for value in [*ODD, Person(unknown={"x": "1"}), {"a": object()}, [None, [[1]]], ["\ud800"]]:
        assert_written_whole_or_not_at_all(db, partial(_swapped, call, value))


def _swapped(call: Callable[[boltpy.Tx, Any], object], value: Any, tx: boltpy.Tx) -> object:
    return call(tx, value)


@pytest.mark.parametrize("call", ON_A_VALUE)
def test_any_value(call: Callable[[Any], object]) -> None:
    for value in ODD:
        told(call, value)


def test_key_values_need_a_place(db: boltpy.DB) -> None:
    with db.view() as tx, pytest.raises(TypeError, match="KeyValues takes the name of a bucket"):
        KeyValues(tx)


@pytest.mark.parametrize("compat", ["python", "gofer"])
def test_any_argument_of_the_engine(tmp_path: Path, compat: Any) -> None:
    for name in "small", "late":
        path = unpack(name, tmp_path)
        with engine.open_engine(path, compat=compat, no_sync=True) as storage:
            for method in [name for name in dir(Engine) if name.startswith(("get_", "add_", "update_", "reg", "del"))]:
                call = getattr(storage, method)
                parameters = inspect.signature(call).parameters
                by_name = {name: _usual(method, name) for name, it in parameters.items() if it.kind is it.KEYWORD_ONLY}
                for name in parameters:
                    for value in ODD:
                        if name in by_name:
                            told(call, **by_name | {name: value})
                        else:
                            assert isinstance(told(call, value), TypeError)


def _usual(method: str, name: str) -> Any:
    numbers = {"run_id", "run", "offset", "limit"} | ({"id"} if "run" in method or "event" in method else set())
    return 1 if name in numbers else None if name == "namespaces" else False if name == "reverse" else "default"


@pytest.mark.parametrize("entity", [engine.Namespace, engine.Pipeline, engine.Token, engine.Event])
@pytest.mark.parametrize("compat", ["python", "gofer"])
def test_any_entity(tmp_path: Path, compat: Any, entity: Any) -> None:
    path = unpack("late", tmp_path)
    with engine.open_engine(path, compat=compat, no_sync=True) as storage:
        add = getattr(storage, f"add_{entity.__name__.lower()}")
        update = getattr(storage, f"update_{entity.__name__.lower()}", add)
        names = {"id": "default", "hash": "default", "namespace": "default"}
        for item in fields(entity):
            for value in ODD:
                given = {it.name: names[it.name] for it in fields(entity) if it.name in names}
                for call in add, update:
                    told(call, entity(**given | {item.name: value}))
    with boltpy.open(path, read_only=True) as db, db.view() as tx:
        assert list(tx.check()) == []


@pytest.mark.parametrize(
    ("unknown", "text"),
    [
        ({"ID": "1"}, "must be a dict whose keys are str that name no field, not 'ID'"),
        ({"name": '"x"'}, "must be a dict whose keys are str that name no field, not 'name'"),
        ({"\u017fizes": "1"}, "must be a dict whose keys are str that name no field"),
        ({7: "1"}, "must be a dict whose keys are str that name no field, not 7"),
        ({"new": "nonsense"}, "must be a dict to JSON text, not 'nonsense'"),
        ({"new": 7}, "must be a dict to JSON text, not 7"),
        ([("new", "1")], "must be a dict, not"),
    ],
)
def test_unknown_members_that_would_come_back_as_something_else(db: boltpy.DB, unknown: Any, text: str) -> None:
    with db.update() as tx:
        people = Records(tx, Person)
        for call in people.insert, people.update:
            with pytest.raises(PreconditionFailed, match=text) as caught:
                call(Person(id=2 if call == people.update else 0, name="x", unknown=unknown))
            assert caught.value.field == "Person.unknown"
        assert [it.name for it in people.all()] == ["Ada", "Alan"]


def test_a_text_that_is_an_enum_is_stored_and_found_as_text(db: boltpy.DB) -> None:
    with db.update() as tx:
        Records(tx, Named, Word.A).insert(Named(id=Word.A))
        assert Records(tx, Named, "a").get("a") == Named(id="a")
        assert Records(tx, Named, "a").get(Word.A) == Named(id="a")
        Records(tx, Person).insert(Person(name=Word.A, mood=Text("well"), age=Count.A))
        for name, value in ("name", "a"), ("name", Word.A), ("mood", "well"), ("age", 1):
            assert Records(tx, Person).one(name, value).id == 3


def test_classes_that_can_not_be_stored(db: boltpy.DB) -> None:
    class Plain:
        id: int = member(0, storm="id")

    class Forgotten(Entity):
        id: int = member(0, storm="id")

    @dataclass
    class Empty:
        pass

    @dataclass
    class Late:
        id: int = member(0, storm="id")
        more: int = field(default=0, init=False)

    @dataclass
    class Lost:
        id: Nowhere = member(0, storm="id")  # type: ignore[name-defined]  # noqa: F821

    @dataclass
    class Twice:
        id: int = member(0, storm="id", json="x")
        name: str = member("", json="x")

    @dataclass
    class Keyed:
        id: int = member(0, storm="id", json=7)  # type: ignore[arg-type]

    @dataclass(frozen=True)
    class Frozen:
        id: int = member(0, storm="id increment")

    refused = {
        Plain: "Plain is no dataclass: @dataclass",
        Forgotten: "Forgotten is no dataclass: @dataclass",
        Empty: "Empty has no fields",
        Late: r"Late\.more can not be read back: it is a field with init=False",
        Lost: "an annotation of Lost can not be understood",
        Twice: "Twice has two fields with the same JSON key",
        Keyed: "Keyed has a JSON key of type int",
        Frozen: r"Frozen\.id can not be counted up: the class is frozen",
        Circle: "Circle can not be stored: it holds another one of itself",
    }
    with db.view() as tx:
        for entity, text in refused.items():
            with pytest.raises(TypeError, match=text):
                Records(tx, entity)


@dataclass
class Circle:
    id: int = member(0, storm="id")
    inner: Circle | None = None
