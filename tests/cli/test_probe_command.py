"""`waypost probe`, with a real llama.cpp whose model answers by a script, and with an engine that fails on purpose."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from cli.documented import keys_of
from engines.llamacpp import LlamaCpp
from engines.process import free_port
from servers.ollama_server import OllamaModel, in_thread
from waypost.cli import group
from waypost.faults.faultd import Faultd
from waypost.ledger.reader import SqliteReader
from waypost.probe_results import load_probes

WEATHER = json.dumps([{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}])
PARIS = '[{"name": "get_weather", "arguments": {"city": "Paris"}}]'
# What the scripted model answers to these is in engines/script.py.
ASKED = [
    {"prompt": "Who are you?", "answer": "alpha", "grader": "contains", "category": "talk"},
    {"prompt": "Who am I?", "answer": "nobody", "grader": "contains", "category": "talk"},
    {"prompt": "Please think.", "answer": "42", "category": "sums"},
    {"prompt": "Add one to one.", "answer": "2", "category": "sums"},
    {
        "prompt": "The weather in Paris?",
        "answer": PARIS,
        "grader": "tool_calls",
        "tools": WEATHER,
        "category": "tools",
    },
    {"prompt": "Use a tool.", "answer": "[]", "grader": "tool_calls", "tools": WEATHER, "category": "tools"},
]


def probe(*arguments: str | Path) -> Result:
    return CliRunner().invoke(group, ["probe", *map(str, arguments)])


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Where results are kept: the ledger's folder, which no other test has."""
    return tmp_path / "state" / "probes.json"


@pytest.fixture
def outcomes(tmp_path: Path) -> Path:
    """Prompts that the scripted model answers, with the outcomes of two known models: one is always right."""
    file = tmp_path / "outcomes.jsonl"
    rows = [{**one, "model": model, "score": score} for one in ASKED for model, score in (("good", 1), ("bad", 0))]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def config(folder: Path, base_url: str, *names: str, window: int = 2048, **more: Any) -> Path:
    """A config with one deployment for each name; no server runs with it."""
    listed = [
        {
            "model_name": name,
            "litellm_params": {"model": f"hosted_vllm/{name}", "api_base": base_url, **more.get("params", {})},
            "model_info": {"max_input_tokens": window, "supports_function_calling": True, **more.get("info", {})},
        }
        for name in names
    ]
    rest = {"discovery": {"enabled": False}, "server": {"port": free_port()}, "policy": more.get("policy", {})}
    file = folder / "waypost.yaml"
    file.write_text(yaml.safe_dump({"model_list": listed, **rest}))
    return file


@pytest.fixture
def alpha(tmp_path: Path, llamacpp: LlamaCpp) -> Path:
    return config(tmp_path, llamacpp.base_url, "alpha")


def recorded(tmp_path: Path) -> list[dict[str, Any]]:
    return SqliteReader(tmp_path / "state" / "ledger.db").tail(200)


def test_nothing_is_sent_before_somebody_says_so(tmp_path: Path, alpha: Path, store: Path) -> None:
    result = probe("alpha", "-c", alpha)
    assert result.exit_code == 1
    assert "nothing was sent" in result.stderr
    assert "--yes" in result.stderr
    said = " ".join(result.stderr.split())
    assert "prompts 86 of waypost-1; 6 more cannot be asked" in said
    assert "its window holds 2048" in said
    assert "at most 88,064 out" in said
    assert "cost unknown" in said
    assert "time unknown until the first answer" in said
    assert not store.exists()
    assert recorded(tmp_path) == []


@pytest.mark.parametrize(("typed", "code", "made"), [("n", 1, 0), ("y", 0, 6)])
def test_on_a_terminal_it_asks_first(tmp_path: Path, alpha: Path, typed: str, code: int, made: int) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "waypost", "probe", "alpha", "-c", str(alpha), "--count", "7"]
    with subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        os.write(ours, f"{typed}\n".encode())
        out, said = running.communicate(timeout=60)
    os.close(theirs)
    os.close(ours)
    assert running.returncode == code, said
    assert "Make these calls? [y/N]" in said
    assert ("of 6 answers were good" in out) is bool(made)
    assert len(recorded(tmp_path)) == made


def test_what_it_costs_is_said_where_the_price_is_known(tmp_path: Path, llamacpp: LlamaCpp) -> None:
    info = {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6}
    result = probe("alpha", "-c", config(tmp_path, llamacpp.base_url, "alpha", info=info), "--count", "7")
    assert "about $0.00" in result.stderr
    assert ", at most $0.01" in result.stderr


