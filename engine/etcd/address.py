"""The URL of an etcd engine: which servers, which keys, and how to be let in.

    etcd://host:2379,host2:2379/prefix?user=gofer&password_file=/run/secrets/etcd&ca=/etc/etcd/ca.pem

A password is never in the URL, which ends up in logs and lists of processes: it is in a file, in the environment, or
handed over by the program. Nothing here shows it.
"""

from __future__ import annotations

import os
import re
import socket  # noqa: F401 - ssl makes an ImportError of Ctrl-C while it looks for this one by itself
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import unquote, unquote_plus, urlsplit

from ..errors import EngineError

PASSWORD_VARIABLE: Final = "ENGINE_ETCD_PASSWORD"
"""The environment variable that is asked for a password where nothing else gives one."""

DEFAULT_PORT: Final = 2379
DEFAULT_PREFIX: Final = "gofer"
DEFAULT_TIMEOUT: Final = 10.0

_FORM: Final = "etcd://host:2379,host2:2379/prefix?option=value"
_OPTIONS: Final = ("tls", "ca", "cert", "key", "server_name", "user", "password_file", "timeout")
_NAME: Final = re.compile(r"[a-z_]+")
_PASSWORD: Final = re.compile(r"passw(?:or)?d\s*[=:]", re.IGNORECASE)
_NO_PASSWORD: Final = (
    f"a password does not belong into a URL: use password_file= or the environment variable {PASSWORD_VARIABLE}"
)
_SWITCH: Final = {"1": True, "true": True, "on": True, "0": False, "false": False, "off": False}


@dataclass(frozen=True, slots=True)
class Tls:
    """What a connection is secured with, as PEM. None: the authorities that the system trusts; no certificate."""

    ca: bytes | None = None
    cert: bytes | None = None
    key: bytes | None = field(default=None, repr=False)
    server_name: str = ""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the data of an engine is.

    Attributes:
        endpoints: "host:port" of each server of the cluster that may be asked.
        prefix: What all keys begin with.
        tls: None for connections without TLS.
        user: The name to log in with; empty for none.
        password: Its password.
        timeout: The most seconds that one question waits for its answer, all attempts included.
    """

    endpoints: tuple[str, ...]
    prefix: bytes
    tls: Tls | None = None
    user: str = ""
    password: str = field(default="", repr=False)
    timeout: float = DEFAULT_TIMEOUT

    def __str__(self) -> str:
        return f"etcd://{','.join(self.endpoints)}/{self.prefix.decode().rstrip('/')}"


def parse_address(url: str, *, password: str | None = None, timeout: float | None = None) -> Address:
    """The address that a URL tells.

    Args:
        url: As at the top. Without a port it is 2379, without a prefix "gofer". Options: `tls` (1 or 0), `ca`, `cert`
            and `key` (paths of PEM files, which imply `tls`), `server_name` (the name in the server's certificate, if
            it is another than the host), `user`, `password_file`, `timeout` (seconds).
        password: The user's password, in place of the file or the environment variable.
        timeout: In place of the URL's.

    Raises:
        EngineError: The URL is of another form, an option is unknown, a file can not be read or is missing.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise EngineError(f"that is no URL; one of etcd's has the form {_FORM}") from None
    if "@" in parts.netloc + parts.path:  # a password may hold a slash
        raise EngineError(
            "an etcd URL holds no user or password before the host: give ?user= and, for the password, "
            f"password_file=, the environment variable {PASSWORD_VARIABLE} or the option password"
        )
    if parts.fragment:
        raise EngineError(f"an etcd URL has the form {_FORM}, without a #")
    if "&" in parts.path or ";" in parts.path:
        raise EngineError(f"options follow a ? ({_FORM}); a prefix with & or ; in it has %26 or %3B there")
    if _PASSWORD.search(unquote(parts.path)):
        raise EngineError(f"the prefix: {_NO_PASSWORD}")
    try:
        prefix = f"{unquote(parts.path, errors='strict').strip('/') or DEFAULT_PREFIX}/".encode()
    except UnicodeError:
        raise EngineError("the prefix in the URL is not UTF-8") from None
    options = _options(parts.query)
    user = options.get("user", "")
    if (password is not None or "password_file" in options) and not user:
        raise EngineError("there is a password, but no user: add user=NAME to the URL")
    return Address(
        endpoints=tuple(_endpoint(*it) for it in enumerate(parts.netloc.split(","), 1)),
        prefix=prefix,
        tls=_tls(options),
        user=user,
        password=_password(options, password) if user else "",
        timeout=_seconds(options.get("timeout", DEFAULT_TIMEOUT) if timeout is None else timeout),
    )


