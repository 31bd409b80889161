"""Watches on etcd: a thread for each asks a server for changes, and after a loss another one for what came since."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any, Final

import grpc

from ..arguments import require_since
from ..errors import EngineError, RecordError
from ..models import RunRegistryKey, decode
from ..tools.kinds import kind_of
from ..watching import Change, Watch
from . import messages
from .channels import KV_RANGE, Channels, Lost
from .layout import Layout, Span

_PAUSE: Final = 0.1
_ASKED_FOR: Final = -1  # the number of no watch


class Watches:
    """The watches of one engine."""

    def __init__(self, channels: Channels, layout: Layout) -> None:
        self._channels = channels
        self._layout = layout
        self._open: dict[Watch, _Feeder] = {}
        self._lock = threading.Lock()

    def begin(self, kind: type[Any] | None, since: int | None) -> Watch:
        """Watch a class, or all, after a revision, or after what is stored now."""
        if kind is not None:
            kind_of(kind)
        span = self._layout.entities(kind)
        require_since(since)
        self._channels.require_open()
        if since is None:
            since = _revision(self._channels, self._layout)
        watch = Watch(since, self._over)
        feeder = _Feeder(self._channels, self._layout, watch, span)
        with self._lock:
            self._open[watch] = feeder
        feeder.start()
        return watch

    def close(self) -> None:
        """End all watches."""
        with self._lock:
            watches = list(self._open)
        for watch in watches:
            watch.close()

    def _over(self, watch: Watch) -> None:
        with self._lock:
            feeder = self._open.pop(watch, None)
        if feeder is not None:
            feeder.stop()


class _Feeder(threading.Thread):
    """Asks for changes and hands them to one watch."""

    def __init__(self, channels: Channels, layout: Layout, watch: Watch, span: Span) -> None:
        super().__init__(name=f"watch on {channels.address}", daemon=True)
        self._channels = channels
        self._layout = layout
        self._watch = watch
        self._span = span
        self._next = watch.revision + 1
        self._server = channels.current
        self._heard = self._asked = time.monotonic()
        self._silent: set[int] = set()
        """The servers that have been asked in vain since one was heard."""
        self._stopped = threading.Event()
        self._call: Any = None

    def stop(self) -> None:
        """End soon. Any thread may call it."""
        self._stopped.set()
        call = self._call
        if call is not None:
            call.cancel()

    def run(self) -> None:
        try:
            while not self._stopped.is_set():
                try:
                    self._follow()
                except Lost as lost:
                    self._require_patience(lost)
                    self._server = self._channels.leave(self._server)
                    self._stopped.wait(_PAUSE)
        except EngineError as error:
            self._watch.end(error)
        except ValueError:
            self._watch.end(None)  # the engine was closed

    def _follow(self) -> None:
        """Hand over what one server tells, until it stops."""
        over = threading.Event()
        self._asked = time.monotonic()
        self._call = call = self._channels.stream(self._requests(over), self._server)
        if self._stopped.is_set():
            call.cancel()
        try:
            for answer in call:
                if not answer.canceled:
                    self._heard = time.monotonic()
                    self._silent.clear()
                self._take(answer)
            raise Lost("the server has ended the watch")
        except grpc.RpcError as error:
            if self._patience_left() <= 0:
                raise Lost(f"no answer within {self._channels.share:g} s") from None
            if not self._stopped.is_set():
                raise self._channels.refused(error) from None
        finally:
            over.set()
            call.cancel()

    def _requests(self, over: threading.Event) -> Iterator[Any]:
        wanted = messages.WatchCreateRequest(
            key=self._span.start, range_end=self._span.end, start_revision=self._next, progress_notify=True
        )
        yield messages.WatchRequest(create_request=wanted)
        # The end of the requests would be the end of the watch. A server that stands still keeps its connections, so it
        # is asked whether it is there.
        while (left := self._patience_left()) > 0:
            if over.wait(min(left, self._channels.share / 2)):
                return
            yield messages.WatchRequest(progress_request=messages.WatchProgressRequest())
        self._call.cancel()

    def _patience_left(self) -> float:
        """Seconds that the server has yet to say something."""
        return max(self._asked, self._heard) + self._channels.share - time.monotonic()

    def _take(self, answer: Any) -> None:
        if answer.created and answer.header.revision < self._next - 1:
            self._require_history()
        if answer.compact_revision:
            raise EngineError(
                f"the changes from revision {self._next} on are gone: etcd has compacted all before "
                f"{answer.compact_revision}; list anew, and watch from there"
            )
        if answer.canceled:
            if "permission denied" in answer.cancel_reason:
                raise EngineError(f"{self._channels.address}: {answer.cancel_reason}")
            self._channels.forgets_login(answer.cancel_reason)
            raise Lost(answer.cancel_reason or "the server has ended the watch")
        for event in answer.events:
            self._watch.tell(self._change(event))
        # Without events it says how far it has come; but not when it is only about to begin, and where it was asked to
        # say something, servers before 3.4.25 and 3.5.8 say it ahead of events that they have not told yet.
        if answer.events:
            self._next = answer.events[-1].kv.mod_revision + 1
        elif not answer.created and answer.watch_id != _ASKED_FOR:
            self._next = max(self._next, answer.header.revision + 1)

    def _require_history(self) -> None:
        """Raise EngineError if what was seen has never been for this server; it may only lag behind the others."""
        stands_at = _revision(self._channels, self._layout)
        if stands_at < self._next - 1:
            raise EngineError(
                f"etcd stands at revision {stands_at}, and this watch has come to {self._next - 1}: it was put back to "
                "an older state, or that revision is another cluster's; list anew, and watch from there"
            )

    def _change(self, event: Any) -> Change:
        kind, key = self._layout.kind_and_key(event.kv.key)
        entity = None
        if event.type != messages.DELETED:
            try:
                entity = RunRegistryKey(**key) if kind is RunRegistryKey else decode(kind, event.kv.value)
            except RecordError as error:
                place = " / ".join((kind.__name__, *map(str, key.values())))
                raise RecordError(error.reason, place=place) from None
        return Change(kind, key, entity, event.kv.mod_revision)

    def _require_patience(self, lost: Lost) -> None:
        self._silent.add(self._server)
        silent = time.monotonic() - self._heard
        if silent >= self._channels.address.timeout and len(self._silent) == len(self._channels.address.endpoints):
            raise EngineError(
                f"{self._channels.address}: no server has answered a watch for {silent:.1f} s ({lost}); "
                f"what was told reaches to revision {self._next - 1}"
            )


def _revision(channels: Channels, layout: Layout) -> int:
    """The revision of the last change in the whole cluster."""
    answer = channels.ask(KV_RANGE, messages.RangeRequest(key=layout.format, keys_only=True))
    revision: int = answer.header.revision
    return revision
