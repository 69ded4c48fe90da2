from __future__ import annotations

from waypost.decide.labels import TASKS
from waypost.fleet.simulated import simulated_fleet, simulated_routes


def test_there_is_a_route_for_every_task_to_deployments_that_exist() -> None:
    ids = {deployment.id for deployment in simulated_fleet()}
    routes = simulated_routes()
    assert set(routes) == set(TASKS)
    assert len(ids) == 5
    assert {name for route in routes.values() for name in route} == ids


def test_the_first_of_a_route_can_do_what_its_task_needs() -> None:
    fleet = {deployment.id: deployment for deployment in simulated_fleet()}
    first = {task: fleet[route[0]] for task, route in simulated_routes().items()}
    assert first["tool_calling"].capabilities.tools
    assert first["vision"].capabilities.vision
    assert first["reasoning"].capabilities.reasoning
    assert first["memory"].window_tokens == max(deployment.window_tokens or 0 for deployment in fleet.values())


def test_it_claims_no_price_and_no_address() -> None:
    for deployment in simulated_fleet():
        assert (deployment.lane, deployment.price, deployment.api_base, deployment.local) == ("simulated", None, None, True)
