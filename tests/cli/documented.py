"""The JSON keys that docs/cli.md promises."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def keys_of(command: str) -> list[str]:
    """The keys of a command's JSON: the words in backticks in the first sentence of its row."""
    table = (DOCS / "cli.md").read_text().partition("## JSON keys")[2]
    row = next(line for line in table.splitlines() if line.startswith(f"| `{command}`"))
    return re.findall(r"`(\w+)`", row.split("|")[2].partition(". ")[0])


def card_keys() -> list[str]:
    """The keys of a decision card: the first column of the first table of its page."""
    table = (DOCS / "decision-card.md").read_text().partition("## Keys")[2].partition("`task`:")[0]
    return re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
