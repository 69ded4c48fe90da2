"""Serve, explore, rate, ask what other rules would have done, and train on it: the real server in front of real engines."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from click.testing import CliRunner

from engines.gateway import fleet_config
from engines.llamacpp import LlamaCpp
from engines.process import ServerProcess
from waypost.cli import group

ServeWaypost = Callable[..., ServerProcess]

REQUESTS, PROMPTS = 600, 60
"""Of so many requests some 60 are drawn; fewer than the 30 that it takes come once in 50,000 runs."""


def config(folder: Path, engines: dict[str, str], *order: str, explore: float = 0.0) -> dict[str, Any]:
    made = fleet_config(folder, engines)
    for entry, usd in zip(made["model_list"], (1e-6, 1e-5), strict=True):
        entry["model_info"] |= {"input_cost_per_token": usd, "output_cost_per_token": usd}
    return {
        **made,
        "routes": {"chat": {"candidates": list(order), "explore": explore}},
        "ledger": {**made["ledger"], "store_prompts": True},
    }


def ask_and_rate(client: httpx.Client, number: int) -> str:
    """Who answered; what ``beta`` says is rated 1, what ``alpha`` says 0."""
    body = {"model": "chat", "messages": [{"role": "user", "content": f"hello {number % PROMPTS}"}], "max_tokens": 1}
    answer = client.post("/v1/chat/completions", json=body)
    by = answer.headers["x-waypost-deployment"]
    rating = {"decision": answer.headers["x-waypost-decision"], "score": int(by == "beta")}
    assert client.post("/v1/feedback", json=rating).status_code == 200
    return by


def command(*arguments: str) -> Any:
    result = CliRunner().invoke(group, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_what_users_rate_while_a_route_explores_judges_other_rules_and_is_outcomes_to_learn_from(
    waypost_server: ServeWaypost, llamacpp: LlamaCpp, llamacpp_beta: LlamaCpp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engines = {engine.model: engine.base_url for engine in (llamacpp, llamacpp_beta)}
    now, new = tmp_path / "now.yaml", tmp_path / "new.yaml"
    now.write_text(yaml.safe_dump(config(tmp_path, engines, "alpha", "beta", explore=0.2)))
    new.write_text(yaml.safe_dump(config(tmp_path, engines, "beta", "alpha")))
    server = waypost_server(yaml.safe_load(now.read_text()))
    with httpx.Client(base_url=server.url, trust_env=False, timeout=60) as client, ThreadPoolExecutor(4) as pool:
        answered = list(pool.map(lambda number: ask_and_rate(client, number), range(REQUESTS)))
    drawn = answered.count("beta")
    monkeypatch.chdir(tmp_path)
    report = command("whatif", "--policy", "new.yaml", "-c", "now.yaml", "--resample", "200")
    assert report["decisions"] == {"found": REQUESTS, "replayed": REQUESTS, "left_out": {}}
    assert report["moves"] == [{"from": "alpha", "to": "beta", "decisions": REQUESTS - drawn}]
    assert report["again"] == {"decisions": REQUESTS, "same": REQUESTS}
    assert report["quality"]["drawn"] == drawn
    assert report["quality"]["old"]["value"] == pytest.approx(drawn / REQUESTS, abs=1e-4)
    assert report["quality"]["weighted"]["value"] == 1.0
    assert report["quality"]["new"]["ci95"][0] > report["quality"]["old"]["ci95"][1]
    told = command("log", "export", "--outcomes", "rated.jsonl", "-c", "now.yaml")
    assert (told["prompts"], told["models"], told["unrated"], told["without_text"]) == (PROMPTS, ["alpha", "beta"], 0, 0)
    judged = command("eval", "quality", "rated.jsonl", "--policy", "best_single", "--resample", "50", "--perturb", "0")
    assert judged["n"] == PROMPTS
    assert judged["models"]["beta"]["quality"] == 1.0
    assert judged["best_single"]["model"] == "beta"
