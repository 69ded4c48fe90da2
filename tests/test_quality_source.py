"""Estimates in force: read when they are needed, followed when their file changes, and kept when the new ones are damaged."""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml

from decide.known_abilities import abilities
from decide.test_learned_quality import both, written
from samples import deployment, policy, turn
from waypost import Router
from waypost.config import loads
from waypost.config.quality import QualitySettings
from waypost.decide.learned_quality import LearnedQuality, load_quality
from waypost.decide.policy import Policy, Route, RouterPair
from waypost.decide.probed import ProbeResult, Tally, probe_key
from waypost.decide.quality import WinRates
from waypost.decide.quality_weights import QUALITY_FILE
from waypost.decide.task_model import load_task_model
from waypost.errors import ArtefactError
from waypost.probe_results import keep_probe
from waypost.quality_source import Load, QualitySource

MINI = deployment("mini", model="gpt-4o-mini")
LLAMA = deployment("llama", provider="hosted_vllm", model="meta-llama/Llama-3.1-8B-Instruct")
ASKED = turn("What is 3 + 4?")
SCORES = load_task_model().predict(ASKED)


class Shipped:
    """Reads artefacts, with this one for what is shipped, and remembers which."""

    def __init__(self, folder: Path) -> None:
        self._folder = written(folder, **both())
        self.read: list[Path | None] = []

    def __call__(self, path: Path | None) -> LearnedQuality:
        self.read.append(path)
        return load_quality(path or self._folder)


@pytest.fixture
def shipped(tmp_path: Path) -> Shipped:
    folder = tmp_path / "shipped"
    folder.mkdir()
    return Shipped(folder)


def source_of(load: Load, tmp_path: Path, **fields: Any) -> QualitySource:
    return QualitySource(load, probes=tmp_path / "probes.json", **fields)


def known(source: QualitySource) -> list[float | None]:
    return [None if one is None else one.mean for one in source.estimate(ASKED, [MINI, LLAMA], SCORES)]


def test_what_is_shipped_is_read_when_somebody_first_needs_it_and_once(tmp_path: Path, shipped: Shipped) -> None:
    source = source_of(shipped, tmp_path)
    source.follow(QualitySettings(), policy())
    assert (shipped.read, source.version) == ([], "")
    mini, llama = known(source)
    assert mini is not None
    assert llama is not None
    assert mini > llama
    assert all(source.tokens(SCORES, [MINI, LLAMA], [None, 5]))
    assert source.version.startswith("quality-")
    assert shipped.read == [None]


@pytest.mark.parametrize(
    "rules",
    [
        policy(cost_quality=0.3),
        policy(quality_floor=0.0),
        policy(pairs={"own": RouterPair("a", "b")}),
        policy(routes={"chat": Route("chat", explore=0.1)}),
        policy(routes={"chat": Route("chat", quality_floor=0.1)}),
    ],
)
def test_where_turns_will_need_it_it_is_read_with_the_config(tmp_path: Path, shipped: Shipped, rules: Policy) -> None:
    source_of(shipped, tmp_path).follow(QualitySettings(), rules)
    assert shipped.read == [None]


def test_switched_off_nothing_is_read_and_nothing_is_known(tmp_path: Path, shipped: Shipped) -> None:
    source = source_of(shipped, tmp_path)
    source.follow(QualitySettings(enabled=False, artefact="x"), policy(cost_quality=1.0))
    assert (known(source), source.tokens(SCORES, [MINI], [None]), shipped.read) == ([None, None], [None], [])


def test_a_damaged_artefact_is_refused_once_and_the_estimates_before_it_stay(tmp_path: Path) -> None:
    settings = QualitySettings(artefact=str(written(tmp_path, **both())))
    source = source_of(load_quality, tmp_path)
    source.follow(settings, policy())
    before, version = known(source), source.version
    whole = (tmp_path / QUALITY_FILE).read_bytes()
    (tmp_path / QUALITY_FILE).write_bytes(whole[:-100])
    with pytest.raises(ArtefactError, match="does not match its card"):
        source.follow(settings, policy())
    source.follow(settings, policy())
    assert (known(source), source.version) == (before, version)
    written(tmp_path, **{**both(), "abilities": abilities(kind_sd=0.4).to_arrays()})
    source.follow(settings, policy())
    assert source.version != version


def test_an_artefact_that_did_not_change_is_not_read_again(tmp_path: Path, shipped: Shipped) -> None:
    folder = written(tmp_path, **both())
    source = source_of(shipped, tmp_path)
    for _ in range(3):
        source.follow(QualitySettings(artefact=str(folder)), policy())
    assert shipped.read == [folder]


