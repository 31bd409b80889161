"""Recovers a damaged file: the trees that its meta leads to, then what belongs into their gaps, then what is lost."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from typing import Final

from ..format import Pgid
from .base import Base, find_base, has_only_buckets, links
from .output import Gap, Output, Place
from .report import Report
from .source import DamagedFile
from .walk import Walk

# Beyond these numbers of strays, and of pairs of a stray and a gap, nothing is matched: it would take too long.
_MOST_TO_MATCH: Final = 100_000
_MOST_TO_TRY: Final = 1_000_000


class Recovery:
    """One recovery.

    Attributes:
        report: What was found; complete when `blocks` has ended.
    """

    def __init__(self, file: DamagedFile, *, old: bool, meta: int | None) -> None:
        """Prepare it.

        Args:
            file: The file.
            old: Whether to recover what is in free pages too: older versions of what is elsewhere, and deleted things.
            meta: Which meta to believe; None takes the newest valid one.
        """
        self._file = file
        self._old = old
        self._slot = meta
        self.report = Report(file.page_size)

    def blocks(self, progress: Callable[[int], None]) -> Iterator[bytes]:
        """Yield an export of all that can be read, in blocks of whole lines; `importing` can read it.

        Args:
            progress: Told how many pages more are done; each page is done twice.
        """
        file, report = self._file, self.report
        out = Output(file.survey(progress))
        base = find_base(file, report, self._slot)
        walk = Walk(file, out, report, base.free)
        told = 0
        for _ in self._everything(base, walk, out):
            if out.is_full:
                yield out.take()
                progress(walk.claimed - told)
                told = walk.claimed
        report.unreadable = file.unreadable
        out.end()
        yield out.take()

    def _everything(self, base: Base, walk: Walk, out: Output) -> Iterator[None]:
        root = Place((), base.sequence, "placed")
        out.enter(root)
        faults = self.report.faults
        if base.root is not None:
            yield from walk.run(root, base.root)
        strays = self._strays(base, walk, is_whole=self.report.faults == faults + walk.free_in_use)
        yield from self._into_gaps(strays, walk, out)
        tops = self._tops(strays, walk)
        for pgid in [*tops, *strays]:  # what stands in a circle has no top
            if not walk.visits[pgid]:
                out.note(f"page {pgid}: the way to its bucket is lost")
                yield from walk.run(out.lost(pgid), pgid, only_new=True)

    def _strays(self, base: Base, walk: Walk, *, is_whole: bool) -> list[Pgid]:
        """Return the leaves and branches that no tree has, and that are not free.

        Args:
            base: Where the walk began.
            walk: The walk.
            is_whole: Whether it met no fault but pages that the freelist has too.
        """
        all_free = is_whole and not base.knows_free
        found = []
        for pgid in range(2, self._file.page_count):
            if not self._file.is_tree_page(pgid) or walk.visits[pgid]:
                continue
            if (base.free[pgid] or all_free) and not self._old:
                self.report.old_pages += 1
            elif not walk.covered[pgid] or self._is_sound(pgid):
                found.append(pgid)
        return found

    def _is_sound(self, pgid: Pgid) -> bool:
        page = self._file.page(pgid)
        return page is not None and bool(page.items.spots) and not page.doubts

    def _tops(self, strays: list[Pgid], walk: Walk) -> list[Pgid]:
        """Return those to which none of the others leads."""
        below = bytearray(self._file.page_count)
        for pgid in strays:
            page = None if walk.visits[pgid] else self._file.page(pgid)
            if page is not None:
                for child in links(self._file, page):
                    if self._file.is_tree_page(child):
                        below[child] = 1
        return [pgid for pgid in strays if not below[pgid]]

    def _into_gaps(self, strays: list[Pgid], walk: Walk, out: Output) -> Iterator[None]:
        """Put those strays into buckets that fit one gap only, and no other stray there."""
        if not walk.gaps or len(strays) > _MOST_TO_MATCH:
            return
        tops = self._tops(strays, walk)
        ranges = sorted(found for pgid in tops if (found := self._range(pgid)) is not None)
        firsts = [first for first, _, _ in ranges]
        fitting: dict[Pgid, list[Gap]] = {}
        work = _MOST_TO_TRY
        for gap in walk.gaps:
            start = bisect_right(firsts, gap.low)
            stop = len(firsts) if gap.high is None else bisect_left(firsts, gap.high)
            work -= stop - start
            if work < 0:
                return
            for _, last, pgid in ranges[start:stop]:
                if (gap.high is None or last < gap.high) and self._could_be_in(gap, pgid):
                    gaps = fitting.setdefault(pgid, [])
                    if len(gaps) < 2:
                        gaps.append(gap)
        places: dict[int, Place] = {}
        for first, _, pgid in ranges:
            gaps = fitting.get(pgid, [])
            if len(gaps) != 1 or walk.visits[pgid]:
                continue
            gap = gaps[0]
            place = places.get(id(gap))
            if place is None:
                place = Place(gap.place.path, gap.place.sequence, "matched")
                place.last, place.high = gap.low, gap.high
                places[id(gap)] = place
            if place.takes(first):
                out.note(f"page {pgid}: this is the only place for its keys")
                yield from walk.run(place, pgid, only_new=True)

    def _range(self, pgid: Pgid) -> tuple[bytes, bytes, Pgid] | None:
        page = self._file.page(pgid)
        if page is None or not page.items.spots:
            return None
        return self._file.key(page, 0), self._file.key(page, len(page.items.spots) - 1), pgid

    def _could_be_in(self, gap: Gap, pgid: Pgid) -> bool:
        """Return whether a page could be a part of the bucket: the root bucket holds buckets, as a rule."""
        return bool(gap.place.path) or has_only_buckets(self._file, pgid)
