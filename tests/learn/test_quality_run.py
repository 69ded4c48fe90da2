"""`waypost train quality`: from files of outcomes to an artefact that can be judged as it is."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cli.documented import keys_of
from samples import deployment, turn
from waypost.cli import group
from waypost.decide.learned_quality import load_quality
from waypost.decide.quality_weights import load_pools
from waypost.decide.task_model import load_task_model
from waypost.errors import ArtefactError
from waypost.learn.quality_run import QualityTraining, run

pytest.importorskip("scipy")
SHARED = Path(__file__).parents[3] / "shared" / "data" / "routing"


def write(path: Path, models: tuple[str, str], n: int = 60) -> Path:
    """Sums, which the first model gets right, and poems, which the second one does, now and then the other way round."""
    lines = ["prompt,model,score,category"]
    for number in range(n):
        poem = number % 2
        text = f"Write a poem about river {number}" if poem else f"What is {number} times {number + 7}?"
        scores = (1 - poem, poem) if number % 10 else (poem, 1 - poem)
        lines += [f"{text},{model},{score},{'poems' if poem else 'sums'}" for model, score in zip(models, scores, strict=True)]
    path.write_text("\n".join(lines))
    return path


def trained(files: list[Path], out: Path, seed: int = 1) -> dict[str, Any]:
    training = QualityTraining(seed, resampled=20, today=lambda: date(2026, 1, 2), licences={files[0].name: "MIT"})
    return run(files, out, load_task_model(), training, lambda *_: None).card


def test_the_same_files_and_seed_give_the_same_bytes(tmp_path: Path) -> None:
    file = write(tmp_path / "one.csv", ("a", "b"))
    one, two = (trained([file], tmp_path / name) for name in ("x", "y"))
    assert one == two
    assert (tmp_path / "x" / "quality-model.npz").read_bytes() == (tmp_path / "y" / "quality-model.npz").read_bytes()


def test_files_with_the_same_models_are_one_pool(tmp_path: Path) -> None:
    one, more = write(tmp_path / "one.csv", ("a", "b")), write(tmp_path / "more.csv", ("a", "b"), 80)
    other = write(tmp_path / "other.csv", ("c", "d"), 30)
    card = trained([one, other, more], tmp_path / "out")
    assert [pool["files"] for pool in card["pools"]] == [["one.csv", "more.csv"], ["other.csv"]]
    assert [pool.models for pool in load_pools(tmp_path / "out").pools] == [("a", "b"), ("c", "d")]
    assert card["pools"][0]["scores"]["n"] == 80
    assert [(one["file"], one["licence"]) for one in card["data"]] == [
        ("one.csv", "MIT"),
        ("other.csv", None),
        ("more.csv", None),
    ]


def test_the_card_tells_how_it_did_on_what_it_had_not_learned(tmp_path: Path) -> None:
    card = trained([write(tmp_path / "one.csv", ("a", "b"), 300)], tmp_path / "out")
    scores = card["pools"][0]["scores"]
    assert 0.45 < scores["random"]["value"] < 0.55
    assert scores["oracle"]["value"] == 1
    assert scores["quality"]["value"] > 0.7
    assert scores["ece"]["value"] < 0.1
    # So few groups say nothing of intervals.
    assert scores["coverage90"] is None
    page = (tmp_path / "out" / "quality-model.md").read_text()
    assert "| one.csv | 300 | 2 | 600 | MIT |" in page
    assert "on 2026-01-02" in page


def test_a_handful_of_prompts_is_not_judged_but_learned(tmp_path: Path) -> None:
    card = trained([write(tmp_path / "one.csv", ("a", "b"), 3)], tmp_path / "out")
    assert card["pools"][0]["scores"]["quality"] is None


def test_a_trained_artefact_can_be_judged_as_it_is(tmp_path: Path) -> None:
    file = write(tmp_path / "one.csv", ("a", "b"))
    trained([file], tmp_path / "out")
    more = write(tmp_path / "more.csv", ("a", "b"), 30)
    asked = [
        "eval",
        "quality",
        str(more),
        "--policy",
        f"artefact:{tmp_path / 'out'}",
        "--resample",
        "10",
        "--perturb",
        "0",
        "--json",
    ]
    result = CliRunner().invoke(group, [*asked, "--json"], catch_exceptions=False)
    report = json.loads(result.stdout)
    assert report["policy"].startswith("artefact:")
    assert report["ece"]["value"] < 0.3
    strangers = write(tmp_path / "strangers.csv", ("a", "z"), 30)
    lost = CliRunner().invoke(group, [*asked[:2], str(strangers), *asked[3:]])
    assert isinstance(lost.exception, ArtefactError)
    assert "gives no estimate for the model z" in lost.exception.message


def test_the_command_writes_and_prints(tmp_path: Path) -> None:
    file = write(tmp_path / "one.csv", ("a", "b"), 20)
    asked = ["train", "quality", str(file), "--out", str(tmp_path / "out")]
    shown = CliRunner().invoke(group, asked, catch_exceptions=False)
    assert "one.csv" in shown.stdout
    told = json.loads(CliRunner().invoke(group, [*asked, "--json"], catch_exceptions=False).stdout)
    assert told["sha256"][:12] in shown.stdout
    assert [*told, "abilities", "lengths"] == keys_of("train quality")
    wrong = CliRunner().invoke(group, [*asked, "--licence", "two.csv=MIT"])
    assert wrong.exit_code == 2


@pytest.mark.parametrize("name", ["misguided_attention", "conduit_gsm8k"])
def test_small_and_sparse_sources_leave_the_best_single_model_alone(name: str, tmp_path: Path) -> None:
    path = SHARED / f"{name}.parquet"
    if not path.is_file():
        pytest.skip("the shared routing data is not here")
    pytest.importorskip("pyarrow")
    assert trained([path], tmp_path)["pools"][0]["lead"] is None


def test_with_general_abilities_are_learned_across_files_and_told_on_the_card(tmp_path: Path) -> None:
    files = [write(tmp_path / f"{name}.csv", ("gpt-4o-mini", "phi-4")) for name in ("one", "two", "three")]
    training = QualityTraining(resampled=20, general=True)
    card = run(files, tmp_path / "out", load_task_model(), training, lambda *_: None).card
    assert card["command"].endswith("--seed 1 --general")
    assert card["abilities"]["models"] == 2
    learned = load_quality(tmp_path / "out")
    mini = deployment("mini", model="openai/gpt-4o-mini")
    asked = turn("What is 3 + 4?")
    found = learned.estimator.estimate(asked, [mini], load_task_model().predict(asked))[0]
    assert found is not None
    assert "## Models that are known" in (tmp_path / "out" / "quality-model.md").read_text()
