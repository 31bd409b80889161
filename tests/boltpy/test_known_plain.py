"""What is known of plain buckets: kept by path, forgotten with all that is below, and never without limit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from boltpy.known_plain import _LIMIT, LookedTo, Path, PlainBuckets

PATHS = st.lists(st.sampled_from([b"a", b"b"]), max_size=4).map(tuple)
STEPS = st.lists(
    st.tuples(st.just("learn"), st.dictionaries(PATHS, st.none() | st.just(b"k"), max_size=4))
    | st.tuples(st.sampled_from(["forget", "forget_one"]), PATHS.filter(bool)),
    max_size=20,
)


@given(STEPS)
def test_it_knows_what_a_dict_of_paths_would(steps: list[tuple[str, dict[Path, LookedTo] | Path]]) -> None:
    known, model = PlainBuckets(), dict[Path, LookedTo]()
    for step, told in steps:
        if isinstance(told, dict):
            known.learn(told)
            model |= told
        elif step == "forget":
            known.forget(told)
            model = {path: to for path, to in model.items() if path[: len(told)] != told}
        else:
            known.forget_one(told)
            model.pop(told, None)
        for path in {*model, (), (b"a",), (b"b", b"a"), (b"a", b"b", b"a", b"a", b"a")}:
            assert known.looked_to(path) == model.get(path, b"")


def test_there_is_a_limit_to_what_is_kept() -> None:
    known = PlainBuckets()
    paths: list[Path] = [(b"%d" % i,) for i in range(3 * _LIMIT)]
    for path in paths:
        known.learn({path: None})
    assert sum(known.looked_to(path) is None for path in paths) <= _LIMIT
    known.learn(dict.fromkeys(paths))
    assert sum(known.looked_to(path) is None for path in paths) <= _LIMIT
