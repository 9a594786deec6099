"""Reactions: what happens when a fact arrives, once for each fact however often it is delivered."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

import msgspec

from mystira.polyglot.entity import Event
from mystira.polyglot.spans import span
from mystira.polyglot.work import AlreadyHandled, Command, Work, Works

P = ParamSpec("P")
T = TypeVar("T")
F = TypeVar("F", bound=Event)


class Reaction(msgspec.Struct, Generic[F], frozen=True):
    """A function and the fact it hears. `name` is part of the handled mark: once deployed, it never changes."""

    name: str
    hears: type[F]
    react: Callable[["Handling", F], Awaitable[None]]


class Handling:
    """One delivery of one fact to one reaction: each unit of work it runs leaves the fact's mark on its record."""

    def __init__(self, works: Works, reaction: str, event: Event) -> None:
        self.works = works
        self._command = Command(correlation_id=event.correlation_id, mark=f"{event.event_id}/{reaction}")

    async def run(
        self, action: Callable[Concatenate[Work, P], Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> T | None:
        """Run an action whose record then carries this delivery's mark; None when it carried it already."""
        try:
            return await self.works.run_as(self._command, action, *args, **kwargs)
        except AlreadyHandled:
            return None


class Reactions:
    """The visible table of who hears what."""

    def __init__(self, reactions: Iterable[Reaction[Any]]) -> None:
        self._all = tuple(reactions)
        names = [reaction.name for reaction in self._all]
        if len(set(names)) < len(names):
            raise ValueError("two reactions have the same name, so they would share their marks")

    def to(self, event: type[Event]) -> Sequence[Reaction[Any]]:
        """Return the reactions that hear this event."""
        return [reaction for reaction in self._all if reaction.hears is event]

    @property
    def events(self) -> set[type[Event]]:
        """Every event that somebody hears."""
        return {reaction.hears for reaction in self._all}

    async def deliver(self, works: Works, event: Event) -> None:
        """Give the event to all who hear it, in the table's order; the first failure is raised.

        Those who had handled it before find their mark and change nothing, so delivering again is safe.
        """
        for reaction in self.to(type(event)):
            with span("reaction", event.correlation_id, reaction=reaction.name, event=type(event).__name__):
                await reaction.react(Handling(works, reaction.name, event), event)
