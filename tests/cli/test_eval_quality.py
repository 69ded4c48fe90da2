"""`waypost eval quality`, end to end."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from cli.documented import DOCS, keys_of
from waypost.cli import group
from waypost.cli.quality_tables import print_report
from waypost.errors import ArtefactError
from waypost.learn.quality_report import MEASURES

pytest.importorskip("scipy")

SHARED = Path(__file__).parents[3] / "shared" / "data" / "routing"
QUICK = ("--resample", "20", "--perturb", "4", "--folds", "3")


def evaluate(*arguments: str) -> Result:
    return CliRunner().invoke(group, ["eval", "quality", *arguments])


def told(*arguments: str) -> dict[str, Any]:
    result = evaluate(*arguments, *QUICK, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


@pytest.fixture
def file(tmp_path: Path) -> str:
    """Sums, which the dear model can do, and poems, which the cheap one always can and the dear one at times."""
    lines = ["prompt,model,score,cost_usd,category,split"]
    for number in range(60):
        sums, split = number % 2, "train" if number < 30 else "test"
        text = f"Add {number} and {number * 7}" if sums else f"Write poem {number} about roses"
        lines.append(f"{text},big,{int(sums or number % 20 == 0)},0.03,{'sums' if sums else 'poems'},{split}")
        lines.append(f"{text},small,{1 - sums},0.01,{'sums' if sums else 'poems'},{split}")
    (tmp_path / "outcomes.csv").write_text("\n".join(lines))
    return str(tmp_path / "outcomes.csv")


def test_json_has_the_documented_keys(file: str) -> None:
    report = told(file)
    assert list(report) == keys_of("eval quality")
    page = (DOCS / "quality.md").read_text()
    assert [key for key in (*report, *report["policies"], *report["policies"]["knn"]) if f"`{key}`" not in page] == []
    assert report["n"] == 60
    assert report["policy"] == "waypost"
    assert set(MEASURES) <= set(report["policies"]["waypost"])
    if report["versions"]["litellm"] is not None:
        # A sum of a few words is simple, and goes to the cheapest.
        assert report["policies"]["litellm_heuristic"]["calls"]["small"] > 0.5


def test_neighbours_learn_who_can_do_what(file: str) -> None:
    report = told(file, "--policy", "knn")
    assert report["quality"]["value"] > report["best_single"]["value"]
    assert report["policies"]["best_per_category"]["quality"]["value"] == 1.0


def test_another_policy_is_put_on_trial_by_its_name(file: str) -> None:
    assert told(file, "--policy", "best_single")["over_best_single"]["value"] == 0.0
    result = evaluate(file, "--policy", "nobody:nothing")
    assert isinstance(result.exception, ArtefactError)
    assert "there is no policy nobody:nothing" in result.exception.message
    mistyped = evaluate(file, "--policy", "kn")
    assert isinstance(mistyped.exception, ArtefactError)
    assert "there is no policy kn: there are best_per_category, " in mistyped.exception.message


def test_a_router_of_ones_own_is_found_beside_the_file(file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = re.search(r"```python\n(.*?)```", (DOCS / "quality.md").read_text(), re.DOTALL)
    assert example is not None
    (tmp_path / "my_router.py").write_text(example[1])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    report = told(file, "--policy", "my_router:router", "--strong", "big")
    # It thinks that short prompts are easy, and the sums, which are short, are the hard ones.
    assert report["apgr"]["value"] < 0.5
    assert report["policies"]["my_router:router"]["calls"] == {"small": 1.0}


def test_the_tables_show_every_policy_and_where_they_stand(file: str) -> None:
    result = evaluate(file, *QUICK)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    titles = ["Quality (95 % interval)", "Two models (95 % interval)", "Calibration (95 % interval)", "Models"]
    assert [line for line in lines if line in titles] == titles
    for policy in ("random", "cheapest", "best_single", "best_per_category", "knn", "oracle"):
        assert any(line.startswith(policy) for line in lines)


def test_a_narrow_terminal_shows_it_too(file: str) -> None:
    screen = Console(file=io.StringIO(), width=80)
    with screen.capture() as shown:
        print_report(screen, told(file))
    lines = shown.get().splitlines()
    assert any("best_per_category" in line for line in lines)
    assert max(map(len, lines)) <= 80


def test_the_official_split_and_training_elsewhere(file: str, tmp_path: Path) -> None:
    report = told(file, "--official")
    assert (report["n"], report["protocol"]["way"]) == (30, "official")
    assert list(report["splits"]) == ["test"]
    other = tmp_path / "other.csv"
    other.write_text("prompt,big,small\nAdd 5 and 35,True,False\nAdd 2 and 2,True,False\nWrite a poem,False,True\n")
    report = told(file, "--train", str(other))
    assert (report["n"], report["protocol"]["train"], report["protocol"]["leaks"]) == (60, ["other.csv"], 1)
    assert report["cost_usd"] is None
    assert evaluate(file, "--official", "--train", str(other)).exit_code == 2


def test_models_can_be_left_out(file: str, tmp_path: Path) -> None:
    rows = Path(file).read_text().splitlines()
    rows += [
        f"{line.split(',')[0]},free,0.4,,x,test".replace(",x,test", "," + ",".join(line.split(",")[4:])) for line in rows[1::2]
    ]
    Path(file).write_text("\n".join(rows))
    assert told(file)["cost_usd"] is None
    assert list(told(file, "--priced")["policies"]["random"]["calls"]) == ["big", "small"]
    assert told(file, "--only", "big", "--only", "free", "--strong", "big")["pair"] == {"strong": "big", "weak": "free"}
    unknown = evaluate(file, "--only", "huge")
    assert isinstance(unknown.exception, ArtefactError)
    assert "is about the model huge; it has big, free, small" in unknown.exception.message
    assert "no row is about the model huge" in evaluate(file, "--strong", "huge").stderr


def test_prices_make_costs_of_tokens(tmp_path: Path) -> None:
    rows = [f"prompt {n},{model},{n % 2},100,200" for n in range(20) for model in ("big", "small")]
    (tmp_path / "o.csv").write_text("\n".join(["prompt,model,score,input_tokens,output_tokens", *rows]))
    prices = tmp_path / "prices.csv"
    prices.write_text("model,input_usd_per_million,output_usd_per_million\nbig,10,30\nsmall,1,3\n")
    assert told(str(tmp_path / "o.csv"))["cost_usd"] is None
    report = told(str(tmp_path / "o.csv"), "--prices", str(prices))
    assert report["models"]["big"]["cost_usd"] == pytest.approx(0.007)
    assert report["models"]["small"]["cost_usd"] == pytest.approx(0.0007)


def test_flagged_prompts_can_be_dropped(tmp_path: Path) -> None:
    rows = [
        json.dumps({"prompt": f"prompt {n}", "model": model, "score": 1, "flags": "seen" if n % 2 else None})
        for n in range(20)
        for model in "ab"
    ]
    (tmp_path / "o.jsonl").write_text("\n".join(rows))
    assert told(str(tmp_path / "o.jsonl"), "--drop-flag", "seen")["n"] == 10
    other = tmp_path / "other.jsonl"
    other.write_text("\n".join(row.replace("prompt ", "other ") for row in rows))
    (tmp_path / "o.jsonl").write_text("\n".join(rows).replace("null", '"seen"'))
    unlearned = evaluate(str(other), "--train", str(tmp_path / "o.jsonl"), "--drop-flag", "seen")
    assert isinstance(unlearned.exception, ArtefactError)
    nothing = evaluate(str(tmp_path / "o.jsonl"), "--drop-flag", "seen")
    assert isinstance(nothing.exception, ArtefactError)
    assert "every prompt of o.jsonl has a flag that is to be left out: seen" in nothing.exception.message


def test_repeated_outcomes_are_refused_or_averaged(file: str) -> None:
    rows = Path(file).read_text().splitlines()
    Path(file).write_text("\n".join([*rows, rows[1]]))
    refused = evaluate(file)
    assert isinstance(refused.exception, ArtefactError)
    assert "row 2 of outcomes.csv and row 122 of outcomes.csv both tell how big answered" in refused.exception.message
    assert refused.stdout == ""
    assert told(file, "--mend")["protocol"]["repeated"] == 1


def test_page_and_plot_are_written_beside_the_answer(file: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    report = told(file, "--html", str(tmp_path / "r.html"), "--plot", str(tmp_path / "r.svg"))
    assert report["n"] == 60
    assert (tmp_path / "r.html").read_text().startswith("<!doctype html>")
    assert (tmp_path / "r.svg").read_bytes().startswith(b"<?xml")


def test_a_page_that_cannot_be_written_is_told_before_anything_is_read(tmp_path: Path) -> None:
    lost = evaluate(str(tmp_path / "none.csv"), "--html", str(tmp_path / "no" / "r.html"))
    assert lost.exit_code == 1
    assert "r.html cannot be written: No such file or directory" in lost.stderr


def test_a_plot_of_another_kind_is_told_before_anything_is_read(tmp_path: Path) -> None:
    refused = evaluate(str(tmp_path / "none.csv"), "--plot", str(tmp_path / "r.gif"))
    assert isinstance(refused.exception, ArtefactError)
    assert "r.gif is no name of a plot" in refused.exception.message


def test_one_model_is_nothing_to_choose_from(file: str) -> None:
    alone = evaluate(file, "--only", "big")
    assert isinstance(alone.exception, ArtefactError)
    assert "of outcomes.csv, big is left to choose from" in alone.exception.message
    rows = [line.replace(",0.03,", ",,").replace(",0.01,", ",,") for line in Path(file).read_text().splitlines()]
    Path(file).write_text("\n".join(rows))
    unpriced = evaluate(file, "--priced")
    assert isinstance(unpriced.exception, ArtefactError)
    assert "no model is left" in unpriced.exception.message


def test_a_seed_below_0_is_a_mistake_of_the_command_line(file: str) -> None:
    assert evaluate(file, "--seed", "-1").exit_code == 2


def test_the_same_seed_gives_the_same_numbers(file: str) -> None:
    one, two = told(file), told(file)
    assert one["quality"] == two["quality"]
    assert one["policies"]["knn"]["curve"] == two["policies"]["knn"]["curve"]


@pytest.mark.parametrize(
    ("name", "options", "n", "models"),
    [("routellm_mtbench", ("--drop-flag", "routellm_contaminated"), 56, 2), ("conduit_gsm8k", (), 63, 9)],
)
def test_the_shared_data_can_be_judged(name: str, options: tuple[str, ...], n: int, models: int) -> None:
    path = SHARED / f"{name}.parquet"
    if not path.is_file():
        pytest.skip("the shared routing data is not here")
    pytest.importorskip("pyarrow")
    report = told(str(path), *options)
    assert (report["n"], len(report["models"])) == (n, models)
    assert report["random"]["value"] < report["oracle"]["value"]
