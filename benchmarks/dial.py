"""Where the dial sends real traffic: two real engines behind the real server, and a mixed set of prompts.

    PYTHONPATH=tests python benchmarks/dial.py [--strong MODEL] [--weak MODEL] [--artefact FOLDER] [--json FILE]

Two llama.cpp servers with tiny models stand for a dear and a cheap model: they answer under the names of these, so that Waypost
estimates what those would do, and their prices are the ones given. For each setting of the dial every prompt is sent once. It
prints the share of calls that the strong one answered, the quality that was expected of the answers, what they were expected to
cost and what they did cost; the last is of the tiny models' short answers. Run it from a checkout.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

import aiohttp

from engines.gateway import start_waypost
from engines.llamacpp import start_llamacpp

ROOT = Path(__file__).parents[1]
DIALS = tuple(n / 10 for n in range(11))
# US dollars a million tokens, in and out: as providers list GPT-4o and Llama 3.1 8B.
PRICES = {"strong": (2.5, 10.0), "weak": (0.05, 0.08)}
CALLERS = 4


def config(models: dict[str, str], addresses: dict[str, str], folder: Path, artefact: Path | None) -> dict[str, Any]:
    """Both deployments, with prices, and nothing said of their quality."""
    return {
        "model_list": [
            {
                "model_name": name,
                "litellm_params": {"model": f"openai/{model}", "api_base": addresses[name]},
                "model_info": {
                    "input_cost_per_token": PRICES[name][0] / 1e6,
                    "output_cost_per_token": PRICES[name][1] / 1e6,
                },
            }
            for name, model in models.items()
        ],
        "quality": {} if artefact is None else {"artefact": str(artefact.resolve())},
        "ledger": {"path": str(folder / "ledger.db")},
    }


async def ask(session: aiohttp.ClientSession, url: str, prompt: str, dial: float) -> dict[str, Any]:
    """Who answered, what was expected of that and what it cost; the quality that is expected of each is that of the dial 1."""
    body = {"model": f"auto@{dial}", "messages": [{"role": "user", "content": prompt}]}
    async with session.post(f"{url}/route", json={**body, "model": "auto@1"}) as card:
        estimates = {one["deployment"]: one["expected_quality"] for one in (await card.json())["candidates"]}
    async with session.post(f"{url}/chat/completions", json=body, headers={"x-waypost-card": "true"}) as answer:
        said = await answer.json()
        if answer.status != 200:
            raise SystemExit(f"{answer.status}: {said}")
        first = said["waypost"]["candidates"][0]
        paid = float(answer.headers["x-waypost-cost-usd"])
        quality = estimates[first["deployment"]]
        return {
            "deployment": answer.headers["x-waypost-deployment"],
            "quality": None if quality is None else quality["mean"],
            "expected_usd": first["expected_cost_usd"],
            "paid_usd": paid,
        }


async def play(url: str, prompts: list[str], dial: float) -> dict[str, Any]:
    """Every prompt once, at one setting of the dial."""
    gate = asyncio.Semaphore(CALLERS)

    async def one(prompt: str) -> dict[str, Any]:
        async with gate:
            return await ask(session, url, prompt, dial)

    async with aiohttp.ClientSession() as session:
        answers = await asyncio.gather(*map(one, prompts))
    qualities = [a["quality"] for a in answers if a["quality"] is not None]
    return {
        "dial": dial,
        "strong_share": statistics.mean(a["deployment"] == "strong" for a in answers),
        "expected_quality": statistics.mean(qualities) if qualities else None,
        "expected_usd_per_1000": 1000 * statistics.mean(a["expected_usd"] for a in answers),
        "paid_usd_per_1000": 1000 * statistics.mean(a["paid_usd"] for a in answers),
    }


def table(rows: list[dict[str, Any]]) -> str:
    """The rows in Markdown."""
    lines = ["| dial | strong calls | expected quality | expected $ / 1000 | paid $ / 1000 |", "|---|---|---|---|---|"]
    for row in rows:
        quality = "not estimated" if row["expected_quality"] is None else f"{row['expected_quality']:.3f}"
        money = f"{row['expected_usd_per_1000']:.3f} | {row['paid_usd_per_1000']:.4f}"
        lines.append(f"| {row['dial']:g} | {row['strong_share']:.0%} | {quality} | {money} |")
    return "\n".join(lines)


def main() -> None:
    """Starts everything, asks, prints, and ends what it started."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strong", default="gpt-4o", help="the model that the dear engine stands for")
    parser.add_argument("--weak", default="llama-3.1-8b-instruct", help="the model that the cheap engine stands for")
    parser.add_argument("--prompts", type=Path, default=ROOT / "tests" / "data" / "prompts_100.jsonl")
    parser.add_argument("--artefact", type=Path, help="what `waypost train quality` wrote, instead of what is shipped")
    parser.add_argument("--json", type=Path, help="write the rows here")
    given = parser.parse_args()
    asked = [json.loads(line) for line in given.prompts.read_text().splitlines()]
    prompts = [one["text"] for one in asked if not one.get("has_image")]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        started = []
        try:
            engines = {name: start_llamacpp(folder, name) for name in PRICES}
            started += engines.values()
            addresses = {name: engine.base_url for name, engine in engines.items()}
            server = start_waypost(
                folder, config({"strong": given.strong, "weak": given.weak}, addresses, folder, given.artefact)
            )
            started.append(server)
            rows = [asyncio.run(play(server.base_url, prompts, dial)) for dial in DIALS]
        finally:
            for one in reversed(started):
                one.stop()
    print(f"{len(prompts)} prompts, {given.strong} or {given.weak}\n\n{table(rows)}")
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
