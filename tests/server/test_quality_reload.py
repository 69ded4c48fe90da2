"""An artefact of quality that changes under a running server: a damaged one is refused, and the one before stays in force."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from decide.known_abilities import abilities
from decide.test_learned_quality import both, written
from engines.llamacpp import LlamaCpp
from engines.process import ServerProcess
from waypost.decide.quality_weights import QUALITY_FILE

WITHIN_S = 20.0


def entry(name: str, model: str, engine: LlamaCpp) -> dict[str, object]:
    return {"model_name": name, "litellm_params": {"model": f"openai/{model}", "api_base": engine.base_url}}


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 damaged"])
def test_a_damaged_artefact_is_refused_by_name_and_serving_goes_on_with_the_one_before(
    tmp_path: Path, llamacpp: LlamaCpp, llamacpp_beta: LlamaCpp, waypost_server: Callable[..., ServerProcess], damage: bytes
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    written(folder, **both())
    server = waypost_server(
        {
            "model_list": [
                entry("small", "llama-3.1-8b-instruct", llamacpp),
                entry("mini", "gpt-4o-mini", llamacpp_beta),
            ],
            "policy": {"cost_quality": 1},
            "quality": {"artefact": str(folder)},
            "discovery": {"enabled": False, "refresh_s": 0.2},
            "ledger": {"path": str(tmp_path / "ledger.db")},
        },
    )

    def card() -> dict[str, object]:
        body = {"model": "auto", "messages": [{"role": "user", "content": "What is 3 + 4?"}]}
        answer = httpx.post(f"{server.base_url}/chat/completions", json=body, headers={"x-waypost-card": "true"}, timeout=30)
        assert answer.status_code == 200, answer.text
        found: dict[str, object] = answer.json()["waypost"]
        return found

    def wait_for(said: str) -> None:
        deadline = time.monotonic() + WITHIN_S
        while said not in server.log_text():
            assert time.monotonic() < deadline, server.log_text()
            time.sleep(0.05)

    before = card()
    assert before["deployment"] == "mini"
    assert str(before["quality_version"]).startswith("quality-")
    (folder / QUALITY_FILE).write_bytes(damage)
    wait_for(f"the estimates of quality stay those that were in force: {QUALITY_FILE} does not match its card")
    assert card()["quality_version"] == before["quality_version"]
    written(folder, **{**both(), "abilities": abilities(kind_sd=0.4).to_arrays()})
    deadline = time.monotonic() + WITHIN_S
    while card()["quality_version"] == before["quality_version"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert card()["deployment"] == "mini"
