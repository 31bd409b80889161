"""Which pages join a neighbour after deletes, decided before anything is written (bbolt: node.rebalance).

A node that lost items and is left with a quarter of a page or less (at the default fill percent) joins its left
neighbour, the first child its right one; a node without items leaves its parent; a root with one child hands its
place to the child. bbolt does so node by node in the order of a map, so its result differs from run to run; here no
page but the root stays below the limit.

The plan is a set of page images that stand in for committed pages ("overrides"): a virtual tree in which neighbours
are joined already and branches list the remaining children. The merge then runs over it as over any other tree.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from .format import ELEMENT_SIZE, HEADER_SIZE, MAX_PAGE_ITEMS, Pgid
from .hot import WeakLeaf
from .hot.pure_node import Child, branch_children, encode_branch, used_size
from .hot.raw_page import RawPage

Load = Callable[[Pgid], RawPage]
JoinLeaves = Callable[[Sequence[Pgid]], bytes]


class Plan(NamedTuple):
    """What to merge instead of the committed tree.

    Attributes:
        root: The page to start at; 0 if nothing is left of the tree.
        overrides: Images of pages that are joined or lose children.
        freed: Pages that the virtual tree no longer has.
        joined: How many pages went.
    """

    root: Pgid
    overrides: dict[Pgid, bytes]
    freed: array[int]
    joined: int


@dataclass(slots=True)
class _Leaf:
    """A leaf, or several that are joined; `size` and `count` are what the changes leave."""

    key: bytes
    pages: list[RawPage]
    size: int
    count: int

    @property
    def is_empty(self) -> bool:
        return not self.count


@dataclass(slots=True)
class _Branch:
    """A branch, or several that are joined, with its remaining children."""

    key: bytes
    pages: list[RawPage]
    children: list[_Node | Child] = field(default_factory=list)
    changed: bool = False

    @property
    def is_empty(self) -> bool:
        return not self.children

    def is_at_most(self, size: int) -> bool:
        """Return whether it takes at most `size` bytes."""
        left = size - HEADER_SIZE - ELEMENT_SIZE * len(self.children)
        return left >= 0 and left >= sum(
            [len(child[0] if isinstance(child, tuple) else child.key) for child in self.children]
        )


_Node = _Leaf | _Branch


class _Planner:
    def __init__(self, load: Load, join_leaves: JoinLeaves, limit: int) -> None:
        self._load = load
        self._join_leaves = join_leaves
        self._limit = limit
        self.dropped: list[RawPage] = []
        self.overrides: dict[Pgid, bytes] = {}

    def branch(self, key: bytes, page: RawPage, weak: Sequence[WeakLeaf]) -> _Branch:
        """Return what is left of a branch; `weak` are the weak leaves below it, in key order."""
        node = _Branch(key, [page])
        items = branch_children(page)
        keys = [first for first, _ in items]
        slot = done = 0
        while done < len(weak) and slot < len(keys):
            before, slot = slot, max(bisect_right(keys, weak[done].key, slot) - 1, slot)
            self._append_untouched(node, items[before:slot])
            start, (first, pgid), slot = done, items[slot], slot + 1
            while done < len(weak) and (slot == len(keys) or weak[done].key < keys[slot]):
                done += 1
            child = self._load(pgid)
            if child.is_leaf:
                self._append(node, _Leaf(first, [child], weak[start].size, weak[start].item_count))
            else:
                self._append(node, self.branch(first, child, weak[start:done]))
        self._append_untouched(node, items[slot:])
        return node

    def _is_weak(self, node: _Node) -> bool:
        if isinstance(node, _Leaf):
            return node.size <= self._limit or node.count <= 1
        return node.changed and (len(node.children) <= 2 or node.is_at_most(self._limit))

    def _append(self, parent: _Branch, node: _Node) -> None:
        if node.is_empty:
            self.dropped += node.pages
            parent.changed = True
            return
        last = parent.children[-1] if parent.children else None
        if last is not None and (self._is_weak(node) or (not isinstance(last, tuple) and self._is_weak(last))):
            left = self._open(last) if isinstance(last, tuple) else last
            if _fit_one_page(left, node):
                parent.children[-1] = left
                self._join(parent, left, node)
                return
        parent.children.append(node)

    def _append_untouched(self, parent: _Branch, items: list[Child]) -> None:
        for i, item in enumerate(items):
            last = parent.children[-1] if parent.children else None
            if last is None or isinstance(last, tuple) or not self._is_weak(last):
                parent.children += items[i:]  # the first of them is not weak, so nothing else joins
                return
            node = self._open(item)
            if _fit_one_page(last, node):
                self._join(parent, last, node)
            else:
                parent.children.append(item)

    def _open(self, untouched: Child) -> _Node:
        """Return an untouched child as a node that can be joined."""
        key, pgid = untouched
        page = self._load(pgid)
        if page.is_leaf:
            return _Leaf(key, [page], used_size(page), page.item_count)
        return _Branch(key, [page], [*branch_children(page)])

    def _join(self, parent: _Branch, left: _Node, right: _Node) -> None:
        """Make `right` a part of its left neighbour."""
        parent.changed = True
        left.pages += right.pages
        if isinstance(left, _Leaf) and isinstance(right, _Leaf):
            left.size += right.size - HEADER_SIZE
            left.count += right.count
        elif isinstance(left, _Branch) and isinstance(right, _Branch):
            left.changed = True
            for child in right.children:
                if isinstance(child, tuple):
                    self._append_untouched(left, [child])
                else:
                    self._append(left, child)

    def settle(self, node: _Node) -> Pgid:
        """Make the images of a node and all below it, and return its page."""
        first, *others = node.pages
        self.dropped += others
        if isinstance(node, _Leaf):
            if others:
                self.overrides[first.pgid] = self._join_leaves([page.pgid for page in node.pages])
            return first.pgid
        children = [child if isinstance(child, tuple) else (child.key, self.settle(child)) for child in node.children]
        if node.changed:
            self.overrides[first.pgid] = encode_branch(first.pgid, children, first.pages - 1)
        return first.pgid


def _fit_one_page(left: _Node, right: _Node) -> bool:
    """Return whether one page can count the items of both: it matters only where pages are huge and items tiny."""
    return sum(page.item_count for page in left.pages + right.pages) <= MAX_PAGE_ITEMS


def plan(root: Pgid, weak: list[WeakLeaf], load: Load, join_leaves: JoinLeaves, limit: int) -> Plan:
    """Decide which pages join a neighbour.

    Args:
        root: The committed root page, a branch.
        weak: What `Merger.weak` found; not empty.
        load: Returns a committed page of the tree.
        join_leaves: Returns the image of several leaves as one (hot.join_leaves).
        limit: Bytes that a page must have more of.

    Raises:
        CorruptError: A page breaks the format.
    """
    planner = _Planner(load, join_leaves, limit)
    top: _Node | Child = planner.branch(b"", load(root), weak)
    while isinstance(top, _Branch) and len(top.children) <= 1:
        planner.dropped += top.pages
        if not top.children:
            break
        top = top.children[0]
    gone = isinstance(top, _Branch) and top.is_empty
    new_root = 0 if gone else top[1] if isinstance(top, tuple) else planner.settle(top)
    freed = array("Q")
    for page in planner.dropped:
        freed.extend(range(page.pgid, page.pgid + page.pages))
    return Plan(new_root, planner.overrides, freed, len(planner.dropped))
