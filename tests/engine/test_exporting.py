"""An export says all that a file holds, and an import makes the same file of it, or none."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import boltpy
import engine
from engine import EngineError
from engine.tools.exporting import export_lines, import_lines
from engine.tools.filling import Filler

from .gofer_files import SMALL, unpack
from .hostile import raw, trees, with_sequences
from .making import bolt_database, gofer_database, int_key

HEADER = b'{"format":"gofer-db export","version":1}\n'
END = b'{"end":true}\n'


def lines_of(path: Path) -> list[bytes]:
    return list(export_lines(path))


def imported(lines: list[bytes], path: Path) -> Path:
    assert import_lines(lines, path) == len(lines)
    return path


@pytest.mark.parametrize("name", ["small", "edge", "late", "upgraded", "medium", "objects", "secrets"])
def test_what_gofer_wrote_comes_back(tmp_path: Path, name: str) -> None:
    path = unpack(name, tmp_path)
    lines = lines_of(path)
    assert all(json.loads(line) for line in lines)
    copy = imported(lines, tmp_path / "copy.db")
    assert raw(copy) == raw(path)
    assert copy.stat().st_mode & 0o777 == 0o600
    assert sorted(it.name for it in tmp_path.iterdir()) == sorted([path.name, copy.name])


@given(trees(), st.lists(st.sampled_from([0, 1, 2**63, 2**64 - 1]), max_size=3))
def test_any_file_comes_back(tmp_path_factory: pytest.TempPathFactory, tree: dict, sequences: list[int]) -> None:
    folder = tmp_path_factory.mktemp("any")
    path = bolt_database(folder / "some.db", {b"__storm_db": {}} | tree)
    with_sequences(path, sequences)
    try:
        lines = lines_of(path)
    except EngineError as error:
        # Storm's note of the version can not be read.
        if "__storm_db / version" not in str(error):
            raise
        return
    assert raw(imported(lines, folder / "copy.db")) == raw(path)


def test_an_export_is_for_people_and_other_programs_too() -> None:
    lines = lines_of(SMALL)
    assert lines[0] == HEADER
    assert lines[-1] == END
    assert b'{"bucket":["default","simple","Run"],"codec":"json","counter":3,"indexes":["ID","Started"]}\n' in lines
    entities = [json.loads(line) for line in lines if line.startswith(b'{"kind":')]
    (run,) = (it for it in entities if it["kind"] == "run" and it["key"] == ["default", "simple", 1])
    assert run["value"]["status"] == "FAILED"
    assert {"kind": "registration", "key": ["default", "simple", 2], "value": {}} in entities
    # What is left is storm's note of its version.
    assert [line for line in lines if b'"pair"' in line] == [
        b'{"bucket":["__storm_db"],"pair":["76657273696f6e","22322e302e3022"]}\n'
    ]


def test_what_a_program_changed_is_stored_and_indexed_as_gofer_would(tmp_path: Path) -> None:
    changed = []
    for line in lines_of(SMALL):
        members = json.loads(line)
        if members.get("kind") == "pipeline" and members["key"] == ["default", "simple"]:
            members["value"] |= {"created": 5, "description": "<new>", "more": {"a": [1]}}
        # Spaces, escapes and the order of members are a program's own.
        changed.append(json.dumps(dict(reversed(members.items())) if "kind" in members else members).encode())
    path = imported(changed, tmp_path / "copy.db")
    with engine.open_engine(path, read_only=True, compat="gofer") as storage:
        listed = storage.get_all_pipelines(namespace_id="default")
    assert listed[-1].id == "simple"
    assert listed[-1].created == 5
    with boltpy.open(path, read_only=True) as db, db.view() as tx:
        pipelines = tx.bucket(b"default", b"Pipeline")
        assert pipelines is not None
        stored = pipelines[b"simple"]
        assert b'"description":"\\u003cnew\\u003e"' in stored
        assert stored.endswith(b',"more":{"a": [1]}}')
        assert list(lines_of(path)) != lines_of(SMALL)


def test_a_record_nested_as_deep_as_go_reads_comes_back(tmp_path: Path) -> None:
    deep = b'{"event_id":1,"kind":"","emitted":0,"more":' + b"[" * 9999 + b"]" * 9999 + b"}"
    path = gofer_database(tmp_path / "gofer.db", {b"events": {int_key(1): deep}})
    assert raw(imported(lines_of(path), tmp_path / "copy.db")) == raw(path)


def test_values_larger_than_a_transaction_come_back(tmp_path: Path) -> None:
    pairs = {int_key(number): bytes([number]) * 3_000_000 for number in range(4)}
    path = gofer_database(tmp_path / "gofer.db", {b"root": pairs})
    assert raw(imported(lines_of(path), tmp_path / "copy.db")) == raw(path)


def test_the_root_buckets_own_pairs_and_sequence_come_back(tmp_path: Path) -> None:
    path = gofer_database(tmp_path / "gofer.db", {})
    with boltpy.open(path) as db, db.update() as tx:
        root = tx.bucket()
        assert root is not None
        root.put(b"k", b"v")
        root.sequence = 7
    imported(lines_of(path), tmp_path / "copy.db")
    with boltpy.open(tmp_path / "copy.db", read_only=True) as db, db.view() as tx:
        root = tx.bucket()
        assert root is not None
        assert (root[b"k"], root.sequence) == (b"v", 7)


BUCKET = b'{"bucket":["events"]}\n'
NAMESPACES = b'{"bucket":["Namespace"],"codec":"json","indexes":["ID"]}\n'
EVENT = b'{"kind":"event","key":[1],"value":{"event_id":1}}\n'

REFUSED = [
    ([], "^line 1: the export is empty$"),
    ([b"hello\n"], "line 1: no export of gofer-db"),
    ([b"\xff\xfe\n"], "line 1: no export of gofer-db"),
    ([b"[1]\n"], "line 1: no export of gofer-db"),
    ([END], "line 1: no export of gofer-db"),
    ([b'{"format":"gofer-db export","version":2}\n', END], 'line 1: an export that says of itself .*"version":2'),
    ([b'{"format":"gofer-db export","version":true}\n', END], "line 1: an export that says"),
    ([b'{"format":"gofer-db export","version":1,"more":1}\n', END], "line 1: an export that says"),
    ([HEADER], "line 1: the export has no end"),
    ([HEADER, BUCKET], "line 2: the export has no end"),
    ([HEADER, END, BUCKET], "line 3: there is something behind the end"),
    ([HEADER, HEADER, END], "line 2: nothing that an import knows has the members 'format', 'version'"),
    ([HEADER, b"{}\n"], "line 2: nothing that an import knows has the members"),
    ([HEADER, b"\n"], "line 2: no JSON: unexpected end of JSON input"),
    ([HEADER, b"7\n"], "line 2: a line is a JSON object"),
    ([HEADER, BUCKET[:9]], "line 2: no JSON"),
    ([HEADER, b'{"end":1}\n'], "line 2: nothing that an import knows"),
    ([HEADER, b'{"end":true,"end":true}\n'], "line 2: the member 'end' is there twice"),
    ([HEADER, b'{"bucket":["a"],"bucket":["b"]}\n'], "line 2: the member 'bucket' is there twice"),
    ([HEADER, b'{"bucket":["\\ud800"]}\n'], "line 2: the name .* is no text"),
    ([HEADER, b'{"bucket":["\xff"]}\n'], "line 2: the member 'bucket' can not be understood"),
    ([HEADER, BUCKET, b'{"kind":"namespace","key":["\\ud800"],"value":{}}\n'], "no namespace can have the key"),
    ([HEADER, b'{"bucket":"events"}\n'], 'line 2: "bucket" is a list of names'),
    ([HEADER, b'{"bucket":[7]}\n'], "line 2: a name of a bucket is text"),
    ([HEADER, b'{"bucket":[{"hex":"f"}]}\n'], "line 2: bytes are written as hexadecimal digits"),
    ([HEADER, b'{"bucket":[""]}\n'], "line 2: bucket name required"),
    ([HEADER, b'{"bucket":["events"],"sequence":-1}\n'], 'line 2: "sequence" is a whole number'),
    ([HEADER, b'{"bucket":["events"],"sequence":1.0}\n'], 'line 2: "sequence" is a whole number'),
    ([HEADER, b'{"bucket":["events"],"sequence":18446744073709551616}\n'], 'line 2: "sequence" is a whole number'),
    ([HEADER, b'{"bucket":["events"],"codec":"gob"}\n'], 'line 2: "codec" is "json"'),
    ([HEADER, b'{"bucket":["events"],"codec":null}\n'], 'line 2: "codec" is "json"'),
    ([HEADER, b'{"bucket":["Namespace"],"codec":"json","counter":1}\n'], "line 2: Namespace has no counter"),
    ([HEADER, b'{"bucket":["a"]}\n', b'{"bucket":["a","b"]}\n', b'{"bucket":["a","b","Run"],"counter":1}\n'], "line 4"),
    ([HEADER, b'{"bucket":["events"],"codec":"json","counter":"1"}\n'], 'line 2: "counter" is a whole number'),
    ([HEADER, b'{"bucket":["events"],"indexes":["ID"]}\n'], "line 2: events has no index 'ID'"),
    ([HEADER, b'{"bucket":["Namespace"],"indexes":["ID","ID"]}\n'], 'line 2: "indexes" has a name twice'),
    ([HEADER, b'{"bucket":["Namespace"],"indexes":"ID"}\n'], 'line 2: "indexes" is a list of names'),
    ([HEADER, b'{"bucket":["Namespace"],"more":1}\n'], "line 2: nothing that an import knows"),
    ([HEADER, b'{"bucket":["a","b"]}\n'], "line 2: the bucket a / b comes before the one that it is in"),
    ([HEADER, BUCKET, BUCKET], "line 3: events is there twice"),
    ([HEADER, BUCKET, b'{"bucket":[]}\n'], "line 3: the root bucket is there twice, or not first"),
    ([HEADER, b'{"bucket":[]}\n', b'{"bucket":[]}\n'], "line 3: the root bucket is there twice"),
    ([HEADER, EVENT], "line 2: a pair of events that does not stand behind the line of its bucket"),
    ([HEADER, BUCKET, NAMESPACES, EVENT], "line 4: a pair of events that does not stand behind"),
    ([HEADER, BUCKET, EVENT, EVENT], "line 4: events / 1 is there twice"),
    ([HEADER, NAMESPACES, b'{"bucket":["Namespace"],"pair":["5f5f73746f726d5f6d65746164617461",""]}\n'], "a bucket"),
    ([HEADER, BUCKET, b'{"bucket":["events"],"pair":["","00"]}\n'], "line 3: key required"),
    ([HEADER, BUCKET, b'{"bucket":["events"],"pair":["00"]}\n'], 'line 3: "pair" is a list of a key and a value'),
    ([HEADER, BUCKET, b'{"bucket":["events"],"pair":["zz",""]}\n'], "line 3: bytes are written as hexadecimal"),
    ([HEADER, BUCKET, b'{"kind":"song","key":[1],"value":{}}\n'], "line 3: there is no kind 'song'; there are"),
    ([HEADER, BUCKET, b'{"kind":["a"],"key":[1],"value":{}}\n'], "line 3: there is no kind"),
    ([HEADER, BUCKET, b'{"kind":"event","key":["1"],"value":{}}\n'], "line 3: the key of a event has the parts id"),
    ([HEADER, BUCKET, b'{"kind":"event","key":[true],"value":{}}\n'], "line 3: the key of a event"),
    ([HEADER, BUCKET, b'{"kind":"event","key":[9223372036854775808],"value":{}}\n'], "line 3: the key of a event"),
    ([HEADER, BUCKET, b'{"kind":"event","key":[1,2],"value":{}}\n'], "line 3: the key of a event"),
    ([HEADER, BUCKET, b'{"kind":"event","key":1,"value":{}}\n'], "line 3: the key of a event"),
    (
        [HEADER, BUCKET, b'{"kind":"event","key":[1],"value":{"kind":7}}\n'],
        "line 3: the value of a event: json: cannot",
    ),
    ([HEADER, BUCKET, b'{"kind":"event","key":[1],"value":7}\n'], "line 3: the value of a event: json: cannot"),
    ([HEADER, b'{"bucket":["runRegistry"]}\n', b'{"kind":"registration","key":["a","b",1],"value":[]}\n'], "is {}"),
    ([HEADER, NAMESPACES, b'{"kind":"namespace","key":[""],"value":{}}\n'], "line 3: key required"),
    ([HEADER, BUCKET, b'{"bucket":["events"],"pair":["' + b"61" * 32769 + b'",""]}\n'], "line 3: key too large"),
    ([HEADER, b"[" * 100_000], "line 2: no JSON: .*exceeded max depth"),
    ([HEADER, b'{"bucket":' + b"[" * 9000 + b"]" * 9000 + b"}"], "line 2"),
]


@pytest.mark.parametrize(("lines", "text"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_no_export_is_refused_with_its_line_and_leaves_nothing(
    tmp_path: Path, lines: list[bytes], text: str
) -> None:
    with pytest.raises(EngineError, match=text):
        import_lines(lines, tmp_path / "new.db")
    assert list(tmp_path.iterdir()) == []


@given(st.data())
def test_any_line_is_taken_or_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("lines")
    lines = lines_of(SMALL)
    at = data.draw(st.integers(0, len(lines) - 1))
    place = data.draw(st.integers(0, len(lines[at]) - 1))
    piece = data.draw(st.binary(max_size=2))
    lines[at] = lines[at][:place] + piece + lines[at][place + data.draw(st.integers(0, 3)) :]
    try:
        import_lines(io.BytesIO(b"".join(lines)), folder / "new.db")
    except EngineError as error:
        if not str(error).startswith("line "):
            raise
        assert list(folder.iterdir()) == []
    else:
        raw(folder / "new.db")


class TestTheTarget:
    @pytest.mark.parametrize("empty", [b"", None])
    def test_an_empty_file_is_filled(self, tmp_path: Path, empty: bytes | None) -> None:
        path = tmp_path / "new.db"
        if empty is None:
            bolt_database(path, {})
        else:
            path.write_bytes(empty)
        assert raw(imported(lines_of(SMALL), path)) == raw(SMALL)

    @pytest.mark.parametrize("held", [b"hello" * 5000, None])
    def test_a_file_that_holds_something_is_refused_and_stays(self, tmp_path: Path, held: bytes | None) -> None:
        path = tmp_path / "new.db"
        if held is None:
            gofer_database(path, {})
        else:
            path.write_bytes(held)
        before = path.read_bytes()
        with pytest.raises(FileExistsError, match="exists and is"):
            import_lines(lines_of(SMALL), path)
        assert path.read_bytes() == before
        assert list(tmp_path.iterdir()) == [path]

    def test_a_file_that_somebody_filled_meanwhile_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "new.db"

        def lines() -> Iterator[bytes]:
            yield from lines_of(SMALL)
            path.write_bytes(b"mine")

        with pytest.raises(FileExistsError):
            import_lines(lines(), path)
        assert path.read_bytes() == b"mine"

    def test_what_a_killed_process_left_goes_with_the_next_import(self, tmp_path: Path) -> None:
        whole, torn, empty = (tmp_path / f"new.db.{name}.tmp" for name in ("abc_1", "abc_2", "abc_3"))
        for folder in whole, torn, empty:
            folder.mkdir()
        bolt_database(whole / "new.db", {b"a": {}})
        (torn / "new.db").write_bytes(b"torn")
        (empty / "new.db").touch()
        others = [tmp_path / name for name in ("new.db.mine.tmp", "new.db.tmp", "other.db.abc_1.tmp")]
        for other in others:
            other.mkdir()
            (other / "notes").touch()
        imported(lines_of(SMALL), tmp_path / "new.db")
        assert sorted(tmp_path.iterdir()) == sorted([*others, tmp_path / "new.db"])

    def test_a_file_that_still_grows_is_left_to_its_process(self, tmp_path: Path) -> None:
        path = tmp_path / "new.db"

        def lines() -> Iterator[bytes]:
            yield from lines_of(SMALL)[:9]
            (growing,) = tmp_path.iterdir()
            with pytest.raises(EngineError, match="line 2: the export has no end"):
                import_lines([HEADER, NAMESPACES], path)
            assert list(tmp_path.iterdir()) == [growing]
            yield from lines_of(SMALL)[9:]

        import_lines(lines(), path)
        assert raw(path) == raw(SMALL)

    def test_an_error_at_the_end_has_a_number_too(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def too_large(filler: Filler) -> None:
            raise boltpy.LimitError("a node takes 4 GiB")

        monkeypatch.setattr(Filler, "commit", too_large)
        with pytest.raises(EngineError, match="^line 46: a node takes 4 GiB$"):
            import_lines(lines_of(SMALL), tmp_path / "new.db")
        assert list(tmp_path.iterdir()) == []

    def test_an_interrupt_leaves_nothing(self, tmp_path: Path) -> None:
        def lines() -> Iterator[bytes]:
            yield from lines_of(SMALL)[:20]
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            import_lines(lines(), tmp_path / "new.db")
        assert list(tmp_path.iterdir()) == []
