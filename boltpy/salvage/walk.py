"""Walks a tree that may be damaged: what fits together goes to its bucket, all else is kept aside.

In each bucket keys only rise, so whatever a file says, no key comes twice into a bucket.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from operator import lt
from typing import Final

from ..bucket_state import MAX_NESTING
from ..format import (
    BUCKET_ENTRY,
    BUCKET_HEADER,
    BUCKET_HEADER_SIZE,
    HEADER_SIZE,
    LEAF,
    MAX_DEPTH,
    MAX_KEY_SIZE,
    PAGE_HEADER,
    Pgid,
)
from .output import Gap, Output, Place
from .pages import Spot, read_items
from .report import Report
from .source import DamagedFile, Page

# A page may be claimed so often: the first claims may be wrong ones.
_CLAIMS: Final = 3
# So often a page is looked at for that, however many lead to it.
_LOOKS: Final = 16
_MOST_GAPS: Final = 10_000
_LEAST_ROOM_FOR_PATHS: Final = 1 << 24

# What a step of the walk yields: a step to be done before it goes on, or None, when lines may be taken.
Step = Generator["Step | None", None, None]


class _Aside:
    """Where the doubtful items of one page go, each key once."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._taken: set[bytes] = set()

    def takes(self, key: bytes) -> bool:
        """Return whether the key is new, and take note of it."""
        is_new = key not in self._taken
        self._taken.add(key)
        return is_new


