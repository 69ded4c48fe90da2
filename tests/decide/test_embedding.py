"""Vectors always come from one model: who makes them does not depend on who is up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from samples import artefacts, deployment, fleet, policy, turn
from waypost.decide.card import Decision
from waypost.decide.decision import decide
from waypost.decide.policy import Policy, Route
from waypost.errors import MissingCapability, NoDeployment, PrivacyRefused, UnknownModel
from waypost.fleet.deployment import Deployment, Status

DOWN = Status(up=False)
NOMIC = deployment("nomic-1", mode="embedding", model="nomic-embed-text", group="nomic")
REPLICA = deployment("nomic-2", mode="embedding", model="nomic-embed-text:latest", group="nomic")
OTHER = deployment("bge", mode="embedding", model="bge-m3")
CHAT = deployment("chatty")
RULES = policy(routes={"search": Route("search", ("chatty", "nomic", "bge")), "vectors": Route("vectors", ("bge",))})


def made(model: str, *here: Deployment, rules: Policy = RULES, private: bool = False, **statuses: Status) -> Decision:
    view = fleet(*(here or (CHAT, NOMIC, REPLICA, OTHER)), **statuses)
    return decide(turn("text", model=model, mode="embedding", private=private), view, rules, artefacts())


def asked(decision: Decision) -> set[str]:
    return {candidate.deployment for candidate in decision.candidates}


def test_replicas_of_one_model_share_the_work() -> None:
    assert asked(made("nomic")) == {"nomic-1", "nomic-2"}
    assert asked(made("nomic", nomic_1=DOWN)) == {"nomic-2"}


def test_a_route_means_its_first_embedding_model_whoever_is_up() -> None:
    decision = made("search")
    assert asked(decision) == {"nomic-1", "nomic-2"}
    assert {(removal.deployment, removal.guard) for removal in decision.removed} == {("chatty", "mode"), ("bge", "same_model")}
    down = made("search", nomic_1=DOWN, nomic_2=DOWN)
    assert down.refusal is not None
    assert down.refusal.error is NoDeployment


def test_a_group_of_several_models_means_the_first_one() -> None:
    mixed = replace(OTHER, group="nomic")
    assert asked(made("nomic", NOMIC, mixed, nomic_1=DOWN)) == set()


def test_no_other_model_stands_in_for_one_that_is_down() -> None:
    rules = replace(RULES, fallbacks={"nomic": ("bge", "nomic-elsewhere")})
    elsewhere = replace(NOMIC, id="nomic-elsewhere", group="nomic-elsewhere")
    decision = made("nomic", NOMIC, OTHER, elsewhere, rules=rules, nomic_1=DOWN)
    assert asked(decision) == {"nomic-elsewhere"}
    assert ("bge", "same_model") in {(removal.deployment, removal.guard) for removal in decision.removed}


def test_a_chat_model_is_not_asked() -> None:
    decision = made("chatty")
    assert decision.refusal is not None
    assert (decision.refusal.error, "does not make embeddings" in decision.refusal.message) == (MissingCapability, True)
    assert decision.task.task is None


@pytest.mark.parametrize("name", ["auto", "auto-fast"])
def test_a_name_that_chooses_between_models_makes_none_and_says_what_does(name: str) -> None:
    decision = made(name)
    assert decision.refusal is not None
    assert decision.refusal.error is MissingCapability
    assert "ask for nomic or bge or search" in decision.refusal.message


def test_an_unknown_name_and_a_private_text_are_refused_as_ever() -> None:
    unknown = made("nomik")
    assert unknown.refusal is not None
    assert (unknown.refusal.error, "nomic" in unknown.refusal.message) == (UnknownModel, True)
    away = replace(NOMIC, local=False)
    private = made("nomic", away, private=True)
    assert private.refusal is not None
    assert private.refusal.error is PrivacyRefused
