"""Ratings as a router takes them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from waypost import Router
from waypost.config import loads
from waypost.errors import CallerError, InvalidRequest, NotFound, PolicyError, WaypostError

FLEET = {"model_list": [{"model_name": "a", "litellm_params": {"model": "simulated/a"}}]}


@pytest.fixture
def router(tmp_path: Path) -> Iterator[Router]:
    with Router.from_config({**FLEET, "ledger": {"path": str(tmp_path / "ledger.db")}}) as made:
        yield made


async def answered(router: Router, text: str = "Who wrote Dune?") -> str:
    return (await router.acompletion(messages=text)).decision.id


async def test_an_answer_is_rated_by_the_id_of_its_decision(router: Router) -> None:
    decision = await answered(router)
    made = router.rate(decision, 1, caller="anna\x1b[31m")
    assert made.id.startswith("wr_")
    assert (made.decision, made.score, made.source, made.caller) == (decision, 1.0, "user", "anna\ufffd[31m")
    entry = router.ledger.get(decision)
    assert entry is not None
    assert entry["ratings"] == [made.to_dict()]
    assert router.ratings() == (made,)
    assert router.forget_ratings([made.id]) == 1
    assert router.ratings() == ()


async def test_a_changed_mind_replaces_the_first_word_and_another_source_stands_beside(router: Router) -> None:
    decision = await answered(router)
    router.rate(decision, 1)
    last, judged = router.rate(decision, 0), router.rate(decision, 0.25, source="judge")
    assert router.ratings() == (last, judged)


async def test_a_rating_changes_no_decision(router: Router) -> None:
    before = router.route("Who wrote Dune?")
    router.rate(await answered(router), 0)
    after = router.route("Who wrote Dune?")
    assert (after.task, after.artefact_version, after.candidates) == (before.task, before.artefact_version, before.candidates)


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"score": 1.5}, InvalidRequest, "from 0 to 1"),
        ({"score": -0.1}, InvalidRequest, "from 0 to 1"),
        ({"score": float("nan")}, InvalidRequest, "from 0 to 1"),
        ({"score": True}, InvalidRequest, "from 0 to 1"),
        ({"score": "1"}, InvalidRequest, "from 0 to 1"),
        ({"score": None}, InvalidRequest, "from 0 to 1"),
        ({"score": 10**400}, InvalidRequest, "from 0 to 1"),
        ({"score": 1, "source": "rumour"}, InvalidRequest, "user, check, judge"),
        ({"score": 1, "source": ["user"]}, InvalidRequest, "user, check, judge"),
        ({"score": 1, "caller": 5}, InvalidRequest, "must be a text"),
        ({"score": 1, "caller": 0}, InvalidRequest, "must be a text"),
        ({"score": 1, "decision_id": 5}, InvalidRequest, "must be a text"),
        ({"score": 1, "decision_id": "wp_never"}, NotFound, "no decision of that id"),
        ({"score": 1, "decision_id": "\ud800"}, NotFound, "no decision of that id"),
    ],
)
async def test_what_is_no_rating_says_why_and_is_not_kept(
    router: Router, given: dict[str, Any], error: type[CallerError], said: str
) -> None:
    decision = await answered(router)
    with pytest.raises(error, match=said):
        router.rate(**{"decision_id": decision, **given})
    assert router.ratings() == ()


async def test_what_nobody_answered_cannot_be_rated(router: Router) -> None:
    with pytest.raises(WaypostError):
        await router.acompletion(model="no-such-model", messages="hi")
    (refused,) = await stored(router)
    with pytest.raises(InvalidRequest, match="nobody answered"):
        router.rate(refused, 0)


async def stored(router: Router) -> list[str]:
    await router.ledger.close()
    return [entry["id"] for entry in router.ledger.tail(9)]


async def test_switched_off_no_rating_is_taken_and_none_is_lost(router: Router) -> None:
    decision = await answered(router)
    made = router.rate(decision, 1)
    router.apply(loads("feedback: {enabled: false}"), router.config.setup.deployments)
    with pytest.raises(PolicyError, match=r"feedback\.enabled"):
        router.rate(decision, 0)
    assert router.ratings() == (made,)


async def test_the_caps_of_the_config_hold(router: Router) -> None:
    decisions = [await answered(router, f"question {number}") for number in range(3)]
    router.apply(loads("feedback: {ratings_per_caller: 2}"), router.config.setup.deployments)
    made = [router.rate(decision, 1) for decision in decisions]
    assert router.ratings() == tuple(made[1:])


async def test_without_a_file_ratings_live_in_memory() -> None:
    with Router(
        loads("ledger: {enabled: false}\nmodel_list: [{model_name: a, litellm_params: {model: simulated/a}}]")
    ) as router:
        made = router.rate(await answered(router), 1)
        assert router.ratings() == (made,)
