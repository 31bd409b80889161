"""How values of one type are stored: text, enums, integers, flags, bytes, lists and maps.

A codec knows both ways, each at two speeds. It does not know which field of which entity it serves: what does
not fit is raised as `Misfit` or `Unfit`, and whoever knows the field adds its name.
"""

from __future__ import annotations

import base64
from enum import StrEnum
from typing import Any, Never, Protocol

from . import gojson
from .gojson import Node, Unusual, quote

EmptyObject = dict[str, Never]


class Misfit(Exception):
    """JSON of the wrong type, as Go words it: `what` it is ("string") and the Go type `go` that it can not become."""

    def __init__(self, what: str, go: str) -> None:
        super().__init__(what, go)
        self.what = what
        self.go = go
        self.struct = ""
        self.path: list[str] = []

    def __str__(self) -> str:
        target = f"struct field {self.struct}.{'.'.join(self.path)}" if self.path else "value"
        return f"json: cannot unmarshal {self.what} into Go {target} of type {self.go}"


class Unfit(Exception):
    """A Python value that can not be stored: what was `expected`, and the `value`."""

    def __init__(self, expected: str, value: object, *, field: str = "") -> None:
        super().__init__(expected, value)
        self.expected = expected
        self.value = value
        self.path = [field] if field else []


class Codec(Protocol):
    """Both ways for one type. `go` is the name of the type in Go, for errors."""

    go: str

    def zero(self) -> Any:
        """Go's zero value of the type, a new one if it can be changed."""

    def quick(self, value: Any) -> Any:
        """Convert what `gojson.quick` read; `Unusual` for anything but the plainest case."""

    def read(self, node: Node, old: Any, text: str) -> Any:
        """Convert a parsed value of the document `text`; `old` is what the field holds so far: null leaves it alone."""

    def text(self, value: Any) -> str:
        """The JSON of a value, but for `gojson.go_escapes`; `Unusual` or TypeError for all but the plainest case."""

    def plain(self, value: Any, raws: list[str]) -> Any:
        """What `gojson.write` takes for `value`. `raws` collects what only `gojson.write_with_raw` can write."""


class Text:
    go = "string"

    def zero(self) -> str:
        return ""

    def quick(self, value: Any) -> str:
        if type(value) is not str:
            raise Unusual
        return value

    def read(self, node: Node, old: Any, text: str) -> Any:
        if node.kind == "null":
            return old
        if node.kind != "string":
            raise Misfit(node.kind, self.go)
        return node.value

    text = staticmethod(quote)

    def plain(self, value: Any, raws: list[str]) -> str:
        if not isinstance(value, str):
            raise Unfit("a str", value)
        return value


class Enum(Text):
    """A string enum whose members are only the known values; any other text passes as well."""

    def __init__(self, members: type[StrEnum]) -> None:
        self.go = f"models.{members.__name__}"
        self._members = members
        # Calling an enum costs more than all the rest of a field.
        try:
            nothing = members("")
        except ValueError:
            raise TypeError(
                f"{members.__name__} must take any text, as Go does: derive it from engine.models.OpenEnum"
            ) from None
        self._known: dict[str, StrEnum] = {str(known): known for known in (*members, nothing)}

    def zero(self) -> StrEnum:
        return self._known[""]

    def quick(self, value: Any) -> StrEnum:
        if type(value) is not str:
            raise Unusual
        known = self._known.get(value)
        return self._members(value) if known is None else known

    def read(self, node: Node, old: Any, text: str) -> Any:
        return self._members(super().read(node, old, text))


class Integer:
    def __init__(self, go: str = "int64", low: int = -(2**63), high: int = 2**63 - 1) -> None:
        self.go = go
        self.low = low
        self.high = high

    def zero(self) -> int:
        return 0

    def quick(self, value: Any) -> int:
        if type(value) is not int or not self.low <= value <= self.high:
            raise Unusual
        return value

    def read(self, node: Node, old: Any, text: str) -> Any:
        if node.kind == "null":
            return old
        if node.kind != "number":
            raise Misfit(node.kind, self.go)
        value = gojson.integer(node.value)
        if value is None or not self.low <= value <= self.high:
            raise Misfit(f"number {node.value}", self.go)
        return value

    def text(self, value: Any) -> str:
        if type(value) is not int or not self.low <= value <= self.high:
            raise Unusual
        return str(value)

    def plain(self, value: Any, raws: list[str]) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not self.low <= value <= self.high:
            raise Unfit(f"an int from {self.low} to {self.high}", value)
        return value


class Flag:
    go = "bool"

    def zero(self) -> bool:
        return False

    def quick(self, value: Any) -> bool:
        if type(value) is not bool:
            raise Unusual
        return value

    def read(self, node: Node, old: Any, text: str) -> Any:
        if node.kind == "null":
            return old
        if node.kind != "bool":
            raise Misfit(node.kind, self.go)
        return node.value

    def text(self, value: Any) -> str:
        if value is True:
            return "true"
        if value is False:
            return "false"
        raise Unusual

    def plain(self, value: Any, raws: list[str]) -> bool:
        if not isinstance(value, bool):
            raise Unfit("a bool", value)
        return value


