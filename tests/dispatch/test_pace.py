"""A floor under how fast an answer comes: whose time counts, and from when to when."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from waypost.dispatch.events import Call, Event
from waypost.dispatch.pace import WINDOW_S, kept_up
from waypost.errors import ProviderTimeout
from waypost.fleet.deployment import Deployment, Timeouts

LEAST = 2.0
# What engines take for a piece, and the piece.
Piece = tuple[float, Event]


def word(seconds: float, text: str = " word") -> Piece:
    return seconds, Event(b"{}", output=True, text=text)


class Reading:
    """Reads what an engine gives, on a clock that only the engine and the client move."""

    def __init__(self, *pieces: Piece, client_s: float = 0.0) -> None:
        self.now = 0.0
        self.read: list[Event] = []
        self.closed = False
        self._pieces = pieces
        self._client_s = client_s

    async def _engine(self) -> AsyncGenerator[Event, None]:
        try:
            for seconds, event in self._pieces:
                self.now += seconds
                yield event
        finally:
            self.closed = True

    async def run(self, *, stream: bool = True, least: float | None = LEAST) -> Reading:
        times = Timeouts(min_tokens_per_s=least)
        deployment = Deployment("slow", "group", "hosted_vllm", "slow", "openai", local=True, timeouts=times)
        given = kept_up(Call(deployment, {}, stream), self._engine(), lambda: self.now)
        async with aclosing(given):
            async for event in given:
                self.read.append(event)
                self.now += self._client_s
        return self


async def test_an_engine_that_falls_below_the_floor_is_given_up_and_let_go() -> None:
    reading = Reading(*[word(0.1)] * 50, *[word(1.0)] * 50)
    with pytest.raises(ProviderTimeout, match=r"slow gave fewer than 2 tokens a second for 1\d s") as caught:
        await reading.run()
    assert 50 < len(reading.read) < 50 + 2 * WINDOW_S
    assert reading.closed
    assert caught.value.fail_over


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([word(0.4)] * 100, id="as fast as it has to be"),
        pytest.param([word(300.0), *[word(0.4)] * 100], id="before it begins, other deadlines count"),
        pytest.param([word(0.1), word(30.0, " word" * 80)] * 9, id="what comes at once after a pause"),
        pytest.param(
            [word(0.1), (60.0, Event(b"{}", finish_reason="stop")), (60.0, Event(b"{}"))], id="an answer that is over"
        ),
    ],
)
async def test_whoever_keeps_up_is_left_alone(pieces: list[Piece]) -> None:
    reading = await Reading(*pieces).run()
    assert reading.read == [event for _, event in pieces]


async def test_a_client_that_takes_its_time_is_not_the_engines_fault() -> None:
    assert len((await Reading(*[word(0.1)] * 100, client_s=60.0).run()).read) == 100


@pytest.mark.parametrize(("stream", "least"), [(True, None), (False, LEAST)])
async def test_without_a_floor_and_where_nothing_is_streamed_nothing_is_measured(stream: bool, least: float | None) -> None:
    assert len((await Reading(*[word(60.0)] * 9).run(stream=stream, least=least)).read) == 9
