"""What every ledger promises, held by each of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.outcomes import DIGEST, decision, outcome, outcomes
from waypost.decide.card import Refusal
from waypost.errors import PrivacyRefused
from waypost.ledger import Ledger, MemoryLedger, SqliteLedger
from waypost.ledger.filter import Filter
from waypost.ledger.record import Outcome

Make = Callable[[], Ledger]


@pytest.fixture(params=["memory", "sqlite"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    if request.param == "memory":
        return MemoryLedger
    return lambda: SqliteLedger(tmp_path / "state" / "ledger.db")


async def stored(ledger: Ledger, *written: Outcome) -> Ledger:
    ledger.start()
    for one in written:
        ledger.write(one)
    await ledger.close()
    return ledger


async def test_an_entry_says_everything_about_the_outcome(make: Make) -> None:
    ledger = await stored(make(), outcome("wp_1", session="s1", caller="c1"))
    entry = ledger.get("wp_1")
    assert entry is not None
    flat = {key: value for key, value in entry.items() if key not in ("attempts", "card", "prompt", "ratings")}
    assert flat == {
        "id": "wp_1",
        "started_at": "2023-11-14T22:13:20.250Z",
        "requested": "auto",
        "route": "coding",
        "task": "coding",
        "deployment": "far",
        "status": "ok",
        "error": None,
        "http_status": 200,
        "stream": True,
        "dialect": "openai",
        "duration_s": 1.5,
        "first_output_s": 0.4,
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "cached_tokens": 0,
        "reasoning_tokens": None,
        "usage_estimated": False,
        "cost_usd": 0.25,
        "simulated": False,
        "cache": None,
        "session": "s1",
        "caller": "c1",
        "finish_reason": "stop",
        "repaired": False,
    }
    assert entry["card"] == decision("wp_1").to_dict()
    assert [attempt["error"] for attempt in entry["attempts"]] == ["provider_unreachable", None]
    assert [attempt["cost_usd"] for attempt in entry["attempts"]] == [None, 0.25]
    assert [attempt["prompt_tokens"] for attempt in entry["attempts"]] == [None, 100]


async def test_what_is_unknown_is_none_and_never_zero(make: Make) -> None:
    unknown: dict[str, Any] = {
        "usage": None,
        "cost_usd": None,
        "first_output_s": None,
        "deployment": None,
        "finish_reason": None,
    }
    ledger = await stored(make(), outcome(attempts=(), status="failed", **unknown))
    entry = ledger.get("wp_1")
    assert entry is not None
    keys = (
        "prompt_tokens",
        "completion_tokens",
        "cached_tokens",
        "reasoning_tokens",
        "usage_estimated",
        *unknown.keys() - {"usage"},
    )
    assert {entry[key] for key in keys} == {None}


async def test_the_text_of_a_prompt_is_kept_only_if_the_outcome_holds_it(make: Make) -> None:
    ledger = await stored(make(), outcome("wp_1"), outcome("wp_2", text="what is\nmy name?"))
    texts = [entry["prompt"]["text"] for entry in map(ledger.get, ("wp_1", "wp_2")) if entry]
    assert texts == [None, "what is\nmy name?"]


async def test_a_refusal_is_kept_with_its_card(make: Make) -> None:
    refused = decision(candidates=(), refusal=Refusal(PrivacyRefused, "no local deployment can serve this"))
    ledger = await stored(
        make(), outcome(decision=refused, attempts=(), status="refused", http_status=403, error="privacy_refused")
    )
    entry = ledger.get("wp_1")
    assert entry is not None
    assert entry["card"]["refusal"] == {"code": "privacy_refused", "message": "no local deployment can serve this"}


async def test_tail_gives_the_newest_first_without_cards_attempts_and_text(make: Make) -> None:
    ledger = await stored(make(), *(outcome(f"wp_{n}", text="secret") for n in range(5)))
    latest = ledger.tail(3)
    assert [entry["id"] for entry in latest] == ["wp_4", "wp_3", "wp_2"]
    whole = ledger.get("wp_4")
    assert whole is not None
    assert whole.keys() - latest[0].keys() == {"attempts", "ratings", "card"}
    assert whole["prompt"].keys() - latest[0]["prompt"].keys() == {"text"}


async def test_tail_goes_on_before_an_id(make: Make) -> None:
    ledger = await stored(make(), *(outcome(f"wp_{n}") for n in range(5)))
    assert [entry["id"] for entry in ledger.tail(2, before="wp_3")] == ["wp_2", "wp_1"]
    assert ledger.tail(2, before="wp_0") == []
    assert ledger.tail(2, before="never seen") == []


@pytest.mark.parametrize("limit", [0, -1])
async def test_tail_of_none_is_empty(make: Make, limit: int) -> None:
    ledger = await stored(make(), outcome())
    assert ledger.tail(limit) == []


async def test_tail_keeps_to_what_is_asked_for(make: Make) -> None:
    ledger = await stored(
        make(),
        outcome("wp_1"),
        outcome("wp_2", status="failed", deployment=None),
        outcome("wp_3", decision=decision("wp_3", route=None)),
        outcome("wp_4", deployment="near"),
    )
    asked = {
        "deployment": ledger.tail(9, Filter(deployment="far")),
        "route": ledger.tail(9, Filter(route="coding")),
        "status": ledger.tail(9, Filter(status="failed")),
        "both": ledger.tail(9, Filter(route="coding", deployment="far")),
        "nothing": ledger.tail(9, Filter(deployment="'; DROP TABLE decisions; --")),
    }
    assert {what: [entry["id"] for entry in found] for what, found in asked.items()} == {
        "deployment": ["wp_3", "wp_1"],
        "route": ["wp_4", "wp_2", "wp_1"],
        "status": ["wp_2"],
        "both": ["wp_1"],
        "nothing": [],
    }


async def test_an_unknown_id_is_none(make: Make) -> None:
    ledger = await stored(make(), outcome())
    assert ledger.get("wp_2") is None
    assert ledger.get("\ud800\x00") is None


async def test_an_outcome_can_be_read_as_soon_as_it_is_written(make: Make) -> None:
    ledger = make()
    ledger.start()
    assert ledger.write(outcome())
    entry = ledger.get("wp_1")
    assert entry is not None
    await ledger.close()
    assert ledger.get("wp_1") == entry


async def test_a_decision_has_one_outcome_and_a_second_one_is_counted(make: Make) -> None:
    ledger = await stored(make(), outcome(), outcome(status="failed"))
    assert [entry["status"] for entry in ledger.tail(9)] == ["ok"]
    assert ledger.dropped == 1


async def test_names_that_callers_choose_are_one_line_of_bounded_length(make: Make) -> None:
    ledger = await stored(make(), outcome(session="a\r\nx-evil: 1", caller="c" * 1000))
    entry = ledger.get("wp_1")
    assert entry is not None
    assert entry["session"] == "a\ufffd\ufffdx-evil: 1"
    assert entry["caller"] == "c" * 199 + "…"
    assert entry["repaired"]


@pytest.mark.parametrize("unfit", ["\x00", "\ud800", "\x1b", "\x7f", "\x9b"])
async def test_text_that_cannot_be_stored_is_replaced_and_marked(make: Make, unfit: str) -> None:
    ledger = await stored(
        make(), outcome("wp_1", text=f"a{unfit}b", decision=decision("wp_1", reason=unfit)), outcome("wp_2", text="a\tb\n")
    )
    bad, good = ledger.get("wp_1"), ledger.get("wp_2")
    assert bad is not None
    assert good is not None
    assert (bad["prompt"]["text"], bad["card"]["reason"], bad["repaired"]) == ("a\ufffdb", "\ufffd", True)
    assert (good["prompt"]["text"], good["repaired"]) == ("a\tb\n", False)


@given(written=outcomes())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_ledger_gives_the_same_entry_and_it_is_json(written: Outcome, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("ledger") / "ledger.db"
    kept = [asyncio.run(stored(ledger, written)) for ledger in (MemoryLedger(), SqliteLedger(path))]
    memory, sqlite = (ledger.get("wp_1") for ledger in kept)
    assert memory is not None
    assert memory == sqlite
    assert json.loads(json.dumps(memory, allow_nan=False).encode()) == memory
    assert kept[0].tail(1) == kept[1].tail(1)


@given(text=st.text(st.characters(exclude_categories=()), min_size=1, max_size=30))
@settings(max_examples=30, deadline=None)
def test_a_hostile_text_costs_no_other_row_of_its_batch(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("ledger") / "ledger.db"
    hostile = outcome("wp_2", text=text, session=text, decision=decision("wp_2", requested=text, reason=text))
    ledger = asyncio.run(stored(SqliteLedger(path), outcome("wp_1"), hostile, outcome("wp_3")))
    assert [entry["id"] for entry in ledger.tail(9)] == ["wp_3", "wp_2", "wp_1"]
    assert ledger.dropped == 0


async def test_memory_forgets_the_oldest_and_calls_that_no_loss() -> None:
    ledger = await stored(MemoryLedger(2), *(outcome(f"wp_{n}") for n in range(4)))
    assert [entry["id"] for entry in ledger.tail(9)] == ["wp_3", "wp_2"]
    assert (ledger.get("wp_0"), ledger.dropped) == (None, 0)


async def test_a_closed_file_takes_nothing_more_and_says_so(tmp_path: Path) -> None:
    ledger = await stored(SqliteLedger(tmp_path / "ledger.db"), outcome("wp_1"))
    assert not ledger.write(outcome("wp_2"))
    assert ledger.dropped == 1


async def test_closing_twice_or_before_the_start_is_harmless(tmp_path: Path) -> None:
    await SqliteLedger(tmp_path / "never.db").close()
    ledger = await stored(SqliteLedger(tmp_path / "ledger.db"), replace(outcome(), simulated=True))
    await ledger.close()
    assert len(ledger.tail(9)) == 1


async def test_a_cap_of_64_bits_costs_no_row(make: Make) -> None:
    ledger = await stored(make(), outcome("wp_1", prompt=replace(DIGEST, answer_cap=2**63)))
    entry = ledger.get("wp_1")
    assert entry is not None
    assert (entry["prompt"]["answer_cap"], ledger.dropped) == (None, 0)
