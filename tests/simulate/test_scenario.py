"""A scenario that cannot be is refused with what is wrong, and where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from meta.source import ROOT
from simulate.small import scenario
from waypost.errors import ConfigError
from waypost.simulate.scenario import EngineBlock, ModelBlock, RouteBlock, Scenario, SessionBlock, load_scenario


def changed(path: str, value: Any) -> dict[str, Any]:
    whole = scenario().model_dump(mode="json")
    *steps, last = path.split(".")
    block = whole
    for step in steps:
        block = block[step]
    block[last] = value
    return whole


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("models.a.engine", "cpu", "the engine of model a is `cpu`, which the scenario does not have"),
        ("routes.one.candidates", ["c"], "a candidate of route one is `c`"),
        ("models.b.quality", {"one": 0.5}, "model b needs a quality for route two, which lists it"),
        ("sessions", [{"weight": 1, "turns": [3, 1], "routes": {"one": 1}}], "`turns` is the fewest and the most"),
        ("sessions", [{"weight": 1, "turns": [1, 1], "routes": {"three": 1}}], "a route of a session is `three`"),
        ("models.a.size_gb", 0, "models.a.size_gb"),
        ("engines.gpu.slots", 3, "engines.gpu.slots"),
        ("engines", {"gpu": {"capacity_gb": 4}}, "model a has 5 GB, and engine gpu holds 4 GB"),
        ("routes.a", scenario().model_dump(mode="json")["routes"]["two"], "route a needs a name of its own"),
        ("routes.auto", scenario().model_dump(mode="json")["routes"]["two"], "route auto needs a name of its own"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, path: str, value: Any, told: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(changed(path, value)))
    with pytest.raises(ConfigError, match=r"mine\.yaml:\d+: ") as caught:
        load_scenario(str(file))
    assert told in caught.value.message


def test_a_file_of_ones_own_is_read_and_one_that_is_not_there_names_those_that_come_along(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(scenario().model_dump(mode="json")))
    assert load_scenario(str(file)) == scenario()
    with pytest.raises(ConfigError, match="come with Waypost: everything-fits, five-routes, quality-first"):
        load_scenario("no-such")


def test_residency_may_be_off(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        yaml.safe_dump({**scenario().model_dump(mode="json"), "residency": "x"}).replace("residency: x", "residency: off")
    )
    assert load_scenario(str(file)).residency is None


NO_SCENARIOS = (
    *(b"a: [", b"\xff\xfe\x00", b"- 1", b"", b"[" * 3000, b"&a [*a]"),
    *(b"a: !!python/name:os.system", b"about: a\nabout: b"),
)


@pytest.mark.parametrize("content", NO_SCENARIOS)
def test_what_is_no_scenario_is_an_error_in_a_line(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "mine.yaml"
    file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_scenario(str(file))
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("block", [Scenario, EngineBlock, ModelBlock, RouteBlock, SessionBlock])
def test_every_key_is_documented(block: type[Scenario]) -> None:
    text = (ROOT / "docs" / "residency.md").read_text().partition("## Simulate")[2]
    assert [key for key in block.model_fields if f"`{key}`" not in text and f"`{key}: " not in text] == []
