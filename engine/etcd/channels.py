"""One question to a cluster: which server is asked, until when, as whom, and what its refusals are called.

Each server has a connection; one of them is asked until it fails, then the next. A question that changes nothing may
be asked again as often as time allows. One that changes something is asked once: whoever asks has to find out what
became of it if no answer comes (`Lost`).
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import grpc

from ..errors import EngineError, TransactionTooLarge
from ..processes import Home
from . import messages
from .address import Address, Tls

KV_RANGE: Final = "/etcdserverpb.KV/Range"
KV_TXN: Final = "/etcdserverpb.KV/Txn"
_WATCH: Final = "/etcdserverpb.Watch/Watch"
_AUTHENTICATE: Final = "/etcdserverpb.Auth/Authenticate"

_ANSWERS: Final = {
    KV_RANGE: messages.RangeResponse,
    KV_TXN: messages.TxnResponse,
    _AUTHENTICATE: messages.AuthenticateResponse,
}

_OPTIONS: Final = [
    # The server limits what it sends by its own sense.
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # A server that came back is found soon.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # Proxies of the environment are for the web.
    ("grpc.enable_http_proxy", 0),
    # Engines that were closed and opened again do not share connections.
    ("grpc.use_local_subchannel_pool", 1),
]
_PAUSE: Final = 0.1
_GETS: Final = 100

_Code: Final = grpc.StatusCode
# After these nobody knows whether the server did what it was asked.
_SILENT: Final = {
    _Code.UNAVAILABLE,
    _Code.DEADLINE_EXCEEDED,
    _Code.CANCELLED,
    _Code.UNKNOWN,
    _Code.INTERNAL,
    _Code.ABORTED,
    _Code.DATA_LOSS,
}
_TOKEN_IS_OLD: Final = ("invalid auth token", "revision of auth store is old")


class Lost(Exception):
    """No answer to what was asked once: it may have been done, may be done yet, or not at all. The text tells why."""


class Compacted(EngineError):
    """The server has forgotten the revision that was asked for."""


class Full(EngineError):
    """The server takes no more."""


class Denied(EngineError):
    """The user has no permission for that."""


class Channels:
    """The connections to a cluster. Any thread may ask."""

    def __init__(self, address: Address) -> None:
        """Nothing is connected before the first question."""
        self.address = address
        self.gets_at_once = _GETS
        """Keys that are read with one request; fewer, once a server has refused that many."""
        self._channels = [_channel(endpoint, address.tls) for endpoint in address.endpoints]
        self.share = address.timeout / len(self._channels)
        """The most seconds to wait for one server: one that is silent must leave time for the others."""
        # Not all clients are to ask the first server.
        self._current = random.randrange(len(self._channels))
        self._token = ""
        self._login = threading.Lock()
        self._closed = False
        self.home = Home()
        """The process whose threads serve the connections."""

    def close(self) -> None:
        """Close all connections; questions that are under way fail."""
        self._closed = True
        for channel in self._channels:
            channel.close()

    def require_open(self) -> None:
        """Raise EngineError if the connections are closed, or another process's."""
        self.home.require("this engine")
        if self._closed:
            raise EngineError("the engine is closed")

    def ask(self, method: str, request: Any) -> Any:
        """The answer to what may be asked several times.

        Raises:
            EngineError: The server refuses, or none gives an answer in time.
        """
        deadline = time.monotonic() + self.address.timeout
        reasons: dict[str, str] = {}
        while True:
            endpoint = self.address.endpoints[self._current]
            try:
                return self._attempt(method, request, deadline)
            except Lost as lost:
                reasons[endpoint] = str(lost)
            if time.monotonic() + _PAUSE >= deadline:
                raise EngineError(self._told_silence(reasons))
            time.sleep(_PAUSE * random.uniform(0.5, 1))

    def ask_once(self, method: str, request: Any, *, patience: float = math.inf) -> Any:
        """The answer to what is asked once.

        Args:
            patience: The most seconds to wait for it, if that is less than the timeout.

        Raises:
            Lost: There was none.
            EngineError: The server refuses, and has done nothing (but see `Full`).
        """
        return self._attempt(method, request, time.monotonic() + min(self.address.timeout, patience))

    @property
    def current(self) -> int:
        """The number of the server that is asked first."""
        return self._current

    def stream(self, requests: Iterator[Any], number: int) -> Any:
        """The answers of a watch, which can be cancelled.

        Args:
            number: That of the server to ask.

        Raises:
            EngineError: The engine is closed, or the user is refused.
            Lost: There is no answer to the user's login.
        """
        self.require_open()
        channel = self._channels[number]
        call: Callable[..., Any] = channel.stream_stream(
            _WATCH,
            request_serializer=_bytes_of,
            response_deserializer=messages.WatchResponse.FromString,
        )
        try:
            token = self._known_token(channel, time.monotonic() + self.share)
        except grpc.RpcError as error:
            raise self.refused(error) from None
        # A server that has lost the others ends the watch, so that another one can be asked.
        return call(requests, metadata=(("hasleader", "true"), *_metadata(token)))

    def leave(self, number: int) -> int:
        """From now on do not ask that server first. Returns the number of the one behind it."""
        following = (number + 1) % len(self._channels)
        if self._current == number:
            self._current = following
        return following

    def forgets_login(self, details: str) -> bool:
        """Whether a refusal says that the login has expired; the next question logs in anew then."""
        expired = any(text in details for text in _TOKEN_IS_OLD)
        if expired:
            self._forget_token()
        return expired

    def refused(self, error: grpc.RpcError, request: Any = None) -> Exception:
        """What to raise for an error of the server's: `Lost`, or an EngineError."""
        code, details = error.code(), str(error.details() or "")
        if code in _SILENT or (code is _Code.RESOURCE_EXHAUSTED and "too many requests" in details):
            return Lost(_plain(details) or code.name)
        if self.forgets_login(details):
            return Lost("the login has expired")
        text = f"{self.address}: {_plain(details) or code.name}"
        if code is _Code.OUT_OF_RANGE and "compacted" in details:
            return Compacted(f"{self.address}: what was stored at that revision has been compacted away; begin again")
        if "database space exceeded" in details:
            return Full(f"{text}: the server is full (--quota-backend-bytes); compact, defragment and disarm its alarm")
        if "too large" in details or "larger than max" in details:
            size = f" ({request.ByteSize()} bytes)" if request is not None else ""
            return TransactionTooLarge(f"{text}{size}: the server takes no larger ones (--max-request-bytes)")
        if "too many operations" in details:
            wanted = max(len(request.success), len(request.compare)) if request is not None else 0
            return TransactionTooLarge(f"{text}: this one has {wanted}, and the server takes fewer (--max-txn-ops)")
        if code is _Code.PERMISSION_DENIED or "permission denied" in details:
            return Denied(text)
        if "authentication failed" in details:
            return EngineError(f"{text} (user {self.address.user!r})")
        if "user name is empty" in details:
            return EngineError(f"{text}: the server wants a user; add user=NAME to the URL")
        return EngineError(text)

    # --- one attempt ---

    def _attempt(self, method: str, request: Any, deadline: float) -> Any:
        self.require_open()
        number = self._current
        channel = self._channels[number]
        deadline = min(deadline, time.monotonic() + self.share)
        try:
            token = self._known_token(channel, deadline)
            return self._send(channel, method, request, deadline, token)
        except grpc.RpcError as error:
            told = self.refused(error, request)
        except ValueError as error:  # grpc's way to say that another thread has closed the channel
            self.require_open()
            raise EngineError(f"{self.address}: {error}") from None
        if isinstance(told, Lost):
            self.leave(number)
        raise told from None

    def _send(self, channel: grpc.Channel, method: str, request: Any, deadline: float, token: str) -> Any:
        call: Callable[..., Any] = channel.unary_unary(
            method, request_serializer=_bytes_of, response_deserializer=_ANSWERS[method].FromString
        )
        return call(request, timeout=max(deadline - time.monotonic(), 0.001), metadata=_metadata(token))

    def _known_token(self, channel: grpc.Channel, deadline: float) -> str:
        if not self.address.user:
            return ""
        with self._login:
            if not self._token:
                who = messages.AuthenticateRequest(name=self.address.user, password=self.address.password)
                answer = self._send(channel, _AUTHENTICATE, who, deadline, "")
                self._token = answer.token
            return self._token

    def _forget_token(self) -> None:
        with self._login:
            self._token = ""

    def _told_silence(self, reasons: dict[str, str]) -> str:
        said = "; ".join(f"{endpoint}: {reason}" for endpoint, reason in reasons.items())
        tls = self.address.tls
        how = "without TLS"
        if tls is not None:
            how = f"with TLS and {'a' if tls.cert else 'no'} client certificate"
        return f"no answer from etcd within {self.address.timeout:g} s, asked {how}: {said}"


def _channel(endpoint: str, tls: Tls | None) -> grpc.Channel:
    if tls is None:
        return grpc.insecure_channel(endpoint, options=_OPTIONS)
    named = [("grpc.ssl_target_name_override", tls.server_name)] if tls.server_name else []
    credentials = grpc.ssl_channel_credentials(tls.ca, tls.key, tls.cert)
    return grpc.secure_channel(endpoint, credentials, options=[*_OPTIONS, *named])


def _bytes_of(message: Any) -> bytes:
    data: bytes = message.SerializeToString()
    return data


def _metadata(token: str) -> tuple[tuple[str, str], ...]:
    return (("token", token),) if token else ()


def _plain(details: str) -> str:
    return " ".join(details.removeprefix("etcdserver: ").split())
