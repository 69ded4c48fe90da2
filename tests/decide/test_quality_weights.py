"""Weights of quality estimates: what is read, and what is refused."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from learn.outcome_tables import asked, table
from waypost.decide.quality_pools import PoolQuality
from waypost.decide.quality_weights import QUALITY_CARD_FILE, QUALITY_FILE, load_pools, load_quality_weights
from waypost.decide.task_model import load_task_model
from waypost.errors import ArtefactError
from waypost.learn.quality_artefact import write_artefact
from waypost.learn.quality_ensemble import learn_pool
from waypost.learn.quality_rows import PromptReader

pytest.importorskip("scipy")
REPORT: dict[str, Any] = {"command": "c", "date": "d", "limits": "l", "data": [], "pools": []}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pool = learn_pool(table(asked(20), [[1, 0]] * 20), PromptReader(load_task_model()), 1)
    write_artefact(tmp_path, {"pools": PoolQuality.of("", [pool]).to_arrays(), "other": {"a": np.ones(2)}}, REPORT, ["more"])
    return tmp_path


def rewritten(folder: Path, arrays: dict[str, Any]) -> None:
    """Other arrays, with a card that fits them."""
    np.savez(folder / QUALITY_FILE, **arrays)
    card = json.loads((folder / QUALITY_CARD_FILE).read_bytes())
    card["sha256"] = hashlib.sha256((folder / QUALITY_FILE).read_bytes()).hexdigest()
    (folder / QUALITY_CARD_FILE).write_text(json.dumps(card))


def test_each_piece_is_found_by_its_name(folder: Path) -> None:
    weights = load_quality_weights(folder)
    assert weights.piece("other")["a"].tolist() == [1, 1]
    assert weights.piece("none") == {}
    assert load_pools(folder).pools[0].models == ("a", "b")
    assert load_pools(folder).version.startswith("quality-")
    assert (folder / "quality-model.md").read_text().endswith("more\n")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"features_version": "1.0"}, "is for features 1.0, this Waypost reads"),
        ({"schema": "theirs-7"}, "is of another form than this Waypost reads"),
        ({"sha256": "0" * 64}, "does not match its card"),
    ],
)
def test_a_card_of_something_else_is_refused(folder: Path, change: dict[str, str], said: str) -> None:
    card = json.loads((folder / QUALITY_CARD_FILE).read_bytes())
    (folder / QUALITY_CARD_FILE).write_text(json.dumps(card | change))
    with pytest.raises(ArtefactError, match=said):
        load_quality_weights(folder)


@pytest.mark.parametrize("name", [QUALITY_FILE, QUALITY_CARD_FILE])
def test_a_missing_file_is_told_of(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ArtefactError, match="or its card is missing"):
        load_quality_weights(folder)


def test_what_is_no_card_or_no_weights_is_refused(folder: Path) -> None:
    data = b"no zip"
    (folder / QUALITY_FILE).write_bytes(data)
    card = json.loads((folder / QUALITY_CARD_FILE).read_bytes())
    (folder / QUALITY_CARD_FILE).write_text(json.dumps(card | {"sha256": hashlib.sha256(data).hexdigest()}))
    with pytest.raises(ArtefactError, match="is damaged"):
        load_quality_weights(folder)
    for said in ("{", '{"schema":' * 100_000):
        (folder / QUALITY_CARD_FILE).write_text(said)
        with pytest.raises(ArtefactError, match="is not JSON"):
            load_quality_weights(folder)


def test_a_single_array_is_refused(folder: Path) -> None:
    with (folder / QUALITY_FILE).open("wb") as file:
        np.save(file, np.ones(3))
    card = json.loads((folder / QUALITY_CARD_FILE).read_bytes())
    digest = hashlib.sha256((folder / QUALITY_FILE).read_bytes()).hexdigest()
    (folder / QUALITY_CARD_FILE).write_text(json.dumps(card | {"sha256": digest}))
    with pytest.raises(ArtefactError, match="holds one array, and no named ones"):
        load_quality_weights(folder)


@pytest.mark.parametrize("overall", [[np.nan, 1.0], [np.inf, 1.0], ["0.5", "1.0"]])
def test_what_is_no_number_is_refused(folder: Path, overall: list[Any]) -> None:
    arrays = dict(load_quality_weights(folder).arrays)
    rewritten(folder, arrays | {"pools.0.overall": np.array(overall)})
    with pytest.raises(ArtefactError, match=r"holds what is no number \(pools.0.overall\)"):
        load_pools(folder)


@pytest.mark.parametrize("left_out", ["pools.0.models", "pools.0.heads", "pools.0.landmark_forms"])
def test_a_missing_array_is_refused(folder: Path, left_out: str) -> None:
    arrays = dict(load_quality_weights(folder).arrays)
    del arrays[left_out]
    rewritten(folder, arrays)
    with pytest.raises(ArtefactError, match=r"the pools in .* are of another form"):
        load_pools(folder)


@pytest.mark.parametrize("name", ["centre", "tables", "heads", "counts", "landmark_topics", "models"])
def test_shapes_that_do_not_fit_are_refused(folder: Path, name: str) -> None:
    arrays = dict(load_quality_weights(folder).arrays)
    array = arrays[f"pools.0.{name}"]
    rewritten(folder, arrays | {f"pools.0.{name}": np.concatenate((array, array))})
    with pytest.raises(ArtefactError, match="are of another form"):
        load_pools(folder)


def test_training_never_writes_what_is_no_number(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"training gave what is no number \(pools.a\)"):
        write_artefact(tmp_path / "out", {"pools": {"a": np.array([np.nan])}}, REPORT, [])
    assert not (tmp_path / "out").exists()