class Walk:
    """Walks trees of one file, each page a few times at most.

    Attributes:
        visits: How often each page was claimed.
        covered: 1 for each page that an item of a page before it reaches into.
        gaps: Where something is missing in a bucket.
        claimed: How many pages were claimed so far, overflow included.
        free_in_use: How many of them the freelist has too, overflow not looked at.
    """

    def __init__(self, file: DamagedFile, out: Output, report: Report, free: bytes) -> None:
        """Walk nothing yet.

        Args:
            file: The file.
            out: Where to put what is found.
            report: Where to count it.
            free: 1 for each page that the freelist has.
        """
        self._file = file
        self._out = out
        self._report = report
        self._free = free
        self.visits = bytearray(file.page_count)
        self.covered = bytearray(file.page_count)
        self.gaps: list[Gap] = []
        self.claimed = self.free_in_use = 0
        self._above = bytearray(file.page_count)
        self._looks = bytearray(file.page_count)
        # Bytes that the paths of nested buckets may take together: more than in any file that is not made to do harm.
        self._room_for_paths = 16 * file.size + _LEAST_ROOM_FOR_PATHS
        self._most = _CLAIMS

    def run(self, place: Place, root: Pgid, *, only_new: bool = False) -> Iterator[None]:
        """Walk the tree at the page `root` into a bucket; yields when lines may be taken.

        Args:
            place: The bucket.
            root: The page.
            only_new: Whether to leave out pages that another tree has.
        """
        self._most = 1 if only_new else _CLAIMS
        self._out.enter(place)
        waiting: list[Step] = [self._page(place, root, None, None, 0)]
        while waiting:
            for step in waiting[-1]:
                if step is not None:
                    waiting.append(step)
                    break
                yield
            else:
                waiting.pop()
        place.gap = None

    def _fault(self, place: Place, text: str) -> None:
        """Note that something is missing in a bucket."""
        self._tell(text)
        self._open_gap(place)

    def _tell(self, text: str, *, is_fault: bool = True) -> None:
        if is_fault:
            self._report.fault(text)
        self._out.note(text)

    def _open_gap(self, place: Place) -> None:
        if place.gap is None and len(self.gaps) < _MOST_GAPS:
            place.gap = Gap(place)
            self.gaps.append(place.gap)

    def _page(self, place: Place, pgid: Pgid, high: bytes | None, following: Pgid | None, depth: int) -> Step:
        """Walk a page and all below it.

        Args:
            place: The bucket.
            pgid: The page.
            high: The key of the next child of the branch above: all here should be below it.
            following: That child.
            depth: Levels below the root.
        """
        is_known = pgid < self._file.page_count
        if is_known and self._above[pgid]:
            self._fault(place, f"page {pgid}: lies below itself")
            return
        if is_known and self.visits[pgid] >= self._most:
            self._tell(f"page {pgid}: would be here, but another bucket has it already", is_fault=self._most > 1)
            return
        page = self._look_at(pgid) if depth < MAX_DEPTH else None
        if page is None:
            self._fault(place, f"page {pgid}: no leaf and no branch, but the tree needs it")
            return
        keys = [self._file.key(page, i) for i in range(len(page.items.spots))]
        rising = _rising(keys, page.items.spots)
        if high is not None and keys and following is not None and max(keys) >= high:
            high = max(high, self._first_key(following) or high)
        fitting = [is_rising and place.takes(key, high) for is_rising, key in zip(rising, keys, strict=True)]
        if 2 * sum(fitting) < len(keys):
            self._fault(place, f"page {pgid}: its keys do not belong where the tree has it")
            return
        is_first = self._claim(page)
        for doubt in page.doubts if is_first else ():
            self._tell(f"page {pgid}: {doubt}")
        if page.items.missing:
            self._open_gap(place)
        self._above[pgid] = 1
        if page.is_leaf:
            yield from self._leaf(place, page, keys, fitting, is_first=is_first)
        else:
            yield from self._branch(place, page, keys, rising, high, depth)
        self._above[pgid] = 0

    def _claim(self, page: Page) -> bool:
        """Count a page; True if nobody had it before."""
        pgid = page.pgid
        self.visits[pgid] += 1
        self.claimed += page.pages
        if page.pages > 1:
            self.covered[pgid + 1 : pgid + page.pages] = b"\1" * (page.pages - 1)
        is_first = self.visits[pgid] == 1
        if not is_first:
            self._tell(f"page {pgid}: another bucket has it too")
            return False
        self._report.page(is_leaf=page.is_leaf, doubts=page.doubts)
        if self._free[pgid]:
            self.free_in_use += 1
            self._tell(f"page {pgid}: the freelist has it too", is_fault=self._most > 1)
        return True

    def _look_at(self, pgid: Pgid) -> Page | None:
        if pgid >= self._file.page_count or self._looks[pgid] >= _LOOKS:
            return None
        self._looks[pgid] += 1
        return self._file.page(pgid)

    def _first_key(self, pgid: Pgid) -> bytes | None:
        page = self._look_at(pgid)
        if page is None or not page.items.spots or not page.items.spots[0].is_sound:
            return None
        return self._file.key(page, 0)

    def _branch(
        self, place: Place, page: Page, keys: list[bytes], rising: list[bool], high: bytes | None, depth: int
    ) -> Step:
        children: list[tuple[bytes, Pgid]] = []
        for spot, key, is_rising in zip(page.items.spots, keys, rising, strict=True):
            # Where the key cannot be relied on, that of the child can.
            known = key if is_rising else self._first_key(spot.tag)
            if known is not None and (not children or known > children[-1][0]):
                children.append((known, spot.tag))
        is_whole = len(children) == len(keys) and not page.items.missing
        for i, (_, child) in enumerate(children):
            if not is_whole:
                self._open_gap(place)
            last = i + 1 == len(children)
            bound, following = (high, None) if last else children[i + 1]
            yield self._page(place, child, bound, following, depth + 1)
        if not is_whole:
            self._open_gap(place)

    def _leaf(self, place: Place, page: Page, keys: list[bytes], fitting: list[bool], *, is_first: bool) -> Step:
        # What a second claim finds doubtful, the first has put somewhere.
        aside = _Aside(self._out.doubtful(page.pgid)) if is_first else None
        self._report.missing += page.items.missing
        for spot, key, fits in zip(page.items.spots, keys, fitting, strict=True):
            if fits:
                if place.gap is not None:
                    place.gap.high = key
                    place.gap = None
                place.last = key
                yield from self._item(place, page, spot, key, aside)
            elif aside is not None:
                if aside.takes(key):
                    yield from self._item(aside.place, page, spot, key, aside)
                else:
                    self._report.missing += 1
            if self._out.is_full:
                yield None

    def _item(self, place: Place, page: Page, spot: Spot, key: bytes, aside: _Aside | None) -> Step:
        if not spot.tag & BUCKET_ENTRY:
            self._pair(place, key, self._file.cut(page, spot.value_at, spot.end))
            return
        self._out.enter(place)
        value = self._file.cut(page, spot.value_at, spot.end)
        self._room_for_paths -= 2 * sum(map(len, place.path)) + len(key)
        is_too_deep = len(place.path) >= MAX_NESTING or self._room_for_paths < 0
        if is_too_deep or len(value) < BUCKET_HEADER_SIZE:
            why = f"{len(place.path)} levels deep" if is_too_deep else f"with a value of {len(value)} bytes"
            self._tell(f"page {page.pgid}: a bucket {why}")
            self._report.missing += 1
            return
        root, sequence = BUCKET_HEADER.unpack_from(value)
        nested = place.nested(key, sequence)
        self._out.enter(nested)
        self._report.buckets += 1
        if root:
            yield self._page(nested, root, None, None, 0)
        else:
            self._inline(nested, page.pgid, value[BUCKET_HEADER_SIZE:], aside)

    def _inline(self, place: Place, pgid: Pgid, image: bytes, aside: _Aside | None) -> None:
        """Take the pairs of an inline bucket."""
        flags, count = PAGE_HEADER.unpack_from(image)[1:3] if len(image) >= HEADER_SIZE else (0, 0)
        if flags != LEAF:
            self._tell(f"page {pgid}: an inline bucket that is no leaf")
            return
        items = read_items(image[HEADER_SIZE:], count, is_leaf=True, stated=len(image), room=len(image))
        self._report.missing += items.missing
        for doubt in items.doubts:
            self._tell(f"page {pgid}: inline bucket: {doubt}")
        keys = [image[spot.key_at : spot.value_at] for spot in items.spots]
        doubtful = []
        for spot, key, is_rising in zip(items.spots, keys, _rising(keys, items.spots), strict=True):
            if is_rising and not spot.tag & BUCKET_ENTRY:
                self._pair(place, key, image[spot.value_at : spot.end])
            else:
                doubtful.append((key, image[spot.value_at : spot.end]))
        if aside is None or not doubtful or not aside.takes(place.path[-1]):
            self._report.missing += len(doubtful)
            return
        self._out.enter(aside.place)
        beside, taken = aside.place.nested(place.path[-1], 0), _Aside(aside.place)
        for key, value in doubtful:
            if taken.takes(key):
                self._pair(beside, key, value)
            else:
                self._report.missing += 1

    def _pair(self, place: Place, key: bytes, value: bytes) -> None:
        if len(key) > MAX_KEY_SIZE:  # only a bucket's name may be longer
            self._report.missing += 1
            return
        self._out.pair(place, key, value)
        self._report.pair(place.quality)


def _rising(keys: list[bytes], spots: list[Spot]) -> list[bool]:
    """Return for each item whether it is sound and in order; of two that are not, the one that is odd is out."""
    if all(map(lt, keys, keys[1:])):
        return [spot.is_sound for spot in spots]
    rising = [False] * len(keys)
    sound = [i for i, spot in enumerate(spots) if spot.is_sound]
    last = b""
    for i, following in zip(sound, [*sound[1:], -1], strict=False):
        after = None if following < 0 else keys[following]
        rising[i] = keys[i] > last and (after is None or keys[i] < after or after <= last)
        if rising[i]:
            last = keys[i]
    return rising
