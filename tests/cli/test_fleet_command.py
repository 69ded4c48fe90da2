"""`waypost fleet`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli.documented import keys_of
from engines.process import free_port
from servers.ollama_server import OllamaModel, in_thread
from waypost.cli import group
from waypost.cli.fleet import _row


def fleet(*arguments: str | Path) -> Result:
    return CliRunner().invoke(group, ["fleet", *map(str, arguments)])


@pytest.fixture
def no_server(tmp_path: Path) -> Path:
    """A config whose server does not run, with an Ollama that does."""
    return tmp_path / "waypost.yaml"


def test_without_a_server_the_engines_are_looked_at_and_nothing_is_loaded_for_that(no_server: Path) -> None:
    with in_thread(OllamaModel("qwen3:8b", file_bytes=5 * 2**30)) as ollama:
        no_server.write_text(f"server: {{port: {free_port()}}}\ndiscovery: {{targets: [{{url: '{ollama.url}'}}]}}\n")
        result = fleet("-c", no_server)
        rows = json.loads(fleet("-c", no_server, "--json").stdout)
        assert ollama.loads == []
    assert "looked at just now" in result.stderr
    header, line = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert header == "deployment engine loaded size window load tok/s in / out calls"
    assert line == "qwen3:8b ollama no 6.0 GiB ? 11.7 s, guessed ? / ? 0 of ours"
    [row] = rows
    assert list(row) == keys_of("fleet")
    assert row["residency"]["memory"] == {"resident": [], "capacity_bytes": None, "max_models": None, "loading": None}


def test_a_server_is_asked_for_what_it_has_learned(gateway: Any) -> None:
    url = gateway.base_url.removesuffix("/v1")
    result = fleet("--url", url, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    assert {row["residency"]["engine"] for row in json.loads(result.stdout)} == {"llamacpp", "llamacpp-2"}
    lines = fleet("--url", url).stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [row["id"] for row in json.loads(result.stdout)]


def test_a_server_that_does_not_answer_is_said(tmp_path: Path) -> None:
    result = fleet("--url", f"http://127.0.0.1:{free_port()}")
    assert result.exit_code == 1
    assert "waypost serve" in str(result.exception)


def test_clouds_are_not_listed(fleet_file: Path) -> None:
    rows = json.loads(fleet("-c", fleet_file, "--json").stdout)
    assert [row["id"] for row in rows] == ["eyes", "hands"]
    assert rows[0]["residency"] is None


def test_no_local_deployment_is_said_in_words(tmp_path: Path) -> None:
    file = tmp_path / "none.yaml"
    file.write_text(f"server: {{port: {free_port()}}}\ndiscovery: {{enabled: false}}\n")
    assert fleet("-c", file).stdout == "no local deployment\n"


def row(residency: dict[str, Any] | None = None, **facts: Any) -> list[str]:
    return _row({"id": "m", "up": True, "loaded": True, "in_flight": 2, "residency": residency, **facts})


def test_what_is_known_is_shown_and_what_is_not_is_a_question_mark() -> None:
    known = {
        "engine": "ollama",
        "weights": "m",
        "size_bytes": 3 * 2**30,
        "gpu_share": 0.6,
        "window_tokens": 8192,
        "load_s": 12.44,
        "loads_seen": 3,
        "prompt_tokens_per_s": 1830.4,
        "answer_tokens_per_s": 61.0,
        "running": 2,
        "waiting": 1,
        "memory": {"loading": None},
    }
    busy = "2 running, 1 waiting"
    assert row(known) == ["m", "ollama", "yes, 60% on the GPU", "3.0 GiB", "8,192", "12.4 s, 3 seen", "1,830 / 61", busy]
    assert row() == ["m", "?", "yes", "?", "?", "?", "? / ?", "2 of ours"]


@pytest.mark.parametrize(
    ("facts", "known", "told"),
    [
        ({"up": False}, {}, "down"),
        ({"loaded": None}, {}, "?"),
        ({"loaded": False}, {"weights": "m", "memory": {"loading": "m"}}, "loading"),
        ({"loaded": False}, {"weights": "m", "misfit": True, "memory": None}, "no, it does not fit now"),
    ],
)
def test_the_state_of_a_model_is_one_word_or_a_few(facts: dict[str, Any], known: dict[str, Any], told: str) -> None:
    assert row(known, **facts)[2] == told
