"""What to start from: the root of the root bucket, and which pages are free. From a meta, or without any."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import Final, NamedTuple

from ..errors import BoltError
from ..format import (
    BUCKET_ENTRY,
    BUCKET_HEADER,
    BUCKET_HEADER_SIZE,
    FREELIST,
    FREELIST_COUNT_OVERFLOW,
    HEADER_SIZE,
    NO_FREELIST,
    PAGE_HEADER,
    PGID,
    Pgid,
)
from ..freelist_page import most_overflow
from ..meta import Meta
from .report import Report
from .source import DamagedFile, Page

# So many freelists are tried where no meta tells which one is valid.
_MOST_FREELISTS: Final = 8


class Base(NamedTuple):
    """Where to start.

    Attributes:
        root: The root bucket's page; None if nobody knows.
        sequence: The root bucket's.
        free: 1 for each page that is free, as far as known.
        knows_free: Whether that is all of them, or the root a guess. Else what no tree has is free, if all are whole.
    """

    root: Pgid | None
    sequence: int
    free: bytes
    knows_free: bool


def find_base(file: DamagedFile, report: Report, slot: int | None) -> Base:
    """Return where to start, and note in the report how sure it is.

    Args:
        file: The file, surveyed.
        report: What to note it in.
        slot: The meta to believe; None takes the newest valid one.
    """
    for meta in file.metas:
        report.metas.append(f"txid {meta.txid}" if isinstance(meta, Meta) else str(meta))
    valid = {i: meta for i, meta in enumerate(file.metas) if isinstance(meta, Meta) and slot in (None, i)}
    for i, meta in enumerate(file.metas):
        if isinstance(meta, BoltError):
            report.fault(f"meta {i}: {meta}")
    if not valid:
        return _without_meta(file, report)
    report.meta = max(valid, key=lambda i: valid[i].txid)
    meta = valid[report.meta]
    report.root = meta.root
    if meta.freelist == NO_FREELIST:
        report.freelist = "not stored"
        return Base(meta.root, meta.sequence, bytes(file.page_count), knows_free=False)
    listed = _freelist(file, meta.freelist)
    if listed is None:
        report.fault(f"page {meta.freelist}: no freelist, but the meta says so")
        listed = _Listed(bytes(file.page_count), is_sound=False)
    elif not listed.is_sound:
        report.fault(
            f"page {meta.freelist}: the freelist has ids out of order, of no page or its own, or needless pages"
        )
    report.freelist = "read" if listed.is_sound else "damaged"
    return Base(meta.root, meta.sequence, listed.free, knows_free=listed.is_sound)


class _Listed(NamedTuple):
    """What a freelist says: 1 for each page that it has, and whether it could be one that was written so."""

    free: bytes
    is_sound: bool


def _freelist(file: DamagedFile, pgid: Pgid) -> _Listed | None:
    """Return what a freelist says; None if the page is no freelist."""
    if pgid >= file.page_count or file.kinds[pgid] != FREELIST:
        return None
    at = pgid * file.page_size
    _, _, count, overflow = PAGE_HEADER.unpack(file.read(at, HEADER_SIZE))
    at += HEADER_SIZE
    if count == FREELIST_COUNT_OVERFLOW:
        count = PGID.unpack(file.read(at, PGID.size).ljust(PGID.size, b"\0"))[0]
        at += PGID.size
    if count > file.page_count:
        return None
    ids = file.read(at, count * PGID.size)
    free = bytearray(file.page_count)
    last, is_sound = 1, len(ids) == count * PGID.size
    for (listed,) in PGID.iter_unpack(ids[: len(ids) // PGID.size * PGID.size]):
        is_sound = is_sound and last < listed < file.page_count
        last = listed
        if 2 <= listed < file.page_count:
            free[listed] = 1
    own = range(pgid, pgid + overflow + 1)
    is_sound = is_sound and overflow <= most_overflow(count, overflow, file.page_size) and own[-1] < file.page_count
    return _Listed(bytes(free), is_sound and not any(free[page] for page in own))


def links(file: DamagedFile, page: Page) -> Iterable[Pgid]:
    """Yield the pages that a page leads to: children, and the roots of the buckets nested in it."""
    for spot in page.items.spots:
        if not page.is_leaf:
            yield spot.tag
        elif spot.tag & BUCKET_ENTRY and spot.end - spot.value_at == BUCKET_HEADER_SIZE:
            root = BUCKET_HEADER.unpack(file.cut(page, spot.value_at, spot.end))[0]
            if root:
                yield root


def _without_meta(file: DamagedFile, report: Report) -> Base:
    """Find the freelist with which the pages in use make the fewest trees, and the root bucket among those."""
    parents, children = array("Q"), array("Q")
    most = 4 * file.page_count + 1000
    for pgid in range(2, file.page_count):
        page = file.page(pgid) if file.is_tree_page(pgid) else None
        if page is not None:
            for child in links(file, page):
                if file.is_tree_page(child) and len(parents) < most:
                    parents.append(pgid)
                    children.append(child)
    found: list[_Guess] = []
    for pgid in range(2, file.page_count):
        listed = _freelist(file, pgid) if len(found) < _MOST_FREELISTS else None
        if listed is not None and not listed.free[pgid]:  # no freelist has itself
            tops, wrong = _tops(file, listed.free, parents, children)
            found.append(_Guess(len(tops) + wrong, pgid, tops, listed.free))
    unlisted = bytes(file.page_count)
    tops, wrong = _tops(file, unlisted, parents, children)
    best = min([guess.score for guess in found] + [len(tops) + wrong])
    equal = [guess for guess in found if guess.score == best]
    report.freelist = "guessed" if equal else "damaged"
    hints = {(meta.root, meta.freelist): meta.txid for meta in map(file.unproven_meta, (0, 1)) if meta is not None}
    # The last commit and the one before it may fit equally well.
    root = max(
        ((hints.get((top, guess.pgid), -1), top) for guess in equal if (top := _root(file, guess.tops)) is not None),
        default=(-1, _root(file, tops)),
    )[1]
    report.root, report.root_is_guessed = root, root is not None
    free = bytes(map(min, *(guess.free for guess in equal))) if len(equal) > 1 else equal[0].free if equal else unlisted
    return Base(root, 0, free, knows_free=True)


class _Guess(NamedTuple):
    """A freelist that may be the valid one: how badly it fits, its page, the trees that it leaves, and what is free."""

    score: int
    pgid: Pgid
    tops: list[Pgid]
    free: bytes


def _root(file: DamagedFile, tops: list[Pgid]) -> Pgid | None:
    """Return the page that must be the root bucket's, if there is one."""
    roots = tops if len(tops) == 1 else [pgid for pgid in tops if has_only_buckets(file, pgid)]
    return roots[0] if len(roots) == 1 else None


def _tops(file: DamagedFile, free: bytes, parents: Iterable[Pgid], children: Iterable[Pgid]) -> tuple[list[Pgid], int]:
    """Return the pages in use to which no page in use leads, and how often one leads to a free page."""
    below = bytearray(file.page_count)
    wrong = 0
    for parent, child in zip(parents, children, strict=True):
        if not free[parent]:
            below[child] = 1
            wrong += free[child]
    tops = [pgid for pgid in range(2, file.page_count) if file.is_tree_page(pgid) and not below[pgid] | free[pgid]]
    return tops, wrong


def has_only_buckets(file: DamagedFile, pgid: Pgid) -> bool:
    """Return whether a tree could be that of the root bucket, which holds buckets and, as a rule, nothing else."""
    for _ in range(64):
        page = file.page(pgid)
        if page is None or not page.items.spots:
            return False
        if page.is_leaf:
            return all(spot.tag & BUCKET_ENTRY for spot in page.items.spots)
        pgid = page.items.spots[0].tag
    return False
