"""Files that `import`, `recover` and `mv` leave: bbolt finds them sound, and finds in them what there was."""

from __future__ import annotations

from pathlib import Path

import boltpy
from tests.boltpy.rawfile import RawFile
from tests.cli.command import printed
from tests.cli.databases import random_database
from tests.models import BucketModel, difference
from tests.real.files import REAL_FILES, unpack

from .changes import update
from .history import History
from .peer import GoPeer


def contents_for_bbolt(peer: GoPeer, path: Path) -> BucketModel:
    with peer.open(path) as go:
        assert go.check() == []
        return go.contents()


def test_what_is_imported_is_sound_and_equal_for_bbolt(peer: GoPeer, tmp_path: Path) -> None:
    source = tmp_path / "source.db"
    history = History(seed=3, page_size=4096)
    with boltpy.open(source, no_sync=True) as db:
        for _ in range(6):
            changes, outcomes = history.transaction(60, careful=False)
            assert update(db, changes) == outcomes
        changes, outcomes = history.landmarks()
        assert update(db, changes) == outcomes
    printed("export", source, "-o", tmp_path / "lines")
    printed("import", tmp_path / "new.db", "-i", tmp_path / "lines")
    assert difference(history.model, contents_for_bbolt(peer, tmp_path / "new.db")) is None


def test_real_files_come_back_for_bbolt(peer: GoPeer, tmp_path: Path) -> None:
    for name in REAL_FILES:
        source = unpack(name, tmp_path)
        printed("export", source, "-o", tmp_path / f"{name}.lines")
        printed("import", tmp_path / f"{name}.new", "-i", tmp_path / f"{name}.lines")
        expected = contents_for_bbolt(peer, source)
        assert difference(expected, contents_for_bbolt(peer, tmp_path / f"{name}.new")) is None


def test_an_import_into_a_file_of_bbolt_is_sound_for_it(peer: GoPeer, tmp_path: Path) -> None:
    source = random_database(tmp_path / "source.db")
    with peer.open(tmp_path / "theirs.db") as go:
        changes, _ = History(seed=4, page_size=4096).transaction(40, careful=False)
        go.update(changes)
    before = contents_for_bbolt(peer, tmp_path / "theirs.db")
    printed("export", source, "-o", tmp_path / "lines")
    printed("import", tmp_path / "theirs.db", "-i", tmp_path / "lines", "--replace")
    after = contents_for_bbolt(peer, tmp_path / "theirs.db")
    added = contents_for_bbolt(peer, source)
    assert {**before.entries, **added.entries}.keys() == after.entries.keys()
    assert difference(added, BucketModel({name: after.entries[name] for name in added.entries})) is None


def test_what_is_recovered_of_a_file_of_bbolt_is_sound_for_it(peer: GoPeer, tmp_path: Path) -> None:
    """The root page of its largest bucket is gone: the leaves find back to the bucket."""
    source = random_database(tmp_path / "ours.db")
    with peer.open(source) as go:
        go.compact(tmp_path / "dense.db", 0)
    raw = RawFile(tmp_path / "dense.db")
    root = raw.bucket_root(b"users")
    raw.data[root * raw.page_size : (root + 1) * raw.page_size] = bytes(raw.page_size)
    raw.save()
    report = printed("recover", tmp_path / "dense.db", "-o", tmp_path / "lines")
    assert "pairs put into the only bucket that lacks such keys" in report
    printed("import", tmp_path / "new.db", "-i", tmp_path / "lines")
    expected = contents_for_bbolt(peer, source)
    assert difference(expected, contents_for_bbolt(peer, tmp_path / "new.db")) is None


def test_a_moved_and_renamed_bucket_is_sound_for_bbolt(peer: GoPeer, tmp_path: Path) -> None:
    path = random_database(tmp_path / "a.db")
    before = contents_for_bbolt(peer, path)
    printed("mv", path, "users", "--to", "people")
    printed("mv", path, "people", "old", "--to", "inline", "--to", "older")
    after = contents_for_bbolt(peer, path)
    old = before.nested(b"users", b"old")
    assert difference(old, after.nested(b"inline", b"older")) is None
    before.nested(b"users").entries.pop(b"old")
    assert difference(before.nested(b"users"), after.nested(b"people")) is None
    assert b"users" not in after.entries
