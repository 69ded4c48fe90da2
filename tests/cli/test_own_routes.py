"""A config with a task of the user's own, through the command line."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from meta.source import ROOT
from waypost.cli import group
from waypost.config import load
from waypost.ledger import MemoryLedger
from waypost.router import Router

EXAMPLE = ROOT / "examples" / "own-task.yaml"
VAGUE = ["the blue one", "why not", "seventeen gulls", "Montag oder Freitag", "a letter from Ulm"]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(group, list(arguments))


def card(text: str, *options: str) -> dict[str, Any]:
    found = json.loads(run("route", text, "-c", str(EXAMPLE), "--json", *options).stdout)
    assert isinstance(found, dict)
    return found


def test_what_is_like_the_examples_goes_to_their_route_and_nothing_else_does(tmp_path: Path) -> None:
    found = card("how long do beans need to cook")
    assert (found["route"], found["task"]["own_task"]["name"]) == ("recipes", "recipes")
    assert found["reason"].startswith("it is like the examples of route recipes (")
    assert "-own-" in found["artefact_version"]
    file = tmp_path / "others.jsonl"
    texts = ("tell me a joke", "add beans to the shopping list", "write a quicksort in Python")
    file.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    others = json.loads(run("route", "--file", str(file), "-c", str(EXAMPLE), "--json").stdout)["decisions"]
    assert [one["text"] for one in others] == list(texts)
    assert all(one["route"] == one["task"] for one in others)


def test_an_image_and_a_named_route_win() -> None:
    assert card("how long do beans need to cook", "--image")["route"] == "vision"
    assert card("how long do beans need to cook", "-m", "chat")["route"] == "chat"


def test_check_is_content_with_the_example_and_warns_of_examples_with_nothing_in_common(tmp_path: Path) -> None:
    assert run("check", str(EXAMPLE)).stderr == ""
    file = tmp_path / "waypost.yaml"
    file.write_text(f"routes: {{odd: {{examples: {json.dumps(VAGUE)}}}}}\n")
    result = run("check", str(file))
    assert result.exit_code == 0
    assert (
        "warning: waypost.yaml: routes.odd.examples: only 0 of 5 would be recognised from the others; add more" in result.stderr
    )


@pytest.fixture
def router(tmp_path: Path) -> Router:
    file = tmp_path / "plain.yaml"
    file.write_text("discovery: {enabled: false}\n")
    return Router(load(file), ledger=MemoryLedger(capacity=1))


def test_a_new_config_brings_and_takes_own_tasks(router: Router) -> None:
    def route() -> str | None:
        return router.route("how long do beans need to cook").route

    before = router.config
    assert route() == "chat"
    changed = load(EXAMPLE)
    learned = router.learn(changed.setup.policy)
    router.apply(changed, changed.setup.deployments)
    assert route() == "recipes"
    assert router.learn(changed.setup.policy) is learned
    router.apply(before, ())
    assert route() == "chat"
    asyncio.run(router.aclose())
