"""A view finds deployments by their names, and its roster stays for as long as they do."""

from __future__ import annotations

from samples import deployment
from waypost.errors import ProviderContextTooLong
from waypost.fleet.deployment import Deployment
from waypost.fleet.state import Fleet
from waypost.fleet.view import FleetView, Roster

ONE = deployment("one", group="g", model="m")
TWO = deployment("two", group="g", model="m", provider="other")
NAMED_AS_THE_GROUP = deployment("h", group="i")
PATTERN = deployment("star", group="openai/*", model="*")
VIEW = FleetView((ONE, TWO, NAMED_AS_THE_GROUP, deployment("in-h", group="h"), PATTERN))


def test_an_id_is_meant_before_a_group_and_a_pattern_never() -> None:
    assert VIEW.exactly("g") == (ONE, TWO)
    assert VIEW.exactly("two") == (TWO,)
    assert VIEW.exactly("h") == (NAMED_AS_THE_GROUP,)
    assert VIEW.exactly("star") == VIEW.exactly("openai/*") == VIEW.exactly("m") == ()


def test_a_model_is_meant_with_or_without_its_provider() -> None:
    assert VIEW.loosely("m") == (ONE, TWO)
    assert VIEW.loosely("other/m") == (TWO,)
    assert VIEW.loosely("*") == VIEW.loosely("openai/*") == ()


def test_every_deployment_is_found_by_its_id() -> None:
    assert [VIEW.deployment(one.id) for one in VIEW] == list(VIEW)
    assert VIEW.deployment("nobody") is None


def test_the_roster_is_the_same_until_something_else_is_known_of_a_deployment() -> None:
    fleet = Fleet([deployment("a", window_tokens=8192), deployment("b")], clock=lambda: 1.0, rng=lambda: 0.0)
    before = fleet.view().roster
    fleet.begin("a")
    fleet.end("a")
    assert fleet.view().roster is before
    assert fleet.view_for("a conversation").roster is before
    fleet.failed("a", ProviderContextTooLong("too long", window_tokens=4096))
    after = fleet.view()
    assert after.roster is not before
    assert after.exactly("a")[0].window_tokens == 4096
    fleet.replace([deployment("b")])
    assert fleet.view().roster == (deployment("b"),)


def test_a_view_of_plain_deployments_has_a_roster_of_its_own() -> None:
    deployments: tuple[Deployment, ...] = (ONE, TWO)
    roster = Roster(deployments)
    assert FleetView(deployments).roster == roster
    assert FleetView(roster).roster is roster
    assert FleetView(deployments) == FleetView(roster)
