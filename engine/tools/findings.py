"""What a check can find. Errors are what a repair mends; notes are odd but Gofer lives with them, and they are left."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from .kinds import Kind, Path
from .walking import shown_path

REMEDIES: Final = MappingProxyType(
    {
        "page": "the copy has pages of its own",
        "version": "noted anew",
        "registry-missing": "made",
        "metadata-missing": "made",
        "codec": "set to json",
        "counter-damaged": "made of the highest number",
        "counter-behind": "raised",
        "sequence-behind": "raised",
        "record-unreadable": "set aside",
        "key-unusable": "set aside",
        "name-taken": "set aside",
        "key-differs": "the record got the id that it is stored under",
        "registration-unreadable": "set aside",
        "registration-spelling": "written as Go writes it",
        "index-missing": "made",
        "index-entry-missing": "listed",
        "index-entry-dangling": "dropped from the index",
        "index-entry-wrong": "dropped from the index",
        "index-sequence": "dropped",
    }
)
"""The errors by name, each with what a repair does about it."""

NOTES: Final = frozenset(
    {
        "namespace-missing",
        "pipeline-missing",
        "run-missing",
        "task-run-missing",
        "task-run-unlisted",
        "place-differs",
        "registration-value",
        "event-kind",
        "name-collision",
        "index-foreign",
        "index-stale",
        "not-understood",
        "set-aside",
    }
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check found.

    Attributes:
        name: What it is, in one word.
        place: Where, as one line of text.
        text: What is wrong there.
    """

    name: str
    place: str
    text: str

    @property
    def is_error(self) -> bool:
        """Whether it is an error, and no note."""
        return self.name in REMEDIES

    def __str__(self) -> str:
        return f"{'error' if self.is_error else 'note'} {self.name}: {self.place}: {self.text}"


def finding(name: str, path: Path, text: str, *, key: bytes | None = None, kind: Kind | None = None) -> Finding:
    """A finding about a bucket, or about a key in it."""
    return Finding(name, shown_path(path, key, kind), text)
