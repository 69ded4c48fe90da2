"""YAML as it is read: plain, bounded, with lines, and never an exception that is not ours."""

from __future__ import annotations

import time

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from waypost.config import loads
from waypost.config.tree import Unreadable, parse
from waypost.errors import ConfigError


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        loads(text, env={})
    return caught.value.problems


def test_a_key_that_stands_twice_is_refused() -> None:
    assert problems("server:\n  port: 1\n  port: 2\n") == ("waypost.yaml:3: the same key stands in line 2 already",)


@pytest.mark.parametrize("text", ["a: !!python/object/apply:os.system [id]", "a: !!binary aGk=", "a: !own x", "a: !!set {b}"])
def test_a_tag_is_refused(text: str) -> None:
    assert problems(text) == ("waypost.yaml:1: it has a YAML tag; only plain values are read",)


def test_a_date_stays_text() -> None:
    assert parse("v: 2024-02-01", "f", lambda *_: None).plain() == {"v": "2024-02-01"}


def test_merge_keys_work_and_what_stands_beside_them_wins() -> None:
    text = "base: &b {x: 1, y: 2}\nmore: &m {x: 3, z: 4}\nmade: {<<: [*b, *m], y: 5}\n"
    assert parse(text, "f", lambda *_: None).plain()["made"] == {"y": 5, "x": 1, "z": 4}


def test_aliases_cannot_make_a_small_file_large() -> None:
    laughs = "a: &a [x, x, x, x, x, x, x, x, x]\n"
    laughs += "".join(
        f"{b}: &{b} [*{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    started = time.perf_counter()
    with pytest.raises(Unreadable, match="once its aliases are followed"):
        parse(laughs, "f", lambda *_: None)
    assert time.perf_counter() - started < 10


@pytest.mark.parametrize("text", ["a: &a [*a]", "a: &a {b: *a}", "[" * 5000, "{a: " * 5000, "- " * 5000])
def test_depth_is_bounded(text: str) -> None:
    assert "nested more than" in problems(text)[0]


@pytest.mark.parametrize(
    "text",
    ["a: .inf", "a: .nan", "a: 1.0e+999", "a: 99999999999999999999", "a: !!int x", "a: !!bool x", "a: 0x_", "? [b]\n: c"],
)
def test_a_scalar_that_is_none_of_ours_is_refused(text: str) -> None:
    assert len(problems(text)) == 1


@pytest.mark.parametrize(
    "text", ["a: [", "a: b: c", "\ta: b", "a: \x00", "a: *nobody", "--- a\n--- b", "%YAML 9.9\n---\na: b", "a: \x85\x07"]
)
def test_what_is_not_yaml_is_a_problem_with_a_line(text: str) -> None:
    assert problems(text)[0].startswith("waypost.yaml:")


_WORDS = """
    model_list model_name litellm_params model model_info id api_base api_key openai/m ollama/m auto_router/x * openai/*
    routes chat candidates settings aliases policy server port host discovery targets url include router_settings fallbacks
    model_group_alias timeout credential_list credential_name os.environ/X ${X} null true 1 -1 1.5 {} [] & ! << : - | >
"""
WORDS = st.sampled_from(_WORDS.split())
LINES = st.builds(lambda depth, words: "  " * depth + " ".join(words), st.integers(0, 4), st.lists(WORDS, max_size=4))
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), WORDS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=4)),
    max_leaves=12,
)


def gives_a_config_or_its_error(text: str) -> None:
    try:
        told = loads(text, env={"X": "y"}).warnings
    except ConfigError as error:
        told = error.problems or ("a ConfigError without a problem",)
    assert [sentence for sentence in told if not sentence.startswith("waypost.yaml:")] == []


@given(st.one_of(st.text(), st.lists(LINES, max_size=8).map("\n".join)))
@example("model_list: [{model_name: a, litellm_params: {model: openai/a, api_base: 'http://[::1'}}]")
@example("routes: {chat: {candidates: chat}}")
@example("routes:\n  ? [1]\n  : x")
@settings(max_examples=150, deadline=None)
def test_any_text_gives_a_config_or_its_error(text: str) -> None:
    gives_a_config_or_its_error(text)


BLOCKS = (
    "model_list",
    "credential_list",
    "litellm_settings",
    "router_settings",
    "routes",
    "aliases",
    "policy",
    "server",
    "discovery",
)


@given(st.dictionaries(st.sampled_from(BLOCKS), VALUES), VALUES, VALUES)
@settings(max_examples=150, deadline=None)
def test_any_value_in_any_block_gives_a_config_or_its_error(blocks: dict[str, object], params: object, info: object) -> None:
    entry = {"model_name": "m", "litellm_params": {"model": "openai/m", "x": params}, "model_info": info}
    gives_a_config_or_its_error(yaml.safe_dump({"model_list": [entry], **blocks}, allow_unicode=True))
