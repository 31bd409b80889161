"""gofer-db on a database in etcd."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

import engine
from engine.cli import main
from engine.etcd import EtcdEngine
from tests.engine.conformance.memory import MemoryEngine
from tests.engine.gofer_files import SMALL

from .conftest import OpenEngine


def run(*arguments: str) -> str:
    out = io.StringIO()
    assert main(list(arguments), out) == 0
    return out.getvalue()


@pytest.fixture
def filled(url: str) -> str:
    """The URL of a copy of Gofer's small file."""
    assert "21 entities stored" in run("migrate", str(SMALL), url)
    return url


def test_what_looks_says_the_same_of_both(filled: str) -> None:
    for command in (
        ["show"],
        ["show", "--json"],
        ["get", "run", "default", "simple", "3"],
        ["get", "pipeline", "default", "simple", "--json"],
        ["export"],
    ):
        name, *rest = command
        assert run(name, filled, *rest) == run(name, str(SMALL), *rest)
    kinds = [json.loads(run("stats", place, "--json"))["kinds"] for place in (filled, str(SMALL))]
    assert kinds[0] == kinds[1]


@pytest.mark.parametrize(
    "kind", ["registration default simple 9", "token x", "docker_registry x", "event 1", "namespace x"]
)
def test_what_is_not_there_is_one_line(filled: str, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["get", filled, *kind.split()], io.StringIO()) == 1
    assert capsys.readouterr().err == f"gofer-db: {filled}: there is no {kind}\n"


def test_a_registration_is_found(filled: str) -> None:
    with engine.open_engine(filled, read_only=True) as storage:
        key = min(storage.get_all_run_registrations(), key=lambda it: it.run)
    found = json.loads(run("get", filled, "registration", key.namespace, key.pipeline, str(key.run), "--json"))
    assert found == {"Namespace": key.namespace, "Pipeline": key.pipeline, "Run": key.run}


@pytest.mark.parametrize("command", ["check", "import"])
def test_what_needs_a_file_says_so(filled: str, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, filled], io.StringIO()) == 1
    said = capsys.readouterr().err
    assert said == (
        f"gofer-db: {filled}: {command} is for bolt files, and this is none; `gofer-db migrate` copies it into one\n"
    )


def test_a_password_in_a_url_is_not_printed(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    host = url.partition("://")[2]
    for place in (
        f"etcd://gofer:SECRET@{host}",
        "etcd://host:SECRET/x",
        "etcd://host,[::1]:SECRET",
        f"{url}?user=gofer&password=SECRET",
        f"{url}?user=gofer;password=SECRET",
        f"{url}?tls=1?password=SECRET",
        f"{url}&password=SECRET",
        f"{url}%26Password%3DSECRET",
        f"{url}/password=SECRET",
    ):
        for arguments in ["show", place], ["migrate", str(SMALL), place], ["check", place]:
            assert main(arguments, io.StringIO()) == 1
            said = capsys.readouterr().err
            assert said.startswith("gofer-db: ")
            assert "SECRET" not in said


def test_to_itself_is_refused_however_it_is_spelled(filled: str, capsys: pytest.CaptureFixture[str]) -> None:
    servers, _, prefix = filled.partition("://")[2].partition("/")
    for target in (
        f"etcd://{servers.replace('127.0.0.1', 'localhost')}/{prefix}",
        f"etcd://{servers}/%{ord(prefix[0]):x}{prefix[1:]}",
        f"etcd://{servers}//{prefix}//?timeout=9",
    ):
        assert main(["migrate", filled, target], io.StringIO()) == 1
        assert "source and target are the same database" in capsys.readouterr().err
    assert "21 entities stored" in run("migrate", filled, f"{filled}-other")


def test_clusters_that_were_set_up_alike_are_two(open_engine: OpenEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = open_engine(), open_engine()
    assert one.shares_data(other)
    assert not one.shares_data(MemoryEngine())
    for theirs in 4, 8:
        stands = iter([(1, 5), (1, theirs), (1, 7)])
        monkeypatch.setattr(EtcdEngine, "_stands", lambda _, stands=stands: next(stands))
        assert not one.shares_data(other)


def test_a_target_that_is_refused_is_named_once(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with engine.open_engine(url):
        for place in f"{url}/e", f"{url.replace('etcd://', 'ETCD://')}/e?timeout=9":
            assert main(["migrate", str(SMALL), place], io.StringIO()) == 1
            said = capsys.readouterr().err
            assert said.startswith(f"gofer-db: {url}/e: this prefix is within the keys of the engine at ")


def test_a_place_without_anything_is_one_line(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", url], io.StringIO()) == 1
    assert capsys.readouterr().err == f"gofer-db: {url}: there is nothing of Gofer's\n"
