"""The options of `boltpy.open`, as one frozen dataclass. The DB keeps the object and copies no field of it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, fields
from threading import TIMEOUT_MAX
from types import UnionType
from typing import Literal, TypedDict

from .format import MAX_PAGE_SIZE, MIN_PAGE_SIZE
from .storage import Opener

DEFAULT_FILL_PERCENT = 0.5
MIN_FILL_PERCENT = 0.1
MAX_FILL_PERCENT = 1.0

_LARGEST_SIZE = 2**63 - 1
_LARGEST_FLAGS = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a database is opened. Every field is a keyword of `boltpy.open`.

    Attributes:
        timeout: Seconds to wait for the file lock; None or 0 waits for ever (as bbolt does), but for a DB that the same
            thread has open.
        read_only: Take a shared lock, never create, never write.
        no_sync: Leave out the sync of each commit. Fast. A process that is killed still loses nothing. A power cut may
            take any commits since the last `DB.sync` from a disk that keeps the order of writes, and leave damage where
            it does not. What was there when `DB.sync` returned is safe until the next commit.
        no_grow_sync: Do not extend the file ahead of its pages, nor sync after growth.
        no_freelist_sync: Do not store the freelist; the next open finds it by walking the tree.
        preload_freelist: Load the freelist in read-only mode too (`Tx.page` needs it).
        freelist_type: "array" takes the lowest pages first; "hashmap" the best-fitting run.
        mmap_flags: Extra flags for mmap(2), for instance MAP_POPULATE.
        initial_mmap_size: Bytes that the first growth step should allow for.
        page_size: Bytes a page of a NEW file; 0 takes the system's. An existing file's own size always wins.
            Should a file's first meta be damaged, one that is no power of two must be given again to find the other.
        max_size: Bytes that the file may grow to; 0 is no limit.
        mlock: Keep the mapped file in memory with mlock(2).
        strict: Check the whole file before each commit becomes visible. Slow; for tests.
        max_batch_size: `DB.batch` calls that are run in one transaction at most.
        max_batch_delay: Seconds that `DB.batch` waits for company.
        alloc_size: Bytes by which a large file grows.
        statistics: Count what `DB.stats` tells.
        logger: Receives debug, info, warning and error lines; None is silent.
        seal: Keep the file NAME.seal, with a fingerprint of each page, up to date at each commit:
            `boltpy.snapshot.scrub` tells by it which pages changed by themselves. Opening reads all pages if there is
            no seal of the last commit.
        opener: Opens the file instead of `os.open`: `(path, flags, mode) -> descriptor`.
    """

    timeout: float | None = None
    read_only: bool = False
    no_sync: bool = False
    no_grow_sync: bool = False
    no_freelist_sync: bool = False
    preload_freelist: bool = False
    freelist_type: Literal["array", "hashmap"] = "array"
    mmap_flags: int = 0
    initial_mmap_size: int = 0
    page_size: int = 0
    max_size: int = 0
    mlock: bool = False
    strict: bool = False
    max_batch_size: int = 1000
    max_batch_delay: float = 0.01
    alloc_size: int = 16 * 1024 * 1024
    statistics: bool = True
    logger: logging.Logger | None = None
    seal: bool = False
    opener: Opener | None = None

    def __post_init__(self) -> None:
        """Refuse values that make no sense.

        Raises:
            TypeError, ValueError: With the option's name in the text.
        """
        for field in fields(self):
            name, value = field.name, getattr(self, field.name)
            if field.type == "bool":
                _require(name, value, bool, "True or False")
            elif field.type == "int":
                _require(name, value, int, "a whole number")
                most = _LARGEST_FLAGS if name == "mmap_flags" else _LARGEST_SIZE
                if not 0 <= value <= most:
                    raise ValueError(f"{name} is {value}; it must be between 0 and {most}")
        for name in ("timeout", "max_batch_delay"):
            value = getattr(self, name)
            if value is None and name == "timeout":
                continue
            _require(name, value, int | float, "a number of seconds")
            if not 0 <= value <= TIMEOUT_MAX:
                raise ValueError(f"{name} is {value} seconds; it must be between 0 and {TIMEOUT_MAX:.0f}")
        if self.page_size and not MIN_PAGE_SIZE <= self.page_size <= MAX_PAGE_SIZE:
            raise ValueError(
                f"page_size is {self.page_size} bytes; a file can be reopened with {MIN_PAGE_SIZE} to {MAX_PAGE_SIZE}"
            )
        if self.freelist_type not in ("array", "hashmap"):
            raise ValueError(f"freelist_type is {self.freelist_type!r}; it must be 'array' or 'hashmap'")
        if self.seal and self.read_only:
            raise ValueError("seal is kept up to date at commits; a read_only DB makes none")
        if self.logger is not None:
            _require("logger", self.logger, logging.Logger, "a logging.Logger")
        if self.opener is not None and not callable(self.opener):
            raise TypeError(f"opener is {self.opener!r}; it must be callable as (path, flags, mode)")


class OptionChanges(TypedDict, total=False):
    """The fields of Options as keywords, for type checkers."""

    timeout: float | None
    read_only: bool
    no_sync: bool
    no_grow_sync: bool
    no_freelist_sync: bool
    preload_freelist: bool
    freelist_type: Literal["array", "hashmap"]
    mmap_flags: int
    initial_mmap_size: int
    page_size: int
    max_size: int
    mlock: bool
    strict: bool
    max_batch_size: int
    max_batch_delay: float
    alloc_size: int
    statistics: bool
    logger: logging.Logger | None
    seal: bool
    opener: Opener | None


def _require(name: str, value: object, kind: type | UnionType, what: str) -> None:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise TypeError(f"{name} is {value!r}; it must be {what}")
