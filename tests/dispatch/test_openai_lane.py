"""How the OpenAI lane speaks to an engine."""

from __future__ import annotations

import pytest
from desk import KEY, Desk

from waypost.errors import ConnectFailed


async def test_it_sends_the_key_the_configured_headers_and_the_models_own_name(desk: Desk) -> None:
    await desk.ask(desk.deployment("local/a", model="ok", headers={"x-tenant": "blue"}), temperature=0.5)
    [hit] = desk.faultd.hits
    assert hit.path == "/v1/chat/completions"
    assert hit.headers["authorization"] == f"Bearer {KEY}"
    assert hit.headers["x-tenant"] == "blue"
    assert hit.headers["user-agent"].startswith("waypost/")
    assert hit.body == {
        "model": "ok",
        "messages": [{"role": "user", "content": "hi"}],
        "temperature": 0.5,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def test_without_a_key_it_sends_none_and_a_slash_at_the_end_of_the_base_does_not_matter(desk: Desk) -> None:
    await desk.ask(desk.deployment("ok", api_key=None, api_base=desk.faultd.base_url + "/"))
    [hit] = desk.faultd.hits
    assert "authorization" not in hit.headers
    assert hit.path == "/v1/chat/completions"


async def test_a_query_of_the_base_stays_behind_the_path(desk: Desk) -> None:
    await desk.ask(desk.deployment("ok", api_base=desk.faultd.base_url + "/?key=a%2Bb&api-version=1"))
    [hit] = desk.faultd.hits
    assert hit.path == "/v1/chat/completions?key=a%2Bb&api-version=1"


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_a_connection_serves_again_after_a_complete_answer(desk: Desk, stream: bool) -> None:
    for _ in range(3):
        await desk.ask("ok", stream=stream)
    assert desk.faultd.connections == 1


async def test_no_proxy_of_the_environment_is_used(desk: Desk, monkeypatch: pytest.MonkeyPatch, refused_url: str) -> None:
    monkeypatch.setenv("HTTP_PROXY", refused_url)
    monkeypatch.setenv("http_proxy", refused_url)
    assert (await desk.ask("ok")).error is None


@pytest.mark.parametrize("base", [None, "nonsense", "http://[bad/v1"])
async def test_an_address_that_cannot_be_called_is_a_clear_error(desk: Desk, base: str | None) -> None:
    seen = await desk.ask(desk.deployment("odd", api_base=base))
    assert isinstance(seen.error, ConnectFailed)
    assert "api_base" in seen.error.message
