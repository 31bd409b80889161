"""What one transaction reads and writes: all reads at one revision, all writes kept until the commit.

A commit is one request: it stores the writes if nothing of what was read has changed since. So each key that was read
is remembered with the revision of its last change, 0 if it was not there, and each range that was listed. etcd sees
in a range what came and what changed, but not what went: so deletions write a key of their own, and who lists what can
be deleted reads that key too.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from typing import Any, Final

from ..errors import TransactionTooLarge
from . import messages
from .channels import KV_RANGE, KV_TXN, Channels
from .layout import Span

PAGE: Final = 400
"""The most keys to a request that wants their values too."""

# A server counts keys, not bytes, and some hundred entities may be as large as it takes them.
_FIRST_PAGE: Final = 16
_PAGE_BYTES: Final = 1 << 20
_GROWTH: Final = 4

_KEYS_PAGE: Final = 4000

Pair = tuple[bytes, bytes]


class Work:
    """The reads and writes of one transaction."""

    def __init__(self, channels: Channels, *, alone: bool = False) -> None:
        """Nothing is read yet; the first read chooses the revision.

        Args:
            alone: It is for one call that only reads. Then what is listed need not be remembered.
        """
        self.revision = 0
        self.writes: dict[bytes, bytes | None] = {}
        self.may_be_stored = False
        """Whether the writes are stored for all that is known; set by the commit."""
        self._channels = channels
        self._alone = alone
        self._seen: dict[bytes, tuple[bytes | None, int]] = {}
        self._listed: list[Span] = []

    # --- reading ---

    def get(self, key: bytes) -> bytes | None:
        """The value of a key, None if it is not there."""
        if key in self.writes:
            return self.writes[key]
        if key not in self._seen:
            answer = self._channels.ask(KV_RANGE, messages.RangeRequest(key=key, revision=self.revision))
            self._take(key, answer)
        return self._seen[key][0]

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of several keys, in their order, with few requests."""
        missing = [key for key in keys if key not in self.writes and key not in self._seen]
        size = _FIRST_PAGE
        while missing:
            asked = missing[: min(size, self._channels.gets_at_once)]
            ranges = [messages.RangeRequest(key=key, revision=self.revision) for key in asked]
            request = messages.TxnRequest(success=[messages.RequestOp(request_range=it) for it in ranges])
            try:
                answer = self._channels.ask(KV_TXN, request)
            except TransactionTooLarge:
                if len(asked) == 1:
                    raise
                # A server may be set to take fewer than it does by itself, or the keys be long.
                self._channels.gets_at_once = len(asked) // 2
                continue
            missing = missing[len(asked) :]
            for key, response in zip(asked, answer.responses, strict=True):
                self._take(key, response.response_range)
            size = _next_size(size, len(asked), answer.ByteSize())
            self.revision = self.revision or answer.header.revision
        return [self.get(key) for key in keys]

    def expect_nothing(self, key: bytes) -> None:
        """Go by it that a key is not there; if it is, the commit does not store anything."""
        if key not in self.writes:
            self._seen.setdefault(key, (None, 0))

    def items(self, span: Span, *, offset: int = 0, limit: int = -1, reverse: bool = False) -> Iterator[Pair]:
        """The pairs of a range in the order of their keys, or in the opposite one.

        Args:
            offset: How many to leave out at the begin.
            limit: The most that will be taken, if that is known; negative for no limit.
        """
        if limit == 0:
            return
        self.remember(span)
        own = sorted((key for key in self.writes if key in span), reverse=reverse)
        if own:
            found = self._merged(span, own, reverse)
            for _ in range(offset):
                if next(found, None) is None:
                    return
        else:
            found = self._pages(self._without(span, offset, reverse), limit, reverse)
        for number, pair in enumerate(found, 1):
            yield pair
            if number == limit:
                return

    def remember(self, span: Span) -> None:
        """Go by it that nothing comes into a range, or changes in it."""
        if not self._alone and span.start < span.end and span not in self._listed:
            self._listed.append(span)

    # --- writing ---

    def put(self, key: bytes, value: bytes) -> None:
        """Store a value."""
        self.writes[key] = value

    def delete(self, key: bytes) -> None:
        """Take a key away."""
        self.writes[key] = None

    def compares(self) -> list[Any]:
        """That nothing of what was read has changed."""
        compares = [
            messages.Compare(result=messages.EQUAL, target=messages.MOD, key=key, mod_revision=changed)
            for key, (_, changed) in self._seen.items()
            # What is written may also be gone, which a range does not tell.
            if key in self.writes or not any(key in span for span in self._listed)
        ]
        compares += [
            messages.Compare(
                result=messages.LESS,
                target=messages.MOD,
                key=span.start,
                range_end=span.end,
                mod_revision=self.revision + 1,
            )
            for span in self._listed
        ]
        return compares

    def operations(self) -> list[Any]:
        """The writes, in the order in which their keys were first written."""
        return [
            messages.RequestOp(request_delete_range=messages.DeleteRangeRequest(key=key))
            if value is None
            else messages.RequestOp(request_put=messages.PutRequest(key=key, value=value))
            for key, value in self.writes.items()
        ]

    # --- asking ---

    def _take(self, key: bytes, answer: Any) -> None:
        self.revision = self.revision or answer.header.revision
        pair = answer.kvs[0] if answer.kvs else None
        self._seen[key] = (pair.value, pair.mod_revision) if pair is not None else (None, 0)

    def _without(self, span: Span, count: int, reverse: bool) -> Span:
        """A range without its first pairs, whose values nobody needs."""
        while count > 0:
            answer = self._page(span, min(count, _KEYS_PAGE), reverse, keys_only=True)
            if not answer.kvs:
                break
            span = _behind(span, answer.kvs[-1].key, reverse)
            count -= len(answer.kvs)
            if not answer.more:
                return Span(span.start, span.start)
        return span

    def _pages(self, span: Span, limit: int, reverse: bool) -> Iterator[Pair]:
        more, size = True, _FIRST_PAGE
        while more and span.start < span.end:
            asked = min(size, PAGE)
            answer = self._page(span, min(limit, asked) if limit > 0 else asked, reverse, keys_only=False)
            yield from ((pair.key, pair.value) for pair in answer.kvs)
            more = answer.more and bool(answer.kvs)
            if more:
                span = _behind(span, answer.kvs[-1].key, reverse)
                limit -= len(answer.kvs)
                size = _next_size(size, len(answer.kvs), answer.ByteSize())

    def _page(self, span: Span, size: int, reverse: bool, *, keys_only: bool) -> Any:
        request = messages.RangeRequest(
            key=span.start,
            range_end=span.end,
            limit=size,
            revision=self.revision,
            sort_order=messages.DESCENDING if reverse else 0,
            keys_only=keys_only,
        )
        answer = self._channels.ask(KV_RANGE, request)
        self.revision = self.revision or answer.header.revision
        return answer

    def _merged(self, span: Span, own: list[bytes], reverse: bool) -> Iterator[Pair]:
        # What is written while somebody walks is not of the state that the walk shows.
        writes = {key: self.writes[key] for key in own}
        stored = (pair for pair in self._pages(span, -1, reverse) if pair[0] not in writes)
        written = ((key, value) for key, value in writes.items() if value is not None)
        return heapq.merge(stored, written, key=lambda pair: pair[0], reverse=reverse)


def _next_size(size: int, count: int, total: int) -> int:
    """How many keys to ask for after `count` that took `total` bytes: more while they are small, else fewer."""
    return max(min(count * _PAGE_BYTES // total, size * _GROWTH), 1)


def _behind(span: Span, key: bytes, reverse: bool) -> Span:
    return Span(span.start, key) if reverse else Span(key + b"\x00", span.end)
