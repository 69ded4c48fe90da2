"""What serving reads of the file that `waypost train quality` leaves behind."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from decide.known_abilities import abilities
from decide.test_lengths import forecast
from learn.outcome_tables import table
from samples import deployment, turn
from waypost.decide import learned_quality
from waypost.decide.learned_quality import LearnedQuality, load_quality
from waypost.decide.lengths import LengthForecast
from waypost.decide.probed import ProbeResult, Tally
from waypost.decide.quality_features import QUALITY_FEATURES_VERSION
from waypost.decide.quality_pools import PoolQuality
from waypost.decide.quality_weights import QUALITY_CARD_FILE, QUALITY_FILE, SCHEMA
from waypost.decide.task_model import load_task_model
from waypost.errors import ArtefactError
from waypost.fleet.view import Deployment
from waypost.learn.outcomes import Prompt
from waypost.learn.quality_ensemble import learn_pool
from waypost.learn.quality_rows import PromptReader

MINI = deployment("mini", provider="openai", model="gpt-4o-mini")
LLAMA = deployment("llama", provider="hosted_vllm", model="meta-llama/Llama-3.1-8B-Instruct")
STRANGE = deployment("strange", provider="openai", model="default")


def written(folder: Path, **pieces: Mapping[str, Any]) -> Path:
    """An artefact with these pieces."""
    buffer = io.BytesIO()
    np.savez(buffer, **{f"{piece}.{name}": array for piece, arrays in pieces.items() for name, array in arrays.items()})
    data = buffer.getvalue()
    card = {"schema": SCHEMA, "features_version": QUALITY_FEATURES_VERSION, "sha256": hashlib.sha256(data).hexdigest()}
    (folder / QUALITY_FILE).write_bytes(data)
    (folder / QUALITY_CARD_FILE).write_text(json.dumps(card))
    return folder


def means(learned: LearnedQuality, *deployments: Deployment) -> list[float | None]:
    asked = turn("What is 3 + 4?")
    found = learned.estimator.estimate(asked, deployments, load_task_model().predict(asked))
    return [None if one is None else one.mean for one in found]


def both() -> dict[str, Mapping[str, Any]]:
    return {"abilities": abilities().to_arrays(), "lengths": forecast().to_arrays()}


def test_abilities_and_lengths_are_read_from_one_file(tmp_path: Path) -> None:
    learned = load_quality(written(tmp_path, **both()))
    mini, llama, strange = means(learned, MINI, LLAMA, STRANGE)
    assert mini is not None
    assert llama is not None
    assert mini > llama
    assert strange is None
    assert isinstance(learned.lengths, LengthForecast)
    assert learned.estimator.version == learned.version


def test_pieces_of_another_form_are_refused_by_name(tmp_path: Path) -> None:
    pieces = both()
    with pytest.raises(ArtefactError, match=r"the abilities in .* are of another form"):
        load_quality(written(tmp_path, **{**pieces, "abilities": {**pieces["abilities"], "names": np.array(["one"])}}))
    without = {name: array for name, array in pieces["lengths"].items() if name != "habits"}
    with pytest.raises(ArtefactError, match=r"the lengths in .* are of another form"):
        load_quality(written(tmp_path, **{**pieces, "lengths": without}))


def test_a_file_of_which_serving_can_use_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="holds neither pools nor abilities nor lengths"):
        load_quality(written(tmp_path, other={"a": np.ones(2)}))


@pytest.mark.parametrize(("piece", "name"), [("abilities", "means"), ("abilities", "ease"), ("lengths", "habits")])
def test_an_infinite_ability_or_length_is_refused_by_name(tmp_path: Path, piece: str, name: str) -> None:
    pieces = both()
    endless = {**pieces[piece], name: np.full_like(pieces[piece][name], np.inf)}
    with pytest.raises(ArtefactError, match=rf"holds what is no number \({piece}.{name}\)"):
        load_quality(written(tmp_path, **{**pieces, piece: endless}))


def test_probes_move_those_who_were_probed_and_only_these(tmp_path: Path) -> None:
    learned = load_quality(written(tmp_path, **both()))
    probed = learned.after_probes([(LLAMA, probe(78)), (STRANGE, probe(30))])
    before, after = means(learned, MINI, LLAMA, STRANGE), means(probed, MINI, LLAMA, STRANGE)
    assert after[0] == before[0]
    assert after[1] is not None
    assert before[1] is not None
    assert after[1] > before[1]
    assert before[2] is None
    assert after[2] is not None, "a probe tells of a model that nobody knows"
    assert after[2] < after[1]


def test_the_version_tells_which_probes_count(tmp_path: Path) -> None:
    learned = load_quality(written(tmp_path, **both()))
    first, second = ([(LLAMA, probe(passed))] for passed in (78, 30))
    versions = {one.estimator.version for one in (learned, learned.after_probes(first), learned.after_probes(second))}
    assert len(versions) == 3
    assert learned.after_probes(first).after_probes([]).estimator.version == learned.version


def test_probes_with_other_prompts_are_not_compared(tmp_path: Path) -> None:
    learned = load_quality(written(tmp_path, **both()))
    together = learned.after_probes([(LLAMA, probe(78)), (STRANGE, probe(78, "b"))])
    alone = learned.after_probes([(LLAMA, probe(78))])
    assert means(together, LLAMA) == means(alone, LLAMA)


def probe(passed: int, prompts: str = "a") -> ProbeResult:
    return ProbeResult("key", "d", prompts, "2026-01-01T00:00:00Z", (Tally("g", "reasoning", passed, 80),))


def test_what_ones_own_file_does_not_hold_is_taken_from_what_is_shipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, shipped = tmp_path / "ours", tmp_path / "shipped"
    for folder in (ours, shipped):
        folder.mkdir()
    written(ours, lengths=forecast().to_arrays())
    written(shipped, abilities=abilities().to_arrays())
    load = learned_quality.load_quality_weights
    monkeypatch.setattr(learned_quality, "load_quality_weights", lambda path=None: load(path or shipped))
    learned = load_quality(ours)
    assert means(learned, MINI)[0] is not None
    assert learned.lengths is not None
    assert "+" in learned.version


OURS = ("default", "gpt-4o-mini")


def own_pools() -> Mapping[str, Any]:
    """Of our own traffic: the model called `default` answers most, `gpt-4o-mini` little."""
    pytest.importorskip("scipy")
    rng = np.random.default_rng(1)
    prompts = [Prompt(f"p{i:03}", f"g{i:03}", f"What is {i} plus {3 * i}?") for i in range(240)]
    outcomes = replace(table(prompts, (rng.random((240, 2)) < (0.9, 0.4)).astype(float).tolist()), models=OURS)
    pool = learn_pool(outcomes, PromptReader(load_task_model()), 1)
    return PoolQuality.of("own", [pool]).to_arrays()


def test_ones_own_outcomes_speak_for_a_fleet_that_they_know(tmp_path: Path) -> None:
    learned = load_quality(written(tmp_path, pools=own_pools(), **both()))
    strange, mini = means(learned, STRANGE, MINI)
    assert strange == pytest.approx(0.9, abs=0.1)
    assert mini == pytest.approx(0.4, abs=0.1)


def test_beside_a_deployment_that_they_do_not_know_they_move_abilities_instead(tmp_path: Path) -> None:
    learned = load_quality(written(tmp_path, pools=own_pools(), **both()))
    strange, mini, llama = means(learned, STRANGE, MINI, LLAMA)
    before = means(load_quality(written(tmp_path, **both())), MINI, LLAMA)
    assert strange is not None
    assert mini is not None
    assert before[0] is not None
    assert strange > mini, "as our own outcomes say"
    assert mini < before[0]
    assert llama == before[1], "nothing was learned of it"
