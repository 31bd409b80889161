"""Stores the writes of a transaction, once, whatever happens to the question or to its answer.

A writer has a key of its own, its mark. Each of its transactions writes its name there, and only if the mark is still
the one before. When no answer comes, the writer moves the mark on by itself:

* it moves: the lost transaction was not stored, and never will be, for its mark has gone;
* it does not: the mark tells whether the lost transaction has written it, and so all the rest of it.

That question can be asked as often as it takes. If no server answers it in time, nobody can tell, and that is what the
error says. Before the engine's next read or write it is asked again: so nothing is stored after something later, and
who looks whether it is stored sees the truth.

What is known not to be stored is sent again as it is: it still goes by what was read.
"""

from __future__ import annotations

import threading
import uuid
from contextlib import AbstractContextManager
from typing import Any, Final

from ..errors import EngineError, OutcomeUnknown, TransactionTooLarge
from . import messages
from .channels import KV_RANGE, KV_TXN, Channels, Full, Lost
from .turns import Turn
from .work import Work

CLOSING: Final = 1.0
"""The most seconds to wait for a server, and for what is still being stored, before an engine is closed without it."""

_ATTEMPTS: Final = 5


class Commits:
    """The commits of one engine, made one after another; the caller sees to that. Any thread may settle a doubt."""

    def __init__(self, channels: Channels, mark: bytes) -> None:
        """Args: `mark`, a key that no other writer uses."""
        self._channels = channels
        self._mark = mark
        self._changed = 0  # the revision of the mark's last change; 0, it is not there
        self._in_doubt = False
        self._asking = Turn()
        self._sending = threading.Lock()

    @property
    def in_doubt(self) -> bool:
        """Whether a commit that is over may be stored yet. Of one that still waits for its answer nobody has heard."""
        return self._in_doubt and not self._sending.locked()

    def settle(self) -> None:
        """Make sure that what is in doubt is stored, or never will be.

        Raises:
            EngineError: No server answers, or another thread waits for that longer than the timeout. It stays in doubt.
        """
        with self._alone():
            self._settle_older()

    def commit(self, work: Work) -> bool:
        """Store the writes if what was read is unchanged.

        Returns:
            Whether they are stored; if not, something has changed.

        Raises:
            OutcomeUnknown: No server answers. They are stored, or not at all.
            TransactionTooLarge: They are too many for one request. Nothing is stored.
            EngineError: The server refuses them, or answers to everything but them. Nothing is stored.
        """
        self._channels.require_open()
        with self._alone():
            self._settle_older()
            with self._sending:
                return self._commit(work)

    def _alone(self) -> AbstractContextManager[None]:
        timeout = self._channels.address.timeout
        refusal = f"this was not sent: another thread has waited {timeout:g} s for the answer to its write"
        return self._asking.taken(timeout, refusal)

    def _settle_older(self) -> None:
        if self._in_doubt:
            try:
                self._settle("")
            except OutcomeUnknown as error:
                raise EngineError(f"this was not sent, for one before it is in doubt still: {error}") from None

    def _commit(self, work: Work) -> bool:
        for _ in range(_ATTEMPTS):
            # Whatever interrupts the waiting, or what comes after it.
            work.may_be_stored = True
            try:
                outcome = self._send(work)
            except OutcomeUnknown:
                raise
            except EngineError:
                work.may_be_stored = False
                raise
            if outcome is not None:
                work.may_be_stored = outcome
                return outcome
            work.may_be_stored = False
        raise EngineError(f"{self._channels.address}: no answer to this {_ATTEMPTS} times in a row; it was not stored")

    def _send(self, work: Work) -> bool | None:
        """What `commit` returns; None if it is not stored and nothing has changed, for all that is known."""
        expected = self._changed
        name = uuid.uuid4().hex
        request = self._marking(name)
        request.compare.extend(work.compares())
        request.success.extend(work.operations())
        self._in_doubt = True  # until there is an answer, whatever interrupts the waiting
        try:
            answer = self._channels.ask_once(KV_TXN, request)
        except Lost:
            return True if self._settle(name) else None
        except Full:
            # The request that fills the server is refused and stored, both.
            stored = self._is_marked(name)
            self._in_doubt = False
            if stored:
                return True
            raise
        except TransactionTooLarge as error:
            self._in_doubt = False
            raise TransactionTooLarge(f"{error}; it was not stored") from None
        except EngineError:
            self._in_doubt = False
            raise
        self._in_doubt = False
        if self._took(answer) or self._is_at(answer, name):
            return True
        # It may be the mark alone that is not where it was, because somebody has taken it away.
        return False if self._changed == expected else None

    def close(self) -> None:
        """Take the mark away, if that can be done at once."""
        if not self._changed or self._in_doubt:
            return
        try:
            self._channels.ask_once(KV_TXN, messages.TxnRequest(success=[self._removal()]), patience=CLOSING)
        except (Lost, EngineError):
            return  # It is a hundred bytes, and bars nobody.

    def _settle(self, lost: str) -> bool:
        """Whether a transaction whose answer was lost is stored. After that it is, or never will be."""
        own = uuid.uuid4().hex
        self._in_doubt = True
        try:
            moved, answer = self._move(own)
        except EngineError as error:
            raise _unknown(error) from None
        stored = not moved and self._is_at(answer, lost)
        self._in_doubt = False  # not before it is noted where the mark is
        if moved or stored or not lost:
            return stored
        raise OutcomeUnknown("nobody can tell whether this was stored: somebody has taken the writer's mark away")

    def _move(self, name: str) -> tuple[bool, Any]:
        """Whether the mark could be moved on, and the answer, which tells where it is if not."""
        try:
            answer = self._channels.ask(KV_TXN, self._marking(name))
            if self._took(answer):
                return True, answer
        except Full:
            if not self._changed:
                raise
            # Taking the mark away bars the same, and needs no room.
            answer = self._channels.ask(KV_TXN, self._if_unmoved(self._removal()))
            if answer.succeeded:
                self._changed = 0
                return True, answer
        return self._is_at(answer, name), answer

    def _removal(self) -> Any:
        return messages.RequestOp(request_delete_range=messages.DeleteRangeRequest(key=self._mark))

    def _marking(self, name: str) -> Any:
        """A transaction that moves the mark on, or tells where it is."""
        return self._if_unmoved(
            messages.RequestOp(request_put=messages.PutRequest(key=self._mark, value=name.encode()))
        )

    def _if_unmoved(self, operation: Any) -> Any:
        unmoved = messages.Compare(
            result=messages.EQUAL, target=messages.MOD, key=self._mark, mod_revision=self._changed
        )
        return messages.TxnRequest(
            compare=[unmoved],
            success=[operation],
            failure=[messages.RequestOp(request_range=messages.RangeRequest(key=self._mark))],
        )

    def _took(self, answer: Any) -> bool:
        if answer.succeeded:
            self._changed = answer.header.revision
        return bool(answer.succeeded)

    def _is_at(self, answer: Any, name: str) -> bool:
        """Whether the mark has that name; where it is, is noted."""
        return self._note(answer.responses[0].response_range) == name

    def _is_marked(self, name: str) -> bool:
        """Whether the mark has that name, asked anew."""
        try:
            answer = self._channels.ask(KV_RANGE, messages.RangeRequest(key=self._mark))
        except EngineError as error:
            raise _unknown(error) from None
        return self._note(answer) == name

    def _note(self, answer: Any) -> str:
        if not answer.kvs:
            self._changed = 0
            return ""
        self._changed = answer.kvs[0].mod_revision
        name: str = answer.kvs[0].value.decode("ascii", "replace")
        return name


def _unknown(error: EngineError) -> OutcomeUnknown:
    return OutcomeUnknown(f"nobody can tell whether this was stored, all of it or nothing: {error}")


def mark_name() -> str:
    """A name that no other writer has."""
    return uuid.uuid4().hex
