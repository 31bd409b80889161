"""The object store: what a Python caller expects of it, and that its files and answers are Gofer's."""

from __future__ import annotations

import base64
import hashlib
import json
import tempfile
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import boltpy
import engine
from engine import EngineError, EntityExists, EntityNotFound, ObjectStore, PreconditionFailed

from .gofer_files import FOLDER, dump, read_text, sessions, snake, unpack
from .making import bolt_database

STORM = {b"version": b'"2.0.0"'}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "objects.db"


@pytest.fixture
def objects(path: Path) -> Iterator[ObjectStore]:
    with engine.open_object_store(path, no_sync=True) as store:
        yield store


@pytest.fixture
def gofers(path: Path) -> Iterator[ObjectStore]:
    with engine.open_object_store(path, compat="gofer", no_sync=True) as store:
        yield store


def lines(path: Path) -> Iterator[str]:
    """The raw dump of a file, which must be sound."""
    with boltpy.open(path, read_only=True) as db, db.view() as tx:
        assert list(tx.check()) == []
        for line in dump(tx):
            yield json.dumps(line, separators=(",", ":")) + "\n"


def outcome(store: ObjectStore, call: dict[str, Any]) -> tuple[Any, str | None]:
    """What the store answers to a call in a log, as the log has it."""
    request = dict(call["req"])
    if call["op"] == "PutObject":
        content = request.get("content")
        request["content"] = None if content is None else base64.b64decode(content)
    try:
        found = getattr(store, snake(call["op"]))(**request)
    except EngineError as error:
        return None, str(error)
    return found and base64.b64encode(found).decode(), None


class TestGofersOwn:
    def test_the_calls_that_made_its_file_make_the_same_file(self, path: Path) -> None:
        with engine.open_object_store(path, compat="gofer", no_sync=True) as store:
            for text in read_text("gofer_objects.ops.jsonl").splitlines():
                call = json.loads(text)
                assert outcome(store, call) == (call["result"], call["error"]), call["req"]["key"]
        digest = hashlib.sha256("".join(lines(path)).encode()).hexdigest()
        assert f"{digest}  gofer_objects.raw.jsonl" in (FOLDER / "gofer_raw.sha256").read_text().splitlines()

    @pytest.mark.parametrize("read_only", [True, False])
    def test_each_answer_is_that_of_gofer(self, tmp_path: Path, read_only: bool) -> None:
        path = unpack("objects", tmp_path)
        before = path.read_bytes()
        with engine.open_object_store(path, compat="gofer", read_only=read_only) as store:
            (session,) = sessions("objects")
            for call in session["calls"]:
                result, error = outcome(store, call)
                # Bytes that are nil in Go are none here.
                assert (result or "", error) == (call["result"] or "", call["error"]), call["req"]["key"]
        assert path.read_bytes() == before

    def test_its_keys(self, tmp_path: Path) -> None:
        path = unpack("objects", tmp_path)
        with engine.open_object_store(path, read_only=True) as store:
            keys = store.list_object_keys()
            assert len(keys) == 103
            assert keys == sorted(keys, key=str.encode)
            assert [store.get_object(key=key) for key in ("nil", "default_simple_empty")] == [b"", b""]
            assert store.list_object_keys("default_simple_") == [
                "default_simple_1_run_object",
                "default_simple_allbytes",
                "default_simple_empty",
            ]
            assert store.list_object_keys("名前") == ["名前_😀_<&>"]
        with engine.open_object_store(path, read_only=True, compat="gofer") as store:
            assert store.list_object_keys() == sorted(["__storm_metadata", *keys])


