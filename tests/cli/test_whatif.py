"""`waypost whatif` and `waypost log export`, on the ledger of real decisions."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from cli.documented import DOCS, keys_of
from waypost import Router
from waypost.cli import group
from waypost.learn.rated_outcomes import COLUMNS

Run = Callable[..., Result]


def fleet(path: Path, *order: str, explore: float = 0.0) -> dict[str, Any]:
    models = [
        {
            "model_name": name,
            "litellm_params": {"model": f"simulated/{name}"},
            "model_info": {"input_cost_per_token": usd, "output_cost_per_token": usd},
        }
        for name, usd in (("small", 1e-6), ("large", 1e-5))
    ]
    return {
        "model_list": models,
        "routes": {"chat": {"candidates": list(order), "explore": explore}},
        "discovery": {"enabled": False},
        "ledger": {"path": str(path / "ledger.db"), "store_prompts": True},
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rules in force that explore, others to try, and 900 answers, of which those of ``large`` are rated 1, the others 0."""
    tmp_path = tmp_path_factory.mktemp("whatif")
    (tmp_path / "now.yaml").write_text(yaml.safe_dump(fleet(tmp_path, "small", "large", explore=0.2)))
    (tmp_path / "new.yaml").write_text(yaml.safe_dump(fleet(tmp_path, "large", "small")))

    async def ask() -> None:
        async with Router.from_config(tmp_path / "now.yaml") as router:
            for number in range(900):
                decision = (await router.acompletion(model="chat", messages=f"hello {number % 50}")).decision
                router.rate(decision.id, float(decision.candidates[0].deployment == "large"))

    asyncio.run(ask())
    return tmp_path


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(folder)

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(group, [*arguments, "-c", str(folder / "now.yaml")])

    return invoke


def printed(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def documented_keys() -> list[str]:
    """The keys in the first column of the table of docs/what-if.md, those that are told together apart."""
    table = (DOCS / "what-if.md").read_text().partition("| JSON key |")[2].partition("\n\n")[0]
    return [name.strip(" `") for row in table.splitlines()[2:] for name in row.split("|")[1].split(",")]


def test_other_rules_are_judged_by_what_was_rated(run: Run) -> None:
    report = printed(run("whatif", "--policy", "new.yaml", "--json", "--resample", "200"))
    assert list(report) == keys_of("whatif") == documented_keys()
    assert report["decisions"]["replayed"] == 900
    assert report["quality"]["weighted"]["value"] == 1.0
    assert report["again"] == {"decisions": 900, "same": 900}
    assert report["cost_usd"]["new"]["usd"] > report["cost_usd"]["old"]["usd"]


def test_it_prints_what_changes_what_it_costs_and_how_good_it_is(run: Run) -> None:
    result = run("whatif", "--policy", "new.yaml", "--resample", "200")
    assert (result.exit_code, result.stderr) == (0, "")
    for said in ("900 found, 900 made again", "What changes", "doubly robust", "from 900 rated decisions", "repeatable"):
        assert said in result.stdout


def test_too_few_ratings_are_a_no_that_says_how_many_are_missing(run: Run) -> None:
    result = run("whatif", "--policy", "new.yaml", "--source", "judge")
    assert result.exit_code == 1
    assert "0 decisions are rated" in result.stderr
    assert "needs about 30 more ratings" in result.stderr
    assert "What changes" in result.stdout
    report = json.loads(run("whatif", "--policy", "new.yaml", "--source", "judge", "--json").stdout)
    assert (report["quality"], report["refusal"][:2]) == (None, "0 ")


def test_a_route_and_a_time_choose_the_decisions(run: Run) -> None:
    for options, found in (
        (("--route", "chat"), 900),
        (("--route", "coding"), 0),
        (("--since", "2100-01-01"), 0),
        (("--until", "2100-01-01", "--since", "2020-01-01T10:30"), 900),
    ):
        report = json.loads(run("whatif", "--policy", "new.yaml", "--json", "--resample", "100", *options).stdout)
        assert report["decisions"]["found"] == found
    assert len(printed(run("log", "tail", "--json", "-n", "2000", "--until", "2100-01-01"))) == 900
    assert printed(run("log", "tail", "--json", "--since", "2100-01-01")) == []


def test_a_config_that_is_wrong_or_a_ledger_that_is_not_there_says_so(run: Run, folder: Path) -> None:
    assert run("whatif", "--policy", "gone.yaml").exit_code == 1
    assert run("whatif").exit_code == 2
    assert run("whatif", "--policy", "new.yaml", "--ledger", str(folder / "gone.db")).exit_code == 1


def test_simulated_answers_are_no_outcomes(run: Run, folder: Path) -> None:
    told = printed(run("log", "export", "--outcomes", "rated.csv", "--json"))
    assert list(told) == keys_of("log export")
    assert (told["rows"], told["models"]) == (0, [])
    assert (folder / "rated.csv").read_text().splitlines() == [",".join(COLUMNS)]
    assert stat.S_IMODE((folder / "rated.csv").stat().st_mode) == 0o600


def test_an_export_needs_a_form_that_is_known_and_a_place_that_can_be_written(run: Run) -> None:
    assert run("log", "export", "--outcomes", "rated.parquet").exit_code == 2
    assert "cannot be written" in run("log", "export", "--outcomes", "no/such/folder/rated.csv").stderr
