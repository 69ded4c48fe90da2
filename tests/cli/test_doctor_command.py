"""`waypost doctor`."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli.documented import keys_of
from engines.llamacpp import LlamaCpp
from engines.process import free_port
from meta.source import ROOT
from waypost.cli import group

ZOE = ROOT / "examples/zoe.yaml"


def doctor(*arguments: str | Path) -> Result:
    return CliRunner().invoke(group, ["doctor", *map(str, arguments)])


def config(folder: Path, *urls: str, info: str = "{}") -> Path:
    file = folder / "waypost.yaml"
    entries = [
        f"  - {{model_name: m{i}, litellm_params: {{model: custom_openai/alpha, api_base: '{url}/v1'}}, model_info: {info}}}\n"
        for i, url in enumerate(urls)
    ]
    file.write_text("model_list:\n" + "".join(entries) + "discovery: {timeout_s: 0.5}\n")
    return file


class Page(BaseHTTPRequestHandler):
    """A server that answers everything with a page."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>It works!</html>")

    def log_message(self, *args: Any) -> None:
        """Says nothing."""


def test_what_was_left_out_of_a_program_is_told(tmp_path: Path) -> None:
    file = tmp_path / "models.py"
    file.write_text("MODEL_CONFIGS = {'a': {'num_ctx': 2 * 4096}}\n")
    first = doctor(file, "--offline").stdout.splitlines()[0]
    assert first == "warning: models.py:1: this is no plain value, and left out: nothing of the file is run"


@pytest.fixture
def page() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_findings_have_line_rule_and_mend_and_are_counted() -> None:
    result = doctor(ZOE, "--offline")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    told = "zoe.yaml:58: warning: `num_gpu: 43` is 43 layers"
    place = next(number for number, line in enumerate(lines) if told in line)
    assert lines[place].endswith("[num-gpu-misunderstood]")
    assert lines[place + 1] == "    Leave it out, or write -1: Ollama then puts on the GPU what fits."
    assert lines[-1].endswith(
        "zoe.yaml: 4 errors, 7 warnings, 9 notes (no engine was asked). Each rule is explained in docs/doctor.md."
    )


def test_a_config_without_traps_is_well() -> None:
    result = doctor(ROOT / "examples/zoe-fixed.yaml", "--offline")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.endswith("zoe-fixed.yaml is well: nothing found (no engine was asked)\n")


def test_notes_alone_are_no_failure(tmp_path: Path) -> None:
    file = tmp_path / "waypost.yaml"
    file.write_text("model_list: [{model_name: a, litellm_params: {model: ollama/a}}]\n")
    result = doctor(file, "--offline")
    assert result.exit_code == 0
    assert "waypost.yaml:1: note: LiteLLM calls `ollama/`" in result.stdout


def test_a_file_that_does_not_load_ends_with_two_and_its_problems(tmp_path: Path) -> None:
    result = doctor(tmp_path / "none.yaml")
    assert result.exit_code == 2
    assert result.stderr == "problem: none.yaml:1: `none.yaml` is not a file\n"
    (tmp_path / "bad.yaml").write_text("server: {prot: 1}\n")
    result = doctor(tmp_path / "bad.yaml", "--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["problems"] == ["bad.yaml:1: unknown key `prot`; did you mean `port`?"]


def test_json_has_the_documented_keys_in_both_cases(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("[")
    for arguments in ((ZOE, "--offline"), (tmp_path / "bad.yaml",)):
        told = json.loads(doctor(*arguments, "--json").stdout)
        assert list(told) == keys_of("doctor")
        assert told["ok"] is False
    told = json.loads(doctor(ZOE, "--offline", "--json").stdout)
    assert (told["errors"], told["warnings"], told["notes"], len(told["findings"])) == (4, 7, 9, 20)
    assert told["findings"][2] == {
        "rule": "stop-cuts-replies",
        "severity": "error",
        "file": "zoe.yaml",
        "line": 20,
        "message": '`stop` has `"\\n\\n"`: an answer ends at its first blank line, mid-thought',
        "mend": "Take it out of `stop`. A chat model ends its own turn.",
        "docs": "docs/doctor.md#stop-cuts-replies",
    }


def test_a_real_engine_that_has_what_the_file_says_is_well(tmp_path: Path, llamacpp: LlamaCpp) -> None:
    result = doctor(config(tmp_path, llamacpp.base_url.removesuffix("/v1")))
    assert result.exit_code == 0
    assert result.stdout.endswith(f"waypost.yaml is well: nothing found (asked: 127.0.0.1:{llamacpp.port})\n")


def test_a_real_engine_with_a_smaller_window_than_the_file_says_is_named(tmp_path: Path, llamacpp: LlamaCpp) -> None:
    file = config(tmp_path, llamacpp.base_url.removesuffix("/v1"), info="{max_input_tokens: 32768}")
    told = json.loads(doctor(file, "--json").stdout)
    assert [engine["kind"] for engine in told["engines"]] == ["llamacpp"]
    assert [finding["message"] for finding in told["findings"]] == [
        "the file says that `m0` holds 32768 tokens, and its engine says 2048"
    ]


def test_engines_that_are_dead_strange_or_silent_are_named_in_bounded_time(tmp_path: Path, page: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        file = config(tmp_path, f"http://127.0.0.1:{free_port()}", page, f"http://127.0.0.1:{port}")
        begun = time.monotonic()
        result = doctor(file, "--json")
    told = json.loads(result.stdout)
    assert time.monotonic() - begun < 5
    assert [engine["silence"] for engine in told["engines"]] == ["refused", "strange", "slow"]
    assert [finding["rule"] for finding in told["findings"]] == ["engine-down", "engine-strange", "engine-slow"]
    assert told["findings"][2]["message"] == f"what listens at 127.0.0.1:{port} gave no answer in time; `m2` can answer nothing"
    assert result.exit_code == 1


def test_offline_asks_nobody(tmp_path: Path) -> None:
    result = doctor(config(tmp_path, f"http://127.0.0.1:{free_port()}"), "--offline", "--json")
    assert json.loads(result.stdout)["engines"] == []
    assert result.exit_code == 0


def test_models_in_python_are_examined(tmp_path: Path) -> None:
    file = tmp_path / "model_config.py"
    file.write_text("MODEL_CONFIGS = {\n  'phi3:mini': ModelConfig(num_gpu=99),\n}\n")
    result = doctor(file, "--offline")
    assert "model_config.py:2: warning: `num_gpu: 99` is every layer of `phi3:mini`" in result.stdout
