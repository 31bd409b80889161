"""The peer itself: it survives any request, and both languages mean the same by a workload and by a history."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.models import difference

from .history import History
from .peer import GoError, GoPeer, PeerUnavailableError, build
from .workload import Workload


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"nonsense", "bad request: invalid character"),
        (b'{"id": 1, "op": "sing"}', 'bad request: no operation "sing"'),
        (b'{"id": 1, "op": "check", "page": 3}', 'bad request: json: unknown field "page"'),
        (b'{"id": 1, "op": "check", "db": "none"}', 'bad request: no database "none"'),
        (b'{"id": 1, "op": "commit", "tx": "none"}', 'bad request: no transaction "none"'),
        (b'{"id": 1, "op": "update", "operations": [{"op": "put", "key": "0g"}]}', "bad request: encoding/hex"),
        (b'{"id": 1, "op": "open", "db": "a", "path": "/nowhere/at/all"}', "no such file"),
    ],
)
def test_a_bad_request_is_answered_with_an_error_and_the_peer_goes_on(peer: GoPeer, line: bytes, text: str) -> None:
    peer.send(line)
    assert text in peer.receive()["error"]
    with pytest.raises(GoError, match="no database"):
        peer.request("check", db="none")


def test_a_panic_of_bbolt_is_answered_with_an_error(peer: GoPeer, tmp_path: Path) -> None:
    path = tmp_path / "damaged.db"
    with peer.open(path, page_size=4096) as db:
        db.run(Workload(count=1, per_tx=1))
    content = bytearray(path.read_bytes())
    content[4 * 4096 : 5 * 4096] = bytes(4096)  # the leaf with the pair; its flags are now 0
    path.write_bytes(content)
    with peer.open(path) as db:
        with pytest.raises(GoError, match="panic"):
            db.digest()
        assert db.check() != []


def test_without_go_the_build_tells_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PeerUnavailableError, match="go is not on PATH"):
        build(tmp_path)


MIXED = Workload(
    count=3000, per_tx=170, load=300, value_size=(0, 90), overwrite=20, delete=20, missing=5, transient=5, seed=7
)


@pytest.mark.parametrize(
    "workload",
    [
        MIXED,
        replace(MIXED, keys="ascending", key_size=(3, 70), bucket=(b"a", b"b")),
        replace(MIXED, keys="descending", key_size=(20, 20), seed=(1 << 64) - 1),
    ],
    ids=["random", "ascending", "descending"],
)
def test_both_languages_derive_the_same_changes_from_a_workload(
    peer: GoPeer, tmp_path: Path, workload: Workload
) -> None:
    expected: dict[bytes, bytes] = {}
    for transaction in workload.transactions():
        for key, value in transaction:
            if value is None:
                expected.pop(key, None)
            else:
                expected[key] = value
    with peer.open(tmp_path / "peer.db", no_sync=True) as db:
        db.run(workload)
        assert db.contents().nested(*workload.bucket).pairs() == dict(sorted(expected.items()))


@pytest.mark.parametrize("seed", range(4))
def test_the_model_foresees_what_bbolt_answers_to_a_history(peer: GoPeer, tmp_path: Path, seed: int) -> None:
    history = History(seed)
    with peer.open(tmp_path / "peer.db", no_sync=True) as db:
        for _ in range(8):
            changes, outcomes = history.transaction(60, careful=True)
            assert db.update(changes) == outcomes
            assert difference(history.model, db.contents()) is None
        assert db.check() == []
