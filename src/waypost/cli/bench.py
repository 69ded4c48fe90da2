"""`waypost bench`."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterator
from itertools import count, islice
from typing import TYPE_CHECKING, TypeVar

import click

from waypost.cli.bench_faults import faultd_command, faults_command
from waypost.cli.number import Number
from waypost.cli.output import json_option, print_json

if TYPE_CHECKING:
    from waypost.fleet.view import FleetView

Given = TypeVar("Given")

# About a hundred tokens, as people write them.
_PROMPT = (
    "I have been reading about how the old lighthouse keepers kept their lamps burning through the winter storms, and I wonder "
    "what a normal day looked like for them: when they got up, what they ate, how often they had to climb the stairs with oil, "
    "and whether they were allowed to have their families there. Could you tell me about it in a few sentences, and say which "
    "parts of it we know from letters and which are only guesses by people who wrote about it later?"
)

# Ten that estimators know.
_MODELS = (
    *("gpt-4o", "gpt-4o-mini", "gpt-4-turbo", "claude-3-5-sonnet", "claude-3-haiku"),
    *("llama-3.1-8b-instruct", "llama-3.1-70b-instruct", "qwen2.5-7b-instruct", "mistral-large", "gemma-2-27b-it"),
)


@click.group()
def command() -> None:
    """Measure Waypost itself, and what a gateway makes of failing upstreams."""


command.add_command(faults_command)
command.add_command(faultd_command)


@command.command("decide")
@click.option(
    "--deployments", default=10, show_default=True, type=click.IntRange(1, 1000), help="How many there are to choose from."
)
@click.option("--repeat", default=2000, show_default=True, type=click.IntRange(10, 1_000_000), help="How many decisions.")
@click.option("--tokens", default=100, show_default=True, type=click.IntRange(1, 200_000), help="The prompt's length, about.")
@click.option("--one-engine", is_flag=True, help="All of them are models of one Ollama, which has room for two.")
@click.option("--cost-quality", type=Number(0, 1), help="The dial, for which the quality of each is estimated.")
@json_option
def decide_command(
    deployments: int, repeat: int, tokens: int, one_engine: bool, cost_quality: float | None, as_json: bool
) -> None:
    """How long a decision takes, from the Turn to the card, on one core. No prompt comes twice.

    JSON keys: prompt_tokens, deployments, one_engine, cost_quality, repeat, p50_us, p99_us, parse_p50_us.
    """
    import orjson

    from waypost.config.quality import QualitySettings
    from waypost.decide.decision import Artefacts, decide
    from waypost.decide.labels import TASKS
    from waypost.decide.policy import Policy, Route
    from waypost.decide.task_model import load_task_model
    from waypost.dialects.openai import parse
    from waypost.quality_source import QualitySource

    text = (_PROMPT * (tokens // 100 + 1))[: len(_PROMPT) * tokens // 100]
    numbered = (f"{text} {number:07}" for number in count())
    requests = (orjson.dumps({"model": "auto", "messages": [{"role": "user", "content": said}]}) for said in numbered)
    turns = (parse(raw, turn_id="bench") for raw in requests)
    view = _one_ollama(deployments) if one_engine else _places(deployments)
    policy = Policy("bench", {task: Route(task) for task in TASKS}, cost_quality=cost_quality)
    quality = QualitySource()
    quality.follow(QualitySettings(), policy)
    artefacts = Artefacts(load_task_model(), quality, quality)
    decided = _times_us(lambda turn: decide(turn, view, policy, artefacts), turns, repeat)
    parsed = _times_us(lambda raw: parse(raw, turn_id="bench"), requests, repeat)
    found = {
        "prompt_tokens": next(turns).prompt_tokens,
        "deployments": deployments,
        "one_engine": one_engine,
        "cost_quality": cost_quality,
        "repeat": repeat,
        "p50_us": round(statistics.median(decided), 1),
        "p99_us": round(statistics.quantiles(decided, n=100)[98], 1),
        "parse_p50_us": round(statistics.median(parsed), 1),
    }
    if as_json:
        print_json(found)
        return
    click.echo(
        f"{found['prompt_tokens']} tokens, {deployments} deployments{' of one engine' * one_engine}"
        f"{'' if cost_quality is None else f', the dial at {cost_quality:g}'}, {repeat} decisions: "
        f"p50 {found['p50_us']} µs, p99 {found['p99_us']} µs; parsing the request: p50 {found['parse_p50_us']} µs"
    )


def _places(deployments: int) -> FleetView:
    """Known models at places of their own, half of them elsewhere, of which nobody knows what is loaded."""
    from waypost.fleet.view import Capabilities, Deployment, FleetView, Price

    able = Capabilities(tools=True, vision=True)
    return FleetView(
        tuple(
            Deployment(
                *(f"d{n}", f"d{n}", "openai", _MODELS[n % len(_MODELS)], "openai", n % 2 == 0),
                capabilities=able,
                price=Price(1e-6 * (n + 1), 2e-6 * (n + 1)),
            )
            for n in range(deployments)
        )
    )


def _one_ollama(deployments: int) -> FleetView:
    """Models of one engine: two are loaded, and every other one would throw one of them out."""
    from waypost.fleet.view import Capabilities, Deployment, FleetView, Memory, Residency, Status

    able, numbers = Capabilities(tools=True, vision=True), range(deployments)
    window_tokens, size_bytes = 32_768, 5 << 30
    loads = [Residency("ollama", f"m{n}", size_bytes, 1.0, window_tokens, 4.0, 3, 900.0, 40.0, demand=0.1) for n in numbers]
    return FleetView(
        tuple(
            Deployment(f"d{n}", f"d{n}", "ollama_chat", f"m{n}", "ollama", True, capabilities=able, window_tokens=window_tokens)
            for n in numbers
        ),
        {f"d{n}": Status(up=True, loaded=n < 2, residency=loads[n]) for n in numbers},
        memories={"ollama": Memory(tuple(f"m{n}" for n in numbers[:2]), 2 * size_bytes)},
    )


def _times_us(work: Callable[[Given], object], given: Iterator[Given], repeat: int) -> list[float]:
    """Times of single runs, after a warm-up, without the garbage collector's pauses."""
    for one in islice(given, max(10, repeat // 20)):
        work(one)
    times = []
    gc.disable()
    try:
        for one in islice(given, repeat):
            started = time.perf_counter_ns()
            work(one)
            times.append((time.perf_counter_ns() - started) / 1000)
    finally:
        gc.enable()
    return times
