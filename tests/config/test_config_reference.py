"""`docs/config.md` is held to the schema."""

from __future__ import annotations

import pytest

from config.reference import rows
from meta.source import ROOT

DOCUMENTED = (ROOT / "docs" / "config.md").read_text().splitlines()


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.split("`")[1])
def test_every_key_is_documented_with_its_type_default_and_meaning(row: str) -> None:
    assert row in DOCUMENTED


def test_no_key_is_documented_that_does_not_exist() -> None:
    assert [line for line in DOCUMENTED if line.startswith("| `")] == rows()
