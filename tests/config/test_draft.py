"""The config that `waypost init` writes: valid, well, and explained."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from samples import deployment
from waypost.config import Config
from waypost.config.doctor import diagnose
from waypost.config.draft import CLOUDS, Found, draft, draft_from, draft_routes
from waypost.config.loader import try_loads
from waypost.config.tree import Node, parse
from waypost.fleet.deployment import Capabilities, Deployment


def model(name: str, size: float | None = 8.0, **fields: Any) -> Deployment:
    """A model as discovery gives it."""
    can = Capabilities(
        tools=fields.pop("tools", False), vision=fields.pop("vision", False), reasoning=fields.pop("thinks", False)
    )
    made = {
        "group": name,
        "model": name,
        "provider": "ollama",
        "api_base": "http://127.0.0.1:11434/v1",
        "local": True,
        **fields,
    }
    return deployment(name, capabilities=can, parameters_b=size, **{"window_tokens": None, **made})


def written(*found: Found, keys: tuple[str, ...] = ()) -> tuple[str, Config]:
    """The draft, which loads without a problem or a warning, and in which the doctor finds nothing."""
    text = draft(found, ["Ollama at 127.0.0.1:11434: some models"], keys)
    loaded = try_loads(text, env=dict.fromkeys(keys, "s3cret"))
    assert loaded.config is not None, loaded.problems
    assert loaded.config.warnings == ()
    assert diagnose(loaded) == ()
    return text, loaded.config


def routes(*found: Found) -> dict[str, list[str]]:
    return {route.name: [one.name for one in route.candidates] for route in draft_routes(found)}


def test_routes_follow_what_the_models_can_do() -> None:
    found = (
        Found(model("big", 70, tools=True, window_tokens=131_072, sources={"window_tokens": "engine"}), loaded=False),
        Found(model("small", 3), loaded=False),
        Found(model("warm", 8, tools=True), loaded=True),
        Found(model("eyes", 4, vision=True)),
        Found(model("some-coder", 7)),
        Found(model("embedder", 0.1, mode="embedding")),
    )
    assert routes(*found) == {
        "chat": ["small", "eyes", "some-coder", "warm"],
        "tool_calling": ["big", "warm"],
        "vision": ["eyes"],
        "coding": ["some-coder"],
    }
    text, config = written(*found)
    assert "# Not written: memory, reasoning. The model that comes first on a route above would be first there too" in text
    assert "one that is loaded, the largest, and of equals the one that stands first in this file." in text
    assert config.setup.policy.routes["vision"].candidates == ("eyes",)
    (embedder,) = [one for one in config.setup.deployments if one.mode == "embedding"]
    assert embedder.provider == "ollama"
    assert routes(*(replace(one, loaded=None) for one in found)) == routes(*found)  # what is loaded now is not written down


def test_one_model_that_thinks_is_two_routes_and_one_that_does_not_is_none() -> None:
    thinker = Found(model("qwen3:8b", thinks=True, tools=True))
    text, config = written(thinker)
    assert routes(thinker) == {"chat": ["qwen3:8b"], "tool_calling": ["qwen3:8b"], "reasoning": ["qwen3:8b"]}
    assert config.setup.policy.routes["chat"].settings == {"think": False}
    assert config.setup.policy.routes["reasoning"].settings == {"think": True}
    text, config = written(Found(model("llama3:8b", tools=True)))
    assert "There are no `routes`: one model answers everything." in text
    assert config.setup.policy.routes["chat"].candidates == ("*",)


def test_a_model_that_cannot_think_is_never_told_to() -> None:
    _, config = written(Found(model("thinker", 8, thinks=True)), Found(model("other", 14)), Found(model("third", 1)))
    assert config.setup.policy.routes["reasoning"].candidates == ("thinker",)


def test_a_window_is_written_where_the_engine_tells_it_and_is_a_hint_elsewhere() -> None:
    told = model("told", window_tokens=16_384, sources={"window_tokens": "engine"})
    assumed = model("assumed", window_tokens=4096, sources={"window_tokens": "assumed"})
    text, config = written(Found(told, loaded=True), Found(assumed))
    first, second = config.setup.deployments
    assert (dict(first.settings), dict(second.settings)) == ({"num_ctx": 16_384}, {})
    assert "num_ctx: 16384  # as allocated now" in text
    assert "# num_ctx: 8192  # Ollama does not tell its window, so 4096 is assumed" in text


def test_every_engine_gets_a_prefix_that_litellm_has() -> None:
    kinds = ("hosted_vllm", "lm_studio", "llamacpp", "llama_swap", "tensorrt_llm")
    found = [Found(model(kind, provider=kind, api_base="http://127.0.0.1:8000/v1")) for kind in kinds]
    _, config = written(*found)
    prefixes = [one.provider for one in config.setup.deployments]
    assert prefixes == ["hosted_vllm", "lm_studio", "custom_openai", "custom_openai", "custom_openai"]
    assert {one.api_base for one in config.setup.deployments} == {"http://127.0.0.1:8000/v1"}


def test_keys_of_the_environment_are_named_and_used_by_nothing() -> None:
    text, config = written(Found(model("m")), keys=("OPENAI_API_KEY", "GROQ_API_KEY"))
    assert "  # - model_name: openai/*" in text
    assert all(one.api_key is None for one in config.setup.deployments)
    assert "s3cret" not in text
    uncommented = text.replace("  # - model_name", "  - model_name").replace("  #   litellm_params", "    litellm_params")
    loaded = try_loads(uncommented, env={"OPENAI_API_KEY": "a", "GROQ_API_KEY": "b"})
    assert loaded.config is not None
    assert [one.group for one in loaded.config.setup.deployments] == ["m", "openai/*", "groq/*"]


def test_with_nothing_found_the_file_goes_on_looking_where_it_was_told_to() -> None:
    for targets in ((), ("http://10.0.0.9:11434",)):
        loaded = try_loads(draft((), ["no engine at 127.0.0.1:11434 (Ollama)"], CLOUDS, targets), env={})
        assert loaded.config is not None
        assert loaded.config.warnings == ()
        assert loaded.config.discovery.enabled is True
        assert tuple(one.url for one in loaded.config.discovery.targets) == targets
        assert diagnose(loaded) == ()


def test_names_of_routes_are_no_names_of_models() -> None:
    _, config = written(Found(model("chat")), Found(model("auto", 3)), Found(model("vision", 1, vision=True)))
    assert [one.group for one in config.setup.deployments] == ["ollama/chat", "ollama/auto", "ollama/vision"]


NAMES = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=40).filter(
    lambda name: name.isprintable() and "*" not in name
)


@example(["-", "null", "yes", "a: b", "[x", "# y", "os.environ/KEY", "${KEY}", "e:", "1e3", "\U00010000"], False)
@given(st.lists(NAMES, min_size=1, max_size=5, unique=True), st.booleans())
@settings(max_examples=60, deadline=None)
def test_whatever_an_engine_calls_its_models_the_file_says_the_same(names: list[str], tools: bool) -> None:
    found = [Found(model(name, float(size), tools=tools)) for size, name in enumerate(names)]
    loaded = try_loads(draft(found, (), ()), env={})
    assert loaded.config is not None, loaded.problems
    assert [one.model for one in loaded.config.setup.deployments] == names


def test_a_key_in_plain_text_is_not_taken_over() -> None:
    def fail(node: Node, sentence: str) -> None:
        raise AssertionError(sentence)

    given = "model_list: [{model_name: a, litellm_params: {model: openai/a, api_key: sk-s3cret, stop: ['x\\n']}}]"
    text = draft_from(parse(given, "a.yaml", fail), "models.py")
    assert "s3cret" not in text
    assert "api_key: os.environ/API_KEY" in text
