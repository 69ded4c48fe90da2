"""The file of probe results."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from waypost.decide.probed import ProbeResult, Tally
from waypost.decide.quality import QualityEstimate
from waypost.errors import LedgerError
from waypost.probe_results import default_probes_path, forget_probes, keep_probe, load_probes, probe_to_dict

FOUND = ProbeResult("p/alpha#1", "alpha", "waypost-1", "2026-01-01T00:00:00Z", (Tally("logic", "reasoning", 3, 4),), errors=1)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "probes.json"


def test_it_lies_beside_the_ledger(tmp_path: Path) -> None:
    assert default_probes_path({"WAYPOST_LEDGER": str(tmp_path / "ledger.db")}) == tmp_path / "probes.json"


def test_without_a_file_nothing_is_known(file: Path) -> None:
    assert load_probes(file) == {}
    assert forget_probes(file, "alpha") == 0
    assert not file.exists()


def test_results_come_back_as_they_were_kept(file: Path) -> None:
    other = ProbeResult("p/beta#2", "beta", "mine.csv@12", "2026-01-02T00:00:00Z", (), 0, QualityEstimate(0.5, 0.4, 0.7, 60))
    keep_probe(file, FOUND)
    keep_probe(file, other)
    assert load_probes(file) == {FOUND.key: FOUND, other.key: other}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["probes.json"]


def test_a_new_result_takes_the_place_of_the_old_one(file: Path) -> None:
    keep_probe(file, FOUND)
    newer = ProbeResult(FOUND.key, "renamed", "waypost-1", "2026-02-01T00:00:00Z", ())
    keep_probe(file, newer)
    assert load_probes(file) == {FOUND.key: newer}


@pytest.mark.parametrize("name", ["alpha", "p/alpha#1"])
def test_one_is_forgotten_by_its_name_or_key(file: Path, name: str) -> None:
    keep_probe(file, FOUND)
    assert forget_probes(file, name) == 1
    assert load_probes(file) == {}


def damaged(**changes: Any) -> str:
    entry = probe_to_dict(FOUND) | changes
    return json.dumps({"format": 1, "probes": [entry]})


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"format": 2, "probes": []}',
        '{"format": 1}',
        '{"format": 1, "probes": [7]}',
        damaged(key=None),
        damaged(errors=-1),
        damaged(groups=[{"name": "a", "task": "chat", "passed": 2, "asked": 1}]),
        damaged(expected={"mean": 2, "lower": 0, "upper": 1, "n": 1}),
    ],
)
def test_a_damaged_file_is_a_warning_and_says_nothing(file: Path, text: str, caplog: pytest.LogCaptureFixture) -> None:
    file.parent.mkdir()
    file.write_text(text)
    assert load_probes(file) == {}
    [record] = caplog.records
    assert "waypost probe" in record.getMessage()
    assert str(file.parent) not in record.getMessage()


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file, and no folder")
    with pytest.raises(LedgerError, match=r"probes\.json cannot be written"):
        keep_probe(tmp_path / "state" / "probes.json", FOUND)
