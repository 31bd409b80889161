"""`export` and `import`: nothing is lost on the way, and nothing is half done."""

from __future__ import annotations

import io
import json
import sqlite3
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import boltpy
from boltpy.errors import ImportLineError
from boltpy.exporting import Export
from boltpy.importing import Import
from boltpy.jsonl import bytes_text
from tests.cli.command import printed, printed_json, run
from tests.cli.databases import build, models, random_database
from tests.models import BucketModel, difference, read_bucket

HEADER = b'{"format":"boltpy export","version":1}\n'


def export_of(path: Path) -> bytes:
    with boltpy.open(path, read_only=True) as db, db.view() as tx:
        return b"".join(Export().blocks(tx, lambda _: None))


def put_in(path: Path, lines: bytes, *, replace: bool = False) -> Import:
    done = Import(replace=replace)
    done.into_file(str(path), io.BytesIO(lines), 1)
    return done


def held(path: Path) -> BucketModel:
    """Everything in a file, which must be sound."""
    with boltpy.open(path, read_only=True) as db, db.view() as tx:
        assert list(tx.check()) == []
        root = tx.bucket()
        assert root is not None
        return read_bucket(root)


@given(models)
def test_any_database_comes_back_the_same(tmp_path_factory: pytest.TempPathFactory, model: BucketModel) -> None:
    folder = tmp_path_factory.mktemp("any")
    source = build(folder / "a.db", model)
    lines = export_of(source)
    put_in(folder / "b.db", lines)
    assert difference(model, held(folder / "b.db")) is None
    with boltpy.open(source) as a, boltpy.open(folder / "b.db") as b, a.view() as before, b.view() as after:
        assert before.inspect() == after.inspect()
    assert export_of(folder / "b.db") == lines


@given(st.binary(max_size=40) | st.text(max_size=20).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_json_that_means_them_and_that_no_terminal_obeys(data: bytes) -> None:
    text = bytes_text(data)
    said = json.loads(text)
    assert (bytes.fromhex(said["hex"]) if isinstance(said, dict) else said.encode()) == data
    assert text.isprintable()


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"plain", '"plain"'),
        ("größe 名".encode(), '"größe 名"'),
        (b'say "no"\n\tback\\slash\r\n', '"say \\"no\\"\\n\\tback\\\\slash\\r\\n"'),
        (b"", '""'),
        (b"\0\0\0\1", '{"hex":"00000001"}'),
        (b"\xff", '{"hex":"ff"}'),
        (b"\x1b[31m", '{"hex":"1b5b33316d"}'),
        ("a\u00a0b\u009b".encode(), '"a\\u00a0b\\u009b"'),
    ],
)
def test_bytes_are_written_so(data: bytes, text: str) -> None:
    assert bytes_text(data) == text


def test_the_lines_are_these(tmp_path: Path) -> None:
    with boltpy.open(tmp_path / "a.db") as db, db.update() as tx:
        users = tx.create_bucket(b"users")
        users.sequence = 7
        users.put(b"zoe", b"\x00\xff")
        users.create_bucket(b"old").put(b"ada", b"countess")
        tx.create_bucket(b"empty")
        root = tx.bucket()
        assert root is not None
        root.put(b"plain", b"in the root")
    assert export_of(tmp_path / "a.db").decode().splitlines() == [
        '{"format":"boltpy export","version":1}',
        '{"bucket":[]}',
        '{"key":"plain","value":"in the root"}',
        '{"bucket":["empty"]}',
        '{"bucket":["users"],"sequence":7}',
        '{"key":"zoe","value":{"hex":"00ff"}}',
        '{"bucket":["users","old"]}',
        '{"key":"ada","value":"countess"}',
        '{"end":{"buckets":4,"pairs":3}}',
    ]


