"""Gofer databases as no Gofer would leave them: trees of buckets with the right names and anything in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import strategies as st

import boltpy
import engine
from engine.wire import encode_value

from .gofer_files import dump
from .making import Tree, int_key, list_index

NAMES = [
    *(b"Namespace", b"Token", b"DockerRegistryAuth", b"Pipeline", b"Run", b"TaskRun", b"TriggerEvent"),
    *(b"runRegistry", b"events", b"__storm_db", b"__storm_metadata", b"root"),
    *(b"__storm_index_ID", b"__storm_index_Created", b"__storm_index_Started", b"storm__ids"),
    *(b"default", b"p", b"1", b"-5", b"007", b"version", b"codec", b"IDcounter", b"\xff", "名".encode()),
]

_TEXTS = st.sampled_from(["", "default", "p", "1", "Pipeline", "Run", "名<&>\b\u2028", '\\"'])
_NUMBERS = st.sampled_from([-(2**63), -5, -1, 0, 1, 2, 3, 255, 2**53, 2**53 + 1, 2**63 - 1])


def entities() -> st.SearchStrategy[Any]:
    """Entities of every kind that is stored as a value."""
    return st.one_of(
        st.builds(engine.Namespace, id=_TEXTS, name=_TEXTS),
        st.builds(engine.Token, hash=_TEXTS, namespaces=st.none() | st.lists(_TEXTS, max_size=2)),
        st.builds(engine.Pipeline, id=_TEXTS, created=_NUMBERS, last_run_id=_NUMBERS),
        st.builds(engine.Run, id=_NUMBERS, started=_NUMBERS, task_runs=st.none() | st.lists(_TEXTS, max_size=2)),
        st.builds(engine.TaskRun, id=_TEXTS, created=_NUMBERS, started=_NUMBERS),
        st.builds(engine.TriggerEvent, id=_NUMBERS, unknown=st.sampled_from([{}, {"more": '{"a": [1.5]}'}])),
        st.builds(engine.Event, event_id=_NUMBERS, kind=_TEXTS),
    )


def values() -> st.SearchStrategy[bytes]:
    """JSON of entities, the same with a piece of it changed, and other bytes."""
    stored = entities().map(engine.encode)
    mutated = st.builds(
        lambda data, at, piece: data[: at % len(data)] + piece + data[at % len(data) + 1 :],
        stored,
        st.integers(0, 1000),
        st.sampled_from([b"", b" ", b"\n", b"\xff", b'"', b"0", b"}"]),
    )
    others = st.sampled_from(
        [b"", b"{}", b"null", b"[]", b"json", b'"2.0.0"', b"\x00" * 8, int_key(3), b'{"id":1,"id":2}']
    )
    return stored | mutated | others


def keys() -> st.SearchStrategy[bytes]:
    """Keys as Gofer has them, and others."""
    registered = st.builds(engine.RunRegistryKey, _TEXTS, _TEXTS, _NUMBERS).map(encode_value)
    texts = st.sampled_from(
        [b"default", b"p", b"1", b"x", b"\xff", "名<&>".encode(), b"version", b"codec", b"IDcounter"]
    )
    # A pair may have the name of a bucket of storm's or Gofer's.
    return registered | _NUMBERS.map(int_key) | texts | st.sampled_from(NAMES) | st.binary(min_size=1, max_size=9)


def trees() -> st.SearchStrategy[Tree]:
    """What lies in the root bucket."""
    leaf = st.dictionaries(keys(), values(), max_size=4)

    def nest(inner: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
        buckets = st.dictionaries(st.sampled_from(NAMES) | keys(), inner, max_size=4)
        return st.builds(lambda pairs, nested: pairs | nested, leaf, buckets)

    inner = st.recursive(leaf, nest, max_leaves=12)
    return st.dictionaries(st.sampled_from(NAMES), inner, max_size=5)


def with_sequences(path: Path, numbers: list[int]) -> None:
    """Give the first buckets of a file these sequences."""
    with boltpy.open(path, no_sync=True) as db, db.update() as tx:
        for number, (_, bucket) in zip(numbers, tx.buckets(), strict=False):
            bucket.sequence = number


def raw(path: Path) -> list[dict[str, Any]]:
    """All buckets and pairs of a file; found unsound, it fails."""
    with boltpy.open(path, read_only=True) as db, db.view() as tx:
        assert list(tx.check()) == []
        return list(dump(tx))


def storms(records: Tree, *, counter: int = 0, **indexes: list[tuple[int, bytes]]) -> Tree:
    """A bucket of records as storm leaves it. Args: `indexes`, for each list index its values and ids."""
    ids = {key: key for key, value in records.items() if isinstance(value, bytes)}
    metadata = {b"codec": b"json"} | ({b"IDcounter": int_key(counter)} if counter else {})
    own: Tree = {b"__storm_metadata": metadata, b"__storm_index_ID": ids}
    for field, entries in indexes.items():
        own[f"__storm_index_{field.capitalize()}".encode()] = list_index(entries)
    return own | records
