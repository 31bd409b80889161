"""Checks a whole file and goes on after each problem (bbolt: Tx.Check, with its texts).

Damaged bytes are what it is for: no page is walked twice, so cycles end, and every offset goes through the checks of
hot.pure_read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from .errors import CorruptError
from .format import (
    BUCKET_ENTRY,
    BUCKET_HEADER,
    BUCKET_HEADER_SIZE,
    FREELIST,
    MAX_DEPTH,
    NO_FREELIST,
    PAGE_HEADER,
    Pgid,
    page_type_name,
)
from .freelist_page import own_pages
from .hot.raw_page import RawPage, Source, load_inline, load_page
from .meta import Meta


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a file. `str(problem)` says it in bbolt's words.

    Attributes:
        text: What is wrong.
        pgid: The page at fault, None where it is none in particular.
    """

    text: str
    pgid: Pgid | None

    def __str__(self) -> str:
        return self.text


class Checker:
    """One check of one snapshot."""

    def __init__(
        self,
        pages: Source,
        meta: Meta,
        free: Sequence[Pgid],
        progress: Callable[[int], object] | None = None,
        show_key: Callable[[bytes], str] = bytes.hex,
    ) -> None:
        """Check the pages of `meta`; `free` are all free and pending pages, `progress` hears how many were reached."""
        self._show_key = show_key
        self._pages = pages
        self._progress = progress
        self._meta = meta
        self._free_list = free
        self._free = set(free)
        self._reached: set[Pgid] = {0, 1}
        # Buckets wait here instead of on Python's stack: bolt sets no limit to nesting.
        self._roots: deque[tuple[Pgid, list[Pgid]]] = deque()

    def everything(self) -> Iterator[Problem]:
        """Yield what is wrong with the freelist, with each tree, and with pages that nobody owns."""
        seen: set[Pgid] = set()
        for pgid in self._free_list:
            if pgid in seen:
                yield Problem(f"page {pgid}: already freed", pgid)
            seen.add(pgid)
        yield from self._freelist_pages()
        yield from self._trees(self._meta.root)
        # A hostile high-water mark must not make this loop long: pages beyond the file are one problem.
        mapped = self._pages.length // self._pages.page_size
        for pgid in range(min(self._meta.hwm, mapped)):
            if pgid not in self._reached and pgid not in self._free:
                yield Problem(f"page {pgid}: unreachable unfreed", pgid)
        if self._meta.hwm > mapped:
            yield Problem(f"high-water mark {self._meta.hwm} lies beyond the file, which ends at page {mapped}", None)

    def below(self, pgid: Pgid) -> Iterator[Problem]:
        """Yield what is wrong with the tree at a page and with all buckets nested in it."""
        for _ in self._freelist_pages():  # a check of the whole file tells
            pass
        yield from self._trees(pgid)

    def _freelist_pages(self) -> Iterator[Problem]:
        """Take note of the pages of the freelist, and yield what is wrong with them."""
        first = self._meta.freelist
        at = first * self._pages.page_size
        if first == NO_FREELIST or at + PAGE_HEADER.size > self._pages.length:
            return
        try:
            own = own_pages(self._pages.map, first, self._pages.page_size, self._meta.hwm)
        except CorruptError as error:
            _, flags, _, overflow = PAGE_HEADER.unpack_from(self._pages.map, at)
            if flags == FREELIST:  # else it was told that this is none
                yield Problem(str(error), first)
            own = range(first, min(first + overflow + 1, self._meta.hwm))
        self._reached.update(own)
        for pgid in sorted(self._free.intersection(own)):
            yield Problem(f"page {pgid}: reachable freed", pgid)

    def _trees(self, pgid: Pgid) -> Iterator[Problem]:
        self._roots.append((pgid, []))
        while self._roots:
            root, stack = self._roots.popleft()
            yield from self._page(root, None, None, stack)[0]

    def _page(
        self, pgid: Pgid, low: bytes | None, high: bytes | None, above: list[Pgid]
    ) -> tuple[list[Problem], bytes | None]:
        """Return the problems of a page and all below it, and the last key there."""
        if self._progress is not None:
            self._progress(len(self._reached))
        stack = [*above, pgid]
        shown = "[" + " ".join(map(str, stack)) + "]"
        if len(stack) > MAX_DEPTH:
            return [Problem(f"page {pgid}: lies deeper than {MAX_DEPTH} levels (stack: {shown})", pgid)], None
        try:
            page = load_page(self._pages, pgid)
        except CorruptError as error:
            self._reached.add(pgid)
            return [Problem(f"{error} (stack: {shown})", pgid)], None
        problems: list[Problem] = []
        again = False
        for part in range(pgid, pgid + page.pages):
            if part in self._reached:
                problems.append(Problem(f"page {part}: multiple references (stack: {shown})", part))
                again = True
            self._reached.add(part)
        if pgid in self._free:
            problems.append(Problem(f"page {pgid}: reachable freed", pgid))
        if again:  # going on would report everything below a second time, or never end
            return problems, None
        kind = "leaf" if page.is_leaf else "branch"
        if not page.item_count and (low is not None or not page.is_leaf):
            problems.append(Problem(f"page {pgid}: {kind} has no elements (stack: {shown})", pgid))
        previous = low
        for i in range(page.item_count):
            try:
                element = page.element(i)
                key = page.key(i)
            except CorruptError as error:
                problems.append(Problem(f"{error} (stack: {shown})", pgid))
                continue
            self._check_order(problems, i, key, previous, high, kind, pgid if page.is_leaf else element.child, shown)
            previous = key
            if page.is_leaf:
                if element.flags & BUCKET_ENTRY:
                    self._bucket(problems, page, element.value_at, element.vsize, key)
                continue
            following = high
            if i + 1 < page.item_count:
                try:
                    following = page.key(i + 1)
                except CorruptError:
                    following = None
            below, last = self._page(element.child, key, following, stack)
            problems += below
            previous = last if last is not None else key
        return problems, previous

    def _check_order(
        self,
        problems: list[Problem],
        i: int,
        key: bytes,
        previous: bytes | None,
        high: bytes | None,
        kind: str,
        pgid: Pgid,
        shown: str,
    ) -> None:
        what = f"key[{i}]=(hex){self._show_key(key)} on {kind} page({pgid}) needs to be"
        before = self._show_key(previous) if previous is not None else ""
        if previous is not None and i == 0 and previous > key:
            problems.append(Problem(f"the first {what} >= the key in the ancestor ({before}). Stack: {shown}", pgid))
        if previous is not None and i > 0 and previous >= key:
            sign = "=" if previous == key else "<"
            text = f"{what} > (found {sign}) than previous element (hex){before}. Stack: {shown}"
            problems.append(Problem(text, pgid))
        if high is not None and key >= high:
            text = f"{what} < than key of the next element in ancestor (hex){before}. Pages stack: {shown}"
            problems.append(Problem(text, pgid))

    def _bucket(self, problems: list[Problem], page: RawPage, at: int, size: int, name: bytes) -> None:
        """Look at a nested bucket: inline ones at once, others later."""
        bucket = f"bucket {self._show_key(name)}"
        if size < BUCKET_HEADER_SIZE:
            problems.append(Problem(f"page {page.pgid}: {bucket} has a value of {size} bytes", page.pgid))
            return
        root = BUCKET_HEADER.unpack_from(page.map, at)[0]
        if root:
            self._roots.append((root, []))
            return
        try:
            inline = load_inline(page.map, at + BUCKET_HEADER_SIZE, size - BUCKET_HEADER_SIZE)
            keys = [inline.key(i) for i in range(inline.item_count)]
        except CorruptError as error:
            problems.append(Problem(f"page {page.pgid}: inline {bucket}: {error.reason}", page.pgid))
            return
        if any(inline.element(i).flags & BUCKET_ENTRY for i in range(inline.item_count)):
            problems.append(Problem(f"page {page.pgid}: inline {bucket} holds a nested bucket", page.pgid))
        if any(left >= right for left, right in zip(keys, keys[1:], strict=False)):
            problems.append(Problem(f"page {page.pgid}: inline {bucket}: keys are out of order", page.pgid))


def page_type(pages: Source, pgid: Pgid) -> tuple[str, int, int]:
    """Return the type, the element count and the overflow count that a page's header states."""
    _, flags, count, overflow = PAGE_HEADER.unpack_from(pages.map, pgid * pages.page_size)
    return page_type_name(flags), count, overflow
