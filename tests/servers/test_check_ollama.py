"""The check of a running Ollama: all of it holds on the Ollama for tests, and a server that differs is found out."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from engines.llamacpp import LlamaCpp
from servers import check_ollama
from servers.check_ollama import checked
from servers.clocks import ScaledClock
from servers.ollama_facts import FACTS
from servers.ollama_server import Answer, OllamaModel, OllamaSettings, in_thread, serve

COMMAND = Path(check_ollama.__file__)


def says(body: Any) -> Answer:
    if body.get("tools"):
        return Answer(tool_calls=[("get_weather", {"city": "Paris"})])
    asked = str(body["messages"][-1]["content"] if "messages" in body else body["prompt"])
    return Answer(" ".join(map(str, range(1, 101))) if "Count" in asked else "Hi.", thinking="Let me see.")


def quick(name: str, *capabilities: str) -> OllamaModel:
    """A model that answers at once and is loaded in the twinkling of an eye."""
    return OllamaModel(name, says, capabilities, load_s=0.05, prompt_tokens_per_s=1e6, answer_tokens_per_s=1e4)


CLEVER = quick("clever", "completion", "tools", "thinking")
PLAIN = quick("plain", "completion", "embedding")


def outcomes(found: list[tuple[str, str, str]]) -> dict[str, int]:
    return dict(Counter(outcome for _, outcome, _ in found))


async def test_every_fact_holds_on_the_ollama_for_tests() -> None:
    tried = set()
    for model in (CLEVER, PLAIN):
        async with serve(model, clock=ScaledClock()) as ollama:
            found = await checked(ollama.url, model.name)
        assert [row for row in found if row[1] == "differs"] == []
        tried |= {sentence for sentence, outcome, _ in found if outcome == "ok"}
    assert tried == {sentence for sentence, _ in FACTS}


async def test_the_facts_hold_in_front_of_a_real_llamacpp(llamacpp: LlamaCpp) -> None:
    # Its tokenizer knows few words: a token is about a byte and a half.
    model = OllamaModel("alpha", runner=llamacpp.base_url, load_s=0.05, bytes_per_token=1.5)
    async with serve(model, clock=ScaledClock()) as ollama:
        found = await checked(ollama.url, "alpha")
    assert [row for row in found if row[1] == "differs"] == []
    assert outcomes(found)["ok"] >= 22


async def test_a_server_that_differs_is_found_out() -> None:
    async with serve(CLEVER, settings=OllamaSettings(adopts_loaded=False), clock=ScaledClock()) as ollama:
        found = await checked(ollama.url, "clever")
    assert [sentence for sentence, outcome, _ in found if outcome == "differs"] == ["no num_ctx: the loaded window stays"]


@pytest.mark.parametrize(("adopts", "code", "last"), [(True, 0, "0 differs"), (False, 1, "1 differs")])
def test_the_command_prints_a_line_for_each_fact(adopts: bool, code: int, last: str) -> None:
    settings = OllamaSettings(adopts_loaded=adopts)
    with in_thread(CLEVER, settings=settings, clock=ScaledClock()) as ollama:
        done = subprocess.run([sys.executable, str(COMMAND), ollama.url, "clever"], capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    assert (done.returncode, len(lines)) == (code, len(FACTS) + 1), done.stderr
    assert last in lines[-1]


def test_the_command_says_when_nobody_answers() -> None:
    command = [sys.executable, str(COMMAND), "http://127.0.0.1:9", "clever"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, "cannot ask http://127.0.0.1:9 about clever" in done.stderr) == (1, True)
