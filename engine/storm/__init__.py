"""Typed buckets in the layout of storm v3, the Go library that Gofer keeps its entities with.

They hold any class of one's own, and Go programs that use storm read them:

    from dataclasses import dataclass
    from engine.storm import Entity, Records, member, open_database

    @dataclass(slots=True, kw_only=True)
    class Person(Entity):
        id: int = member(0, storm="id increment")
        name: str = member("", storm="unique")
        age: int = member(0, storm="index")

    with open_database("people.db", read_only=False) as db:
        with db.update() as tx:
            people = Records(tx, Person)
            people.insert(Person(name="Ada", age=36))          # its id is now 1
            people.insert(Person(name="Alan", age=41))
        with db.view() as tx:
            print([it.name for it in Records(tx, Person).all_by_index("age", reverse=True)])    # ['Alan', 'Ada']

`member` says which field is the id and which are indexed. A value that is Go's zero value (0, "") is in no index.
`engine.wire` lists the types that fields can have. `Records` and `KeyValues` live as long as their transaction; the
records that they give stay valid.
"""

from __future__ import annotations

from ..wire import Entity, member
from .files import open_database, read_version
from .key_values import KeyValues
from .layout import find_bucket, go_name, key_of, text_of_key
from .records import Records

__all__ = [
    "Entity",
    "KeyValues",
    "Records",
    "find_bucket",
    "go_name",
    "key_of",
    "member",
    "open_database",
    "read_version",
    "text_of_key",
]
