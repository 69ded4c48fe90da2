"""A floor under how fast an answer comes: silence has a deadline, and an engine that says a word now and then is not silent."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from waypost.dispatch.events import Call, Event, Events
from waypost.errors import ProviderTimeout
from waypost.tokens import estimate

# Long enough for what engines do in between: prompts that join the batch, and tool calls that come in one piece.
WINDOW_S = 10.0


def kept_up(call: Call, events: Events, clock: Callable[[], float]) -> Events:
    """The events of the answer to ``call``, which may not come slower than its deployment's ``min_tokens_per_s``.

    Raises `ProviderTimeout` when less than that has come in `WINDOW_S` seconds of waiting for the engine, from the first output
    on and up to the finish reason. What the client takes to read does not count. It is the same object where there is no
    floor, and for an answer that is not streamed, of which nothing is seen before its end.
    """
    least = call.deployment.timeouts.min_tokens_per_s
    return events if least is None or not call.stream else _paced(call.deployment.id, least, events, clock)


async def _paced(name: str, least: float, events: Events, clock: Callable[[], float]) -> AsyncGenerator[Event, None]:
    measured, waited_s, said = False, 0.0, ""
    async with aclosing(events):
        asked = clock()
        async for event in events:
            if measured:
                waited_s += clock() - asked
                said += event.text
            measured = (measured or event.output) and event.finish_reason is None
            if measured and waited_s >= WINDOW_S:
                if estimate(said) < least * waited_s:
                    floor = f"{least:g} tokens a second for {waited_s:.0f} s (policy.timeouts.min_tokens_per_s)"
                    raise ProviderTimeout(f"{name} gave fewer than {floor}", deployment=name)
                waited_s, said = 0.0, ""
            yield event
            asked = clock()
