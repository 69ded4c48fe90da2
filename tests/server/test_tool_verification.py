"""From the request to the ledger: the rate of right tool calls is a property of the router."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from waypost import Router
from waypost.dialects import openai
from waypost.faults.faultd import Faultd
from waypost.faults.tool_faults import TOOLS
from waypost.server.chat import ChatEndpoint

MODES = pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
PRICE = {"input_cost_per_token": 1e-6, "output_cost_per_token": 1e-5}
COST = 11e-6 + 6e-5


@pytest.fixture
async def faultd() -> AsyncIterator[Faultd]:
    server = Faultd()
    await server.start()
    yield server
    await server.stop()


def router_of(faultd: Faultd, *engines: str, **policy: Any) -> Router:
    def entry(name: str) -> dict[str, Any]:
        params = {"model": f"hosted_vllm/{name}", "api_base": faultd.base_url, "api_key": "none"}
        return {"model_name": name, "litellm_params": params, "model_info": {"supports_function_calling": True, **PRICE}}

    routes = {"chat": {"candidates": list(engines)}, "memory": {"candidates": list(engines), "verify": "off"}}
    models = [entry(name) for name in engines]
    return Router.from_config({"model_list": models, "routes": routes, "policy": policy, "ledger": {"enabled": False}})


class Client:
    """One request to the endpoint, as a server would pass it on; ``body`` is what has arrived."""

    def __init__(self, router: Router, **fields: Any) -> None:
        self.router = router
        self.request = {"model": "chat", "messages": [{"role": "user", "content": "weather?"}], "tools": TOOLS, **fields}
        self.headers: dict[str, str] = {}
        self.body = b""
        self.judged_before_the_end = False
        self._sent = False

    async def ask(self) -> Client:
        scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": []}
        await ChatEndpoint(self.router, 1 << 20, openai.CHAT)(scope, self._receive, self._send)
        return self

    async def _receive(self) -> dict[str, Any]:
        if self._sent:  # a client that waits
            await asyncio.Event().wait()
        self._sent = True
        return {"type": "http.request", "body": json.dumps(self.request).encode(), "more_body": False}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        self.body += message.get("body", b"")
        self.judged_before_the_end |= self.entry() is not None

    def entry(self) -> dict[str, Any] | None:
        return self.router.ledger.get(self.headers["x-waypost-decision"])

    @property
    def arguments(self) -> Any:
        """The arguments of the call that arrived."""
        text = self.body.decode()
        if not self.request.get("stream"):
            return json.loads(json.loads(text)["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"])
        chunks = [json.loads(line[6:]) for line in text.splitlines() if line and line != "data: [DONE]"]
        assert text.endswith("data: [DONE]\n\n")
        deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
        return json.loads("".join(d["tool_calls"][0]["function"].get("arguments", "") for d in deltas if d.get("tool_calls")))


@MODES
async def test_an_engine_that_is_wrong_every_other_time_is_right_every_time_behind_verify(faultd: Faultd, stream: bool) -> None:
    right = {}
    for verify in ("off", "tools"):
        async with router_of(faultd, "tool-flaky", "tool-ok", verify=verify) as router:
            seen = [await Client(router, stream=stream).ask() for _ in range(10)]
            right[verify] = sum(client.arguments["days"] > 0 for client in seen)
            entries = [client.entry() for client in seen]
            assert router.view().status("tool-flaky").cooling_s is None
    assert right == {"off": 5, "tools": 10}
    attempts = [entry["attempts"] for entry in entries if entry is not None]
    assert [[attempt["verdict"] for attempt in made] for made in attempts] == [["invalid_arguments", "ok"], ["ok"]] * 5


@MODES
async def test_the_first_try_is_on_the_record_with_its_cost(faultd: Faultd, stream: bool) -> None:
    async with router_of(faultd, "tool-unknown", "tool-ok", verify="tools") as router:
        client = await Client(router, stream=stream).ask()
        entry = client.entry()
    assert entry is not None
    assert (entry["status"], entry["deployment"], entry["card"]["verify"]) == ("ok", "tool-ok", "tools")
    assert [(attempt["error"], attempt["committed"]) for attempt in entry["attempts"]] == [
        ("tool_call_invalid", False),
        (None, True),
    ]
    assert entry["cost_usd"] == pytest.approx(2 * COST)
    assert (client.headers["x-waypost-attempts"], client.headers["x-waypost-fallback-from"]) == ("2", "tool-unknown")
    if not stream:
        assert float(client.headers["x-waypost-cost-usd"]) == pytest.approx(2 * COST, abs=1e-8)


async def test_the_entry_is_for_the_answer_that_went_out_also_if_it_was_the_first_of_two(faultd: Faultd) -> None:
    async with router_of(faultd, "tool-arguments", "tool-unknown", verify="tools") as router:
        client = await Client(router).ask()
        entry = client.entry()
    assert entry is not None
    assert (entry["status"], entry["deployment"], entry["finish_reason"]) == ("ok", "tool-arguments", "tool_calls")
    assert [attempt["committed"] for attempt in entry["attempts"]] == [True, False]
    assert client.headers["x-waypost-deployment"] == "tool-arguments"


@MODES
async def test_the_client_has_every_byte_before_its_answer_is_judged_and_recorded(faultd: Faultd, stream: bool) -> None:
    async with router_of(faultd, "tool-arguments", "tool-ok") as router:
        client = await Client(router, stream=stream).ask()
        entry = client.entry()
    assert client.arguments["days"] == 0
    assert not client.judged_before_the_end
    assert entry is not None
    assert [attempt["verdict"] for attempt in entry["attempts"]] == ["invalid_arguments"]


async def test_a_route_may_differ_from_the_policy(faultd: Faultd) -> None:
    async with router_of(faultd, "tool-arguments", "tool-ok", verify="tools") as router:
        assert (await Client(router, model="memory").ask()).headers["x-waypost-deployment"] == "tool-arguments"
        assert (await Client(router, model="chat").ask()).headers["x-waypost-deployment"] == "tool-ok"


async def test_in_python_the_verdict_comes_with_the_answer(faultd: Faultd) -> None:
    async with router_of(faultd, "tool-arguments") as router:
        asked: dict[str, Any] = {"model": "chat", "messages": [{"role": "user", "content": "weather?"}], "tools": TOOLS}
        reply = await router.acompletion(**asked)
        assert [attempt.verdict for attempt in reply.attempts] == ["invalid_arguments"]
        chunks = [chunk async for chunk in await router.acompletion(stream=True, **asked)]
        entry = router.ledger.get(chunks[-1].decision.id)
    assert entry is not None
    assert (entry["status"], entry["attempts"][0]["verdict"]) == ("ok", "invalid_arguments")
