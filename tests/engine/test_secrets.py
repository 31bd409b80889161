"""The secret store: encrypted as Gofer encrypts, and silent about what is secret. What it shares with the object store
is tested there.
"""

from __future__ import annotations

import base64
import json
import logging
import sys
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

import boltpy
import engine
from engine import EngineError, EntityExists, EntityNotFound, PreconditionFailed, SecretStore
from engine.errors import RecordError

from .gofer_files import dump, read_text, sessions, snake, unpack
from .making import bolt_database

KEY = "changemechangemechangemechangeme"
OTHER_KEY = "0123456789abcdef0123456789abcdef"
STORM = {b"version": b'"2.0.0"'}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "secrets.db"


@pytest.fixture
def secrets(path: Path) -> Iterator[SecretStore]:
    with engine.open_secret_store(path, key=KEY, no_sync=True) as store:
        yield store


def outcome(store: SecretStore, call: dict[str, Any]) -> tuple[Any, str | None]:
    """What the store answers to a call in a log, as the log has it."""
    try:
        return getattr(store, snake(call["op"]))(**call["req"]), None
    except EngineError as error:
        return None, str(error)


def decrypted(stored: bytes) -> bytes:
    """What a stored value says, by the library alone."""
    sealed = base64.b64decode(json.loads(stored), validate=True)
    return AESGCM(KEY.encode()).decrypt(sealed[:12], sealed[12:], None)


def sealed(content: bytes, key: str = KEY) -> bytes:
    """A stored value, with a nonce of zeros."""
    return json.dumps(
        base64.b64encode(bytes(12) + AESGCM(key.encode()).encrypt(bytes(12), content, None)).decode()
    ).encode()