class TestInPython:
    def test_put_get_delete(self, objects: ObjectStore) -> None:
        objects.put_object(key="logo", content=b"\x00\xff")
        assert objects.get_object(key="logo") == b"\x00\xff"
        objects.put_object(key="empty", content=b"")
        assert objects.get_object(key="empty") == b""
        objects.delete_object(key="logo")
        assert objects.list_object_keys() == ["empty"]
        with pytest.raises(EntityNotFound):
            objects.get_object(key="logo")

    def test_what_is_there_is_replaced_by_force_alone(self, objects: ObjectStore) -> None:
        objects.put_object(key="logo", content=b"old", force=True)
        with pytest.raises(EntityExists, match="^objectstore: entity already exists: 'logo'$") as caught:
            objects.put_object(key="logo", content=b"new")
        assert (caught.value.entity, caught.value.key) == ("Object", {"key": "logo"})
        assert objects.get_object(key="logo") == b"old"
        objects.put_object(key="logo", content=b"new", force=True)
        assert objects.get_object(key="logo") == b"new"

    @pytest.mark.parametrize("key", ["none", "", "__storm_metadata", "k" * 40000, "\ud800"])
    @pytest.mark.parametrize("filled", [False, True])
    def test_a_missing_key_is_not_found(self, objects: ObjectStore, key: str, filled: bool) -> None:
        if filled:
            objects.put_object(key="other", content=b"")
        for method in objects.get_object, objects.delete_object:
            with pytest.raises(EntityNotFound, match="^objectstore: entity not found: ") as caught:
                method(key=key)
            assert (caught.value.entity, caught.value.key) == ("Object", {"key": key})

    @pytest.mark.parametrize("key", ["", "__storm_metadata", "k" * 32769, "é" * 16385, "\ud800", "\udcc3\udca9"])
    def test_a_key_that_can_not_be_is_refused(self, objects: ObjectStore, path: Path, key: str) -> None:
        with pytest.raises(PreconditionFailed, match="^objectstore: parameters did not pass validation: Object.key: "):
            objects.put_object(key=key, content=b"x")
        objects.close()
        # Nothing of it is left, not even the bucket.
        assert [json.loads(line)["path"] for line in lines(path) if '"726f6f74"' in line] == []

    def test_the_longest_key(self, objects: ObjectStore) -> None:
        for key in "k" * 32768, "é" * 16384:
            objects.put_object(key=key, content=b"x")
            assert objects.get_object(key=key) == b"x"

    def test_bytes_of_any_type_and_copied(self, objects: ObjectStore) -> None:
        content = bytearray(b"abcd")
        objects.put_object(key="a", content=content)
        objects.put_object(key="m", content=memoryview(content)[::2])
        content[0] = 0
        assert (objects.get_object(key="a"), objects.get_object(key="m")) == (b"abcd", b"ac")
        assert type(objects.get_object(key="a")) is bytes

    def test_an_enum_is_its_text(self, objects: ObjectStore) -> None:
        class Name(StrEnum):
            LOGO = "logo"

        objects.put_object(key=Name.LOGO, content=b"x")
        assert objects.list_object_keys(Name.LOGO) == ["logo"]
        assert objects.get_object(key="logo") == objects.get_object(key=Name.LOGO) == b"x"

    @pytest.mark.parametrize("key", [b"logo", 7, None, ["logo"]])
    def test_keys_of_other_types(self, objects: ObjectStore, key: Any) -> None:
        for method in objects.get_object, objects.delete_object, objects.list_object_keys:
            with pytest.raises(TypeError, match="is of type str, not"):
                method(**{"prefix" if method == objects.list_object_keys else "key": key})
        with pytest.raises(TypeError, match="a key is of type str, not"):
            objects.put_object(key=key, content=b"")

    @pytest.mark.parametrize("content", ["text", 7, None, [1]])
    def test_content_of_other_types(self, objects: ObjectStore, content: Any) -> None:
        with pytest.raises(TypeError, match="the content of an object is of type bytes, not"):
            objects.put_object(key="k", content=content)
        assert objects.list_object_keys() == []

    def test_what_begins_like_storms_own_is_a_key_as_any(self, objects: ObjectStore) -> None:
        for key in "__storm_index", "__x", "_":
            objects.put_object(key=key, content=key.encode())
        assert objects.list_object_keys() == ["_", "__storm_index", "__x"]
        assert objects.list_object_keys("__") == ["__storm_index", "__x"]

    def test_keys_that_are_no_utf8_come_and_go(self, path: Path) -> None:
        bolt_database(path, {b"__storm_db": STORM, b"root": {b"\xff\xfe": b'"eA=="', b"\xff": b'"eQ=="'}})
        with engine.open_object_store(path) as objects:
            short, long = objects.list_object_keys()
            assert objects.list_object_keys("\udcff\udcfe") == [long]
            assert (objects.get_object(key=long), objects.get_object(key=short)) == (b"x", b"y")
            objects.put_object(key=long, content=b"z", force=True)
            objects.delete_object(key=short)
            assert objects.list_object_keys() == ["\udcff\udcfe"]

    def test_a_large_object(self, objects: ObjectStore) -> None:
        content = bytes(range(256)) * 8192
        objects.put_object(key="large", content=content)
        assert objects.get_object(key="large") == content

    def test_the_repr_says_which_file(self, objects: ObjectStore, path: Path) -> None:
        assert repr(objects) == f"<ObjectStore {str(path)!r} compat=python>"


