"""Gofer's secret store: text under a key, encrypted with one key for the whole file. A file of its own.

    with engine.open_secret_store("gofer-secret.db", key=encryption_key) as secrets:
        secrets.put_secret(key="default_simple_password", content="hunter2")
        print(secrets.get_secret(key="default_simple_password"))

Any key will do. Those that Gofer makes are `<namespace>_<pipeline>_<key>` and, since August 2022,
`global_secret_<key>`. Keys are stored as they are. A text is encrypted with AES-GCM and stored as

    nonce (12 bytes, random, new with each put) | ciphertext | tag (16 bytes)

Neither a text nor the encryption key is ever a part of an error or of a repr.
"""

from __future__ import annotations

from os import PathLike
from secrets import token_bytes
from typing import Any, Final

import boltpy

from .errors import EngineError, PreconditionFailed, RecordError
from .places import ROOT
from .store_files import StoreFile, bytes_of_text
from .storm import text_of_key
from .tempers import Compat

NONCE_SIZE: Final = 12
TAG_SIZE: Final = 16
KEY_SIZES: Final = (16, 24, 32)
"""Bytes of a key: AES-128, AES-192 and AES-256. Gofer's own configuration admits only the last."""

_WRONG_TAG: Final = "cipher: message authentication failed"
_MISSING: Final = "secrets need the package cryptography, which comes with: pip install '.[engine]'"


class SecretStore(StoreFile):
    """Encrypted texts under keys. `open_secret_store` makes one; leaving its block closes it.

    Each call is one transaction, done as a whole or not at all. Any thread may make it. Keys are text, of at most 32768
    bytes in UTF-8. What Go stored and is no UTF-8 comes back as Python writes such text ("surrogateescape").

    Beside the errors that the methods name, a closed store, a damaged file, a full disk and more than a bolt file can
    hold (2 GiB as base64) are a `boltpy.BoltError`, and an argument of the wrong type is a `TypeError`. With
    `compat="gofer"` errors have the texts of Gofer's Go code.
    """

    KIND = "Secret"
    GO_NAME = "secretStore"

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        key: str | bytes,
        read_only: bool = False,
        compat: Compat = "python",
        **options: Any,
    ) -> None:
        # Before the file is opened: a bad key should not make one.
        self._cipher = _Cipher(_bytes_of_key(key), strict=compat != "gofer")
        super().__init__(path, read_only=read_only, compat=compat, **options)

    def get_secret(self, *, key: str) -> str:
        """The text under a key, decrypted.

        Args:
            key: Any text.

        Raises:
            EntityNotFound: There is no such key.
            EngineError: It can not be decrypted: it was encrypted with another key, or it is damaged. The text names
                the key under which it is stored.
        """
        sealed = self._get(key)
        try:
            return text_of_key(self._cipher.open(sealed))
        except _SealedError as problem:
            if self._gofer:
                raise RecordError(problem.go_text) from None
            raise RecordError(str(problem), place=f"{ROOT} / {key}") from None

    def put_secret(self, *, key: str, content: str, force: bool = False) -> None:
        """Encrypt a text and store it under a key.

        Args:
            key: Text of 1 to 32768 bytes in UTF-8.
            content: The text; empty is fine.
            force: Replace what is there.

        Raises:
            EntityExists: The key is taken, and `force` was not given.
            PreconditionFailed: The key is empty, too long, no UTF-8, or the name of the bucket that storm keeps there,
                `__storm_metadata`; or the content is not text that UTF-8 can hold. (With `compat="gofer"` an
                EngineError.)
            EngineError: The bucket holds something else than storm's JSON; with `compat="gofer"` also that the
                encryption key has a wrong length.
            boltpy.DatabaseReadOnlyError: The store was opened to be read.

        After an error nothing has changed.
        """
        text = bytes_of_text(content, "the content of a secret")
        if not self._gofer:
            self._require_text("content", content, text)
        self._put(key, self._cipher.seal(text), force=force)

    def delete_secret(self, *, key: str) -> None:
        """Delete the text under a key. What it overwrote in the file is not wiped, as nowhere in a bolt file.

        Args:
            key: Any text.

        Raises:
            EntityNotFound: There is no such key. (With `compat="gofer"` only if nothing was ever put into the file.)
            boltpy.DatabaseReadOnlyError: The store was opened to be read.
        """
        self._delete(key)

    def list_secret_keys(self, prefix: str = "") -> list[str]:
        """The keys that begin with a prefix, in the order of their bytes. Nothing is decrypted.

        Args:
            prefix: Any text; empty for all keys.

        Returns:
            A new list, empty if there is none. With `compat="gofer"` the bucket `__storm_metadata` is listed too.

        Raises:
            EngineError: With `compat="gofer"`, nothing was ever put into the file: there Gofer crashes.
        """
        return self._list(prefix)


