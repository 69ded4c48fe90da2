"""Row 73: an engine that reads less than it was sent is found out, and never believed in silence."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from whole import Client, MakeClient, entry

from servers.ollama_server import Answer, Ollama, OllamaModel, OllamaSettings, serve
from waypost.dispatch.events import Call
from waypost.dispatch.truncation import LEAST_WINDOW_TOKENS, refuse_cut_prompt
from waypost.errors import ProviderContextTooLong, StreamBroken
from waypost.faults.exchange import USAGE, Exchange
from waypost.faults.faultd import TEXT, Faultd
from waypost.faults.faults import Fault, send
from waypost.fleet.deployment import Deployment
from waypost.http.session import HttpSession, read_up_to

MODES = pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
LONG = "The quick brown fox jumps over the lazy dog. " * 900
OF = Deployment("q", "q", "ollama_chat", "m", "ollama", local=True)


class Forgetful(Faultd):
    """An Ollama of before ``truncate``: ``reads-4096`` reads 4,096 tokens at most of whatever it is sent, and says so."""

    def _fault(self, model: str) -> Fault:
        name, _, window = model.partition("-")
        if name != "reads":
            return super()._fault(model)

        async def answer(exchange: Exchange) -> None:
            text = "\n".join(message["content"] for message in exchange.hit.body["messages"])
            usage = {**USAGE, "prompt_tokens": min(int(window), len(text.split()))}
            await send(exchange, exchange.answer(usage=usage), exchange.completion(usage=usage))

        return answer


@pytest.fixture
async def faultd() -> AsyncIterator[Faultd]:
    server = Forgetful()
    await server.start()
    yield server
    await server.stop()


def ollama_entry(url: str, model: str, window: int, **params: Any) -> dict[str, Any]:
    params = {"model": f"ollama_chat/{model}", "api_base": url, "num_ctx": window, **params}
    return {"model_name": model, "litellm_params": params}


def window_of(asked: Client, deployment: str) -> tuple[int | None, str | None]:
    found = next(one for one in asked.router.view() if one.id == deployment)
    return found.window_tokens, found.sources.get("window_tokens")


async def test_row_73_a_cut_prompt_that_is_not_streamed_is_answered_by_a_larger_window(
    client_of: MakeClient, faultd: Faultd
) -> None:
    asked = client_of(
        ollama_entry(faultd.root_url, "reads-4096", 32_768),
        entry(faultd, "ok", info={"max_input_tokens": 32_768}),
    )
    assert await asked.ask(LONG, model="chat") == TEXT
    assert asked.attempts == [("reads-4096", "context_length_exceeded"), ("ok", None)]
    assert (faultd.count("reads-4096"), faultd.count("ok")) == (1, 1)
    [first, _] = asked.entry["attempts"]
    assert "has read only 4096 of about" in first["message"]
    assert asked.router.view().status("reads-4096").cooling_s is None

    # From now on its window is what it showed: the next long prompt does not go there.
    assert window_of(asked, "reads-4096") == (4096, "engine")
    assert await asked.ask(LONG, model="chat") == TEXT
    assert asked.attempts == [("ok", None)]
    assert await asked.ask("hi", model="chat") == TEXT
    assert asked.attempts == [("reads-4096", None)]


async def test_row_73_alone_the_caller_gets_an_error_with_both_numbers_and_no_answer(
    client_of: MakeClient, faultd: Faultd
) -> None:
    asked = client_of(ollama_entry(faultd.root_url, "reads-4096", 32_768))
    refused = await asked.post(LONG, model="chat")
    assert refused.status_code == 400
    assert refused.json()["error"]["code"] == "context_length_exceeded"
    assert "has read only 4096 of about" in refused.json()["error"]["message"]
    assert asked.attempts == [("reads-4096", "context_length_exceeded")]


async def test_row_73_a_stream_from_a_cut_prompt_ends_with_an_error_and_without_done(
    client_of: MakeClient, faultd: Faultd
) -> None:
    asked = client_of(
        ollama_entry(faultd.root_url, "reads-4096", 32_768),
        entry(faultd, "ok", info={"max_input_tokens": 32_768}),
    )
    streamed = await asked.post(LONG, model="chat", stream=True)
    events = [line.removeprefix("data: ") for line in streamed.text.split("\n\n") if line.startswith("data: ")]
    error = json.loads(events[-1])["error"]
    assert (error["code"], "has read only 4096 of about" in error["message"]) == ("stream_broken", True)
    assert "[DONE]" not in events
    assert not any(choice["finish_reason"] for event in events[:-1] for choice in json.loads(event)["choices"])
    assert asked.attempts == [("reads-4096", "stream_broken")]
    assert asked.entry["status"] == "partial"
    assert faultd.count("ok") == 0
    assert window_of(asked, "reads-4096") == (4096, "engine")
    assert asked.router.view().status("reads-4096").cooling_s is None


@MODES
async def test_row_73_an_ollama_that_knows_how_refuses_before_it_reads(
    client_of: MakeClient, faultd: Faultd, stream: bool
) -> None:
    """A window that the model was not trained for: Ollama allocates a smaller one, and is told to refuse what does not fit."""
    model = OllamaModel("small:1b", Answer("hi"), trained_tokens=4096)
    async with serve(model) as ollama:
        asked = client_of(
            ollama_entry(ollama.url, "small:1b", 32_768),
            entry(faultd, "ok", info={"max_input_tokens": 32_768}),
        )
        assert await asked.ask(LONG, model="chat", stream=stream) == TEXT
        assert asked.attempts == [("small:1b", "context_length_exceeded"), ("ok", None)]
        assert ollama.runs == []
        assert await asked.ask("hi", model="chat", stream=stream) == "hi"
        [run] = ollama.runs
        assert (run.prompt.dropped, len(ollama.loads), ollama.reloads) == (0, 1, [])


async def test_row_73_a_model_that_was_unloaded_comes_back_with_the_window_that_was_decided_with(
    client_of: MakeClient, faultd: Faultd
) -> None:
    """The engine said 16k while another client had it loaded so; by itself it would load 4k, and the prompt has 10k."""
    async with serve(OllamaModel("q:8b", Answer("hi")), settings=OllamaSettings(gpu_bytes=16 << 30)) as ollama:
        listed = ollama_entry(ollama.url, "q:8b", 16_384)
        del listed["litellm_params"]["num_ctx"]
        asked = client_of(listed)
        await look(asked, ollama, loaded_with=16_384)
        assert window_of(asked, "q:8b") == (16_384, "engine")
        ollama.clock.jump(3600)
        assert ollama.resident == []
        assert await asked.ask(LONG, model="chat") == "hi"
        assert ollama.loads[-1].options.num_ctx == 16_384
        assert ollama.runs[-1].prompt.dropped == 0


async def look(asked: Client, ollama: Ollama, *, loaded_with: int) -> None:
    """Another client loads the model; then the fleet looks at its faultd."""
    body = {"model": "q:8b", "messages": [], "options": {"num_ctx": loaded_with}}
    async with HttpSession() as session:
        async with session.ask("POST", f"{ollama.url}/api/chat", timeout_s=60, body=json.dumps(body).encode()) as answer:
            await read_up_to(answer, 1 << 20)
        await asked.router.fleet.refresh(session)


def check(text: str, read: Any, *, estimate: int | None, num_ctx: int | None = None, truncate: bool = False) -> int | None:
    """The window that the engine seems to have; ``None`` where nothing is wrong."""
    sent = {"messages": [{"role": "user", "content": text}], "truncate": truncate, "options": {"num_ctx": num_ctx}}
    try:
        refuse_cut_prompt(Call(OF, {}, prompt_tokens=estimate), sent, {"prompt_eval_count": read})
    except ProviderContextTooLong as error:
        return error.window_tokens
    return None


def test_a_count_is_clearly_too_small_only_beyond_what_the_estimate_may_err() -> None:
    """``LONG`` has about 9,500 tokens."""
    about = 9500
    assert check(LONG, 3000, estimate=about) == 3000
    assert check(LONG, 500, estimate=about) == LEAST_WINDOW_TOKENS
    assert check(LONG, 7000, estimate=about) is None
    assert check(LONG, 4096, estimate=about) == 4096
    assert check("short " * 100, 20, estimate=120) is None


def test_what_templates_may_leave_out_does_not_count() -> None:
    assert check("look", 300, estimate=20_000) is None  # images, tools, a schema
    assert check("=" * 4000, 40, estimate=1000) is None
    assert check("\n".join(str(n * 7919) for n in range(2000)), 4500, estimate=12_000) is None
    assert check("এটি একটি পরীক্ষা। " * 800, 4000, estimate=9000) is None


def test_a_window_that_is_full_to_the_last_token_was_too_small() -> None:
    assert check(LONG, 8192, estimate=9500, num_ctx=8192) == 8192
    assert check(LONG, 8191, estimate=9500, num_ctx=8192) is None
    assert check("hi", 8192, estimate=9000, num_ctx=8192) == 8192
    assert check(LONG, 9600, estimate=9500, num_ctx=9600) is None


@pytest.mark.parametrize("read", [None, 0, -1, "12", 3.5, True])
def test_without_a_count_there_is_nothing_to_say(read: Any) -> None:
    assert check(LONG, read, estimate=9500) is None


def test_who_asked_for_a_cut_gets_it() -> None:
    assert check(LONG, 3000, estimate=9500, truncate=True) is None
    assert check(LONG, 3000, estimate=None) is None


def test_a_broken_stream_says_that_nobody_else_may_be_asked() -> None:
    assert StreamBroken.fail_over is False
