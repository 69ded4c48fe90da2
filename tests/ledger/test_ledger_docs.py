"""The documented keys are the keys."""

from __future__ import annotations

import re
from pathlib import Path

from ledger.outcomes import outcome
from waypost.ledger.rows import RATING, entry_of, summary_of

DOCS = Path(__file__).parents[2] / "docs" / "ledger.md"


def documented(heading: str) -> dict[str, str]:
    """The keys of the table under a heading, with what is said of them."""
    section = re.split(r"^##+ ", DOCS.read_text(), flags=re.MULTILINE)
    (table,) = (part for part in section if part.startswith(heading))
    return dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", table, flags=re.MULTILINE))


def test_every_key_is_documented_and_every_documented_key_exists() -> None:
    entry = entry_of(outcome())
    assert documented("An entry").keys() == entry.keys()
    assert documented("`prompt`").keys() == entry["prompt"].keys()
    assert documented("`attempts`").keys() == entry["attempts"][0].keys()
    assert tuple(documented("Ratings")) == RATING


def test_the_docs_say_what_lists_leave_out() -> None:
    entry = entry_of(outcome())
    left_out = {key for key, said in documented("An entry").items() if "not in lists" in said}
    assert left_out == entry.keys() - summary_of(entry).keys()
