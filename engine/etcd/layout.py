"""Under which keys an engine keeps its data in etcd. (FROZEN: this is what is stored.)

    <prefix>/format                                   = "gofer 1"
    <prefix>/e/<Class>/<parts>                        = JSON of the entity
    <prefix>/i/Pipeline/<namespace><created, id>      = the pipeline's id, UTF-8
    <prefix>/c/<Class>/<parts without the last>       = the last number that was given out, decimal digits
    <prefix>/d/<Class>                                = nothing; written with each deletion of that class
    <prefix>/w/<name of a writer>                     = the name of its last transaction

The parts of a key sort as what they stand for, so that a listing is a range of keys, read from its begin:

    text                UTF-8, each byte 00 as 00 FF, and 00 00 at the end
    number              8 bytes, big endian, two's complement
    backwards           the bytes of a part or several, each taken from 255: the greatest comes first
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..errors import EngineError
from ..models import (
    DockerRegistryAuth,
    Event,
    Namespace,
    Pipeline,
    Run,
    RunRegistryKey,
    TaskRun,
    Token,
    TriggerEvent,
)
from ..places import COUNTED, require_arguments
from ..storm import key_of, text_of_key
from ..storm.layout import key_of_text

FORMAT: Final = b"gofer 1"

_BACKWARDS: Final = bytes(range(255, -1, -1))
_END: Final = b"\x00\x00"

Parts = tuple[Any, ...]


def text(value: str) -> bytes:
    """A part that is text, an enum's member by its text too."""
    return key_of_text(value).replace(b"\x00", b"\x00\xff") + _END


def number(value: int) -> bytes:
    """A part that is a number of 64 bits; negative ones sort as the greatest."""
    return key_of(value)


def backwards(part: bytes) -> bytes:
    """A part that sorts the other way round."""
    return part.translate(_BACKWARDS)


def _countdown(value: int) -> bytes:
    return backwards(number(value))


@dataclass(frozen=True, slots=True)
class Span:
    """All keys from `start` on and before `end`."""

    start: bytes
    end: bytes

    def __contains__(self, key: bytes) -> bool:
        return self.start <= key < self.end


Writer = Callable[[Any], bytes]

# The arguments of the interface that name an entity, and how each is written: a listing gives the greatest run first.
_PARTS: Final[dict[type[Any], tuple[tuple[str, Writer], ...]]] = {
    Namespace: (("id", text),),
    Token: (("hash", text),),
    DockerRegistryAuth: (("registry", text),),
    Pipeline: (("namespace_id", text), ("id", text)),
    Run: (("namespace_id", text), ("pipeline_id", text), ("id", _countdown)),
    TaskRun: (("namespace_id", text), ("pipeline_id", text), ("run_id", number), ("id", text)),
    TriggerEvent: (
        ("namespace_id", text),
        ("pipeline_id", text),
        ("pipeline_trigger_label", text),
        ("id", _countdown),
    ),
    RunRegistryKey: (("namespace", text), ("pipeline", text), ("run", number)),
    Event: (("id", number),),
}
_AREAS: Final = (b"e", b"i", b"c", b"d", b"w")
_BY_NAME: Final = {kind.__name__.encode(): kind for kind in _PARTS}


