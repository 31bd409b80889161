"""Takes a whole file out as lines of text, and makes a file of such lines: the same one, pair for pair."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from os import PathLike

import boltpy

from ..errors import EngineError
from ..storm.files import open_database
from .filling import new_file
from .lines import END, HEADER, line_of, piece_of, require_header
from .pieces import pieces_of


def export_lines(path: str | PathLike[str]) -> Iterator[bytes]:
    """Everything that a file of storm's holds, under bolt's shared lock; `lines` tells the form.

    It is one snapshot of the file. Hashes of tokens and stored passwords are in it, as they are in the file.

    Args:
        path: Gofer's database, its object store or its secret store.

    Returns:
        Lines with their ends. The file is open, and locked, until they have all been taken.

    Raises:
        EngineError: Storm did not make the file, or it is damaged.
        boltpy.BoltError: It is no bolt file, is damaged, or is open for writing elsewhere.
        OSError: It can not be opened.
    """
    with open_database(path) as db, db.view() as tx:
        yield HEADER
        for piece in pieces_of(tx):
            yield line_of(piece)
        yield END


def import_lines(lines: Iterable[bytes], path: str | PathLike[str]) -> int:
    """Make a file of the lines of an export.

    Entities may have been changed meanwhile: they are stored as Gofer spells them, and in the indexes that the line of
    their bucket names.

    Args:
        lines: All lines of the export, in their order.
        path: The new file: no file yet, an empty file, or a bolt file without buckets.

    Returns:
        The number of lines.

    Raises:
        EngineError: A line is unknown, twice, in the wrong place, or the last one is missing; the text has its number,
            as it has after all else that is about what the lines say.
        FileExistsError: The target holds something.
        boltpy.BoltError, OSError: The file can not be written.

    After an error the target is as it was.
    """
    number = 0
    ended = False
    try:
        with new_file(path) as filler:
            for number, line in enumerate(lines, 1):
                if ended:
                    raise EngineError("there is something behind the end of the export")
                if number == 1:
                    require_header(line)
                    continue
                piece = piece_of(line)
                if piece is None:
                    ended = True
                else:
                    filler.put(piece)
            if not ended:
                raise EngineError("the export has no end" if number else "the export is empty")
    except (EngineError, boltpy.LimitError, boltpy.BucketError) as error:
        # What has no line is missing where the first one should be.
        raise EngineError(f"line {max(number, 1)}: {error}") from None
    return number
