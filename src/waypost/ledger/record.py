"""What the ledger is given: how a decision turned out."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from waypost.decide.card import Decision
from waypost.dispatch.attempt import Attempt, CacheUse
from waypost.dispatch.events import Usage
from waypost.turn import Audio, File, Image, Turn
from waypost.value import value

OutcomeStatus = Literal["ok", "partial", "failed", "refused", "cancelled"]

NEEDS = ("image", "image_asked", "audio", "file", "tools", "tool_result", "json_schema", "private", "vectors")
"""What besides its text a request may ask for: with the card, enough to decide on it again."""

_INPUTS = {Image: "image", Audio: "audio", File: "file"}


@value(frozen=True, slots=True)
class PromptDigest:
    """What is known of a prompt without its text. ``hash`` tells equal prompts of one ledger apart from others.

    ``needs`` are some of ``NEEDS``; ``answer_cap`` is the caller's, in tokens. The others are those of the turn.
    """

    hash: str
    chars: int
    messages: int
    needs: tuple[str, ...] = ()
    answer_cap: int | None = None
    channel: str | None = None
    background: str | None = None
    cost_quality: float | None = None

    @classmethod
    def of(cls, turn: Turn, salt: bytes) -> PromptDigest:
        """The digest of a turn's roles and texts.

        The hash is an HMAC-SHA256 under the ledger's own salt: without it, hashes of common prompts would tell who asked what.
        """
        said, chars = [], 0
        for message in turn.messages:
            text = message.text
            encoded = text.encode("utf-8", "surrogatepass")
            said.append(b"%s %d:%s" % (message.role.encode(), len(encoded), encoded))
            chars += len(text)
        return cls(
            hmac.digest(salt, b"".join(said), "sha256").hex(),
            chars,
            len(turn.messages),
            _needs(turn),
            turn.answer_tokens,
            turn.channel,
            turn.background,
            turn.cost_quality,
        )


def _needs(turn: Turn) -> tuple[str, ...]:
    inputs = turn.inputs
    found = sorted([_INPUTS[kind] for kind in inputs]) if inputs else []
    if Image in inputs and turn.asks_about_image:
        found.append("image_asked")
    if turn.needs_tools:
        found.append("tools")
    if turn.tool_loop_open:
        found.append("tool_result")
    if turn.response_format == "json_schema":
        found.append("json_schema")
    if turn.private:
        found.append("private")
    if turn.mode == "embedding":
        found.append("vectors")
    return tuple(found)


# Nobody changes one. It is not frozen, as there is one for each request: making it would take three times as long.
@dataclass(slots=True, kw_only=True)
class Outcome:
    """What became of a decision.

    ``started_at`` is Unix time; durations are seconds. ``status``: ``ok``; ``partial``, an answer that broke off after its
    first output; ``failed``; ``refused`` by guards or rules, nothing was called; ``cancelled`` by the client. ``error`` is a
    code of ``waypost.errors``. ``deployment`` is who answered. ``usage`` is that of the answer; ``cost_usd`` is the
    ``known_cost`` of the attempts (0 where the cache answered). ``cache`` is the ``state`` of a `CacheUse`, ``None`` where
    the cache had no part. ``text`` is set only where storing prompts is switched on.
    """

    decision: Decision
    started_at: float
    duration_s: float
    status: OutcomeStatus
    http_status: int
    dialect: str
    stream: bool
    prompt: PromptDigest
    attempts: tuple[Attempt, ...] = ()
    first_output_s: float | None = None
    error: str | None = None
    deployment: str | None = None
    finish_reason: str | None = None
    usage: Usage | None = None
    cost_usd: float | None = None
    session: str | None = None
    caller: str | None = None
    simulated: bool = False
    cache: str | None = None
    text: str | None = field(default=None, repr=False)

    @property
    def id(self) -> str:
        """The decision's."""
        return self.decision.id


def known_cost(attempts: Iterable[Attempt], cache: CacheUse | None = None) -> float | None:
    """The sum of the costs that are known: failed attempts cost money too. ``None`` if no cost is known.

    An answer that the cache gave costs nothing.
    """
    if cache is not None and cache.deployment is not None:
        return 0.0
    costs = [attempt.cost_usd for attempt in attempts if attempt.cost_usd is not None]
    return sum(costs) if costs else None