REFUSED = {
    "no header": (b"", 1),
    "another format": (b'{"format":"gofer-db export","version":1}\n', 1),
    "another version": (b'{"format":"boltpy export","version":2}\n', 1),
    "version true": (b'{"format":"boltpy export","version":true}\n', 1),
    "no end": (HEADER + b'{"bucket":[]}\n', 3),
    "nothing behind the header": (HEADER, 2),
    "a line cut short": (HEADER + b'{"bucket":["a"]}\n{"key":"a","val', 3),
    "something behind the end": (HEADER + b'{"end":{"buckets":0,"pairs":0}}\n{"note":""}\n', 3),
    "wrong numbers": (HEADER + b'{"bucket":["a"]}\n{"end":{"buckets":1,"pairs":1}}\n', 3),
    "a blank line": (HEADER + b"\n", 2),
    "a list": (HEADER + b"[1]\n", 2),
    "an unknown member": (HEADER + b'{"bucket":["a"],"color":1}\n', 2),
    "no members": (HEADER + b"{}\n", 2),
    "a member twice": (HEADER + b'{"bucket":["a"],"bucket":["b"]}\n', 2),
    "a name that is a number": (HEADER + b'{"bucket":[1]}\n', 2),
    "a path that is text": (HEADER + b'{"bucket":"a"}\n', 2),
    "half a byte": (HEADER + b'{"bucket":["a"]}\n{"key":{"hex":"abc"},"value":""}\n', 3),
    "digits with blanks": (HEADER + b'{"bucket":["a"]}\n{"key":{"hex":"ab cd"},"value":""}\n', 3),
    "half a character": (HEADER + b'{"bucket":["a"]}\n{"key":"\\ud800","value":""}\n', 3),
    "no UTF-8": (HEADER + b'{"bucket":["\xff"]}\n', 2),
    "an empty key": (HEADER + b'{"bucket":["a"]}\n{"key":"","value":""}\n', 3),
    "a key too large": (HEADER + b'{"bucket":["a"]}\n{"key":"' + b"k" * 32769 + b'","value":""}\n', 3),
    "an empty name": (HEADER + b'{"bucket":[""]}\n', 2),
    "a pair without a bucket": (HEADER + b'{"key":"a","value":"b"}\n', 2),
    "a bucket without its parent": (HEADER + b'{"bucket":["a","b"]}\n', 2),
    "a sequence below 0": (HEADER + b'{"bucket":["a"],"sequence":-1}\n', 2),
    "a sequence too large": (HEADER + b'{"bucket":["a"],"sequence":18446744073709551616}\n', 2),
    "a sequence with a point": (HEADER + b'{"bucket":["a"],"sequence":1.0}\n', 2),
    "a number of ten thousand digits": (HEADER + b'{"bucket":["a"],"sequence":' + b"1" * 10000 + b"}\n", 2),
    "nested without end": (HEADER + b'{"note":' + b"[" * 200_000 + b"\n", 2),
    "levels without end": (
        HEADER + b"".join(b'{"bucket":[%s]}\n' % b",".join([b'"a"'] * n) for n in range(1, 302)), 302
    ),
    "a key with two values": (
        HEADER + b'{"bucket":["a"]}\n{"key":"k","value":"1"}\n{"key":"k","value":"2"}\n', 4
    ),
    "a bucket with two sequences": (HEADER + b'{"bucket":["a"]}\n{"bucket":["a"],"sequence":1}\n', 3),
    "a key that is a bucket": (
        HEADER + b'{"bucket":["a"]}\n{"bucket":["a","b"]}\n{"bucket":["a"]}\n{"key":"c","value":""}\n'
        b'{"key":"b","value":""}\n{"end":{"buckets":3,"pairs":2}}\n', 6
    ),
    "a bucket that is a key": (HEADER + b'{"bucket":["a"]}\n{"key":"b","value":""}\n{"bucket":["a","b"]}\n', 4),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_an_export_does_not_have_is_refused_with_its_line_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    lines, number = REFUSED[name]
    with pytest.raises(ImportLineError, match=rf"^line {number}: ") as refused:
        put_in(tmp_path / "new.db", lines)
    assert refused.value.line == number
    assert refused.value.reason
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [name for name in REFUSED if name not in ("no header",)])
def test_what_is_refused_leaves_a_database_that_was_there_as_it_was(tmp_path: Path, name: str) -> None:
    path = build(tmp_path / "old.db", BucketModel({b"x": BucketModel({b"k": b"v"})}))
    before = path.read_bytes()
    with pytest.raises(ImportLineError):
        put_in(path, REFUSED[name][0])
    assert path.read_bytes() == before


