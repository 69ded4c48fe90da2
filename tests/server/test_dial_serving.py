"""The dial through the whole server, in front of two real engines: it moves the traffic from the cheap one to the dear one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from front import Front, Said, Serve, chat

from engines.llamacpp import LlamaCpp
from servers.ollama_server import OllamaModel, in_thread

CODING = ("Write a Python function that reverses a string.", "Write a bash script that renames all files to lower case.")
TALK = ("Good morning, how are you?", "Tell me a joke about cats.")
QUALITY = {"dear": {"coding": 0.9, "*": 0.72}, "cheap": {"coding": 0.5, "*": 0.7}}
WRONG = "a number from 0 to 1"


def entry(name: str, engine: LlamaCpp, usd_per_token: float) -> dict[str, Any]:
    """A deployment with a price and a quality."""
    return {
        "model_name": name,
        "litellm_params": {"model": f"openai/{engine.model}", "api_base": engine.base_url},
        "model_info": {
            "input_cost_per_token": usd_per_token,
            "output_cost_per_token": usd_per_token,
            "waypost": {"quality": QUALITY[name]},
        },
    }


async def two(serve: Serve, dear: LlamaCpp, cheap: LlamaCpp, **config: Any) -> Front:
    return await serve(entry("dear", dear, 1e-5), entry("cheap", cheap, 1e-7), **config)


def text_of(said: Said) -> str:
    text: str = json.loads(said.body)["choices"][0]["message"]["content"]
    return text


@pytest.mark.parametrize(("dial", "strong"), [(0, ()), (0.8, CODING), (1, (*CODING, *TALK))])
async def test_the_dial_moves_traffic_to_the_dear_engine_where_that_is_better(
    serve: Serve, llamacpp: LlamaCpp, llamacpp_beta: LlamaCpp, dial: float, strong: tuple[str, ...]
) -> None:
    front = await two(serve, llamacpp, llamacpp_beta)
    for prompt in (*CODING, *TALK):
        by_header = await front.ask(chat("auto", prompt), f"x-waypost-cost-quality: {dial}")
        by_name = await front.ask(chat(f"auto@{dial}", prompt))
        wanted, engine = ("dear", llamacpp) if prompt in strong else ("cheap", llamacpp_beta)
        assert {said.headers["x-waypost-deployment"] for said in (by_header, by_name)} == {wanted}
        assert text_of(by_header) == text_of(by_name) == engine.hello
        row = await front.row(by_name.headers["x-waypost-decision"])
        assert (row["deployment"], row["card"]["cost_quality"], row["card"]["requested"]) == (wanted, dial, f"auto@{dial}")
        assert row["cost_usd"] == pytest.approx(
            (row["prompt_tokens"] + row["completion_tokens"]) * {"dear": 1e-5, "cheap": 1e-7}[wanted]
        )


async def test_where_nobody_states_a_quality_what_is_shipped_knows_the_models_by_name(
    serve: Serve, llamacpp: LlamaCpp, llamacpp_beta: LlamaCpp
) -> None:
    dear, cheap = entry("dear", llamacpp, 1e-5), entry("cheap", llamacpp_beta, 1e-7)
    for listed, model in ((dear, "gpt-4o"), (cheap, "llama-3.1-8b-instruct")):
        listed["litellm_params"]["model"] = f"openai/{model}"
        del listed["model_info"]["waypost"]
    front = await serve(dear, cheap)
    dials = (0, 0.5, 0.8, 0.9, 1)
    strong = []
    for dial in dials:
        answered = [await front.ask(chat(f"auto@{dial}", prompt), "x-waypost-card: true") for prompt in (*CODING, *TALK)]
        strong.append(sum(said.headers["x-waypost-deployment"] == "dear" for said in answered))
    assert strong == sorted(strong)
    assert (strong[0], strong[-1]) == (0, 4)
    card = json.loads(answered[-1].body)["waypost"]
    assert card["quality_version"].startswith("quality-")
    assert all(one["expected_quality"]["n"] > 0 for one in card["candidates"])


async def test_a_dial_of_the_config_is_the_default_and_a_request_may_turn_it(
    serve: Serve, llamacpp: LlamaCpp, llamacpp_beta: LlamaCpp
) -> None:
    front = await two(serve, llamacpp, llamacpp_beta, policy={"cost_quality": 0}, aliases={"finest": "auto@1"})
    answered = [await front.ask(chat(model)) for model in ("auto", "auto@1", "finest", "auto-best")]
    assert [said.headers["x-waypost-deployment"] for said in answered] == ["cheap", "dear", "dear", "dear"]


async def test_routellms_name_takes_the_strong_model_where_its_win_rate_reaches_the_threshold(
    serve: Serve, llamacpp: LlamaCpp, llamacpp_beta: LlamaCpp
) -> None:
    """The win rate is half of one plus half of the lead of 0.4 that is stated for coding."""
    front = await two(serve, llamacpp, llamacpp_beta, router_pairs={"mf": {"strong": "dear", "weak": "cheap"}})
    answered = [await front.ask(chat(f"router-mf-{threshold}", CODING[0])) for threshold in (0, 0.69, 0.71, 1)]
    assert [said.headers["x-waypost-deployment"] for said in answered] == ["dear", "dear", "cheap", "cheap"]
    assert answered[0].headers["x-waypost-route"] == "router-mf"


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/chat", "/api/generate"])
@pytest.mark.parametrize(
    ("model", "header", "param"),
    [
        ("auto", "x-waypost-cost-quality: 1.5", "x-waypost-cost-quality"),
        ("auto", "x-waypost-cost-quality: best", "x-waypost-cost-quality"),
        ("auto", "x-waypost-cost-quality:", "x-waypost-cost-quality"),
        ("auto@7", "", "model"),
        ("chat@nan", "", "model"),
        ("router-mf-7", "", "model"),
    ],
)
async def test_a_number_that_is_none_is_a_400_in_the_form_of_each_dialect(
    serve: Serve, path: str, model: str, header: str, param: str
) -> None:
    front = await serve("ok", "500", router_pairs={"mf": {"strong": "ok", "weak": "500"}})
    body = {**chat(model), "prompt": "hi"} if path == "/api/generate" else chat(model)
    said = await front.ask(body, *([header] if header else []), path=path)
    assert said.status == 400, said.body
    if path.startswith("/v1"):
        assert said.error["param"] == param
        assert WRONG in said.error["message"]
    else:
        assert set(json.loads(said.body)) == {"error"}
        assert WRONG in json.loads(said.body)["error"]


async def test_a_client_that_looks_a_name_with_a_number_up_before_it_asks_finds_it(serve: Serve) -> None:
    front = await serve("ok", "500", router_pairs={"mf": {"strong": "ok", "weak": "500"}})
    for name in ("auto@0.3", "chat@1", "router-mf-0.11593"):
        row = await front.exchange(f"GET /v1/models/{name} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode())
        assert (row.status, json.loads(row.body)["id"]) == (200, name)
        shown = await front.ask({"model": name}, path="/api/show")
        assert (shown.status, json.loads(shown.body)["capabilities"][0]) == (200, "completion")
    for name in ("auto@7", "router-mf-7", "router-no-0.5"):
        row = await front.exchange(f"GET /v1/models/{name} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode())
        assert row.status == 404
        assert (await front.ask({"model": name}, path="/api/show")).status == 404


async def test_one_model_with_less_thinking_is_an_arm_that_the_dial_chooses_and_loads_nothing(serve: Serve) -> None:
    """The dial takes the arm by its cap and what is stated of it, and the engine gets that arm's settings."""
    with in_thread(OllamaModel("qwen3:8b", load_s=40, capabilities=("completion", "thinking"))) as ollama:
        arms = [
            {
                "model_name": name,
                "litellm_params": {"model": "ollama_chat/qwen3:8b", "api_base": ollama.url, "think": think, "max_tokens": cap},
                "model_info": {
                    "input_cost_per_token": 1e-6,
                    "output_cost_per_token": 1e-6,
                    "waypost": {"quality": quality},
                },
            }
            for name, think, cap, quality in (("deep", True, 4000, 0.81), ("brief", False, 800, 0.62))
        ]
        front = await serve(*arms)
        answered = [await front.ask(chat(f"auto@{dial}")) for dial in (0, 1, 0)]
        asked = ollama.asked("/api/chat")
        assert [said.headers["x-waypost-deployment"] for said in answered] == ["brief", "deep", "brief"]
        assert [request.body["think"] for request in asked] == [False, True, False]
        assert [request.body["options"]["num_predict"] for request in asked] == [800, 4000, 800]
        assert (len(ollama.loads), ollama.reloads) == (1, [])
