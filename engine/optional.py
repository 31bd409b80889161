"""The parts of the contract that an engine may be without: it says so with an EngineError."""

from __future__ import annotations

from typing import Any

from .counters import Counter
from .errors import EngineError
from .models import Event
from .watching import Watch


class OptionalParts:
    """The event log, which Gofer had from 2022 on, watching, counters told and set, whether two engines share data."""

    def get_all_events(self, *, offset: int = 0, limit: int = 0, reverse: bool = False) -> list[Event]:
        """A page of the events by number, or from the last one down. (Gofer: `offset` is a distance of numbers, and
        kinds of events that its code does not know are left out.)
        """
        raise EngineError(_NO_LOG)

    def get_event(self, *, id: int) -> Event | None:
        """The event with that number. (Gofer: None if it is of a kind that its code does not know.)

        Raises:
            EntityNotFound: There is none.
        """
        raise EngineError(_NO_LOG)

    def add_event(self, event: Event) -> None:
        """Store a new event.

        Raises:
            EntityExists: The event brings a number along, and there is one with it. (Gofer: it gets another number.)
            EngineError: There is no log; so if a bolt file is of an older schema.
        """
        raise EngineError(_NO_LOG)

    def delete_event(self, *, id: int) -> None:
        """Delete the event with that number, which is not given out again.

        Raises:
            EntityNotFound: There is none.
        """
        raise EngineError(_NO_LOG)

    def watch(self, kind: type[Any] | None = None, *, since: int | None = None) -> Watch:
        """Be told of each entity that is stored or deleted from now on, when its transaction is.

        What is told of one transaction has one revision, and each entity once, as it is at the end; one that came and
        went within it is not told. `add_run` changes the pipeline too, and `add_task_run` the run. A bolt file tells
        what this engine object has stored; etcd what anyone has, and a watch outlives the loss of a server.

        Args:
            kind: Only entities of that class, `engine.Run` for one; `engine.RunRegistryKey` for runs that somebody
                waits for. None for all.
            since: The revision after which to begin, in place of now. To go on where another watch ended, give one less
                than the last that it told: of that transaction it may have told a part only. Only an engine that keeps
                old revisions can do that: etcd, until it compacts them away.

        Returns:
            A watch, to be closed or used as a context manager. A listing made after it misses nothing that it does
            not tell.

        Raises:
            EngineError: The engine can not watch, or not since then.
            TypeError: That is no class of entities.
        """
        raise EngineError("this engine can not watch")

    def shares_data(self, other: OptionalParts) -> bool:
        """Whether another engine is one on the same data, so that what is stored in one is in the other. False if the
        engine can not tell.

        It is asked before a copy from one to the other, while nobody writes to either.

        Raises:
            EngineError: One of the two does not answer.
        """
        return False

    def counters(self) -> list[Counter]:
        """The last number of each place in which numbers were given out, in any order; for copies of a whole database.

        Raises:
            EngineError: The engine can not tell, or one that is stored is no number.
        """
        raise EngineError("this engine does not tell its counters")

    def raise_counter(self, counter: Counter) -> None:
        """See to it that no number up to the counter's is given out any more; one that is there and greater stays.

        Raises:
            PreconditionFailed: A name of its place is empty, too long or reserved, or it is below 1 or beyond 64 bits.
            EngineError: The engine can not do that; so for events if a bolt file is of an older schema.
            TypeError: It is no counter, or not of a class that is counted, in a place of that class.
        """
        raise EngineError("the counters of this engine can not be set")


_NO_LOG = "this engine keeps no event log"
