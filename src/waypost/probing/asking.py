"""Asks one deployment the prompts of a probe, as any request is made and recorded; nobody stands in for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

import orjson

from waypost.decide.card import Decision
from waypost.decide.labels import DEFAULT_TASK
from waypost.dialects.openai import parse_body
from waypost.dispatch.events import Usage
from waypost.errors import NoDeployment, ProviderError, ProviderProtocolError, WaypostError
from waypost.fleet.deployment import Deployment
from waypost.probing.grading import Answer
from waypost.probing.prompts import ProbePrompt
from waypost.router import Router
from waypost.turn import Turn

CALLER = "waypost probe"
"""Who the ledger says has asked."""

MOST_PAUSES, MOST_PAUSE_S = 3, 60.0
"""How often a prompt waits for a rate limit or a cooldown to end, and for how long at most each time."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What became of one prompt. ``passed`` is ``None`` where the call failed, and ``error`` says how.

    ``cut``: the answer ended at its cap. ``seconds`` is how long the call took; tokens and dollars are ``None`` where unknown.
    """

    prompt: ProbePrompt
    task: str
    passed: bool | None
    seconds: float
    error: WaypostError | None = None
    cut: bool = False
    prompt_tokens: int | None = None
    answer_tokens: int | None = None
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Asker:
    """Puts prompts to ``deployment``, whose answers may have ``most_tokens``, thinking included."""

    router: Router
    deployment: Deployment
    most_tokens: int
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep

    @property
    def cap(self) -> int:
        """The most tokens of an answer: never more than half of a window, so that prompts have room as well."""
        window = self.deployment.window_tokens
        return self.most_tokens if window is None else max(1, min(self.most_tokens, window // 2))

    def turn(self, prompt: ProbePrompt) -> Turn:
        """The request for a prompt."""
        # OpenAI's newer models refuse the older name, and engines elsewhere do not all know the newer one.
        newer = self.deployment.provider in ("openai", "azure") and not self.deployment.local
        body: dict[str, Any] = {
            "model": self.deployment.id,
            "messages": [{"role": "user", "content": prompt.text}],
            "max_completion_tokens" if newer else "max_tokens": self.cap,
        }
        if prompt.tools:
            body["tools"] = list(prompt.tools)
        return replace(parse_body(body, turn_id=self.router.new_id()), caller=CALLER)

    def decision(self, turn: Turn) -> Decision:
        """The card with this deployment alone. Raises the refusal, where it cannot take the prompt now."""
        made = self.router.decide(turn)
        made.raise_if_refused()
        alone = tuple(candidate for candidate in made.candidates if candidate.deployment == self.deployment.id)
        if not alone:  # the config has others stand in for it
            why = next((removal.reason for removal in made.removed if removal.deployment == self.deployment.id), "is not there")
            raise NoDeployment(f"{self.deployment.id} cannot be asked now: {why}")
        return replace(made, candidates=alone)

    async def ask(self, prompt: ProbePrompt) -> Asked:
        """Makes the call and grades the answer. A call that fails is no wrong answer: its error is kept instead.

        Where it is known how long the deployment wants to be left alone, it is, and asked again.
        """
        found = await self._once(prompt)
        for _ in range(MOST_PAUSES):
            error = found.error
            pause_s = error.retry_after_s if isinstance(error, NoDeployment | ProviderError) else None
            if pause_s is None or pause_s > MOST_PAUSE_S:
                break
            await self.sleep(pause_s)
            found = await self._once(prompt)
        return found

    async def _once(self, prompt: ProbePrompt) -> Asked:
        turn, started = self.turn(prompt), self.router.clock()
        task = prompt.task
        try:
            decision = self.decision(turn)
            task = task or decision.task.task or DEFAULT_TASK
            exchange = await self.router.open(turn, decision, self.router.view(), started=started)
            async with aclosing(exchange):
                payload = exchange.whole()[0]
            answer = _answer(payload)
        except WaypostError as error:
            return Asked(prompt, task, None, self.router.clock() - started, error)
        last = exchange.attempts[-1]
        used = last.usage or Usage()
        return Asked(
            prompt,
            task,
            prompt.passes(answer),
            self.router.clock() - started,
            cut=last.finish_reason == "length",
            prompt_tokens=used.prompt_tokens,
            answer_tokens=used.completion_tokens,
            cost_usd=last.cost_usd,
        )


def _answer(payload: bytes) -> Answer:
    try:
        completion: Mapping[str, Any] = orjson.loads(payload)
        return Answer.of(completion)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        raise ProviderProtocolError("the answer is no chat completion with a message in it") from None
