"""What a probe found, and which deployments it speaks of."""

from __future__ import annotations

from dataclasses import replace

import pytest

from waypost.decide.probed import ProbeResult, Tally, probe_key
from waypost.fleet.view import Deployment
from waypost.secret import Secret

HERE = "http://127.0.0.1:8080/v1"
ALPHA = Deployment("alpha", "alpha", "hosted_vllm", "alpha", "openai", local=True, api_base=HERE, settings={"temperature": 0.2})


@pytest.mark.parametrize(
    "same",
    [
        replace(ALPHA, id="other", group="others"),
        replace(ALPHA, api_key=Secret("sk-other")),
        replace(ALPHA, api_base="http://localhost:8080"),
        replace(ALPHA, model="alpha:latest"),
        replace(ALPHA, settings={"temperature": 0.2, "keep_alive": "1h", "max_tokens": 900}),
    ],
    ids=["name", "key", "address", "tag", "loading and caps"],
)
def test_deployments_that_answer_alike_have_one_key(same: Deployment) -> None:
    assert probe_key(same) == probe_key(ALPHA)


@pytest.mark.parametrize(
    "other",
    [
        replace(ALPHA, model="beta"),
        replace(ALPHA, api_base="http://127.0.0.1:8081/v1"),
        replace(ALPHA, settings={"temperature": 0.9}),
        replace(ALPHA, settings={"temperature": 0.2, "think": True}),
    ],
    ids=["model", "place", "setting", "thinking"],
)
def test_what_may_answer_otherwise_has_a_key_of_its_own(other: Deployment) -> None:
    assert probe_key(other) != probe_key(ALPHA)


def test_a_key_gives_no_address_away() -> None:
    hidden = probe_key(replace(ALPHA, api_base="http://secret-host:1234/v1"))
    assert hidden.startswith("hosted_vllm/alpha#")
    assert "secret" not in hidden


def test_all_groups_count_together() -> None:
    groups = (Tally("arithmetic", "reasoning", 3, 4), Tally("logic", "reasoning", 1, 5), Tally("code", "coding", 2, 2))
    result = ProbeResult("k", "alpha", "waypost-1", "2026-01-01T00:00:00Z", groups)
    assert (result.passed, result.asked) == (6, 11)
