"""`waypost config`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from waypost.cli import group
from waypost.config import json_schema


def test_the_schema_is_printed_as_json() -> None:
    for options in ([], ["--json"]):
        result = CliRunner().invoke(group, ["config", "schema", *options])
        assert result.exit_code == 0
        assert json.loads(result.stdout) == json_schema()


def test_the_effective_config_shows_references_and_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "s3cr3t-value")
    file = tmp_path / "waypost.yaml"
    file.write_text("model_list: [{model_name: a, litellm_params: {model: openai/a, api_key: os.environ/MY_KEY}}]\n")
    as_json = CliRunner().invoke(group, ["config", "show", "-c", str(file), "--json"])
    as_yaml = CliRunner().invoke(group, ["config", "show", "-c", str(file)])
    shown = json.loads(as_json.stdout)
    assert shown["deployments"][0]["api_key"] == "os.environ/MY_KEY"
    assert yaml.safe_load(as_yaml.stdout) == shown
    assert "s3cr3t-value" not in as_json.stdout + as_yaml.stdout


def test_without_a_file_the_defaults_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shown = json.loads(CliRunner().invoke(group, ["config", "show", "--json"]).stdout)
    assert shown["source"] == "defaults"
    assert shown["server"]["port"] == 4100
    assert list(shown) == [
        "source",
        "version",
        "deployments",
        "routes",
        "aliases",
        "fallbacks",
        "context_fallbacks",
        "default_fallbacks",
        "policy",
        "router_pairs",
        "quality",
        "server",
        "ledger",
        "feedback",
        "cache",
        "discovery",
        "warnings",
    ]


def test_what_every_engine_is_sent_is_shown_on_request(tmp_path: Path) -> None:
    file = tmp_path / "waypost.yaml"
    entry = "{model_name: a, litellm_params: {model: hosted_vllm/m, api_base: 'http://127.0.0.1:1/v1', repeat_penalty: 1.1}}"
    file.write_text(f"model_list: [{entry}]\n")
    plain = CliRunner().invoke(group, ["config", "show", "-c", str(file), "--json"])
    full = json.loads(CliRunner().invoke(group, ["config", "show", "-c", str(file), "--effective", "--json"]).stdout)
    assert "requests" not in json.loads(plain.stdout)
    assert [request["route"] for request in full["requests"]][:2] == [None, "tool_calling"]
    assert full["requests"][0]["sent"] == {"repetition_penalty": 1.1}
    assert full["requests"][0]["renamed"] == {"repeat_penalty": "repetition_penalty"}
