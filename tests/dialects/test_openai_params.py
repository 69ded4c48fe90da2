from __future__ import annotations

from typing import Any

import pytest
from openai_bodies import turn

from waypost.dialects.openai_params import PARAMS
from waypost.errors import InvalidRequest

GOOD: dict[str, list[Any]] = {
    "audio": [{"voice": "alloy", "format": "wav"}, {"voice": {"id": "voice_1"}, "format": "mp3"}],
    "frequency_penalty": [-2, 0.5, 2],
    "logit_bias": [{}, {"50256": -100, "11": 100}],
    "logprobs": [True, False],
    "max_completion_tokens": [1, 100_000],
    "max_tokens": [1, 100_000],
    "metadata": [{}, {"team": "a"}],
    "modalities": [["text"], ["text", "audio"]],
    "moderation": [{"model": "omni-moderation-latest"}],
    "n": [1, 128],
    "parallel_tool_calls": [False],
    "prediction": [{"type": "content", "content": "x"}, {"type": "content", "content": [{"type": "text", "text": "x"}]}],
    "presence_penalty": [-2, 2.0],
    "prompt_cache_key": ["k"],
    "prompt_cache_options": [{"ttl": "30m"}],
    "prompt_cache_retention": ["24h"],
    "reasoning_effort": ["none", "minimal", "low", "medium", "high", "xhigh", "max"],
    "safety_identifier": ["s" * 64],
    "seed": [-(2**63), 0, 2**63 - 1],
    "service_tier": ["auto", "default", "flex", "scale", "priority"],
    "stop": ["END", ["a", "b", "c", "d"], []],
    "store": [True],
    "stream": [True, False],
    "stream_options": [{}, {"include_usage": True, "include_obfuscation": False}],
    "temperature": [0, 0.7, 2],
    "think": [True, False, "none", "low", "high", "max"],
    "top_logprobs": [0, 20],
    "top_p": [0, 1],
    "user": ["u"],
    "verbosity": ["low", "medium", "high"],
    "web_search_options": [
        {},
        {"search_context_size": "low", "user_location": {"type": "approximate", "approximate": {"country": "DE"}}},
    ],
}

BAD: list[tuple[str, Any, str]] = [
    ("audio", {"voice": "alloy"}, "audio.format"),
    ("audio", {"format": "wav"}, "audio.voice"),
    ("audio", {"voice": {}, "format": "wav"}, "audio.voice.id"),
    ("frequency_penalty", 2.1, "frequency_penalty"),
    ("logit_bias", {"11": 101}, "logit_bias.11"),
    ("logit_bias", [], "logit_bias"),
    ("logprobs", 1, "logprobs"),
    ("max_completion_tokens", 0, "max_completion_tokens"),
    ("max_tokens", 1.5, "max_tokens"),
    ("max_tokens", True, "max_tokens"),
    ("max_tokens", "100", "max_tokens"),
    ("metadata", {"team": 7}, "metadata.team"),
    ("metadata", {"k" * 65: "x"}, "metadata.?"),
    ("metadata", {str(i): "x" for i in range(17)}, "metadata"),
    ("modalities", ["smell"], "modalities"),
    ("moderation", "on", "moderation"),
    ("n", 0, "n"),
    ("n", 129, "n"),
    ("parallel_tool_calls", "yes", "parallel_tool_calls"),
    ("prediction", {"type": "content"}, "prediction.content"),
    ("prediction", {"type": "content", "content": [{"type": "text"}]}, "prediction.content[0].text"),
    ("reasoning_effort", "extreme", "reasoning_effort"),
    ("safety_identifier", "s" * 65, "safety_identifier"),
    ("seed", 2**63, "seed"),
    ("service_tier", ["auto"], "service_tier"),
    ("stop", ["a", "b", "c", "d", "e"], "stop"),
    ("stop", ["a", 1], "stop"),
    ("stream", "true", "stream"),
    ("stream_options", {"include_usage": 1}, "stream_options.include_usage"),
    ("temperature", -0.1, "temperature"),
    ("temperature", "hot", "temperature"),
    ("temperature", True, "temperature"),
    ("think", "purple", "think"),
    ("think", 1, "think"),
    ("think", {}, "think"),
    ("top_logprobs", 21, "top_logprobs"),
    ("top_p", 1.01, "top_p"),
    ("user", 7, "user"),
    ("verbosity", "loud", "verbosity"),
    ("web_search_options", {"search_context_size": "huge"}, "web_search_options.search_context_size"),
    ("web_search_options", {"user_location": {"type": "exact"}}, "web_search_options.user_location.type"),
]


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in GOOD.items() for value in values])
def test_a_good_value_is_taken_as_it_is(name: str, value: Any) -> None:
    assert turn(**{name: value}).body[name] == value


def test_every_parameter_is_shown_here_with_a_good_value() -> None:
    assert GOOD.keys() == PARAMS.keys()


@pytest.mark.parametrize(("name", "value", "param"), BAD)
def test_a_bad_value_is_named_by_its_path(name: str, value: Any, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        turn(**{name: value})
    assert caught.value.param == param