def _options(query: str) -> dict[str, str]:
    """The options by name. Its errors show no value, which may be a password in a place where it is not looked for."""
    options: dict[str, str] = {}
    for number, option in enumerate(query.split("&"), 1):
        name, equals, value = (unquote_plus(it) for it in option.partition("="))
        label = f"the option {name}" if name in _OPTIONS else f"option {number} of the URL"
        if name == "password" or _PASSWORD.search(unquote_plus(option)):
            raise EngineError(f"{label}: {_NO_PASSWORD}")
        if name == "user" and ":" in value:
            raise EngineError(
                f"{label}: it is the name alone, without a : and what etcdctl takes behind it; {_NO_PASSWORD}"
            )
        if ";" in option or "?" in option:
            raise EngineError(f"{label}: options are parted by &, and a value with ; or ? in it has %3B or %3F there")
        if name in _OPTIONS:
            options[name] = value
        elif option:
            about = f"an etcd URL has no option {name!r}" if equals and _NAME.fullmatch(name) else f"{label} is none"
            raise EngineError(f"{about}; there are {', '.join(_OPTIONS)}")
    return options


def _endpoint(number: int, text: str) -> str:
    found = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]=&;%]+)(?::(\d{1,5}))?", text)
    if not found or not 0 < int(found[2] or DEFAULT_PORT) < 2**16:
        # What stands there may be a password.
        raise EngineError(f"host {number} in the URL is no host:port; an etcd URL has the form {_FORM}")
    return f"{found[1]}:{found[2] or DEFAULT_PORT}"


def _tls(options: dict[str, str]) -> Tls | None:
    files = {name: _read(name, options[name]) for name in ("ca", "cert", "key") if name in options}
    switch = options.get("tls")
    if switch is not None and switch.lower() not in _SWITCH:
        raise EngineError("the option tls is 1 or 0; a certificate authority is given as ca=FILE")
    wanted = _SWITCH[switch.lower()] if switch is not None else bool(files)
    if not wanted and (files or "server_name" in options):
        raise EngineError("there are certificates or a server_name for TLS, but TLS is off: add tls=1")
    if ("cert" in files) is not ("key" in files):
        raise EngineError("cert and key go together: a client shows both a certificate and that it has its key")
    if not wanted:
        return None
    _require_usable(options)
    return Tls(files.get("ca"), files.get("cert"), files.get("key"), options.get("server_name", ""))


def _require_usable(options: dict[str, str]) -> None:
    """EngineError unless the files are PEM and the key is the certificate's: later nobody tells which one is wrong."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if "ca" in options:
            context.load_verify_locations(cafile=options["ca"])
    except ssl.SSLError as error:
        raise EngineError(f"ca: {options['ca']!r} holds no certificate ({error.reason})") from None
    try:
        if "cert" in options:
            # Without a password: one that is wanted would be asked for on the terminal.
            context.load_cert_chain(options["cert"], options["key"], password="")
    except ssl.SSLError as error:
        raise EngineError(
            f"cert and key: {options['cert']!r} and {options['key']!r} are no certificate with its key, "
            f"without a password ({error.reason})"
        ) from None


def _password(options: dict[str, str], given: str | None) -> str:
    if given is not None:
        if not isinstance(given, str):
            raise TypeError(f"password is of type str, not {type(given).__name__}")
        return given
    if "password_file" in options:
        try:
            return _read("password_file", options["password_file"]).decode().rstrip("\r\n")
        except UnicodeDecodeError:
            raise EngineError("password_file: the file is no UTF-8") from None
    found = os.environ.get(PASSWORD_VARIABLE)
    if found is None:
        raise EngineError(
            "the URL's user needs a password: password_file= in the URL, the environment variable "
            f"{PASSWORD_VARIABLE} or the option password"
        )
    return found


def _read(name: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise EngineError(f"{name}: {path!r} can not be read: {getattr(error, 'strerror', None) or error}") from None


def _seconds(value: float | str) -> float:
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = 0.0
    if not 0 < seconds <= 86400:
        # What a URL says there may be a password; what a program says is a number.
        found = "" if isinstance(value, str) else f", not {value!r}"
        raise EngineError(f"timeout is a number of seconds above 0, at most a day{found}")
    return seconds
