"""What faultd tells another process of the requests that it got."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp

from waypost.faults.faultd import Faultd


async def test_hits_can_be_read_and_forgotten_over_http_without_secrets() -> None:
    faultd = Faultd()
    await faultd.start()
    body: dict[str, Any] = {"model": "ok@here", "messages": [], "stream": True}
    async with aiohttp.ClientSession() as session:
        headers = {"authorization": "Bearer sk-very-secret", "x-of-mine": "1"}
        async with session.post(f"{faultd.base_url}/chat/completions", json=body, headers=headers) as answer:
            assert (await answer.text()).endswith("data: [DONE]\n\n")
        async with session.get(f"{faultd.root_url}/_faultd/hits") as answer:
            text, (hit,) = await answer.text(), (await answer.json())["hits"]
        assert (hit["model"], hit["dialect"], hit["path"], hit["body"]) == ("ok@here", "openai", "/v1/chat/completions", body)
        assert (hit["headers"]["authorization"], hit["headers"]["x-of-mine"]) == ("set", "1")
        assert "very-secret" not in text
        assert hit["left_after_s"] is None
        assert hit["sent"] > 500
        async with session.delete(f"{faultd.root_url}/_faultd/hits") as answer:
            assert await answer.json() == {"hits": []}
    await faultd.stop()


async def test_an_abort_is_told_with_its_time() -> None:
    faultd = Faultd()
    await faultd.start()
    async with aiohttp.ClientSession() as session:
        body = {"model": "never-headers", "messages": []}
        asked = asyncio.ensure_future(session.post(f"{faultd.root_url}/v1/messages", json=body))
        hit = await faultd.hit("never-headers")
        asked.cancel()
        await hit.left.wait()
        async with session.get(f"{faultd.root_url}/_faultd/hits") as answer:
            (told,) = (await answer.json())["hits"]
    assert told["dialect"] == "anthropic"
    assert 0 <= told["left_after_s"] < 5
    await faultd.stop()


async def test_what_is_only_looked_up_is_no_hit() -> None:
    faultd = Faultd(models=["cut-3@row"])
    await faultd.start()
    async with aiohttp.ClientSession() as session:
        for path in ("/v1/models", "/api/tags"):
            async with session.get(faultd.root_url + path) as answer:
                assert '"cut-3@row"' in await answer.text()
        for path, status in (("/api/version", 200), ("/api/ps", 200), ("/nothing", 404)):
            async with session.get(faultd.root_url + path) as answer:
                assert answer.status == status
    assert faultd.hits == []
    await faultd.stop()
