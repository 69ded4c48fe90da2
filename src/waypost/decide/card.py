"""The decision card: what was decided, and why not otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any

import orjson

from waypost.decide.policy import Verify
from waypost.decide.quality import QualityEstimate
from waypost.decide.task import TaskScores
from waypost.errors import NoDeployment, WaypostError
from waypost.known_settings import SYSTEM_PREFIX
from waypost.turn import empty
from waypost.value import value

CARD_VERSION = 1


@value(frozen=True, slots=True)
class Candidate:
    """A deployment that may answer, in its place in the queue, with the settings that this route gives it.

    ``last_resort``: it is asked although it is down or cools, as everybody else is or does too. ``expected_wait_s`` is how long
    it would probably take to the first output of a stream, or to the whole of another answer. ``loads``: its engine would have
    to load the model first. ``expected_quality`` is how good its answer would probably be, and ``expected_answer_tokens`` how
    long, thinking included. All four are ``None`` where that is not known or nobody had to know it.
    """

    deployment: str
    group: str
    provider: str
    model: str
    reason: str
    settings: Mapping[str, Any] = field(default_factory=empty)
    fallback: bool = False
    expected_cost_usd: float | None = None
    last_resort: bool = False
    expected_wait_s: float | None = None
    loads: bool | None = None
    expected_quality: QualityEstimate | None = None
    expected_answer_tokens: int | None = None
    _json: orjson.Fragment | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def simulated(self) -> bool:
        """No model is behind it."""
        return self.provider == "simulated"

    def to_dict(self) -> dict[str, Any]:
        """Stable keys, for JSON."""
        return {
            "deployment": self.deployment,
            "group": self.group,
            "provider": self.provider,
            "model": self.model,
            "reason": self.reason,
            "settings": _shown(self.settings) if self.settings else {},
            "fallback": self.fallback,
            "expected_cost_usd": self.expected_cost_usd,
            "last_resort": self.last_resort,
            "expected_wait_s": None if self.expected_wait_s is None else round(self.expected_wait_s, 3),
            "loads": self.loads,
            "expected_quality": None if self.expected_quality is None else _estimated(self.expected_quality),
            "expected_answer_tokens": self.expected_answer_tokens,
        }

    def to_json(self) -> orjson.Fragment:
        """`to_dict` as JSON, made once: many decisions have a candidate in common."""
        found = self._json
        if found is None:
            found = orjson.Fragment(orjson.dumps(self.to_dict(), default=dict))
            object.__setattr__(self, "_json", found)
        return found


def _estimated(quality: QualityEstimate) -> dict[str, Any]:
    bounds = {"mean": quality.mean, "lower": quality.lower, "upper": quality.upper}
    return {**{name: round(value, 4) for name, value in bounds.items()}, "n": quality.n}


def _shown(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Cards go to clients and into the ledger: the text of a system prefix does not."""
    prefix = settings.get(SYSTEM_PREFIX)
    return {**settings, SYSTEM_PREFIX: f"({len(prefix)} characters)"} if isinstance(prefix, str) else dict(settings)


@value(frozen=True, slots=True)
class Removal:
    """A deployment that may not answer, and the guard that says so, in words for the user."""

    deployment: str
    guard: str
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Stable keys, for JSON."""
        return {"deployment": self.deployment, "guard": self.guard, "reason": self.reason}


@value(frozen=True, slots=True)
class Refusal:
    """Why there is no candidate: the error that the caller gets."""

    error: type[WaypostError]
    message: str
    param: str | None = None
    retry_after_s: float | None = None


@value(frozen=True, slots=True)
class Decision:
    """What should be done with a turn: candidates in order, and a reason for everything.

    ``route`` is ``None`` where the caller named a deployment. With no candidate, ``refusal`` says why. ``verify`` says what of
    the answer is checked before it goes out. ``ignored`` is what the client set and the first candidate does not get.
    ``cost_quality`` is the dial and ``quality_floor`` the floor that ordered the candidates; ``None`` where none did.
    ``propensity`` is the probability with which the first candidate is the first, given all else on the card; ``explored`` says
    that chance put it there. ``quality_version`` names the weights of the estimates; ``None`` where nobody had to estimate.
    """

    id: str
    requested: str
    route: str | None
    reason: str
    task: TaskScores
    candidates: tuple[Candidate, ...]
    removed: tuple[Removal, ...]
    prompt_tokens: int
    answer_tokens: int
    policy_version: str
    artefact_version: str
    refusal: Refusal | None = None
    verify: Verify = "off"
    ignored: tuple[str, ...] = ()
    cost_quality: float | None = None
    quality_floor: float | None = None
    propensity: float = 1.0
    explored: bool = False
    quality_version: str | None = None

    def candidate(self, deployment: str) -> Candidate:
        """The candidate that stands for a deployment of this decision."""
        return next(candidate for candidate in self.candidates if candidate.deployment == deployment)

    def raise_if_refused(self) -> None:
        """Raises the refusal's error, if there is one."""
        if self.refusal is None:
            return
        error = self.refusal.error(self.refusal.message)
        error.param = self.refusal.param
        if isinstance(error, NoDeployment):
            error.retry_after_s = self.refusal.retry_after_s
        raise error

    def to_dict(self, *, explained: bool = True) -> dict[str, Any]:
        """The card as JSON; its keys are documented in ``docs/decision-card.md`` and change only with ``card_version``.

        Without ``explained``, what takes longer to find than the decision itself is ``None``.
        """
        return self._card([candidate.to_dict() for candidate in self.candidates], explained=explained)

    def to_json(self, *, explained: bool = True) -> bytes:
        """`to_dict` as JSON. Raises `TypeError` where JSON does not know a setting."""
        return orjson.dumps(self._card([candidate.to_json() for candidate in self.candidates], explained=explained))

    def _card(self, candidates: Sequence[Any], *, explained: bool) -> dict[str, Any]:
        chosen = self.candidates[0] if self.candidates else None
        return {
            "card_version": CARD_VERSION,
            "id": self.id,
            "requested": self.requested,
            "route": self.route,
            "reason": self.reason,
            "deployment": chosen.deployment if chosen else None,
            "task": self.task.to_dict(explained=explained),
            "candidates": candidates,
            "removed": [removal.to_dict() for removal in self.removed],
            "prompt_tokens": self.prompt_tokens,
            "answer_tokens": self.answer_tokens,
            "policy_version": self.policy_version,
            "artefact_version": self.artefact_version,
            "verify": self.verify,
            "ignored": list(self.ignored),
            "cost_quality": self.cost_quality,
            "quality_floor": self.quality_floor,
            "propensity": self.propensity,
            "explored": self.explored,
            "quality_version": self.quality_version,
            "refusal": {"code": self.refusal.error.code, "message": self.refusal.message} if self.refusal else None,
        }