class TestAsGofer:
    """What Gofer's Go code answered to the same calls."""

    def test_force_says_nothing(self, gofers: ObjectStore) -> None:
        for content in b"1", b"2":
            gofers.put_object(key="a", content=content, force=False)
            assert gofers.get_object(key="a") == content

    def test_before_the_first_put(self, gofers: ObjectStore) -> None:
        for method in gofers.get_object, gofers.delete_object:
            with pytest.raises(EntityNotFound, match="^objectstore: entity not found$"):
                method(key="a")
        with pytest.raises(EngineError, match="^runtime error: invalid memory address or nil pointer dereference$"):
            gofers.list_object_keys()

    def test_keys_that_are_none(self, gofers: ObjectStore) -> None:
        gofers.put_object(key="a", content=None)
        for key, text in [
            ("", "key required"),
            ("k" * 32769, "key too large"),
            ("__storm_metadata", "incompatible value"),
        ]:
            with pytest.raises(EngineError, match=f"^{text}$") as caught:
                gofers.put_object(key=key, content=b"")
            assert type(caught.value) is EngineError
            with pytest.raises(EntityNotFound, match="^objectstore: entity not found$"):
                gofers.get_object(key=key)
        with pytest.raises(EngineError, match="^incompatible value$"):
            gofers.delete_object(key="__storm_metadata")
        for key in "", "none", "k" * 32769:
            gofers.delete_object(key=key)
        assert gofers.list_object_keys() == ["__storm_metadata", "a"]
        assert gofers.list_object_keys("__") == ["__storm_metadata"]
        assert gofers.get_object(key="a") == b""


KEYS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(lambda key: key != "__storm_metadata")
CALLS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), KEYS, st.binary(max_size=3000), st.booleans()),
        st.tuples(st.just("delete"), KEYS, st.just(b""), st.booleans()),
    )
)


@given(calls=CALLS, chosen=st.randoms())
def test_a_store_is_a_dict(calls: list[tuple[str, str, bytes, bool]], chosen: Any) -> None:
    model: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "objects.db"
        with engine.open_object_store(path, no_sync=True) as objects:
            for call, key, content, again in calls:
                key = chosen.choice(sorted(model)) if again and model else key
                try:
                    if call == "put":
                        objects.put_object(key=key, content=content, force=again)
                        model[key] = content
                    else:
                        objects.delete_object(key=key)
                        del model[key]
                except EntityExists:
                    assert key in model
                    assert not again
                except EntityNotFound:
                    assert key not in model
        with engine.open_object_store(path, read_only=True) as objects:
            keys = objects.list_object_keys()
            assert keys == sorted(model, key=str.encode)
            assert {key: objects.get_object(key=key) for key in keys} == model
            for prefix in {key[:2] for key in model}:
                assert objects.list_object_keys(prefix) == [key for key in keys if key.startswith(prefix)]
