"""`waypost route`."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from waypost.cli.number import Number
from waypost.cli.output import config_option, console, json_option, print_json

if TYPE_CHECKING:
    from waypost.decide.card import Decision
    from waypost.decide.explanation import Explanation

# A picture of one point: enough to say that a prompt of a file came with an image.
_POINT = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
_TOOL = {"type": "function", "function": {"name": "do", "description": "does what was asked", "parameters": {"type": "object"}}}


@click.command()
@click.argument("text", required=False)
@config_option
@click.option("-m", "--model", default="auto", show_default=True, help="The model name that the client would send.")
@click.option(
    "--cost-quality", type=Number(0, 1), help="As if the caller had set the dial: 0 for the cheapest, 1 for the best."
)
@click.option("--image", is_flag=True, help="As if an image came with the prompt.")
@click.option("--tools", is_flag=True, help="As if tools were offered.")
@click.option("--private", is_flag=True, help="As if the caller had asked for local deployments only.")
@click.option("--explain", is_flag=True, help="Say what each word and fact did for the task.")
@click.option(
    "--file", "prompts", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Prompts, one JSON object a line."
)
@json_option
def command(
    text: str | None,
    path: Path | None,
    model: str,
    cost_quality: float | None,
    image: bool,
    tools: bool,
    private: bool,
    explain: bool,
    prompts: Path | None,
    as_json: bool,
) -> None:
    """Decide where TEXT would go, and why, without sending it.

    TEXT may be `-` for standard input. With `--file`, every line is an object with `text`, and may have `has_image`,
    `has_tools` and, to be judged by, `label` and `accept` (a list of labels that are right as well).

    JSON keys of one decision: those of the decision card (docs/decision-card.md), and with `--explain` explanation. Of a
    file: n, labelled, accuracy, macro_f1, per_class, false_action_rate, false_actions, action_recall, abstain_rate, routes,
    refused, latency_us, decisions.

    Exit code 1 if the one decision is a refusal.
    """
    if (text is None) == (prompts is None):
        raise click.UsageError("give a prompt, or --file")
    if prompts is not None:
        if image or tools or private or explain:
            raise click.UsageError("--image, --tools, --private and --explain are for one prompt")
        _many(prompts, path, model, _headers(private=False, cost_quality=cost_quality), as_json)
        return
    given = (sys.stdin.buffer.read() if text == "-" else os.fsencode(text or "")).decode(errors="replace")
    from waypost.cli.local_router import local_router

    router = asyncio.run(local_router(path))
    asked = {"model": model, "headers": _headers(private, cost_quality), **_offered(tools)}
    decision = router.route(_messages(given, image), **asked)
    explanation = router.explain(_messages(given, image), **asked) if explain else None
    if as_json:
        print_json(decision.to_dict() | ({"explanation": explanation.to_dict()} if explanation else {}))
    else:
        _print_card(decision, explanation)
    if decision.refusal is not None:
        raise SystemExit(1)


def _headers(private: bool, cost_quality: float | None) -> dict[str, str]:
    dial = {} if cost_quality is None else {"x-waypost-cost-quality": f"{cost_quality!r}"}
    return {**dial, **({"x-waypost-private": "true"} if private else {})}


def _messages(text: str, image: bool, earlier: int = 0) -> list[dict[str, Any]]:
    """The prompt, after as many earlier messages; what those said is not known."""
    parts = [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": _POINT}}]
    return [{"role": "user", "content": ""}] * earlier + [{"role": "user", "content": parts if image else text}]


def _offered(tools: bool) -> dict[str, Any]:
    return {"tools": [_TOOL]} if tools else {}


def _print_card(decision: Decision, explanation: Explanation | None) -> None:
    from waypost.cli.card_view import print_card, print_explanation

    print_card(console(), decision.to_dict())
    if explanation is not None:
        print_explanation(console(), explanation)


def _many(prompts: Path, path: Path | None, model: str, headers: dict[str, str], as_json: bool) -> None:
    from waypost.cli.local_router import local_router
    from waypost.cli.prompt_file import Prompt, decide_all, print_summary, read_prompts

    listed = read_prompts(prompts)
    router = asyncio.run(local_router(path))

    def decide(prompt: Prompt) -> Decision:
        messages = _messages(prompt.text, bool(prompt.has_image), earlier=(prompt.n_turns or 1) - 1)
        return router.route(messages, model=model, headers=headers, **_offered(bool(prompt.has_tools)))

    result = decide_all(listed, decide, console(stderr=True))
    if as_json:
        print_json(result)
    else:
        print_summary(console(), result)
