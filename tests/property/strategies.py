"""What the property tests draw: few keys that often meet, sizes on both sides of every limit of a small page."""

from __future__ import annotations

from hypothesis import strategies as st

PAGE_SIZE = 1024

NAMES = st.sampled_from([b"a", b"b", b"bucket", b"k\x00", b"zz"])
"""Names of buckets; some of them are also keys."""

KEYS = st.one_of(
    st.sampled_from([b"a", b"b", b"ba", b"bucket", b"k", b"k\x00", b"\x00", b"\xff", b"\xff\xff", b"m" * 300]),
    st.binary(min_size=1, max_size=3),
    st.integers(0, 999).map(lambda number: b"%03d" % number),
)

SIZES = st.one_of(
    st.integers(0, 40),
    st.sampled_from([100, 200, 223, 224, 225, 500, 990, 1000, 1024, 2100, 5000]),
)

VALUES = st.builds(lambda size, fill: bytes([fill]) * size, SIZES, st.integers(0, 255))

RUNS = st.builds(
    lambda start, count, step, size: {b"%03d" % ((start + i * step) % 1000): b"x" * size for i in range(count)},
    st.integers(0, 999),
    st.integers(1, 150),
    st.integers(1, 7),
    st.sampled_from([0, 8, 30, 90, 300]),
)
"""Many pairs at once, enough to make a tree of several levels."""

BOUNDS = st.one_of(st.none(), KEYS)
