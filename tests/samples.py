"""Turns, deployments and policies for tests, each with one thing said and the rest at its default."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from waypost.decide.decision import Artefacts
from waypost.decide.explanation import Explanation
from waypost.decide.policy import Policy, Route
from waypost.decide.quality import QualityEstimate
from waypost.decide.task import TASKS, TaskScores
from waypost.fleet.deployment import Capabilities, Deployment, Status
from waypost.fleet.view import FleetView
from waypost.turn import Image, Message, Text, Tool, ToolCall, Turn

ABLE = Capabilities(tools=True, vision=True, audio=True, files=True, structured_output=True, reasoning=True)
WEATHER = Tool("get_weather", "weather of a city", {"type": "object"})


def turn(text: str = "hello", **fields: Any) -> Turn:
    """A turn with one user message."""
    messages = fields.pop("messages", (Message("user", (Text(text),)),))
    body = {"model": fields.get("model", "auto"), "messages": [{"role": "user", "content": text}]}
    return Turn(**{"id": "t1", "model": "auto", "messages": messages, "body": body, "prompt_tokens": 10, **fields})


def image_turn(**fields: Any) -> Turn:
    """An image in the first message, and a plain question after it."""
    first = Message("user", (Text("look"), Image(inline=True)))
    return turn(messages=(first, Message("assistant", (Text("a cat"),)), Message("user", (Text("and its colour?"),))), **fields)


def tool_loop_turn(**fields: Any) -> Turn:
    """A tool has just answered."""
    call = Message("assistant", tool_calls=(ToolCall("c1", "get_weather", "{}"),))
    result = Message("tool", (Text("sunny"),), tool_call_id="c1")
    return turn(messages=(Message("user", (Text("weather?"),)), call, result), **fields)


def deployment(name: str, **fields: Any) -> Deployment:
    """A local deployment that can do everything in an unknown window."""
    given = {
        "group": name,
        "provider": "openai",
        "model": name,
        "lane": "openai",
        "local": True,
        "capabilities": ABLE,
        **fields,
    }
    return Deployment(id=name, **given)


def fleet(*deployments: Deployment, **statuses: Status) -> FleetView:
    """A view of these deployments; statuses by id, with ``_`` for ``-``."""
    return FleetView(deployments, {name.replace("_", "-"): status for name, status in statuses.items()})


def policy(**fields: Any) -> Policy:
    """A policy whose six routes hold everything, changed by ``fields``; ``routes`` adds to the six."""
    routes = {task: Route(task) for task in TASKS} | fields.pop("routes", {})
    return replace(Policy("p1", routes), **fields)


class FixedTask:
    """A task model that always says the same: what a decision does with scores is the subject, not the scores."""

    version = "fixed"

    def __init__(self, task: str | None, confidence: float = 0.9) -> None:
        rest = (1 - confidence) / (len(TASKS) - 1)
        best = task or "reasoning"
        self._scores = TaskScores({t: confidence if t == best else rest for t in TASKS}, task)

    def predict(self, turn: Turn) -> TaskScores:
        """The same scores for every turn."""
        del turn
        return self._scores

    def explain(self, turn: Turn) -> Explanation:
        """Nothing to say."""
        del turn
        return Explanation("chat", "memory", ())


def artefacts(task: str | None = "chat", confidence: float = 0.9, **learned: Any) -> Artefacts:
    """Artefacts whose task model always says ``task``; ``learned`` are the other ones."""
    return Artefacts(FixedTask(task, confidence), **learned)


class FixedQuality:
    """A quality estimator that knows the mean of some deployments, by id, each within ``spread``."""

    version = "q1"

    def __init__(self, spread: float = 0.05, **means: float) -> None:
        self._estimates = {
            name.replace("_", "-"): QualityEstimate(mean, max(0.0, mean - spread), min(1.0, mean + spread), 100)
            for name, mean in means.items()
        }
        self.asked: list[tuple[str, ...]] = []

    def estimate(self, turn: Turn, deployments: Sequence[Deployment], task: TaskScores) -> list[QualityEstimate | None]:
        """The same for every turn."""
        del turn, task
        self.asked.append(tuple(one.id for one in deployments))
        return [self._estimates.get(one.id) for one in deployments]
