"""Rated answers as outcomes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from learn.replayed import asked, config, model
from waypost.learn.outcome_files import load_outcomes
from waypost.learn.rated_outcomes import COLUMNS, RatedOutcomes

FLEET = config(model("small", usd=1), model("large", usd=10), ledger={"enabled": False, "store_prompts": True})


async def answered(*requests: tuple[str, str, float | None], **given: Any) -> list[dict[str, Any]]:
    """Prompt, deployment, and the rating of its answer: entries as if models had answered."""
    entries = await asked({**FLEET, **given}, *({"messages": text, "model": by} for text, by, _ in requests))
    return [
        {**entry, "simulated": False, "ratings": [] if score is None else [{"score": score, "source": "user"}]}
        for entry, (_, _, score) in zip(entries, requests, strict=True)
    ]


async def test_the_same_prompt_is_one_question_and_repeated_answers_are_averaged() -> None:
    entries = await answered(("hi", "small", 0.0), ("hi", "small", 1.0), ("hi", "large", 1.0), ("bye", "small", 0.25))
    found = RatedOutcomes.of(entries, {"user"})
    first, second, third = found.rows
    assert tuple(first) == COLUMNS
    assert [(row["prompt"], row["model"], row["score"], row["n"]) for row in found.rows] == [
        ("hi", "small", 0.5, 2),
        ("hi", "large", 1.0, 1),
        ("bye", "small", 0.25, 1),
    ]
    assert first["prompt_id"] == second["prompt_id"] != third["prompt_id"]
    assert first["cost_usd"] == sum(entry["cost_usd"] for entry in entries[:2]) / 2


async def test_what_says_nothing_is_left_out_and_counted() -> None:
    usual, unrated, cached, made_up = await answered(
        ("a", "small", 1.0), ("b", "small", None), ("c", "small", 1.0), ("d", "small", 1.0)
    )
    untold = {**usual, "prompt": {**usual["prompt"], "text": None}}
    refused = {**usual, "deployment": None}
    found = RatedOutcomes.of(
        [usual, unrated, {**cached, "cache": "hit"}, {**made_up, "simulated": True}, untold, refused], {"user"}
    )
    assert ([row["prompt"] for row in found.rows], found.unrated, found.without_text) == (["a"], 1, 1)


async def test_a_cost_that_is_not_known_of_all_answers_is_not_known() -> None:
    entries = await answered(("hi", "small", 1.0), ("hi", "small", 1.0))
    (row,) = RatedOutcomes.of([entries[0], {**entries[1], "cost_usd": None}], {"user"}).rows
    assert row["cost_usd"] is None


async def test_what_is_written_is_read_as_it_was(tmp_path: Path) -> None:
    tool = {"type": "function", "function": {"name": "light", "parameters": {"type": "object"}}}
    requests = [
        {"messages": "hi, you", "model": "small"},
        {"messages": "hi, you", "model": "large"},
        {"messages": "bye", "model": "large"},
    ]
    entries = await asked(FLEET, *requests, {**requests[0], "tools": [tool]})
    entries[3]["route"] = "tool_calling"
    for entry, score in zip(entries, (0.0, 1.0, 0.5, 1.0), strict=True):
        entry.update(simulated=False, ratings=[{"score": score, "source": "user"}])
    file = tmp_path / "rated.jsonl"
    file.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in RatedOutcomes.of(entries, {"user"}).rows))
    outcomes = load_outcomes([file])
    assert outcomes.models == ("large", "small")
    told = {
        (prompt.text, prompt.category, bool(prompt.tools)): scores
        for prompt, scores in zip(outcomes.prompts, outcomes.scores.tolist(), strict=True)
    }
    assert told["hi, you", "", False] == [1.0, 0.0]
    assert told["bye", "", False][0] == 0.5
    assert told["hi, you", "tool_calling", True][1] == 1.0
    assert len({prompt.group for prompt in outcomes.prompts}) == 2
