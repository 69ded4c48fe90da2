"""GET /v1/models shows each name once, as what a request for it would get."""

from __future__ import annotations

from samples import deployment, fleet, policy
from waypost.decide.names import resolve
from waypost.decide.policy import Route
from waypost.fleet.deployment import Capabilities, Price
from waypost.server.models import list_models


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
