"""What a client sends and its engine does not get."""

from __future__ import annotations

from typing import Any

import pytest

from samples import artefacts, deployment, fleet, policy, turn
from waypost.decide.card import Decision
from waypost.decide.decision import decide
from waypost.decide.policy import Route
from waypost.fleet.view import Deployment

MESSAGES = [{"role": "user", "content": "hello"}]


def ollama(**settings: Any) -> Deployment:
    window = settings.get("num_ctx")
    base = "http://127.0.0.1:11434"
    return deployment("q", provider="ollama_chat", lane="ollama", api_base=base, settings=settings, window_tokens=window)


def decided(
    of: Deployment, *, rules: dict[str, Any] | None = None, model: str = "auto", prompt_tokens: int = 10, **fields: Any
) -> Decision:
    asked = turn(model=model, body={"model": model, "messages": MESSAGES, **fields}, prompt_tokens=prompt_tokens)
    return decide(asked, fleet(of), policy(**(rules or {})), artefacts())


def test_load_time_options_of_a_client_are_ignored_and_the_card_says_so() -> None:
    of = ollama(num_ctx=4096, keep_alive="30m")
    card = decided(of, num_ctx=8192, keep_alive=-1, options={"num_gpu": 20, "top_k": 5}).to_dict()
    assert card["ignored"] == [
        "keep_alive: -1 (this model is kept for 30m)",
        "num_ctx: 8192 (this model is loaded with 4096)",
        "num_gpu: 20 (how a model is loaded is for the config to say)",
    ]
    assert card["candidates"][0]["settings"] == {}


def test_nothing_is_ignored_that_the_model_has_anyway_or_that_nobody_set() -> None:
    assert decided(ollama(num_ctx=4096), num_ctx=4096, num_gpu=None, temperature=0.1).ignored == ()
    assert decided(ollama(), temperature=0.1, top_k=3).ignored == ()


def test_a_setting_that_the_engine_does_not_have_is_on_the_card() -> None:
    of = deployment("v", engine_kind="vllm")
    found = decided(of, mirostat=2, top_k=5, repeat_penalty=1.1, format="json")
    assert found.ignored == ("mirostat: 2 (vLLM does not get it)",)
    assert decided(deployment("x"), mirostat=2).ignored == ()
    cloud = deployment("c", lane="litellm", provider="anthropic")
    assert decided(cloud, top_k=5, think=True).ignored == (
        "top_k: 5 (LiteLLM does not get it)",
        "think: True (LiteLLM does not get it)",
    )


def test_a_card_shows_no_text_that_a_client_sent() -> None:
    found = decided(deployment("v", engine_kind="openai"), guided_grammar="root ::= secret", num_ctx="9" * 100)
    assert found.ignored == (
        "num_ctx (how a model is loaded is for the config to say)",
        "guided_grammar (OpenAI does not get it)",
    )


def test_a_policy_may_let_clients_say_how_a_model_is_loaded_and_holds_them_to_their_window() -> None:
    rules = {"client_load_options": "allow"}
    found = decided(ollama(num_ctx=8192), rules=rules, num_ctx=2048, options={"num_gpu": "many"})
    assert dict(found.candidates[0].settings) == {"num_ctx": 2048}
    assert found.ignored == ("num_gpu (how a model is loaded is for the config to say)",)
    long = decided(ollama(num_ctx=8192), rules=rules, num_ctx=2048, prompt_tokens=3000)
    assert long.removed[0].reason == "needs 3640 tokens, its window holds 2048"
    assert decided(ollama(num_ctx=8192), num_ctx=2048, prompt_tokens=3000).removed == ()


@pytest.mark.parametrize("of", ["route", "deployment"])
def test_a_system_prefix_counts_for_the_window_and_is_not_on_the_card(of: str) -> None:
    prefix = {"system_prefix": "Speak like a pirate. " * 200}
    target = deployment("a", window_tokens=1500, settings=prefix if of == "deployment" else {})
    rules = {"routes": {"chat": Route("chat", settings=prefix if of == "route" else {})}}
    assert decided(target, rules=rules, model="chat").removed[0].guard == "context"
    wide = decided(deployment("a", settings=target.settings), rules=rules).to_dict()
    assert wide["candidates"][0]["settings"] == ({"system_prefix": "(4200 characters)"} if of == "route" else {})
