"""Configs for commands that decide: none of them looks at a port that something of this machine may listen on."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines.process import free_port

FLEET = """
model_list:
  - model_name: eyes
    litellm_params: {model: simulated/eyes}
    model_info: {supports_vision: true, supports_function_calling: false, max_input_tokens: 8192}
  - model_name: hands
    litellm_params: {model: simulated/hands}
    model_info: {supports_vision: false, supports_function_calling: true, max_input_tokens: 8192}
  - model_name: cloud
    litellm_params: {model: anthropic/no-such-model, api_key: os.environ/NOBODY}
    model_info: {supports_vision: true, supports_function_calling: true, waypost: {local: false}}
routes: {chat: [hands, eyes, cloud], reasoning: [cloud]}
aliases: {zoe-chat: chat}
discovery: {enabled: false}
"""


@pytest.fixture(autouse=True)
def _no_ledger_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAYPOST_LEDGER", str(tmp_path / "state" / "ledger.db"))


@pytest.fixture
def fleet_file(tmp_path: Path) -> Path:
    """Two simulated deployments and one of the cloud; ``reasoning`` is answered in the cloud only."""
    file = tmp_path / "fleet.yaml"
    file.write_text(FLEET)
    return file


@pytest.fixture
def nothing_here(tmp_path: Path) -> Path:
    """A config that looks for an engine where there is none."""
    file = tmp_path / "nothing.yaml"
    file.write_text(f"discovery: {{targets: [{{url: 'http://127.0.0.1:{free_port()}'}}], timeout_s: 0.5}}\n")
    return file
