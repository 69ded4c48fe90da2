"""Header values are safe, and the table of headers is what is documented and sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samples import artefacts, deployment, fleet, policy, turn
from waypost.decide.decision import decide
from waypost.dispatch.attempt import Attempt, CacheUse
from waypost.server.headers import REQUEST_HEADERS, RESPONSE_HEADERS, answer_headers, decision_headers, safe_value

DOCS = Path(__file__).parents[2] / "docs" / "api.md"


@given(st.text())
def test_row_59_no_value_breaks_out_of_its_header(value: str) -> None:
    assert re.fullmatch(r"[\x20-\x7e]{0,256}", safe_value(value))


def test_row_40_a_name_in_chinese_is_encoded_and_not_an_error() -> None:
    view = fleet(deployment("我的模型"))
    made = decide(turn(model="我的模型"), view, policy(), artefacts())
    assert made.candidates[0].deployment == "我的模型"
    headers = answer_headers([Attempt("我的模型", 0.0, 1.0, committed=True)], view.deployments[0], complete=True)
    assert headers["x-waypost-deployment"] == "%E6%88%91%E7%9A%84%E6%A8%A1%E5%9E%8B"


def test_a_fallback_names_who_was_asked_first_and_costs_add_up() -> None:
    view = fleet(deployment("a"), deployment("b"))
    made = decide(turn(), view, policy(), artefacts("coding"))
    tries = [
        Attempt("a", 0.0, 1.0, error="provider_timeout", cost_usd=0.001),
        Attempt("b", 1.0, 2.0, committed=True, cost_usd=0.002),
    ]
    headers = {**decision_headers(made, "mine"), **answer_headers(tries, deployment("b"), complete=True)}
    assert headers["x-request-id"] == "mine"
    assert (headers["x-waypost-route"], headers["x-waypost-task"]) == ("coding", "coding")
    assert (headers["x-waypost-fallback-from"], headers["x-waypost-attempts"]) == ("a", "2")
    assert headers["x-waypost-cost-usd"] == "0.00300000"
    assert set(headers) <= set(RESPONSE_HEADERS)
    assert "x-waypost-cost-usd" not in answer_headers(tries, deployment("b"), complete=False)


def test_an_answer_from_the_cache_says_so_and_costs_nothing() -> None:
    headers = answer_headers((), deployment("b"), CacheUse("hit", "b", "stop"), complete=True)
    assert (headers["x-waypost-cache"], headers["x-waypost-attempts"], headers["x-waypost-deployment"]) == ("hit", "0", "b")
    assert headers["x-waypost-cost-usd"] == "0.00000000"
    assert set(headers) <= set(RESPONSE_HEADERS)


@pytest.mark.parametrize(("heading", "table"), [("Request headers", REQUEST_HEADERS), ("Response headers", RESPONSE_HEADERS)])
def test_every_header_is_documented(heading: str, table: Mapping[str, str]) -> None:
    (section,) = (part for part in re.split(r"^## ", DOCS.read_text(), flags=re.MULTILINE) if part.startswith(heading))
    assert set(re.findall(r"^\| `([a-z-]+)`", section, re.MULTILINE)) == set(table)
