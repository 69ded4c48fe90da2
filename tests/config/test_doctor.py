"""The doctor: each rule finds its trap, and is silent where it is mended."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.doctor_traps import OLLAMA, TRAPS, VLLM, one, says, two
from meta.source import ROOT
from waypost.config.doctor import RULES, Finding, Rule, diagnose
from waypost.config.loader import Loaded, try_load, try_loads
from waypost.fleet.report import EngineReport, Examined, ModelReport

IDS = [rule.id for rule in RULES]
PAGE = (ROOT / "docs" / "doctor.md").read_text()


def examined(text: str, looks: dict[str, Examined] | None = None) -> tuple[Finding, ...]:
    loaded = try_loads(text, env={})
    assert loaded.problems == ()
    return diagnose(loaded, looks or {})


def messages(text: str, looks: dict[str, Examined] | None = None) -> list[str]:
    return [finding.message for finding in examined(text, looks)]


def test_every_rule_has_a_trap_of_its_own() -> None:
    assert sorted(TRAPS) == sorted(IDS)


@pytest.mark.parametrize("name", TRAPS)
def test_a_rule_finds_its_trap_in_its_line_and_nothing_else(name: str) -> None:
    trap = TRAPS[name]
    assert [(one.rule, one.line) for one in examined(trap.text, dict(trap.looks))] == [(name, trap.line)]


@pytest.mark.parametrize("name", TRAPS)
def test_nothing_is_found_where_the_trap_is_mended(name: str) -> None:
    assert examined(TRAPS[name].mended, dict(TRAPS[name].well)) == ()


@pytest.mark.parametrize("rule", RULES, ids=IDS)
def test_every_rule_is_documented_as_it_is(rule: Rule) -> None:
    section = re.split(r"^##", PAGE.partition(f"\n### {rule.id}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    told = [" ".join(part.split()) for part in section.strip().split("\n\n")]
    expected = [f"*{rule.severity}.* {rule.finds}", rule.why, f"**Mend:** {rule.mend}"]
    assert told == [" ".join(part.split()) for part in expected]


def test_no_rule_is_documented_that_does_not_exist() -> None:
    assert re.findall(r"^### (.*)$", PAGE, re.MULTILINE) == IDS


def test_zoe_has_the_traps_that_are_expected() -> None:
    found = diagnose(try_load(ROOT / "examples/zoe.yaml", env={}))
    assert [(one.line, one.rule) for one in found] == [
        (13, "ollama-prefix"),
        (17, "num-predict-beats-max-tokens"),
        (20, "stop-cuts-replies"),
        (20, "stop-role-marker"),
        (21, "keep-alive-uniform"),
        (27, "ollama-prefix"),
        (30, "cpu-only"),
        (31, "num-predict-beats-max-tokens"),
        (34, "stop-cuts-replies"),
        (34, "stop-role-marker"),
        (41, "ollama-prefix"),
        (44, "num-gpu-misunderstood"),
        (45, "num-predict-beats-max-tokens"),
        (55, "ollama-prefix"),
        (58, "num-gpu-misunderstood"),
        (59, "num-predict-beats-max-tokens"),
        (62, "stop-cuts-replies"),
        (62, "stop-role-marker"),
        (73, "window-below-threshold"),
        (75, "collapsed-routes"),
    ]


@pytest.mark.parametrize("name", ["zoe-fixed", "minimal", "own-task", "litellm-proxy"])
def test_the_other_examples_are_well(name: str) -> None:
    assert diagnose(try_load(ROOT / f"examples/{name}.yaml", env={})) == ()


def test_zoe_fixed_has_no_warning_and_the_routes_of_zoe() -> None:
    fixed, zoe = (try_load(ROOT / f"examples/{name}.yaml", env={}).config for name in ("zoe-fixed", "zoe"))
    assert fixed is not None
    assert zoe is not None
    assert fixed.warnings == ()
    first = [{name: route.candidates[0] for name, route in config.setup.policy.routes.items()} for config in (fixed, zoe)]
    assert first[0] == first[1]
    assert fixed.setup.policy.aliases == zoe.setup.policy.aliases


@pytest.mark.parametrize(
    ("layers", "asked", "told"),
    [
        (28, 43, "asks for 43 layers on the GPU, and `qwen3:8b` has 29 to put there"),
        (28, 29, "is every layer of `qwen3:8b`, fit or not"),
        (28, 10, "puts 10 of the 29 layers of `qwen3:8b` on the GPU"),
        (None, 1, "counts layers, not GPUs: nearly all of `qwen3:8b` is computed by the CPU"),
        (None, 99, "is every layer of `qwen3:8b`, fit or not"),
        (None, 43, "is 43 layers: where `qwen3:8b` has more"),
    ],
)
def test_what_a_number_of_layers_means_is_said_for_that_number(layers: int | None, asked: int, told: str) -> None:
    (message,) = messages(one(f"num_gpu: {asked}"), dict(says(ModelReport("qwen3:8b", layers=layers))))
    assert told in message


def test_a_model_that_is_absent_may_be_one_that_is_there() -> None:
    (message,) = messages(one(), dict(says(ModelReport("qwen3:8b-q4_K_M"), ModelReport("phi3:mini"))))
    assert message == "the engine has no model `qwen3:8b`; did you mean `qwen3:8b-q4_K_M`?"


def test_load_options_of_a_route_and_of_its_model_are_compared() -> None:
    routes = "routes:\n  chat: {candidates: [m], settings: {num_ctx: 4096}}\n"
    (message,) = messages(one("num_ctx: 8192", more=routes))
    told = "`num_ctx` is 4096 here and 8192 in waypost.yaml:6, both for `qwen3:8b`: "
    assert message == f"{told}Ollama would load it at each change, so Waypost asks for 8192 everywhere"


def test_a_negative_number_of_layers_is_none() -> None:
    assert messages(two("model: ollama_chat/a, num_gpu: -1", "model: ollama_chat/a, temperature: 1")) == []


def test_two_groups_with_one_model_and_the_same_settings_are_one() -> None:
    (finding,) = examined(two("model: ollama_chat/llama3, temperature: 1", "model: ollama_chat/llama3, temperature: 1"))
    assert (finding.rule, finding.line) == ("collapsed-routes", 4)
    assert finding.message == "`b` and `a` (line 2) are one: both are `llama3` with the same settings"
    assert examined(two("model: ollama_chat/llama3, temperature: 1", "model: ollama_chat/llama3, temperature: 0")) == ()


def test_load_options_tell_no_two_groups_apart_and_the_finding_says_so() -> None:
    (finding,) = examined(two("model: ollama_chat/llama3", "model: ollama_chat/llama3, num_ctx: 32768"))
    assert finding.message.endswith("both are `llama3` with the same settings (`num_ctx` is one value for a model)")


def test_two_names_of_a_model_in_the_cloud_are_no_trap() -> None:
    text = two("model: openai/gpt-4o", "model: openai/gpt-4o").replace(OLLAMA, "https://api.openai.com/v1")
    assert examined(text) == ()


def test_a_number_that_is_written_as_a_text_is_a_number() -> None:
    assert messages(two("model: ollama_chat/a, num_ctx: '4096'", "model: ollama_chat/a, num_ctx: 4096, seed: 1")) == []
    assert [found.rule for found in examined(one("num_gpu: '99'"))] == ["num-gpu-misunderstood"]
    assert [found.rule for found in examined(one("num_ctx: '2048'", "max_tokens: '2000'"))] == ["cap-fills-window"]


def test_what_a_reference_will_be_differs_from_nothing() -> None:
    text = two("model: ollama_chat/a, num_ctx: os.environ/WINDOW", "model: ollama_chat/a, num_ctx: 4096, seed: 1")
    assert diagnose(try_loads(text, env={"WINDOW": "4096"})) == ()


@pytest.mark.parametrize(("name", "rule"), [("num_ctx", "class-settings-ignored"), ("keep_alive", "keep-alive-misplaced")])
@pytest.mark.parametrize(
    ("place", "told"), [("model_info: {%s: 60, mode: chat}", "in `model_info`"), ("%s: 60", "beside `litellm_params`")]
)
def test_an_option_of_ollama_outside_of_the_params_reaches_no_request(name: str, rule: str, place: str, told: str) -> None:
    (found,) = examined(one().replace("model_info: {}", place % name))
    assert (found.line, found.rule) == (6, rule)
    assert told in found.message


@pytest.mark.parametrize(
    ("stop", "end"), [("[' ', '\\n\\n']", "blank"), (r'"\n"', "line end"), (r'["\n\n", "\n \n"]', "blank line")]
)
def test_where_an_answer_ends_is_said_for_that_stop(stop: str, end: str) -> None:
    assert any(f"an answer ends at its first {end}, mid-thought" in message for message in messages(one(f"stop: {stop}")))


@pytest.mark.parametrize(("stop", "found"), [("'### User:'", True), ("'user:'", True), ("'###'", False), ("'note:'", False)])
def test_a_label_of_a_dialogue_may_be_a_heading(stop: str, found: bool) -> None:
    assert [one.rule for one in examined(one(f"stop: {stop}"))] == (["stop-role-marker"] if found else [])


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("reasoning_effort: high", True),
        ("reasoning_effort: none", False),
        ("thinking: {type: enabled, budget_tokens: 1024}", True),
        ("thinking: {type: disabled}", False),
    ],
)
def test_who_is_told_to_think_in_other_words_needs_room_too(asked: str, found: bool) -> None:
    told = messages(one("max_tokens: 800", asked, model="anthropic/claude", base="https://example.com"))
    expected = "`m` is told to think, and its thoughts count against the cap of 800 tokens"
    assert told == ([expected] if found else [])


def test_a_triton_that_is_called_by_its_own_protocol_needs_no_frontend_to_answer() -> None:
    report = EngineReport("triton", "2.51.0", problem="Triton without its OpenAI-compatible frontend", serves=False)
    found = examined(TRAPS["triton-legacy"].text, {VLLM: Examined("127.0.0.1:8000", report)})
    assert [finding.rule for finding in found] == ["triton-legacy"]


def test_an_engine_on_another_port_is_known_as_ollama_by_what_it_says() -> None:
    text = one("temperature: 1", model="custom_openai/qwen3:8b", base="http://127.0.0.1:9999/v1")
    assert messages(text) == []
    (finding,) = examined(text, dict(says(ModelReport("qwen3:8b"), url="http://127.0.0.1:9999")))
    assert finding.rule == "ollama-over-v1"


def test_a_config_of_litellm_without_routes_is_examined_too() -> None:
    found = examined(two("model: ollama/hermes3, seed: 1, num_ctx: 4096", "model: ollama/hermes3, num_ctx: 2048"))
    assert [(one.line, one.rule) for one in found] == [(3, "ollama-prefix"), (5, "load-options-differ"), (5, "ollama-prefix")]


def test_a_file_with_problems_is_not_judged() -> None:
    loaded = try_loads("server: {prot: 1}", env={})
    with pytest.raises(ValueError, match="problems"):
        diagnose(loaded)


SETTINGS = (
    "stop",
    "num_ctx",
    "num_gpu",
    "keep_alive",
    "think",
    "max_tokens",
    "num_predict",
    "options",
    "extra_body",
    "tool_choice",
)
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 10**6), st.sampled_from(["\n\n", "User:", "x", "30m", ""])),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(SETTINGS), inner, max_size=3)),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(SETTINGS), ANYTHING), st.dictionaries(st.sampled_from(SETTINGS), ANYTHING))
@settings(max_examples=200, deadline=None)
def test_whatever_a_file_says_it_is_examined_to_the_end(params: dict[str, object], over: dict[str, object]) -> None:
    base = {"model": "ollama/m", "api_base": OLLAMA}
    text = json.dumps(
        {
            "model_list": [{"model_name": "m", "litellm_params": {**params, **base}}],
            "routes": {"chat": {"candidates": ["m"], "settings": over}, "memory": ["*"]},
        }
    )
    loaded: Loaded = try_loads(text, env={})
    if loaded.config is None:
        assert loaded.problems
        return
    assert all(finding.line == 1 and finding.mend for finding in diagnose(loaded))


def test_the_path_of_this_machine_is_in_no_finding(tmp_path: Path) -> None:
    (tmp_path / "waypost.yaml").write_text(one("num_gpu: 99"))
    (finding,) = diagnose(try_load(tmp_path / "waypost.yaml", env={}))
    assert finding.file == "waypost.yaml"
