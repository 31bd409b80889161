"""What has a name that storm or Gofer need for something else ends no command: it is found and set aside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import boltpy
from engine.tools.exporting import export_lines, import_lines
from engine.tools.kinds import ASIDE

from .gofer_files import unpack
from .hostile import raw
from .making import int_key
from .test_checking import (
    BY_CREATED,
    BY_ID,
    IDS,
    METADATA,
    NAMESPACE,
    PIPELINE,
    REGISTRY,
    RUN,
    Change,
    at,
    findings,
    mended,
    names_of,
)


def swap(*path: bytes, holds: Callable[[boltpy.Bucket], object] = lambda bucket: bucket.put(b"x", b"y")) -> Change:
    """Put a bucket in the place of a pair, or a pair in the place of a bucket or of nothing."""

    def change(tx: boltpy.Tx) -> None:
        around = at(tx, *path[:-1])
        if around.get(path[-1]) is not None:
            around.delete(path[-1])
            holds(around.create_bucket(path[-1]))
            return
        if around.bucket(path[-1]) is not None:
            around.delete_bucket(path[-1])
        around.put(path[-1], b"{}")

    return change


# Where a pair of gofer_small.db becomes a bucket or the other way round, and the errors that this makes.
SWAPPED: dict[tuple[bytes, ...], set[str]] = {
    (b"__storm_db",): {"version"},
    (b"__storm_db", b"version"): {"version"},
    (b"__storm_db", METADATA): set(),
    (b"__storm_db", METADATA, b"codec"): set(),
    REGISTRY: {"registry-missing"},
    (b"events",): set(),
    (*REGISTRY, METADATA): {"metadata-missing"},
    (*REGISTRY, b'{"Namespace":"default","Pipeline":"simple","Run":2}'): set(),
    (*PIPELINE, METADATA): {"metadata-missing"},
    (*PIPELINE, METADATA, b"codec"): {"codec"},
    (*RUN, METADATA): {"metadata-missing", "counter-behind"},
    (*RUN, METADATA, b"IDcounter"): {"counter-behind"},
    (*RUN, BY_ID): {"index-missing"},
    (*RUN, BY_ID, int_key(1)): {"index-entry-missing"},
    (*PIPELINE, *BY_CREATED): {"index-missing"},
    (*PIPELINE, *BY_CREATED, int_key(1625814215000) + b"__simple"): {"index-entry-missing"},
    (*PIPELINE, *IDS, b"simple"): {"index-entry-missing"},
    (b"default", b"simple", b"Run"): set(),
    (b"default", b"simple", b"1", b"TaskRun"): set(),
}


@pytest.mark.parametrize("path", SWAPPED, ids=repr)
def test_it_is_found_and_set_aside_as_it_is(tmp_path: Path, path: tuple[bytes, ...]) -> None:
    def fill(bucket: boltpy.Bucket) -> None:
        bucket.sequence = 7
        bucket.put(b"x", b"y")
        bucket.create_bucket(b"Run").create_bucket(METADATA).put(b"codec", b"gob")

    source = unpack("small", tmp_path)
    with boltpy.open(source, no_sync=True) as db, db.update() as tx:
        swap(*path, holds=fill)(tx)
    assert names_of(findings(source)) == {"name-taken"} | SWAPPED[path]
    copy = mended(source)
    assert names_of(findings(copy)) == set()
    with boltpy.open(copy, read_only=True) as db, db.view() as tx:
        kept = at(tx, ASIDE, *path[:-1])
        bucket = kept.bucket(path[-1])
        if bucket is None:
            assert list(kept.items()) == [(path[-1], b"{}")]
        else:
            assert (bucket.sequence, list(bucket.items())) == (7, [(b"Run", None), (b"x", b"y")])
            assert list(at(tx, ASIDE, *path, b"Run", METADATA).items()) == [(b"codec", b"gob")]


# Without storm's own bucket it is no file of storm's, and not exported.
@pytest.mark.parametrize("path", [path for path in SWAPPED if path != (b"__storm_db",)], ids=repr)
def test_an_export_has_it_too(tmp_path: Path, path: tuple[bytes, ...]) -> None:
    source = unpack("small", tmp_path)
    with boltpy.open(source, no_sync=True) as db, db.update() as tx:
        swap(*path)(tx)
    import_lines(export_lines(source), tmp_path / "copy.db")
    assert raw(tmp_path / "copy.db") == raw(source)


LONG = b"x" * 32768
TOO_LONG = {
    (*REGISTRY, b'{"Namespace":"%s","Pipeline":"p","Run":1}' % (b"<" * 6000)): (b"{}", "registration-unreadable"),
    (*PIPELINE, LONG): (b'{"id":"%s","created":1}' % LONG, "key-unusable"),
}


@pytest.mark.parametrize("path", TOO_LONG, ids=range(len(TOO_LONG)))
def test_what_gofers_spelling_or_index_has_no_room_for_is_set_aside(tmp_path: Path, path: tuple[bytes, ...]) -> None:
    source = unpack("small", tmp_path)
    value, name = TOO_LONG[path]
    with boltpy.open(source, no_sync=True) as db, db.update() as tx:
        at(tx, *path[:-1]).put(path[-1], value)
    assert names_of(findings(source)) == {name}
    copy = mended(source)
    assert names_of(findings(copy)) == set()
    with boltpy.open(copy, read_only=True) as db, db.view() as tx:
        assert list(at(tx, ASIDE, *path[:-1]).items()) == [(path[-1], value)]


def test_an_id_that_fills_a_key_is_fine_where_no_index_lists_it(tmp_path: Path) -> None:
    source = unpack("small", tmp_path)
    with boltpy.open(source, no_sync=True) as db, db.update() as tx:
        at(tx, *PIPELINE).put(LONG, b'{"id":"%s","created":0}' % LONG)
        at(tx, *PIPELINE, BY_ID).put(LONG, LONG)
    assert names_of(findings(source)) == set()
    assert raw(mended(source)) == raw(source)


def test_what_is_set_aside_goes_into_no_ones_place(tmp_path: Path) -> None:
    path = unpack("small", tmp_path)
    with boltpy.open(path, no_sync=True) as db, db.update() as tx:
        at(tx).put(ASIDE, b"mine")
        at(tx, *NAMESPACE).put(b"n", b"{")
    with boltpy.open(mended(path), read_only=True) as db, db.view() as tx:
        assert at(tx)[ASIDE] == b"mine"
        assert at(tx, ASIDE + b"_", *NAMESPACE)[b"n"] == b"{"
