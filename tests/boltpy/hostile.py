"""Page images that no honest writer leaves: made up, and sound ones with one number changed; every way to read one."""

from __future__ import annotations

import random
from functools import partial
from typing import Any

from hypothesis import strategies as st

from tests.boltpy.rawfile import BRANCH, HEADER, LEAF
from tests.boltpy.twins import Image, Twin, View, outcome

PAGE = 256
"""Bytes a page: small, so that the numbers drawn often meet its limits."""

KEYS = st.one_of(st.binary(min_size=1, max_size=4), st.sampled_from([b"\x00", b"\xff" * 9, b"k" * 100, b"k" * 101]))


@st.composite
def hostile_images(draw: st.DrawFn) -> Image:
    """Pages whose headers are near enough to right ones that the elements are looked at."""
    count = draw(st.integers(1, 5))
    small = st.integers(0, PAGE)
    number = small | st.sampled_from([2**31, 2**32 - 1, 2**32 - 16])
    pages = []
    for pgid in range(2, count + 2):
        body = draw(st.binary(min_size=PAGE - HEADER.size, max_size=PAGE - HEADER.size))
        elements = b"".join(
            LEAF.pack(*element) for element in draw(st.lists(st.tuples(number, number, number, number), max_size=6))
        ) + b"".join(
            BRANCH.pack(*element)
            for element in draw(st.lists(st.tuples(small, st.integers(1, 9), st.integers(0, 9)), max_size=6))
        )
        header = HEADER.pack(
            draw(st.just(pgid) | st.just(pgid) | st.integers(0, 2**64 - 1)),
            draw(st.sampled_from([1, 1, 2, 2, 2, 0, 3, 16, 0xFFFF])),
            draw(st.integers(0, 8) | st.integers(0, 0xFFFF)),
            draw(st.sampled_from([0, 0, 0, 1, 2, 2**32 - 1])),
        )
        pages.append(header + (elements + body)[: PAGE - HEADER.size])
    hwm = draw(st.integers(0, count + 4))
    return Image(PAGE, bytes(2 * PAGE) + b"".join(pages), draw(st.integers(2, count + 3)), hwm=hwm)


def with_one_number_changed(rng: random.Random, image: Image) -> Image:
    """A copy with another number of 1 to 8 bytes somewhere, mostly near the start of a page."""
    page_size = image.page_size
    size = rng.choice([1, 2, 4, 8])
    number = rng.choice([0, 1, 2, 3, rng.randrange(image.hwm), rng.randrange(page_size), 2 ** (8 * size) - 1])
    at = rng.choice([rng.randrange(100), rng.randrange(page_size - 8)])
    at += rng.randrange(2, image.hwm) * page_size
    return image.patched(at, (number % 2 ** (8 * size)).to_bytes(size, "little"))


def reads(twin: Twin, image: Image, probes: list[bytes], length: int | None = None) -> list[Any]:
    """What every way of reading answers."""
    view = View(twin, image, length=length)
    marks = bytearray(image.hwm // 8 + 1)
    found: list[Any] = [twin.get_many(view.tree, image.data, probes), twin.places(view.tree, probes)]
    found += [outcome(partial(twin.mark_pages, view.tree, marks)), marks]
    found += [twin.get(view.tree, probe, len(probe)) for probe in probes]
    pgids = range(2, image.hwm)
    for joined in ([2], [3, 2], pgids):
        found.append(outcome(partial(twin.join_leaves, view.source, joined)))
    found += [outcome(partial(twin.find, view.tree, probe)) for probe in probes]
    for how in range(8):
        for key, bound in ((None, None), (probes[0], None), (probes[0], probes[-1])):
            found.append(outcome(partial(twin.scan, view.tree, image.data, key, bound, how, 300)))
    return found
