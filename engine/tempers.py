"""The two ways in which a bolt engine can behave: as one expects, or as Gofer's own Go code does.

What they have in common is in `BoltEngine`. Here is what differs in changing things: what is checked before, how a
record is added and replaced, and how an error is told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, Protocol

import boltpy

from . import forms
from .errors import (
    EngineError,
    EntityExists,
    EntityNotFound,
    NoId,
    PreconditionFailed,
    RecordError,
    RecordExists,
    RecordNotFound,
)
from .models import TaskRun
from .places import arguments_of, fields_of
from .storm import Records
from .validation import require_names

Compat = Literal["python", "gofer"]


class Temper(Protocol):
    """What `BoltEngine` asks of a temper. `form` makes of an entity the one that is stored."""

    name: Compat
    form: Callable[[Any], Any]

    def check(self, entity: Any, *, new: bool) -> None:
        """Refuse what can not be stored, before a transaction is begun."""

    def add(self, records: Records[Any], entity: Any) -> None:
        """Store a new record."""

    def update(self, records: Records[Any], entity: Any) -> None:
        """Replace a record."""

    def not_found(self, kind: type[Any], key: Mapping[str, Any]) -> EntityNotFound:
        """The error that there is no entity which these arguments name."""

    def exists(self, kind: type[Any], key: Mapping[str, Any]) -> EntityExists:
        """The error that there is such an entity already."""

    def told(self, error: Exception, about: type[Any] | None) -> Exception:
        """The error to raise in place of one that came from below; the same one if nothing is to be said about it.

        Args:
            about: The class of the entity that was to be written; None if none was.
        """


def _as_it_is(entity: Any) -> Any:
    return entity


class PythonTemper:
    """All fields are stored, nothing is replaced by what was meant to be new, and errors say what they are about."""

    name: Compat = "python"

    def __init__(self, *, late: bool) -> None:
        """Args: `late`, whether the file is of the last schema that Gofer kept in bolt."""
        self.form: Callable[[Any], Any] = forms.in_latest if late else _as_it_is

    def check(self, entity: Any, *, new: bool) -> None:
        require_names(entity, new=new)

    def add(self, records: Records[Any], entity: Any) -> None:
        try:
            records.insert(entity)
        except RecordExists:
            raise self.exists(type(entity), arguments_of(entity)) from None

    def update(self, records: Records[Any], entity: Any) -> None:
        try:
            records.update(entity)
        except RecordNotFound:
            raise self.not_found(type(entity), arguments_of(entity)) from None

    def not_found(self, kind: type[Any], key: Mapping[str, Any]) -> EntityNotFound:
        return EntityNotFound(_about(EntityNotFound.TEXT, kind, key), entity=kind.__name__, key=key)

    def exists(self, kind: type[Any], key: Mapping[str, Any]) -> EntityExists:
        return EntityExists(_about(EntityExists.TEXT, kind, key), entity=kind.__name__, key=key)

    def told(self, error: Exception, about: type[Any] | None) -> Exception:
        # What a name, once it is the key of a record or a bucket, can run into.
        names = boltpy.IncompatibleValueError | boltpy.KeyTooLargeError | boltpy.ValueTooLargeError
        if not isinstance(error, names):
            return error
        if about is None:
            return EngineError(str(error))
        field = f"{about.__name__}.{fields_of(about)[-1][1]}"
        return PreconditionFailed(f"{PreconditionFailed.TEXT}: {field}: {error}", field=field)


class GoferTemper:
    """What Gofer at 9765f56 (or, for a late file, at c9dcdda) does, error for error."""

    name: Compat = "gofer"

    # What bbolt says where boltpy has more to tell.
    _TEXTS: Final[Mapping[type[Exception], str]] = {
        boltpy.IncompatibleValueError: "incompatible value",
        boltpy.BucketNameRequiredError: "bucket name required",
        boltpy.KeyRequiredError: "key required",
        boltpy.KeyTooLargeError: "key too large",
        boltpy.ValueTooLargeError: "value too large",
    }

    def __init__(self, *, late: bool) -> None:
        """Args: `late`, whether the file is of the last schema that Gofer kept in bolt."""
        self.form: Callable[[Any], Any] = forms.bare_in_latest if late else forms.bare

    def check(self, entity: Any, *, new: bool) -> None:
        """Gofer checks nothing beforehand."""

    def add(self, records: Records[Any], entity: Any) -> None:
        records.save(entity)

    def update(self, records: Records[Any], entity: Any) -> None:
        try:
            records.update_filled(entity)
        except NoId:
            raise PreconditionFailed from None
        except RecordNotFound:
            if isinstance(entity, TaskRun):
                # Here it looks for another error than the one that storm returns.
                raise
            raise self.not_found(type(entity), arguments_of(entity)) from None

    def not_found(self, kind: type[Any], key: Mapping[str, Any]) -> EntityNotFound:
        return EntityNotFound(entity=kind.__name__, key=key)

    def exists(self, kind: type[Any], key: Mapping[str, Any]) -> EntityExists:
        return EntityExists(entity=kind.__name__, key=key)

    def told(self, error: Exception, about: type[Any] | None) -> Exception:
        if isinstance(error, RecordError):
            return RecordError(error.reason)
        text = self._TEXTS.get(type(error))
        return EngineError(text) if text else error


def _about(text: str, kind: type[Any], key: Mapping[str, Any]) -> str:
    """The text of an error with the entity that it is about."""
    facts = ", ".join(f"{name}={value!r}" for name, value in key.items())
    return f"{text}: {kind.__name__} {facts}"