def with_open_secrets(lines: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The lines of a raw dump with what the secrets say in place of their ciphertext."""
    for line in lines:
        if line["path"] == [b"root".hex()] and not line["bucket"]:
            stored = bytes.fromhex(line["value"])
            line |= {"value": decrypted(stored), "size": len(stored)}
        yield line


def stored_values(path: Path) -> dict[bytes, bytes]:
    with boltpy.open(path, read_only=True) as db, db.view() as tx:
        bucket = tx.bucket(b"root")
        assert bucket is not None
        return {key: value for key, value in bucket.items() if value is not None}


class TestGofersOwn:
    def test_the_calls_that_made_its_file_make_the_same_secrets(self, path: Path) -> None:
        with engine.open_secret_store(path, key=KEY, compat="gofer", no_sync=True) as store:
            for text in read_text("gofer_secrets.ops.jsonl").splitlines():
                call = json.loads(text)
                assert outcome(store, call) == (call["result"], call["error"]), call["req"]["key"]
        recorded = map(json.loads, read_text("gofer_secrets.raw.jsonl").splitlines())
        with boltpy.open(path, read_only=True) as db, db.view() as tx:
            assert list(tx.check()) == []
            assert list(with_open_secrets(dump(tx))) == list(with_open_secrets(recorded))

    def test_each_answer_is_that_of_gofer(self, tmp_path: Path) -> None:
        path = unpack("secrets", tmp_path)
        asked = 0
        for session in sessions("secrets"):
            with engine.open_secret_store(path, key=session["encryption_key"], compat="gofer") as store:
                for call in session["calls"]:
                    assert outcome(store, call) == (call["result"], call["error"]), call["req"]["key"]
                    asked += 1
        assert asked == 62

    def test_its_secrets_for_people(self, tmp_path: Path) -> None:
        path = unpack("secrets", tmp_path)
        with engine.open_secret_store(path, key=KEY.encode(), read_only=True) as store:
            keys = store.list_secret_keys()
            assert len(keys) == 56
            assert [store.get_secret(key=key) for key in ("default_simple_password", "empty")] == ["forced", ""]
            assert store.list_secret_keys("unicode_") == ["unicode_名前_😀"]
        with engine.open_secret_store(path, key=KEY, read_only=True, compat="gofer") as store:
            assert store.list_secret_keys("__") == ["__storm_metadata"]


class TestInPython:
    def test_put_get_delete(self, secrets: SecretStore) -> None:
        for content in "hunter2", "", "名前 \x00 😀", "x" * 100_000:
            secrets.put_secret(key="password", content=content, force=True)
            assert secrets.get_secret(key="password") == content
        secrets.delete_secret(key="password")
        assert secrets.list_secret_keys() == []
        for method in secrets.get_secret, secrets.delete_secret:
            with pytest.raises(EntityNotFound, match="^secretStore: entity not found: 'password'$") as caught:
                method(key="password")
            assert (caught.value.entity, caught.value.key) == ("Secret", {"key": "password"})

    @pytest.mark.parametrize(
        ("compat", "words"),
        [("python", "secretStore: entity already exists: 'a'"), ("gofer", "secretStore: entity already exists")],
    )
    def test_what_is_there_is_replaced_by_force_alone(self, path: Path, compat: Any, words: str) -> None:
        with engine.open_secret_store(path, key=KEY, compat=compat) as secrets:
            secrets.put_secret(key="a", content="old", force=True)
            with pytest.raises(EntityExists, match=f"^{words}$"):
                secrets.put_secret(key="a", content="new")
            assert secrets.get_secret(key="a") == "old"
            secrets.put_secret(key="a", content="new", force=True)
            assert secrets.get_secret(key="a") == "new"

    @pytest.mark.parametrize("key", ["", "__storm_metadata", "k" * 32769, "\ud800"])
    def test_a_key_that_can_not_be_is_refused(self, secrets: SecretStore, key: str) -> None:
        with pytest.raises(PreconditionFailed, match="^secretStore: parameters did not pass validation: Secret.key: "):
            secrets.put_secret(key=key, content="x")
        assert secrets.list_secret_keys() == []

    def test_what_is_stored(self, secrets: SecretStore, path: Path) -> None:
        for key, content in ("a", "same"), ("b", "same"), ("c", ""):
            secrets.put_secret(key=key, content=content)
        secrets.put_secret(key="b", content="same", force=True)
        secrets.close()
        stored = stored_values(path)
        assert {key: decrypted(value) for key, value in stored.items()} == {b"a": b"same", b"b": b"same", b"c": b""}
        raw = [base64.b64decode(json.loads(value)) for value in stored.values()]
        assert [len(value) for value in raw] == [32, 32, 28]
        # No nonce is used twice.
        assert len({value[:12] for value in raw}) == 3

    @pytest.mark.parametrize("key", ["k" * 16, "k" * 24, b"\xff" * 32, bytearray(16), "é" * 8])
    def test_keys_of_each_length(self, path: Path, key: Any) -> None:
        for _ in range(2):
            with engine.open_secret_store(path, key=key) as secrets:
                secrets.put_secret(key="a", content="text", force=True)
                assert secrets.get_secret(key="a") == "text"
        plain = key.encode() if isinstance(key, str) else bytes(key)
        value = base64.b64decode(json.loads(stored_values(path)[b"a"]))
        assert AESGCM(plain).decrypt(value[:12], value[12:], None) == b"text"

    @pytest.mark.parametrize("size", [0, 1, 15, 17, 31, 33, 64])
    def test_a_key_of_another_length_opens_nothing(self, path: Path, size: int) -> None:
        words = f"^an encryption key has 16 or 24 or 32 bytes, and this one has {size}$"
        with pytest.raises(PreconditionFailed, match=words) as caught:
            engine.open_secret_store(path, key="k" * size)
        assert caught.value.field == "key"
        assert not path.exists()

    @pytest.mark.parametrize("content", [b"text", 7, None])
    def test_content_of_other_types(self, secrets: SecretStore, content: Any) -> None:
        with pytest.raises(TypeError, match="^the content of a secret is of type str, not"):
            secrets.put_secret(key="k", content=content)

    @pytest.mark.parametrize("key", [None, 7, ["k" * 16]])
    def test_encryption_keys_of_other_types(self, path: Path, key: Any) -> None:
        with pytest.raises(TypeError, match="^an encryption key is of type str or bytes, not"):
            engine.open_secret_store(path, key=key)
        assert not path.exists()

    def test_content_that_is_no_utf8_is_read_and_not_made(self, path: Path) -> None:
        bolt_database(path, {b"__storm_db": STORM, b"root": {b"a": sealed(b"\xff\xfe")}})
        with engine.open_secret_store(path, key=KEY) as secrets:
            content = secrets.get_secret(key="a")
            assert content == "\udcff\udcfe"
            secrets.put_secret(key="b", content=content)
            assert secrets.get_secret(key="b") == content
            with pytest.raises(PreconditionFailed, match="Secret.content: not text that UTF-8 can hold$"):
                secrets.put_secret(key="c", content="\ud800")
            assert secrets.list_secret_keys() == ["a", "b"]

    def test_more_than_can_be_encrypted(self, secrets: SecretStore, monkeypatch: pytest.MonkeyPatch) -> None:
        class Full:
            def encrypt(self, nonce: bytes, text: bytes, data: None) -> bytes:
                raise OverflowError("Data or associated data too long. Max 2**31 - 1 bytes")

        # Two gibibytes are too many for a test.
        monkeypatch.setattr(secrets._cipher, "_aes", Full())
        with pytest.raises(boltpy.ValueTooLargeError, match="^value too large: 4 bytes, the limit is 2147483647$"):
            secrets.put_secret(key="a", content="text")
        assert secrets.list_secret_keys() == []

    def test_only_read(self, secrets: SecretStore, path: Path) -> None:
        secrets.put_secret(key="a", content="1")
        secrets.close()
        with engine.open_secret_store(path, key=KEY, read_only=True) as secrets:
            assert secrets.get_secret(key="a") == "1"
            for change in (
                lambda: secrets.put_secret(key="b", content=""),
                lambda: secrets.delete_secret(key="a"),
            ):
                with pytest.raises(boltpy.DatabaseReadOnlyError):
                    change()


class TestAsGofer:
    """What Gofer's Go code answered to the same calls."""

    def test_before_the_first_put(self, path: Path) -> None:
        with engine.open_secret_store(path, key=KEY, compat="gofer") as secrets:
            for method in secrets.get_secret, secrets.delete_secret:
                with pytest.raises(EntityNotFound, match="^secretStore: entity not found$"):
                    method(key="a")
            with pytest.raises(EngineError, match="^runtime error: invalid memory address or nil pointer dereference$"):
                secrets.list_secret_keys()

    def test_a_key_of_another_length_fails_when_it_is_used(self, path: Path) -> None:
        with engine.open_secret_store(path, key=KEY, compat="gofer") as secrets:
            secrets.put_secret(key="a", content="x")
        with engine.open_secret_store(path, key="short", compat="gofer") as secrets:
            with pytest.raises(EngineError, match="^could not encrypt secret$"):
                secrets.put_secret(key="a", content="y")
            with pytest.raises(EntityNotFound):
                secrets.get_secret(key="b")
            with pytest.raises(EngineError, match="^crypto/aes: invalid key size 5$"):
                secrets.get_secret(key="a")
            secrets.delete_secret(key="a")
            assert secrets.list_secret_keys() == ["__storm_metadata"]


ANOTHER_KEY = "it does not decrypt: it was stored with another encryption key, or is damaged"
FEW = "bytes are too few for a secret: it is damaged"
TAG = "cipher: message authentication failed"


class TestDamage:
    @pytest.mark.parametrize(
        ("stored", "words", "go_words"),
        [
            (sealed(b"text", OTHER_KEY), ANOTHER_KEY, TAG),
            (b'"' + base64.b64encode(bytes(28)) + b'"', ANOTHER_KEY, TAG),
            (b'"' + base64.b64encode(bytes(27)) + b'"', f"27 {FEW}", TAG),
            (b'"' + base64.b64encode(bytes(12)) + b'"', f"12 {FEW}", TAG),
            (b'"' + base64.b64encode(bytes(11)) + b'"', f"11 {FEW}", "ciphertext too short"),
            (b'""', f"0 {FEW}", "ciphertext too short"),
            (b"null", f"0 {FEW}", "ciphertext too short"),
            (b"{", "unexpected end of JSON input", "unexpected end of JSON input"),
        ],
    )
    def test_what_does_not_decrypt_names_its_key(self, path: Path, stored: bytes, words: str, go_words: str) -> None:
        bolt_database(path, {b"__storm_db": STORM, b"root": {b"bad": stored, b"good": sealed(b"text")}})
        for compat, text in ("python", f"root / bad: {words}"), ("gofer", go_words):
            with engine.open_secret_store(path, key=KEY, compat=compat, read_only=True) as secrets:
                with pytest.raises(RecordError) as caught:
                    secrets.get_secret(key="bad")
                assert str(caught.value) == text
                assert secrets.get_secret(key="good") == "text"
                assert "bad" in secrets.list_secret_keys()

    def test_each_flipped_bit_is_found(self, path: Path) -> None:
        value = base64.b64decode(json.loads(sealed(b"text")))
        flipped = {}
        for position in range(len(value)):
            changed = bytearray(value)
            changed[position] ^= 1 << position % 8
            flipped[b"%02d" % position] = b'"' + base64.b64encode(changed) + b'"'
        bolt_database(path, {b"__storm_db": STORM, b"root": flipped})
        with engine.open_secret_store(path, key=KEY, read_only=True) as secrets:
            for key in secrets.list_secret_keys():
                with pytest.raises(RecordError, match="it does not decrypt"):
                    secrets.get_secret(key=key)


class TestSilence:
    """Neither content nor key is told to anybody."""

    PLAIN = "hunter2-plaintext"

    def test_errors_and_reprs(self, path: Path, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        said = []
        logger = logging.getLogger("secrets")
        with engine.open_secret_store(path, key=KEY, logger=logger) as secrets:
            secrets.put_secret(key="a", content=self.PLAIN)
            said += [repr(secrets), str(secrets), repr(vars(secrets))]
            for fail in (
                lambda: secrets.put_secret(key="a", content=self.PLAIN),
                lambda: secrets.put_secret(key="", content=self.PLAIN),
                lambda: secrets.put_secret(key="b", content=self.PLAIN + "\ud800"),
                lambda: secrets.put_secret(key="b", content=self.PLAIN.encode()),
                lambda: secrets.put_secret(key=7, content=self.PLAIN),
                lambda: secrets.get_secret(key="b"),
                lambda: engine.open_secret_store(path, key=KEY + "x"),
                lambda: engine.open_secret_store(path, key=[KEY]),
                lambda: engine.open_secret_store(path, key=KEY, timeout=0.01),
            ):
                with pytest.raises((EngineError, TypeError, boltpy.BoltError)) as caught:
                    fail()
                # The lines of source that a traceback shows are this test's own.
                said += traceback.format_exception_only(caught.value)
                said.append(repr([vars(error) for error in chain(caught.value)]))
        with (
            engine.open_secret_store(path, key=OTHER_KEY, logger=logger) as secrets,
            pytest.raises(RecordError) as caught,
        ):
            secrets.get_secret(key="a")
        said += [repr(error) for error in chain(caught.value)]
        said += [record.getMessage() for record in caplog.records]
        told = "\n".join(said)
        assert len(said) > 20
        for secret in self.PLAIN, KEY, OTHER_KEY:
            assert secret not in told

    def test_the_file(self, secrets: SecretStore, path: Path) -> None:
        secrets.put_secret(key="a", content=self.PLAIN)
        secrets.close()
        data = path.read_bytes()
        for secret in self.PLAIN.encode(), KEY.encode(), base64.b64encode(self.PLAIN.encode()):
            assert secret not in data


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and those that came before it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("compat", ["python", "gofer"])
def test_without_the_package_it_says_what_to_install(path: Path, monkeypatch: pytest.MonkeyPatch, compat: Any) -> None:
    # None is how an interpreter says that a module is not to be found.
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    words = r"secrets need the package cryptography, .*: pip install '\.\[engine\]'"
    with pytest.raises(EngineError, match=words) as caught:
        engine.open_secret_store(path, key=KEY, compat=compat)
    assert KEY not in str(caught.value)
    assert not path.exists()
    # Objects do without.
    with engine.open_object_store(path) as objects:
        objects.put_object(key="a", content=b"")


TEXTS = st.text(st.characters(codec="utf-8"), max_size=300)


@given(
    contents=st.dictionaries(TEXTS.filter(lambda key: key not in ("", "__storm_metadata")), TEXTS),
    key=st.binary(min_size=32, max_size=32),
)
def test_what_is_put_is_got(contents: dict[str, str], key: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "secrets.db"
        with engine.open_secret_store(path, key=key, no_sync=True) as secrets:
            for name, content in contents.items():
                secrets.put_secret(key=name, content=content)
        with engine.open_secret_store(path, key=key, read_only=True) as secrets:
            assert {name: secrets.get_secret(key=name) for name in secrets.list_secret_keys()} == contents
        with engine.open_secret_store(path, key=bytes([key[0] ^ 1]) + key[1:], read_only=True) as secrets:
            for name in contents:
                with pytest.raises(RecordError):
                    secrets.get_secret(key=name)
