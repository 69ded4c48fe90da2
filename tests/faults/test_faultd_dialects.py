"""faultd through the clients of the three dialects."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anthropic
import httpx
import ollama
import openai
import pytest

from waypost.faults.faultd import TEXT, Faultd

ASK = [{"role": "user", "content": "hi"}]


@pytest.fixture
async def faultd() -> AsyncIterator[Faultd]:
    server = Faultd()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def messages(faultd: Faultd) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(base_url=faultd.root_url, api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture
async def chats(faultd: Faultd) -> AsyncIterator[ollama.AsyncClient]:
    async with ollama.AsyncClient(host=faultd.root_url) as client:
        yield client


@pytest.fixture
async def completions(faultd: Faultd) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=faultd.base_url, api_key="none", max_retries=0) as client:
        yield client


async def said_by_anthropic(client: anthropic.AsyncAnthropic, model: str) -> tuple[str, str | None]:
    async with client.messages.stream(model=model, max_tokens=9, messages=ASK) as stream:
        text = "".join([piece async for piece in stream.text_stream])
        return text, (await stream.get_final_message()).stop_reason


@pytest.mark.parametrize(
    "fault", ["ok", "bytes", "crlf", "no-space", "comments", "multi-line", "usage-missing", "usage-zero", "no-blank-line"]
)
async def test_anthropics_client_reads_every_legal_framing(messages: anthropic.AsyncAnthropic, fault: str) -> None:
    assert await said_by_anthropic(messages, fault) == (TEXT, "end_turn")


async def test_anthropics_client_reads_a_whole_message_and_its_usage(messages: anthropic.AsyncAnthropic) -> None:
    message = await messages.messages.create(model="ok", max_tokens=9, messages=ASK)
    assert [(block.type, getattr(block, "text", None)) for block in message.content] == [("text", TEXT)]
    assert (message.usage.input_tokens, message.usage.output_tokens) == (11, 6)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("401", anthropic.AuthenticationError),
        ("404", anthropic.NotFoundError),
        ("429-ra2", anthropic.RateLimitError),
        ("529", anthropic.APIStatusError),
        ("cut-3", anthropic.APIConnectionError),
    ],
)
async def test_anthropics_client_raises_its_own_errors(
    messages: anthropic.AsyncAnthropic, fault: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await messages.messages.create(model=fault, max_tokens=9, messages=ASK)


async def test_anthropics_client_sees_an_error_in_the_middle_of_a_stream(messages: anthropic.AsyncAnthropic) -> None:
    with pytest.raises(anthropic.APIStatusError, match="out of memory"):
        await said_by_anthropic(messages, "error-after-3")


async def test_anthropics_client_gets_tool_calls_as_blocks(messages: anthropic.AsyncAnthropic) -> None:
    async with messages.messages.stream(model="two-calls", max_tokens=9, messages=ASK) as stream:
        message = await stream.get_final_message()
    assert [(block.type, getattr(block, "name", None)) for block in message.content] == [
        ("tool_use", "get_weather"),
        ("tool_use", "get_time"),
    ]
    assert message.stop_reason == "tool_use"


@pytest.mark.parametrize("fault", ["ok", "bytes", "usage-missing", "no-done"])
async def test_ollamas_client_reads_lines(chats: ollama.AsyncClient, fault: str) -> None:
    parts = [part async for part in await chats.chat(model=fault, messages=ASK, stream=True)]
    assert "".join(part.message.content or "" for part in parts) == TEXT
    assert [part.done for part in parts] == [False] * (len(parts) - 1) + [True]


async def test_ollamas_client_reads_a_whole_answer_calls_and_lists(chats: ollama.AsyncClient) -> None:
    answer = await chats.chat(model="ok", messages=ASK)
    assert (answer.message.content, answer.prompt_eval_count, answer.eval_count) == (TEXT, 11, 6)
    parts = [part async for part in await chats.chat(model="two-calls", messages=ASK, stream=True)]
    assert [call.function.name for part in parts for call in part.message.tool_calls or ()] == ["get_weather", "get_time"]
    assert "ok" in {model.model for model in (await chats.list()).models}


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("error-after-3", ollama.ResponseError),
        ("first-event-error", ollama.ResponseError),
        ("500", ollama.ResponseError),
        ("no-such-fault", ollama.ResponseError),
        ("malformed-event", ValueError),
        ("tool-cut", httpx.RemoteProtocolError),
    ],
)
async def test_ollamas_client_sees_that_something_is_wrong(
    chats: ollama.AsyncClient, fault: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        async for _ in await chats.chat(model=fault, messages=ASK, stream=True):
            pass


@pytest.mark.parametrize("fault", ["ok", "bytes", "crlf", "no-space", "multi-line"])
async def test_openais_client_reads_every_legal_framing(completions: openai.AsyncOpenAI, fault: str) -> None:
    stream = await completions.chat.completions.create(model=fault, messages=ASK, stream=True)
    assert "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]) == TEXT


async def test_a_model_that_stands_for_no_fault_is_a_404(completions: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="GET /v1/models"):
        await completions.chat.completions.create(model="no-such-fault", messages=ASK)