class Layout:
    """The keys below one prefix."""

    def __init__(self, prefix: bytes) -> None:
        """Args: `prefix`, with the slash at its end."""
        self.prefix = prefix
        self.format = prefix + b"format"
        self.everything = _span(prefix)
        self._entities = prefix + b"e/"
        self.counters = _span(prefix + b"c/")

    @property
    def formats_around(self) -> list[bytes]:
        """The keys of the formats of all engines among whose keys this prefix would lie."""
        names = self.prefix.split(b"/")[:-1]
        return [b"/".join((*names[:depth], b"format")) for depth in range(1, len(names)) if names[depth] in _AREAS]

    def entity(self, kind: type[Any], parts: Parts) -> bytes | None:
        """The key of one entity; None if there can be none, because a number has more than 64 bits.

        Raises:
            TypeError: A part is of another type than the argument of that name.
        """
        return self._key(b"e/", kind, parts)

    def entities(self, kind: type[Any] | None = None, parts: Parts = ()) -> Span:
        """The keys of all entities, of all of a class, or of those whose first parts are these."""
        if kind is None:
            return _span(self._entities)
        key = self._key(b"e/", kind, parts)
        return _span(key) if key is not None else Span(b"", b"")

    def counter(self, kind: type[Any], parts: Parts = ()) -> bytes:
        """The key of the counter for the numbers of a class in one place."""
        return self._key(b"c/", kind, parts) or b""

    def pipelines(self, namespace: str) -> Span:
        """The index of a namespace's pipelines."""
        return _span(self._key(b"i/", Pipeline, (namespace,)) or b"")

    def indexed(self, pipeline: Pipeline) -> bytes:
        """The key in the index of a pipeline."""
        latest_first = backwards(number(pipeline.created) + text(pipeline.id))
        return self.pipelines(pipeline.namespace).start + latest_first

    def deletions(self, kind: type[Any]) -> bytes:
        """The key that is written with each deletion of a class."""
        return self.prefix + b"d/" + kind.__name__.encode()

    def writer(self, name: str) -> bytes:
        """The key of a writer's mark."""
        return self.prefix + b"w/" + name.encode()

    def kind_and_key(self, key: bytes) -> tuple[type[Any], Mapping[str, Any]]:
        """The class of the entity with that key, and the arguments that name it.

        Raises:
            EngineError: It is no key of an entity.
        """
        kind, found, rest = self._read(self._entities, key)
        if rest or len(found) < len(_PARTS[kind]):
            raise _foreign(key)
        return kind, found

    def counted(self, key: bytes) -> tuple[type[Any], tuple[str, ...]]:
        """The class and the place of the counter with that key.

        Raises:
            EngineError: It is no key of a counter.
        """
        kind, found, rest = self._read(self.counters.start, key)
        if rest or kind not in COUNTED or len(found) != len(_PARTS[kind]) - 1:
            raise _foreign(key)
        return kind, tuple(found.values())

    def _read(self, area: bytes, key: bytes) -> tuple[type[Any], dict[str, Any], bytes]:
        """The class in a key, the arguments that follow as far as they are whole, and what is behind them."""
        name, _, rest = key.removeprefix(area).partition(b"/")
        kind = _BY_NAME.get(name)
        if not key.startswith(area) or kind is None:
            raise _foreign(key)
        found: dict[str, Any] = {}
        for argument, writer in _PARTS[kind] if rest else ():
            if writer is text:
                # An escaped 00 is followed by FF, so that the first 00 00 is the end.
                part, end, rest = rest.partition(_END)
                complete = bool(end)
                found[argument] = text_of_key(part.replace(b"\x00\xff", b"\x00"))
            else:
                part, rest = rest[:8], rest[8:]
                complete = len(part) == 8
                part = backwards(part) if writer is _countdown else part
                found[argument] = int.from_bytes(part, "big", signed=True)
            if not complete:
                raise _foreign(key)
            if not rest:
                break
        return kind, found, rest

    def _key(self, area: bytes, kind: type[Any], parts: Parts) -> bytes | None:
        require_arguments(kind, dict(zip(arguments(kind), parts, strict=False)))
        written = [self.prefix, area, kind.__name__.encode(), b"/"]
        for (_, writer), part in zip(_PARTS[kind], parts, strict=False):
            if isinstance(part, int) and not -(2**63) <= part < 2**63:
                return None
            written.append(writer(part))
        return b"".join(written)


def arguments(kind: type[Any]) -> tuple[str, ...]:
    """The names of the arguments that name an entity of that class."""
    return tuple(name for name, _ in _PARTS[kind])


def _foreign(key: bytes) -> EngineError:
    return EngineError(f"etcd has a key that is none of the engine's: {key!r}")


def _span(prefix: bytes) -> Span:
    """All keys that begin with a prefix."""
    kept = prefix.rstrip(b"\xff")
    return Span(prefix, kept[:-1] + bytes([kept[-1] + 1]))
