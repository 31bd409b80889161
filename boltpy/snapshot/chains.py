"""The backups of one chain, in their order: known by their headers, each open only while it is read.

A file is opened once for its header and once to be read. Streams and pipes can not be opened again: they are read on
from where the header ended, and pipes stay open until the chain is done with.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from os import PathLike
from typing import BinaryIO

from ..errors import BackupError
from ..files import is_regular, open_to_read, same_file
from ..storage import PathLike as Path
from ..storage import path_text
from .reading import Reader

Source = Path | BinaryIO
"""A backup: its path, or a stream that is read from where it is."""


class Link:
    """One backup of a chain.

    Attributes:
        name: What errors call it.
        header: What it says of itself.
    """

    def __init__(self, reader: Reader, path: Path | None = None) -> None:
        """Take what a reader of the header knows; where there is no path, the rest is to come from it, too."""
        self.name = reader.name
        self.header = reader.header
        self._rest = reader if path is None else path

    @contextmanager
    def opened(self) -> Iterator[Reader]:
        """Give a reader that stands behind the header. A stream can be read only once.

        Raises:
            BackupError: Another backup has taken its place.
            OSError: The system refuses.
        """
        if isinstance(self._rest, Reader):
            yield self._rest
            return
        with open_to_read(self._rest) as file:
            reader = Reader(file, self.name)
            if reader.header != self.header:
                raise BackupError(self.name, 0, 0, "another backup took its place while the chain was read")
            yield reader

    def require_parent(self, before: Reader) -> None:
        """Make sure that it builds on a backup that was read to its end.

        Raises:
            BackupError: It builds on another one.
        """
        if self.header.parent != before.digest:
            reason = f"does not build on {before.name}, but on another backup of that number"
            raise BackupError(self.name, 0, 0, reason)


def listed(sources: Iterable[Source]) -> list[Source]:
    """Return the sources that a caller named, as a list.

    Raises:
        TypeError: They are one source, not several.
        ValueError: There is none.
    """
    if isinstance(sources, str | bytes | PathLike) or hasattr(sources, "read"):
        raise TypeError(f"expected a list of backups, not one: [{sources!r}]")
    found = list(sources)
    if not found:
        raise ValueError("no backup was named")
    return found


def is_among(target: Path, sources: list[Source]) -> bool:
    """Return whether a path leads to the file of one of the sources, streams included."""
    return any(same_file(_file_of(source), target) for source in sources)


def _file_of(source: Source) -> Path | int:
    if isinstance(source, str | bytes | PathLike):
        return source
    try:
        return source.fileno()
    except (AttributeError, OSError):  # a stream in memory, or one of the caller's own
        return -1


@contextmanager
def chain(sources: list[Source]) -> Iterator[list[Link]]:
    """Give the backups of one chain, the earliest first, wherever they stand in `sources`.

    Raises:
        BackupError: One is no backup, is of another chain, or is there twice; or one between them is missing.
        TypeError: One is neither a path nor a binary stream.
        OSError: The system refuses.
    """
    with ExitStack() as pipes:
        links = sorted((_link(source, pipes) for source in sources), key=lambda link: link.header.number)
        for before, link in zip(links, links[1:], strict=False):
            _require_neighbours(before, link)
        yield links


def _link(source: Source, pipes: ExitStack) -> Link:
    if not isinstance(source, str | bytes | PathLike):
        if not hasattr(source, "read"):
            raise TypeError(f"a backup is a path or a binary stream, not {source!r}")
        return Link(Reader(source, str(getattr(source, "name", "the stream"))))
    if is_regular(source):
        with open_to_read(source) as file:
            return Link(Reader(file, path_text(source)), source)
    return Link(Reader(pipes.enter_context(open_to_read(source)), path_text(source)))


def _require_neighbours(before: Link, link: Link) -> None:
    number = link.header.number
    if link.header.chain != before.header.chain:
        reason = f"is of another chain than {before.name}"
    elif number == before.header.number:
        how = "the same backup twice" if link.header.id == before.header.id else "they are of two branches"
        reason = f"is number {number} of its chain, as {before.name} is: {how}"
    elif number != before.header.number + 1:
        reason = f"is number {number} of its chain, {before.name} is {before.header.number}"
    elif link.header.meta.page_size != before.header.meta.page_size:
        reason = f"has pages of another size than {before.name}"
    else:
        return
    raise BackupError(link.name, 0, 0, reason)
