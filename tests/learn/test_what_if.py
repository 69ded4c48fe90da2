"""What other rules would have made of a ledger: moves, costs, and which ratings say something."""

from __future__ import annotations

from typing import Any

import pytest

from learn.replayed import asked, config, model, rules_of
from waypost.learn.replay import TOO_OLD
from waypost.learn.what_if import WhatIf

SMALL, LARGE = model("small", usd=1), model("large", usd=10)
LOCAL = model("local")


def fleet(*order: str, explore: float = 0.0, **blocks: Any) -> dict[str, Any]:
    routes = {"chat": {"candidates": list(order), "explore": explore}}
    return config(SMALL, LARGE, LOCAL, **{"routes": routes, **blocks})


NOW = fleet("small", "large", explore=0.2)
SURE = fleet("small", "large")


def seen(entries: list[dict[str, Any]], given: dict[str, Any], **options: Any) -> dict[str, Any]:
    what_if = WhatIf(rules_of(given), options.pop("sources", ["user"]), options.pop("before", None))
    for entry in entries:
        what_if.see(entry)
    return what_if.report(resampled=200, **options)


def rated(entry: dict[str, Any], score: float, source: str = "user") -> dict[str, Any]:
    return {**entry, "ratings": [*entry["ratings"], {"score": score, "source": source}]}


async def answered(n: int, given: dict[str, Any] = NOW) -> list[dict[str, Any]]:
    return await asked(given, *[{"model": "chat"}] * n)


async def scored(n: int, given: dict[str, Any] = NOW, *, large: float = 1.0, small: float = 0.0) -> list[dict[str, Any]]:
    entries = await answered(n, given)
    return [rated(entry, large if entry["deployment"] == "large" else small) for entry in entries]


async def test_it_counts_what_changes_and_from_whom_to_whom() -> None:
    entries = await answered(40)
    drawn = sum(entry["deployment"] == "large" for entry in entries)
    report = seen(entries, fleet("large", "small"))
    assert report["decisions"] == {"found": 40, "replayed": 40, "left_out": {}}
    assert report["moves"] == [{"from": "small", "to": "large", "decisions": 40 - drawn}]
    assert report["changed"] == 40 - drawn


async def test_what_cannot_be_decided_again_is_counted_with_its_reason() -> None:
    (entry,) = await answered(1)
    old = {**entry, "prompt": {**entry["prompt"], "needs": None}}
    report = seen([entry, old, old], NOW)
    assert report["decisions"] == {"found": 3, "replayed": 1, "left_out": {TOO_OLD: 2}}


async def test_a_cost_is_exact_where_the_same_is_asked_and_tokens_at_the_new_price_elsewhere() -> None:
    entries = await answered(30, fleet("small"))
    same = seen(entries, fleet("small"))["cost_usd"]
    total = sum(entry["cost_usd"] for entry in entries)
    assert same["new"] == {"usd": pytest.approx(total), "known": 30, "unknown": 0, "exact": 30}
    other = seen(entries, fleet("large"))["cost_usd"]
    assert other["old"] == {"usd": pytest.approx(total), "known": 30, "unknown": 0}
    assert other["new"] == {"usd": pytest.approx(10 * total), "known": 30, "unknown": 0, "exact": 0}


async def test_an_unknown_cost_is_counted_and_never_0() -> None:
    entries = [*await answered(3, fleet("small")), *await answered(2, fleet("local"))]
    cost = seen(entries, fleet("local"))["cost_usd"]
    assert (cost["old"]["known"], cost["old"]["unknown"]) == (3, 2)
    assert cost["new"] == {"usd": None, "known": 0, "unknown": 5, "exact": 0}
    assert cost["both_known"] == {"decisions": 0, "old": None, "new": None}


async def test_lengths_that_were_forecast_stretch_the_answer() -> None:
    (entry,) = await answered(1, fleet("small", "large"))
    forecast = {"small": 100, "large": 300}
    told = [{**one, "expected_answer_tokens": forecast[one["deployment"]]} for one in entry["card"]["candidates"]]
    cost = seen([{**entry, "card": {**entry["card"], "candidates": told}}], fleet("large"))["cost_usd"]
    assert cost["new"]["usd"] == pytest.approx((entry["prompt_tokens"] + 3 * entry["completion_tokens"]) * 10e-6)


async def test_what_nobody_could_take_and_what_nobody_would_take() -> None:
    (nobody,) = await asked(NOW, {"model": "large-v2"})
    vectors = config(model("vectors", mode="embedding"), routes={"chat": {"candidates": ["vectors"]}})
    report = seen(await answered(1, fleet("small")), vectors)
    assert report["moves"] == [{"from": "small", "to": None, "decisions": 1}]
    assert report["cost_usd"]["new"]["usd"] == 0.0
    later = fleet("small", aliases={"large-v2": "large"})
    assert seen([nobody], later)["moves"] == [{"from": None, "to": "large", "decisions": 1}]


async def test_ratings_of_what_chance_chose_judge_rules_that_choose_it() -> None:
    report = seen(await scored(900), fleet("large", "small"))
    assert report["refusal"] is None
    quality = report["quality"]
    assert quality["decisions"] == 900
    assert quality["weighted"]["value"] == 1.0
    assert quality["new"]["ci95"][0] > quality["old"]["ci95"][1]
    assert quality["drawn"] == round(quality["effective"]) >= 30


