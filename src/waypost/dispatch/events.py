"""What lanes give: an answer as events, the same for every engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from waypost.fleet.deployment import Deployment
from waypost.fleet.timings import Timings
from waypost.value import value


@value(frozen=True, slots=True)
class Usage:
    """Tokens as the engine counted them; ``estimated`` where it did not and we did. ``cached`` is part of ``prompt``."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    estimated: bool = False


@dataclass(slots=True)
class Event:
    """One piece of an answer in OpenAI's form.

    ``payload`` is JSON: a ``chat.completion.chunk`` of a stream, or the one ``chat.completion`` of an answer that is not
    streamed. ``output`` says that it carries text, reasoning or a tool call: the first such event is the commit point.
    ``usage_only`` marks the chunk without choices that only a caller who asked for usage gets. ``text`` is the text, reasoning
    and tool arguments that it adds: what an estimate counts where the engine does not. ``skipped`` counts the unreadable pieces
    that were left out just before it. ``more``: another event follows at once, as it came in the same packet. ``timings`` come
    with the usage, from engines that measure their work.

    Nobody changes an event that is on its way. It is not frozen, as there is one for each chunk: that makes making it take four
    times as long.
    """

    payload: bytes
    output: bool = False
    finish_reason: str | None = None
    usage: Usage | None = None
    usage_only: bool = False
    text: str = field(default="", repr=False)
    skipped: int = 0
    more: bool = False
    timings: Timings | None = None


Take = Callable[[bytes], bool]
"""Takes the payload of an event that does no more than add text, and does not wait; or says no."""


class Bypass:
    """A way past everybody who waits between an engine and its client: waking them is most of what a small chunk costs.

    Whoever reads the events sets ``take``, which gets payload and text. Then a lane may offer it a chunk that does no more than
    add text, and that comes while the reader waits for the next event; one that is taken is not yielded.
    """

    __slots__ = ("take",)

    def __init__(self) -> None:
        self.take: Callable[[bytes, str], bool] | None = None


@value(frozen=True, slots=True)
class Call:
    """One request to one deployment: ``body`` is complete, in OpenAI's form, with the deployment's model name.

    ``prompt_tokens`` is the estimate of the turn, which errs upwards; ``None``: there is none.
    """

    deployment: Deployment
    body: Mapping[str, Any] = field(repr=False)
    stream: bool = False
    prompt_tokens: int | None = None
    bypass: Bypass | None = field(default=None, repr=False, compare=False)


class Events(Protocol):
    """An answer, event by event, as a generator gives it."""

    def __aiter__(self) -> AsyncIterator[Event]: ...

    async def aclose(self) -> None:
        """Gives up the rest."""
        ...


class Lane(Protocol):
    """A way to reach engines of one kind.

    ``events`` yields the answer, within the deployment's ``timeouts``. Every failure is a ``ProviderError``; nothing is
    retried. Closing it, or cancelling the task that iterates it, closes the connection to the engine at once.
    """

    def events(self, call: Call) -> Events:
        """The answer to ``call``, piece by piece."""
        ...

    async def close(self) -> None:
        """Gives back all connections."""
        ...