def test_what_a_probe_found_counts_for_its_deployment_and_no_other(tmp_path: Path, shipped: Shipped) -> None:
    source = source_of(shipped, tmp_path)
    source.follow(QualitySettings(), policy())
    before = known(source)
    bad = ProbeResult(probe_key(LLAMA), "llama", "waypost-1", "2026-01-01T00:00:00Z", (Tally("g", "reasoning", 4, 80),))
    keep_probe(tmp_path / "probes.json", bad)
    source.follow(QualitySettings(), policy())
    source.count_probes([MINI, LLAMA])
    after = known(source)
    assert after[0] == before[0]
    assert after[1] is not None
    assert before[1] is not None
    assert after[1] < before[1]
    assert "+probes-" in source.version
    source.count_probes([MINI])
    assert known(source) == before


def test_where_what_is_shipped_is_missing_nothing_is_known_and_the_log_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = source_of(lambda _: load_quality(tmp_path), tmp_path)
    source.follow(QualitySettings(), policy())
    with caplog.at_level(logging.ERROR, "waypost"):
        assert [known(source), known(source)] == [[None, None]] * 2
    (said,) = [record.message for record in caplog.records]
    assert said.startswith(f"no quality is estimated: {QUALITY_FILE} or its card is missing")


class Half:
    """A router of RouteLLM that always says a half, and in which thread."""

    def __init__(self) -> None:
        self.threads: list[str] = []

    def calculate_strong_win_rate(self, prompt: str) -> float:
        """A half."""
        del prompt
        self.threads.append(threading.current_thread().name)
        return 0.5


def test_routers_of_routellm_are_loaded_for_the_pairs_that_want_them_and_again_only_when_those_change(tmp_path: Path) -> None:
    loaded: list[tuple[str, Path | None]] = []

    def load(name: str, checkpoint: Path | None) -> WinRates:
        loaded.append((name, checkpoint))
        return Half()

    source = source_of(load_quality, tmp_path, load_router=load)
    rules = policy(pairs={"mf": RouterPair("a", "b", "routellm", "/models/mf"), "own": RouterPair("a", "b")})
    for _ in range(2):
        source.follow(QualitySettings(), rules)
    assert loaded == [("mf", Path("/models/mf"))]
    assert list(source.win_rates) == ["mf"]


def config(tmp_path: Path, **blocks: Any) -> dict[str, Any]:
    models = [
        {
            "model_name": name,
            "litellm_params": {"model": f"simulated/{name}"},
            "model_info": {"input_cost_per_token": cost, "output_cost_per_token": cost},
        }
        for name, cost in (("strong", 1e-5), ("weak", 1e-7))
    ]
    return {"model_list": models, "ledger": {"path": str(tmp_path / "ledger.db")}, **blocks}


def test_an_artefact_that_the_config_names_and_that_is_not_there_stops_the_start_with_a_named_error(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError):
        Router.from_config(config(tmp_path, quality={"artefact": str(tmp_path / "nothing")}))


def test_what_is_followed_counts_for_no_decision_before_the_config_is_in_force(tmp_path: Path) -> None:
    models = [{"model_name": name, "litellm_params": {"model": f"simulated/{name}"}} for name in ("gpt-4o-mini", "some-8b")]
    blocks: dict[str, Any] = {"model_list": models, "quality": {"artefact": str(written(tmp_path, **both()))}}
    given = loads(yaml.safe_dump(config(tmp_path, **blocks)))
    with Router(given, quality=source_of(load_quality, tmp_path)) as router:
        before = router.route("What is 3 + 4?", model="auto-best").quality_version
        assert before is not None
        written(tmp_path, **{**both(), "abilities": abilities(kind_sd=0.4).to_arrays()})
        router.quality.follow(given.quality, router.policy)
        assert router.route("What is 3 + 4?", model="auto-best").quality_version == before
        router.apply(given, given.setup.deployments)
        assert router.route("What is 3 + 4?", model="auto-best").quality_version not in (before, None)


async def test_a_router_of_routellm_is_asked_in_a_thread(tmp_path: Path) -> None:
    half = Half()
    pairs = {"mf": {"strong": "strong", "weak": "weak", "router": "routellm"}}
    given = config(tmp_path, router_pairs=pairs, aliases={"smart": "router-mf-0.6"})
    source = QualitySource(load_router=lambda *_: half)
    async with Router(loads(yaml.safe_dump(given)), quality=source) as router:
        first = await router.acompletion("router-mf-0.5", [{"role": "user", "content": "hi"}])
        second = await router.acompletion("smart", [{"role": "user", "content": "hi"}])
        third = await router.acompletion("smart:latest", [{"role": "user", "content": "hi"}])
        json.dumps(first.decision.to_dict())
    assert [reply.decision.candidates[0].deployment for reply in (first, second, third)] == ["strong", "weak", "weak"]
    assert len(half.threads) == 3
    assert threading.main_thread().name not in half.threads
