"""`waypost init`, against engines that run and where none does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from click.testing import CliRunner, Result

from cli.documented import keys_of
from engines.llamacpp import LlamaCpp
from engines.process import free_port
from servers.ollama_server import Ollama, OllamaModel, in_thread
from waypost.cli import group
from waypost.cli.serve import _announce
from waypost.config import loads
from waypost.router import Router
from waypost.startup import Assembly


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(group, list(map(str, arguments)))


@pytest.fixture(autouse=True)
def _a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for key in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(key, raising=False)


@pytest.fixture
def ollama() -> Iterator[Ollama]:
    """An Ollama with four models, of which one is loaded with a window of 8,192."""
    models = (
        OllamaModel("qwen3:8b", capabilities=("completion", "tools", "thinking")),
        OllamaModel("gemma3:4b", capabilities=("completion", "vision"), parameter_count=4_300_000_000),
        OllamaModel("nomic-embed-text", capabilities=("embedding",)),
        OllamaModel("gpt-oss:120b-cloud"),
    )
    with in_thread(*models) as server:
        body = json.dumps({"model": "gemma3:4b", "options": {"num_ctx": 8192}}).encode()
        urlopen(Request(f"{server.url}/api/generate", data=body, method="POST")).read()
        yield server


def test_what_runs_becomes_a_config_that_is_valid_and_well(ollama: Ollama, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "s3cret")
    result = run("init", "--url", ollama.url)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "wrote waypost.yaml: 3 deployments, 3 routes" in result.stdout
    assert "found and not used: OPENAI_API_KEY" in result.stdout
    text = Path("waypost.yaml").read_text()
    assert "s3cret" not in text
    assert "num_ctx: 8192  # as allocated now" in text
    assert "cloud" not in text.partition("model_list:")[2].partition("OPENAI")[0]
    assert run("check").stderr == ""
    assert run("doctor").stdout == f"waypost.yaml is well: nothing found (asked: 127.0.0.1:{ollama.port})\n"
    assert "qwen3:8b" in run("models").stdout
    assert ollama.generations == []
    assert len(ollama.loads) == 1


def test_what_another_client_does_to_the_window_is_seen_by_the_doctor(ollama: Ollama) -> None:
    run("init", "--url", ollama.url)
    body = json.dumps({"model": "gemma3:4b", "options": {"num_ctx": 2048}}).encode()
    urlopen(Request(f"{ollama.url}/api/generate", data=body, method="POST")).read()
    told = json.loads(run("doctor", "--json").stdout)
    assert [finding["rule"] for finding in told["findings"]] == ["loaded-with-another-window"]
    assert "with a window of 2048 tokens just now, and this file asks for 8192" in told["findings"][0]["message"]


def test_models_and_layers_are_judged_by_what_ollama_says(ollama: Ollama) -> None:
    entries = "".join(
        f"  - {{model_name: {name}, litellm_params: {{model: 'ollama_chat/{model}', api_base: '{ollama.url}', {more}}}}}\n"
        for name, model, more in (("a", "qwen3:8b", "num_gpu: 43, max_tokens: 256"), ("b", "gemma3:4", "think: false"))
    )
    Path("waypost.yaml").write_text(f"model_list:\n{entries}routes:\n  vision: [a]\n")
    told = json.loads(run("doctor", "--json").stdout)
    assert {finding["rule"]: finding["line"] for finding in told["findings"]} == {
        "num-gpu-misunderstood": 2,
        "think-small-cap": 2,
        "model-absent": 3,
        "no-vision-on-vision-route": 5,
    }
    messages = " ".join(finding["message"] for finding in told["findings"])
    assert "asks for 43 layers on the GPU, and `qwen3:8b` has 33 to put there" in messages
    assert "did you mean `gemma3:4b`?" in messages


def test_a_real_llamacpp_becomes_a_config_that_is_well(llamacpp: LlamaCpp) -> None:
    assert run("init", "own.yaml", "--url", llamacpp.base_url).exit_code == 0
    assert "model: custom_openai/alpha" in Path("own.yaml").read_text()
    assert run("check", "own.yaml").stderr == ""
    assert run("doctor", "own.yaml").exit_code == 0


def test_with_nothing_running_the_file_explains_itself_and_starts() -> None:
    port = free_port()
    result = run("init", "--url", f"http://127.0.0.1:{port}")
    assert f"no engine at 127.0.0.1:{port}" in result.stdout
    assert "wrote waypost.yaml: 0 deployments, 0 routes" in result.stdout
    assert "# No model was found" in Path("waypost.yaml").read_text()
    assert run("check").stderr == ""
    models = run("models")
    assert "simulated fleet" in models.stderr
    assert "sim-tools" in models.stdout
    assert [finding["rule"] for finding in json.loads(run("doctor", "--json").stdout)["findings"]] == ["engine-down"]


@pytest.mark.parametrize("has_file", [True, False])
def test_who_starts_without_a_file_is_told_how_to_get_one(has_file: bool, capsys: pytest.CaptureFixture[str]) -> None:
    with Router(loads("discovery: {enabled: false}\nledger: {enabled: false}")) as router:
        _announce(router, Assembly(()), "http://127.0.0.1:4100", has_file=has_file)
    assert ("`waypost init` writes what was found into one" in capsys.readouterr().out) is not has_file


def test_a_file_that_is_there_is_replaced_only_by_force() -> None:
    Path("waypost.yaml").write_text("server: {port: 4101}\n")
    url = f"http://127.0.0.1:{free_port()}"
    result = run("init", "--url", url)
    assert (result.exit_code, result.stderr) == (1, "Error: waypost.yaml is there already; --force replaces it\n")
    assert Path("waypost.yaml").read_text() == "server: {port: 4101}\n"
    assert run("init", "--url", url, "--force").exit_code == 0
    assert "No model was found" in Path("waypost.yaml").read_text()


def test_a_folder_that_is_not_there_is_said() -> None:
    result = run("init", "none/waypost.yaml", "--url", f"http://127.0.0.1:{free_port()}")
    assert result.exit_code == 1
    assert "cannot be written: No such file or directory" in result.stderr


def test_an_address_that_is_none_is_refused() -> None:
    result = run("init", "--url", "ftp://x")
    assert result.exit_code == 2
    assert "--url must be an http or https address" in result.stderr


def test_models_in_python_are_taken_over_with_their_traps_told() -> None:
    Path("model_config.py").write_text("MODEL_CONFIGS = {'phi3:mini': ModelConfig(stop_tokens=['\\n\\n'], num_ctx=2048)}\n")
    result = run("init", "--from", "model_config.py")
    assert result.exit_code == 0
    assert "waypost.yaml:9: error: `stop` has" in result.stdout
    text = Path("waypost.yaml").read_text()
    assert 'stop:\n    - "\\n\\n"' in text
    assert run("check").stderr == ""
    assert run("init", "two.yaml", "--from", "waypost.yaml").exit_code == 2
    Path("empty.py").write_text("x = 1\n")
    result = run("init", "two.yaml", "--from", "empty.py")
    assert "no models" in str(result.exception)
    assert not Path("two.yaml").exists()


def test_json_has_the_documented_keys() -> None:
    told = json.loads(run("init", "--url", f"http://127.0.0.1:{free_port()}", "--json").stdout)
    assert list(told) == keys_of("init")
    assert (told["file"], told["deployments"], told["routes"]) == ("waypost.yaml", [], {})
