"""GET /v1/models shows each name once, as what a request for it would get."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from samples import deployment, fleet, policy
from waypost.decide.names import resolve
from waypost.decide.policy import Policy, Route, RouterPair
from waypost.fleet.deployment import Capabilities, Deployment, Price, Status
from waypost.fleet.residency import Memory, Residency
from waypost.server.models import list_models, numbered_row


def test_every_name_is_listed_once_with_the_meaning_that_a_request_gets() -> None:
    view = fleet(deployment("a", group="g"), deployment("b", group="g"), deployment("chat"))
    rules = policy(aliases={"zoe-chat": "g", "coding": "a"}, routes={"mine": Route("mine", ("g",))})
    rows = {row["id"]: row["waypost"]["kind"] for row in list_models(view, rules)}
    assert len(rows) == len(list_models(view, rules))
    assert (rows["auto"], rows["mine"], rows["zoe-chat"], rows["coding"]) == ("virtual", "route", "alias", "alias")
    assert (rows["chat"], rows["g"]) == ("deployment", "group")
    for name, kind in rows.items():
        meaning = resolve(name, view, rules)
        assert meaning is not None
        assert (meaning.via is not None) == (kind == "alias")
        if kind in ("virtual", "route"):
            assert meaning.kind == kind


def test_unknown_facts_are_null_and_known_ones_have_units() -> None:
    known = deployment("paid", price=Price(1e-6, 2e-6), window_tokens=8192, capabilities=Capabilities(vision=True))
    rows = {row["id"]: row["waypost"] for row in list_models(fleet(known, deployment("free")), policy())}
    assert rows["paid"]["price_usd_per_million"] == {"input": 1.0, "output": 2.0}
    assert rows["paid"]["input_modalities"] == ["text", "image"]
    assert (rows["free"]["price_usd_per_million"], rows["free"]["window_tokens"], rows["free"]["up"]) == (None, None, None)


CLOUD = deployment(
    "cloud", local=False, price=Price(1e-6, 4e-6), window_tokens=128_000, capabilities=Capabilities(vision=True, tools=True)
)
NEAR = deployment("near", price=Price(0.5e-6, 5e-6), window_tokens=8192, capabilities=Capabilities(vision=False, tools=False))
DARK = deployment("dark", capabilities=Capabilities(audio=True))

SHARED = ("local", "window_tokens", "input_modalities", "capabilities", "price_range_usd_per_million")


def known(name: str, rules: Policy, *deployments: Deployment) -> dict[str, Any]:
    rows = {row["id"]: row["waypost"] for row in list_models(fleet(*deployments), rules)}
    return {key: rows[name][key] for key in SHARED}


def test_a_route_shows_what_its_candidates_can_do_together_and_an_alias_the_same() -> None:
    rules = policy(routes={"mine": Route("mine", ("near", "cloud"))}, aliases={"zoe-chat": "mine"})
    row = known("mine", rules, CLOUD, NEAR, DARK)
    assert (row["local"], row["window_tokens"], row["input_modalities"]) == (False, 128_000, ["text", "image"])
    assert row["price_range_usd_per_million"] == {"input": {"min": 0.5, "max": 1.0}, "output": {"min": 4.0, "max": 5.0}}
    assert (row["capabilities"]["tools"], row["capabilities"]["audio"]) == (True, None)
    assert known("zoe-chat", rules, CLOUD, NEAR, DARK) == row


def test_auto_shows_the_fleet_and_auto_private_its_local_part() -> None:
    everybody, private = (known(name, policy(), CLOUD, NEAR, DARK) for name in ("auto", "auto-private"))
    assert (everybody["local"], everybody["window_tokens"], everybody["input_modalities"]) == (
        False,
        128_000,
        ["text", "image", "audio"],
    )
    assert (private["local"], private["window_tokens"], private["input_modalities"]) == (True, 8192, ["text", "audio"])
    assert private["capabilities"]["tools"] is None


def test_a_private_route_shows_local_deployments_only() -> None:
    rules = policy(routes={"mine": Route("mine", ("cloud", "near"), private=True)})
    assert known("mine", rules, CLOUD, NEAR) == known("near-group", policy(), replace(NEAR, group="near-group"))


def test_fallbacks_count_for_a_group_of_local_replicas() -> None:
    replicas = [replace(NEAR, id=f"near#{n}", group="both") for n in (1, 2)]
    assert known("both", policy(), *replicas, CLOUD)["local"] is True
    assert known("both", policy(fallbacks={"both": ("cloud",)}), *replicas, CLOUD)["local"] is False
    assert known("both", policy(context_fallbacks={"both": ("cloud",)}), *replicas, CLOUD)["window_tokens"] == 128_000


def test_an_embedding_model_says_nothing_about_auto() -> None:
    embedding = deployment("embed", mode="embedding", window_tokens=1_000_000)
    assert known("auto", policy(), NEAR, embedding)["window_tokens"] == 8192


def test_what_nobody_knows_stays_null() -> None:
    unknown = known("auto", policy(), deployment("blank", capabilities=Capabilities()))
    assert (unknown["window_tokens"], unknown["price_range_usd_per_million"]) == (None, None)
    assert set(unknown["capabilities"].values()) == {None}
    assert known("auto", policy())["local"] is None


def test_what_is_in_an_engines_memory_is_shown_and_not_copied_for_each_of_its_models() -> None:
    memory = Memory(tuple(f"e/m{number}" for number in range(3)), max_models=3)
    models = [deployment(f"m{number}") for number in range(3)]
    statuses = {model.id: Status(residency=Residency("e", f"e/{model.id}")) for model in models}
    rows = list_models(replace(fleet(*models), statuses=statuses, memories={"e": memory}), policy())
    shown = [row["waypost"]["residency"]["memory"] for row in rows if row["waypost"]["kind"] == "deployment"]
    assert shown == [asdict(memory)] * 3
    assert all(one["resident"] is memory.resident for one in shown)


def test_every_fact_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
    section = page.partition("## What is known of a name")[2].partition("\n## ")[0]
    rules = policy(aliases={"zoe-chat": "auto"})
    rows = list_models(fleet(replace(CLOUD, group="g"), NEAR), rules)
    assert {row["waypost"]["kind"] for row in rows} == {"virtual", "route", "alias", "deployment", "group"}
    assert {key for row in rows for key in row["waypost"] if f"`{key}`" not in section} == set()


def test_a_fallback_for_everybodys_long_prompts_counts_as_reachable() -> None:
    view = fleet(deployment("home", window_tokens=4096), deployment("cloud", local=False, window_tokens=100_000))
    rules = policy(routes={"chat": Route("chat", ("home",))}, context_fallbacks={"*": ("cloud",)})
    rows = {row["id"]: row["waypost"] for row in list_models(view, rules)}
    assert (rows["chat"]["local"], rows["chat"]["window_tokens"]) == (False, 100_000)


def test_names_with_a_number_are_listed_under_their_aliases() -> None:
    view = fleet(
        deployment("big", window_tokens=9000), deployment("small", window_tokens=900), deployment("other", window_tokens=99000)
    )
    rules = policy(aliases={"thrifty": "auto@0.2", "smart": "router-own-0.3"}, pairs={"own": RouterPair("big", "small")})
    rows = {row["id"]: row["waypost"] for row in list_models(view, rules)}
    assert (rows["thrifty"]["kind"], rows["thrifty"]["target"], rows["thrifty"]["window_tokens"]) == (
        "alias",
        "auto@0.2",
        99000,
    )
    assert (rows["smart"]["target"], rows["smart"]["window_tokens"]) == ("router-own-0.3", 9000)
    assert not any("@" in name or name.startswith("router-") for name in rows)
    for name, kind, window_tokens in (
        ("auto@0.3", "virtual", 99000),
        ("chat@1", "route", 99000),
        ("router-own-0", "pair", 9000),
    ):
        meaning = resolve(name, view, rules)
        assert meaning is not None
        row = numbered_row(name, meaning, view, rules)
        assert (row["id"], row["waypost"]["kind"], row["waypost"]["window_tokens"]) == (name, kind, window_tokens)
