"""The table of settings: what each must be, and under which name each engine reads it."""

from __future__ import annotations

from typing import Any

import pytest

from meta.source import ROOT
from waypost.known_settings import CHAT_FIELDS, KNOWN, LOAD_TIME, TITLES, Engine, Setting, fitted, layered

SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}}


def row(setting: Setting) -> str:
    """The setting as `docs/settings.md` has it."""
    names = [setting.name if setting.read_as is None else setting.read_as.get(engine) for engine in TITLES]
    cells = ["-" if name is None else "yes" if name == setting.name else f"`{name}`" for name in names]
    when = "load" if setting.load_time else "request"
    return f"| `{setting.name}` | {setting.expected} | {when} | {' | '.join(cells)} |"


def test_every_setting_is_documented_as_the_table_has_it() -> None:
    page = (ROOT / "docs" / "settings.md").read_text().splitlines()
    assert [line for line in page if line.startswith("| `")] == [row(setting) for setting in KNOWN.values()]
    assert f"| setting | must be | when | {' | '.join(TITLES.values())} |" in page


@pytest.mark.parametrize("engine", [*TITLES, None])
def test_no_engine_is_left_without_a_parameter_of_openai(engine: Engine | None) -> None:
    body = dict.fromkeys(CHAT_FIELDS - {"reasoning_effort"}, 1)
    assert fitted(body, engine) is body
    assert fitted({"reasoning_effort": "low"}, engine)


@pytest.mark.parametrize("engine", [engine for engine in TITLES if engine != "ollama"])
def test_nobody_but_ollama_is_told_how_to_load_a_model(engine: Engine) -> None:
    assert fitted(dict.fromkeys(LOAD_TIME, 1), engine) == {}
    assert fitted(dict.fromkeys(LOAD_TIME, 1), "ollama") == dict.fromkeys(LOAD_TIME, 1)


@pytest.mark.parametrize(
    ("engine", "given", "sent"),
    [
        ("vllm", {"repeat_penalty": 1.1}, {"repetition_penalty": 1.1}),
        ("tensorrt_llm", {"repeat_penalty": 1.1}, {"repetition_penalty": 1.1}),
        ("llamacpp", {"repeat_penalty": 1.1, "num_keep": 4}, {"repeat_penalty": 1.1, "n_keep": 4}),
        ("llamacpp", {"repetition_penalty": 1.1}, {"repeat_penalty": 1.1}),
        ("openai", {"repeat_penalty": 1.1, "top_k": 5, "min_p": 0.1, "temperature": 0}, {"temperature": 0}),
        ("ollama_v1", {"repeat_penalty": 1.1, "num_ctx": 8192, "seed": 1}, {"seed": 1}),
        ("vllm", {"think": False}, {"chat_template_kwargs": {"enable_thinking": False}}),
        ("llamacpp", {"think": True}, {"chat_template_kwargs": {"enable_thinking": True}}),
        ("vllm", {"think": "low"}, {"reasoning_effort": "low"}),
        ("openai", {"think": "low"}, {"reasoning_effort": "low"}),
        ("openai", {"think": False}, {}),
        ("litellm", {"think": True}, {}),
        ("ollama_v1", {"think": False}, {"reasoning_effort": "none"}),
        ("ollama_v1", {"think": True}, {"reasoning_effort": "medium"}),
        ("ollama", {"think": False, "format": "json"}, {"think": False, "format": "json"}),
        ("ollama", {"reasoning_effort": "none"}, {"think": False}),
        ("ollama", {"reasoning_effort": "minimal"}, {"think": "low"}),
        ("ollama", {"reasoning_effort": "high"}, {"think": "high"}),
        ("vllm", {"format": "json"}, {"response_format": {"type": "json_object"}}),
        ("vllm", {"format": "xml"}, {}),
        (
            "litellm",
            {"format": SCHEMA},
            {"response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}},
        ),
        ("vllm", {"own_option": 1}, {"own_option": 1}),
        (None, {"repeat_penalty": 1.1, "num_ctx": 1, "think": True}, {"repeat_penalty": 1.1, "num_ctx": 1, "think": True}),
    ],
)
def test_an_engine_gets_a_setting_under_its_own_name_or_not_at_all(
    engine: Engine | None, given: dict[str, Any], sent: dict[str, Any]
) -> None:
    assert fitted(given, engine) == sent


def test_of_what_says_the_same_the_last_layer_is_heard_whatever_the_names() -> None:
    deployment = {"think": True, "repetition_penalty": 1.2, "max_tokens": 9, "format": "json", "top_k": 3}
    route = {"repeat_penalty": 1.1, "max_completion_tokens": 90, "response_format": {"type": "text"}}
    made = layered((deployment, route), "vllm", {"reasoning_effort": "high"})
    assert made == {
        "top_k": 3,
        "repetition_penalty": 1.1,
        "max_completion_tokens": 90,
        "response_format": {"type": "text"},
        "reasoning_effort": "high",
    }


def test_arguments_of_a_chat_template_are_joined() -> None:
    deployment = {"chat_template_kwargs": {"language": "de", "enable_thinking": True}}
    assert layered((deployment, {"think": False}), "vllm") == {
        "chat_template_kwargs": {"language": "de", "enable_thinking": False}
    }
    both = {"think": False, "chat_template_kwargs": {"enable_thinking": True, "language": "de"}}
    assert layered((both,), "vllm") == {"chat_template_kwargs": {"enable_thinking": True, "language": "de"}}


def test_what_stands_in_extra_body_goes_past_the_table_except_to_litellm_which_has_its_own() -> None:
    given = {"temperature": 0.1, "extra_body": {"num_ctx": 5, "temperature": 0.9}}
    assert layered((given,), "vllm") == {"temperature": 0.9, "num_ctx": 5}
    assert layered((given,), "litellm") == given
    assert layered((), "vllm", {"extra_body": {"num_ctx": 5}}) == {"extra_body": {"num_ctx": 5}}


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("temperature", [0, 1.5], [-0.1, 9, True, "hot"]),
        ("top_p", [0, 1], [1.1]),
        ("num_gpu", [-1, 0, 99], [-2, 1.5]),
        ("num_ctx", [4096], [0, -1, "4096"]),
        ("keep_alive", [-1, 0, 300, "300", "-1", "30m", "1h30m", "-1m", "500ms"], ["30 m", "half an hour", True, None]),
        ("think", [True, False, "low"], ["very", 1, None]),
        ("format", ["json", SCHEMA], ["xml", True]),
        ("stop", ["a", ["a", "b"]], [1, [1]]),
        ("system_prefix", ["Be kind."], [["Be kind."]]),
    ],
)
def test_a_setting_accepts_what_it_must_be(name: str, good: list[Any], bad: list[Any]) -> None:
    assert [value for value in good if not KNOWN[name].accepts(value)] == []
    assert [value for value in bad if KNOWN[name].accepts(value)] == []
