"""`surgery ...`: raw repair of pages, always in a copy of the file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from ..errors import BoltError, CorruptError
from ..key_paths import paths_to_key
from ..printing import Printer
from ..raw_file import RawFile
from ..surgery import (
    UPDATABLE,
    SurgeryError,
    abandoned_freelist,
    cleared_elements,
    cleared_page,
    copied_page,
    has_freelist,
    meta_problems,
    operate,
    rebuild_freelist,
    require_vacant,
    reverted_meta,
    updated_meta,
)
from .command import FILE, JSON, PARSE_FORMAT, TIMEOUT, Arguments, Command, CommandError, Flag, UsageError
from .formats import parsed, quoted
from .opening import lock_wait, require_file

_OUTPUT = Flag("output", "path", "the copy to make; there must be no such file yet", metavar="NEW", required=True)
_PAGE_ID = Flag("pageId", "uint", "the page, from 2 on", metavar="PAGE", required=True)

# bbolt's own advice, word for word; `boltpy` has the same command.
_ABANDON = "Please consider executing `./bbolt surgery freelist abandon ...`"
_MIGHT_HAVE_CHANGED = "the free list might have changed."
_ABANDONED_PAGES = "The clearing has abandoned some pages that are not yet referenced from free list."
_HAS_FREELIST = "the file already has freelist, please consider to abandon the freelist to forcibly rebuild it"
_DELAY = (
    "It may cause some delay on next startup because bbolt needs to scan the whole db to reconstruct the free list."
)
_IN_A_COPY = (
    "The file stays as it is: the change is made in a copy, which is there as a whole or, after an error, not at all. "
    "Check it before you use it."
)


@contextmanager
def _source(arguments: Arguments, verb: str, failing: str = "") -> Iterator[RawFile]:
    """Give the command's file, which nobody may change meanwhile, once it is sure that there is no output yet.

    Args:
        arguments: Of the command.
        verb: The command, to tell of an output that is there.
        failing: The command as bbolt spells it to tell what is wrong with the file, where that differs.
    """
    require_file(arguments.file)
    try:
        require_vacant(arguments.output)
    except SurgeryError as error:
        raise CommandError(f"[{verb}] {error}") from error
    try:
        with RawFile(arguments.file, lock_wait(arguments.timeout)) as file:
            yield file
    except CorruptError as error:
        raise CommandError(f"{failing or verb} command failed: {error.reason}") from error
    except SurgeryError as error:
        raise CommandError(f"{failing or verb} command failed: {error}") from error


def _tell(done: str, arguments: Arguments, out: Printer, warnings: Sequence[str] = (), advice: str = "") -> int:
    """Print what was done, behind warnings if there are any, and for people the advice that belongs to them."""
    if arguments.json:
        out.line(json.dumps({"output": arguments.output, "done": done, "warnings": list(warnings)}))
        return 0
    for warning in warnings:
        out.line(f"WARNING: {warning}")
    if warnings and advice:
        out.line(advice)
    out.line(done)
    return 0


def _revert(arguments: Arguments, out: Printer) -> int:
    with _source(arguments, "revert-meta-page") as file:
        operate(file, arguments.output, reverted_meta(file))
    return _tell("The meta page is reverted.", arguments, out)


def _copy_page(arguments: Arguments, out: Printer) -> int:
    source, target = arguments.from_page, arguments.to_page
    if source == target:
        raise UsageError(f"'--from-page' and '--to-page' have the same value: {source}")
    with _source(arguments, "copy-page") as file:
        operate(file, arguments.output, copied_page(file, source, target))
        warnings = [_MIGHT_HAVE_CHANGED] if has_freelist(file) else []
    return _tell(f"The page {source} was successfully copied to page {target}", arguments, out, warnings, _ABANDON)


def _require_tree_page(pgid: int) -> None:
    if pgid < 2:
        raise UsageError(f"the pageId must be at least 2, but got {pgid}")


def _clear_page(arguments: Arguments, out: Printer) -> int:
    pgid = arguments.pageId
    _require_tree_page(pgid)
    with _source(arguments, "clear-page") as file:
        patches, lost = cleared_page(file, pgid)
        operate(file, arguments.output, patches)
    return _tell(f"The page ({pgid}) was cleared", arguments, out, [_ABANDONED_PAGES] * lost, _ABANDON)


def _clear_elements(arguments: Arguments, out: Printer) -> int:
    pgid, start, end = arguments.pageId, arguments.from_index, arguments.to_index
    _require_tree_page(pgid)
    with _source(arguments, "clear-page-elements", failing="clear-page-element") as file:
        patches, lost = cleared_elements(file, pgid, start, end)
        operate(file, arguments.output, patches)
    done = f"All elements in [{start}, {end}) in page {pgid} were cleared"
    return _tell(done, arguments, out, [_ABANDONED_PAGES] * lost, _ABANDON)


def _abandon(arguments: Arguments, out: Printer) -> int:
    with _source(arguments, "freelist abandon") as file:
        patches = abandoned_freelist(file)
        operate(file, arguments.output, patches)
    where = "both meta pages" if len(patches) == 2 else "the one meta page that is valid"
    _tell(f"The freelist was abandoned in {where}.", arguments, out)
    if not arguments.json:
        out.line(_DELAY)
    return 0


def _rebuild(arguments: Arguments, out: Printer) -> int:
    require_file(arguments.file)
    with RawFile(arguments.file, lock_wait(arguments.timeout)) as file:
        if has_freelist(file):
            raise CommandError(_HAS_FREELIST)
        try:
            rebuild_freelist(file, arguments.output)
        except BoltError as error:
            raise CommandError(f"[freelist rebuild] {error}") from error
    return _tell("The freelist was successfully rebuilt.", arguments, out)


def _validate(arguments: Arguments, out: Printer) -> int:
    require_file(arguments.file)
    problems = meta_problems(arguments.file, lock_wait(arguments.timeout))
    if arguments.json:
        out.line(json.dumps([{"meta": slot, "error": problem} for slot, problem in enumerate(problems)]))
        return 0
    for slot, problem in enumerate(problems):
        if problem is None:
            out.line(f"The meta page {slot} is valid!")
        else:
            out.line(f"WARNING: The meta page {slot} isn't valid: {problem}!")
    return 0


def _update(arguments: Arguments, out: Printer) -> int:
    slot = arguments.meta_page
    if slot not in (0, 1):
        raise UsageError(f"invalid meta page id: {slot}")
    changes = dict(map(_field, arguments.fields))
    with _source(arguments, "meta update") as file:
        patches, warnings = updated_meta(file, slot, changes)
        operate(file, arguments.output, patches)
    done = f"The meta page {slot} has been updated!" if patches else "Nothing changed!"
    return _tell(done, arguments, out, warnings)


def _field(text: str) -> tuple[str, int]:
    """Return the name and the number in `name:number`."""
    name, colon, number = text.partition(":")
    if not colon or ":" in number:
        raise UsageError(f"invalid key-value pair: {text}")
    if name not in UPDATABLE:
        raise UsageError(f'field "{name}" isn\'t allowed to be updated')
    most = 2**32 if name == "pageSize" else 2**64
    if not (number.isascii() and number.isdigit() and len(number) < 100 and int(number) < most):
        raise UsageError(f'invalid value "{number}" for field "{name}"')
    return name, int(number)


def _find_key(arguments: Arguments, out: Printer) -> int:
    key = parsed(arguments.words[1], arguments.parse_format)
    require_file(arguments.file)
    with RawFile(arguments.file, lock_wait(arguments.timeout)) as file:
        paths = list(paths_to_key(file, key))
    if arguments.json:
        out.line(json.dumps(paths))
    else:
        for path in paths:
            out.line(" ".join(map(str, path)))
    if not paths:
        raise CommandError(f"no page has the key {quoted(key)}")
    return 0


def _command(
    name: str,
    run: Callable[[Arguments, Printer], int],
    about: str,
    *flags: Flag,
    details: tuple[str, ...] = (),
    example: tuple[str, str],
) -> Command:
    """Describe one that makes a copy."""
    return Command(
        name=f"surgery {name}",
        run=run,
        about=about,
        words=(FILE,),
        least=1,
        most=1,
        flags=(_OUTPUT, *flags, JSON, TIMEOUT),
        details=(*details, _IN_A_COPY),
        examples=((f"boltpy surgery {name} app.db --output mended.db{example[0]}", example[1]),),
    )


COMMANDS = (
    _command(
        "revert-meta-page",
        _revert,
        "undo the last commit",
        details=(
            "The older meta page is put in the place of the newer one, or the valid one in the place of a damaged one. "
            "No page of the commit before the last one has been written over by then.",
        ),
        example=("", "the state before the last commit"),
    ),
    _command(
        "copy-page",
        _copy_page,
        "put a page in the place of another",
        Flag("from-page", "uint", "the page to copy", metavar="PAGE", required=True),
        Flag("to-page", "uint", "the page to write over", metavar="PAGE", required=True),
        details=("Its overflow pages come with it, and write over what is behind the other one.",),
        example=(" --from-page 5 --to-page 9", "page 9 is what page 5 is, but for its id"),
    ),
    _command(
        "clear-page",
        _clear_page,
        "take all elements from a branch or leaf page",
        _PAGE_ID,
        example=(" --pageId 9", "page 9 has no elements"),
    ),
    _command(
        "clear-page-elements",
        _clear_elements,
        "take some elements from a branch or leaf page",
        _PAGE_ID,
        Flag("from-index", "int", "the first element to go, from 0 on", metavar="INDEX", required=True),
        Flag("to-index", "int", "the element behind the last to go; -1: all", metavar="INDEX", required=True),
        example=(" --pageId 9 --from-index 3 --to-index 5", "elements 3 and 4 are gone"),
    ),
    _command(
        "freelist abandon",
        _abandon,
        "say in both meta pages that no freelist is stored",
        details=("For a damaged freelist. Who opens the file next walks all pages to find those that are free.",),
        example=("", "a file without a freelist page"),
    ),
    _command(
        "freelist rebuild",
        _rebuild,
        "find the free pages and store the freelist again",
        details=("For a file whose freelist was abandoned, or is not stored.",),
        example=("", "a file with a freelist page"),
    ),
    Command(
        name="surgery find-key",
        run=_find_key,
        about="tell which pages lead to a key, in all buckets",
        words=(FILE, ("KEY", "the key, or the name of a bucket")),
        least=2,
        most=2,
        flags=(PARSE_FORMAT, JSON, TIMEOUT),
        details=(
            "A line for each leaf page that has it: the pages from the root down to that leaf. All pages are looked "
            "at, so it is found in a file whose keys are out of order too.",
        ),
        examples=(("boltpy surgery find-key app.db ada", "14 13 7: page 7 has it, below pages 13 and 14"),),
        codes=((1, "no page has it, or an error, told in one line on stderr"),),
    ),
    Command(
        name="surgery meta validate",
        run=_validate,
        about="tell whether the meta pages are valid",
        words=(FILE,),
        least=1,
        most=1,
        flags=(JSON, TIMEOUT),
        details=("The exit code is 0 in any case.",),
        examples=(("boltpy surgery meta validate app.db", "a line for each of the two"),),
    ),
    _command(
        "meta update",
        _update,
        "set fields of a meta page, and make it valid",
        Flag("meta-page", "uint32", "which of the two: 0 or 1", default=0, metavar="N"),
        Flag(
            "fields",
            "list",
            "NAME:NUMBER between commas, decimal: pageSize in bytes, root, freelist, and pgid, the high-water mark, "
            "as page ids. May be given again",
            default=[],
            metavar="FIELDS",
        ),
        details=(
            "Its magic number, version, flags (to 4) and checksum are set too, also if no field is given. Setting "
            "the root makes the root bucket's sequence 0.",
        ),
        example=(" --meta-page 1 --fields root:9,pgid:20", "meta 1 leads to root page 9, of 20 pages"),
    ),
)
