"""A real Triton by its own protocol, through LiteLLM's ``triton/``: text in, text out, and counts that are estimates."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from desk import LITELLM_WARNS, Desk

from engines.process import ServerProcess
from waypost import errors
from waypost.fleet.deployment import Deployment, Timeouts

pytestmark = LITELLM_WARNS
MODES = pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
THREE = "w001 w002 w003"


def legacy(root: str, model: str = "ensemble", **changes: Any) -> Deployment:
    """A model of a Triton. LiteLLM's own first call to a provider takes its time."""
    where = {"api_base": f"{root}/v2/models/{model}/generate", "timeouts": Timeouts(first_byte_s=20), **changes}
    return Deployment("legacy", "legacy", "triton", model, "litellm", local=True, **where)


def saying(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


@MODES
async def test_it_answers_and_what_it_does_not_count_is_estimated(desk: Desk, triton: ServerProcess, stream: bool) -> None:
    seen = await desk.ask(legacy(triton.url), stream=stream, max_tokens=3, temperature=0.5)
    assert (seen.text, seen.error, seen.finish_reason) == (THREE, None, "stop")
    assert not any("usage" in chunk for chunk in seen.chunks), "a made-up zero is no count"
    [attempt] = desk.attempts
    assert attempt.usage is not None
    assert attempt.usage.estimated
    assert attempt.usage.completion_tokens


async def test_the_prompt_arrives_as_one_text(desk: Desk, triton: ServerProcess) -> None:
    seen = await desk.ask(legacy(triton.url), stream=False, messages=saying("say it back: echo"))
    assert "say it back: echo" in seen.text


@MODES
async def test_a_model_that_fails_is_left_for_another_and_its_traceback_is_not_told(
    desk: Desk, triton: ServerProcess, stream: bool
) -> None:
    desk.dispatcher._max_attempts = 1
    seen = await desk.ask(legacy(triton.url), stream=stream, messages=saying("please fail"))
    assert isinstance(seen.error, errors.ProviderUnavailable)
    assert seen.error.message == "legacy is unavailable (400): RuntimeError: the model failed on purpose"
    desk.dispatcher._max_attempts = 4
    seen = await desk.ask(legacy(triton.url), "ok", stream=stream, messages=saying("please fail"))
    assert (seen.error, seen.deployment) == (None, "ok")


async def test_a_model_that_fails_in_the_middle_breaks_its_stream(desk: Desk, triton: ServerProcess) -> None:
    seen = await desk.ask(legacy(triton.url), "ok", messages=saying("please break"), max_tokens=9)
    assert (seen.text, seen.finish_reason) == (THREE, None)
    assert isinstance(seen.error, errors.StreamBroken)
    assert seen.error.message == "legacy is unavailable (500): RuntimeError: the model failed on purpose"


async def test_an_error_in_a_200_is_no_answer(desk: Desk, triton: ServerProcess) -> None:
    seen = await desk.ask(legacy(triton.url), stream=False, messages=saying("too many"))
    assert isinstance(seen.error, errors.ProviderProtocolError)
    assert seen.error.message == "legacy gave an answer that LiteLLM cannot read"


@MODES
async def test_a_model_that_is_not_there_is_named_with_the_fix(desk: Desk, triton: ServerProcess, stream: bool) -> None:
    seen = await desk.ask(legacy(triton.url, "nope"), stream=stream)
    assert isinstance(seen.error, errors.ProviderProtocolError)
    assert seen.error.message.startswith("legacy does not serve this (404); check its api_base and model")


async def served(answer: bytes) -> tuple[asyncio.Server, str]:
    """A server that gives one answer to everything, and closes."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_model_that_is_being_loaded_is_unavailable_and_not_wrongly_named(desk: Desk) -> None:
    desk.dispatcher._max_attempts = 1
    said = b'{"error":"Request for unknown model: \'ensemble\' has no available versions"}'
    server, url = await served(b"HTTP/1.1 404 Not Found\r\ncontent-length: %d\r\n\r\n" % len(said) + said)
    async with server:
        seen = await desk.ask(legacy(url), stream=False)
    assert isinstance(seen.error, errors.ProviderUnavailable)


async def test_row_14_a_stream_that_is_cut_is_broken_though_no_stream_of_tritons_tells_its_end(desk: Desk) -> None:
    piece = b'data: {"text_output":"w001"}\n\n'
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    server, url = await served(head + b"%x\r\n%s\r\n" % (len(piece), piece))
    async with server:
        seen = await desk.ask(legacy(url), "ok")
    assert seen.text == "w001"
    assert isinstance(seen.error, errors.StreamBroken)
    assert desk.faultd.count("ok") == 0
