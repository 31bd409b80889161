"""What the object store and the secret store have in common: how their files are opened, and what damage is. Asked
through the object store.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import boltpy
import engine
from engine import EngineError, EntityExists
from engine.errors import RecordError

from .gofer_files import dump
from .making import bolt_database

STORM = {b"version": b'"2.0.0"'}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "objects.db"


class TestFiles:
    def test_a_new_file_is_that_of_gofer(self, path: Path) -> None:
        for _ in range(2):
            with engine.open_object_store(path) as objects:
                assert objects.list_object_keys() == []
            with boltpy.open(path, read_only=True) as db, db.view() as tx:
                # Opened again, it is not written to.
                assert tx.id == 2
        with boltpy.open(path, read_only=True) as db, db.view() as tx:
            keys = [bytes.fromhex(line["key"]) for line in dump(tx)]
        assert keys == [b"__storm_db", b"__storm_metadata", b"codec", b"version"]

    def test_only_read_it_is_not_made_and_not_changed(self, path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            engine.open_object_store(path, read_only=True)
        assert not path.exists()
        with engine.open_object_store(path) as objects:
            objects.put_object(key="a", content=b"1")
        before = path.read_bytes()
        for compat in "python", "gofer":
            with engine.open_object_store(path, read_only=True, compat=compat) as objects:
                assert objects.get_object(key="a") == b"1"
                with pytest.raises(boltpy.DatabaseReadOnlyError):
                    objects.put_object(key="b", content=b"")
                with pytest.raises(boltpy.DatabaseReadOnlyError):
                    objects.delete_object(key="a")
        assert path.read_bytes() == before

    def test_another_programs_file_is_left_alone_unless_as_gofer(self, path: Path) -> None:
        bolt_database(path, {b"users": {b"ada": b"countess"}})
        before = path.read_bytes()
        for read_only in True, False:
            with pytest.raises(EngineError, match="none of Gofer's"):
                engine.open_object_store(path, read_only=read_only)
        assert path.read_bytes() == before
        with engine.open_object_store(path, compat="gofer") as objects:
            objects.put_object(key="a", content=b"1")
        with engine.open_object_store(path) as objects:
            assert objects.list_object_keys() == ["a"]

    def test_an_empty_bolt_file_becomes_a_store(self, path: Path) -> None:
        bolt_database(path, {})
        with engine.open_object_store(path) as objects:
            objects.put_object(key="a", content=b"1")
        with engine.open_object_store(path, read_only=True) as objects:
            assert objects.get_object(key="a") == b"1"

    def test_the_file_is_locked_until_it_is_closed(self, path: Path) -> None:
        with engine.open_object_store(path) as objects:
            with pytest.raises(boltpy.LockTimeoutError):
                engine.open_object_store(path, timeout=0.05)
            # Without a word about it the wait is Gofer's, one second.
            with pytest.raises(boltpy.LockTimeoutError):
                engine.open_object_store(path)
            objects.close()
            with engine.open_object_store(path, timeout=0.05):
                pass
        for use in (
            lambda: objects.get_object(key="a"),
            lambda: objects.put_object(key="a", content=b""),
            lambda: objects.delete_object(key="a"),
            objects.list_object_keys,
        ):
            with pytest.raises(boltpy.DatabaseNotOpenError):
                use()

    def test_a_failed_open_holds_no_lock(self, path: Path) -> None:
        bolt_database(path, {b"__storm_db": {b"version": b"2"}})
        with pytest.raises(EngineError, match="^__storm_db / version: "):
            engine.open_object_store(path)
        with boltpy.open(path, timeout=0.05):
            pass

    def test_options(self, path: Path) -> None:
        with pytest.raises(ValueError, match="compat is 'python' or 'gofer', not 'rust'"):
            engine.open_object_store(path, compat="rust")
        with pytest.raises(TypeError):
            engine.open_object_store(path, no_such_option=1)
        assert not path.exists()
        with engine.open_object_store(path, page_size=1024):
            pass
        with boltpy.open(path) as db:
            assert db.info().page_size == 1024


class TestDamage:
    @pytest.mark.parametrize(
        ("stored", "reason"),
        [
            (b"", "unexpected end of JSON input"),
            (b'"YQ', "unexpected end of JSON input"),
            (b'"YQ==" x', "invalid character 'x' after top-level value"),
            (b"5", "json: cannot unmarshal number into Go value of type []uint8"),
            (b"{}", "json: cannot unmarshal object into Go value of type []uint8"),
            (b"[1,256]", "json: cannot unmarshal number 256 into Go value of type uint8"),
        ],
    )
    def test_a_value_that_is_none_names_its_key(self, path: Path, stored: bytes, reason: str) -> None:
        bolt_database(path, {b"__storm_db": STORM, b"root": {b"bad": stored, b"good": b'"eA=="'}})
        with engine.open_object_store(path) as objects:
            with pytest.raises(RecordError) as caught:
                objects.get_object(key="bad")
            assert str(caught.value) == f"root / bad: {reason}"
            assert (caught.value.reason, caught.value.place) == (reason, "root / bad")
            assert objects.list_object_keys() == ["bad", "good"]
            assert objects.get_object(key="good") == b"x"
        with engine.open_object_store(path, compat="gofer") as objects:
            with pytest.raises(RecordError) as caught:
                objects.get_object(key="bad")
            assert str(caught.value) == reason

    @pytest.mark.parametrize("stored", [b'"!!!"', b'"YQ"', b'"YQ==YQ=="', b'"\xff"', '"é"'.encode()])
    def test_what_is_no_base64_names_its_key(self, path: Path, stored: bytes) -> None:
        bolt_database(path, {b"__storm_db": STORM, b"root": {b"bad": stored}})
        with engine.open_object_store(path) as objects, pytest.raises(RecordError, match="^root / bad: .*base64"):
            objects.get_object(key="bad")

    @pytest.mark.parametrize(
        ("stored", "content"),
        [(b"null", b""), (b'""', b""), (b' "YR==" ', b"a"), (b'"Y\\nQ=="', b"a"), (b"[97,98]", b"ab")],
    )
    def test_what_go_reads_is_read(self, path: Path, stored: bytes, content: bytes) -> None:
        bolt_database(path, {b"__storm_db": STORM, b"root": {b"k": stored}})
        with engine.open_object_store(path) as objects:
            assert objects.get_object(key="k") == content

    def test_a_damaged_value_can_be_replaced_and_deleted(self, path: Path) -> None:
        bolt_database(path, {b"__storm_db": STORM, b"root": {b"a": b"{", b"b": b"{"}})
        with engine.open_object_store(path) as objects:
            with pytest.raises(EntityExists):
                objects.put_object(key="a", content=b"")
            objects.put_object(key="a", content=b"1", force=True)
            objects.delete_object(key="b")
            assert objects.list_object_keys() == ["a"]

    @pytest.mark.parametrize("compat", ["python", "gofer"])
    def test_a_bucket_of_another_codec_is_not_written_to(self, path: Path, compat: Any) -> None:
        root = {b"__storm_metadata": {b"codec": b"gob"}, b"a": b'"eA=="'}
        bolt_database(path, {b"__storm_db": STORM, b"root": root})
        with engine.open_object_store(path, compat=compat) as objects:
            with pytest.raises(EngineError, match="^the selected codec is incompatible with this bucket$"):
                objects.put_object(key="b", content=b"")
            assert objects.get_object(key="a") == b"x"
