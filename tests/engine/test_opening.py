"""From a path or URL to an engine, or to a clear error."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import boltpy
import engine
from engine import EngineError
from engine.opening import shown

from .conformance.memory import MemoryEngine
from .gofer_files import SMALL, dump
from .making import bolt_database


def test_a_path_a_path_object_and_a_url_open_the_same(tmp_path: Path) -> None:
    spaced = tmp_path / "my gofer.db"
    spaced.write_bytes(SMALL.read_bytes())
    for place in str(spaced), spaced, f"bolt://{tmp_path}/my%20gofer.db":
        with engine.open_engine(place, read_only=True) as storage:
            assert [it.id for it in storage.get_all_namespaces()] == ["default", "ünï-名前😀"]


def test_a_missing_file_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "none.db"
    with pytest.raises(FileNotFoundError):
        engine.open_engine(path, read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_a_new_file_is_that_of_gofer(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    for _ in range(2):
        with engine.open_engine(path):
            pass
        with boltpy.open(path, read_only=True) as db, db.view() as tx:
            found = [(bytes.fromhex(it["key"]), it["value"] and bytes.fromhex(it["value"])) for it in dump(tx)]
            # Opened again, it is not written to.
            assert tx.id == 2
        assert found == [
            (b"__storm_db", None),
            (b"__storm_metadata", None),
            (b"codec", b"json"),
            (b"version", b'"2.0.0"'),
            (b"runRegistry", None),
        ]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis://host/1", "no engine for redis://"),
        ("bolt://relative.db", "bolt:///path"),
        ("bolt://", "bolt:///path"),
        ("bolt:///gofer.db?mode=ro", "bolt:///path"),
    ],
)
def test_other_urls_say_what_there_is(url: str, words: str) -> None:
    with pytest.raises(EngineError, match=words):
        engine.open_engine(url, read_only=True)


def test_an_unknown_temper_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="'rust'"):
        engine.open_engine(SMALL, read_only=True, compat="rust")  # type: ignore[arg-type]


def test_a_file_that_is_no_database_is_a_bolt_error(tmp_path: Path) -> None:
    path = tmp_path / "text.db"
    path.write_bytes(b"not a database " * 5000)
    with pytest.raises(boltpy.BoltError):
        engine.open_engine(path, read_only=True)


def test_a_bolt_file_of_another_program_is_an_engine_error(tmp_path: Path) -> None:
    path = bolt_database(tmp_path / "other.db", {b"users": {b"ada": b"countess"}})
    with pytest.raises(EngineError, match="none of Gofer's"):
        engine.open_engine(path, read_only=True)
    # The failed attempt holds no lock.
    with boltpy.open(path, timeout=1):
        pass


@pytest.mark.parametrize("version", [b'"2.0.0"', b'"9"', b'""', b"null", b' "x" '])
def test_any_version_is_accepted(tmp_path: Path, version: bytes) -> None:
    path = bolt_database(tmp_path / "gofer.db", {b"__storm_db": {b"version": version}})
    with engine.open_engine(path, read_only=True) as storage:
        assert storage.get_all_namespaces() == []
        assert storage.get_all_run_registrations() == set()


@pytest.mark.parametrize("version", [b"2", b'"2.0', b"{}", b""])
def test_a_version_that_is_no_text_is_an_error(tmp_path: Path, version: bytes) -> None:
    path = bolt_database(tmp_path / "gofer.db", {b"__storm_db": {b"version": version}})
    with pytest.raises(EngineError, match="^__storm_db / version: "):
        engine.open_engine(path, read_only=True)


def test_a_file_made_by_storm_without_a_version_is_fine(tmp_path: Path) -> None:
    path = bolt_database(tmp_path / "gofer.db", {b"__storm_db": {}})
    with engine.open_engine(path, read_only=True) as storage:
        assert storage.get_all_tokens() == []


def test_readers_share_the_file_and_keep_writers_out() -> None:
    reader = "import sys, engine; engine.open_engine(sys.argv[1], read_only=True).get_all_tokens()"
    writer = "import sys, boltpy; boltpy.open(sys.argv[1], timeout=0.05)"
    with engine.open_engine(SMALL, read_only=True):
        assert subprocess.run([sys.executable, "-c", reader, SMALL], check=False, timeout=60).returncode == 0
        locked = subprocess.run([sys.executable, "-c", writer, SMALL], capture_output=True, check=False, timeout=60)
    assert b"LockTimeoutError" in locked.stderr


def test_a_file_that_is_being_written_is_a_timeout(tmp_path: Path) -> None:
    path = tmp_path / "gofer.db"
    path.write_bytes(SMALL.read_bytes())
    with boltpy.open(path), pytest.raises(boltpy.LockTimeoutError):
        engine.open_engine(path, read_only=True, timeout=0.05)


def test_options_go_to_the_database() -> None:
    with pytest.raises(TypeError):
        engine.open_engine(SMALL, read_only=True, no_such_option=1)


class TestRegistering:
    def test_a_registered_scheme_is_opened_by_its_factory(self) -> None:
        engine.register("memory", MemoryEngine)
        clock = itertools.count(5).__next__
        options: dict[str, Any] = {"max_results_limit": 2, "clock": clock, "shelf": "top"}
        with engine.open_engine("Memory://somewhere?x=1", read_only=True, compat="gofer", **options) as storage:
            assert isinstance(storage, MemoryEngine)
            assert storage.url == "Memory://somewhere?x=1"
            assert storage.options == {"read_only": True, "compat": "gofer", "shelf": "top"}
            storage.add_namespace(engine.Namespace(id="a"))
            assert storage.get_namespace(id="a").id == "a"
        with pytest.raises(EngineError, match="there is bolt://, .*memory://"):
            engine.open_engine("redis://host/1")

    def test_a_later_factory_takes_its_place(self) -> None:
        found: list[str] = []

        def failing(url: str, **options: object) -> engine.Engine:
            found.append(url)
            raise ConnectionError

        engine.register("x-test+1.0", MemoryEngine)
        engine.register("x-test+1.0", failing)
        with pytest.raises(ConnectionError):
            engine.open_engine("x-test+1.0://")
        assert found == ["x-test+1.0://"]

    @pytest.mark.parametrize("scheme", ["bolt", "etcd", "", "1a", "Upper", "a b", "a://", "é", None])
    def test_what_is_no_scheme_is_refused(self, scheme: str) -> None:
        with pytest.raises(ValueError, match="can not be registered"):
            engine.register(scheme, MemoryEngine)

    def test_what_can_not_be_called_is_no_factory(self) -> None:
        with pytest.raises(TypeError, match="can not"):
            engine.register("thing", "factory")

    def test_an_engine_may_be_without_an_event_log(self) -> None:
        with MemoryEngine() as storage:
            for ask in (
                storage.get_all_events,
                lambda: storage.get_event(id=1),
                lambda: storage.add_event(engine.Event()),
                lambda: storage.delete_event(id=1),
            ):
                with pytest.raises(EngineError, match="keeps no event log"):
                    ask()


@pytest.mark.parametrize(
    ("place", "as_shown"),
    [
        ("etcd://host:1,other/prefix?user=u&password=SECRET", "etcd://host:1,other/prefix"),
        ("etcd://user:SECRET@host/x", "etcd://host/x"),
        ("etcd://user:SEC/RET@host/x#y", "etcd://host/x"),
        ("bolt:///a/b@c.db", "bolt:///a/b@c.db"),
        ("b@c.db", "b@c.db"),
    ],
)
def test_a_place_is_shown_without_its_secrets(place: str, as_shown: str) -> None:
    assert shown(place) == as_shown


def test_what_looks_like_a_url_makes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for place in "etcd:127.0.0.1", "ETCD:/127.0.0.1/x", "bolt:gofer.db":
        with pytest.raises(EngineError, match=r"begins a URL.*write \./"):
            engine.open_engine(place)
    assert list(tmp_path.iterdir()) == []
    engine.open_engine(Path("etcd:a")).close()
    for path in "./etcd:b", "2024-01-01T10:00.db":
        engine.open_engine(path).close()
    assert len(list(tmp_path.iterdir())) == 3
