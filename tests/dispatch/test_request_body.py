"""What a deployment is sent."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from desk import candidate, turn

from waypost.dialects import openai
from waypost.dispatch.request import build
from waypost.fleet.deployment import Deployment, LaneName
from waypost.known_settings import LOAD_TIME
from waypost.turn import Turn


def deployment(lane: LaneName = "openai", engine_kind: str | None = None, **settings: Any) -> Deployment:
    return Deployment("local/a", "a", "openai", "model-a", lane, local=True, settings=settings, engine_kind=engine_kind)


def body(asked: Turn, of: Deployment, **route: Any) -> dict[str, Any]:
    return build(asked, of, candidate(of, **route))


def test_the_caller_beats_the_route_and_the_route_beats_the_deployment() -> None:
    of = deployment(temperature=0.1, top_p=0.2, seed=3)
    made = body(turn(temperature=0.9), of, temperature=0.5, top_p=0.6)
    assert (made["temperature"], made["top_p"], made["seed"]) == (0.9, 0.6, 3)
    assert made["model"] == "model-a"


def test_null_is_the_same_as_not_set() -> None:
    assert body(turn(temperature=None), deployment(temperature=0.1))["temperature"] == 0.1


@pytest.mark.parametrize("spelling", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize(("asked", "expected"), [(100, 50), (20, 20)])
def test_the_smaller_cap_counts_under_the_callers_name_for_it(spelling: str, asked: int, expected: int) -> None:
    for setting in ("max_tokens", "max_completion_tokens", "num_predict"):
        made = body(turn(**{spelling: asked}), deployment(**{setting: 50}))
        caps = {name: made[name] for name in ("max_tokens", "max_completion_tokens", "num_predict") if name in made}
        assert caps == {spelling: expected}


def test_a_cap_of_the_settings_alone_is_sent_in_openais_name() -> None:
    assert body(turn(), deployment(num_predict=9))["max_tokens"] == 9
    assert body(turn(), deployment(max_completion_tokens=9))["max_completion_tokens"] == 9
    assert "max_tokens" not in body(turn(), deployment())


def test_a_cap_of_the_route_replaces_the_deployments_under_whichever_names_they_stand() -> None:
    of = deployment(max_tokens=50)
    assert body(turn(), of, max_completion_tokens=90)["max_completion_tokens"] == 90
    assert body(turn(max_tokens=70), of, num_predict=90)["max_tokens"] == 70
    assert body(turn(), of, num_predict=-1)["max_tokens"] == 50


@pytest.mark.parametrize("name", sorted(LOAD_TIME))
def test_a_caller_never_changes_how_a_model_is_loaded(name: str) -> None:
    assert name not in body(turn(**{name: 1}), deployment())
    assert body(turn(**{name: 1}), deployment(**{name: 2}))[name] == 2
    nested = body(turn(options={name: 1, "mirostat": 2}), deployment())
    assert nested["options"] == {"mirostat": 2}


def test_a_stream_always_asks_for_usage_and_keeps_the_callers_options() -> None:
    made = body(turn(stream_options={"include_usage": False, "include_obfuscation": False}), deployment())
    assert made["stream"] is True
    assert made["stream_options"] == {"include_usage": True, "include_obfuscation": False}
    whole = body(turn(stream=False, stream_options={"include_usage": True}), deployment())
    assert not {"stream", "stream_options"} & whole.keys()


def test_unknown_fields_go_to_openai_engines_and_not_to_litellm() -> None:
    asked = turn(top_k=5, temperature=0.3, max_retries=9)
    assert body(asked, deployment())["top_k"] == 5
    made = body(asked, deployment("litellm", top_p=0.5), repetition_penalty=1.1)
    assert not {"top_k", "max_retries"} & made.keys()
    assert (made["temperature"], made["top_p"], made["repetition_penalty"]) == (0.3, 0.5, 1.1)


def test_the_turn_is_not_changed_and_its_values_are_shared() -> None:
    asked = turn(stream_options={"x": 1}, options={"num_ctx": 1}, max_tokens=100)
    before = deepcopy(dict(asked.body))
    made = body(asked, deployment(max_tokens=5))
    assert asked.body == before
    assert made["messages"] is asked.body["messages"]


@pytest.mark.parametrize("name", ["n_predict", "num_predict"])
def test_an_engines_own_name_for_the_cap_does_not_lift_ours(name: str) -> None:
    asked = openai.parse_body({"model": "auto", "messages": [{"role": "user", "content": "hi"}], name: 100}, turn_id="t")
    sent = body(asked, deployment(max_tokens=5))
    assert (asked.answer_tokens, sent["max_tokens"], name in sent) == (100, 5, False)


def test_the_settings_and_what_the_caller_set_reach_an_engine_in_its_own_words() -> None:
    of = deployment(engine_kind="vllm", repeat_penalty=1.1, num_ctx=4096, think=True)
    made = body(turn(temperature=0.3, typical_p=0.5), of, format="json", top_k=4)
    assert {name: made[name] for name in made.keys() - {"model", "messages", "stream", "stream_options"}} == {
        "temperature": 0.3,
        "top_k": 4,
        "repetition_penalty": 1.1,
        "chat_template_kwargs": {"enable_thinking": True},
        "response_format": {"type": "json_object"},
    }


def test_the_caller_beats_a_setting_that_says_the_same_under_another_name() -> None:
    of = deployment(engine_kind="llamacpp", think=False, repetition_penalty=1.3, format="json")
    made = body(turn(reasoning_effort="high", repeat_penalty=1.0, response_format={"type": "text"}), of)
    assert (made["reasoning_effort"], made["repeat_penalty"], made["response_format"]) == ("high", 1.0, {"type": "text"})
    assert "chat_template_kwargs" not in made


def test_the_lane_to_ollama_gets_everything_flat_and_in_ollamas_words() -> None:
    of = deployment("ollama", num_ctx=4096, keep_alive="30m", think=True, top_k=5)
    made = body(turn(reasoning_effort="none", options={"num_ctx": 9, "min_p": 0.1, "top_k": 9, "num_predict": 9}), of)
    assert {name: made[name] for name in ("num_ctx", "keep_alive", "think", "top_k", "min_p")} == {
        "num_ctx": 4096,
        "keep_alive": "30m",
        "think": False,
        "top_k": 9,
        "min_p": 0.1,
    }
    assert not {"options", "reasoning_effort", "num_predict"} & made.keys()


@pytest.mark.parametrize(
    ("said", "sent"),
    [
        (None, {"role": "system", "content": "Be kind."}),
        ({"role": "system", "content": "You are Zoe."}, {"role": "system", "content": "Be kind.\n\nYou are Zoe."}),
        (
            {"role": "developer", "content": [{"type": "text", "text": "You are Zoe."}], "name": "x"},
            {
                "role": "developer",
                "content": [{"type": "text", "text": "Be kind."}, {"type": "text", "text": "You are Zoe."}],
                "name": "x",
            },
        ),
    ],
)
def test_a_system_prefix_goes_before_the_callers_system_message_and_is_no_field(
    said: dict[str, Any] | None, sent: dict[str, Any]
) -> None:
    user = {"role": "user", "content": "hi"}
    asked = turn(messages=[user] if said is None else [said, user], system_prefix="Be rude.")
    before = deepcopy(dict(asked.body))
    made = body(asked, deployment(system_prefix="Be brief."), system_prefix="Be kind.")
    assert made["messages"] == [sent, user]
    assert "system_prefix" not in made
    assert asked.body == before
    assert "system_prefix" not in body(asked, deployment())


@pytest.mark.parametrize("lane", ["openai", "ollama", "litellm"])
def test_variants_of_the_same_weights_differ_in_nothing_that_would_load_them_again(lane: LaneName) -> None:
    load = {"num_ctx": 4096, "num_gpu": -1, "keep_alive": "30m"} if lane == "ollama" else {}
    variants = [deployment(lane, **load, temperature=0.1, think=False), deployment(lane, **load, temperature=0.9, seed=4)]
    bodies = [body(turn(num_ctx=100 * step), of, top_p=step / 10) for step, of in enumerate(variants, 1)]
    assert [{name: made[name] for name in LOAD_TIME & made.keys()} for made in bodies] == [load, load]
    assert len({(made["model"], made["temperature"], made["top_p"]) for made in bodies}) == 2
