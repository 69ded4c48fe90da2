"""What a probe will take, told before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from waypost.errors import WaypostError
from waypost.probing.asking import Asker
from waypost.probing.prompts import ProbePrompt, ProbeSet

CLOUD_PARALLEL = 4
"""Calls at once to a deployment elsewhere that says nothing of it. A local one gets one after the other."""

THINKING_TOKENS = 1000
"""What a model that thinks is taken to think before it answers: an assumption, as it differs from model to model."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The prompts that a deployment can take, and what they take at most and by expectation. ``None`` is unknown.

    ``unfit`` are those that it cannot take (too long for its window, tools that it does not have), each with the reason.
    ``at_once`` is how many calls are made at the same time.
    """

    prompts: tuple[ProbePrompt, ...]
    unfit: Mapping[str, str]
    at_once: int
    prompt_tokens: int
    answer_tokens: int
    most_answer_tokens: int
    cost_usd: float | None
    most_cost_usd: float | None
    seconds: float | None

    def to_dict(self) -> dict[str, Any]:
        """Stable keys, for JSON."""
        return {
            "calls": len(self.prompts),
            "unfit": len(self.unfit),
            "at_once": self.at_once,
            "prompt_tokens": self.prompt_tokens,
            "answer_tokens": self.answer_tokens,
            "most_answer_tokens": self.most_answer_tokens,
            "cost_usd": self.cost_usd,
            "most_cost_usd": self.most_cost_usd,
            "seconds": self.seconds,
        }


def plan_of(asker: Asker, prompts: ProbeSet, speeds: Mapping[str, Any]) -> Plan:
    """What asking ``prompts`` would take. Nothing is sent.

    ``speeds`` are those that a running Waypost has learned of the deployment (`Residency`'s names); empty where none has.
    Raises the refusal where the deployment can take none of them.
    """
    fit, unfit, asked_tokens, refusal = [], dict[str, str](), 0, None
    for prompt in prompts.prompts:
        turn = asker.turn(prompt)
        try:
            asker.decision(turn)
        except WaypostError as error:
            unfit[prompt.id], refusal = error.message, error
            continue
        fit.append(prompt)
        asked_tokens += turn.prompt_tokens
    if refusal is not None and not fit:
        raise refusal
    deployment = asker.deployment
    thinking = THINKING_TOKENS if deployment.capabilities.reasoning else 0
    tokens, most = sum(min(asker.cap, one.answer_tokens + thinking) for one in fit), asker.cap * len(fit)
    price = deployment.price
    at_once = deployment.max_parallel or CLOUD_PARALLEL
    return Plan(
        tuple(fit),
        unfit,
        1 if deployment.local else at_once,
        asked_tokens,
        tokens,
        most,
        None if price is None else price.cost_usd(asked_tokens, tokens),
        None if price is None else price.cost_usd(asked_tokens, most),
        _seconds(asked_tokens, tokens, speeds),
    )


def _seconds(prompt_tokens: int, answer_tokens: int, speeds: Mapping[str, Any]) -> float | None:
    read, write = speeds.get("prompt_tokens_per_s"), speeds.get("answer_tokens_per_s")
    if not read or not write:
        return None
    return float(prompt_tokens / read + answer_tokens / write)
