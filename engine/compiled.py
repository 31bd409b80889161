"""Functions made for one form of a class, that read and write its plainest values: with nothing left to look up.

A form is the sequence of JSON keys that a record has. Records are read and written so often that going through their
fields one by one, each by its codec, takes three times as long. What is not plain raises `Unusual` here too, and gets
the long way, which finds out what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from .codecs import Codec, Flag, Integer, Text
from .gojson import Unusual, quote


class Member(NamedTuple):
    """A field of a class: the attribute, its JSON key, its codec."""

    name: str
    key: str
    codec: Codec


def reader(entity: type[Any], members: Sequence[Member], shape: tuple[str, ...]) -> Callable[..., Any]:
    """Make the function that takes the values of a form, in its order, as `gojson.quick` gives them.

    Args:
        entity: The class to make an instance of.
        members: Its fields in the form's order.
        shape: What the attribute `shape` is to be; empty for a class without it.
    """
    names: dict[str, Any] = {"Unusual": Unusual, "entity": entity, "shape": shape}
    wrong: list[str] = []
    given = [f"{member.name}={_read(i, member.codec, names, wrong)}" for i, member in enumerate(members)]
    given += ["shape=shape"] if shape else []
    parameters = ", ".join(f"v{i}" for i in range(len(members)))
    return _made(f"def made({parameters}):", _refusing(wrong), f"    return entity({', '.join(given)})", names)


def writer(members: Sequence[Member]) -> Callable[[Any], str]:
    """Make the function that gives the JSON of an entity, as `Codec.text` does."""
    # A formatted string with the values' places; every other percent sign stands for itself.
    template = "{" + ",".join(quote(member.key).replace("%", "%%") + ":%s" for member in members) + "}"
    names: dict[str, Any] = {"Unusual": Unusual, "quote": quote, "template": template}
    wrong: list[str] = []
    taken: list[str] = []
    written = [_written(i, member, names, wrong, taken) for i, member in enumerate(members)]
    values = "".join(f"{value}, " for value in written)
    return _made("def made(value):", *taken, _refusing(wrong), f"    return template % ({values})", names)


def _read(i: int, codec: Codec, names: dict[str, Any], wrong: list[str]) -> str:
    """The expression that makes the attribute of value i; what must not be goes to `wrong`."""
    if type(codec) is Text:
        wrong.append(f"type(v{i}) is not str")
    elif isinstance(codec, Flag):
        wrong.append(f"type(v{i}) is not bool")
    elif isinstance(codec, Integer):
        wrong.append(_no_integer(f"v{i}", codec))
    else:
        names[f"quick{i}"] = codec.quick
        return f"quick{i}(v{i})"
    return f"v{i}"


def _written(i: int, member: Member, names: dict[str, Any], wrong: list[str], taken: list[str]) -> str:
    """The expression that gives the JSON of field i. To `wrong` goes what must not be, to `taken` what it needs."""
    codec, value = member.codec, f"value.{member.name}"
    if isinstance(codec, Text):
        return f"quote({value})"
    if isinstance(codec, Flag | Integer):
        taken.append(f"    v{i} = {value}")
        if isinstance(codec, Integer):
            wrong.append(_no_integer(f"v{i}", codec))
            return f"v{i}"
        wrong.append(f"type(v{i}) is not bool")
        return f'"true" if v{i} else "false"'
    names[f"text{i}"] = codec.text
    return f"text{i}({value})"


def _no_integer(value: str, codec: Integer) -> str:
    return f"type({value}) is not int or not {codec.low} <= {value} <= {codec.high}"


def _refusing(wrong: list[str]) -> str:
    return f"    if {' or '.join(wrong)}: raise Unusual" if wrong else ""


def _made(*source_and_names: Any) -> Callable[..., Any]:
    *source, names = source_and_names
    exec("\n".join(source), names)
    made: Callable[..., Any] = names["made"]
    return made
