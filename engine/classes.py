"""What a class must be like to be stored: a dataclass that can be made again of its fields. All else is a TypeError."""

from __future__ import annotations

import dataclasses
import reprlib
from collections.abc import Collection
from inspect import get_annotations
from typing import Any, get_type_hints


def require_class(entity: object) -> None:
    """TypeError unless it is a class."""
    if not isinstance(entity, type):
        raise TypeError(f"a class is to be stored, not {reprlib.repr(entity)}")


def annotations_of(entity: type[Any]) -> dict[str, Any]:
    """What the annotations of a class mean.

    Raises:
        TypeError: It is no dataclass, an annotation names what is not there, or a field can not be given at the start.
    """
    require_class(entity)
    name = entity.__name__
    # What derives from a dataclass is one; if it has fields of its own, they were forgotten.
    if not dataclasses.is_dataclass(entity) or (get_annotations(entity) and "__dataclass_fields__" not in vars(entity)):
        raise TypeError(f"{name} is no dataclass: @dataclass(slots=True, kw_only=True) is missing before it")
    for item in dataclasses.fields(entity):
        if not item.init:
            raise TypeError(f"{name}.{item.name} can not be read back: it is a field with init=False")
    try:
        return get_type_hints(entity)
    except NameError as error:
        raise TypeError(f"an annotation of {name} can not be understood where it is read: {error}") from None


def require_keys(entity: type[Any], keys: Collection[object]) -> None:
    """TypeError unless the JSON keys of a class's fields are texts that differ, and there is one."""
    name = entity.__name__
    if not keys:
        raise TypeError(f"{name} has no fields")
    for key in keys:
        if not isinstance(key, str):
            raise TypeError(f"{name} has a JSON key of type {type(key).__name__}; it must be of type str")
    if len(set(keys)) < len(keys):
        raise TypeError(f"{name} has two fields with the same JSON key")


def is_frozen(entity: type[Any]) -> bool:
    """Whether a dataclass lets nobody set its fields."""
    parameters = getattr(entity, "__dataclass_params__", None)
    return parameters is not None and bool(parameters.frozen)
