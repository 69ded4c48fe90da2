"""What is fit to be stored stays as it is; what is not is mended, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from waypost.ledger.clean import STRING_LIMIT, Cleaner


def test_many_short_texts_are_fit_however_long_they_are_together() -> None:
    cleaner = Cleaner()
    card = {"candidates": [{"deployment": f"model {n}", "reason": "listed by the route"} for n in range(1_000)]}
    assert cleaner.json(card) is card
    assert not cleaner.repaired


@pytest.mark.parametrize("unit", ["a", '"', '"a', "ä"])
def test_a_text_that_is_too_long_is_cut_whatever_is_in_it(unit: str) -> None:
    cleaner = Cleaner()
    given: dict[str, Any] = {"reason": unit * STRING_LIMIT + "end", "kept": "x"}
    found = cleaner.json(given)
    assert (len(found["reason"]), found["reason"][-1], found["kept"]) == (STRING_LIMIT, "…", "x")
    assert cleaner.repaired


@pytest.mark.parametrize("unfit", ["\x00", "\x1b", "\x7f", "\x85", "\ud800"])
def test_one_unfit_character_is_found_among_many_that_are_fit(unfit: str) -> None:
    cleaner = Cleaner()
    assert cleaner.json({"a": ["x" * 1_000, f"b{unfit}c"]}) == {"a": ["x" * 1_000, "b\ufffdc"]}
    assert cleaner.repaired


@pytest.mark.parametrize(("number", "kept"), [(2**53, 2**53), (2**63 - 1, 2**63 - 1), (2**63, None), (2**64 - 1, None)])
def test_a_number_that_no_database_takes_is_unknown_and_its_neighbours_stay(number: int, kept: int | None) -> None:
    given = {"answer_cap": number, "chars": 3}
    assert Cleaner().json(given) == {"answer_cap": kept, "chars": 3}
