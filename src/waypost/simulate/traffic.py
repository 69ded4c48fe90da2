"""The conversations of a simulation: the same ones for every policy."""

from __future__ import annotations

import random
from dataclasses import dataclass

from waypost.simulate.scenario import Scenario, SessionBlock
from waypost.turn import EMPTY, Image, Message, Text, Turn


@dataclass(frozen=True, slots=True)
class Session:
    """A conversation: when its first turn comes, its turns, and the pause before each."""

    id: str
    starts_s: float
    turns: tuple[Turn, ...]
    pauses_s: tuple[float, ...]


def traffic(scenario: Scenario, requests: int, seed: int) -> list[Session]:
    """At least so many requests, in conversations that begin at random (a Poisson process), with exponential pauses."""
    rng = random.Random(seed)  # noqa: S311 - chance, not secrets
    kinds = scenario.sessions
    weights = [kind.weight for kind in kinds]
    sessions: list[Session] = []
    now, count = 0.0, 0
    while count < requests:
        now += rng.expovariate(scenario.sessions_per_hour / 3600)
        (kind,) = rng.choices(kinds, weights)
        turns = _turns(f"s{len(sessions)}", kind, scenario, rng)
        pauses = tuple(rng.expovariate(1 / scenario.think_s) for _ in turns)
        sessions.append(Session(f"s{len(sessions)}", now, turns, pauses))
        count += len(turns)
    return sessions


def _turns(session: str, kind: SessionBlock, scenario: Scenario, rng: random.Random) -> tuple[Turn, ...]:
    """The turns of one conversation: each brings the whole of it, but for images, which clients send once."""
    length = rng.randint(*kind.turns)
    routes = rng.choices(list(kind.routes), list(kind.routes.values()), k=length)
    if kind.first is not None:
        routes[0] = kind.first
    made: list[Turn] = []
    history: tuple[Message, ...] = ()
    said = 0
    for number, name in enumerate(routes):
        route = scenario.routes[name]
        words = Text("word" * route.message_tokens)  # four characters each
        asked = Message("user", (words, Image(inline=True)) if route.image else (words,))
        prompt_tokens = route.prompt_tokens + route.message_tokens + said
        made.append(
            Turn(
                id=f"{session}.{number}",
                model=name,
                messages=(*history, asked),
                body=EMPTY,
                stream=True,
                prompt_tokens=prompt_tokens,
                answer_tokens=route.answer_tokens,
                session=session,
            )
        )
        history = (*history, Message("user", (words,)), Message("assistant", (Text("answer"),)))
        said += route.message_tokens + route.answer_tokens
    return tuple(made)
