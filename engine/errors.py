"""Every error that the engine raises of its own, one tree.

What the database itself finds (a damaged page, a lock that is taken) stays a `boltpy.BoltError`. The texts that begin
with "storage:" are Gofer's own; in `compat="gofer"` an error's text is exactly what Gofer's Go code would print.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_NO_FACTS: Mapping[str, object] = MappingProxyType({})


class EngineError(Exception):
    """Base of all errors of the engine; raised as itself for what has no class of its own."""


class _EntityError(EngineError):
    """An error about one entity: which kind it is and the arguments that name it."""

    TEXT = ""

    def __init__(self, message: str = "", *, entity: str = "", key: Mapping[str, object] = _NO_FACTS) -> None:
        """Args: `message` (default: Gofer's text), `entity` (a class name such as "Run"), `key` (arguments by name)."""
        super().__init__(message or self.TEXT)
        self.entity = entity
        self.key = dict(key)


class EntityNotFound(_EntityError, LookupError):
    """There is no such entity. Facts: `entity` ("Run"), `key` ({"namespace_id": "default", ...})."""

    TEXT = "storage: entity not found"


class EntityExists(_EntityError):
    """An entity of that name is already there. Facts: `entity`, `key`. Nothing was written."""

    TEXT = "storage: entity already exists"


class PreconditionFailed(EngineError, ValueError):
    """An entity can not be stored as it is. Facts: `field` ("Run.id", empty if it is no single one)."""

    TEXT = "storage: parameters did not pass validation"

    def __init__(self, message: str = "", *, field: str = "") -> None:
        """Args: `message` (default: Gofer's text), `field` (class and attribute that did not pass)."""
        super().__init__(message or self.TEXT)
        self.field = field


class Conflict(EngineError):
    """What a transaction has read was changed by somebody else before it ended. Nothing was stored: it can be tried
    again.

    Only engines that several processes write to at a time raise it.
    """


class OutcomeUnknown(EngineError):
    """The database stopped answering while something was being stored: that is stored as a whole, or not at all.

    Ids that were given to entities are left in them, so that one can look later.
    """


class TransactionTooLarge(EngineError):
    """The database takes no transaction of that many operations or bytes. Nothing was stored; smaller ones may be.

    Only engines that hand over a transaction as one request raise it.
    """


class RecordError(EngineError, ValueError):
    """Stored bytes are not the JSON of the entity that they should be.

    Facts: `reason`, as Go's encoding/json words it; `place`, the buckets and the key, empty if only bytes were given.
    """

    def __init__(self, reason: str, *, place: str = "") -> None:
        super().__init__(f"{place}: {reason}" if place else reason)
        self.reason = reason
        self.place = place


class StormError(EngineError):
    """Base of what a storm bucket refuses. The texts are storm's own."""


class RecordNotFound(StormError, LookupError):
    """A storm bucket or a record in it is missing; storm's ErrNotFound."""

    def __init__(self) -> None:
        super().__init__("not found")


class IndexNotFound(StormError, LookupError):
    """A type bucket is there but the index asked for is not. Storm gives it the same text and another identity."""

    def __init__(self) -> None:
        super().__init__("not found")


class RecordExists(StormError):
    """A record with that id, or that value of a unique field, is there already. Facts: `field` ("Person.email")."""

    def __init__(self, *, field: str = "") -> None:
        super().__init__("already exists")
        self.field = field


class ZeroId(StormError, ValueError):
    """A record without an id, of a class that does not count its ids up, can not be saved."""

    def __init__(self) -> None:
        super().__init__("id field must not be a zero value")


class NoId(StormError, ValueError):
    """A record without an id can not be updated."""

    def __init__(self) -> None:
        super().__init__("missing struct tag id or ID field")


class OtherCodec(StormError):
    """The bucket says that its values are something else than JSON, or has metadata that does not say what they are."""

    def __init__(self) -> None:
        super().__init__("the selected codec is incompatible with this bucket")


class BadCounter(StormError):
    """The note of the last number that was given out is too short, or there is no number left after it."""
