"""`waypost check`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from waypost.cli import group

GOOD = "model_list: [{model_name: a, litellm_params: {model: ollama/a, rpm: 3}}]\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "waypost.yaml"


def test_a_good_file_is_fine_with_its_warnings(file: Path) -> None:
    file.write_text(GOOD)
    result = CliRunner().invoke(group, ["check", str(file)])
    assert result.exit_code == 0
    assert "is fine: deployments 1, routes 6, aliases 0" in result.stdout
    assert "warning: waypost.yaml:1: litellm_params: Waypost does not use `rpm`" in result.stderr


def test_every_problem_is_printed_and_the_exit_code_says_so(file: Path) -> None:
    file.write_text("server: {prot: 1}\naliases: {a: a}\n")
    result = CliRunner().invoke(group, ["check", str(file)])
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "problem: waypost.yaml:1: unknown key `prot`; did you mean `port`?",
        "problem: waypost.yaml:2: the alias `a` leads back to itself",
    ]


def test_json_has_the_documented_keys_in_both_cases(file: Path) -> None:
    keys = ["file", "ok", "problems", "warnings", "deployments", "routes", "aliases"]
    file.write_text(GOOD)
    good = json.loads(CliRunner().invoke(group, ["check", str(file), "--json"]).stdout)
    assert list(good) == keys
    assert (good["ok"], good["problems"], good["deployments"]) == (True, [], 1)
    file.write_text("[")
    result = CliRunner().invoke(group, ["check", str(file), "--json"])
    bad = json.loads(result.stdout)
    assert list(bad) == keys
    assert (bad["ok"], bad["deployments"], result.exit_code) == (False, None, 1)


def test_the_file_of_this_folder_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    missing = CliRunner().invoke(group, ["check"])
    assert missing.exit_code == 1
    assert "`waypost.yaml` is not a file" in missing.stderr
    Path("waypost.yaml").write_text(GOOD)
    assert CliRunner().invoke(group, ["check"]).exit_code == 0


def test_an_artefact_that_cannot_be_used_is_a_problem(file: Path) -> None:
    file.write_text(f"{GOOD}quality: {{artefact: {file.parent / 'nothing'}}}\n")
    result = CliRunner().invoke(group, ["check", str(file)])
    assert result.exit_code == 1
    assert result.stderr.startswith("problem: waypost.yaml: quality.artefact: quality-model.npz or its card is missing")
    file.write_text(f"{GOOD}quality: {{artefact: nothing, enabled: false}}\n")
    assert CliRunner().invoke(group, ["check", str(file)]).exit_code == 0


def test_a_router_of_routellm_that_cannot_be_made_is_a_problem_of_its_pair(file: Path) -> None:
    models = ", ".join(f"{{model_name: {name}, litellm_params: {{model: ollama/{name}}}}}" for name in ("a", "b"))
    pair = "{strong: a, weak: b, router: routellm, checkpoint: nowhere}"
    file.write_text(f"model_list: [{models}]\nrouter_pairs: {{mf: {pair}, own: {{strong: a, weak: b}}}}\n")
    result = CliRunner().invoke(group, ["check", str(file)])
    assert result.exit_code == 1
    (problem,) = result.stderr.splitlines()
    assert problem.startswith("problem: waypost.yaml: router_pairs.mf: RouteLLM's mf needs a folder of this machine")