async def test_without_chance_the_answer_is_no_and_what_was_expected_remains() -> None:
    entries = await scored(60, fleet("small", "large"))
    told = [
        {**one, "expected_quality": {"mean": mean, "lower": 0.0, "upper": 1.0, "n": 1}}
        for one, mean in zip(entries[0]["card"]["candidates"], (0.5, 0.8), strict=True)
    ]
    report = seen([{**entry, "card": {**entry["card"], "candidates": told}} for entry in entries], fleet("large", "small"))
    assert report["quality"] is None
    assert "60 of 60" in report["refusal"]
    assert report["expected"] == {"decisions": 60, "old": 0.5, "new": 0.8}


async def test_rules_that_change_nothing_are_judged_without_chance() -> None:
    quality = seen(await scored(40, fleet("small", "large"), small=0.5), fleet("small", "large"))["quality"]
    assert quality["new"] == quality["old"] == {"value": 0.5, "ci95": [0.5, 0.5]}
    assert quality["difference"]["value"] == 0.0


async def test_a_rating_counts_for_who_was_chosen_only_if_that_one_answered_just_then() -> None:
    entries = await scored(3)
    cached = [{**entries[0], "cache": how} for how in ("hit", "shared")]
    fallen_back = {**entries[1], "deployment": "somebody-else"}
    assert seen([*cached, fallen_back, {**entries[2], "cache": "miss"}], NOW)["rated"] == {
        "decisions": 1,
        "not_counting": 3,
        "later_turns": 0,
        "sources": ["user"],
    }


async def test_only_ratings_of_the_wanted_sources_count_and_several_are_averaged() -> None:
    (entry,) = await answered(1, SURE)
    both = rated(rated(entry, 1.0), 0.0, "judge")
    judged = [rated(both, 0.0, "check")] * 30
    assert seen(judged, SURE, sources=["user", "judge"])["quality"]["old"]["value"] == 0.5
    assert seen(judged, SURE, sources=["user"])["quality"]["old"]["value"] == 1.0
    assert seen(judged, SURE, sources=["judge", "check"])["quality"]["old"]["value"] == 0.0
    assert seen([entry], SURE)["rated"]["decisions"] == 0


async def test_a_failed_check_counts_as_0_where_checks_count_and_a_passed_one_as_nothing() -> None:
    (entry,) = await answered(1, SURE)

    def checked(verdict: str | None) -> dict[str, Any]:
        return {**entry, "attempts": [{**attempt, "verdict": verdict} for attempt in entry["attempts"]]}

    failed = seen([checked("invalid_arguments")] * 30, SURE, sources=["check"])
    assert failed["quality"]["old"]["value"] == 0.0
    assert seen([checked("invalid_json")], SURE, sources=["user", "judge"])["rated"]["decisions"] == 0
    assert seen([checked("ok"), checked(None)], SURE, sources=["check"])["rated"]["decisions"] == 0


async def test_the_rules_in_force_say_how_far_a_replay_can_be_trusted() -> None:
    entries = await answered(30)
    warm = {**entries[0]["card"], "candidates": entries[0]["card"]["candidates"][::-1], "explored": False}
    report = seen([*entries, {**entries[0], "card": warm}], fleet("large"), before=rules_of(NOW))
    usual_last = entries[0]["card"]["candidates"][0]["deployment"] == "small"
    assert report["again"] == {"decisions": 31, "same": 30 if usual_last else 31}
    assert seen(entries, NOW, before=rules_of(fleet("large")))["again"] == {"decisions": 0, "same": 0}
    assert seen(entries, NOW)["again"] is None


async def test_replicas_are_one_choice() -> None:
    twice = config(SMALL, SMALL, LARGE, routes={"chat": {"candidates": ["small", "large"]}})
    entries = await answered(30, twice)
    assert len({entry["deployment"] for entry in entries}) == 2
    assert seen(entries, twice)["changed"] == 0


def conversation(number: int, turns: int) -> list[dict[str, Any]]:
    """Requests of one conversation."""
    return [{"model": "chat", "headers": {"x-waypost-session": f"s{number}"}}] * turns


def stated(*order: str, explore: float = 0.0, **rules: Any) -> dict[str, Any]:
    """Models whose quality the config states, about alike: a dial goes on with who began a conversation."""
    models = [model(name, usd=usd, waypost={"quality": {"*": 0.8}}) for name, usd in (("small", 1), ("large", 1))]
    return config(*models, routes={"chat": {"candidates": list(order), "explore": explore, **rules}})


async def test_later_turns_speak_for_rules_that_would_have_begun_as_they_did() -> None:
    now = stated("small", "large", explore=0.2, cost_quality=1.0)
    entries = await asked(now, *(turn for number in range(400) for turn in conversation(number, 2)))
    entries = [rated(entry, float(entry["deployment"] == "large")) for entry in entries]
    begun = [entry for entry in entries if entry["card"]["explored"]]
    assert all(entry["card"]["propensity"] == 1.0 for entry in entries[1::2])
    report = seen(entries, stated("large", "small", cost_quality=1.0), before=rules_of(now))
    assert report["again"]["decisions"] == 800
    assert report["rated"]["later_turns"] == 0
    assert report["quality"]["decisions"] == 800
    assert report["quality"]["drawn"] == 2 * len(begun)
    assert report["quality"]["weighted"]["value"] == 1.0


async def test_later_turns_that_go_back_to_the_usual_one_are_left_out() -> None:
    batches = [[turn for number in range(start, start + 450) for turn in conversation(number, 2)] for start in (0, 450)]
    entries = [entry for batch in batches for entry in await asked(NOW, *batch)]
    entries = [rated(entry, float(entry["deployment"] == "large")) for entry in entries]
    report = seen(entries, fleet("large", "small"))
    assert (report["rated"]["decisions"], report["rated"]["later_turns"]) == (900, 900)
    assert report["quality"]["drawn"] == sum(entry["card"]["explored"] for entry in entries)
