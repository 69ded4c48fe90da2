"""`routes.NAME.cache` and `cache`: what is taken, what is refused, and what is told."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from waypost.config import Config, json_schema, loads
from waypost.config.show import effective
from waypost.errors import ConfigError


def config_of(**blocks: Any) -> Config:
    return loads(yaml.safe_dump(blocks, sort_keys=False), env={})


def problems_of(**blocks: Any) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        config_of(**blocks)
    return caught.value.problems


def kept_s(config: Config) -> dict[str, float]:
    return {name: route.cache_s for name, route in config.setup.policy.routes.items() if route.cache_s is not None}


def test_nothing_is_kept_unless_a_route_says_so() -> None:
    assert kept_s(config_of(routes={"chat": {"settings": {}}, "coding": {"cache": False}, "own": ["*"]})) == {}


def test_true_is_short_for_the_defaults_and_a_route_may_have_its_own_time() -> None:
    routes = {"chat": {"cache": True}, "coding": {"cache": {"ttl_s": 60}}, "own": {"cache": {}, "private": True}}
    assert kept_s(config_of(routes=routes)) == {"chat": 300.0, "coding": 60.0, "own": 300.0}
    assert kept_s(config_of(routes=routes, cache={"ttl_s": 5})) == {"chat": 5.0, "coding": 60.0, "own": 5.0}


def test_what_takes_effect_is_shown_and_another_time_is_another_version() -> None:
    one, other = (config_of(routes={"chat": {"cache": {"ttl_s": ttl_s}}}) for ttl_s in (60, 61))
    shown = effective(one)
    assert (shown["routes"]["chat"]["cache"], shown["routes"]["coding"]["cache"]) == ({"ttl_s": 60.0}, None)
    assert shown["cache"] == {"ttl_s": 300.0, "max_entries": 1000, "max_bytes": 67108864, "max_answer_bytes": 1048576}
    assert one.version != other.version
    assert one.version != config_of(routes={"chat": {"cache": {"ttl_s": 60}}}, cache={"max_entries": 5}).version


@pytest.mark.parametrize(("name", "why"), [("memory", "own"), ("tool_calling", "done each time"), ("vision", "images")])
def test_a_route_on_which_nothing_may_be_kept_cannot_have_a_cache(name: str, why: str) -> None:
    [problem] = problems_of(routes={name: {"cache": True}})
    assert problem.startswith("waypost.yaml:3: ")
    assert f"the route `{name}` cannot have a cache" in problem
    assert why in problem
    assert kept_s(config_of(routes={name: {"cache": False}})) == {}


@pytest.mark.parametrize(
    ("cache", "said"),
    [
        (5, "`routes.chat.cache` must be a mapping"),
        ("yes", "`routes.chat.cache` must be a mapping"),
        ({"ttl": 5}, "unknown key `ttl`"),
        ({"ttl_s": 0}, "greater than 0"),
        ({"ttl_s": True}, "must be a number"),
    ],
)
def test_a_mistake_is_one_problem(cache: Any, said: str) -> None:
    [problem] = problems_of(routes={"chat": {"cache": cache}})
    assert said in problem


def test_bounds_are_checked() -> None:
    assert len(problems_of(cache={"max_entries": 0, "max_bytes": 5, "max_answer_bytes": 0, "ttl": 5})) == 4


def test_editors_know_the_short_form() -> None:
    kinds = json_schema()["$defs"]["RouteCache"]["anyOf"]
    assert [kind["type"] for kind in kinds] == ["boolean", "object"]
