"""A real Triton behind the whole server: discovery says what it is, and a config may use it by its own protocol."""

from __future__ import annotations

import json
from typing import Any

import pytest
from front import Serve, chat

from engines.process import ServerProcess

pytestmark = pytest.mark.filterwarnings("ignore")  # LiteLLM uses what pydantic deprecates


def legacy(triton: ServerProcess) -> dict[str, Any]:
    """An entry that calls Triton by its own protocol."""
    where = {"model": "triton/ensemble", "api_base": f"{triton.url}/v2/models/ensemble/generate"}
    return {"model_name": "legacy", "litellm_params": where}


async def test_without_its_frontend_it_is_named_and_not_used(serve: Serve, triton: ServerProcess) -> None:
    front = await serve("ok", discovery={"enabled": True, "targets": [{"url": triton.url}]})
    await front.router.look()
    assert [deployment.id for deployment in front.router.view()] == ["ok"]
    assembly = front.router._assembly
    assert assembly is not None
    (line,) = assembly.looked
    assert line.startswith("Triton 2.51.0 at 127.0.0.1:")
    assert line.endswith("Triton without its OpenAI-compatible frontend; start the frontend and give its address in the config")


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_by_its_own_protocol_it_answers_and_the_ledger_calls_the_counts_an_estimate(
    serve: Serve, triton: ServerProcess, stream: bool
) -> None:
    front = await serve(legacy(triton), discovery={"enabled": True, "targets": [{"url": triton.url}]})
    await front.router.look()
    status = front.router.view().status("legacy")
    assert (status.up, status.reason) == (True, None), "it needs no frontend"
    said = await front.ask(chat("legacy", stream=stream, max_tokens=3, stream_options={"include_usage": True}))
    assert said.status == 200
    bodies = [json.loads(event) for event in said.events[:-1]] if stream else [json.loads(said.body)]
    told = [choice["delta" if stream else "message"] for body in bodies for choice in body["choices"]]
    assert "".join(part.get("content") or "" for part in told) == "w001 w002 w003"
    row = await front.row()
    assert (row["usage_estimated"], row["status"], row["completion_tokens"] > 0) == (True, "ok", True)


async def test_a_failure_of_its_model_reaches_the_caller_without_the_traceback(serve: Serve, triton: ServerProcess) -> None:
    front = await serve(legacy(triton))
    said = await front.ask(chat("legacy", "please fail"))
    assert (said.status, said.error["code"]) == (502, "provider_unavailable")
    assert said.error["message"].endswith("RuntimeError: the model failed on purpose")
    assert "Traceback" not in said.raw.decode()
