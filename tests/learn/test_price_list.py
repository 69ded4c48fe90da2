"""Prices stand in where a cost was not written down."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from waypost.errors import ArtefactError
from waypost.learn.outcome_files import load_outcomes
from waypost.learn.price_list import Price, load_prices

PRICES = "model,input_usd_per_million,output_usd_per_million\nbig,10,30\nsmall,0,0\n"


def written(folder: Path, text: str, name: str = "prices.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_what_has_tokens_and_no_cost_gets_one(tmp_path: Path) -> None:
    rows = [
        "prompt,model,score,cost_usd,input_tokens,output_tokens",
        "a,big,1,,1000,2000",
        "b,big,1,0.5,1000,2000",
        "c,big,1,,,2000",
        "a,small,1,,1000,2000",
        "a,other,1,,1000,2000",
    ]
    prices = load_prices(written(tmp_path, PRICES))
    found = load_outcomes([written(tmp_path, "\n".join(rows), "o.csv")], prices=prices)
    assert found.models == ("big", "other", "small")
    costs = {prompt.text: row.tolist() for prompt, row in zip(found.prompts, found.costs, strict=True)}
    assert costs["a"][0] == pytest.approx(0.07)
    assert math.isnan(costs["a"][1])
    assert costs["a"][2] == 0.0
    # What is written down stays, and what has not all its tokens stays unknown.
    assert costs["b"][0] == 0.5
    assert math.isnan(costs["c"][0])


@pytest.mark.parametrize("tokens", ["-1", "many", "inf"])
def test_a_count_that_is_none_is_said_with_its_row(tmp_path: Path, tokens: str) -> None:
    rows = f"prompt,model,score,input_tokens,output_tokens\na,big,1,5,{tokens}\na,small,1,5,5"
    with pytest.raises(ArtefactError, match=r"row 2 of o\.csv has no valid count of tokens"):
        load_outcomes([written(tmp_path, rows, "o.csv")], prices={"big": Price(1, 1)})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("model,input_usd_per_million\nbig,1\n", "row 2 of prices.csv has no valid price: it needs"),
        (PRICES + "mid,1,-2\n", "row 4 of prices.csv has no valid price"),
        (PRICES + "big,1,2\n", "row 4 of prices.csv gives big another price once more"),
        (PRICES + ",1,2\n", "row 4 of prices.csv has no `model`"),
    ],
)
def test_a_price_that_does_not_fit_is_said_with_its_row(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ArtefactError) as wrong:
        load_prices(written(tmp_path, text))
    assert said in wrong.value.message