def test_answers_are_graded_by_group_and_kept(tmp_path: Path, alpha: Path, outcomes: Path, store: Path) -> None:
    result = probe("alpha", "-c", alpha, "--from", outcomes, "--yes", "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert sorted(found) == sorted(keys_of("probe"))
    counts = {(one["name"], one["task"]): (one["passed"], one["asked"]) for one in found["groups"]}
    assert {name: sum(passed for (group, _), (passed, _) in counts.items() if group == name) for name, _ in counts} == {
        "talk": 1,
        "sums": 1,
        "tools": 1,
    }
    assert (found["passed"], found["asked"], found["errors"], found["cut"]) == (3, 6, 0, 0)
    assert (found["complete"], found["kept"], found["cost_usd"]) == (True, True, None)
    assert found["plan"]["calls"] == 6
    assert found["answer_tokens"] > 0
    assert found["expected"]["lower"] <= 0.5 <= found["expected"]["upper"]
    assert found["expected"]["n"] == 6
    assert {one["model"] for one in found["nearest"]} == {"good", "bad"}
    [kept] = load_probes(store).values()
    assert (kept.deployment, kept.passed, kept.asked) == ("alpha", 3, 6)
    assert kept.prompts.startswith("outcomes.jsonl@")
    assert "Paris" not in store.read_text()


def test_prompts_of_two_splits_with_one_id_are_two(alpha: Path, outcomes: Path) -> None:
    rows = [json.loads(line) for line in outcomes.read_text().splitlines()]
    named = [{**row, "prompt_id": str(n // 2 % 3), "split": "train" if n < 6 else "test"} for n, row in enumerate(rows)]
    outcomes.write_text("".join(json.dumps(row) + "\n" for row in named))
    found = json.loads(probe("alpha", "-c", alpha, "--from", outcomes, "--yes", "--json").stdout)
    # All were asked, so nothing has to be foretold.
    assert (found["passed"], found["asked"]) == (3, 6)
    assert {found["expected"][key] for key in ("mean", "lower", "upper")} == {0.5}


def test_what_cannot_be_kept_is_told_before_a_call_or_shown_all_the_same(alpha: Path, outcomes: Path, store: Path) -> None:
    store.mkdir(parents=True)
    result = probe("alpha", "-c", alpha, "--from", outcomes, "--yes", "--json")
    assert result.exit_code == 0, result.stderr
    assert "probes.json cannot be written" in result.stderr
    found = json.loads(result.stdout)
    assert (found["passed"], found["asked"], found["kept"]) == (3, 6, False)
    assert [one.name for one in store.parent.glob("probes*")] == ["probes.json"]
    store.parent.rename(store.parent.with_name("old"))
    store.parent.touch()
    refused = probe("alpha", "-c", alpha, "--from", outcomes, "--yes")
    assert refused.exit_code == 1
    assert "cannot be written: Not a directory" in refused.stderr


def test_calls_are_waypost_own_and_stand_in_the_ledger(tmp_path: Path, alpha: Path, outcomes: Path) -> None:
    assert probe("alpha", "-c", alpha, "--from", outcomes, "--yes").exit_code == 0
    rows = recorded(tmp_path)
    assert [(row["status"], row["caller"], row["deployment"]) for row in rows] == [("ok", "waypost probe", "alpha")] * 6


def test_the_shipped_prompts_are_asked_and_told_in_a_table(alpha: Path) -> None:
    result = probe("alpha", "-c", alpha, "--count", "14", "--yes")
    assert result.exit_code == 0
    assert "The first answer took" in result.stderr
    assert result.stdout.splitlines()[0].split() == ["group", "task", "good", "expected", "9", "in", "10"]
    assert "of 13 answers were good" in result.stdout
    assert "cost: unknown" in result.stdout


def test_results_are_listed_and_forgotten(alpha: Path, outcomes: Path) -> None:
    assert probe("--list").stdout == "nothing has been probed\n"
    probe("alpha", "-c", alpha, "--from", outcomes, "--yes")
    assert "sums 1/2" in probe("--list").stdout
    [listed] = json.loads(probe("--list", "--json").stdout)
    assert sorted(listed) == sorted(keys_of("probe")[:7])
    assert json.loads(probe("beta", "--list", "--json").stdout) == []
    assert json.loads(probe("alpha", "--forget", "--json").stdout) == {"forgotten": 1}
    assert probe("alpha", "--forget").stdout == "forgot 0 results\n"


def test_other_names_and_files_are_refused_before_anything_is_sent(tmp_path: Path, alpha: Path, outcomes: Path) -> None:
    assert "there are: alpha" in str(probe("gamma", "-c", alpha, "--yes").exception)
    assert probe("-c", alpha).exit_code == 2
    broken = tmp_path / "broken.jsonl"
    broken.write_text(outcomes.read_text().replace('"42"', '"many", "grader": "number"'))
    assert "`answer` that number cannot grade" in str(probe("alpha", "-c", alpha, "--from", broken, "--yes").exception)
    broken.write_text(outcomes.read_text().replace(json.dumps(WEATHER), '"no list"'))
    assert "`tools` that are no JSON list" in str(probe("alpha", "-c", alpha, "--from", broken, "--yes").exception)
    elsewhere = json.dumps([{"type": "function", "function": {"name": "f"}, "api_base": "http://127.0.0.1:9"}])
    broken.write_text(outcomes.read_text().replace(json.dumps(WEATHER), json.dumps(elsewhere)))
    assert "only the config says where a request goes" in str(probe("alpha", "-c", alpha, "--from", broken, "--yes").exception)
    assert recorded(tmp_path) == []


def test_a_name_of_several_that_answer_otherwise_is_refused(tmp_path: Path, llamacpp: LlamaCpp) -> None:
    file = config(tmp_path, llamacpp.base_url, "alpha")
    listed = yaml.safe_load(file.read_text())
    [one] = listed["model_list"]
    warm = {**one, "litellm_params": {**one["litellm_params"], "temperature": 1.5}}
    file.write_text(yaml.safe_dump({**listed, "model_list": [one, warm]}))
    assert "name one of alpha#1, alpha#2" in str(probe("alpha", "-c", file, "--yes").exception)


def test_a_model_that_only_a_pattern_means_is_refused_with_what_to_do(tmp_path: Path, llamacpp: LlamaCpp) -> None:
    file = config(tmp_path, llamacpp.base_url, "alpha/*")
    assert "list it under model_list" in str(probe("alpha/seven", "-c", file, "--yes").exception)


def test_a_fallback_does_not_answer_for_it(tmp_path: Path, llamacpp: LlamaCpp, outcomes: Path) -> None:
    file = config(tmp_path, llamacpp.base_url, "alpha")
    listed = yaml.safe_load(file.read_text())
    dead = {
        "model_name": "dead",
        "litellm_params": {"model": "hosted_vllm/dead", "api_base": f"http://127.0.0.1:{free_port()}/v1"},
    }
    fallbacks = {"fallbacks": [{"dead": ["alpha"]}]}
    file.write_text(yaml.safe_dump({**listed, "model_list": [*listed["model_list"], dead], "litellm_settings": fallbacks}))
    result = probe("dead", "-c", file, "--from", outcomes, "--yes", "--json")
    assert result.exit_code == 1
    if result.stdout:  # it was not known to be down before the first call
        assert json.loads(result.stdout)["asked"] == 0
    assert [row["deployment"] for row in recorded(tmp_path) if row["deployment"] == "alpha"] == []


async def test_failed_calls_are_no_wrong_answers(tmp_path: Path, faultd: Faultd, outcomes: Path, store: Path) -> None:
    """One answer, two failures that no retry heals, and answers again."""
    faultd.script["mixed"] = ["ok", "400", "400"]
    faultd.models = ["mixed"]
    file = config(tmp_path, faultd.base_url, "mixed", window=100_000)
    result = await asyncio.to_thread(probe, "mixed", "-c", file, "--from", outcomes, "--yes", "--json")
    found = json.loads(result.stdout)
    assert (found["errors"], found["asked"], found["complete"]) == (2, 4, True)
    assert faultd.count("mixed") == 6
    [kept] = load_probes(store).values()
    assert (kept.errors, kept.asked) == (2, 4)


async def test_an_engine_that_only_fails_is_left_alone_soon_and_nothing_is_kept(
    tmp_path: Path, faultd: Faultd, store: Path
) -> None:
    faultd.models = ["400"]
    file = config(tmp_path, faultd.base_url, "400", window=100_000)
    result = await asyncio.to_thread(probe, "400", "-c", file, "--yes", "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert (found["asked"], found["errors"], found["complete"], found["kept"]) == (0, 5, False, False)
    assert "fails call after call" in result.stderr
    assert faultd.count("400") == 5
    assert load_probes(store) == {}


async def test_an_engine_that_never_answers_runs_into_its_deadline(tmp_path: Path, faultd: Faultd, outcomes: Path) -> None:
    quick = {"timeouts": {"connect_s": 1, "first_byte_s": 0.2, "idle_s": 0.2, "total_s": 0.4}}
    faultd.models = ["never-headers"]
    file = config(tmp_path, faultd.base_url, "never-headers", window=100_000, policy=quick)
    result = await asyncio.to_thread(probe, "never-headers", "-c", file, "--from", outcomes, "--count", "1", "--yes", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["asked"] == 0


async def test_no_more_calls_are_made_at_once_than_the_deployment_takes(tmp_path: Path, faultd: Faultd, outcomes: Path) -> None:
    for parallel, local, at_once in ((3, False, 3), (3, True, 1), (None, False, 4)):
        params = {} if parallel is None else {"max_parallel_requests": parallel}
        info = {"waypost": {"local": local}}
        file = config(tmp_path, faultd.base_url, "ok", window=100_000, params=params, info=info)
        result = await asyncio.to_thread(probe, "ok", "-c", file, "--from", outcomes, "--yes", "--json")
        assert json.loads(result.stdout)["plan"]["at_once"] == at_once


def test_an_interrupt_keeps_what_was_answered(tmp_path: Path, start_llamacpp: Callable[..., LlamaCpp], store: Path) -> None:
    engine = start_llamacpp("alpha", window_tokens=200_000, parallel=1)
    prompts = [("a", "Who are you?"), ("b", "loop")]
    rows = [
        {"prompt": text, "category": category, "answer": "alpha", "grader": "contains", "model": model, "score": score}
        for category, text in prompts
        for model, score in (("good", 1), ("bad", 0))
    ]
    file = tmp_path / "two.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    arguments = [
        "alpha",
        "-c",
        config(tmp_path, engine.base_url, "alpha", window=200_000),
        "--from",
        file,
        "--max-tokens",
        "90000",
    ]
    command = [sys.executable, "-m", "waypost", "probe", *map(str, arguments), "--yes", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ) as running:
        assert running.stderr is not None
        while "The first answer took" not in running.stderr.readline():
            assert running.poll() is None
        while not engine.busy_slots():
            time.sleep(0.02)
        running.send_signal(signal.SIGINT)
        out, _ = running.communicate(timeout=30)
    found = json.loads(out)
    assert (found["passed"], found["asked"], found["complete"], found["kept"]) == (1, 1, False, True)
    assert [one.asked for one in load_probes(store).values()] == [1]
    assert sorted(row["status"] for row in recorded(tmp_path)) == ["cancelled", "ok"]
    assert engine.is_free(within_s=20, every_s=2)


def test_the_speeds_that_a_running_server_has_learned_tell_the_time(
    gateway: Any, waypost_config: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "served.yaml"
    file.write_text(yaml.safe_dump({**waypost_config, "server": {"port": gateway.port}}))
    body = {"model": "alpha", "messages": [{"role": "user", "content": "word " * 600 + "count"}]}
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    connection.request("POST", "/v1/chat/completions", json.dumps(body), {"content-type": "application/json"})
    assert connection.getresponse().status == 200
    connection.close()
    result = probe("alpha", "-c", file, "--count", "7")
    assert result.exit_code == 1
    assert "unknown until" not in result.stderr
    assert re.search(r"time +\d+ s", result.stderr)


def test_a_model_that_no_server_runs_for_is_looked_at_and_not_loaded(tmp_path: Path) -> None:
    with in_thread(OllamaModel("qwen3:8b")) as ollama:
        file = tmp_path / "ollama.yaml"
        file.write_text(f"server: {{port: {free_port()}}}\ndiscovery: {{targets: [{{url: '{ollama.url}'}}]}}\n")
        result = probe("qwen3:8b", "-c", file, "--count", "7")
        assert "nothing was sent" in result.stderr
        assert ollama.loads == []


def test_where_there_is_no_engine_nothing_is_probed(nothing_here: Path) -> None:
    assert "no engine was found" in str(probe("anything", "-c", nothing_here, "--yes").exception)
