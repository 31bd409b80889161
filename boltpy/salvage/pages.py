"""The items of one page that may be damaged: which of them can be relied on, and which may only be guessed.

Bolt packs a page: keys and values lie behind the elements in their order and without gaps. So each element is
confirmed by its neighbours: it begins where the one before ends, and ends where the next begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..format import (
    BRANCH_ELEMENT,
    ELEMENT_SIZE,
    HEADER_SIZE,
    LEAF_ELEMENT,
    MAX_VALUE_SIZE,
)

# key_at, value_at, end and tag of an element, as it states them.
_Place = tuple[int, int, int, int]


class Spot(NamedTuple):
    """Where an item is, in bytes from the start of its page.

    Attributes:
        key_at: The key, up to `value_at`.
        value_at: The value, up to `end`.
        end: Where the value ends.
        tag: The flags of a leaf's element, the child of a branch's.
        is_sound: Whether its neighbours confirm it.
    """

    key_at: int
    value_at: int
    end: int
    tag: int
    is_sound: bool


class Items(NamedTuple):
    """The items of a page.

    Attributes:
        spots: Those that can be read, in the order of their elements; none shares a byte with another.
        missing: How many elements lead nowhere.
        doubts: What is wrong, in words.
    """

    spots: list[Spot]
    missing: int
    doubts: list[str]

    @property
    def sound_count(self) -> int:
        """How many of them are sound."""
        return sum(spot.is_sound for spot in self.spots)


def read_items(elements: bytes, count: int, *, is_leaf: bool, stated: int, room: int) -> Items:
    """Return the items of a page.

    Where the count in the header does not fit, the one that the first element implies is tried as well.

    Args:
        elements: What follows the header; as many elements as the header states, where there are so many, or more.
        count: The number of elements that the header states.
        is_leaf: Whether it is a leaf or a branch.
        stated: Where the page ends by its header, in bytes from its start.
        room: Where the file, or what the page is in, ends.
    """
    possible = len(elements) // ELEMENT_SIZE
    best = Items([], 0, [f"says it has {count} elements, more than fit"])
    if count <= possible:
        best = _items(_unpacked(elements, count, is_leaf=is_leaf), stated, room)
    if not best.doubts or not possible:
        return best
    first = _unpacked(elements, 1, is_leaf=is_leaf)[0][0] - HEADER_SIZE
    implied = first // ELEMENT_SIZE
    if first % ELEMENT_SIZE or implied == count or not 0 < implied <= possible:
        return best
    other = _items(_unpacked(elements, implied, is_leaf=is_leaf), stated, room)
    if other.sound_count <= best.sound_count:
        return best
    doubt = f"says it has {count} elements; it seems to have {implied}"
    return other._replace(doubts=[doubt, *other.doubts])


def _unpacked(elements: bytes, count: int, *, is_leaf: bool) -> list[_Place]:
    """Return (key_at, value_at, end, tag) of each element."""
    part = elements[: count * ELEMENT_SIZE]
    at = range(HEADER_SIZE, HEADER_SIZE + count * ELEMENT_SIZE, ELEMENT_SIZE)
    if is_leaf:
        return [
            (start + pos, start + pos + ksize, start + pos + ksize + vsize, flags)
            for start, (flags, pos, ksize, vsize) in zip(at, LEAF_ELEMENT.iter_unpack(part), strict=True)
        ]
    return [
        (start + pos, start + pos + ksize, start + pos + ksize, child)
        for start, (pos, ksize, child) in zip(at, BRANCH_ELEMENT.iter_unpack(part), strict=True)
    ]


def _items(places: Sequence[_Place], stated: int, room: int) -> Items:
    first = HEADER_SIZE + len(places) * ELEMENT_SIZE
    # Each item begins where the one before ended.
    begins = [first, *(end for _, _, end, _ in places)]
    follows = [key_at for key_at, _, _, _ in places] + [begins[-1]]
    readable = [_is_readable(place, first, room) for place in places]
    sound = [
        is_readable and place[0] == before and place[2] == after
        for is_readable, place, before, after in zip(readable, places, begins, follows[1:], strict=False)
    ]
    if places and places[-1][2] > stated:
        sound[-1] = False
    if all(sound):
        return Items([Spot(*place, True) for place in places], 0, [])
    return _with_doubtful(places, readable, sound, first, stated)


def _is_readable(place: _Place, first: int, room: int) -> bool:
    key_at, value_at, end, _ = place
    return first <= key_at < value_at <= end <= room and end - value_at <= MAX_VALUE_SIZE


def _with_doubtful(
    places: Sequence[_Place],
    readable: Sequence[bool],
    sound: Sequence[bool],
    first: int,
    stated: int,
) -> Items:
    """Add those that are not confirmed, where they fit between those that are."""
    limits = [0] * len(places)
    limit = stated
    for i in reversed(range(len(places))):
        limits[i] = limit
        if sound[i]:
            limit = places[i][0]
    spots: list[Spot] = []
    doubts: list[str] = []
    missing, behind = 0, first
    for i, place in enumerate(places):
        fits = sound[i] or (readable[i] and behind <= place[0] and place[2] <= limits[i])
        if fits and place[0] >= behind:
            spots.append(Spot(*place, sound[i]))
            behind = place[2]
        else:
            missing += 1
        if not sound[i] and len(doubts) < 3:
            doubts.append(f"element {i} is not where its neighbours say" if fits else f"element {i} leads nowhere")
    return Items(spots, missing, doubts)