@given(st.data())
def test_a_changed_byte_of_an_export_is_refused_or_means_something_else(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("hostile")
    lines = bytearray(export_of(build(folder / "a.db", data.draw(models))))
    for _ in range(data.draw(st.integers(1, 3))):
        lines[data.draw(st.integers(0, len(lines) - 1))] = data.draw(st.integers(0, 255))
    try:
        put_in(folder / "b.db", bytes(lines))
    except ImportLineError:
        assert not (folder / "b.db").exists()
    else:
        held(folder / "b.db")


def test_notes_are_passed_over_and_lines_may_be_written_by_hand(tmp_path: Path) -> None:
    lines = HEADER + (
        b'{ "bucket": ["b"], "sequence": 18446744073709551615 }\r\n'
        b'{"note": {"any": ["thing", 1.5, null]}}\n'
        b'{"value": "\\u00e9", "key": {"hex": "FF"}}\n'
        b'{"key": "a", "value": {"hex": ""}}\n'
        b'{"bucket":["b"],"sequence":18446744073709551615}\n'
        b'{"key": "a", "value": ""}\n'
        b'{"end":{"buckets":2,"pairs":3}}\n'
    )
    put_in(tmp_path / "a.db", lines)
    expected = BucketModel({b"b": BucketModel({b"\xff": "é".encode(), b"a": b""}, 2**64 - 1)})
    assert difference(expected, held(tmp_path / "a.db")) is None


def test_an_empty_file_is_filled_as_a_new_one_and_a_link_is_followed(tmp_path: Path) -> None:
    lines = export_of(random_database(tmp_path / "a.db"))
    (tmp_path / "b.db").touch()
    (tmp_path / "link.db").symlink_to(tmp_path / "b.db")
    put_in(tmp_path / "link.db", lines)
    assert (tmp_path / "link.db").is_symlink()
    assert export_of(tmp_path / "b.db") == lines
    assert stat.S_IMODE((tmp_path / "b.db").stat().st_mode) == 0o600


def test_what_is_no_database_is_not_imported_into(tmp_path: Path) -> None:
    lines = export_of(random_database(tmp_path / "a.db"))
    (tmp_path / "text").write_text("dear diary\n" * 1000)
    with pytest.raises(boltpy.InvalidDatabaseError):
        put_in(tmp_path / "text", lines)
    assert (tmp_path / "text").read_text() == "dear diary\n" * 1000
    with pytest.raises(IsADirectoryError):
        put_in(tmp_path, lines)


class TestIntoADatabaseThatIsThere:
    """What no line names stays; a conflict is refused, or the line wins."""

    OLD = BucketModel(
        {
            b"same": BucketModel({b"k": b"v", b"nest": BucketModel({b"a": b"1"})}, 3),
            b"plain": BucketModel({b"b": BucketModel({b"deep": b"1"}), b"c": b"2"}),
        }
    )

    @given(old=models, new=models)
    def test_what_wins_is_what_the_lines_say(
        self, tmp_path_factory: pytest.TempPathFactory, old: BucketModel, new: BucketModel
    ) -> None:
        folder = tmp_path_factory.mktemp("merge")
        lines = export_of(build(folder / "new.db", new))
        path = build(folder / "old.db", old)
        expected = old.copy()
        is_harmless = merge(expected, new)
        if is_harmless:
            put_in(path, lines)
        else:
            with pytest.raises(ImportLineError):
                put_in(path, lines)
            assert difference(old, held(path)) is None
            put_in(path, lines, replace=True)
        assert difference(expected, held(path)) is None

    def test_importing_it_again_changes_nothing(self, tmp_path: Path) -> None:
        path = build(tmp_path / "old.db", self.OLD)
        put_in(path, export_of(path))
        assert difference(self.OLD, held(path)) is None

    @pytest.mark.parametrize(
        ("line", "told"),
        [
            (b'{"bucket":["same"]}', "line 3: the bucket .* has the sequence 3, not 0"),
            (b'{"bucket":["same"],"sequence":3}\n{"key":"k","value":"w"}', 'line 4: the key "k" is there'),
            (b'{"bucket":["same"],"sequence":3}\n{"key":"nest","value":"w"}', 'line 4: "nest" is a bucket there'),
            (
                b'{"bucket":["plain"]}\n{"bucket":["plain","c"]}',
                'line 4: incompatible value: "c" is a key there, not a bucket',
            ),
        ],
    )
    def test_the_line_of_a_conflict_is_told(self, tmp_path: Path, line: bytes, told: str) -> None:
        path = build(tmp_path / "old.db", self.OLD)
        lines = HEADER + b'{"bucket":[]}\n' + line + b'\n{"end":{"buckets":0,"pairs":0}}\n'
        with pytest.raises(ImportLineError, match=told):
            put_in(path, lines)


def merge(old: BucketModel, new: BucketModel) -> bool:
    """Put `new` into `old` as `--replace` does; True if nothing had to give way."""
    harmless = old.sequence == new.sequence
    old.sequence = new.sequence
    for key, entry in new.entries.items():
        there = old.entries.get(key)
        if isinstance(entry, BucketModel):
            if isinstance(there, BucketModel):
                harmless &= merge(there, entry)
                continue
            harmless &= there is None
            old.entries[key] = entry.copy()
        else:
            harmless &= there in (None, entry)
            old.entries[key] = entry
    return harmless


def test_many_pairs_and_buckets_go_through_in_flat_memory(tmp_path: Path) -> None:
    """More than fits one transaction of an import, in rising and in falling order."""
    count = 40_000

    def lines():
        yield HEADER
        yield b'{"bucket":["up"]}\n'
        for i in range(count):
            yield b'{"key":"%08d","value":"%0100d"}\n' % (i, i)
        yield b'{"bucket":["down"]}\n'
        for i in reversed(range(count)):
            yield b'{"key":"%08d","value":"%0100d"}\n' % (i, i)
        for i in range(2000):
            yield b'{"bucket":["%d"]}\n' % i
        yield b'{"end":{"buckets":2002,"pairs":%d}}\n' % (2 * count)

    put_in(tmp_path / "a.db", b"".join(lines()))
    with boltpy.open(tmp_path / "a.db", read_only=True) as db, db.view() as tx:
        assert list(tx.check()) == []
        assert tx.inspect().buckets[-1].key_n == tx.inspect().buckets[-2].key_n == count
        assert len(tx.inspect().buckets) == 2002
        export = Export()
        assert max(map(len, export.blocks(tx, lambda _: None))) < 1 << 18
        assert (export.buckets, export.pairs) == (2003, 2 * count)


class TestTheCommands:
    """What their user sees."""

    def test_there_and_back(self, tmp_path: Path) -> None:
        source = random_database(tmp_path / "a.db")
        before = source.read_bytes()
        facts = printed_json("export", source, "-o", tmp_path / "a.jsonl")
        assert (tmp_path / "a.jsonl").read_bytes() == export_of(source)
        assert printed_json("import", tmp_path / "b.db", "-i", tmp_path / "a.jsonl") == facts
        assert printed("diff", source, tmp_path / "b.db") == ""
        assert source.read_bytes() == before
        assert printed("export", source).encode() == export_of(source)

    def test_through_a_pipe(self, tmp_path: Path) -> None:
        source = random_database(tmp_path / "a.db")
        out = run("export", source)
        assert (out.returncode, out.stderr) == (0, "")
        (tmp_path / "lines").write_text(out.stdout, "utf-8")
        assert out.stdout.encode() == export_of(source)

    def test_an_output_that_holds_something_is_refused(self, tmp_path: Path) -> None:
        source = random_database(tmp_path / "a.db")
        before = source.read_bytes()
        for flag in ("--output", "--sqlite"):
            refused = run("export", source, flag, source)
            assert (refused.returncode, refused.stdout) == (1, "")
            assert "there is something already" in refused.stderr
        assert source.read_bytes() == before

    def test_outputs_are_for_those_who_can_read_the_source(self, tmp_path: Path) -> None:
        source = random_database(tmp_path / "a.db")
        source.chmod(0o640)
        printed("export", source, "-o", tmp_path / "a.jsonl")
        printed("export", source, "--sqlite", tmp_path / "a.sqlite")
        for name in ("a.jsonl", "a.sqlite"):
            assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o640

    def test_a_damaged_source_leaves_no_output(self, tmp_path: Path) -> None:
        source = random_database(tmp_path / "a.db")
        data = bytearray(source.read_bytes())
        data[4096 * 2 :] = bytes(len(data) - 4096 * 2)
        source.write_bytes(data)
        for flag in ("--output", "--sqlite"):
            failed = run("export", source, flag, tmp_path / "out")
            assert failed.returncode == 1
            assert len(failed.stderr.splitlines()) == 1
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.db"]

    def test_a_refused_line_is_one_line_on_stderr(self, tmp_path: Path) -> None:
        (tmp_path / "bad").write_bytes(HEADER + b"{}\n")
        refused = run("import", tmp_path / "new.db", "-i", tmp_path / "bad")
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr == "Error: line 2: no line of an export has the members (none)\n"


@given(models)
def test_the_sqlite_file_holds_the_same(tmp_path_factory: pytest.TempPathFactory, model: BucketModel) -> None:
    folder = tmp_path_factory.mktemp("sqlite")
    source = build(folder / "a.db", model)
    printed("export", source, "--sqlite", folder / "a.sqlite")
    db = sqlite3.connect(folder / "a.sqlite")
    found = {0: BucketModel()}
    for number, parent, name, path, sequence in db.execute("SELECT * FROM buckets ORDER BY id"):
        found[number] = BucketModel(sequence=int(sequence))
        assert len(json.loads(path)) == (0 if parent is None else 1 + depth_of(db, parent))
        if parent is not None:
            found[parent].entries[name] = found[number]
    for number, key, value in db.execute("SELECT * FROM pairs"):
        found[number].entries[key] = value
    db.close()
    assert difference(model, in_order(found[0])) is None


def depth_of(db: sqlite3.Connection, number: int) -> int:
    return len(json.loads(db.execute("SELECT path FROM buckets WHERE id = ?", (number,)).fetchone()[0]))


def in_order(model: BucketModel) -> BucketModel:
    entries = sorted(model.entries.items())
    return BucketModel({k: in_order(v) if isinstance(v, BucketModel) else v for k, v in entries}, model.sequence)
