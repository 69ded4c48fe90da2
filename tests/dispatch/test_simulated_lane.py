"""The simulated fleet says what it is."""

from __future__ import annotations

import pytest
from desk import Desk

from waypost.dispatch.lanes.simulated import SimulatedLane
from waypost.errors import ProviderRejected
from waypost.fleet.deployment import Deployment

REQUIRED = {"tool_choice": "required"}
NAMED = {"tool_choice": {"type": "function", "function": {"name": "f"}}}
JSON = {"response_format": {"type": "json_object"}}


def simulated() -> Deployment:
    return Deployment("simulated/chat", "chat", "simulated", "chat", "simulated", local=True)


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_every_answer_says_that_it_is_simulated_and_for_whom(desk: Desk, stream: bool) -> None:
    desk.lanes["simulated"] = SimulatedLane(lambda: 1_700_000_000.0)
    seen = await desk.ask(simulated(), stream=stream)
    assert "simulated" in seen.text
    assert "simulated/chat" in seen.text
    usage = desk.attempts[0].usage
    assert usage is not None
    assert usage.estimated
    assert seen.chunks == (await desk.ask(simulated(), stream=stream)).chunks


async def test_a_stream_comes_word_by_word_and_ends_as_openais_does(desk: Desk) -> None:
    seen = await desk.ask(simulated())
    assert len([event for event in seen.events if event.output]) == len(seen.text.split())
    assert seen.chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert [event.finish_reason for event in seen.events if event.finish_reason] == ["stop"]
    assert seen.events[-1].usage_only


@pytest.mark.parametrize("asked", [REQUIRED, NAMED, JSON], ids=["required", "named", "json"])
async def test_it_refuses_what_words_cannot_do(desk: Desk, asked: dict[str, object]) -> None:
    seen = await desk.ask(simulated(), "ok", **asked)
    assert isinstance(seen.error, ProviderRejected)
    assert "simulated" in seen.error.message
    assert desk.faultd.count("ok") == 0
