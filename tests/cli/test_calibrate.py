"""`waypost calibrate`, end to end."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from cli.documented import DOCS, keys_of
from waypost.cli import group
from waypost.errors import ArtefactError, ThinData


def calibrate(*arguments: str) -> Result:
    return CliRunner().invoke(group, ["calibrate", *arguments])


def told(*arguments: str) -> dict[str, Any]:
    result = calibrate(*arguments, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


@pytest.fixture
def file(tmp_path: Path) -> str:
    """Sums, which only the dear model can do, poems, which both can, and a third model that can do nothing."""
    lines = ["prompt,model,score,cost_usd,category"]
    for number in range(800):
        sums = number % 2
        text = f"Add {number} and {number * 7}" if sums else f"Write poem {number} about roses"
        kind = "sums" if sums else "poems"
        lines += [f"{text},big,1,0.03,{kind}", f"{text},small,{1 - sums},0.01,{kind}", f"{text},poor,0,0.02,{kind}"]
    (tmp_path / "outcomes.csv").write_text("\n".join(lines))
    return str(tmp_path / "outcomes.csv")


PAIR = ("--strong", "big", "--weak", "small", "--policy", "best_per_category")


def test_two_models_get_a_threshold_by_the_name_of_a_model(file: str) -> None:
    report = told(file, *PAIR, "--strong-share", "0.3", "--max-loss", "0.02")
    assert list(report) == keys_of("calibrate")
    page = (DOCS / "calibrate.md").read_text()
    for part in (report, report["strong_share"], report["max_loss"], report["max_loss"]["next"]):
        assert [key for key in part if f"`{key}`" not in page] == []
    assert report["pair"] == {"strong": "big", "weak": "small"}
    loss = report["max_loss"]
    # Half of the calls are saved for nothing lost.
    assert loss["loss"] == 0.0
    assert loss["calls"] == {"small": 0.5, "big": 0.5}
    # Nothing serves this policy.
    assert (loss["model"], loss["config"]) == (None, None)
    # The dial that asks the same: the lead of the strong model makes up for its cost.
    assert loss["cost_quality"] == pytest.approx(0.2 / (0.2 + 2 * loss["setting"] - 1), abs=1e-5)


def test_more_models_get_a_dial(file: str) -> None:
    report = told(file, "--policy", "best_per_category", "--max-loss", "0.02")
    assert report["pair"] is None
    assert report["best_model"] == "big"
    assert report["max_loss"]["calls"] == {"small": 0.5, "big": 0.5}
    assert 0 < report["max_loss"]["cost_quality"] < 1
    assert report["max_loss"]["config"] is None


def test_people_are_shown_what_to_paste_and_what_is_proven(file: str) -> None:
    result = calibrate(file, *PAIR, "--strong-share", "0.3", "--max-loss", "0.02")
    assert result.exit_code == 0, result.output
    assert "0.3 of the calls to the strong model" in result.stdout
    assert "Less than 0.02 worse than always big, with confidence 0.95" in result.stdout
    assert "each fold was judged by what was learned from the others" in result.stdout


class ByLength:
    """A router of RouteLLM's kind: sums are short here, and poems long."""

    def calculate_strong_win_rate(self, prompt: str) -> float:
        return max(0.0, 1 - len(prompt) / 40)


def test_a_router_that_serves_is_told_with_its_config(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("routellm.routers.routers")
    module.ROUTER_CLS = {"random": ByLength}  # type: ignore[attr-defined]
    for name in ("routellm", "routellm.routers"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, "routellm.routers.routers", module)
    arguments = (file, "--strong", "big", "--weak", "small", "--policy", "routellm:random", "--max-loss", "0.05")
    report = told(*arguments)
    assert report["guarantee"].startswith("exact")
    found = report["max_loss"]
    assert found["loss"] < 0.05
    assert found["model"] == f"router-random-{found['setting']:.5g}"
    assert found["cost_quality"] is None
    assert yaml.safe_load(found["config"]) == {
        "router_pairs": {"random": {"strong": "big", "weak": "small", "router": "routellm"}}
    }
    shown = calibrate(*arguments).stdout
    assert found["model"] in shown
    assert found["config"] in shown


def test_training_elsewhere_makes_the_proof_exact(file: str, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    rows = [f"{kind} of another kind {n},{kind},True,{kind == 'poems'}" for n in range(20) for kind in ("sums", "poems")]
    other.write_text("\n".join(["prompt,category,big,small", *rows]))
    report = told(file, *PAIR, "--max-loss", "0.02", "--train", str(other))
    assert report["guarantee"].startswith("exact")
    assert report["max_loss"]["calls"] == {"small": 0.5, "big": 0.5}


def test_thin_data_ends_with_what_is_missing(file: str) -> None:
    result = calibrate(file, *PAIR, "--max-loss", "0.001")
    assert isinstance(result.exception, ThinData)
    assert "800 questions cannot prove a loss below 0.001" in result.exception.message
    assert "more questions" in result.exception.message


def test_what_is_asked_has_to_be_said(file: str) -> None:
    assert calibrate(file).exit_code == 2
    assert calibrate(file, "--weak", "small", "--max-loss", "0.1").exit_code == 2
    assert calibrate(file, "--max-loss", "1").exit_code == 2
    for option in ("--max-loss", "--strong-share"):
        assert "nan' is no number" in calibrate(file, option, "nan").stderr
    wide = calibrate(file, "--policy", "best_per_category", "--strong-share", "0.5")
    assert isinstance(wide.exception, ArtefactError)
    assert "name them with --strong and --weak" in wide.exception.message


def test_an_own_router_is_told_with_the_artefact_that_it_serves_from(file: str, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    out, part = str(tmp_path / "own"), tmp_path / "part.csv"
    part.write_text("\n".join(Path(file).read_text().splitlines()[:751]))
    done = CliRunner().invoke(group, ["train", "quality", str(part), "--out", out, "--json"])
    assert done.exit_code == 0, done.output
    pair = told(file, "--strong", "big", "--weak", "small", "--policy", f"artefact:{out}", "--max-loss", "0.05")
    assert pair["guarantee"].startswith("exact")
    assert yaml.safe_load(pair["max_loss"]["config"]) == {
        "quality": {"artefact": out},
        "router_pairs": {"own": {"strong": "big", "weak": "small"}},
    }
    found = told(file, "--policy", f"artefact:{out}", "--max-loss", "0.05")["max_loss"]
    assert yaml.safe_load(found["config"])["policy"] == {"cost_quality": found["cost_quality"]}
    assert found["calls"]["small"] > 0.4