def open_secret_store(
    path: str | PathLike[str],
    *,
    key: str | bytes,
    read_only: bool = False,
    compat: Compat = "python",
    **options: Any,
) -> SecretStore:
    """Open a file of Gofer's secret store.

    Args:
        path: The file; made if it is not there. Gofer calls it gofer-secret.db.
        key: The encryption key, 16, 24 or 32 bytes, or a text that is as long in UTF-8. The file does not say which
            key is its own: with another one it opens, and its secrets can not be read.
        read_only: Change nothing: a missing file is an error, and readers can share it.
        compat: "python", or "gofer" for exactly what Gofer's Go code does; there a key of a wrong length is an error
            only when it is used.
        options: For `boltpy.open`. `timeout`, the seconds to wait for the lock, is 1 unless given, as in Gofer.

    Returns:
        The store, to be closed or used as a context manager.

    Raises:
        PreconditionFailed: The key has another length. Nothing was opened.
        EngineError: The package cryptography is missing, or the file is another program's.
        boltpy.BoltError: It is no bolt file, is damaged, or another process has it open.
        OSError: It can not be opened.
    """
    return SecretStore(path, key=key, read_only=read_only, compat=compat, **options)


def _bytes_of_key(key: object) -> bytes:
    if isinstance(key, bytes | bytearray | memoryview):
        return bytes(key)
    if isinstance(key, str):
        return bytes_of_text(key, "an encryption key")
    raise TypeError(f"an encryption key is of type str or bytes, not {type(key).__name__}")


class _SealedError(Exception):
    """Something does not decrypt: why, for people and in Go's words."""

    def __init__(self, reason: str, go_text: str) -> None:
        super().__init__(reason)
        self.go_text = go_text


class _Cipher:
    """AES-GCM with one key, no associated data, and the nonce before the ciphertext."""

    def __init__(self, key: bytes, *, strict: bool) -> None:
        """Args: `strict`, whether a key of a wrong length is refused now, and not when it is used."""
        try:
            # Only those who have secrets need it, and nobody else should wait for it to load.
            from cryptography.exceptions import InvalidTag  # noqa: PLC0415
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415
        except ImportError as error:
            raise EngineError(f"{_MISSING} ({error})") from None
        if strict and len(key) not in KEY_SIZES:
            sizes = " or ".join(map(str, KEY_SIZES))
            raise PreconditionFailed(f"an encryption key has {sizes} bytes, and this one has {len(key)}", field="key")
        self._key_size = len(key)
        self._aes = AESGCM(key) if len(key) in KEY_SIZES else None
        self._wrong_tag = InvalidTag

    def seal(self, text: bytes) -> bytes:
        if self._aes is None:
            raise EngineError("could not encrypt secret")
        nonce = token_bytes(NONCE_SIZE)
        try:
            return nonce + self._aes.encrypt(nonce, text, None)
        except OverflowError:
            # The library stops where a value of bolt does.
            raise boltpy.ValueTooLargeError(len(text), 2**31 - 1) from None

    def open(self, sealed: bytes) -> bytes:
        """What was sealed; _SealedError if it was not sealed with this key, or is damaged."""
        if self._aes is None:
            go_text = f"crypto/aes: invalid key size {self._key_size}"
            raise _SealedError(go_text, go_text)
        if len(sealed) < NONCE_SIZE + TAG_SIZE:
            # Go looks for the nonce alone, and then takes what follows for a bad tag.
            go_text = "ciphertext too short" if len(sealed) < NONCE_SIZE else _WRONG_TAG
            raise _SealedError(f"{len(sealed)} bytes are too few for a secret: it is damaged", go_text)
        try:
            return self._aes.decrypt(sealed[:NONCE_SIZE], sealed[NONCE_SIZE:], None)
        except self._wrong_tag:
            reason = "it does not decrypt: it was stored with another encryption key, or is damaged"
            raise _SealedError(reason, _WRONG_TAG) from None