_BYTE = Integer("uint8", 0, 255)


class Binary:
    """Bytes as base64; None is Go's nil slice."""

    go = "[]uint8"

    def zero(self) -> bytes | None:
        return None

    def quick(self, value: Any) -> bytes | None:
        if value is None:
            return None
        try:
            return base64.b64decode(value, validate=True)
        except (TypeError, ValueError):
            raise Unusual from None

    def read(self, node: Node, old: Any, text: str) -> Any:
        if node.kind == "null":
            return None
        if node.kind == "array":
            return bytes(_BYTE.read(item, 0, text) for item in node.value)
        if node.kind != "string":
            raise Misfit(node.kind, self.go)
        try:
            # Go lets the ends of lines pass inside base64.
            return base64.b64decode(node.value.replace("\n", "").replace("\r", ""), validate=True)
        except ValueError:
            raise Misfit("string that is no base64", self.go) from None

    def text(self, value: Any) -> str:
        if value is None:
            return "null"
        if type(value) is not bytes:
            raise Unusual
        return f'"{base64.b64encode(value).decode("ascii")}"'

    def plain(self, value: Any, raws: list[str]) -> str | None:
        if value is None:
            return None
        if not isinstance(value, bytes | bytearray | memoryview):
            raise Unfit("bytes or None", value)
        return base64.b64encode(value).decode("ascii")


class Nothing:
    """Go's struct{}: an object in which nothing matters. Maps to it are sets."""

    go = "struct {}"

    def zero(self) -> EmptyObject:
        return {}

    def quick(self, value: Any) -> EmptyObject:
        if value != {}:
            raise Unusual
        return {}

    def read(self, node: Node, old: Any, text: str) -> EmptyObject:
        if node.kind not in ("object", "null"):
            raise Misfit(node.kind, self.go)
        return {}

    def text(self, value: Any) -> str:
        if value != {}:
            raise Unusual
        return "{}"

    def plain(self, value: Any, raws: list[str]) -> EmptyObject:
        if value != {}:
            raise Unfit("an empty dict", value)
        return {}


class List:
    """A slice; None is Go's nil, which is stored as null and not as []."""

    def __init__(self, item: Codec) -> None:
        self.go = f"[]{item.go}"
        self.item = item

    def zero(self) -> list[Any] | None:
        return None

    def quick(self, value: Any) -> list[Any] | None:
        if value is None:
            return None
        if type(value) is not list:
            raise Unusual
        if type(self.item) is Text and set(map(type, value)) <= {str}:
            return value
        quick = self.item.quick
        return [quick(item) for item in value]

    def read(self, node: Node, old: Any, text: str) -> Any:
        if node.kind == "null":
            return None
        if node.kind != "array":
            raise Misfit(node.kind, self.go)
        return [self.item.read(item, self.item.zero(), text) for item in node.value]

    def text(self, value: Any) -> str:
        if value is None:
            return "null"
        if type(value) is not list:
            raise Unusual
        return f"[{','.join(map(self.item.text, value))}]"

    def plain(self, value: Any, raws: list[str]) -> list[Any] | None:
        if value is None:
            return None
        if not isinstance(value, list | tuple):
            raise Unfit("a list or None", value)
        return [self.item.plain(item, raws) for item in value]


class Map:
    """A map with string keys; None is Go's nil, which is stored as null and not as {}."""

    def __init__(self, item: Codec) -> None:
        self.go = f"map[string]{item.go}"
        self.item = item

    def zero(self) -> dict[str, Any] | None:
        return None

    def quick(self, value: Any) -> dict[str, Any] | None:
        if value is None:
            return None
        if type(value) is not dict:
            raise Unusual
        if type(self.item) is Text and set(map(type, value.values())) <= {str}:
            return value
        quick = self.item.quick
        return {key: quick(item) for key, item in value.items()}

    def read(self, node: Node, old: Any, text: str) -> Any:
        if node.kind == "null":
            return None
        if node.kind != "object":
            raise Misfit(node.kind, self.go)
        # A map that is given twice grows, as in Go; a key that is given twice is replaced.
        return (old or {}) | {key: self.item.read(item, self.item.zero(), text) for key, item in node.value}

    def text(self, value: Any) -> str:
        if value is None:
            return "null"
        if type(value) is not dict:
            raise Unusual
        item = self.item.text
        return f"{{{','.join([f'{quote(key)}:{item(value[key])}' for key in sorted(value)])}}}"

    def plain(self, value: Any, raws: list[str]) -> dict[str, Any] | None:
        if value is None:
            return None
        if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
            raise Unfit("a dict with str keys or None", value)
        # Sorting by code point is sorting by the bytes of UTF-8, which is what Go does.
        return {key: self.item.plain(value[key], raws) for key in sorted(value)}
