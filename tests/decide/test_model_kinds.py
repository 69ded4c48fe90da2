"""What is known of models before anybody judged them."""

from __future__ import annotations

import pytest

from waypost.decide.known_models import plain_name
from waypost.decide.model_kinds import KIND, billions_of, kind_of, thinks_by_itself


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("qwen2.5:0.5b", 0.5),
        ("Qwen2.5-7B-Instruct", 7),
        ("Meta-Llama-3-70B-Instruct", 70),
        ("smollm2:135m", 0.135),
        ("gemma-3n-e4b-it", 4),
        ("mistral-nemo", 12),
        ("phi-4", 14),
        ("Mixtral-8x7B-Instruct-v0.1", 25.2),
        ("Qwen3-30B-A3B", pytest.approx(9.49, abs=0.01)),
        ("deepseek-r1", 157),
        ("deepseek-r1-distill-qwen-7b", 7),
        ("deepseek-r1:8b", 8),
        ("deepseek-r1:671b", 157),
        ("gpt-oss:20b", 8.7),
        ("gpt-4o", None),
        ("llama3.1:latest", None),
        ("a1b2c3", None),
    ],
)
def test_a_size_is_read_from_the_name_or_known(name: str, size: float | None) -> None:
    assert billions_of(plain_name(name), name) == size


def test_what_the_engine_tells_counts_where_the_name_tells_nothing() -> None:
    assert billions_of("our-model", "our-model", 13.0) == 13.0
    assert billions_of("our-model-7b", "our-model-7b", 7.6) == 7.0


def test_a_family_that_keeps_its_sizes_secret_is_a_kind_of_its_own() -> None:
    kinds = {name: dict(zip(KIND, kind_of(plain_name(name), name) or (), strict=True)) for name in ("gpt-4o", "gpt-4.1-mini")}
    assert kinds["gpt-4o"]["size_secret"] == 1
    assert kinds["gpt-4o"]["small_sibling"] == 0
    assert kinds["gpt-4.1-mini"]["small_sibling"] == 1


def test_of_a_name_without_size_or_family_nothing_is_known() -> None:
    assert kind_of("default", "default") is None
    assert kind_of("qwen-3", "qwen3") is None, "an open family has models of all sizes"


@pytest.mark.parametrize(
    ("name", "told"), [("big-999999999b", None), ("big-" + "9" * 120 + "x" + "9" * 120 + "b", None), ("big", 1e300)]
)
def test_a_size_beyond_all_that_was_judged_counts_like_the_largest_of_these(name: str, told: float | None) -> None:
    assert kind_of(name, name, told) == kind_of("big-512b", "big-512b")
    assert kind_of("tiny", "tiny", 1e-300) == kind_of("tiny-250m", "tiny-250m")


def test_what_the_settings_say_of_thinking_goes_before_the_name() -> None:
    thinking = KIND.index("thinking")
    said = [(kind_of("qwen-3-8b", "qwen3:8b", thinks=thinks) or ())[thinking] for thinks in (None, True, False)]
    assert said == [1, 1, 0]


def test_a_later_model_of_a_family_is_newer() -> None:
    year = KIND.index("year")
    kinds = [kind_of(plain_name(name), name) or () for name in ("llama-2-7b-chat", "llama-3.1-8b-instruct", "qwen3:8b")]
    assert [kind[year] for kind in kinds] == sorted(kind[year] for kind in kinds)
    unheard, oldest = kind_of("claude-9-opus", "claude-opus-9") or (), kind_of("claude-2-1", "claude-2.1") or ()
    assert unheard[year] > oldest[year], "a version that nobody listed is new"


def test_some_models_think_by_themselves() -> None:
    thinkers = ("deepseek-r1", "o3-mini", "gpt-5-mini", "qwq-32b", "qwen3-30b-a3b-think", "claude-3.7-sonnet:thinking")
    others = ("gpt-4o", "llama-3.1-8b-instruct", "claude-sonnet-4", "qwen3-30b-a3b-nothink", "phi-4")
    assert all(thinks_by_itself(plain_name(name)) for name in thinkers)
    assert not any(thinks_by_itself(plain_name(name)) for name in others)
