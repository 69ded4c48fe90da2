"""What is to be expected of an answer, before anybody is asked: how good it would be, how long, and what it would cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from waypost.decide.card import Candidate
from waypost.decide.policy import Route
from waypost.decide.quality import AnswerLengths, QualityEstimate, QualityEstimator
from waypost.decide.task import TaskScores
from waypost.fleet.view import Deployment, FleetView, answer_cap
from waypost.turn import Turn
from waypost.value import value

# The fields, of requests and of settings, that say how much a model is to think.
_EFFORT = ("think", "thinking", "reasoning_effort", "chat_template_kwargs")


@dataclass(slots=True, eq=False)
class Expected:
    """A candidate with what is expected of its answer; ``None`` is unknown.

    ``stated``: its quality is what the config says. Found out on the way: ``share``, its cost as a share of the span of all;
    ``worth``, what speaks for it in units of quality; and ``said``, what the card says of all that.
    """

    candidate: Candidate
    deployment: Deployment
    place: int
    quality: QualityEstimate | None = None
    stated: bool = False
    cost_usd: float | None = None
    tokens: int | None = None
    share: float = 0.0
    worth: float = 0.0
    said: str = ""

    def told(self) -> Candidate:
        """The candidate as the card has it."""
        one = self.candidate
        # By position, as in `decide`.
        return Candidate(
            one.deployment,
            one.group,
            one.provider,
            one.model,
            one.reason + self.said,
            one.settings,
            one.fallback,
            self.cost_usd,
            one.last_resort,
            one.expected_wait_s,
            one.loads,
            self.quality,
            self.tokens,
        )


@value(frozen=True, slots=True)
class Forecast:
    """Who can say what is to be expected, and of what: a turn on a route. ``task`` is what the task model said of it."""

    turn: Turn
    fleet: FleetView
    route: Route
    task: TaskScores
    quality: QualityEstimator | None
    lengths: AnswerLengths | None

    def of(self, candidates: Sequence[Candidate], *, judged: bool) -> tuple[list[Expected], str | None]:
        """Each candidate with its cost and, if it is to be ``judged``, its quality; and the version of the estimates, if any.

        What the config states counts, and only of the others an estimate is asked for.
        """
        known = self.fleet.roster.by_id
        found = [Expected(one, known[one.deployment], place) for place, one in enumerate(candidates)]
        asked = self._as_asked([one.deployment for one in found])
        if self.lengths is not None:
            self._measure(found, asked, self.lengths)
        else:
            for one in found:
                one.cost_usd = one.candidate.expected_cost_usd
        return found, self._judge(found, asked) if judged else None

    def _as_asked(self, deployments: list[Deployment]) -> list[Deployment]:
        """The deployments with what the route and the caller say of thinking: the same model may think longer or shorter."""
        sources = (self.route.settings, self.turn.body)
        said = {name: source[name] for source in sources for name in _EFFORT if source and name in source}
        return [replace(one, settings={**one.settings, **said}) for one in deployments] if said else deployments

    def _judge(self, found: list[Expected], asked: list[Deployment]) -> str | None:
        unsaid: list[Expected] = []
        for one in found:
            share = one.deployment.quality_on(self.route.name)
            if share is None:
                unsaid.append(one)
            else:
                one.quality, one.stated = QualityEstimate(share, share, share, 0), True
        if not unsaid or self.quality is None:
            return None
        estimates = self.quality.estimate(self.turn, [asked[one.place] for one in unsaid], self.task)
        for one, estimate in zip(unsaid, estimates, strict=True):
            one.quality = estimate
        return self.quality.version if any(estimates) else None

    def _measure(self, found: list[Expected], asked: list[Deployment], lengths: AnswerLengths) -> None:
        """The length, and the cost that goes with it."""
        caps = [answer_cap(self.turn, one.deployment.settings, one.candidate.settings) for one in found]
        for one, tokens in zip(found, lengths.tokens(self.task, asked, caps), strict=True):
            price = one.deployment.price
            one.tokens = tokens
            one.cost_usd = one.candidate.expected_cost_usd
            if tokens is not None and price is not None:
                one.cost_usd = price.cost_usd(self.turn.prompt_tokens, tokens)
