"""The bench of faults: against Waypost as a process, and against a gateway that does everything wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from careless import CarelessGateway

from engines.process import ServerProcess, free_port
from waypost.errors import StartError
from waypost.faults.bench import Finding, run
from waypost.faults.cases import CASES, Case
from waypost.faults.gateway_config import litellm_config, waypost_config


async def bench(url: str, port: int, cases: Sequence[Case] = CASES) -> list[Finding]:
    return await run(url, key=None, prefix="", faultd_port=port, cases=cases)


async def test_waypost_keeps_what_its_page_on_reliability_promises(waypost_server: Callable[..., ServerProcess]) -> None:
    port = free_port()
    config = waypost_config(port)
    config["discovery"]["refresh_s"] = 0.3  # faultd starts after the gateway
    found = await bench(waypost_server(config).base_url, port)
    missed = {finding.model: (finding.reason, finding.seen) for finding in found if finding.verdict != "pass"}
    assert missed == {}
    assert [finding.model for finding in found] == [case.key for case in CASES]


async def test_a_careless_gateway_fails_all_that_a_careful_one_has_to_do() -> None:
    port = free_port()
    rows = (5, 7, 11, 12, 13, 14, 15, 21, 22, 26, 27, 28, 29, 33, 34, 35)
    cases = [case for case in CASES if case.row in rows and case.fault != "error-after-3"]  # this error it hands on
    async with careless(port) as gateway:
        found = await bench(gateway.url, port, cases)
    passed = {finding.row: finding.seen for finding in found if finding.verdict != "fail"}
    assert passed == {}


async def test_where_no_upstream_was_asked_nothing_can_be_said() -> None:
    port = free_port()
    async with careless(port) as gateway:
        found = await bench(gateway.url, port, [case for case in CASES if case.row == 1])
    assert [finding.verdict for finding in found] == ["not applicable", "not applicable"]


async def test_a_plain_proxy_passes_the_rows_that_ask_for_the_same_bytes() -> None:
    port = free_port()
    cases = [case for case in CASES if case.row in (17, 19)]
    async with careless(port) as gateway:
        found = await bench(gateway.url, port, cases)
    plain = {finding.fault: finding.verdict for finding in found}
    assert (plain["bytes"], plain["crlf"]) == ("pass", "pass")


async def test_a_gateway_without_the_config_of_the_bench_is_told_how_to_get_it() -> None:
    with pytest.raises(StartError, match="--print-config"):
        await bench(f"http://127.0.0.1:{free_port()}/v1", free_port())


@asynccontextmanager
async def careless(port: int) -> AsyncIterator[CarelessGateway]:
    gateway = CarelessGateway(upstreams(port))
    await gateway.start()
    yield gateway
    await gateway.stop()


def upstreams(port: int) -> dict[str, tuple[str, str]]:
    """The first deployment of each model of the bench: its address and its name there."""
    models: dict[str, tuple[str, str]] = {}
    for entry in waypost_config(port)["model_list"]:
        params = entry["litellm_params"]
        models.setdefault(entry["model_name"], (params["api_base"], params["model"].partition("/")[2]))
    return models


@pytest.mark.parametrize("make", [waypost_config, litellm_config])
def test_every_case_has_its_model_and_its_way_to_a_healthy_one(make: Callable[..., dict[str, Any]]) -> None:
    config = make(4000, prefix="x-", upstream="anthropic")
    names = [entry["model_name"] for entry in config["model_list"]]
    behind = {name: models for one in config["router_settings"]["fallbacks"] for name, models in one.items()}
    for case in CASES:
        assert names.count(f"x-{case.key}") == (2 if case.healthy == "replica" else 1)
        assert (f"x-{case.key}" in behind) == (case.healthy == "fallback")
    assert {model for models in behind.values() for model in models} <= set(names)
    assert config["model_list"][0]["litellm_params"]["model"].startswith("anthropic/ok@")


def test_no_two_cases_share_a_model() -> None:
    assert len({case.key for case in CASES}) == len(CASES)
