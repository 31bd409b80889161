"""The forms in which an entity can be written: with the members that nobody here knows, without them, in an old shape.

None of these functions changes what it is given. They return it, or a copy where something had to be different.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from .wire import Entity, struct_of

T = TypeVar("T")


def bare(entity: T) -> T:
    """Without the members that have no field here, at every level: Gofer drops them while reading."""
    return entity if _is_bare(entity) else _mapped(entity, _without_unknown)


def bare_in_latest(entity: T) -> T:
    """The same in the latest of its SHAPES; values of fields that are not in it become zero."""
    return _mapped(entity, _forced_into_latest)


def in_latest(entity: T) -> T:
    """In the latest of its SHAPES where it was read in none and that one holds all of its values."""
    return _mapped(entity, _eased_into_latest)


def inherited(new: T, old: T) -> T:
    """`new` with what it has no field for from `old`: its unknown members, and its shape if `new` has none.

    Entities within it inherit from those at the same place: of the same field, or under the same key of a map.
    """
    if not isinstance(new, Entity) or type(new) is not type(old):
        return new
    changes: dict[str, Any] = {}
    for name in struct_of(type(new)).nested:
        value, before = getattr(new, name), getattr(old, name)
        if isinstance(value, dict) and isinstance(before, dict):
            items = {key: inherited(item, before[key]) if key in before else item for key, item in value.items()}
            if any(items[key] is not item for key, item in value.items()):
                changes[name] = items
        elif (after := inherited(value, before)) is not value:
            changes[name] = after
    if isinstance(old, Entity):
        given: object = new.unknown
        # Whatever else somebody put there is refused where it is written.
        if isinstance(given, dict) and not old.unknown.keys() <= given.keys():
            # What is stored keeps its order.
            changes["unknown"] = old.unknown | given
        if old.shape and not new.shape:
            changes["shape"] = old.shape
    return with_fields(new, changes)


def with_fields(entity: T, changes: Mapping[str, Any]) -> T:
    """The entity with other values in some fields."""
    copy: Any = entity
    return dataclasses.replace(copy, **changes) if changes else entity


def _mapped(entity: T, changes_of: Callable[[Entity], dict[str, Any]]) -> T:
    """The entity with those changes of itself, and of all entities within it."""
    if not isinstance(entity, Entity):
        return entity
    changes: dict[str, Any] = {}
    for name in struct_of(type(entity)).nested:
        value = getattr(entity, name)
        if isinstance(value, dict):
            items = {key: _mapped(item, changes_of) for key, item in value.items()}
            if any(items[key] is not item for key, item in value.items()):
                changes[name] = items
        elif (after := _mapped(value, changes_of)) is not value:
            changes[name] = after
    changes |= changes_of(entity)
    return with_fields(entity, changes)


def _is_bare(entity: Any) -> bool:
    if not isinstance(entity, Entity):
        return True
    if entity.unknown:
        return False
    for name in struct_of(type(entity)).nested:
        value = getattr(entity, name)
        if not (all(map(_is_bare, value.values())) if isinstance(value, dict) else _is_bare(value)):
            return False
    return True


def _without_unknown(entity: Entity) -> dict[str, Any]:
    return {"unknown": {}} if entity.unknown else {}


def _forced_into_latest(entity: Entity) -> dict[str, Any]:
    changes = _without_unknown(entity)
    if entity.SHAPES and entity.shape != entity.SHAPES[-1]:
        changes["shape"] = latest = entity.SHAPES[-1]
        for field in struct_of(type(entity)).fields:
            if field.key not in latest:
                changes[field.name] = field.codec.zero()
    return changes


def _eased_into_latest(entity: Entity) -> dict[str, Any]:
    if entity.SHAPES and not entity.shape:
        fields = struct_of(type(entity)).fields
        latest = entity.SHAPES[-1]
        if all(field.key in latest or getattr(entity, field.name) == field.zero for field in fields):
            return {"shape": latest}
    return {}
