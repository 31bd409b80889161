"""Which pages lead to a key: to know where to cut in a file whose trees cannot be trusted to be in order."""

from __future__ import annotations

from collections.abc import Iterator

from .errors import CorruptError
from .format import BUCKET_ENTRY, BUCKET_HEADER, BUCKET_HEADER_SIZE, MAX_DEPTH, Pgid
from .hot.raw_page import BAD_INLINE, TOO_DEEP, RawPage, corrupt, load_inline
from .page_items import elements, key_of, tree_page
from .raw_file import RawFile


def paths_to_key(file: RawFile, key: bytes) -> Iterator[tuple[Pgid, ...]]:
    """Yield the pages from the root down to each leaf that has a key or a bucket of this name, in any bucket.

    All pages are looked at, since keys out of order would hide it. A small bucket is in its parent's page.

    Raises:
        CorruptError: A page breaks the format, or the pages lead in a circle. What was found before stands.
    """
    seen: set[Pgid] = set()
    waiting: list[tuple[Pgid, tuple[Pgid, ...], int]] = [(file.meta.root, (), 0)]
    while waiting:
        pgid, above, level = waiting.pop()
        if pgid in above:
            raise CorruptError(pgid, f"cycle detected: the page is below itself, behind {' '.join(map(str, above))}")
        if pgid in seen:
            raise CorruptError(pgid, "the page is in the trees twice")
        if level >= MAX_DEPTH:
            raise corrupt(TOO_DEEP, pgid, MAX_DEPTH)
        seen.add(pgid)
        page, path = tree_page(*file.page(pgid)), (*above, pgid)
        if page.is_leaf:
            found, roots = _leaf(page, key)
            if found:
                yield path
            waiting += [(root, path, 0) for root in reversed(roots)]
        else:
            waiting += [(element.child, path, level + 1) for element in reversed([*elements(page)])]


def _leaf(page: RawPage, key: bytes) -> tuple[bool, list[Pgid]]:
    """Return whether a leaf, or a bucket stored in it, has a key, and the root pages of the buckets in it."""
    found, roots = False, []
    for element in elements(page):
        found = found or key_of(page, element) == key
        if element.flags & BUCKET_ENTRY:
            if element.vsize < BUCKET_HEADER_SIZE:
                raise corrupt(BAD_INLINE, page.pgid, element.vsize)
            root = BUCKET_HEADER.unpack_from(page.map, element.value_at)[0]
            if root:
                roots.append(root)
                continue
            at, size = element.value_at + BUCKET_HEADER_SIZE, element.vsize - BUCKET_HEADER_SIZE
            inline = load_inline(page.map, at, size)
            found = found or any(key_of(inline, inner) == key for inner in elements(inline))
    return found, roots
